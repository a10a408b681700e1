"""What stands under a name before something is done to it, and what must not stand there.

Used under the entry's lock.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager

from weka_mp.errors import Conflict, KeyConflict, NotFound
from weka_mp.namespace.context import Context, Parent
from weka_mp.namespace.objects import reading
from weka_mp.namespace.objects.naming import NOWHERE
from weka_mp.namespace.records.etags import is_marked, settle
from weka_mp.namespace.values import ObjectInfo
from weka_mp.values import Attr, Fd, Stamp

__all__ = ["examined", "refuse_special", "unwritten"]


@contextmanager
def examined(
    context: Context, parent: Parent, name: bytes, key: bytes, *, look: bool = True
) -> Iterator[tuple[Attr | None, ObjectInfo | None, Fd]]:
    """What stands at an entry: its attributes (None: nothing), the object (None: nothing that S3 sees), its
    descriptor. look: at the object at all, for which it must be readable to whom modes bind.
    """
    attr = _attr_of(context, parent, name)
    if attr is None:
        yield None, None, NOWHERE
        return
    none = stat.S_ISDIR(attr.mode) or not look
    found = None if none else reading.open_below(context, parent.fd, name, parent.bucket, key)
    if found is None:
        yield attr, None, NOWHERE
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
