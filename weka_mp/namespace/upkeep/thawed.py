"""Versions that are locked and not frozen, or the other way round: who died, or a retention that is over."""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from weka_mp.errors import BucketMissing, Conflict, NamespaceError, NotFound, StoreUnusable
from weka_mp.namespace.bucket_identity import bucket_identity
from weka_mp.namespace.context import Context
from weka_mp.namespace.records.freezing import freeze, lock_of
from weka_mp.namespace.records.values import Record
from weka_mp.namespace.versions.histories import VERSIONS_PATH
from weka_mp.namespace.walking import Met, Unreachable, walk
from weka_mp.object_lock import protection
from weka_mp.values import BucketName, Fd

__all__ = ["LockedPlaces", "freeze_thawed", "locked_places", "set_right", "wants_frost"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LockedPlaces:
    """The directories, below the store's root, of buckets with Object Lock and of their histories."""

    tops: frozenset[bytes]

    def has(self, path: bytes) -> bool:
        """Whether the file at this path is a version of such a bucket."""
        depth = 3 if path.startswith(VERSIONS_PATH + b"/") else 1
        return b"/".join(path.split(b"/")[:depth]) in self.tops


def locked_places(context: Context, buckets: Iterable[BucketName]) -> LockedPlaces:
    """Those of these buckets that have Object Lock. Raises StoreUnusable."""
    tops: set[bytes] = set()
    if context.object_locks.anywhere():
        for bucket in buckets:
            with suppress(BucketMissing), context.bucket(bucket) as fd:
                if context.object_locks.of(fd) is not None:
                    identity = bucket_identity(context.store, fd)
                    tops.update((bucket.encode(), VERSIONS_PATH + b"/%d" % identity))
    return LockedPlaces(frozenset(tops))


def set_right(context: Context, fd: Fd, *, locked: bool) -> bool | None:
    """Freeze the file behind `fd` if it is protected, thaw it if it is not. locked: its bucket has Object
    Lock. Whether it is frozen now; None: it was as it should be, or somebody who can write is in the way.
    """
    store = context.store
    with context.locks.hold_thawed(store.attr(fd).ino):
        wanted = wants_frost(context, fd, locked=locked)
        if wanted is None:
            return None
        if not wanted:
            store.set_immutable(fd, False)
            return False
        with suppress(Conflict):
            freeze(store, fd)
            return True
    return None


def wants_frost(context: Context, fd: Fd, *, locked: bool) -> bool | None:
    """Whether a file should be frozen, which it is not, or should not, which it is; None: it is as it should
    be, or its record is damaged: what nobody can read thaws nothing.
    """
    store = context.store
    if not store.primitives.immutable:
        return None
    try:
        found = lock_of(store, fd) if locked else Record()
    except StoreUnusable:
        return None
    protected = protection(found, context.object_locks.now_ns()) is not None
    return None if protected == store.is_immutable(fd) else protected


def freeze_thawed(context: Context, buckets: Iterable[BucketName], stop: Callable[[], bool]) -> int:
    """Set all right in buckets with Object Lock. Returns how many were not. `stop`: asked between two.
    """
    count = 0
    for met in _all_of(context, locked_places(context, buckets)):
        if stop():
            break
        if isinstance(met, Unreachable):
            _log.warning("%r cannot be looked at: %s", met.path, met.error)
        elif stat.S_ISREG(met.attr.mode):
            try:
                count += set_right(context, met.fd, locked=True) is not None
            except NotFound:
                continue
            except NamespaceError as error:
                _log.warning("whether %r is locked cannot be set right: %s", met.path, error)
    return count


def _all_of(context: Context, places: LockedPlaces) -> Iterator[Met | Unreachable]:
    if not context.store.primitives.immutable:
        return iter(())
    return chain.from_iterable(walk(context.store, top) for top in sorted(places.tops))
