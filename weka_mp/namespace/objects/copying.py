"""Copying objects inside the store: reflink or copy_file_range, then published like any other object."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from weka_mp.acl import Acl
from weka_mp.errors import BucketMissing, ObjectChanged
from weka_mp.namespace.bucket_identity import bucket_identity
from weka_mp.namespace.context import Context
from weka_mp.namespace.objects.amending import amend_object
from weka_mp.namespace.objects.publishing import PutSession, Target, begin_put
from weka_mp.namespace.objects.reading import OpenObject
from weka_mp.namespace.objects.versions import open_source
from weka_mp.namespace.records.attribute import KeptAcl, Record
from weka_mp.namespace.values import (
    UNCONDITIONAL,
    NewMetadata,
    NewObject,
    ObjectInfo,
    Published,
    WriteConditions,
)
from weka_mp.object_lock import Retention
from weka_mp.values import BucketName, Fd

__all__ = ["ChunkDigest", "CopyRequest", "copy_object", "digested"]

_ATTEMPTS = 4  # of a copy whose source changes meanwhile
_STEP = 1 << 20  # bytes read at once for digests


class ChunkDigest(Protocol):
    """A checksum that the copy shall carry: fed with every byte, then asked for the value as S3 shows it."""

    name: str

    def update(self, data: bytes) -> None: ...

    def shown(self) -> str: ...


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """`replace` None keeps the source's metadata, but for `website_redirect`, which a copy never inherits
    (S3 API). `source_check` raises what the caller wants raised about the source. `digest` makes an empty
    checksum to compute and keep. `tags` None keeps the source's. `source_version`: as S3
    shows it, None: the current one. `uid`, `gid`: who owns what is made; a copy has
    `acl`, `retention` and `legal_hold`, never its source's.
    """

    source_bucket: BucketName
    source_key: bytes
    bucket: BucketName
    key: bytes
    replace: NewMetadata | None = None
    website_redirect: str | None = None
    source_check: Callable[[ObjectInfo], None] = lambda info: None
    conditions: WriteConditions = UNCONDITIONAL
    owner: str | None = None
    uid: int = 0
    gid: int = 0
    digest: Callable[[], ChunkDigest] | None = None
    tags: Mapping[str, str] | None = None
    source_version: str | None = None
    acl: Acl | None = None
    retention: Retention | None = None
    legal_hold: bool | None = None


def copy_object(context: Context, request: CopyRequest, source: Context | None = None) -> Published:
    """Copy, and once more when the source changed meanwhile, conditions included. source: in which the source
    is opened, where that is another.

    Raises NotFound, BucketMissing, ObjectChanged (it keeps changing), what a put raises and what
    `source_check` raises.
    """
    # Many bytes take their time, and the object is for the bucket that is there now.
    identity = _identity(context, request.bucket)
    for _ in range(_ATTEMPTS):
        try:
            return _copy_once(context, request, identity, source or context)
        except ObjectChanged:
            continue
    raise ObjectChanged("The source kept changing while it was copied.", subject=request.source_key)


def _identity(context: Context, bucket: BucketName) -> int:
    """Of the bucket; 0, which none has, when it is missing: what is wrong with the source comes first."""
    try:
        with context.bucket(bucket) as fd:
            return bucket_identity(context.store, fd)
    except BucketMissing:
        return 0


def _copy_once(context: Context, request: CopyRequest, identity: int, opening: Context) -> Published:
    with open_source(opening, request.source_bucket, request.source_key, request.source_version) as source:
        request.source_check(source.info)
        if _stays_where_it_is(context, request, source.info):
            return _rewrite_record(context, request, source, identity)
        target = Target(request.bucket, request.key, request.uid, request.gid, identity)
        with begin_put(context, target, size_hint=source.size, size=source.size) as session:
            context.store.copy(source.fd, 0, session.fd, 0, source.size)
            if not source.still_same() or context.store.attr(session.fd).size != source.size:
                raise ObjectChanged(subject=request.source_key)
            return _publish(context, request, source, session)


def _stays_where_it_is(context: Context, request: CopyRequest, info: ObjectInfo) -> bool:
    """Whether only the record changes: an object onto itself, not a directory's, whose checksum has a record
    to go into; where there are versions the copy is a new one.
    """
    same = (request.source_bucket, request.source_key) == (request.bucket, request.key)
    if not same or request.source_version is not None:
        return False
    with context.bucket(request.bucket) as bucket:
        if context.histories.state(bucket) is not None:
            return False
    return not request.key.endswith(b"/") and (request.digest is None or info.etag_is_true)


def _publish(context: Context, request: CopyRequest, source: OpenObject, session: PutSession) -> Published:
    info = source.info
    checksums = dict(info.checksums) if info.checksum_type == "FULL_OBJECT" else {}
    md5 = info.md5
    digest = request.digest() if request.digest is not None else None
    if md5 is None or digest is not None:
        md5 = digested(lambda size, offset: context.store.read(session.fd, size, offset), digest)
        if digest is not None:
            checksums = {digest.name: digest.shown()}
    metadata = _metadata(request, info)
    new = NewObject(
        md5=md5,
        headers=metadata.headers,
        user=metadata.user,
        checksums=checksums,
        checksum_type="FULL_OBJECT" if checksums else None,
        owner=request.owner,
        tags=info.tags if request.tags is None else request.tags,
        acl=request.acl,
        retention=request.retention,
        legal_hold=request.legal_hold,
    )
    return session.publish(new, request.conditions)


def _metadata(request: CopyRequest, info: ObjectInfo) -> NewMetadata:
    kept = replace(info.headers, website_redirect=request.website_redirect)
    return request.replace or NewMetadata(kept, info.user)


def digested(read: Callable[[int, int], bytes], digest: ChunkDigest | None) -> bytes:
    """The MD5 of all that `read` gives for (size, offset); the digest is fed on the way."""
    md5, offset = hashlib.md5(usedforsecurity=False), 0
    while data := read(_STEP, offset):
        md5.update(data)
        if digest is not None:
            digest.update(data)
        offset += len(data)
    return md5.digest()


def _rewrite_record(
    context: Context, request: CopyRequest, source: OpenObject, identity: int
) -> Published:
    """An object copied onto itself: the record changes, the bytes and their mtime stay.

    Last-Modified moves all the same (S3 made a new object of it): the record says when.
    """
    digest = request.digest() if request.digest is not None else None
    if digest is not None:
        digested(lambda size, offset: context.store.read(source.fd, size, offset), digest)
    metadata = _metadata(request, source.info)

    def amended(record: Record, fd: Fd) -> Record:
        changed = replace(
            record,
            headers=metadata.headers,
            user=dict(metadata.user),
            tags=record.tags if request.tags is None else request.tags,
            acl=None if request.acl is None else KeptAcl(identity, source.info.ino, request.acl),
            owner=request.owner,  # the type of what POSIX made is no longer guessed from its name
            modified_ns=context.clock.now_ns(),
        )
        if digest is None:
            return changed
        # A checksum is of the bytes that were read: they must be those that the record speaks of.
        if not source.still_same() or not record.describes(context.store.attr(fd)):
            raise ObjectChanged(subject=request.key)
        return replace(changed, checksums={digest.name: digest.shown()}, checksum_type="FULL_OBJECT")

    return amend_object(context, request.bucket, request.key, amended, request.conditions, source.info)
