"""File to socket within the kernel, where the store's descriptors are the kernel's own."""

from __future__ import annotations

import errno
import os
from typing import Final

from weka_mp.store.interface import Store
from weka_mp.store.posix import PosixStore
from weka_mp.store.translate import fail
from weka_mp.values import Fd

__all__ = ["can_transmit", "transmit"]

_SOCKET_ERRORS: Final = frozenset(
    {
        errno.EAGAIN,
        errno.EPIPE,
        errno.ECONNRESET,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENETDOWN,
    }
)


def can_transmit(store: Store) -> bool:
    """Whether `transmit` works for this store's descriptors."""
    return isinstance(store, PosixStore)


def transmit(fd: Fd, socket_fd: int, offset: int, size: int) -> int:
    """sendfile(2): up to `size` bytes from `offset` of the file into the socket; 0 at the end of the file.

    Raises BlockingIOError when a non-blocking socket is full and ConnectionError when the peer is gone;
    what the storage has to say is a NamespaceError.
    """
    try:
        return os.sendfile(socket_fd, fd, offset, size)
    except OSError as error:
        if error.errno in _SOCKET_ERRORS:
            raise
        fail(error)
