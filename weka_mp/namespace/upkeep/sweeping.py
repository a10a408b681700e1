"""Leftovers of processes that died: what was staged and never published."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import chain

from weka_mp.errors import BucketMissing, IsDirectory, NotDirectory, NotEmpty, NotFound
from weka_mp.namespace.context import Context
from weka_mp.namespace.names.keys import is_staging
from weka_mp.namespace.objects.naming import leads_to
from weka_mp.namespace.records import overflow
from weka_mp.namespace.records.attribute import RECORD_XATTR, decode
from weka_mp.namespace.versions.histories import VERSIONS_PATH
from weka_mp.namespace.walking import Met, Unreachable, walk
from weka_mp.store.interface import Store
from weka_mp.values import BucketName, Fd

__all__ = ["sweep_far_buckets", "sweep_overflow", "sweep_root"]

_PROBE = b".weka~probe-"


def sweep_overflow(context: Context, stop: Callable[[], bool]) -> int:
    """Take away overflow files that no record of the store names any more. Returns how many.

    Looks at every record when some file was not wanted for long. `stop`: asked between two files.
    """
    store = context.store
    return overflow.sweep(store, context.clock, lambda: _referenced(store, stop))


def _referenced(store: Store, stop: Callable[[], bool]) -> set[bytes] | None:
    """The overflow files that records name; None when not every record could be looked at."""
    found: set[bytes] = set()
    for met in chain(walk(store), walk(store, VERSIONS_PATH)):
        if isinstance(met, Unreachable) or stop():
            return None
        data = store.find_xattr(met.fd, RECORD_XATTR)
        if data is None:
            continue
        with suppress(ValueError):  # a broken one names nothing
            found.update(decode(data).overflow)
    return found


def sweep_far_buckets(
    context: Context, buckets: Iterable[BucketName], before_ns: int, stop: Callable[[], bool]
) -> int:
    """Remove what was staged before that time among the entries of buckets that lie on other file systems.

    Only there has anything to be staged so (`naming.replace_entry`); all of such a bucket is walked. Returns
    how many.
    """
    count = 0
    for bucket in buckets:
        with suppress(BucketMissing), context.bucket(bucket) as directory:
            if leads_to(context, context.spool, directory):
                continue
        for met in walk(context.store, bucket.encode()):
            if stop():
                return count
            if isinstance(met, Met) and met.attr.mtime_ns < before_ns:
                count += _unstage(context.store, met.path)
    return count


def _unstage(store: Store, path: bytes) -> bool:
    above, _, name = path.rpartition(b"/")
    if not is_staging(name):
        return False
    with suppress(NotFound, IsDirectory):  # somebody else was faster; no directory is ever staged so
        directory = store.open_dir(store.root(), above)
        try:
            store.unlink(directory, name)
            return True
        finally:
            store.close(directory)
    return False


def sweep_root(store: Store, root: Fd, before_ns: int) -> None:
    """Remove scratch directories of probes that died."""
    for entry in store.entries(root):
        if not entry.name.startswith(_PROBE):
            continue
        try:
            if store.attr_at(root, entry.name).mtime_ns < before_ns:
                _erase(store, root, entry.name)
        except (NotFound, NotEmpty, NotDirectory):
            continue  # its owner is still at work, or removed it


def _erase(store: Store, root: Fd, name: bytes) -> None:
    directory = store.open_dir(root, name)
    try:
        for entry in store.entries(directory):
            try:
                store.unlink(directory, entry.name)
            except (NotFound, IsDirectory):
                continue
    finally:
        store.close(directory)
    store.rmdir(root, name)
