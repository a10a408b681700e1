"""Putting an object: bytes into an unpublished file, then one atomic step that makes it the object.

Order under `Durability.COMMIT`: data and record to the disk → name (linkat for a new one, rename over an old
one) → every directory that changed, up to the first that was there before → answer. A crash at any point
leaves the old object or the new one; what was staged lies nameless or in ``.weka/spool`` and is swept.
"""

from __future__ import annotations

import os
import stat
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from types import TracebackType

from weka_mp.errors import (
    BucketMissing,
    Conflict,
    Loop,
    NamespaceError,
    NameTooLong,
    NoAttribute,
    NotDirectory,
    NotFound,
    NotSupported,
    ObjectLockMissing,
)
from weka_mp.namespace.bucket_identity import bucket_identity
from weka_mp.namespace.concealment import create_concealed, is_concealed, reveal
from weka_mp.namespace.context import FILE_MODE, Context, Parent, Vanished
from weka_mp.namespace.effects import Changes, Durability, Effects
from weka_mp.namespace.names.keys import BODY_NAME, EntryPath, entry_path
from weka_mp.namespace.objects import reading
from weka_mp.namespace.objects.directory_objects import DirectoryPut, place_directory
from weka_mp.namespace.objects.entries import examined, refuse_special, unwritten
from weka_mp.namespace.objects.naming import (
    Staged,
    check_conditions,
    create_entry,
    discard_name,
    replace_entry,
)
from weka_mp.namespace.objects.pruning import prune
from weka_mp.namespace.quotas.funds import Funds, no_funds
from weka_mp.namespace.records.attribute import KeptAcl, Record, overwrite_record
from weka_mp.namespace.records.etags import EtagState
from weka_mp.namespace.records.freezing import freeze_own
from weka_mp.namespace.values import UNCONDITIONAL, NewObject, Published, WriteConditions
from weka_mp.namespace.versions.histories import ENABLED, SUSPENDED
from weka_mp.namespace.versions.identifiers import NULL, new_version
from weka_mp.namespace.versions.keeping import Place, drop_null, keeping
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Attr, BucketName, Change, ETag, Fd, Stamp

__all__ = [
    "PutSession", "Target", "adapt_to", "begin_put", "publish_file", "stage", "try_put",
]  # fmt: skip

_MISSING = (NotFound, NotDirectory, Loop, NameTooLong)
_ACL = "system.posix_acl_access"
_ATTEMPTS = 64  # of a publication whose parent vanishes or whose name appears in between


@dataclass(frozen=True, slots=True)
class Target:
    """Where an object goes and who will own what is made for it.

    identity: that of the bucket (`bucket_identity`), where it took long enough that another could have been
    made under its name.
    """

    bucket: BucketName
    key: bytes
    uid: int = 0
    gid: int = 0
    identity: int | None = None


class PutSession:
    """One object being written. Used by one thread at a time; aborts unless it was published."""

    def __init__(self, context: Context, target: Target, staged: Staged, funds: Funds) -> None:
        self.fd = staged.fd
        self._funds = funds
        self._context = context
        self._target = target
        self._staged = staged
        self._offset = 0
        self._open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to what was written so far. Raises QuotaExceeded, NoSpace."""
        self._funds.cover(self._offset + len(data))
        self._context.store.write(self.fd, data, self._offset)
        self._offset += len(data)

    def publish(self, new: NewObject, conditions: WriteConditions = UNCONDITIONAL) -> Published:
        """Make what was written the object, if the conditions hold. Blocks for the disk; holds no lock
        afterwards.

        Raises PreconditionFailed, NotFound (If-Match on nothing), Conflict, KeyConflict, BucketMissing,
        ObjectLockMissing, NoSpace, QuotaExceeded.
        """
        reach(CrashPoint.STAGED_DATA)
        published = publish_file(self._context, self._target, self._staged, new, conditions, self._funds)
        self.abort()  # only gives the descriptor back: the name is there
        return published

    def abort(self) -> None:
        """Give everything back; what was not published is gone. May be called again."""
        self._funds.release()
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
    context: Context, target: Target, *, size_hint: int | None, size: int | None
) -> PutSession:
    """Open a nameless file on the bucket's side. size: bytes that will come, where that
    is known: there must be room for them in the bucket's quota; size_hint: it is worth reserving them on the
    disk, too. Raises BucketMissing, InvalidName, KeyConflict, NoSpace, QuotaExceeded.
    """
    path = entry_path(target.key)
    funds = _funds_for(context, target.bucket, path)
    staged = _stage_for(context, target.bucket, path)
    session = PutSession(context, target, staged, funds)
    try:
        funds.cover(size or 0)
        reach(CrashPoint.STAGED_EMPTY)
        context.give(staged.fd, target.uid, target.gid)
        if size_hint:
            context.store.allocate(staged.fd, size_hint)
    except BaseException:
        session.abort()
        raise
    return session


def try_put(context: Context, target: Target) -> None:
    """Raises what a put would raise now of who may make, or replace, what is there; nothing is changed."""
    begin_put(context, target, size_hint=None, size=None).abort()
    with context.bucket(target.bucket) as bucket, suppress(*_MISSING):
        _check_writable(context, bucket, entry_path(target.key).joined)


def _check_writable(context: Context, at: Fd, path: bytes) -> None:
    """Raises AccessDenied for what whom modes bind may not write; NotFound and its like."""
    old = context.store.open_path(at, path)
    try:
        context.store.check_access(old, os.W_OK)
    finally:
        context.store.close(old)


def _funds_for(context: Context, bucket: BucketName, path: EntryPath) -> Funds:
    if not context.quotas.ledgers():
        return no_funds()
    joined = path.joined + b"/" + BODY_NAME if path.is_directory else path.joined
    with context.bucket(bucket) as fd:
        funds = context.quotas.funds(fd, joined)
        if context.histories.state(fd) is not None:
            funds.credit = 0  # what will be replaced is kept
        return funds


def _stage_for(context: Context, bucket: BucketName, path: EntryPath) -> Staged:
    """Beside the entry to come, or in the nearest directory above where it is missing or was removed
    meanwhile.
    """
    for depth in range(len(path.parents), 0, -1):
        with suppress(*_MISSING):  # publication makes it, or says what is wrong with it
            return _stage_in(context, bucket, path.parents[:depth])
    try:
        return _stage_in(context, bucket, ())
    except (NotFound, NotDirectory, Loop) as error:
        raise BucketMissing(subject=bucket) from error


def _stage_in(context: Context, bucket: BucketName, path: tuple[bytes, ...]) -> Staged:
    with context.directory(bucket, path) as directory:
        return stage(context, directory)


def stage(context: Context, directory: Fd) -> Staged:
    """A file without a name; where the file system has none, one in the spool.

    The directory decides over default ACLs and the group, as it would for any file made there.
    """
    try:
        return Staged(context.store.create_unnamed(directory, FILE_MODE))
    except NotSupported:
        name = b"put-" + context.random.token(12).encode()
        fd = create_concealed(context.store, context.spool, name, os.O_RDWR | os.O_EXCL, FILE_MODE)
        return Staged(fd, context.spool, name)


def publish_file(
    context: Context,
    target: Target,
    staged: Staged,
    new: NewObject,
    conditions: WriteConditions,
    funds: Funds,
) -> Published:
    """Record, sync, name: see the module. The descriptor stays the caller's, a staged name is used up.

    funds: what was held for it of the bucket's quota. Raises QuotaExceeded when that is not enough.
    """
    path, fd = entry_path(target.key), staged.fd
    for component in path.long_components:
        context.long_names.keep(component)
    attr = _set_times(context, fd)
    if new.acl is not None and target.identity is None:
        target = replace(target, identity=_identity(context, target.bucket))
    with context.effects() as effects, context.bucket(target.bucket) as bucket_fd:
        changes = None
        while changes is None:
            versioning = context.histories.state(bucket_fd)
            version = _version_for(context, new, versioning)
            record = _record_of(new, Stamp.of(attr), version, target.identity or 0)
            record = _locked(context, bucket_fd, new, record)
            overwrite_record(context.store, fd, record)
            attr = reveal(context.store, fd, attr)
            reach(CrashPoint.RECORD_WRITTEN)
            _check_bucket(context, target, bucket_fd)
            over = not path.is_directory and _inherit(context, bucket_fd, path, fd, attr)
            if context.durability is Durability.COMMIT:
                context.store.sync_file(fd)
            reach(CrashPoint.FILE_SYNCED)
            naming = _Naming(
                context, bucket_fd, path, target, staged, record, conditions, effects, over, funds, versioning
            )
            with suppress(_OtherVersioning):
                changes = _name_it(naming)
        sequence = effects.sequence
        reach(CrashPoint.PUBLISHED)
        effects.flush()
        reach(CrashPoint.DIRECTORY_SYNCED)
    info = reading.describe(target.key, attr, EtagState(ETag(record.etag or ""), record, True))
    return Published(info, changes, sequence)


def _check_bucket(context: Context, target: Target, bucket: Fd) -> None:
    """Raises BucketMissing when it is the next one of the name."""
    if target.identity is not None and bucket_identity(context.store, bucket) != target.identity:
        raise BucketMissing(subject=target.bucket)


def _version_for(context: Context, new: NewObject, versioning: str | None) -> bytes:
    if versioning != ENABLED:
        return NULL
    return new.version or new_version(context.histories.clock.now_ns(), context.histories.random)


def _identity(context: Context, bucket: BucketName) -> int:
    with context.bucket(bucket) as fd:
        return bucket_identity(context.store, fd)


def _record_of(new: NewObject, stamp: Stamp, version: bytes, bucket: int) -> Record:
    return Record(
        version=version,
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
        acl=None if new.acl is None else KeptAcl(bucket, stamp.ino, new.acl),
    )


def _locked(context: Context, bucket: Fd, new: NewObject, record: Record) -> Record:
    """With what was asked for it of locks, or what the bucket gives by itself. Raises ObjectLockMissing."""
    asked = new.retention is not None or new.legal_hold is not None
    lock = context.object_locks.of(bucket)
    if lock is None:
        if asked:
            raise ObjectLockMissing()
        return record
    retention = new.retention
    if retention is None and lock.default is not None:
        retention = lock.default.begun(context.histories.clock.now_ns())
    return replace(record, retention=retention, legal_hold=new.legal_hold)


def _set_times(context: Context, fd: Fd) -> Attr:
    """An mtime of now with random digits below the clock's tick: two contents never look alike, none is in
    the future.
    """
    coarse, now = context.clock.coarse_ns(), context.clock.now_ns()
    mtime = coarse + context.random.below(max(now - coarse, 1)) if now > coarse else now
    context.store.utimens(fd, now, mtime)
    return context.store.attr(fd)


def _inherit(context: Context, bucket: Fd, path: EntryPath, fd: Fd, mine: Attr) -> bool:
    """A replaced file keeps its mode, owner and ACL. False when nothing stands there.

    So what is put in its place has its owner's name on it: whom modes bind must be able to write into it.
    """
    try:
        old = context.store.open_path(bucket, path.joined)
    except _MISSING:
        return False
    try:
        context.store.check_access(old, os.W_OK)
        _copy_access(context, old, fd, mine)
    finally:
        context.store.close(old)
    return True


def adapt_to(context: Context, directory: Fd, fd: Fd) -> None:
    """Give a file that was made elsewhere the mode, the group and the ACL that it would have got there."""
    try:
        model = context.store.create_unnamed(directory, FILE_MODE)
    except NotSupported:  # a model would have to be seen
        return
    try:
        _copy_access(context, model, fd, context.store.attr(fd))
    finally:
        context.store.close(model)


def _copy_access(context: Context, old: Fd, fd: Fd, mine: Attr) -> None:
    store = context.store
    attr = store.attr(old)
    if not stat.S_ISREG(attr.mode) or is_concealed(store, old, attr):
        return
    if (mine.uid, mine.gid) != (attr.uid, attr.gid):
        store.chown(fd, attr.uid, attr.gid)
    acl = _acl_of(context, old)
    if acl is not None:
        store.set_xattr(fd, _ACL, acl)
    elif _acl_of(context, fd) is not None:  # a new file's, by the default of the directory
        store.remove_xattr(fd, _ACL)
    mode = _kept_mode(attr.mode) | mine.mode & stat.S_ISVTX  # concealed as long as it has no record
    if stat.S_IMODE(mine.mode) != mode:
        store.chmod(fd, mode)


def _acl_of(context: Context, fd: Fd) -> bytes | None:
    try:
        return context.store.get_xattr(fd, _ACL)
    except (NoAttribute, NotSupported):
        return None


def _kept_mode(mode: int) -> int:
    """Other bytes never run with the rights that were given to the old ones: the rule by which write(2) takes
    them away (setattr_should_drop_suidgid in Linux' fs/attr.c), for root's requests, too.
    """
    given = stat.S_ISUID | (stat.S_ISGID if mode & stat.S_IXGRP else 0)
    return stat.S_IMODE(mode) & ~given


class _OtherVersioning(Exception):
    """The bucket's versioning was set anew since the record was written: it says which version this is."""


@dataclass(frozen=True, slots=True)
class _Naming:
    """A publication whose file is finished and has no name yet. `over`: the name was taken a moment ago."""

    context: Context
    bucket: Fd
    path: EntryPath
    target: Target
    staged: Staged
    record: Record
    conditions: WriteConditions
    effects: Effects
    over: bool
    funds: Funds
    versioning: str | None


def _name_it(naming: _Naming) -> Changes:
    """Under the entry's lock: check the conditions and give the file its name. Tries again when the parent
    vanished.
    """
    try:
        return _name_in_attempts(naming)
    except NamespaceError:
        if naming.path.parents:  # directories made for nothing would stay
            with suppress(NamespaceError):
                prune(naming.context, naming.bucket, naming.path, naming.effects)
        raise


def _name_in_attempts(naming: _Naming) -> Changes:
    context, bucket, target = naming.context, naming.bucket, naming.target
    tree = context.store.attr(bucket).ino
    for _ in range(_ATTEMPTS):
        try:
            with (
                context.locks.share_tree(tree, target.key),
                context.parent(bucket, naming.path, naming.effects, target.uid, target.gid) as parent,
            ):
                reach(CrashPoint.PARENT_MADE)
                with context.locks.hold([(parent.ino, naming.path.name)]):
                    changes = _place(naming, parent)
                naming.effects.add(parent.fd)
                return parent.made + changes
        except Vanished:
            if context.store.attr(bucket).nlink == 0:
                raise BucketMissing(subject=target.bucket) from None
    raise Conflict("the key's parent directory kept vanishing", subject=target.key)


def _place(naming: _Naming, parent: Parent) -> Changes:
    context, target, name = naming.context, naming.target, naming.path.name
    if context.histories.state(naming.bucket) != naming.versioning:
        raise _OtherVersioning
    if not naming.path.is_directory:
        changes = _place_file(naming, parent)
        freeze_own(context.store, naming.staged.fd, naming.record)
    else:
        put = DirectoryPut(
            target.uid, target.gid, naming.staged, naming.record, naming.conditions, naming.funds
        )
        with keeping(context, _place_of(naming, parent), naming.effects):
            changes = place_directory(context, parent, name, put, naming.effects)
    if naming.versioning == SUSPENDED:
        drop_null(context, _place_of(naming, parent), naming.effects)
    return changes


def _place_of(naming: _Naming, parent: Parent) -> Place:
    return Place(naming.bucket, naming.path, parent.fd)


def _place_file(naming: _Naming, parent: Parent) -> Changes:
    context, name, conditions = naming.context, naming.path.name, naming.conditions
    if not conditions.any:
        return _place_unconditionally(naming, parent)
    with examined(context, parent, name, naming.target.key) as (attr, present, old):
        check_conditions(conditions, present)
        if attr is None:
            return _create(naming, parent)
        refuse_special(attr, present, name)
        with unwritten(context, old, present, pinned=conditions.pins):
            return _replace(naming, parent, attr)


def _place_unconditionally(naming: _Naming, parent: Parent) -> Changes:
    if not naming.over:
        with suppress(Vanished):  # most likely the name exists by now: replace it
            return _create(naming, parent)
    try:
        attr = naming.context.store.attr_at(parent.fd, naming.path.name)
    except NotFound:
        return _create(naming, parent)
    refuse_special(attr, None, naming.path.name)
    return _replace(naming, parent, attr)


def _create(naming: _Naming, parent: Parent) -> Changes:
    change = naming.effects.tell(Change(parent.ino, naming.path.name, None))
    with _counted(naming, parent, over=False):
        create_entry(naming.context, parent, naming.path.name, naming.staged)
    return (change,)


def _replace(naming: _Naming, parent: Parent, old: Attr) -> Changes:
    if naming.context.judged is not None:
        # Once more, under the lock: another file may have come into its place since `_inherit`.
        with suppress(NotFound):
            _check_writable(naming.context, parent.fd, naming.path.name)
    change = naming.effects.tell(Change(parent.ino, naming.path.name, old.ino))
    kept = keeping(naming.context, _place_of(naming, parent), naming.effects)
    with kept, _counted(naming, parent, over=True):
        replace_entry(naming.context, parent, naming.path.name, naming.staged)
    return (change,)


def _counted(naming: _Naming, parent: Parent, *, over: bool) -> AbstractContextManager[None]:
    """The block gives the name: see `Quotas.placing`."""
    entry = parent.fd, naming.path.name
    return naming.context.quotas.placing(naming.bucket, naming.staged.fd, entry, naming.funds, over=over)
