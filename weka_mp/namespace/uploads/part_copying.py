"""Parts copied from an object: by reflink or within the kernel, then like any other part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from weka_mp.errors import ObjectChanged
from weka_mp.namespace.context import Context
from weka_mp.namespace.objects.copying import ChunkDigest, digested
from weka_mp.namespace.objects.versions import open_source
from weka_mp.namespace.uploads.area import UploadArea
from weka_mp.namespace.uploads.multipart import begin_part
from weka_mp.namespace.uploads.upload import StoredPart
from weka_mp.namespace.values import ObjectInfo
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import BucketName

__all__ = ["PartCopyRequest", "copy_part"]

_ATTEMPTS = 3  # of a copy whose source changes meanwhile


@dataclass(frozen=True, slots=True)
class PartCopyRequest:
    """`select` looks at the source's conditions and answers which bytes are meant, (offset, size); it raises
    what the caller wants raised. `digest` makes an empty checksum that the part shall carry.

    `begun` is called when all that can be known beforehand is right and only the copy remains.
    `source_version`: as S3 shows it, None: the current one.
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
    source_version: str | None = None


def copy_part(area: UploadArea, request: PartCopyRequest, source: Context) -> StoredPart:
    """Copy, and once more when the source changed meanwhile, conditions and range included. source: in which
    the source is opened.

    Raises NotFound, BucketMissing, UploadMissing, NoSpace, ObjectChanged (it keeps changing) and what
    `select` raises.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _copy_once(area, request, source)
        except ObjectChanged:
            continue
    return _copy_once(area, request, source)


def _copy_once(area: UploadArea, request: PartCopyRequest, opening: Context) -> StoredPart:
    with open_source(opening, request.source_bucket, request.source_key, request.source_version) as source:
        offset, size = request.select(source.info)
        with begin_part(
            area, request.bucket, request.key, request.upload_id, request.number, size
        ) as session:
            request.begun()
            session.fill_from(source.fd, offset, size)
            reach(CrashPoint.PART_COPIED)
            if not source.still_same():
                raise ObjectChanged(subject=request.source_key)
            md5 = source.info.md5 if size == source.size else None
            checksums = {}
            if md5 is None or request.digest is not None:
                digest = request.digest() if request.digest is not None else None
                md5 = digested(session.read, digest)
                if digest is not None:
                    checksums = {digest.name: digest.shown()}
            return session.commit(md5, checksums)
