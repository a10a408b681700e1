"""Changing what is kept beside an object's bytes: its record, under the lock of its entry.

Inode, bytes, their mtime and ETag stay. Every S3 operation that gives an object other metadata comes here;
what the mount sets as ``user.s3.*`` changes the record of the inode alone
(`weka_mp.namespace.tree.node_xattrs`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from weka_mp.errors import NotFound, ObjectChanged
from weka_mp.namespace.context import Context
from weka_mp.namespace.effects import Durability
from weka_mp.namespace.names.keys import entry_path
from weka_mp.namespace.objects import reading
from weka_mp.namespace.objects.entries import examined
from weka_mp.namespace.objects.naming import check_conditions
from weka_mp.namespace.records.attribute import Record, amend_record
from weka_mp.namespace.records.etags import settle
from weka_mp.namespace.values import ObjectInfo, Published, WriteConditions
from weka_mp.values import BucketName, Change, Fd

__all__ = ["amend_object"]


def amend_object(
    context: Context,
    bucket: BucketName,
    key: bytes,
    change: Callable[[Record, Fd], Record],
    conditions: WriteConditions,
    seen: ObjectInfo,
) -> Published:
    """Replace the record by what `change` makes of it, if the conditions hold; on the disk when this returns.

    `key` names a file, no directory object. `change` is called under the record's lock with a descriptor of
    the object, and raises what the caller wants raised. `seen`: the object that the caller speaks of. Raises
    BucketMissing, NotFound, PreconditionFailed, NoSpace and ObjectChanged (another has its place by now).
    """
    path = entry_path(key)
    with context.effects() as effects, context.bucket(bucket) as at, ExitStack() as stack:
        stack.enter_context(context.locks.share_tree(context.store.attr(at).ino, key))
        parent = context.find_parent(at, path)
        if parent is None:
            raise NotFound(subject=key)
        stack.callback(context.store.close, parent.fd)
        stack.enter_context(context.locks.hold([(parent.ino, path.name)]))
        _, present, fd = stack.enter_context(examined(context, parent, path.name, key))
        if present is None:
            raise NotFound(subject=key)
        if present.ino != seen.ino:
            raise ObjectChanged(subject=key)
        check_conditions(conditions, present)
        told = effects.tell(Change(parent.ino, b"", present.ino))
        amend_record(context.store, context.locks, fd, lambda record: change(record, fd))
        if context.durability is Durability.COMMIT:
            context.store.sync_file(fd)
        attr = context.store.attr(fd)
        state = settle(context.store, context.locks, fd, attr, context.clock)
        return Published(reading.describe(key, attr, state), (told,))
