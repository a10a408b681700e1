"""Open-file-description locks on single bytes of a file (fcntl(2)), which die with their holder."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import threading
from typing import Final

from weka_mp.store.interruptions import close_once, uninterrupted
from weka_mp.store.translate import fail
from weka_mp.values import Fd

__all__ = ["ByteLocks"]

_FLOCK: Final = struct.Struct("hhqqi4x")
_F_OFD_SETLK, _F_OFD_SETLKW = 37, 38  # fcntl(2); not in Python 3.11's fcntl


class ByteLocks:
    """Thread-safe. What fails is a NamespaceError."""

    def __init__(self) -> None:
        self._exchange = threading.Lock()

    def lock(self, fd: Fd, offset: int, *, wait: bool) -> bool:
        """See `weka_mp.store.interface.Store.lock`."""
        request = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
        command = _F_OFD_SETLKW if wait else _F_OFD_SETLK
        try:
            try:
                fcntl.fcntl(fd, command, request)
            except OSError as error:
                if error.errno != errno.EBADF:  # what a descriptor that cannot write gets
                    raise
                self._make_writable(fd)
                fcntl.fcntl(fd, command, request)
        except OSError as error:
            if not wait and error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            fail(error)
        return True

    def unlock(self, fd: Fd, offset: int) -> None:
        """See `weka_mp.store.interface.Store.unlock`."""
        try:
            fcntl.fcntl(fd, _F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, offset, 1, 0))
        except OSError as error:
            fail(error)

    def _make_writable(self, fd: Fd) -> None:
        """Exchange what is behind a descriptor that was opened while the file system was read-only."""
        with self._exchange:
            if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
                return  # another thread was faster, and may hold locks by it
            writable = os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC)
            try:
                _replace(writable, fd)
            finally:
                close_once(writable)


@uninterrupted
def _replace(writable: int, fd: int) -> None:
    os.dup2(writable, fd, inheritable=False)
