"""Putting an object: bytes into an unpublished file, then one atomic step that makes it the object.

Order under `Durability.COMMIT`: data and record to the disk → name (linkat for a new one, rename over an old
one) → every directory that changed, up to the first that was there before → answer. A crash at any point
leaves the old object or the new one; what was staged lies nameless or in ``.weka/spool`` and is swept.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType

from weka_mp.errors import (
    AttributeTooLarge,
    BucketMissing,
    Conflict,
    CrossDevice,
    Exists,
    KeyConflict,
    NoAttribute,
    NotFound,
    NotSupported,
    PreconditionFailed,
)
from weka_mp.namespace import reading
from weka_mp.namespace.context import FILE_MODE, Changes, Context, Durability, Parent, SyncList, Vanished
from weka_mp.namespace.directories import clear_implicit
from weka_mp.namespace.etags import EtagState, settle
from weka_mp.namespace.keys import BODY_NAME, EntryPath, entry_path, staging_name
from weka_mp.namespace.records import DIRECTORY_KEPT, DIRECTORY_MADE, Record, read_record, write_record
from weka_mp.namespace.values import NewObject, ObjectInfo, Published, WriteConditions
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Attr, BucketName, Change, ETag, Fd, Stamp

__all__ = [
    "PutSession",
    "Staged",
    "Target",
    "begin_put",
    "check_conditions",
    "examined",
    "publish_file",
    "stage",
]

RENAME_NOREPLACE = 1  # rename(2)

_NOWHERE = Fd(-1)
_ACL = "system.posix_acl_access"
_ATTEMPTS = 64  # of a publication whose parent vanishes or whose name appears in between
_UNCONDITIONAL = WriteConditions()


@dataclass(frozen=True, slots=True)
class Staged:
    """An unpublished file: its descriptor, and its hidden name where it has one (else it is nameless:
    O_TMPFILE).
    """

    fd: Fd
    directory: Fd = _NOWHERE
    name: bytes = b""


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
        self._published = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to what was written so far."""
        self._context.store.write(self.fd, data, self._offset)
        self._offset += len(data)

    def publish(self, new: NewObject, conditions: WriteConditions = _UNCONDITIONAL) -> Published:
        """Make what was written the object, if the conditions hold. Blocks for the disk; holds no lock
        afterwards.

        Raises PreconditionFailed, NotFound (If-Match on nothing), Conflict, KeyConflict, BucketMissing,
        NoSpace.
        """
        reach(CrashPoint.STAGED_DATA)
        published = publish_file(self._context, self._target, self._staged, new, conditions)
        self._published = True
        self.abort()  # only gives the descriptor back: the name is there
        return published

    def abort(self) -> None:
        """Give everything back; what was not published is gone. May be called again."""
        if self._open:
            self._open = False
            if self._staged.name and not self._published:
                self._context.store.unlink(self._staged.directory, self._staged.name)
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
            staged = stage(context, parent.fd if parent else bucket_fd)
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
    if not path.is_directory:
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
            changes = _name_it(context, bucket_fd, path, target, staged, record, conditions, syncs)
            reach(CrashPoint.PUBLISHED)
            syncs.flush()
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


def _name_it(
    context: Context,
    bucket: Fd,
    path: EntryPath,
    target: Target,
    staged: Staged,
    record: Record,
    conditions: WriteConditions,
    syncs: SyncList,
) -> Changes:
    """Under the entry's lock: check the conditions and give the file its name. Tries again when the parent
    vanished.
    """
    for _ in range(_ATTEMPTS):
        try:
            with context.parent(bucket, path, syncs, target.uid, target.gid) as parent:
                reach(CrashPoint.PARENT_MADE)
                with context.locks.hold([(parent.ino, path.name)]):
                    if path.is_directory:
                        changes = _place_directory(
                            context, parent, path.name, target, staged, record, conditions, syncs
                        )
                    else:
                        changes = _place_file(context, parent, path.name, target.key, staged, conditions)
                syncs.add(parent.fd)
                return parent.made + changes
        except Vanished:
            if context.store.attr(bucket).nlink == 0:
                raise BucketMissing(subject=target.bucket) from None
    raise Conflict("the key's parent directory kept vanishing", subject=target.key)


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
        yield attr, reading.describe(key, seen, settle(context.store, fd, seen, context.clock)), fd
    finally:
        context.store.close(fd)


def _attr_of(context: Context, parent: Parent, name: bytes) -> Attr | None:
    try:
        return context.store.attr_at(parent.fd, name)
    except NotFound:
        return None


def check_conditions(conditions: WriteConditions, present: ObjectInfo | None) -> None:
    """Raises PreconditionFailed, or NotFound where If-Match meets nothing (AWS, "Conditional writes")."""
    if conditions.if_none_match and present is not None:
        raise PreconditionFailed("If-None-Match")
    if conditions.if_match is not None:
        if present is None:
            raise NotFound("If-Match on an object that does not exist")
        if conditions.if_match != "*" and conditions.if_match not in present.accepted_etags:
            raise PreconditionFailed("If-Match")
    if present is None:
        return
    if conditions.if_match_size is not None and conditions.if_match_size != present.size:
        raise PreconditionFailed("x-amz-if-match-size")
    if (
        conditions.if_match_mtime is not None
        and conditions.if_match_mtime != present.mtime_ns // 1_000_000_000
    ):
        raise PreconditionFailed("x-amz-if-match-last-modified-time")


def _place_file(
    context: Context, parent: Parent, name: bytes, key: bytes, staged: Staged, conditions: WriteConditions
) -> Changes:
    if not conditions.any:
        return _place_unconditionally(context, parent, name, staged)
    with examined(context, parent, name, key) as (attr, present, old):
        check_conditions(conditions, present)
        if attr is None:
            return (_create(context, parent, name, staged),)
        _refuse_special(attr, present, name)
        with _unwritten(context, old, conditions):
            _replace(context, parent, name, staged)
        return (Change(parent.ino, name, attr.ino),)


def _place_unconditionally(context: Context, parent: Parent, name: bytes, staged: Staged) -> Changes:
    try:
        return (_create(context, parent, name, staged),)
    except Vanished:
        pass  # most likely the name exists: replace it
    try:
        attr = context.store.attr_at(parent.fd, name)
    except NotFound as error:
        raise Vanished from error
    _refuse_special(attr, None, name)
    _replace(context, parent, name, staged)
    return (Change(parent.ino, name, attr.ino),)


def _refuse_special(attr: Attr, present: ObjectInfo | None, name: bytes) -> None:
    if stat.S_ISDIR(attr.mode):
        raise KeyConflict("a directory stands where the object would", subject=name)
    if present is None and not (stat.S_ISREG(attr.mode) or stat.S_ISLNK(attr.mode)):
        raise KeyConflict("a fifo, socket or device stands where the object would", subject=name)


@contextmanager
def _unwritten(context: Context, old: Fd, conditions: WriteConditions) -> Iterator[None]:
    """With If-Match on an ETag: nobody may open the old object for writing between the check and the
    exchange.
    """
    store = context.store
    if conditions.if_match in (None, "*") or old < 0 or not store.primitives.leases:
        yield
        return
    if not store.try_lease(old):
        raise Conflict("the object was opened for writing meanwhile")
    try:
        if not store.lease_intact(old):
            raise Conflict("the object was opened for writing meanwhile")
        yield
    finally:
        store.drop_lease(old)


def _create(context: Context, parent: Parent, name: bytes, staged: Staged) -> Change:
    """Give the file a name nobody has: atomic against every other creator, S3's or POSIX's."""
    store = context.store
    try:
        if not staged.name:
            store.link(staged.fd, parent.fd, name)
        elif store.primitives.rename_noreplace:
            store.rename(staged.directory, staged.name, parent.fd, name, RENAME_NOREPLACE)
        else:
            store.link(staged.fd, parent.fd, name)
            store.unlink(staged.directory, staged.name)
    except (Exists, NotFound) as error:
        raise Vanished from error
    return Change(parent.ino, name, None)


def _replace(context: Context, parent: Parent, name: bytes, staged: Staged) -> None:
    """Rename the file over the old one; a nameless one gets a hidden name first."""
    store = context.store
    directory, hidden = staged.directory, staged.name
    if not hidden:
        directory, hidden = context.spool, b"put-" + context.random.token(12).encode()
        store.link(staged.fd, directory, hidden)
        reach(CrashPoint.SPOOLED)
    try:
        store.rename(directory, hidden, parent.fd, name)
        return
    except NotFound as error:
        if not staged.name:
            store.unlink(directory, hidden)
        raise Vanished from error
    except CrossDevice:
        store.unlink(directory, hidden)
    hidden = staging_name(context.random.token(12))
    store.link(staged.fd, parent.fd, hidden)
    store.rename(parent.fd, hidden, parent.fd, name)


def _place_directory(
    context: Context,
    parent: Parent,
    name: bytes,
    target: Target,
    staged: Staged,
    record: Record,
    conditions: WriteConditions,
    syncs: SyncList,
) -> Changes:
    """`PUT a/`: the record goes onto the directory itself, a body into a hidden file inside it."""
    store = context.store
    try:
        made = context.make_directory(parent.fd, name, target.uid, target.gid, implicit=False)
        directory = store.open_dir(parent.fd, name)
    except NotFound as error:
        raise Vanished from error
    try:
        attr = store.attr(directory)
        old = read_record(store, directory)
        present = reading.describe_directory(name, attr, old) if old else None
        check_conditions(conditions, present)
        if record.stamp is None:
            raise ValueError("a directory object's record needs a stamp")
        if record.stamp.size:
            _replace(context, Parent(directory, attr.ino, (), parent.bucket), BODY_NAME, staged)
        made_by_key = made is not None or (old is not None and old.directory == DIRECTORY_MADE)
        stamp = Stamp(record.stamp.size, record.stamp.mtime_ns, attr.ino)
        kind = DIRECTORY_MADE if made_by_key else DIRECTORY_KEPT
        write_record(store, directory, replace(record, stamp=stamp, directory=kind))
        clear_implicit(store, directory)
        syncs.add(directory)
        return (made,) if made is not None else (Change(parent.ino, name, attr.ino),)
    except AttributeTooLarge:
        if made is not None:
            store.rmdir(parent.fd, name)
        raise
    finally:
        store.close(directory)
