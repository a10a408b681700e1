"""File to socket in one call that a thread can make, where the store's descriptors are the kernel's own."""

from __future__ import annotations

import os
from typing import Final

from weka_mp.store.interface import Store
from weka_mp.store.posix import PosixStore
from weka_mp.store.translate import fail
from weka_mp.values import Fd

__all__ = ["can_transmit", "transmit"]

_STEP: Final = 256 * 1024  # bytes read at once; what a full socket did not take is read again


def can_transmit(store: Store) -> bool:
    """Whether `transmit` works for this store's descriptors."""
    return isinstance(store, PosixStore)


def transmit(fd: Fd, socket_fd: int, offset: int, size: int) -> int:
    """Up to `size` bytes from `offset` of the file into the socket: how many; 0 at the end of the file.

    A copy, unlike sendfile(2), which queues the file's own pages: whoever writes the file in place changes
    them until the peer has read them, long after the caller found the file unchanged.

    Raises BlockingIOError when a non-blocking socket is full and another OSError when the peer is gone;
    what the storage has to say is a NamespaceError.
    """
    try:
        data = os.pread(fd, min(size, _STEP), offset)
    except OSError as error:
        fail(error)
    return os.write(socket_fd, data) if data else 0
