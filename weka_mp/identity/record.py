"""The registry's record: read again when it changed, changed by one at a time.

Whoever looks compares the file with the one it read last. It keeps that one open: its inode number is nobody
else's meanwhile, so a file with this number, time and size is this file. A change is therefore in force in
every process for whatever comes in after it was acknowledged.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from weka_mp.errors import UNWRITABLE, Conflict, NotFound
from weka_mp.identity import registry_codec
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.identity.place import REGISTRY, Directories, Place
from weka_mp.identity.registry import Registry
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd

__all__ = ["RegistryRecord"]

_ATTEMPTS: Final = 3

State = TypeVar("State")
_Stamp = tuple[int, int, int, int]


def _stamp(attr: Attr) -> _Stamp:
    return attr.dev, attr.ino, attr.mtime_ns, attr.size


@dataclass(frozen=True, slots=True)
class _Loaded(Generic[State]):
    """What was read. stamp, fd: of its file, None where there is none; problem: why there is no state."""

    stamp: _Stamp | None
    fd: Fd | None
    state: State | None
    problem: str = ""


class RegistryRecord(Generic[State]):
    """`make` turns a registry into what is kept of it. Thread-safe."""

    def __init__(self, place: Place, make: Callable[[Registry], State]) -> None:
        self._place = place
        self._store: Store = place.store
        self._make = make
        self._mutex = threading.Lock()
        self._loaded: _Loaded[State] | None = None

    def close(self) -> None:
        """Give back the descriptor."""
        with self._mutex:
            self._replace(None)

    def create(self) -> None:
        """An empty record where there is none. Where nothing can be written it is made later."""
        if self._now(self._place.found()) is not None:
            return
        try:
            with self._place.exclusive() as directories:
                if self._now(directories) is None and not self._has_children(directories):
                    self._write(directories, Registry())
        except UNWRITABLE:
            return

    def current(self) -> State:
        """What the record says now. Raises IdentityUnusable, NamespaceError."""
        return _state(self._current())

    def change(self, registry_of: Callable[[State], Registry], step: Callable[[Registry], Registry]) -> State:
        """Replace the record by what `step` makes of it; what it says then. When it makes the same of it
        nothing is written. `step` may be called several times.

        Raises what `step` raises, IdentityUnusable (damaged: nothing is written), Conflict, NamespaceError.
        """
        with self._place.exclusive() as directories:
            for _ in range(_ATTEMPTS):
                loaded = self._current()
                before = registry_of(_state(loaded))
                after = step(before)
                if after == before:
                    return _state(loaded)
                # Under the lock it cannot have changed; where locks do not reach another node, this is all
                # that stands between its change and ours.
                if self._now(directories) == loaded.stamp:
                    self._write(directories, replace(after, revision=before.revision + 1))
                    return self.current()
        raise Conflict("somebody else keeps changing users and policies without the lock")

    def _current(self) -> _Loaded[State]:
        directories = self._place.found()
        while True:
            loaded = self._loaded
            if loaded is None or self._now(directories) != loaded.stamp:
                return self._load(directories)
            # Else its file was let go meanwhile, and what was compared may be another with its number.
            if loaded is self._loaded:
                return loaded

    def _write(self, directories: Directories, registry: Registry) -> None:
        data = registry_codec.encode(registry)
        registry_codec.decode(data)  # what could not be read again must never be written
        self._place.files(directories.root).write(REGISTRY, data)

    def _now(self, directories: Directories | None) -> _Stamp | None:
        if directories is None:
            return None
        try:
            return _stamp(self._store.attr_at(directories.root, REGISTRY))
        except NotFound:
            return None

    def _load(self, directories: Directories | None) -> _Loaded[State]:
        with self._mutex:
            if self._loaded is not None and self._now(directories) == self._loaded.stamp:
                return self._loaded  # another thread was faster
            fresh = self._read(directories)
            self._replace(fresh)
            return fresh

    def _replace(self, fresh: _Loaded[State] | None) -> None:
        """The old one goes before its descriptor is closed: see `_current`."""
        old, self._loaded = self._loaded, fresh
        if old is not None and old.fd is not None:
            self._store.close(old.fd)

    def _read(self, directories: Directories | None) -> _Loaded[State]:
        if directories is None:
            return _Loaded(None, None, self._make(Registry()))
        try:
            fd = self._store.open_file(directories.root, REGISTRY, os.O_RDONLY)
        except NotFound:
            if self._has_children(directories) or self._seen():
                return _Loaded(None, None, None, "the record of users and policies is gone: restore it")
            return _Loaded(None, None, self._make(Registry()))
        try:
            attr = self._store.attr(fd)
            registry = registry_codec.decode(self._store.read(fd, attr.size, 0))
        except IdentityUnusable as error:
            return _Loaded(_stamp(attr), fd, None, str(error))
        except BaseException:
            self._store.close(fd)
            raise
        return _Loaded(_stamp(attr), fd, self._make(registry))

    def _seen(self) -> bool:
        """Whether this process has seen one, or missed it."""
        return self._loaded is not None and (self._loaded.stamp is not None or self._loaded.state is None)

    def _has_children(self, directories: Directories) -> bool:
        """Records of children are made after the registry's: without it, it was lost."""
        found = (directories.service_accounts, directories.sessions)
        return any(self._store.entries(directory) for directory in found)


def _state(loaded: _Loaded[State]) -> State:
    if loaded.state is None:
        raise IdentityUnusable(loaded.problem)
    return loaded.state
