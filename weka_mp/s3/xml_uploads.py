"""The XML documents of replies about multipart uploads, from explicit shapes.

Element names and order are those of the S3 API reference, and where it leaves them open those of S3's
answers: the Next…Marker elements of uploads, and of parts, are there on the last page too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from weka_mp.s3.dates import format_iso
from weka_mp.s3.xml_elements import (
    Checksums,
    CopyResult,
    Owner,
    checksum_elements,
    copy_content,
    document,
    key_text,
    optional,
    owner_element,
    prefix_elements,
    quoted,
    url_text,
)
from weka_mp.s3.xml_text import escape

__all__ = [
    "CompletedUpload", "PartRow", "PartsPage", "UploadRow", "UploadsPage", "complete_multipart_upload_result",
    "copy_part_result", "initiate_multipart_upload_result", "list_multipart_uploads_result",
    "list_parts_result",
]


@dataclass(frozen=True, slots=True)
class CompletedUpload:
    """What a completion made. location is the object's URL."""

    location: str
    bucket: str
    key: bytes
    etag: str
    checksums: Checksums = ()
    checksum_type: str = ""


@dataclass(frozen=True, slots=True)
class PartRow:
    """One part. size in bytes."""

    number: int
    last_modified: int
    etag: str
    size: int
    checksums: Checksums = ()


@dataclass(frozen=True, slots=True)
class PartsPage:
    """A page of ListParts. marker and next_marker are part numbers, 0 for none."""

    bucket: str
    key: bytes
    upload_id: str
    owner: Owner
    marker: int
    next_marker: int
    max_parts: int
    truncated: bool
    rows: Sequence[PartRow]
    checksum_algorithm: str = ""
    checksum_type: str = ""


@dataclass(frozen=True, slots=True)
class UploadRow:
    """One upload under way; who began it owns it."""

    key: bytes
    upload_id: str
    initiated: int
    owner: Owner
    checksum_algorithm: str = ""
    checksum_type: str = ""


@dataclass(frozen=True, slots=True)
class UploadsPage:
    """A page of ListMultipartUploads."""

    bucket: str
    prefix: bytes
    delimiter: bytes
    key_marker: bytes
    upload_id_marker: str
    next_key_marker: bytes
    next_upload_id_marker: str
    max_uploads: int
    encoding_type: str | None
    truncated: bool
    rows: Sequence[UploadRow]
    common_prefixes: Sequence[bytes]


def copy_part_result(result: CopyResult) -> bytes:
    """UploadPartCopy; a part has no checksum type."""
    return document("CopyPartResult", copy_content(result))


def initiate_multipart_upload_result(bucket: str, key: bytes, upload_id: str) -> bytes:
    """CreateMultipartUpload."""
    return document("InitiateMultipartUploadResult", [
        f"<Bucket>{escape(bucket)}</Bucket><Key>{key_text(key)}</Key>"
        f"<UploadId>{escape(upload_id)}</UploadId>"])


def complete_multipart_upload_result(result: CompletedUpload) -> bytes:
    """CompleteMultipartUpload."""
    return document("CompleteMultipartUploadResult", [
        f"<Location>{escape(result.location)}</Location><Bucket>{escape(result.bucket)}</Bucket>"
        f"<Key>{key_text(result.key)}</Key><ETag>{quoted(result.etag)}</ETag>",
        checksum_elements(result.checksums, result.checksum_type),
    ])


def list_parts_result(page: PartsPage) -> bytes:
    """ListParts."""
    rows = (
        f"<Part><PartNumber>{row.number}</PartNumber>"
        f"<LastModified>{format_iso(row.last_modified)}</LastModified><ETag>{quoted(row.etag)}</ETag>"
        f"<Size>{row.size}</Size>{checksum_elements(row.checksums, '')}</Part>"
        for row in page.rows
    )
    return document("ListPartsResult", [
        f"<Bucket>{escape(page.bucket)}</Bucket><Key>{key_text(page.key)}</Key>"
        f"<UploadId>{escape(page.upload_id)}</UploadId><PartNumberMarker>{page.marker}</PartNumberMarker>"
        f"<NextPartNumberMarker>{page.next_marker}</NextPartNumberMarker><MaxParts>{page.max_parts}</MaxParts>"
        f"<IsTruncated>{'true' if page.truncated else 'false'}</IsTruncated>",
        *rows,
        owner_element(page.owner, "Initiator"), owner_element(page.owner),
        "<StorageClass>STANDARD</StorageClass>",
        optional("ChecksumAlgorithm", page.checksum_algorithm), optional("ChecksumType", page.checksum_type),
    ])


def list_multipart_uploads_result(page: UploadsPage) -> bytes:
    """ListMultipartUploads."""
    url = page.encoding_type == "url"
    write_key = url_text if url else key_text
    rows = (
        f"<Upload><Key>{write_key(row.key)}</Key><UploadId>{escape(row.upload_id)}</UploadId>"
        f"{owner_element(row.owner, 'Initiator')}{owner_element(row.owner)}"
        f"<StorageClass>STANDARD</StorageClass><Initiated>{format_iso(row.initiated)}</Initiated>"
        f"{optional('ChecksumAlgorithm', row.checksum_algorithm)}"
        f"{optional('ChecksumType', row.checksum_type)}</Upload>"
        for row in page.rows
    )
    return document("ListMultipartUploadsResult", [
        f"<Bucket>{escape(page.bucket)}</Bucket><KeyMarker>{write_key(page.key_marker)}</KeyMarker>"
        f"<UploadIdMarker>{escape(page.upload_id_marker)}</UploadIdMarker>"
        f"<NextKeyMarker>{write_key(page.next_key_marker)}</NextKeyMarker>"
        f"<NextUploadIdMarker>{escape(page.next_upload_id_marker)}</NextUploadIdMarker>",
        optional("Delimiter", write_key(page.delimiter)), optional("Prefix", write_key(page.prefix)),
        f"<MaxUploads>{page.max_uploads}</MaxUploads>",
        optional("EncodingType", page.encoding_type or ""),
        f"<IsTruncated>{'true' if page.truncated else 'false'}</IsTruncated>",
        *rows, *prefix_elements(page.common_prefixes, url),
    ])
