"""Listings of versions: by key, of each key the newest first (AWS, ListObjectVersions).

Two walks in the order of keys are merged: of the bucket, where the current versions are, and of its
histories. Whether a file of a history is a version depends on the current one, which is looked at again when
it changed meanwhile: what goes from one place to the other is in the listing once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from weka_mp.errors import AccessDenied, Loop, NameTooLong, NotDirectory, NotFound
from weka_mp.namespace.context import Context
from weka_mp.namespace.names.keys import BODY_NAME, MAX_KEY_BYTES, component_of, directory_of, entry_path
from weka_mp.namespace.objects import reading
from weka_mp.namespace.objects.listing import Lister, row_of
from weka_mp.namespace.objects.version_rights import is_listed
from weka_mp.namespace.records.attribute import read_record
from weka_mp.namespace.records.etags import settle
from weka_mp.namespace.values import CommonPrefix, ObjectInfo, ObjectSummary, VersionRow, VersionsListing
from weka_mp.namespace.versions.histories import counting
from weka_mp.namespace.versions.identifiers import NULL, NULL_SHOWN, Kept, made_at, parse_entry, shown
from weka_mp.values import BucketName, ETag, Fd

__all__ = ["VersionsQuery", "kept_keys", "list_versions"]

_GONE = (NotFound, NotDirectory, Loop, NameTooLong)
_BEHIND_ALL = b"\xff"  # no key has this byte, so every key that begins with a prefix sorts before prefix + it
_LOOKS = 4


@dataclass(frozen=True, slots=True)
class VersionsQuery:
    """`after`, `after_version`: the listing goes on behind this version, or behind all of the key (None)."""

    prefix: bytes = b""
    delimiter: bytes = b""
    after: bytes = b""
    after_version: bytes | None = None
    limit: int = 1000


def list_versions(
    context: Context, lister: Lister, bucket: BucketName, query: VersionsQuery
) -> VersionsListing:
    """At most `limit` rows. Raises BucketMissing."""
    items: list[VersionRow | CommonPrefix] = []
    with context.bucket(bucket) as bucket_fd:
        for row in _rows(context, lister, bucket, bucket_fd, query):
            if len(items) >= query.limit:
                return VersionsListing(tuple(items), _behind(items[-1]) if items else None)
            items.append(row)
    return VersionsListing(tuple(items), None)


def _behind(last: VersionRow | CommonPrefix) -> tuple[bytes, str | None]:
    if isinstance(last, CommonPrefix):
        return last.prefix, None
    return last.summary.key, last.version


def _rows(
    context: Context, lister: Lister, bucket: BucketName, bucket_fd: Fd, query: VersionsQuery
) -> Iterator[VersionRow | CommonPrefix]:
    after = query.after
    if query.after_version is not None:
        rows = _of_key(context, bucket, bucket_fd, query.after)
        if query.after.startswith(query.prefix):
            yield from _older(rows, query.after_version)
    group = _group(query.after, query)
    if group is not None:
        after = group + _BEHIND_ALL
    while True:
        for key in _keys(context, lister, bucket_fd, query.prefix, after):
            group = _group(key, query)
            if group is None:
                yield from _of_key(context, bucket, bucket_fd, key)
            elif next(_of_key(context, bucket, bucket_fd, key), None) is not None:
                yield CommonPrefix(group)
                after = group + _BEHIND_ALL
                break  # and on behind all that it stands for
        else:
            return


def _group(key: bytes, query: VersionsQuery) -> bytes | None:
    """The common prefix that stands for the key."""
    if not query.delimiter or not key.startswith(query.prefix):
        return None
    at = key.find(query.delimiter, len(query.prefix))
    return None if at < 0 else key[: at + len(query.delimiter)]


def _older(rows: Iterator[VersionRow], version: bytes) -> Iterator[VersionRow]:
    """Those behind this one. It may have been deleted since it was listed: what is older by its id then, and
    all where that says nothing.
    """
    found = list(rows)
    name = shown(version)
    for at, row in enumerate(found):
        if row.version == name:
            yield from found[at + 1 :]
            return
    made = made_at(version)
    yield from (
        row for row in found
        if not made or row.version == NULL_SHOWN or made_at(bytes.fromhex(row.version)) < made
    )


# ---- keys
def _keys(context: Context, lister: Lister, bucket: Fd, prefix: bytes, after: bytes) -> Iterator[bytes]:
    """Each key that has a version of either kind, once, in order; it may be gone when it is looked at."""
    with ExitStack() as stack:
        top = stack.enter_context(context.histories.of_bucket(bucket))
        kept = iter(()) if top is None else kept_keys(context, top, prefix, after)
        current = lister.keys(bucket, prefix, after)
        stack.callback(current.close)
        yield from _merged(current, kept)


def _merged(one: Iterator[bytes], other: Iterator[bytes]) -> Iterator[bytes]:
    left, right = next(one, None), next(other, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left <= right):
            assert left is not None
            yield left
            if left == right:
                right = next(other, None)
            left = next(one, None)
        else:
            yield right
            right = next(other, None)


def kept_keys(context: Context, top: Fd, prefix: bytes, after: bytes) -> Iterator[bytes]:
    """Keys that have a history. Depth first, on a stack of its own."""
    store = context.histories.store
    base, way = directory_of(prefix)
    levels = [iter([(base, way or b".")])]
    while levels:
        found = next(levels[-1], None)
        if found is None:
            levels.pop()
            continue
        key, way = found
        if not way.endswith(b"/"):  # a prefix, with what lies below it
            levels.append(iter(_below(context, top, key, way, prefix, after)))
            continue
        try:
            directory = store.open_dir(top, way)
        except _GONE:
            continue
        try:
            holds = any(parse_entry(entry.name) for entry in store.entries(directory))
        finally:
            store.close(directory)
        if holds:
            yield key


def _below(
    context: Context, top: Fd, base: bytes, way: bytes, prefix: bytes, after: bytes
) -> list[tuple[bytes, bytes]]:
    """What lies in a directory of histories, in order: keys, with ways that end in a slash, and prefixes."""
    store = context.histories.store
    try:
        directory = store.open_dir(top, way)
    except _GONE:
        return []
    try:
        names = [entry.name for entry in store.entries(directory) if parse_entry(entry.name) is None]
    finally:
        store.close(directory)
    rows = []
    for name in names:
        below = way + b"/" + name
        if name == BODY_NAME:
            rows.append((base, below + b"/"))
            continue
        component = component_of(name, context.long_names.component)
        if component is None:
            continue
        key = base + component
        if component:
            rows.append((key, below + b"/"))
        rows.append((key + b"/", below))
    return sorted(row for row in rows if _may_hold(row, prefix, after))


def _may_hold(row: tuple[bytes, bytes], prefix: bytes, after: bytes) -> bool:
    """Whether it is, or has below it, a key that begins with the prefix and stands behind the marker."""
    key, way = row
    if len(key) > MAX_KEY_BYTES:
        return False
    if way.endswith(b"/"):
        return key > after and key.startswith(prefix)
    return (key.startswith(prefix) or prefix.startswith(key)) and (key > after or after.startswith(key))


# ---- the versions of one key
def _of_key(context: Context, bucket: BucketName, bucket_fd: Fd, key: bytes) -> Iterator[VersionRow]:
    """Newest first."""
    if not is_listed(context, bucket_fd, entry_path(key)):
        return
    rows: list[VersionRow] = []
    for _ in range(_LOOKS):
        current = _current(context, bucket, key)
        rows = [] if current is None else [_row(row_of(current), latest=True)]
        rows += _noncurrent(context, bucket_fd, key, current)
        now = _current(context, bucket, key)
        if (now and now.ino) == (current and current.ino):
            break
    yield from rows


def _current(context: Context, bucket: BucketName, key: bytes) -> ObjectInfo | None:
    try:
        with reading.open_object(context, bucket, key) as found:
            return found.info
    except (NotFound, AccessDenied):
        return None


def _row(summary: ObjectSummary, *, latest: bool) -> VersionRow:
    return VersionRow(summary, summary.version or NULL_SHOWN, latest, marker=False)


def _noncurrent(
    context: Context, bucket: Fd, key: bytes, current: ObjectInfo | None
) -> list[VersionRow]:
    rows: list[VersionRow] = []
    with context.histories.opened(bucket, entry_path(key)) as history:
        if history is None:
            return rows
        version = None if current is None else bytes.fromhex(current.version or "") or NULL
        for at, kept in enumerate(counting(context.histories.entries(history), version)):
            latest = current is None and at == 0 and kept.marker
            row = _row_in(context, history, kept, key, latest=latest)
            if row is not None:
                rows.append(row)
    return rows


def _row_in(context: Context, history: Fd, kept: Kept, key: bytes, *, latest: bool) -> VersionRow | None:
    store = context.histories.store
    try:
        fd = store.open_file(history, kept.name, os.O_RDONLY)
    except NotFound:
        return None
    try:
        attr = store.attr(fd)
        if kept.marker:
            record = read_record(store, fd)
            owner = None if record is None else record.owner
            summary = ObjectSummary(key, 0, attr.mtime_ns, ETag(""), (), None, owner)
            return VersionRow(summary, shown(kept.version), latest, marker=True)
        if not stat.S_ISREG(attr.mode):
            return None
        context.store.check_access(fd, os.R_OK)
        info = reading.describe(key, attr, settle(store, context.locks, fd, attr, context.clock))
        return VersionRow(row_of(info), shown(kept.version), latest, marker=False)
    except AccessDenied:
        return None
    finally:
        store.close(fd)
