"""Where events are kept: files of lines in ``.weka/events``, the oldest removed when there are too many.

There are three rows of files. What administrators did must not be washed out by somebody else who does a
harmless thing a million times, nor what users did who may administrate something: what other users do is in
files of its own, with a bound of their own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from weka_mp.errors import UNWRITABLE, Exists, NamespaceError, NotFound
from weka_mp.events.lines import decode_line, encode_line
from weka_mp.events.types import By, Event, Severity
from weka_mp.namespace import Namespace
from weka_mp.namespace.concealment import create_concealed
from weka_mp.values import Fd

__all__ = ["FILES", "FILE_BYTES", "EventLog", "Wanted"]

FILE_BYTES: Final = 256 * 1024
"""A file takes lines until it has as many bytes."""

FILES: Final = 16
"""So many of each row are kept: 4 MiB, some fifteen thousand events."""

_DIRECTORY: Final = b"events"
_LOCK: Final = b"log"
_DIGITS: Final = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events: from `since_ns` to `until_ns`, both included, of `severity` and above; of these types
    and categories, where some are named; of this account or about what is its own, unless it is None.
    """

    since_ns: int = 0
    until_ns: int | None = None
    severity: Severity = Severity.DEBUG
    types: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    account: str | None = None

    def has(self, event: Event) -> bool:
        """Whether it is one."""
        kind = event.type
        return (
            self.since_ns <= event.time_ns
            and (self.until_ns is None or event.time_ns <= self.until_ns)
            and kind.severity >= self.severity
            and (not self.types or kind.name in self.types)
            and kind.name not in self.without
            and (not self.categories or kind.category in self.categories)
            and self.account in (None, event.account, event.owner or event.account)
        )


class EventLog:
    """The events of one store. Thread-safe; several processes may write. Holds nothing open."""

    def __init__(self, namespace: Namespace) -> None:
        self._store = namespace.store
        self._clock = namespace.clock
        self._locks = namespace.locks
        self._control = namespace.context.control

    def now_ns(self) -> int:
        """For an event that is about to be kept."""
        return self._clock.now_ns()

    def keep(self, event: Event, by: By) -> None:
        """Durably, when this returns. What the event tells is done already, so that where it cannot be kept
        the log says so, and nobody is refused. No lock of an entry may be held.
        """
        try:
            with self._directory(make=True) as directory:
                self._append(directory, by.value, encode_line(event))
        except NamespaceError as error:
            _log.error("the event %s could not be kept: %s", event.type.name, error)

    def read(self, wanted: Wanted, most: int = 0) -> list[Event]:
        """Those that are wanted, the oldest first; `most` of the newest of them, 0: all. Raises
        NamespaceError.
        """
        try:
            with self._directory(make=False) as directory:
                found = [event for by in By for event in self._newest(directory, by.value, wanted, most)]
        except NotFound:
            return []  # nothing was ever kept
        found.sort(key=lambda event: event.time_ns)
        return found[-most:] if most else found

    # ---- files
    @contextmanager
    def _directory(self, *, make: bool) -> Iterator[Fd]:
        if make:
            with suppress(Exists, *UNWRITABLE):
                self._store.mkdir(self._control, _DIRECTORY, 0o700)
                self._store.sync_dir(self._control)
        fd = self._store.open_dir(self._control, _DIRECTORY)
        try:
            yield fd
        finally:
            self._store.close(fd)

    def _names(self, directory: Fd, row: bytes) -> list[bytes]:
        """In the order in which they were begun."""
        found = [entry.name for entry in self._store.entries(directory) if entry.name.startswith(row)]
        return sorted(name for name in found if name[len(row) :].isdigit())

    def _append(self, directory: Fd, row: bytes, line: bytes) -> None:
        with self._locks.hold([(self._store.attr(directory).ino, _LOCK)]):
            names = self._names(directory, row)
            if names and self._extend(directory, names[-1], line):
                return
            following = int(names[-1][len(row) :]) + 1 if names else 1
            self._begin(directory, row + b"%0*d" % (_DIGITS, following), line)
            for name in names[: max(0, len(names) + 1 - FILES)]:
                self._store.unlink(directory, name)
            self._store.sync_dir(directory)

    def _extend(self, directory: Fd, name: bytes, line: bytes) -> bool:
        """False: it is full."""
        fd = self._store.open_file(directory, name, os.O_RDWR)
        try:
            size = self._store.attr(fd).size
            if size >= FILE_BYTES:
                return False
            # Who wrote last may have died within a line: it must not swallow this one.
            torn = size > 0 and self._store.read(fd, 1, size - 1) != b"\n"
            self._store.write(fd, b"\n" + line if torn else line, size)
            self._store.sync_file(fd)
        finally:
            self._store.close(fd)
        return True

    def _begin(self, directory: Fd, name: bytes, line: bytes) -> None:
        fd = create_concealed(self._store, directory, name, os.O_RDWR | os.O_EXCL)
        try:
            self._store.write(fd, line, 0)
            self._store.sync_file(fd)
        finally:
            self._store.close(fd)

    # ---- lines
    def _newest(self, directory: Fd, row: bytes, wanted: Wanted, most: int) -> list[Event]:
        found: list[Event] = []
        for name in reversed(self._names(directory, row)):
            events = [event for event in self._events(directory, name) if wanted.has(event)]
            found[:0] = events
            if most and len(found) >= most:
                break
        return found

    def _events(self, directory: Fd, name: bytes) -> Iterator[Event]:
        try:
            fd = self._store.open_file(directory, name, os.O_RDONLY)
        except NotFound:
            return  # the oldest went meanwhile
        try:
            data = self._store.read(fd, self._store.attr(fd).size, 0)
        finally:
            self._store.close(fd)
        for line in data.split(b"\n"):
            event = decode_line(line)
            if event is not None:
                yield event
