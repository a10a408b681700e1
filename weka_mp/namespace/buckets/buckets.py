"""Buckets: directories at the store's root whose names are valid bucket names, whichever door made them.

What S3 knows of a bucket beyond its name stands in the registry, keyed by the directory's identity: a
directory that was renamed keeps it, a copied one is a new bucket. Nothing stored with the directory itself
can grant anything.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import msgpack

from weka_mp.bucket_names import is_bucket_name, is_new_bucket_name
from weka_mp.errors import (
    UNWRITABLE,
    BucketExists,
    BucketMissing,
    BucketNotEmpty,
    BucketStateRefused,
    Exists,
    InvalidName,
    Loop,
    NotDirectory,
    NotEmpty,
    NotFound,
)
from weka_mp.namespace.bucket_identity import bucket_handle, bucket_identity
from weka_mp.namespace.buckets.access import NO_ACCESS, AccessRecords, BucketAccess
from weka_mp.namespace.context import DIRECTORY_MODE, Context
from weka_mp.namespace.control import ControlFiles
from weka_mp.namespace.effects import Changes, Effects
from weka_mp.namespace.names.keys import BODY_NAME
from weka_mp.namespace.objects.listing import Lister
from weka_mp.namespace.objects.pruning import remove_empty
from weka_mp.namespace.objects.reading import directory_object
from weka_mp.namespace.values import BucketInfo
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Attr, BucketName, Change, Fd, InodeNo

__all__ = ["Buckets"]

_log = logging.getLogger(__name__)
_CREATED, _OWNER, _SOURCE, _HANDLE = 1, 2, 3, 4


class Buckets:
    """The store's buckets and their registry (``.weka/buckets/<inode>``)."""

    def __init__(
        self,
        context: Context,
        lister: Lister,
        registry: ControlFiles,
        access: AccessRecords,
        forget_settings: Callable[[int], None],
    ) -> None:
        self._context = context
        self._lister = lister
        self._registry = registry
        self._access = access
        self._forget_settings = forget_settings

    def list(self) -> list[BucketInfo]:
        """All buckets by name."""
        found = []
        for entry in self._context.store.entries(self._context.store.root()):
            name = entry.name.decode("ascii", "replace")
            if entry.type in (0, stat.S_IFDIR) and is_bucket_name(name):
                try:
                    found.append(self.head(BucketName(name)))
                except BucketMissing:
                    continue  # went away, or is no directory after all
        return sorted(found, key=lambda info: info.name)

    def head(self, name: BucketName) -> BucketInfo:
        """Raises BucketMissing, also of a directory that was unlinked."""
        fd = self._context.open_bucket(name)
        try:
            if self._access.find(name).unlinked:
                raise BucketMissing(subject=name)
            return self._info(name, fd)
        finally:
            self._context.store.close(fd)

    def _info(self, name: BucketName, fd: Fd) -> BucketInfo:
        attr = self._context.store.attr(fd)
        known = self._registered(fd, attr)
        if known is None:  # made over POSIX: what we first see of it is kept
            known = self._first_seen(fd, attr)
        return BucketInfo(name, known[_CREATED], known[_SOURCE], attr.ino, known.get(_OWNER))

    def _first_seen(self, fd: Fd, attr: Attr) -> dict[int, Any]:
        """On a full or read-only store it cannot be kept, and is found anew with each look.

        Whose it is, is said by whoever makes it over S3, before this or after.
        """
        created_ns = min(attr.mtime_ns, attr.ctime_ns)
        try:
            with self._context.locks.hold_record(attr.ino):
                return self._registered(fd, attr) or self._write(fd, attr, created_ns, "posix", None)
        except UNWRITABLE:
            return {_CREATED: created_ns, _OWNER: None, _SOURCE: "posix"}

    def _registered(self, fd: Fd, attr: Attr) -> dict[int, Any] | None:
        data = self._registry.read(b"%d" % attr.ino)
        if data is None:
            return None
        found: dict[int, Any] = msgpack.unpackb(data, strict_map_key=False)
        return (
            found if found[_HANDLE] == bucket_handle(self._context.store, fd) else None
        )  # another directory had this inode number

    def _register(
        self, fd: Fd, attr: Attr, created_ns: int, source: str, owner: str | None
    ) -> dict[int, Any]:
        with self._context.locks.hold_record(attr.ino):
            return self._write(fd, attr, created_ns, source, owner)

    def _forget(self, ino: InodeNo, handle: bytes) -> None:
        """The directory of this handle is gone. Its inode number may be another bucket's by now."""
        name = b"%d" % ino
        with self._context.locks.hold_record(ino):
            data = self._registry.read(name)
            if data is not None and msgpack.unpackb(data, strict_map_key=False)[_HANDLE] == handle:
                self._registry.remove(name)

    def _write(
        self, fd: Fd, attr: Attr, created_ns: int, source: str, owner: str | None
    ) -> dict[int, Any]:
        handle = bucket_handle(self._context.store, fd)
        entry = {_CREATED: created_ns, _OWNER: owner, _SOURCE: source, _HANDLE: handle}
        self._registry.write(b"%d" % attr.ino, msgpack.packb(entry))
        return entry

    def create(
        self, name: BucketName, *, uid: int, gid: int, owner: str | None
    ) -> tuple[BucketInfo, Changes]:
        """Raises InvalidName, BucketExists (also when something that is no directory has the name)."""
        if not is_new_bucket_name(name):
            raise InvalidName("not a valid bucket name", subject=name)
        store = self._context.store
        with self._context.effects() as effects:
            change = effects.tell(self._change(name, None))
            try:
                store.mkdir(store.root(), name.encode(), DIRECTORY_MODE)
            except Exists as error:
                raise BucketExists(subject=name) from error
            reach(CrashPoint.BUCKET_MADE)
            with self._context.bucket(name) as fd:
                if (uid, gid) != (0, 0):
                    store.chown(fd, uid, gid)
                self._register(fd, store.attr(fd), self._context.clock.now_ns(), "s3", owner)
                reach(CrashPoint.BUCKET_REGISTERED)
                effects.add(fd)
                effects.add(store.root())
                effects.flush()
                return self._info(name, fd), (change,)

    def _change(self, name: BucketName, old: InodeNo | None) -> Change:
        store = self._context.store
        return Change(store.attr(store.root()).ino, name.encode(), old)

    def settle(self, name: BucketName) -> Changes:
        """Make a bucket that is there durable, as `create` would have, and tell it.

        The request that made it may have died before it did either. Raises BucketMissing.
        """
        store = self._context.store
        with self._context.effects() as effects, self._context.bucket(name) as fd:
            change = effects.tell(self._change(name, None))
            effects.add(self._registry.directory)
            effects.add(fd)
            effects.add(store.root())
            effects.flush()
        return (change,)

    def delete(self, name: BucketName, forget: Callable[[int], None]) -> Changes:
        """Remove a bucket that holds no object; empty directories in it go too.

        `forget` is told the bucket's identity once it is gone (its uploads). Raises BucketMissing,
        BucketNotEmpty.
        """
        context, store = self._context, self._context.store
        with context.effects() as effects:
            with context.bucket(name) as fd, ExitStack() as stack:
                if self._access.find(name).unlinked:
                    raise BucketMissing(subject=name)
                if context.histories.state(fd) is not None:
                    # Nobody puts an object and deletes it between the look at its versions and the end.
                    stack.enter_context(context.locks.hold_trees([store.attr(fd).ino]))
                if self._lister.has_keys(fd) or not context.histories.is_empty(fd):
                    raise BucketNotEmpty(subject=name)
                ino, identity = store.attr(fd).ino, bucket_identity(store, fd)
                handle = bucket_handle(store, fd)
                try:
                    # Looked through before the first goes: a bucket that stays keeps its empty directories.
                    _leave_directories(context, fd, lambda above, name: None)
                    _leave_directories(context, fd, partial(_remove_directory, context, fd, effects))
                    change = effects.tell(self._change(name, ino))
                    store.rmdir(store.root(), name.encode())
                except (NotEmpty, NotDirectory, NotFound) as error:
                    raise BucketNotEmpty(subject=name) from error
            effects.add(store.root())
            effects.flush()
            # Not before: a power cut must not bring the bucket back without what is known of it.
            self._forget(ino, handle)
            self._access.forget(name, handle)
            self._forget_settings(identity)
            context.histories.forget(identity)
            forget(identity)
        return (change,)

    def unlink(self, name: BucketName, forget: Callable[[int], None]) -> None:
        """The directory and all in it stay and are no bucket any more; what was granted, what was set and the
        uploads into it end. Raises BucketMissing, NotSupported (see `AccessRecords.change`),
        BucketStateRefused (Object Lock is for ever).
        """
        with self._context.bucket(name) as fd:
            if self._context.object_locks.of(fd) is not None:
                raise BucketStateRefused("its Object Lock would end")
            self._access.change(name, _unlinked)
            identity = bucket_identity(self._context.store, fd)
            self._forget_settings(identity)
            forget(identity)

    def adopt(
        self, name: BucketName, owner: str | None, may_take: Callable[[str | None], bool]
    ) -> BucketInfo:
        """Make a bucket of the directory of its name, which was unlinked or which POSIX made, with what is in
        it. may_take: whether it may be had from this account; None: POSIX made it. Raises InvalidName,
        BucketMissing (there is no such directory that may be had), BucketExists (it is a bucket that somebody
        made).
        """
        if not is_new_bucket_name(name):
            raise InvalidName("not a valid bucket name", subject=name)
        store = self._context.store
        with self._context.bucket(name) as fd:
            attr = store.attr(fd)
            known = self._registered(fd, attr) or self._first_seen(fd, attr)
            unlinked = self._access.find(name).unlinked
            if not unlinked and (known[_SOURCE] == "s3" or known[_OWNER] is not None):
                raise BucketExists(subject=name)
            if not may_take(known[_OWNER]):
                raise BucketMissing(subject=name)
            self._register(fd, attr, known[_CREATED], known[_SOURCE], owner)
            if unlinked:
                self._access.change(name, lambda _: NO_ACCESS)
            return self._info(name, fd)


def _unlinked(before: BucketAccess) -> BucketAccess:
    if before.unlinked:
        raise BucketMissing
    return BucketAccess(unlinked=True)


def _leave_directories(context: Context, top: Fd, leave: Callable[[Sequence[bytes], bytes], None]) -> None:
    """Call `leave` with the way to each directory below and its name; raises NotEmpty at anything else.

    Deepest first, on a stack of its own: keys can have left a thousand directories in each other.
    """
    path: list[bytes] = []
    pending = [_children(context, top, path)]
    while True:
        if pending[-1]:
            path.append(pending[-1].pop())
            pending.append(_children(context, top, path))
        elif path:
            pending.pop()
            name = path.pop()
            leave(tuple(path), name)
        else:
            return


def _children(context: Context, top: Fd, path: Sequence[bytes]) -> list[bytes]:
    try:
        directory = context.store.open_dir(top, b"/".join(path))
    except (NotDirectory, Loop) as error:
        raise NotEmpty(subject=path[-1]) from error
    try:
        # A body without a record belongs to a directory object that is one no more.
        return [entry.name for entry in context.store.entries(directory) if entry.name != BODY_NAME]
    finally:
        context.store.close(directory)


def _remove_directory(
    context: Context, top: Fd, effects: Effects, above: Sequence[bytes], name: bytes
) -> None:
    store = context.store
    holder = store.open_dir(top, b"/".join(above))
    try:
        # Under the lock of the entry: `PUT a/` makes a directory an object in two steps.
        ino = store.attr(holder).ino
        with context.locks.hold([(ino, name)]):
            directory = store.open_dir(holder, name)
            try:
                if directory_object(store, directory, name) is not None:
                    raise NotEmpty(subject=name)
                effects.tell(Change(ino, name, store.attr(directory).ino))
                remove_empty(context, top, holder, name, directory)
            finally:
                store.close(directory)
    finally:
        store.close(holder)
