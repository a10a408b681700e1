"""Events in a file of the administrator's choice, one a line; it is rotated like a log.

Every worker appends to the same file (O_APPEND: lines do not mix) and learns from where its line ended how
large the file is. Who finds it large enough rotates it under a lock; the others, who still have what was
renamed open, find out by their next line, which may thus stand in FILE.1.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from typing import Final

from weka_mp.spool.unsynced import Unsynced, sync_and_close

__all__ = ["AuditFile"]

log = logging.getLogger(__name__)

_MODE: Final = 0o600
_LOCK_SUFFIX: Final = ".lock"
_RETRY_SECONDS: Final = 1.0


class AuditFile:
    """One process's end. Not thread-safe. `keep` former files are kept, as PATH.1 (the latest) to PATH.N.

    written, dropped: events so far.
    """

    def __init__(self, path: str, *, max_size: int, keep: int, synced: bool = False) -> None:
        """max_size: in bytes; 0: never rotated. synced: somebody calls `unsynced` now and then."""
        self._unsynced = Unsynced(wanted=synced)
        self._path = path
        self._max_size = max_size
        self._keep = keep
        self._fd: int | None = None
        self._resting_until = 0.0  # in monotonic seconds, after a failure
        self._unrotated_until = 0.0  # the same of a rotation that failed
        self._untold = 0
        self.written = 0
        self.dropped = 0

    def open(self) -> None:
        """Make it when it is missing. Raises OSError."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        self._fd = os.open(self._path, flags, _MODE)

    def append(self, line: bytes) -> bool:
        """Whether it was written. Never raises: what cannot be written is counted."""
        try:
            done = self._append(line)
        except OSError as error:
            self._leave()
            self._resting_until = time.monotonic() + _RETRY_SECONDS
            if not self._untold:
                log.error("%s cannot be written, audit events are dropped: %s", self._path, error)
            done = False
        if done:
            self.written += 1
            if self._untold:
                log.warning("%s is written again; %d events were dropped", self._path, self._untold)
                self._untold = 0
        else:
            self.dropped += 1
            self._untold += 1
        return done

    def unsynced(self) -> list[int]:
        """Descriptors of what was written since, to be given to sync_and_close. Raises OSError."""
        return self._unsynced.take(self._fd)

    def close(self) -> None:
        """Give back the descriptor."""
        self._leave()
        sync_and_close(self._unsynced.take(None))

    def _leave(self) -> None:
        if self._fd is not None:
            self._unsynced.leave(self._fd)
            self._fd = None

    def _append(self, line: bytes) -> bool:
        if self._fd is None:
            if time.monotonic() < self._resting_until:
                return False
            self.open()
        assert self._fd is not None
        written = os.write(self._fd, line)
        self._unsynced.wrote()
        if written < len(line):
            os.write(self._fd, b"\n")  # a disk that is full: the next line begins anew
            raise OSError("the disk is full")
        if self._max_size and time.monotonic() >= self._unrotated_until:
            self._rotate_when_large()
        return True

    def _rotate_when_large(self) -> None:
        """A file that cannot be rotated goes on being written: no event is worth less than its size."""
        assert self._fd is not None
        try:
            if os.lseek(self._fd, 0, os.SEEK_CUR) >= self._max_size:
                self._rotate()
                self._unrotated_until = 0.0
        except OSError as error:
            if not self._unrotated_until:
                log.error("%s cannot be rotated and grows: %s", self._path, error)
            self._unrotated_until = time.monotonic() + _RETRY_SECONDS

    def _rotate(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        lock = os.open(self._path + _LOCK_SUFFIX, flags, _MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # held for a few renames
            if self._is_current():
                for number in range(self._keep - 1, 0, -1):
                    _rename(f"{self._path}.{number}", f"{self._path}.{number + 1}")
                _rename(self._path, f"{self._path}.1")
            self._leave()
            self.open()
        finally:
            os.close(lock)

    def _is_current(self) -> bool:
        """Whether what we have open still has the name: nobody else has rotated it."""
        assert self._fd is not None
        ours = os.fstat(self._fd)
        try:
            named = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino)


def _rename(old: str, new: str) -> None:
    try:
        os.rename(old, new)
    except FileNotFoundError:
        return
