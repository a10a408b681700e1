"""Operations whose body is an object's bytes: what is begun before the body and finished after it."""

from __future__ import annotations

from typing import Protocol

from weka_mp.gateway import multipart, objects_put
from weka_mp.gateway.context import Context
from weka_mp.gateway.object_locks import require_upload_digest
from weka_mp.gateway.reply import Reply
from weka_mp.s3 import operations as op
from weka_mp.s3.checksums import Algorithm
from weka_mp.s3.payload import PayloadDigest

__all__ = ["Upload", "begin_upload", "wanted_checksums"]


class Upload(Protocol):
    """A body on its way in. Aborted unless it was finished; used by one thread at a time."""

    unfinished: bool

    def write(self, data: memoryview, /) -> None:
        """Append. Raises NamespaceError."""

    def finish(self, digest: PayloadDigest) -> Reply:
        """Publish what was written; blocks for the disk. Raises S3Error and NamespaceError."""

    def abort(self) -> None:
        """Give back what was not finished; may be called at any time and again."""


def wanted_checksums(context: Context, operation: op.PutObject | op.UploadPart) -> frozenset[Algorithm]:
    """Checksums to compute whether or not the client sends them. Raises UploadMissing."""
    if isinstance(operation, op.UploadPart):
        return multipart.part_checksums(context, operation)
    return frozenset()


def begin_upload(
    context: Context, operation: op.PutObject | op.UploadPart, size: int,
    wanted: frozenset[Algorithm], sent: Algorithm | None,
) -> Upload:
    """Open what the `size` bytes of the body are written into.

    wanted: of `wanted_checksums`; sent: the checksum that comes with the body.
    Raises S3Error and NamespaceError.
    """
    if isinstance(operation, op.UploadPart):
        multipart.check_part_checksum(wanted, sent)
        return multipart.PartUpload(context, operation, size)
    require_upload_digest(context, operation.bucket, operation.locks)
    return objects_put.ObjectUpload(context, operation, size)
