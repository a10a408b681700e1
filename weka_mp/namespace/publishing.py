"""Putting an object: bytes into an unpublished file, then one atomic step that makes it the object.

Order under `Durability.COMMIT`: data and record to the disk → name (linkat for a new one, rename over an old
one) → every directory that changed, up to the first that was there before → answer. A crash at any point
leaves the old object or the new one; what was staged lies nameless or in ``.weka/spool`` and is swept.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType

from weka_mp.errors import (
    BucketMissing,
    Conflict,
    KeyConflict,
    NamespaceError,
    NoAttribute,
    NotFound,
    NotSupported,
)
from weka_mp.namespace import reading
from weka_mp.namespace.context import FILE_MODE, Changes, Context, Durability, Parent, SyncList, Vanished
from weka_mp.namespace.directory_objects import DirectoryPut, place_directory
from weka_mp.namespace.etags import EtagState, is_marked, settle
from weka_mp.namespace.keys import EntryPath, entry_path
from weka_mp.namespace.naming import Staged, check_conditions, create_entry, discard_name, replace_entry
from weka_mp.namespace.pruning import prune
from weka_mp.namespace.records import Record, write_record
from weka_mp.namespace.values import UNCONDITIONAL, NewObject, ObjectInfo, Published, WriteConditions
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Attr, BucketName, Change, ETag, Fd, Stamp

__all__ = [
    "PutSession",
    "Target",
    "adapt_to",
    "begin_put",
    "examined",
    "publish_file",
    "refuse_special",
    "stage",
    "unwritten",
]

_NOWHERE = Fd(-1)
_ACL = "system.posix_acl_access"
_ATTEMPTS = 64  # of a publication whose parent vanishes or whose name appears in between


@dataclass(frozen=True, slots=True)
class Target:
    """Where an object goes and who will own what is made for it."""

    bucket: BucketName
    key: bytes
    uid: int = 0
    gid: int = 0


class PutSession:
    """One object being written. Used by one thread at a time; aborts unless it was published."""

    def __init__(self, context: Context, target: Target, staged: Staged) -> None:
        self.fd = staged.fd
        self._context = context
        self._target = target
        self._staged = staged
        self._offset = 0
        self._open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to what was written so far."""
        self._context.store.write(self.fd, data, self._offset)
        self._offset += len(data)

    def publish(self, new: NewObject, conditions: WriteConditions = UNCONDITIONAL) -> Published:
        """Make what was written the object, if the conditions hold. Blocks for the disk; holds no lock
        afterwards.

        Raises PreconditionFailed, NotFound (If-Match on nothing), Conflict, KeyConflict, BucketMissing,
        NoSpace.
        """
        reach(CrashPoint.STAGED_DATA)
        published = publish_file(self._context, self._target, self._staged, new, conditions)
        self.abort()  # only gives the descriptor back: the name is there
        return published

    def abort(self) -> None:
        """Give everything back; what was not published is gone. May be called again."""
        if self._open:
            self._open = False
            if self._staged.name:  # used up when it was published, and gone then
                discard_name(self._context, self._staged.directory, self._staged.name)
            self._context.store.close(self.fd)

    def __enter__(self) -> PutSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def begin_put(
    context: Context, bucket: BucketName, key: bytes, *, size_hint: int | None, uid: int, gid: int
) -> PutSession:
    """Open a nameless file on the bucket's side. Raises BucketMissing, InvalidName, KeyConflict, NoSpace."""
    path = entry_path(key)
    bucket_fd = context.open_bucket(bucket)
    try:
        parent = context.find_parent(bucket_fd, path)
        try:
            staged = _stage_for(context, bucket, bucket_fd, parent)
        finally:
            if parent:
                context.store.close(parent.fd)
    finally:
        context.store.close(bucket_fd)
    session = PutSession(context, Target(bucket, key, uid, gid), staged)
    try:
        reach(CrashPoint.STAGED_EMPTY)
        if (uid, gid) != (0, 0):
            context.store.chown(staged.fd, uid, gid)
        if size_hint:
            context.store.allocate(staged.fd, size_hint)
    except BaseException:
        session.abort()
        raise
    return session


def _stage_for(context: Context, bucket: BucketName, bucket_fd: Fd, parent: Parent | None) -> Staged:
    """Beside the entry to come, or in the bucket when that directory is missing or was removed meanwhile."""
    if parent is not None:
        try:
            return stage(context, parent.fd)
        except NotFound:
            pass  # its last key was deleted: publication makes it again
    try:
        return stage(context, bucket_fd)
    except NotFound as error:
        raise BucketMissing(subject=bucket) from error


def stage(context: Context, directory: Fd) -> Staged:
    """A file without a name; where the file system has none, one in the spool.

    The directory decides over default ACLs and the group, as it would for any file made there.
    """
    try:
        return Staged(context.store.create_unnamed(directory, FILE_MODE))
    except NotSupported:
        name = b"put-" + context.random.token(12).encode()
        fd = context.store.open_file(context.spool, name, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE)
        return Staged(fd, context.spool, name)


def publish_file(
    context: Context, target: Target, staged: Staged, new: NewObject, conditions: WriteConditions
) -> Published:
    """Record, sync, name: see the module. The descriptor stays the caller's, a staged name is used up."""
    path, fd = entry_path(target.key), staged.fd
    for component in path.long_components:
        context.long_names.keep(component, context.random.token(8))
    stamp = _set_times(context, fd)
    record = _record_of(new, stamp)
    write_record(context.store, fd, record)
    reach(CrashPoint.RECORD_WRITTEN)
    bucket_fd = context.open_bucket(target.bucket)
    try:
        if not path.is_directory:
            _inherit(context, bucket_fd, path, fd)
        if context.durability is Durability.COMMIT:
            context.store.sync_file(fd)
        reach(CrashPoint.FILE_SYNCED)
        with context.syncs() as syncs:
            naming = _Naming(context, bucket_fd, path, target, staged, record, conditions, syncs)
            changes = _name_it(naming)
            reach(CrashPoint.PUBLISHED)
            syncs.flush(changes)
            reach(CrashPoint.DIRECTORY_SYNCED)
    finally:
        context.store.close(bucket_fd)
    return Published(_published_info(context, target.key, fd, record), changes)


def _published_info(context: Context, key: bytes, fd: Fd, record: Record) -> ObjectInfo:
    state = EtagState(ETag(record.etag or ""), record, True)
    return reading.describe(key, context.store.attr(fd), state)


def _record_of(new: NewObject, stamp: Stamp) -> Record:
    return Record(
        stamp=stamp,
        etag=new.md5.hex() if new.md5 is not None else new.etag,
        checksums=new.checksums,
        checksum_type=new.checksum_type,
        headers=new.headers,
        user=new.user,
        tags=new.tags,
        owner=new.owner,
        parts=new.part_sizes,
        part_checksums=new.part_checksums,
    )


def _set_times(context: Context, fd: Fd) -> Stamp:
    """An mtime of now with random digits below the clock's tick: two contents never look alike, none is in
    the future.
    """
    coarse, now = context.clock.coarse_ns(), context.clock.now_ns()
    mtime = coarse + context.random.below(max(now - coarse, 1)) if now > coarse else now
    context.store.utimens(fd, now, mtime)
    return Stamp.of(context.store.attr(fd))


def _inherit(context: Context, bucket: Fd, path: EntryPath, fd: Fd) -> None:
    """A replaced file keeps its mode, owner and ACL."""
    parent = context.find_parent(bucket, path)
    if parent is None:
        return
    store = context.store
    try:
        try:
            old = store.open_path(parent.fd, path.name)
        except NotFound:
            return
        try:
            _copy_access(context, old, fd)
        finally:
            store.close(old)
    finally:
        store.close(parent.fd)


def adapt_to(context: Context, directory: Fd, fd: Fd) -> None:
    """Give a file that was made elsewhere the mode, the group and the ACL that it would have got there."""
    try:
        model = context.store.create_unnamed(directory, FILE_MODE)
    except NotSupported:  # a model would have to be seen
        return
    try:
        _copy_access(context, model, fd)
    finally:
        context.store.close(model)


def _copy_access(context: Context, old: Fd, fd: Fd) -> None:
    store = context.store
    attr = store.attr(old)
    if not stat.S_ISREG(attr.mode):
        return
    mine = store.attr(fd)
    if (mine.uid, mine.gid) != (attr.uid, attr.gid):
        store.chown(fd, attr.uid, attr.gid)
    if mine.mode != attr.mode:
        store.chmod(fd, stat.S_IMODE(attr.mode))
    try:
        acl = store.get_xattr(old, _ACL)
    except (NoAttribute, NotSupported):
        return
    store.set_xattr(fd, _ACL, acl)


@dataclass(frozen=True, slots=True)
class _Naming:
    """A publication whose file is finished and has no name yet."""

    context: Context
    bucket: Fd
    path: EntryPath
    target: Target
    staged: Staged
    record: Record
    conditions: WriteConditions
    syncs: SyncList


def _name_it(naming: _Naming) -> Changes:
    """Under the entry's lock: check the conditions and give the file its name. Tries again when the parent
    vanished.
    """
    try:
        return _name_in_attempts(naming)
    except NamespaceError:
        if naming.path.parents:  # directories made for nothing would stay
            with suppress(NamespaceError):
                prune(naming.context, naming.bucket, naming.path, naming.syncs)
        raise


def _name_in_attempts(naming: _Naming) -> Changes:
    context, bucket, target = naming.context, naming.bucket, naming.target
    tree = context.store.attr(bucket).ino
    for _ in range(_ATTEMPTS):
        try:
            with (
                context.locks.share_tree(tree, target.key),
                context.parent(bucket, naming.path, naming.syncs, target.uid, target.gid) as parent,
            ):
                reach(CrashPoint.PARENT_MADE)
                with context.locks.hold([(parent.ino, naming.path.name)]):
                    changes = _place(naming, parent)
                naming.syncs.add(parent.fd)
                return parent.made + changes
        except Vanished:
            if context.store.attr(bucket).nlink == 0:
                raise BucketMissing(subject=target.bucket) from None
    raise Conflict("the key's parent directory kept vanishing", subject=target.key)


def _place(naming: _Naming, parent: Parent) -> Changes:
    context, target, name = naming.context, naming.target, naming.path.name
    if not naming.path.is_directory:
        return _place_file(context, parent, name, target.key, naming.staged, naming.conditions)
    put = DirectoryPut(target.uid, target.gid, naming.staged, naming.record, naming.conditions)
    return place_directory(context, parent, name, put, naming.syncs)


@contextmanager
def examined(
    context: Context, parent: Parent, name: bytes, key: bytes
) -> Iterator[tuple[Attr | None, ObjectInfo | None, Fd]]:
    """What stands at an entry: its attributes (None: nothing), the object (None: nothing that S3 sees), its
    descriptor.
    """
    attr = _attr_of(context, parent, name)
    if attr is None:
        yield None, None, Fd(-1)
        return
    is_directory = stat.S_ISDIR(attr.mode)
    found = None if is_directory else reading.open_below(context, parent.fd, name, parent.bucket, key)
    if found is None:
        yield attr, None, _NOWHERE
        return
    fd, seen = found
    try:
        yield (
            attr,
            reading.describe(key, seen, settle(context.store, context.locks, fd, seen, context.clock)),
            fd,
        )
    finally:
        context.store.close(fd)


def _attr_of(context: Context, parent: Parent, name: bytes) -> Attr | None:
    try:
        return context.store.attr_at(parent.fd, name)
    except NotFound:
        return None


def _place_file(
    context: Context, parent: Parent, name: bytes, key: bytes, staged: Staged, conditions: WriteConditions
) -> Changes:
    if not conditions.any:
        return _place_unconditionally(context, parent, name, staged)
    with examined(context, parent, name, key) as (attr, present, old):
        check_conditions(conditions, present)
        if attr is None:
            return (create_entry(context, parent, name, staged),)
        refuse_special(attr, present, name)
        with unwritten(context, old, present, pinned=conditions.pins):
            replace_entry(context, parent, name, staged)
        return (Change(parent.ino, name, attr.ino),)


def _place_unconditionally(context: Context, parent: Parent, name: bytes, staged: Staged) -> Changes:
    try:
        return (create_entry(context, parent, name, staged),)
    except Vanished:
        pass  # most likely the name exists: replace it
    try:
        attr = context.store.attr_at(parent.fd, name)
    except NotFound as error:
        raise Vanished from error
    refuse_special(attr, None, name)
    replace_entry(context, parent, name, staged)
    return (Change(parent.ino, name, attr.ino),)


def refuse_special(attr: Attr, present: ObjectInfo | None, name: bytes) -> None:
    """Raises KeyConflict where something stands that a file cannot take the place of."""
    if stat.S_ISDIR(attr.mode):
        raise KeyConflict("a directory stands where the object would", subject=name)
    if present is None and not (stat.S_ISREG(attr.mode) or stat.S_ISLNK(attr.mode)):
        raise KeyConflict("a fifo, socket or device stands where the object would", subject=name)


@contextmanager
def unwritten(context: Context, old: Fd, present: ObjectInfo | None, *, pinned: bool) -> Iterator[None]:
    """With If-Match on an ETag (`pinned`): nobody may open the old object for writing between the check and
    the exchange.
    """
    store = context.store
    if not pinned or present is None or not store.primitives.leases:
        yield
        return
    if not store.try_lease(old):
        raise Conflict("the object was opened for writing meanwhile")
    try:
        # A writer may have come and gone between the check and the lease.
        changed = Stamp.of(store.attr(old)) != present.stamp
        if changed or (present.etag_is_true and is_marked(store, old)) or not store.lease_intact(old):
            raise Conflict("the object was written meanwhile")
        yield
    finally:
        store.drop_lease(old)
