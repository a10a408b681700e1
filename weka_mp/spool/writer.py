"""Lines on their way, on this node's disk: what processes append.

A spool is a directory of segments. Each has one writer, a process that holds a lock on it as long as it
writes; what dies leaves its segment whole but for its last line. A process may be killed at any
time without losing a line; the machine's power may take those that were not synced yet (`unsynced`).

`<time in ns, 20 digits>-<8 hex>.events`: lines of JSON. `….dropped`: how many events found no room, 20
digits; its writer holds a lock on it as well. docs/STORAGE_FORMAT.md describes both.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from contextlib import suppress
from typing import Final

from weka_mp.clock import Clock, RandomSource
from weka_mp.spool.unsynced import Unsynced, sync_and_close

__all__ = ["DROPPED_SUFFIX", "EVENTS_SUFFIX", "STAGED_PREFIX", "SpoolWriter", "segment_bytes"]

log = logging.getLogger(__name__)

EVENTS_SUFFIX: Final = ".events"
DROPPED_SUFFIX: Final = ".dropped"
STAGED_PREFIX: Final = ".new-"

_LEAST_SEGMENT: Final = 64 * 1024
_MOST_SEGMENT: Final = 4 * 1024 * 1024
_SEGMENTS: Final = 32  # of a full spool, unless they would be smaller or larger than these
_LOOK_SECONDS: Final = 0.25  # between two looks whether there is room again
_MOST_BEYOND: Final = 4  # times the limit, that the first segments of writers may take it to


def segment_bytes(limit: int) -> int:
    """At which size a segment is left for another, in a spool of `limit` bytes."""
    return max(_LEAST_SEGMENT, min(_MOST_SEGMENT, limit // _SEGMENTS))


class SpoolWriter:
    """One process's end of a spool. Not thread-safe.

    limit: bytes that all segments may take together, about: each writer may have one segment beyond it, as
    long as there are not four times as many bytes, since writers come and go.
    written, dropped: lines so far.
    """

    def __init__(
        self, directory: str, limit: int, clock: Clock, random: RandomSource, *, what: str = "audit events",
        synced: bool = False, at_once: bool = False,
    ) -> None:
        """what: the lines are, for the log. synced: somebody calls `unsynced` now and then. at_once: a line
        is on the disk when `append` returns.
        """
        self._what = what
        self._at_once = at_once
        self._directory = directory
        self._segment_bytes = segment_bytes(limit)
        self._most = max(1, limit // self._segment_bytes)
        self._clock = clock
        self._random = random
        self._fd: int | None = None
        self._name = ""
        self._size = 0
        self._full_until = 0.0  # in monotonic seconds: no room before
        self._counter: int | None = None  # descriptor of the file that tells of dropped events
        self._untold = 0  # dropped since the log was told
        self._unsynced = Unsynced(wanted=synced)
        self.written = 0
        self.dropped = 0

    def append(self, line: bytes) -> bool:
        """Whether there was room. Never raises: what cannot be written is counted."""
        try:
            kept = self._has_segment(len(line)) and self._write(line)
        except OSError as error:
            self._leave_segment()
            self._full_until = time.monotonic() + _LOOK_SECONDS
            kept = False
            if not self._untold:
                log.error("%s cannot be written and are dropped: %s", self._what, error)
        if kept:
            self.written += 1
        else:
            self._count_dropped()
        return kept

    def unsynced(self) -> list[int]:
        """Descriptors of what was written since, to be given to sync_and_close. Raises OSError."""
        return self._unsynced.take(self._fd)

    def close(self) -> None:
        """Leave what was written to its reader."""
        self._leave_segment()
        sync_and_close(self._unsynced.take(None))
        if self._counter is not None:
            os.close(self._counter)
            self._counter = None

    def _has_segment(self, size: int) -> bool:
        if self._fd is not None and (self._size + size <= self._segment_bytes or self._size == 0):
            return True
        if time.monotonic() < self._full_until:
            return False
        self._leave_segment()  # first: what one holds cannot be removed, and would count against all
        if not self._is_room():
            self._full_until = time.monotonic() + _LOOK_SECONDS
            return False
        self._fd, self._name = self._created(EVENTS_SUFFIX)
        self._size = 0
        self._unsynced.made_in(self._directory)
        if self._untold:
            log.warning("there is room for %s again; %d were dropped", self._what, self._untold)
            self._untold = 0
        return True

    def _is_room(self) -> bool:
        """Room for one more segment; and for the first of each writer, else an idle one would take it all."""
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return True
        if self._name not in names:
            return self._waiting(names) < _MOST_BEYOND * self._most * self._segment_bytes
        return sum(name.endswith(EVENTS_SUFFIX) for name in names) < self._most

    def _waiting(self, names: list[str]) -> int:
        """Bytes in all segments."""
        total = 0
        for name in names:
            if name.endswith(EVENTS_SUFFIX):
                with suppress(FileNotFoundError):
                    total += os.stat(os.path.join(self._directory, name)).st_size
        return total

    def _write(self, line: bytes) -> bool:
        assert self._fd is not None
        written = os.write(self._fd, line)
        self._unsynced.wrote()
        if written == len(line):
            self._size += written
            if self._at_once:
                os.fdatasync(self._fd)
            return True
        # The disk is full. What was begun must not stand before the next line.
        os.ftruncate(self._fd, self._size)
        return False

    def _created(self, suffix: str) -> tuple[int, str]:
        """A new file with its lock held from before it has its name. Raises OSError."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        name = f"{self._clock.now_ns():020d}-{self._random.token(4)}{suffix}"
        staged = os.path.join(self._directory, STAGED_PREFIX + name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        if suffix == EVENTS_SUFFIX:
            flags |= os.O_APPEND  # a line stands behind the last whole one, also after half a one was cut off
        fd = os.open(staged, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(staged, os.path.join(self._directory, name))
            if self._at_once:
                sync_directory(self._directory)
        except BaseException:
            os.close(fd)
            raise
        return fd, name

    def _leave_segment(self) -> None:
        if self._fd is not None:
            self._unsynced.leave(self._fd)  # and with it the lock: the reader may remove it once it was read
            self._fd = None

    def _count_dropped(self) -> None:
        """Kept in a file, so that it is told even if this process dies."""
        self.dropped += 1
        if not self._untold:
            log.error("there is no room for %s: they are dropped", self._what)
        self._untold += 1
        try:
            if self._counter is None:
                self._counter, _ = self._created(DROPPED_SUFFIX)
            os.pwrite(self._counter, b"%020d\n" % self.dropped, 0)
        except OSError as error:
            log.debug("dropped %s cannot be counted on the disk: %s", self._what, error)


def sync_directory(path: str) -> None:
    """Its names are on the disk. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
