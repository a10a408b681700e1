"""What of the audit is still in the kernel's hands: synced now and then, so that a power cut takes no more.

Killing processes loses nothing of it; only the machine's end does.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterable
from typing import Final

__all__ = ["Unsynced", "sync_and_close"]

log = logging.getLogger(__name__)

_MOST: Final = 64  # descriptors of files that were left and wait to be synced


class Unsynced:
    """Of one writer, which tells what it wrote and what it leaves. Not thread-safe."""

    def __init__(self, *, wanted: bool) -> None:
        """wanted: whether anybody is going to take what gathers here."""
        self._wanted = wanted
        self._is_written = False
        self._left: list[int] = []

    def wrote(self) -> None:
        """Something, to the file that it has open."""
        self._is_written = self._wanted

    def made_in(self, directory: str) -> None:
        """A file, whose name must reach the disk, too. Raises OSError."""
        if self._wanted:
            self._keep(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))

    def leave(self, fd: int) -> None:
        """The writer has done with this file, and is not to close it. Its lock ends."""
        if self._is_written:
            fcntl.flock(fd, fcntl.LOCK_UN)
            self._keep(fd)
            self._is_written = False
        else:
            os.close(fd)

    def take(self, fd: int | None) -> list[int]:
        """Descriptors for sync_and_close. fd: of the file that is open. Raises OSError."""
        found, self._left = self._left, []
        if fd is not None and self._is_written:
            found.append(os.dup(fd))
        self._is_written = False
        return found

    def _keep(self, fd: int) -> None:
        if len(self._left) >= _MOST:  # they come faster than they are taken: the kernel has to see to it
            os.close(self._left.pop(0))
        self._left.append(fd)


def sync_and_close(fds: Iterable[int]) -> None:
    """In a thread: a disk takes its time."""
    for fd in fds:
        try:
            os.fdatasync(fd)
        except OSError as error:
            log.error("audit events may not outlive a power cut: %s", error)
        finally:
            os.close(fd)
