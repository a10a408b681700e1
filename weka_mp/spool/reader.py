"""The reading end of a spool: events in batches, and how far the receiver has them.

At least once: what a batch held counts as read when `done` was written down, so whoever dies between the
receiver's answer and that sends the batch again.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from weka_mp.spool.writer import DROPPED_SUFFIX, EVENTS_SUFFIX, STAGED_PREFIX

__all__ = ["Batch", "Order", "SpoolReader", "time_in"]

log = logging.getLogger(__name__)

Order = Callable[[bytes], str | None]
"""By what a line is sorted among others; None: it is none, or not all of one."""

_PROGRESS: Final = "progress"
_STAGED_NS: Final = 60_000_000_000  # a file gets its name at once
_MAX_LINE: Final = 256 * 1024  # bytes; an event has far fewer (event.py, redaction.py)


@dataclass(frozen=True, slots=True)
class Batch:
    """events: lines without their ends, in their order. dropped: how many found no room, to be
    told. torn: bytes that were no events. `_offsets`, `_told`: how far it goes.
    """

    events: tuple[bytes, ...]
    dropped: int = 0
    torn: int = 0
    _offsets: dict[str, int] = field(default_factory=dict)
    _told: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.events or self.dropped or self._offsets)


class SpoolReader:
    """There is one at a time, in the background process. Not thread-safe."""

    def __init__(self, directory: str, order: Order | None = None) -> None:
        """order: the time in an audit event when nothing else is said."""
        self._order = order or time_in
        self._directory = directory
        self._offsets: dict[str, int] | None = None  # None: not read yet
        self._told: dict[str, int] = {}

    def pending_bytes(self) -> int:
        """What waits, about."""
        self._load()
        assert self._offsets is not None
        return sum(
            max(0, size - self._offsets.get(name, 0)) for name, size in self._sizes(EVENTS_SUFFIX).items()
        )

    def batch(self, max_bytes: int, max_events: int) -> Batch:
        """The oldest events that nobody has yet, and one at least where there is one. Raises OSError."""
        self._load()
        assert self._offsets is not None
        found: list[tuple[str, bytes]] = []
        offsets: dict[str, int] = {}
        torn, room = 0, max_bytes
        for name in sorted(self._sizes(EVENTS_SUFFIX)):
            start = self._offsets.get(name, 0)
            lines, taken, lost = self._lines(name, start, room, max_events - len(found))
            if taken:
                offsets[name] = start + taken
            found += lines
            torn += lost
            room -= taken
            if room <= 0 or len(found) >= max_events:
                break
        found.sort(key=_order_of)  # within a batch; stable, so equal times stay as they were written
        told = self._dropped_since_told()
        dropped = sum(count - self._told.get(name, 0) for name, count in told.items())
        return Batch(tuple(line for _, line in found), dropped, torn, offsets, told)

    def done(self, batch: Batch) -> None:
        """The receiver has it. Raises OSError."""
        self._load()
        assert self._offsets is not None
        self._offsets |= batch._offsets
        self._told |= batch._told
        self._save()
        self._remove_finished()

    def tidy(self, now_ns: int) -> None:
        """Remove what its writer has left and its receiver has, and what never got its name."""
        self._load()
        self._remove_finished()
        with suppress(FileNotFoundError):
            for name in os.listdir(self._directory):
                if name.startswith(STAGED_PREFIX) and _made_ns(name) < now_ns - _STAGED_NS:
                    self._remove_if(name, lambda size: True)

    # ---- reading
    def _lines(
        self, name: str, start: int, most: int, count: int
    ) -> tuple[list[tuple[str, bytes]], int, int]:
        """Whole lines from an offset with what they are sorted by, the bytes that they take, and how many of
        these are no events.
        """
        try:
            with open(self._path(name), "rb") as file:
                file.seek(start)
                data = file.read(max(most, _MAX_LINE))
        except FileNotFoundError:
            return [], 0, 0
        found: list[tuple[str, bytes]] = []
        taken = torn = 0
        while len(found) < count and (not found or taken < most):
            end = data.find(b"\n", taken)
            if end < 0:
                break
            line = data[taken:end]
            order = self._order(line)
            if order is None:
                torn += end + 1 - taken
            else:
                found.append((order, line))
            taken = end + 1
        if not found and taken < len(data) and self._is_left(name, start + len(data)):
            torn += len(data) - taken  # a line that nobody will end
            taken = len(data)
        return found, taken, torn

    def _dropped_since_told(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for name in self._sizes(DROPPED_SUFFIX):
            with suppress(OSError, ValueError), open(self._path(name), "rb") as file:
                count = int(file.read(20))
                if count > self._told.get(name, 0):
                    counts[name] = count
        return counts

    def _sizes(self, suffix: str) -> dict[str, int]:
        sizes: dict[str, int] = {}
        with suppress(FileNotFoundError), os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.endswith(suffix) and not entry.name.startswith(STAGED_PREFIX):
                    with suppress(FileNotFoundError):
                        sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
        return sizes

    # ---- removing
    def _remove_finished(self) -> None:
        offsets, told = self._offsets or {}, self._told
        for name, size in self._sizes(EVENTS_SUFFIX).items():
            if offsets.get(name, 0) >= size:
                done = offsets.get(name, 0)
                self._remove_if(name, lambda now, done=done: done >= now)  # type: ignore[misc]
        for name in self._sizes(DROPPED_SUFFIX):
            if name in told:
                self._remove_if(name, lambda now, name=name: self._is_told(name))  # type: ignore[misc]

    def _is_told(self, name: str) -> bool:
        with open(self._path(name), "rb") as file:
            return int(file.read(20)) <= self._told.get(name, 0)

    def _is_left(self, name: str, size: int) -> bool:
        """Whether its writer is gone and left it with this size."""
        try:
            fd = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.fstat(fd).st_size == size
        except BlockingIOError:
            return False
        finally:
            os.close(fd)

    def _remove_if(self, name: str, finished: Callable[[int], bool]) -> None:
        """finished: looks at the size that it has once its writer is gone."""
        with suppress(OSError, ValueError):
            fd = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if finished(os.fstat(fd).st_size):
                    os.unlink(self._path(name))
            finally:
                os.close(fd)

    # ---- progress
    def _load(self) -> None:
        if self._offsets is not None:
            return
        content: dict[str, Any] = {}
        try:
            with open(self._path(_PROGRESS), "rb") as file:
                content = json.load(file)
            self._offsets = {str(name): int(offset) for name, offset in content["offsets"].items()}
            self._told = {str(name): int(count) for name, count in content["told"].items()}
        except FileNotFoundError:
            self._offsets, self._told = {}, {}
        except (ValueError, KeyError, TypeError, AttributeError):
            log.error("how far %s was read is damaged: it may be sent again", self._directory)
            self._offsets, self._told = {}, {}

    def _save(self) -> None:
        """Replaced whole. Not synced: after a power failure events may be sent again."""
        assert self._offsets is not None
        names = {*self._sizes(EVENTS_SUFFIX), *self._sizes(DROPPED_SUFFIX)}
        self._offsets = {name: offset for name, offset in self._offsets.items() if name in names}
        self._told = {name: count for name, count in self._told.items() if name in names}
        staged = self._path(_PROGRESS + ".new")
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as file:
            json.dump({"offsets": self._offsets, "told": self._told}, file)
        os.rename(staged, self._path(_PROGRESS))

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)


def _made_ns(staged: str) -> int:
    digits = staged.removeprefix(STAGED_PREFIX).partition("-")[0]
    return int(digits) if digits.isdigit() else 0


def _order_of(entry: tuple[str, bytes]) -> str:
    return entry[0]


def time_in(line: bytes) -> str | None:
    """The time in an audit event; None: it is none, or not all of it. Times in UTC sort as they stand."""
    try:
        content = json.loads(line)
        time = content["time"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return time if isinstance(time, str) else None
