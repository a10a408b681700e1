"""Listings in S3's order: UTF-8 bytes of the whole key, a directory sorting as ``name/`` (AWS,
ListObjectsV2).

A page depends on its marker alone, so any worker or node answers it. Only directories that can hold keys
behind the marker are visited. The sorted names of a directory are cached by inode and revalidated by its
times, so that the pages of one large directory do not read and sort it again and again.
"""

from __future__ import annotations

import bisect
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from weka_mp.errors import AccessDenied, Loop, NameTooLong, NotDirectory, NotFound
from weka_mp.namespace.context import Context
from weka_mp.namespace.names.keys import MAX_KEY_BYTES, component_of, directory_of, entry_path
from weka_mp.namespace.objects import reading
from weka_mp.namespace.records.etags import EtagState, settle
from weka_mp.namespace.values import CommonPrefix, ListPage, ObjectInfo, ObjectSummary
from weka_mp.namespace.walking import kind_of
from weka_mp.store.interface import Store
from weka_mp.values import Attr, BucketName, Fd

__all__ = ["Lister", "Row", "row_of"]

_CACHED_NAMES = 1_000_000  # in all directories together: about 200 MB at worst
_OPEN_LEVELS = 32  # descriptors that one walk keeps, however deep it is
_CLOSED = Fd(-1)
_LIST = os.R_OK | os.X_OK
_GONE = (NotFound, NotDirectory, Loop, NameTooLong, AccessDenied)


class Row(NamedTuple):
    """One entry of a directory as the listing sees it; directories sort with their slash."""

    sort_key: bytes
    name: bytes
    type: int


@dataclass(frozen=True, slots=True)
class _Cached:
    mtime_ns: int
    ctime_ns: int
    rows: list[Row]


class DirectoryCache:
    """Sorted rows of directories, least recently used first out."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._cached: OrderedDict[tuple[int, int], _Cached] = OrderedDict()
        self._names = 0
        self._mutex = threading.Lock()

    def rows(self, directory: Fd) -> list[Row]:
        """All rows of the directory as it is now, sorted; not to be changed by the caller."""
        store = self._context.store
        attr = store.attr(directory)
        identity = (attr.dev, attr.ino)
        with self._mutex:
            cached = self._cached.get(identity)
            if cached is not None and (cached.mtime_ns, cached.ctime_ns) == (attr.mtime_ns, attr.ctime_ns):
                self._cached.move_to_end(identity)
                return cached.rows
        asked_ns = self._context.clock.now_ns()
        rows = self._read(directory)
        after = store.attr(directory)
        grain = store.primitives.change_grain_ns
        quiet = grain == 0 or asked_ns - attr.mtime_ns > grain
        if quiet and (after.mtime_ns, after.ctime_ns) == (attr.mtime_ns, attr.ctime_ns):
            self._keep(identity, _Cached(attr.mtime_ns, attr.ctime_ns, rows))
        return rows

    def _read(self, directory: Fd) -> list[Row]:
        rows = []
        long_name = self._context.long_names.component
        for entry in self._context.store.entries(directory):
            component = component_of(entry.name, long_name)
            if component is None:
                continue
            kind = entry.type or kind_of(self._context.store, directory, entry)
            if kind == stat.S_IFDIR:
                rows.append(Row(component + b"/", entry.name, kind))
            elif component and kind in (stat.S_IFREG, stat.S_IFLNK):
                rows.append(Row(component, entry.name, kind))
        rows.sort()
        return rows

    def _keep(self, identity: tuple[int, int], cached: _Cached) -> None:
        with self._mutex:
            old = self._cached.pop(identity, None)
            self._names += len(cached.rows) - (len(old.rows) if old else 0)
            self._cached[identity] = cached
            while self._names > _CACHED_NAMES and len(self._cached) > 1:
                self._names -= len(self._cached.popitem(last=False)[1].rows)


@dataclass(frozen=True, slots=True)
class _Found:
    """One object, found but not yet described: its key and where it stands. `name` b"": the directory
    itself.
    """

    key: bytes
    directory: Fd
    name: bytes
    bucket: Fd


@dataclass(frozen=True, slots=True)
class _Query:
    bucket: Fd
    prefix: bytes
    delimiter: bytes
    after: bytes


@dataclass(slots=True)
class _Level:
    """A directory on the way down: descriptor or _CLOSED, name, what its keys begin with, rows to come."""

    fd: Fd
    name: bytes
    base: bytes
    rows: Iterator[Row]


class _Levels:
    """The directories from `top` down to where the walk is; far above it they are closed until it returns."""

    def __init__(self, store: Store, top: Fd, first: _Level) -> None:
        self._store = store
        self._top = top
        self._levels = [first]

    def last(self) -> _Level | None:
        return self._levels[-1] if self._levels else None

    def enter(self, level: _Level) -> None:
        self._levels.append(level)
        if len(self._levels) > _OPEN_LEVELS + 1:
            above = self._levels[-1 - _OPEN_LEVELS]
            self._store.close(above.fd)
            above.fd = _CLOSED

    def leave(self) -> None:
        self._close(self._levels.pop())

    def reopened(self, level: _Level) -> bool:
        """Open the last level again, if it was closed; False when it is gone."""
        if level.fd == _CLOSED:
            try:
                level.fd = self._store.open_dir(self._top, b"/".join(each.name for each in self._levels[1:]))
            except _GONE:
                return False
        return True

    def _close(self, level: _Level) -> None:
        if level.fd not in (self._top, _CLOSED):
            self._store.close(level.fd)

    def close(self) -> None:
        while self._levels:
            self._close(self._levels.pop())


class Lister:
    """Answers pages. One for each process; thread-safe."""

    def __init__(self, context: Context, cache: DirectoryCache | None = None) -> None:
        self._context = context
        self._cache = cache or DirectoryCache(context)

    def seen_from(self, context: Context) -> Lister:
        """The same listings as somebody sees them whom modes bind. The names of directories are cached for
        all; who is shown them is decided each time.
        """
        return Lister(context, self._cache)

    def page(
        self, bucket: BucketName, *, prefix: bytes, delimiter: bytes, after: bytes, limit: int
    ) -> ListPage:
        """At most `limit` rows behind `after`: a common prefix that `after` is or begins with stands before
        it, with all that lies below. Raises BucketMissing.
        """
        bucket_fd = self._context.open_bucket(bucket)
        walk = self._grouped(_Query(bucket_fd, prefix, delimiter, after))
        try:
            items: list[ObjectSummary | CommonPrefix] = []
            if limit <= 0:
                return ListPage((), None)
            for found in walk:
                if len(items) == limit:
                    last = items[-1]
                    return ListPage(tuple(items), last.prefix if isinstance(last, CommonPrefix) else last.key)
                row = found if isinstance(found, CommonPrefix) else self._summary(found)
                if row is not None:
                    items.append(row)
            return ListPage(tuple(items), None)
        finally:
            walk.close()
            self._context.store.close(bucket_fd)

    def keys(self, bucket: Fd, prefix: bytes, after: bytes) -> Generator[bytes, None, None]:
        """Those behind `after` that begin with the prefix; any may be gone when it is looked at."""
        for found in self._walk(_Query(bucket, prefix, b"", after)):
            if not isinstance(found, CommonPrefix):
                yield found.key

    def has_keys(self, bucket: Fd) -> bool:
        """Whether S3 sees any object in the bucket."""
        return self._has_key(bucket, b"", _Query(bucket, b"", b"", b""))

    def holds_keys(self, bucket: Fd, directory: Fd, prefix: bytes) -> bool:
        """Whether S3 sees any object in this directory of the bucket, which stands for `prefix`."""
        return self._has_key(directory, prefix, _Query(bucket, b"", b"", b""))

    def _grouped(self, query: _Query) -> Generator[_Found | CommonPrefix, None, None]:
        """The walk with keys rolled up at delimiters other than '/' (that one the walk does itself)."""
        if query.delimiter in (b"", b"/"):
            yield from self._walk(query)
            return
        last = _group(query.after, query)
        for found in self._walk(query):
            if isinstance(found, CommonPrefix):
                continue
            group = _group(found.key, query)
            if group is None:
                yield found
            elif group != last:
                last = group
                yield CommonPrefix(group)

    def _walk(self, query: _Query) -> Generator[_Found | CommonPrefix, None, None]:
        """From the deepest directory that the prefix names."""
        base, path = directory_of(query.prefix)
        store = self._context.store
        try:
            directory = store.open_dir(query.bucket, path)
        except _GONE as error:
            if isinstance(error, AccessDenied) and not path:
                raise
            return
        try:
            if not path:
                store.check_access(directory, _LIST)  # below, what may not be seen is left out
            if base and base > query.after and base.startswith(query.prefix) and self._is_object(directory):
                yield _Found(base, directory, b"", query.bucket)
            yield from self._below(directory, base, query)
        finally:
            store.close(directory)

    def _below(
        self, directory: Fd, base: bytes, query: _Query
    ) -> Generator[_Found | CommonPrefix, None, None]:
        """Depth first, on a stack of its own: a key can be a thousand directories deep."""
        store = self._context.store
        levels = _Levels(store, directory, _Level(directory, b"", base, self._rows(directory, base, query)))
        try:
            while (level := levels.last()) is not None:
                row = next(level.rows, None)
                if row is None or not levels.reopened(level):
                    levels.leave()
                    continue
                key = level.base + row.sort_key
                if len(key) > MAX_KEY_BYTES:
                    continue  # nobody could ask for it
                if row.type != stat.S_IFDIR:
                    if self._is_in_sight(query.bucket, level, row, key):
                        yield _Found(key, level.fd, row.name, query.bucket)
                    continue
                try:
                    child = store.open_dir(level.fd, row.name)
                except _GONE:
                    continue
                if query.delimiter == b"/":
                    if self._is_common_prefix(child, key, query):
                        yield CommonPrefix(key)
                    continue
                levels.enter(_Level(child, row.name, key, self._rows(child, key, query)))
                if key > query.after and self._is_object(child):
                    yield _Found(key, child, b"", query.bucket)
        finally:
            levels.close()

    def _is_in_sight(self, bucket: Fd, level: _Level, row: Row, key: bytes) -> bool:
        """Whether it may be shown: a link by where it leads; whom modes bind what it may read."""
        if row.type == stat.S_IFREG and self._context.judged is None:
            return True
        try:
            if row.type != stat.S_IFREG:
                return self._resolves(bucket, key)
            found = reading.open_below(self._context, level.fd, row.name, bucket, key)
        except AccessDenied:
            if self._context.judged is None:
                raise
            return False
        if found is not None:
            self._context.store.close(found[0])
        return found is not None

    def _is_common_prefix(self, child: Fd, key: bytes, query: _Query) -> bool:
        """Whether keys lie below the directory; closes the descriptor."""
        try:
            return self._has_key(child, key, query)
        finally:
            self._context.store.close(child)

    def _rows(self, directory: Fd, base: bytes, query: _Query) -> Iterator[Row]:
        """The rows that can hold keys which begin with the prefix and lie behind the marker."""
        if not self._may_list(directory):
            return
        rows = self._cache.rows(directory)
        wanted = query.prefix[len(base) :] if len(query.prefix) > len(base) else b""
        start = bisect.bisect_left(rows, wanted, key=_sort_key) if wanted else 0
        if query.after >= base and query.after.startswith(base):
            rest = query.after[len(base) :]
            behind = bisect.bisect_right(rows, rest, key=_sort_key)
            holder = self._holder(rows, rest)
            # With the delimiter the directory is one row, which stands before the marker.
            if holder is not None and holder.sort_key.startswith(wanted) and query.delimiter != b"/":
                yield holder
            start = max(start, behind)
        elif base < query.after:
            return
        for row in rows[start:] if start else rows:
            if wanted and not row.sort_key.startswith(wanted):
                return
            yield row

    def _may_list(self, directory: Fd) -> bool:
        if self._context.judged is None:
            return True
        try:
            self._context.store.check_access(directory, _LIST)
        except AccessDenied:
            return False
        return True

    @staticmethod
    def _holder(rows: list[Row], rest: bytes) -> Row | None:
        """The directory whose keys the marker lies among: it sorts before the marker and still has keys
        behind it.
        """
        slash = rest.find(b"/")
        if slash < 0:
            return None
        sort_key = rest[: slash + 1]
        at = bisect.bisect_left(rows, sort_key, key=_sort_key)
        return rows[at] if at < len(rows) and rows[at].sort_key == sort_key else None

    def _has_key(self, directory: Fd, base: bytes, query: _Query) -> bool:
        """Whether any object stands below (or is) this directory, behind the query's marker."""
        if base and base > query.after and self._is_object(directory):
            return True
        walk = self._below(directory, base, _Query(query.bucket, b"", b"", query.after))
        try:
            return any(isinstance(found, CommonPrefix) or self._is_shown(found) for found in walk)
        finally:
            walk.close()

    def _is_shown(self, found: _Found) -> bool:
        """Whether it is an object, and no file of the control area."""
        store = self._context.store
        try:
            if not found.name or not store.attr_at(found.directory, found.name).mode & stat.S_ISVTX:
                return True
            opened = reading.open_below(self._context, found.directory, found.name, found.bucket, found.key)
        except (NotFound, AccessDenied):
            return True  # what cannot be looked at may be one
        if opened is not None:
            store.close(opened[0])
        return opened is not None

    def _is_object(self, directory: Fd) -> bool:
        try:
            return reading.directory_object(self._context.store, directory, b"") is not None
        except AccessDenied:
            if self._context.judged is None:
                raise
            return False

    def _resolves(self, bucket: Fd, key: bytes) -> bool:
        found = reading.open_entry(self._context, bucket, entry_path(key).joined)
        if found is None:
            return False
        self._context.store.close(found[0])
        return True

    def _summary(self, found: _Found) -> ObjectSummary | None:
        """The row of one object; None when it vanished or cannot be read any more."""
        store = self._context.store
        if not found.name:
            info = reading.directory_object(store, found.directory, found.key)
            return row_of(info) if info else None
        try:
            opened = reading.open_below(self._context, found.directory, found.name, found.bucket, found.key)
        except AccessDenied:
            return None
        if opened is None:
            return None
        fd, attr = opened
        try:
            state = settle(store, self._context.locks, fd, attr, self._context.clock)
            return _summary_of(found.key, attr, state)
        finally:
            store.close(fd)


def _group(key: bytes, query: _Query) -> bytes | None:
    """The common prefix that stands for the key, None where it has a row of its own."""
    if not key.startswith(query.prefix):
        return None
    at = key.find(query.delimiter, len(query.prefix))
    return None if at < 0 else key[: at + len(query.delimiter)]


def _sort_key(row: Row) -> bytes:
    return row.sort_key


def _summary_of(key: bytes, attr: Attr, state: EtagState) -> ObjectSummary:
    """What `reading.describe` says, without working out the fields that no row shows: a listing has many."""
    record = state.record
    true = record if state.true else None
    return ObjectSummary(
        key, attr.size, reading.last_modified_ns(attr, record), state.etag,
        tuple(true.checksums) if true else (), true.checksum_type if true else None,
        record.owner if record else None, (record.version.hex() or None) if record else None,
        record.own_acl(attr.ino) if record else None,
    )


def row_of(info: ObjectInfo) -> ObjectSummary:
    """As a listing shows it."""
    return ObjectSummary(
        info.key, info.size, info.mtime_ns, info.etag, tuple(info.checksums), info.checksum_type, info.owner,
        info.version, info.acl,
    )
