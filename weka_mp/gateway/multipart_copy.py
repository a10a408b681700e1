"""UploadPartCopy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from weka_mp.errors import NamespaceError
from weka_mp.gateway.context import Context
from weka_mp.gateway.copy_digest import CopyDigest
from weka_mp.gateway.multipart import part_checksums
from weka_mp.gateway.object_fields import last_modified
from weka_mp.gateway.object_versions import source_fields
from weka_mp.gateway.objects_copy import source_fault
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.gateway.requirements import source_actions
from weka_mp.namespace import PartCopyRequest
from weka_mp.s3 import operations as op
from weka_mp.s3 import xml_uploads
from weka_mp.s3.conditions import check_source
from weka_mp.s3.errors import S3Error
from weka_mp.s3.payload import MAX_SINGLE_UPLOAD
from weka_mp.s3.xml_elements import CopyResult

if TYPE_CHECKING:
    from weka_mp.namespace import ObjectInfo, StoredPart

__all__ = ["upload_part_copy"]

_SECOND: Final = 1_000_000_000


def upload_part_copy(context: Context, operation: op.UploadPartCopy) -> Reply:
    """Copy (a range of) an object into a part. Raises S3Error and NamespaceError.

    What is wrong before the source was opened is the source's fault and names the source.
    """
    wanted = part_checksums(context, operation)  # UploadMissing comes before all that concerns the source
    sources: list[ObjectInfo] = []  # one more each time that it changed meanwhile

    def select(info: ObjectInfo) -> tuple[int, int]:
        sources.append(info)
        needed = source_actions(operation)
        where = operation.source_bucket, operation.source_key
        context.access.found(needed, *where, info, operation.source_version)
        check_source(operation.source_conditions, info.accepted_etags, last_modified(info), context.now)
        return _selected(operation.source_range, info.size)

    algorithm = next(iter(wanted), None)
    request = PartCopyRequest(
        operation.source_bucket, operation.source_key, operation.bucket, operation.key, operation.upload_id,
        operation.part_number, select, None if algorithm is None else lambda: CopyDigest(algorithm),
        context.begun, operation.source_version,
    )
    try:
        part = context.namespace.copy_part(request)
    except NamespaceError as error:
        fault = source_fault(error, operation)
        if sources or fault is None:
            raise
        raise fault from error
    fields = source_fields(context, operation.source_bucket, sources[-1].version)
    return xml_reply(xml_uploads.copy_part_result(_result(part)), fields=fields)


def _result(part: StoredPart) -> CopyResult:
    return CopyResult(part.etag, part.mtime_ns // _SECOND, tuple(part.checksums.items()))


def _selected(source_range: tuple[int, int] | None, size: int) -> tuple[int, int]:
    """Offset and size of the bytes meant. Raises S3Error: a range may not reach beyond the end (S3 API)."""
    if source_range is None:
        offset, count = 0, size
    else:
        first, last = source_range
        if first >= size:
            raise S3Error("InvalidRequest", "The specified copy range is invalid for the source object size")
        if last >= size:
            raise S3Error(
                "InvalidArgument", f"Range specified is not valid for source object of size: {size}",
                details={
                    "ArgumentName": "x-amz-copy-source-range", "ArgumentValue": f"bytes={first}-{last}",
                },
            )
        offset, count = first, last - first + 1
    if count > MAX_SINGLE_UPLOAD:
        raise S3Error(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy source: "
            f"{MAX_SINGLE_UPLOAD}",
        )
    return offset, count
