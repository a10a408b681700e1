"""Parts copied from an object: by reflink or within the kernel, then like any other part."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from weka_mp.errors import ObjectChanged
from weka_mp.namespace.copying import ChunkDigest
from weka_mp.namespace.multipart import begin_part
from weka_mp.namespace.reading import open_object
from weka_mp.namespace.upload_area import UploadArea
from weka_mp.namespace.uploads import PartSession, StoredPart
from weka_mp.namespace.values import ObjectInfo
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import BucketName

__all__ = ["PartCopyRequest", "copy_part"]

_ATTEMPTS = 3  # of a copy whose source changes meanwhile
_STEP = 1 << 20  # bytes read at once for digests


@dataclass(frozen=True, slots=True)
class PartCopyRequest:
    """`select` looks at the source's conditions and answers which bytes are meant, (offset, size); it raises
    what the caller wants raised. `digest` makes an empty checksum that the part shall carry.

    `begun` is called when all that can be known beforehand is right and only the copy remains.
    """

    source_bucket: BucketName
    source_key: bytes
    bucket: BucketName
    key: bytes
    upload_id: str
    number: int
    select: Callable[[ObjectInfo], tuple[int, int]]
    digest: Callable[[], ChunkDigest] | None = None
    begun: Callable[[], None] = lambda: None


def copy_part(area: UploadArea, request: PartCopyRequest) -> StoredPart:
    """Copy, and once more when the source changed meanwhile, conditions and range included.

    Raises NotFound, BucketMissing, UploadMissing, NoSpace, ObjectChanged (it keeps changing) and what
    `select` raises.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _copy_once(area, request)
        except ObjectChanged:
            continue
    return _copy_once(area, request)


def _copy_once(area: UploadArea, request: PartCopyRequest) -> StoredPart:
    with open_object(area.context, request.source_bucket, request.source_key) as source:
        offset, size = request.select(source.info)
        with begin_part(
            area, request.bucket, request.key, request.upload_id, request.number, size
        ) as session:
            request.begun()
            session.fill_from(source.fd, offset, size)
            reach(CrashPoint.PART_COPIED)
            if not source.still_same():
                raise ObjectChanged(subject=request.source_key)
            md5 = _known_md5(source.info, size)
            checksums = {}
            if md5 is None or request.digest is not None:
                digest = request.digest() if request.digest is not None else None
                md5 = _digested(session, digest)
                if digest is not None:
                    checksums = {digest.name: digest.shown()}
            return session.commit(md5, checksums)


def _known_md5(source: ObjectInfo, size: int) -> bytes | None:
    """The MD5 of a source that is copied whole, where its tag is one."""
    is_md5 = source.etag_is_true and "-" not in source.etag
    return bytes.fromhex(source.etag) if is_md5 and size == source.size else None


def _digested(session: PartSession, digest: ChunkDigest | None) -> bytes:
    """The MD5 of what was copied, as it lies in the part; the digest is fed on the way."""
    md5, offset = hashlib.md5(usedforsecurity=False), 0
    while data := session.read(_STEP, offset):
        md5.update(data)
        if digest is not None:
            digest.update(data)
        offset += len(data)
    return md5.digest()
