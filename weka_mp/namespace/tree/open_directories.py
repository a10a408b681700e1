"""Directories that mount callers have open: listings that stay right while entries come and go (see
`snapshots`).
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from weka_mp.errors import NotFound, Stale
from weka_mp.namespace.names.keys import visible
from weka_mp.namespace.records.directories import take_over
from weka_mp.namespace.tree.former_versions import FormerVersions
from weka_mp.namespace.tree.nodes import ROOT, Nodes
from weka_mp.namespace.tree.snapshots import Snapshot
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd

__all__ = ["Listed", "OpenDirectories"]


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a listing; `position` is where the listing goes on after it. lasting: see `Entry`."""

    name: bytes
    number: int
    generation: int
    attr: Attr
    position: int
    lasting: bool = True


class _OpenDirectory:
    __slots__ = ("end", "fd", "number", "snapshot")

    def __init__(self, number: int, fd: Fd | None) -> None:
        self.number = number
        self.fd = fd  # None: it has former versions
        self.snapshot: Snapshot | None = None
        self.end: int | None = None  # the position after which the listing was found complete


class OpenDirectories:
    """All open directories of a mount.

    A listing's names are kept from its start until it was read to its end.
    """

    def __init__(self, store: Store, nodes: Nodes, former: FormerVersions) -> None:
        self._former = former
        self._store = store
        self._nodes = nodes
        self._handles = itertools.count(1)
        self._open: dict[int, _OpenDirectory] = {}
        self._lock = threading.Lock()

    def open(self, number: int) -> int:
        """opendir(3): the handle.

        The directory is no longer an implicit one: somebody may be at work in it.
        """
        opened = None
        if not self._former.owns(number):
            with self._nodes.borrow(number) as fd:
                opened = self._store.reopen(fd, os.O_RDONLY | os.O_DIRECTORY)
            take_over(self._store, opened)
        with self._lock:
            handle = next(self._handles)
            self._open[handle] = _OpenDirectory(number, opened)
        return handle

    def _get(self, handle: int) -> _OpenDirectory:
        try:
            return self._open[handle]
        except KeyError:
            raise Stale("no such open directory") from None

    def read(self, handle: int, position: int) -> Iterator[Listed]:
        """Entries after `position`, attributes as they are now; position 0 looks at the directory afresh.

        Entries that have gone meanwhile are left out. The consumer may stop anywhere.
        """
        directory = self._get(handle)
        if position == 0:
            directory.snapshot = directory.end = None
            yield Listed(b".", directory.number, 0, self._own(directory), 1)
        if position <= 1:
            yield self._parent(directory)
        if directory.end is not None and position >= directory.end:
            return
        if directory.snapshot is None:
            directory.snapshot = Snapshot(self._names(directory))
        snapshot = directory.snapshot
        for name, after in snapshot.after(position):
            listed = self._listed(directory, name, after)
            if listed is not None:
                yield listed
        directory.end, directory.snapshot = snapshot.end, None

    def _own(self, directory: _OpenDirectory) -> Attr:
        if directory.fd is None:
            return self._former.attributes(directory.number).attr
        return self._store.attr(directory.fd)

    def _names(self, directory: _OpenDirectory) -> Iterable[bytes]:
        if directory.fd is None:
            return self._former.names(directory.number)
        return (entry.name for entry in self._store.entries(directory.fd) if visible(entry.name))

    def _parent(self, directory: _OpenDirectory) -> Listed:
        if directory.fd is None:
            above = self._former.parent(directory.number)
            return Listed(b"..", above.number, 0, above.attr, 2)
        if directory.number == ROOT:
            return Listed(b"..", ROOT, 0, self._store.attr(directory.fd), 2)
        attr = self._store.attr_at(directory.fd, b"..")
        return Listed(b"..", self._nodes.number_of(attr), 0, attr, 2)

    def _listed(self, directory: _OpenDirectory, name: bytes, position: int) -> Listed | None:
        try:
            if directory.fd is None:
                found = self._former.lookup(directory.number, name)
                return Listed(name, found.number, found.generation, found.attr, position, lasting=False)
            node, attr = self._nodes.find(directory.fd, directory.number, name)
        except NotFound:
            return None
        return Listed(name, node.number, node.generation, attr, position)

    def sync(self, handle: int) -> None:
        """fsync(2) of the directory; may take long."""
        fd = self._get(handle).fd
        if fd is not None:
            self._store.sync_dir(fd)

    def release(self, handle: int) -> None:
        """The last reference to the open directory is gone."""
        with self._lock:
            directory = self._open.pop(handle, None)
        if directory is not None and directory.fd is not None:
            self._store.close(directory.fd)

    def figures(self) -> dict[str, int]:
        """Counts for statistics."""
        return {"open_directories": len(self._open)}

    def close(self) -> None:
        """Release every directory."""
        for handle in list(self._open):
            self.release(handle)
