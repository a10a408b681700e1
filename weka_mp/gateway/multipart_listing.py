"""ListParts and ListMultipartUploads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weka_mp.gateway.acls import account_shown
from weka_mp.gateway.bucket_lifecycle import abort_fields
from weka_mp.gateway.context import Context, owner
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.namespace import CommonPrefix, StoredPart, UploadInfo, UploadsPage, UploadsQuery
from weka_mp.s3 import operations as op
from weka_mp.s3 import xml_uploads
from weka_mp.s3.xml_elements import Owner
from weka_mp.values import BucketName

__all__ = ["list_multipart_uploads", "list_parts"]

_SECOND: Final = 1_000_000_000


def list_parts(context: Context, operation: op.ListParts) -> Reply:
    """One page of an upload's parts. Raises UploadMissing and BucketMissing."""
    page = context.namespace.list_parts(
        operation.bucket, operation.key, operation.upload_id,
        after=operation.marker, limit=operation.max_parts,
    )
    last = page.parts[-1].number if page.parts else 0
    algorithm = page.upload.new.checksum_algorithm or ""
    whose = _owner_to_be(context, operation.bucket)
    fields = abort_fields(context, operation.bucket, operation.key, page.upload.initiated_ns)
    return xml_reply(xml_uploads.list_parts_result(xml_uploads.PartsPage(
        operation.bucket, operation.key, operation.upload_id, whose(page.upload),
        operation.marker, page.next_after or last, operation.max_parts, page.next_after is not None,
        [_part(part, algorithm) for part in page.parts],
        algorithm, page.upload.new.checksum_type or "",
    )), fields=fields)


def _owner_to_be(context: Context, bucket: BucketName) -> Callable[[UploadInfo], Owner]:
    """Whose the object of an upload will be."""
    holder = owner(context, bucket)
    if not context.access.grants(bucket).has_acls:
        return lambda _: holder

    def whose(upload: UploadInfo) -> Owner:
        account = None if upload.new.acl is None else upload.new.acl.owner
        return holder if account is None else account_shown(context, account)

    return whose


def _part(part: StoredPart, algorithm: str) -> xml_uploads.PartRow:
    """A part, with the checksum of its upload's algorithm alone, as S3 shows it."""
    shown = tuple((name, value) for name, value in part.checksums.items() if name == algorithm)
    return xml_uploads.PartRow(part.number, part.mtime_ns // _SECOND, part.etag, part.size, shown)


def list_multipart_uploads(context: Context, operation: op.ListMultipartUploads) -> Reply:
    """One page of a bucket's uploads. Raises BucketMissing."""
    page = context.namespace.list_uploads(operation.bucket, UploadsQuery(
        operation.prefix, operation.delimiter, (operation.key_marker, operation.upload_id_marker),
        operation.max_uploads,
    ))
    next_key, next_id = _end(page)
    whose = _owner_to_be(context, operation.bucket)
    return xml_reply(xml_uploads.list_multipart_uploads_result(xml_uploads.UploadsPage(
        operation.bucket, operation.prefix, operation.delimiter, operation.key_marker,
        operation.upload_id_marker, next_key, next_id, operation.max_uploads, operation.encoding_type,
        page.next_after is not None,
        [_upload(item, whose(item)) for item in page.items if isinstance(item, UploadInfo)],
        [item.prefix for item in page.items if isinstance(item, CommonPrefix)],
    )))


def _end(page: UploadsPage) -> tuple[bytes, str]:
    """The last row, whether or not more follow."""
    if page.next_after is not None:
        return page.next_after
    if not page.items:
        return b"", ""
    last = page.items[-1]
    return (last.prefix, "") if isinstance(last, CommonPrefix) else (last.key, last.upload_id)


def _upload(info: UploadInfo, shown: Owner) -> xml_uploads.UploadRow:
    return xml_uploads.UploadRow(
        info.key, info.upload_id, info.initiated_ns // _SECOND, shown,
        info.new.checksum_algorithm or "", info.new.checksum_type or "",
    )
