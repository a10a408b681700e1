"""Versions of what callers of the mount replace, remove or write into, in buckets that have versions.

An unlink and a rename over a file keep the inode itself, as S3's operations do. Bytes that are there are
copied before an open file first changes them (a reflink where the file system has them): the inode is what
callers have open, so it cannot be the version. What one open(2) writes makes one version, whatever duplicates
of it are closed in between (a shell closes one before it writes anything).

Nothing here may run where nobody may wait: it syncs directories and copies files.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from weka_mp.errors import (
    InvalidArgument,
    IsDirectory,
    Loop,
    NamespaceError,
    NotDirectory,
    NotEmpty,
    NotFound,
    ReadOnly,
    Stale,
    WouldBlock,
)
from weka_mp.namespace.context import Context
from weka_mp.namespace.effects import Effects
from weka_mp.namespace.names.keys import EntryPath, visible
from weka_mp.namespace.records.attribute import Record, overwrite_record
from weka_mp.namespace.tree.node_locks import NodeLocks
from weka_mp.namespace.tree.node_numbers import is_virtual
from weka_mp.namespace.tree.nodes import ROOT, Nodes
from weka_mp.namespace.tree.requests import Entry
from weka_mp.namespace.versions.histories import ENABLED
from weka_mp.namespace.versions.identifiers import new_version
from weka_mp.namespace.versions.keeping import (
    Place,
    current_version,
    drop_leftovers,
    keep_copy,
    keeping,
    name_version,
    refuse_kept,
)
from weka_mp.namespace.versions.markers import make_marker
from weka_mp.namespace.walking import Met, walk
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd

__all__ = ["NodeVersions"]

_LOOKS = 4  # for a file that is renamed meanwhile
_BELOW_BUCKET = 2  # names, at least, that lead to a file in a bucket
_NO_FILE = (NotFound, NotDirectory, IsDirectory, Loop)
Way = tuple[bytes, ...]


class NodeVersions:
    """Thread-safe."""

    def __init__(self, store: Store, nodes: Nodes, context: Context | None, *, makes: bool) -> None:
        """context: None: no bucket has versions. makes: what the mount does makes some, where no bucket says
        otherwise.
        """
        self._store = store
        self._nodes = nodes
        self.writer: Callable[[int], object | None] = lambda number: None
        """Some open file of a node that can write, be it rested."""
        self._context = context
        self._makes = makes
        self.locks = NodeLocks(store, nodes, context, self.way, keeps=self._keeps)

    def _state(self, bucket: Fd) -> str | None:
        """ENABLED or SUSPENDED where what the mount does makes versions in this bucket."""
        context = self._context
        state = None if context is None else context.histories.state(bucket)
        if context is None or state is None:
            return None
        said = context.histories.by_mounts(bucket)
        return state if (self._makes if said is None else said) else None

    def _keeps(self, bucket: Fd) -> bool:
        """Whether what loses its name in this bucket becomes a noncurrent version."""
        return self._state(bucket) is not None

    def refuse_kept(self, fd: Fd) -> None:
        """Before an inode is opened for writing by its number: S3 may have made it a version that is not the
        current one. Raises Stale; ReadOnly where it was last seen as a former version; ObjectLocked.
        """
        try:
            refuse_kept(self._store, fd)
        except Stale:
            if is_virtual(self._nodes.get(self._nodes.number_behind(fd)).parent):
                raise ReadOnly("former versions are here to be read") from None
            raise
        self.locks.require_changeable(fd)

    def refuse_former(self, number: int) -> None:
        """The same by its number."""
        with self._nodes.borrow(number) as fd:
            self.refuse_kept(fd)

    # ---- names
    @contextmanager
    def removing(self, parent: int, directory: Fd, name: bytes, *, wait: bool) -> Iterator[None]:
        """The block removes a file; under the lock of its entry. Raises WouldBlock unless `wait` is set."""
        self.locks.require_takable((parent, directory, name))
        with self._place(parent, directory, name, wait) as found, self._removing(*found):
            yield

    @contextmanager
    def removing_directory(self, parent: int, directory: Fd, name: bytes, wait: bool) -> Iterator[None]:
        """The same of a directory, which may be an object."""
        self.locks.require_takable((parent, directory, name))
        with self._place(parent, directory, name, wait, is_directory=True) as (context, place):
            if context is not None and place is not None and current_version(context, place) is None:
                place = None  # nothing of S3's goes
            with self._removing(context, place):
                yield

    @contextmanager
    def _removing(self, context: Context | None, place: Place | None) -> Iterator[None]:
        if context is None or place is None:
            yield
            return
        with context.effects() as effects:
            with keeping(context, place, effects, copied=self._is_written(place)):
                yield
            self._mark(context, place, effects)
            effects.flush()

    @contextmanager
    def moving(
        self, source: tuple[int, Fd, bytes], target: tuple[int, Fd, bytes], exchange: bool, wait: bool
    ) -> Iterator[None]:
        """The block renames; under the locks of both entries. Raises InvalidArgument for an exchange of files
        that have versions, NotEmpty where the empty directory of a bucket with versions would be replaced,
        WouldBlock unless `wait` is set.
        """
        if not exchange:
            self.refuse_buckets_with_versions(target[0], target[2])
        self.locks.require_movable(source, wait=wait)
        if exchange:
            self.locks.require_movable(target, wait=wait)
        else:
            self.locks.require_takable(target)
        kinds = self._kind(source), self._kind(target)
        if stat.S_ISDIR(kinds[0]):
            with self._moving_directory(target, exchange or not stat.S_ISDIR(kinds[1]), wait):
                yield
            return
        if self._is_same(source, target) or (exchange and stat.S_IFREG not in kinds):
            yield
            return
        with self._place(*source, wait) as (context, old), self._place(*target, wait) as (_, new):
            if context is None:
                context = self._context
            if context is None or (old is None and new is None):
                yield
                return
            if exchange:
                raise InvalidArgument("files that have versions cannot be exchanged in one step")
            with context.effects() as effects:
                if old is not None:
                    drop_leftovers(context, old)
                if new is None:
                    yield
                else:
                    self._name_moved(context, source)
                    with keeping(context, new, effects, copied=self._is_written(new)):
                        yield
                if old is not None:
                    self._mark(context, old, effects)
                effects.flush()

    @contextmanager
    def _moving_directory(
        self, target: tuple[int, Fd, bytes], replaces_none: bool, wait: bool
    ) -> Iterator[None]:
        """The empty directory that another takes the place of may be an object."""
        if replaces_none:
            yield
            return
        with self._place(*target, wait, is_directory=True) as (context, place):
            if context is None or place is None:
                yield
                return
            with context.effects() as effects:
                with keeping(context, place, effects):
                    yield
                effects.flush()

    def _is_written(self, place: Place) -> bool:
        """Whether a caller has the file open for writing, and may write into what loses its name."""
        try:
            fd = self._store.open_path(place.holder, place.path.name)
        except NotFound:
            return False
        try:
            return self.writer(self._nodes.number_behind(fd)) is not None
        finally:
            self._store.close(fd)

    def _kind(self, entry: tuple[int, Fd, bytes]) -> int:
        """The file type of what has the name; 0: nothing has it."""
        try:
            return stat.S_IFMT(self._store.attr_at(entry[1], entry[2]).mode)
        except NotFound:
            return 0

    def _is_same(self, source: tuple[int, Fd, bytes], target: tuple[int, Fd, bytes]) -> bool:
        """Two names of one inode: rename(2) leaves both."""
        with suppress(NotFound):
            one, other = (self._store.attr_at(entry[1], entry[2]) for entry in (source, target))
            return (one.dev, one.ino) == (other.dev, other.ino)
        return False

    def _name_moved(self, context: Context, source: tuple[int, Fd, bytes]) -> None:
        """What comes to another key is no version ``null`` there: that may have one."""
        with suppress(*_NO_FILE):
            fd = self._store.open_file(source[1], source[2], os.O_RDONLY)
            try:
                name_version(context, fd)
            finally:
                self._store.close(fd)

    def _mark(self, context: Context, place: Place, effects: Effects) -> None:
        """A delete marker where S3 can find versions below it; a file that never was more than itself goes
        without one.
        """
        with context.histories.opened(place.bucket, place.path) as history:
            found = [] if history is None else context.histories.entries(history)
        if found:
            make_marker(context, place, effects, None)

    # ---- bytes
    def before_change(self, number: int, fd: Fd, *, wait: bool) -> None:
        """Bytes of the inode behind `fd` are about to change: what they are now becomes a version. Raises
        WouldBlock unless `wait` is set, NoSpace, QuotaExceeded, ObjectLocked (it was locked since the inode
        was opened); nothing has changed then.
        """
        self.locks.require_changeable(fd)
        context = self._context
        if context is None or not context.histories.anywhere():
            return
        for _ in range(_LOOKS):
            attr = self._store.attr(fd)
            found = self._way_to_file(number, attr, wait=wait) if attr.nlink else None
            if found is None or len(found) < _BELOW_BUCKET:
                return
            with suppress(NotFound):  # a directory on the way moved
                if self._kept_at(context, found, attr, wait=wait):
                    return

    def _kept_at(self, context: Context, found: Way, attr: Attr, *, wait: bool) -> bool:
        """False: the file is not, or no longer, where it was found."""
        bucket, *parents, name = found
        with ExitStack() as stack:
            at = self._opened(bucket, stack)
            if self._state(at) is None:
                return True
            if not wait:
                raise WouldBlock("what the file holds has to be kept")
            holder = self._opened(b"/".join(found[:-1]), stack)
            effects = stack.enter_context(context.effects())
            with context.locks.hold([(self._store.attr(holder).ino, name)]):
                place = Place(at, EntryPath(tuple(parents), name, False, ()), holder)
                return keep_copy(context, place, attr, effects)

    def _opened(self, path: bytes, stack: ExitStack) -> Fd:
        fd = self._store.open_dir(self._store.root(), path)
        stack.callback(self._store.close, fd)
        return fd

    def _way_to_file(self, number: int, attr: Attr, *, wait: bool) -> Way | None:
        """The names that lead to a file; None: none does. One that was reached by its handle alone is looked
        for, which a caller that may not wait is spared.
        """
        node = self._nodes.get(number)
        if node.name:
            with suppress(NotFound, Stale):
                way = () if node.parent == ROOT else self.way(node.parent)
                with self._nodes.borrow(node.parent) as directory:
                    if self._store.attr_at(directory, node.name).ino == attr.ino:
                        return (*way, node.name)
        if not wait:
            raise WouldBlock("nobody knows yet where this file lies")
        for met in walk(self._store):
            if isinstance(met, Met) and (met.attr.dev, met.attr.ino) == (attr.dev, attr.ino):
                return tuple(met.path.split(b"/"))
        return None

    def name_new(self, parent: int, fd: Fd) -> None:
        """A file that was just made is a version of its own, where its bucket has versions: its key may have
        had one called ``null``.
        """
        context = self._context
        if context is None or parent == ROOT or not context.histories.anywhere():
            return
        with ExitStack() as stack:
            if self._state(self._opened(self.way(parent)[0], stack)) == ENABLED:
                version = new_version(context.histories.clock.now_ns(), context.histories.random)
                overwrite_record(self._store, fd, Record(version=version))

    def name_made(self, parent: int, made: Entry) -> None:
        """The same of what mknod(2) made, which others may have replaced or written into by now."""
        context = self._context
        if context is None or parent == ROOT or not stat.S_ISREG(made.attr.mode):
            return
        if not context.histories.anywhere():
            return
        with ExitStack() as stack, self._nodes.borrow(made.number) as fd:
            if self._state(self._opened(self.way(parent)[0], stack)) == ENABLED:
                name_version(context, fd, durable=False)

    # ---- where
    @contextmanager
    def _place(
        self, parent: int, directory: Fd, name: bytes, wait: bool, is_directory: bool = False
    ) -> Iterator[tuple[Context | None, Place | None]]:
        """The key of an entry, if its bucket has versions."""
        context = self._context
        if context is None or parent == ROOT or not visible(name) or not context.histories.anywhere():
            yield None, None
            return
        bucket, *way = self.way(parent)
        fd = self._store.open_dir(self._store.root(), bucket)
        try:
            if self._state(fd) is None:
                yield None, None
                return
            if not wait:
                raise WouldBlock("what the name leads to has to be kept")
            yield context, Place(fd, EntryPath(tuple(way), name, is_directory, ()), directory)
        finally:
            self._store.close(fd)

    def way(self, number: int) -> Way:
        """The names that lead from the root to a directory, as they are now. Raises Stale."""
        try:
            way = tuple(self._nodes.path_of(number).split(b"/"))
            fd = self._store.open_dir(self._store.root(), b"/".join(way))
            try:
                if self._nodes.number_behind(fd) == number:
                    return way
            finally:
                self._store.close(fd)
        except NamespaceError:
            pass  # the names that the kernel was told are not those of now
        return self._climbed(number)

    def _climbed(self, number: int) -> Way:
        names: list[bytes] = []
        while number != ROOT:
            above = self._nodes.parent_of(number)
            ino = self._nodes.ino_of(number)
            with self._nodes.borrow(above) as fd:
                found = next((each.name for each in self._store.entries(fd) if each.ino == ino), None)
            if found is None:
                raise Stale("no name leads to this directory any more")
            names.append(found)
            number = above
        return tuple(reversed(names))

    @contextmanager
    def removing_bucket(self, parent: int, name: bytes, wait: bool) -> Iterator[None]:
        """The block removes a directory, which may be a bucket's: nobody puts an object into that and deletes
        it between the look at its versions and the end. Raises NotEmpty, WouldBlock unless `wait` is set.
        """
        context = self._context
        if context is None or parent != ROOT or not context.histories.anywhere():
            yield
            return
        with ExitStack() as stack:
            with suppress(*_NO_FILE):
                bucket = self._store.attr(self._opened(name, stack)).ino
                if not stack.enter_context(context.locks.hold_trees([bucket], wait=wait)):
                    raise WouldBlock("somebody is changing a name in the bucket")
                self.refuse_buckets_with_versions(parent, name)
            yield

    def refuse_buckets_with_versions(self, parent: int, name: bytes) -> None:
        """Before the directory of a bucket is removed. Raises NotEmpty while its objects have versions."""
        context = self._context
        if context is None or parent != ROOT or not context.histories.anywhere():
            return
        with suppress(*_NO_FILE):
            fd = self._store.open_dir(self._store.root(), name)
            try:
                if not context.histories.is_empty(fd):
                    raise NotEmpty("objects of the bucket have versions", subject=name)
            finally:
                self._store.close(fd)
