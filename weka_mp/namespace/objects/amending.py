"""Changing what is kept beside an object's bytes: its record, under the lock of its entry.

Inode, bytes, their mtime and ETag stay. Every S3 operation that gives an object other metadata comes here;
what the mount sets as ``user.s3.*`` changes the record of the inode alone
(`weka_mp.namespace.tree.node_xattrs`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from weka_mp.errors import Loop, NotDirectory, NotFound, ObjectChanged
from weka_mp.namespace.context import Context, Parent
from weka_mp.namespace.effects import Durability
from weka_mp.namespace.names.keys import BODY_NAME, entry_path
from weka_mp.namespace.objects import reading
from weka_mp.namespace.objects.entries import examined
from weka_mp.namespace.objects.naming import check_conditions
from weka_mp.namespace.objects.versions import open_version
from weka_mp.namespace.records.attribute import Record, amend_record, read_record
from weka_mp.namespace.records.etags import settle
from weka_mp.namespace.values import UNCONDITIONAL, Done, ObjectInfo, Published, WriteConditions
from weka_mp.values import BucketName, Change, Fd

__all__ = ["amend_object", "change_record", "tag_object"]

_ATTEMPTS = 4  # of a change of a version that becomes noncurrent meanwhile


def amend_object(
    context: Context,
    bucket: BucketName,
    key: bytes,
    change: Callable[[Record, Fd], Record],
    conditions: WriteConditions,
    seen: ObjectInfo | None,
) -> Published:
    """Replace the record by what `change` makes of it, if the conditions hold; on the disk when this returns.

    `key` names a file, no directory object. `change` is called under the record's lock with a descriptor of
    the object, and raises what the caller wants raised. `seen`: the object that the caller speaks of; None:
    whichever is there. Raises AccessDenied, BucketMissing, NotFound, PreconditionFailed, NoSpace and
    ObjectChanged (another has its place by now).
    """
    name = entry_path(key).name
    with context.effects() as effects, _held(context, bucket, key) as parent, ExitStack() as stack:
        _, present, fd = stack.enter_context(examined(context, parent, name, key))
        if present is None:
            raise NotFound(subject=key)
        if seen is not None and present.ino != seen.ino:
            raise ObjectChanged(subject=key)
        check_conditions(conditions, present)
        context.store.check_access(fd, os.W_OK)
        told = effects.tell(Change(parent.ino, b"", present.ino))
        amend_record(context.store, context.locks, fd, lambda record: change(record, fd))
        if context.durability is Durability.COMMIT:
            context.store.sync_file(fd)
        attr = context.store.attr(fd)
        state = settle(context.store, context.locks, fd, attr, context.clock)
        return Published(reading.describe(key, attr, state), (told,), effects.sequence)


@contextmanager
def _held(context: Context, bucket: BucketName, key: bytes) -> Iterator[Parent]:
    """The key's parent, with its entry held. Raises BucketMissing, NotFound."""
    with _key_held(context, bucket, key) as parent:
        if parent is None:
            raise NotFound(subject=key)
        yield parent


@contextmanager
def _key_held(context: Context, bucket: BucketName, key: bytes) -> Iterator[Parent | None]:
    """Nobody changes which versions the key has: neither S3, which waits for the share, nor the mount. None:
    no directory holds its entry. Raises BucketMissing.
    """
    path = entry_path(key)
    with context.bucket(bucket) as at, context.locks.share_tree(context.store.attr(at).ino, key):
        parent = context.find_parent(at, path)
        if parent is None:
            yield None
            return
        try:
            with context.locks.hold([(parent.ino, path.name)]):
                yield parent
        finally:
            context.store.close(parent.fd)


def tag_object(
    context: Context, bucket: BucketName, key: bytes, tags: Mapping[str, str], version: bytes | None = None
) -> Done:
    """Give an object these tags and no others; its bytes, times and ETag stay. On the disk when this returns.
    version: None: the current one.

    Raises BucketMissing, NotFound, NoSpace, VersionMissing, DeleteMarkerMet.
    """
    return change_record(context, bucket, key, lambda record, fd: replace(record, tags=tags), version)


def change_record(
    context: Context, bucket: BucketName, key: bytes, change: Callable[[Record, Fd], Record],
    version: bytes | None = None,
) -> Done:
    """`amend_object` without conditions, of files and directory objects. Raises BucketMissing, NotFound,
    NoSpace, VersionMissing, DeleteMarkerMet, and what `change` raises. version: None: the current one.
    """
    if version is None:
        return _amend_current(context, bucket, key, change, None)
    for _ in range(_ATTEMPTS):
        current = _amend_noncurrent(context, bucket, key, version, change)
        if current is None:
            return Done((), context.clock.now_ns())
        # Whoever writes now makes another version the current one, which is not meant.
        with suppress(ObjectChanged, NotFound):
            return _amend_current(context, bucket, key, change, current)
    raise ObjectChanged(subject=key)


def _amend_current(
    context: Context, bucket: BucketName, key: bytes, change: Callable[[Record, Fd], Record],
    seen: ObjectInfo | None,
) -> Done:
    if entry_path(key).is_directory:
        return _amend_directory(context, bucket, key, change)
    published = amend_object(context, bucket, key, change, UNCONDITIONAL, seen)
    return Done(published.changes, published.sequence)


def _amend_noncurrent(
    context: Context, bucket: BucketName, key: bytes, version: bytes,
    change: Callable[[Record, Fd], Record],
) -> ObjectInfo | None:
    """The same for a version of this id; where it is the current one nothing is done, and this is what it is.

    Under the locks of the key: a lock that is set of it holds for whoever comes to delete it next.
    """
    with (
        _key_held(context, bucket, key),
        open_version(context, bucket, key, version) as found,
        context.bucket(bucket) as fd,
    ):
        with context.histories.opened(fd, entry_path(key)) as history:
            kept = [] if history is None else context.histories.entries(history)
        if not any(each.version == version for each in kept):
            return found.info
        context.store.check_access(found.fd, os.W_OK)
        amend_record(context.store, context.locks, found.fd, lambda record: change(record, found.fd))
        if context.durability is Durability.COMMIT:
            context.store.sync_file(found.fd)
    return None


def _amend_directory(
    context: Context, bucket: BucketName, key: bytes, change: Callable[[Record, Fd], Record]
) -> Done:
    """The same for a directory object, under the lock of its entry."""
    name = entry_path(key).name
    with context.effects() as effects, _held(context, bucket, key) as parent, ExitStack() as stack:
        directory = _open_directory(context, parent, name, key)
        stack.callback(context.store.close, directory)
        body = _recorded_body(context, directory)
        if body is not None:
            stack.callback(context.store.close, body)
        context.store.check_access(directory, os.W_OK)
        counts = directory if body is None else body
        told = effects.tell(Change(parent.ino, b"", context.store.attr(directory).ino))
        amend_record(context.store, context.locks, counts, lambda record: change(record, counts))
        if context.durability is Durability.COMMIT:
            (context.store.sync_dir if body is None else context.store.sync_file)(counts)
        return Done((told,), effects.sequence)


def _open_directory(context: Context, parent: Parent, name: bytes, key: bytes) -> Fd:
    """Raises NotFound where no directory object is."""
    try:
        directory = context.store.open_dir(parent.fd, name)
    except (NotDirectory, Loop) as error:
        raise NotFound(subject=key) from error
    try:
        if reading.directory_object(context.store, directory, key) is None:
            raise NotFound(subject=key)
    except BaseException:
        context.store.close(directory)
        raise
    return directory


def _recorded_body(context: Context, directory: Fd) -> Fd | None:
    """The body, where its record is the one that counts (see `reading.open_directory_object`)."""
    try:
        body = context.store.open_file(directory, BODY_NAME, os.O_RDONLY)
    except NotFound:
        return None
    with ExitStack() as undo:
        undo.callback(context.store.close, body)
        record = read_record(context.store, body)
        if record is not None and record.etag is not None:
            undo.pop_all()
            return body
    return None
