"""Former versions on the mount: ``DIRECTORY/.weka~versions`` leads to the histories of the keys in it.

No listing shows that name. Who looks it up finds a directory whose tree is that of the bucket, but that a
key, too, is a directory, with a file for each version that is not the current one, under its version id; a
delete marker is an empty file whose name ends in ``.deleted`` (docs/SEMANTICS.md, 18). The directories are
virtual: they have numbers of their own, and whatever would change one meets ReadOnly, since no inode stands
behind it. The files are the versions' own inodes.

Who may look is who may look into the directory of the bucket that holds the key now; where there is none any
more, root.
"""

from __future__ import annotations

import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from weka_mp.errors import Loop, NameTooLong, NoAttribute, NotDirectory, NotFound, NotSupported, Stale
from weka_mp.namespace.context import Context
from weka_mp.namespace.names.keys import BODY_NAME, EntryPath
from weka_mp.namespace.tree.node_numbers import FIRST_VIRTUAL, ROOT, is_virtual
from weka_mp.namespace.tree.nodes import Nodes
from weka_mp.namespace.tree.requests import Entry
from weka_mp.namespace.versions.histories import counting
from weka_mp.namespace.versions.identifiers import Kept, parse_entry, shown
from weka_mp.namespace.versions.keeping import Place, current_version
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["FORMER_NAME", "FormerVersions", "is_announced"]

FORMER_NAME = b".weka~versions"
_DELETED = b".deleted"
_REMEMBERED = 1 << 16  # directories; whoever stands in one that was forgotten since gets ESTALE
_READABLE = 0o555
_OWNERS_ONLY = 0o700
_NAMES_UNREAD = 0o333
_MISSING = (NotFound, NotDirectory, Loop, NameTooLong)
Way = tuple[bytes, ...]
_Directory = tuple[int, Way]
"""The number of the directory of the bucket that it was entered from, and the names from there."""


class FormerVersions:
    """Thread-safe. `way`: the names that lead from the store's root to a directory, by its number."""

    def __init__(
        self, store: Store, nodes: Nodes, context: Context | None, way: Callable[[int], Way]
    ) -> None:
        self._store = store
        self._nodes = nodes
        self._context = context
        self._way = way
        self._lock = threading.Lock()
        self._known: OrderedDict[int, _Directory] = OrderedDict()
        self._numbers: dict[_Directory, int] = {}
        self._last = 0
        self._generation = 0 if context is None else int(context.histories.random.token(4), 16)

    # ---- numbers
    def _number(self, directory: _Directory) -> int:
        with self._lock:
            number = self._numbers.get(directory)
            if number is None:
                self._last += 1
                number = self._numbers[directory] = FIRST_VIRTUAL + self._last
                self._known[number] = directory
                if len(self._known) > _REMEMBERED:
                    del self._numbers[self._known.popitem(last=False)[1]]
            self._known.move_to_end(number)
            return number

    def _directory(self, number: int) -> _Directory:
        with self._lock:
            try:
                self._known.move_to_end(number)
            except KeyError:
                raise Stale("this directory of former versions has to be entered again") from None
            return self._known[number]

    # ---- looking
    def enter(self, parent: int) -> Entry:
        """What ``.weka~versions`` leads to in a directory. Raises NotFound where no key has a history."""
        if self._context is None or parent == ROOT or not self._context.histories.anywhere():
            raise NotFound(subject=FORMER_NAME)
        return self._entry((parent, ()))

    def lookup(self, number: int, name: bytes) -> Entry:
        """An entry of one of these directories. Raises NotFound, Stale."""
        anchor, way = directory = self._directory(number)
        if name == b".":
            return self._entry(directory)
        if name == b"..":
            return self._above(directory)
        with self._opened(directory) as (_, history):
            if parse_entry(name) is None and self._is_directory(history, name):
                return self._entry((anchor, (*way, name)))
        for each, kept in self._versions(directory):
            if name in (each, kept.name):
                return self._file(number, kept)
        raise NotFound(subject=name)

    def attributes(self, number: int) -> Entry:
        """What stat(2) shows of one of these directories. Raises Stale when there is no history any more."""
        try:
            return self._entry(self._directory(number))
        except NotFound as error:
            raise Stale("these versions are gone") from error

    def parent(self, number: int) -> Entry:
        """What ``..`` leads to."""
        return self._above(self._directory(number))

    def _above(self, directory: _Directory) -> Entry:
        anchor, way = directory
        if way:
            return self._entry((anchor, way[:-1]))
        with self._nodes.borrow(anchor) as fd:
            return Entry(anchor, self._nodes.get(anchor).generation, self._store.attr(fd))

    def names(self, number: int) -> list[bytes]:
        """What readdir(3) shows."""
        directory = self._directory(number)
        return [*self._below(directory), *(name for name, _ in self._versions(directory))]

    def _entry(self, directory: _Directory) -> Entry:
        with self._opened(directory) as (bucket, history):
            attr = self._store.attr(history)
            number = self._number(directory)
            mode, uid, gid = self._permissions(bucket, self._full(directory)[1:], directory)
        shown_as = attr._replace(mode=stat.S_IFDIR | mode, uid=uid, gid=gid, nlink=2)
        return Entry(number, self._generation, shown_as, lasting=False)

    def _file(self, number: int, kept: Kept) -> Entry:
        with self._opened(self._directory(number)) as (_, history):
            node, attr = self._nodes.find(history, number, kept.name)
        return Entry(node.number, node.generation, attr, lasting=False)

    # ---- what there is
    def _full(self, directory: _Directory) -> Way:
        """From the store's root."""
        anchor, way = directory
        return (*self._way(anchor), *way)

    @contextmanager
    def _opened(self, directory: _Directory) -> Iterator[tuple[Fd, Fd]]:
        """The bucket's directory, and that of the histories. Raises NotFound."""
        assert self._context is not None
        bucket, *way = self._full(directory)
        at = self._store.open_dir(self._store.root(), bucket)
        try:
            with self._context.histories.opened_at(at, tuple(way)) as history:
                if history is None:
                    raise NotFound(subject=FORMER_NAME)
                yield at, history
        finally:
            self._store.close(at)

    def _is_directory(self, history: Fd, name: bytes) -> bool:
        with suppress(*_MISSING):
            return stat.S_ISDIR(self._store.attr_at(history, name).mode)
        return False

    def _below(self, directory: _Directory) -> list[bytes]:
        with self._opened(directory) as (_, history):
            names = [entry.name for entry in self._store.entries(history)]
        return [name for name in names if parse_entry(name) is None]

    def _versions(self, directory: _Directory) -> list[tuple[bytes, Kept]]:
        """The versions of the key that has this way, each by the name that it is shown under."""
        assert self._context is not None
        way = self._full(directory)[1:]
        if not way:
            return []
        with self._opened(directory) as (bucket, history):
            found = self._context.histories.entries(history)
            if found:
                found = counting(found, self._current(self._context, bucket, way))
        taken = set(self._below(directory)) if found else set()
        names = ((_shown_as(kept), kept) for kept in found)
        return [(kept.name if name in taken else name, kept) for name, kept in names]

    def _current(self, context: Context, bucket: Fd, way: Way) -> bytes | None:
        is_directory = way[-1] == BODY_NAME
        *parents, name = way[:-1] if is_directory else way
        try:
            holder = self._store.open_dir(bucket, b"/".join(parents) or b".")
        except _MISSING:
            return None
        try:
            return current_version(
                context, Place(bucket, EntryPath(tuple(parents), name, is_directory, ()), holder)
            )
        finally:
            self._store.close(holder)

    # ---- who may look
    def _permissions(self, bucket: Fd, way: Way, directory: _Directory) -> tuple[int, int, int]:
        """Mode, owner and group: those of the bucket's directory with this way, which must not be written.

        A key has those of the directory that holds it. Where it was a directory, too, nobody else than root
        reads the names of the keys in that, which is gone, and with it who might.
        """
        for path in (way, way[:-1]):
            try:
                fd = self._store.open_dir(bucket, b"/".join(path) or b".")
            except _MISSING:
                continue
            try:
                attr = self._store.attr(fd)
                granted = _OWNERS_ONLY if self._has_acl(fd) else 0o777
                if path != way and self._below(directory):
                    granted &= _NAMES_UNREAD
                return attr.mode & _READABLE & granted, attr.uid, attr.gid
            finally:
                self._store.close(fd)
        return _OWNERS_ONLY & _READABLE, 0, 0

    def _has_acl(self, fd: Fd) -> bool:
        """Whether the group's bits are an ACL's mask (acl(5)): that ACL does not count here."""
        try:
            self._store.get_xattr(fd, "system.posix_acl_access")
        except (NoAttribute, NotSupported):
            return False
        return True

    @staticmethod
    def owns(number: int) -> bool:
        """Whether this is the number of one of these directories."""
        return is_virtual(number)


def is_announced(parent: int, name: bytes) -> bool:
    """Whether the kernel is told when this name, which is not there, comes to be."""
    return name != FORMER_NAME and not is_virtual(parent)


def _shown_as(kept: Kept) -> bytes:
    return shown(kept.version).encode() + (_DELETED if kept.marker else b"")
