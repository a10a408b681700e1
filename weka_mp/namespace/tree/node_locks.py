"""Object Lock on the mount: what callers may not do to versions that are locked (docs/SEMANTICS.md, 19).

A locked current version is neither opened for writing nor changed, linked or renamed, nor does a directory
with one in it move. Its name may go where that makes it a noncurrent version (`node_versions`), else not. A
file whose retention is over is thawed by whoever comes to change it. A store in which nothing was ever set of
a bucket pays nothing; in others a write costs one more look at the file's record.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from weka_mp.errors import (
    NamespaceError,
    NotFound,
    ObjectLocked,
    PermissionRefused,
    StoreUnusable,
    WouldBlock,
)
from weka_mp.namespace.context import Context
from weka_mp.namespace.names.keys import BODY_NAME
from weka_mp.namespace.records.freezing import has_lock, lock_of
from weka_mp.namespace.tree.nodes import ROOT, Nodes
from weka_mp.object_lock import protection
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["MOST_LOOKED_AT", "NodeLocks"]

MOST_LOOKED_AT = 100_000
"""Files and directories below one that is to be renamed; where there are more nobody waits for the answer."""

Name = tuple[int, Fd, bytes]
"""The number of a directory, a descriptor of it, a name in it."""


class NodeLocks:
    """Thread-safe. keeps: whether what loses its name in a bucket becomes a noncurrent version."""

    def __init__(
        self, store: Store, nodes: Nodes, context: Context | None, way: Callable[[int], tuple[bytes, ...]], *,
        keeps: Callable[[Fd], bool],
    ) -> None:
        self._store = store
        self._nodes = nodes
        self._context = context
        self._way = way
        self._keeps = keeps

    def _asked(self) -> Context | None:
        context = self._context
        return context if context is not None and context.object_locks.anywhere() else None

    def require_changeable(self, fd: Fd) -> None:
        """Before the bytes or attributes of the inode behind `fd` (O_PATH too) change, or it gets or loses a
        name. Before each write: it may have been locked since it was opened, and the flag that would stop
        who writes is off for moments, in which somebody gives the version other tags. Raises ObjectLocked.
        """
        context = self._asked()
        if context is not None and stat.S_ISREG(self._store.attr(fd).mode):
            self._require(context, fd, fd)

    def _require(self, context: Context, recorded: Fd, fd: Fd) -> None:
        """recorded: what the record is on; fd: what has a way."""
        if not self._had_lock(context, recorded, fd):
            return
        # Once more, where nobody sets a lock meanwhile: what was set since must not be thawed.
        with context.locks.hold_thawed(self._store.attr(recorded).ino):
            if self._had_lock(context, recorded, fd) and self._store.is_immutable(recorded):
                self._store.set_immutable(recorded, False)

    def _had_lock(self, context: Context, recorded: Fd, fd: Fd) -> bool:
        """Whether it has one that does not count (any more). Raises ObjectLocked for one that does,
        StoreUnusable where that cannot be read.
        """
        try:
            found = lock_of(self._store, recorded)
        except StoreUnusable:
            if self._counts(context, fd):
                raise
            return False
        kept = protection(found, context.object_locks.now_ns()) if has_lock(found) else None
        if kept is not None and self._counts(context, fd):
            raise ObjectLocked(kept)
        return has_lock(found)

    def _counts(self, context: Context, fd: Fd) -> bool:
        """Whether its bucket has Object Lock; where that cannot be told it may have: of a file with several
        names, which may lie in several buckets, or one that has lost the name it was last seen under.
        """
        attr = self._store.attr(fd)
        if attr.nlink > 1 and not stat.S_ISDIR(attr.mode):
            return True
        try:
            node = self._nodes.get(self._nodes.number_behind(fd))
            with self._nodes.borrow(node.parent) as above:
                if self._store.attr_at(above, node.name).ino != attr.ino:
                    return True
            way = () if node.parent == ROOT else self._way(node.parent)
            with self._bucket((*way, node.name)[0]) as opened:
                return context.object_locks.of(opened) is not None
        except NamespaceError:
            return True

    @contextmanager
    def _bucket(self, name: bytes) -> Iterator[Fd]:
        fd = self._store.open_dir(self._store.root(), name)
        try:
            yield fd
        finally:
            self._store.close(fd)

    # ---- names
    def require_takable(self, entry: Name) -> None:
        """Before a name goes, or leads to something else. Raises ObjectLocked unless what had it is kept."""
        context = self._asked()
        if context is None or entry[0] == ROOT:  # a bucket with locked versions is not empty
            return
        with self._bucket(self._way(entry[0])[0]) as bucket:
            if self._keeps(bucket):
                return
        with suppress(NotFound), self._opened(entry) as fd:
            self._require(context, fd, fd)
            if stat.S_ISDIR(self._store.attr(fd).mode):
                body = self._store.open_file(fd, BODY_NAME, os.O_RDONLY)
                try:
                    self._require(context, body, fd)
                finally:
                    self._store.close(body)

    def require_movable(self, entry: Name, *, wait: bool) -> None:
        """Before what has this name gets another: a version stays under its key, a bucket with Object Lock
        under its name. Raises ObjectLocked, PermissionRefused, WouldBlock unless `wait` is set.
        """
        context = self._asked()
        if context is None:
            return
        with suppress(NotFound), self._opened(entry) as fd:
            if not stat.S_ISDIR(self._store.attr(fd).mode):
                self.require_changeable(fd)
            elif entry[0] != ROOT:
                self._require_tree(context, (*self._way(entry[0]), entry[2]), wait=wait)
            else:
                with self._bucket(entry[2]) as bucket:
                    if context.object_locks.of(bucket) is not None:
                        raise PermissionRefused("a bucket with Object Lock keeps its name")

    def _require_tree(self, context: Context, way: tuple[bytes, ...], *, wait: bool) -> None:
        with self._bucket(way[0]) as bucket:
            if context.object_locks.of(bucket) is None:
                return
            if not wait:
                raise WouldBlock("whether something below the directory is locked has to be looked at")
            context.object_locks.require_tree_removable(bucket, b"/".join(way), most=MOST_LOOKED_AT)

    @contextmanager
    def _opened(self, entry: Name) -> Iterator[Fd]:
        """Raises NotFound."""
        fd = self._store.open_path(entry[1], entry[2])
        try:
            yield fd
        finally:
            self._store.close(fd)
