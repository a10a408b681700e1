"""From an open file to what a view tells of the object, and the check that it stayed the same while it was
read.
"""

from __future__ import annotations

import functools
import mimetypes
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType

from weka_mp.bucket_names import is_bucket_name
from weka_mp.errors import (
    BucketMissing,
    IsDirectory,
    Loop,
    NameTooLong,
    NotDirectory,
    NotFound,
)
from weka_mp.namespace.concealment import is_concealed
from weka_mp.namespace.context import Context
from weka_mp.namespace.names.keys import BODY_NAME, EntryPath, entry_path
from weka_mp.namespace.names.links import resolve
from weka_mp.namespace.records.attribute import ContentHeaders, Record, read_record
from weka_mp.namespace.records.etags import EtagState, changed_in_tick, is_marked, only_grew, settle
from weka_mp.namespace.values import ObjectInfo
from weka_mp.store.interface import Store
from weka_mp.values import Attr, BucketName, ETag, Fd, Stamp

__all__ = [
    "OpenObject",
    "describe",
    "describe_directory",
    "directory_object",
    "last_modified_ns",
    "open_below",
    "open_directory_object",
    "open_entry",
    "open_object",
]

_GUESSES = mimetypes.MimeTypes(filenames=())  # the built-in table alone: the same answer on every machine
_DEFAULT_TYPE = "binary/octet-stream"  # AWS, PutObject: the default of Content-Type


@dataclass(slots=True)
class OpenObject:
    """An object held open: the bytes behind `fd` are those `info` speaks of as long as `still_same()`.

    Close it, or use it as a context manager.
    """

    context: Context
    fd: Fd
    info: ObjectInfo
    attr: Attr
    salt: bytes
    sealed: bool = False  # the body of a directory object: no door can write into it
    in_tick: bool = False  # opened so soon after its last change that one more may have the same change time

    @property
    def size(self) -> int:
        return self.info.size

    def still_same(self) -> bool:
        """Whether what was read so far is the content that was promised; growth behind its end is no change.

        The change time tells of every change; where it moved, size, time and record say whether the content
        did.
        """
        now = self.context.store.attr(self.fd)
        if self.sealed or (now.ctime_ns == self.attr.ctime_ns and not self.in_tick):
            return True
        marked = is_marked(self.context.store, self.fd)  # before the record, as in `etags.settle`
        record = read_record(self.context.store, self.fd)
        if (record.salt if record else b"") != self.salt:
            return False
        if now.size > self.attr.size:
            return only_grew(self.context.store, self.fd, self.info.etag_is_true)
        if Stamp.of(now) != self.info.stamp:
            return False
        if self.info.etag_is_true:
            return record is not None and record.describes(now) and not marked
        return self.settled

    @property
    def settled(self) -> bool:
        """Whether `still_same` can tell. False for bytes that the mount overwrote in the tick of a coarse
        clock in which this was opened: one more write may leave no trace. Open it again a tick later.
        """
        return not self.in_tick or self.info.etag_is_true or only_grew(self.context.store, self.fd, False)

    def appeared_ns(self) -> int:
        """When its inode was made (see `Store.appeared_ns`)."""
        return self.context.store.appeared_ns(self.fd)

    def close(self) -> None:
        self.context.store.close(self.fd)

    def __enter__(self) -> OpenObject:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _headers(record: Record | None, key: bytes) -> ContentHeaders:
    headers = record.headers if record else ContentHeaders()
    if headers.content_type is not None:
        return headers
    if record is not None and record.owner is not None:
        return replace(headers, content_type=_DEFAULT_TYPE)  # a client made it and gave no type
    _, dot, suffix = key.rpartition(b"/")[2].rpartition(b".")
    return replace(headers, content_type=_guess(suffix) if dot else _DEFAULT_TYPE)


@functools.lru_cache(maxsize=1024)
def _guess(suffix: bytes) -> str:
    return _GUESSES.guess_type("name." + suffix.decode("utf-8", "replace"))[0] or _DEFAULT_TYPE


def last_modified_ns(attr: Attr, record: Record | None) -> int:
    """When the bytes were written, or when S3 replaced what it keeps beside them, if that was later."""
    if record is None or not record.modified_ns:  # 0 is no time: files may be older than the epoch
        return attr.mtime_ns
    return max(attr.mtime_ns, record.modified_ns)


def describe(key: bytes, attr: Attr, state: EtagState) -> ObjectInfo:
    """The object behind an inode with these attributes and this ETag."""
    record = state.record
    true = record if state.true else None
    return ObjectInfo(
        key=key,
        size=attr.size,
        mtime_ns=last_modified_ns(attr, record),
        etag=state.etag,
        headers=_headers(record, key),
        user=record.user if record else {},
        checksums=true.checksums if true else {},
        checksum_type=true.checksum_type if true else None,
        part_sizes=true.parts if true else None,
        part_checksums=true.part_checksums if true else None,
        acl=record.own_acl(attr.ino) if record else None,
        owner=record.owner if record else None,
        ino=attr.ino,
        stamp=Stamp.of(attr),
        tags=record.tags if record else {},
        etag_is_true=state.true,
        etag_is_stable=state.stable,
        salt=record.salt if record else b"",
        version=(record.version.hex() or None) if record else None,
        retention=record.retention if record else None,
        legal_hold=record.legal_hold if record else None,
    )


def describe_directory(key: bytes, attr: Attr, record: Record) -> ObjectInfo | None:
    """The directory object `a/`; None when the directory is not one (or was copied here with its record)."""
    if not record.directory or record.stamp is None or record.etag is None or record.stamp.ino != attr.ino:
        return None
    # Size and time are those of the body: the directory's own move with its children.
    shown = attr._replace(size=record.stamp.size, mtime_ns=record.stamp.mtime_ns)
    return describe(key, shown, EtagState(ETag(record.etag), record, True))


def open_entry(context: Context, bucket: Fd, path: bytes) -> tuple[Fd, Attr] | None:
    """A read-only descriptor of the regular file at `path` in the bucket, and its attributes.

    None when no object stands there. A symbolic link as the last component is followed as long as it stays
    beneath the bucket, in the middle never.
    """
    return _regular(context, bucket, path, lambda: _open_link(context, bucket, path))


def open_below(
    context: Context, directory: Fd, name: bytes, bucket: Fd, key: bytes
) -> tuple[Fd, Attr] | None:
    """`open_entry` from the open directory that holds the entry: no way through the whole path for plain
    files.
    """
    return _regular(context, directory, name, lambda: _open_link(context, bucket, entry_path(key).joined))


def _regular(
    context: Context, at: Fd, path: bytes, through_link: Callable[[], Fd | None]
) -> tuple[Fd, Attr] | None:
    store = context.store
    try:
        fd = store.open_file(at, path, os.O_RDONLY)
    except (NotFound, NotDirectory, NameTooLong, IsDirectory):
        return None
    except Loop:
        found = through_link()
        if found is None:
            return None
        fd = found
    try:
        attr = store.attr(fd)
    except BaseException:
        store.close(fd)
        raise
    if not stat.S_ISREG(attr.mode) or is_concealed(store, fd, attr):
        store.close(fd)
        return None
    return fd, attr


def _open_link(context: Context, bucket: Fd, path: bytes) -> Fd | None:
    target = resolve(context.store, bucket, path)
    if target is None:
        return None
    try:
        return context.store.open_file(bucket, target, os.O_RDONLY)
    except (NotFound, NotDirectory, Loop, NameTooLong, IsDirectory):
        return None


def open_object(context: Context, bucket: BucketName, key: bytes) -> OpenObject:
    """Raises BucketMissing, NotFound, InvalidName."""
    if not is_bucket_name(bucket):
        raise BucketMissing(subject=bucket)
    path = entry_path(key)
    if path.is_directory:
        with context.bucket(bucket) as bucket_fd:
            return _open_directory(context, bucket_fd, key, path.joined)
    # One resolution from the root: no link is followed, so it cannot leave the bucket.
    root = context.store.root()
    found = _regular(
        context, root, b"%s/%s" % (bucket.encode(), path.joined), lambda: _linked(context, bucket, path)
    )
    if found is None:
        with context.bucket(bucket):
            raise NotFound(subject=key)
    fd, attr = found
    try:
        state = settle(context.store, context.locks, fd, attr, context.clock)
        if state.lifted:
            attr = context.store.attr(fd)
        salt = state.record.salt if state.record else b""
        in_tick = changed_in_tick(context.store, attr, context.clock)
        return OpenObject(context, fd, describe(key, attr, state), attr, salt, in_tick=in_tick)
    except BaseException:
        context.store.close(fd)
        raise


def _linked(context: Context, bucket: BucketName, path: EntryPath) -> Fd | None:
    with context.bucket(bucket) as bucket_fd:
        return _open_link(context, bucket_fd, path.joined)


def _open_directory(context: Context, bucket: Fd, key: bytes, joined: bytes) -> OpenObject:
    store = context.store
    try:
        directory = store.open_dir(bucket, joined)
    except (NotFound, NotDirectory, Loop, NameTooLong) as error:
        raise NotFound(subject=key) from error
    try:
        found = open_directory_object(store, directory, key)
        if found is None:
            raise NotFound(subject=key)
        info, fd = found
        try:
            return OpenObject(context, fd, info, store.attr(fd), b"", sealed=True)
        except BaseException:
            store.close(fd)
            raise
    finally:
        store.close(directory)


def open_directory_object(store: Store, directory: Fd, key: bytes) -> tuple[ObjectInfo, Fd] | None:
    """The object `a/` of an open directory and a descriptor of its body; None when it is no object.

    Without a body the directory itself is behind the descriptor: nothing will be read from it.
    """
    record = read_record(store, directory)
    info = describe_directory(key, store.attr(directory), record) if record else None
    if info is None:
        return None
    store.check_access(directory, os.R_OK)
    try:
        body = store.open_file(directory, BODY_NAME, os.O_RDONLY)
    except NotFound:
        return None if info.size else (info, store.dup(directory))  # None: it is being deleted
    try:
        own = read_record(store, body)
        if own is not None and own.etag is not None:
            info = describe(key, store.attr(body), EtagState(ETag(own.etag), own, True))
        return info, body
    except BaseException:
        store.close(body)
        raise


def directory_object(store: Store, directory: Fd, key: bytes) -> ObjectInfo | None:
    """The object `a/` of an open directory; None when the directory is no object."""
    found = open_directory_object(store, directory, key)
    if found is None:
        return None
    store.close(found[1])
    return found[0]
