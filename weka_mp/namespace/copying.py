"""Copying objects inside the store: reflink or copy_file_range, then published like any other object."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from weka_mp.errors import Busy, NotFound, ObjectChanged
from weka_mp.namespace import reading
from weka_mp.namespace.context import Context
from weka_mp.namespace.etags import settle
from weka_mp.namespace.keys import entry_path
from weka_mp.namespace.naming import check_conditions
from weka_mp.namespace.publishing import PutSession, begin_put, examined
from weka_mp.namespace.reading import OpenObject, open_object
from weka_mp.namespace.records import Record, read_record, write_record
from weka_mp.namespace.values import NewMetadata, NewObject, ObjectInfo, Published, WriteConditions
from weka_mp.values import BucketName, Change, Fd

__all__ = ["ChunkDigest", "CopyRequest", "copy_object"]

_STEP = 1 << 20


class ChunkDigest(Protocol):
    """A checksum that the copy shall carry: fed with every byte, then asked for the value as S3 shows it."""

    name: str

    def update(self, data: bytes) -> None: ...

    def shown(self) -> str: ...


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """See `weka_mp.namespace.Namespace.copy_object`."""

    source_bucket: BucketName
    source_key: bytes
    bucket: BucketName
    key: bytes
    replace: NewMetadata | None
    website_redirect: str | None
    source_check: Callable[[ObjectInfo], None]
    conditions: WriteConditions
    owner: str | None
    uid: int
    gid: int
    digest: ChunkDigest | None


def copy_object(context: Context, request: CopyRequest) -> Published:
    """Raises NotFound, BucketMissing, ObjectChanged, what a put raises and what `source_check` raises."""
    with open_object(context, request.source_bucket, request.source_key) as source:
        request.source_check(source.info)
        same = (request.source_bucket, request.source_key) == (request.bucket, request.key)
        if same and request.replace is not None and request.digest is None:
            return _rewrite_record(context, request)
        with begin_put(
            context, request.bucket, request.key, size_hint=source.size, uid=request.uid, gid=request.gid
        ) as session:
            context.store.copy(source.fd, 0, session.fd, 0, source.size)
            if not source.still_same() or context.store.attr(session.fd).size != source.size:
                raise ObjectChanged(subject=request.source_key)
            return _publish(context, request, source, session)


def _publish(context: Context, request: CopyRequest, source: OpenObject, session: PutSession) -> Published:
    info = source.info
    keeps_md5 = info.etag_is_true and "-" not in info.etag
    checksums = dict(info.checksums) if info.checksum_type == "FULL_OBJECT" else {}
    md5 = bytes.fromhex(info.etag) if keeps_md5 else None
    digest = request.digest
    if md5 is None or digest is not None:
        md5 = _read_through(context, session.fd, digest)
        if digest is not None:
            checksums = {digest.name: digest.shown()}
    kept = replace(info.headers, website_redirect=request.website_redirect)
    metadata = request.replace or NewMetadata(kept, info.user)
    new = NewObject(
        md5=md5,
        headers=metadata.headers,
        user=metadata.user,
        checksums=checksums,
        checksum_type="FULL_OBJECT" if checksums else None,
        owner=request.owner,
        tags=info.tags,
    )
    return session.publish(new, request.conditions)


def _read_through(context: Context, fd: Fd, digest: ChunkDigest | None) -> bytes:
    """The MD5 of what was copied (a multipart object's ETag is none), and the digest fed on the way."""
    md5, offset = hashlib.md5(usedforsecurity=False), 0
    while data := context.store.read(fd, _STEP, offset):
        md5.update(data)
        if digest is not None:
            digest.update(data)
        offset += len(data)
    return md5.digest()


@contextmanager
def _without_leases(context: Context, fd: Fd) -> Iterator[None]:
    """Nobody rewrites the record under a read lease meanwhile, as the filler and whoever lifts a mark do.

    An open for writing, without a write: it waits for leases to be given back and keeps new ones away.
    """
    if not context.store.primitives.leases:
        yield
        return
    try:
        writer = context.store.reopen(fd, os.O_WRONLY)
    except Busy:  # a program that runs: nothing can be opened for writing, and content cannot change either
        yield
        return
    try:
        yield
    finally:
        context.store.close(writer)


def _rewrite_record(context: Context, request: CopyRequest) -> Published:
    """An object copied onto itself with new metadata: the record changes, the bytes stay where they are."""
    path = entry_path(request.key)
    bucket = context.open_bucket(request.bucket)
    try:
        parent = context.find_parent(bucket, path)
        if parent is None or path.is_directory or request.replace is None:
            raise NotFound(subject=request.key)
        try:
            with (
                context.locks.hold([(parent.ino, path.name)]),
                examined(context, parent, path.name, request.key) as (_, present, fd),
            ):
                if present is None:
                    raise NotFound(subject=request.key)
                check_conditions(request.conditions, present)
                with _without_leases(context, fd), context.locks.hold_record(context.store.attr(fd).ino):
                    old = read_record(context.store, fd) or Record()
                    write_record(
                        context.store,
                        fd,
                        replace(old, headers=request.replace.headers, user=dict(request.replace.user)),
                    )
                context.store.sync_file(fd)
                attr = context.store.attr(fd)
                info = reading.describe(
                    request.key, attr, settle(context.store, context.locks, fd, attr, context.clock)
                )
                return Published(info, (Change(parent.ino, b"", attr.ino),))
        finally:
            context.store.close(parent.fd)
    finally:
        context.store.close(bucket)
