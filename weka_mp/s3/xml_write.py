"""The XML documents of replies, from explicit shapes. Element names and order are those of the S3 API
reference. Those of multipart uploads are in `xml_uploads`; how values are written is in `xml_elements`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weka_mp.s3.dates import format_iso
from weka_mp.s3.xml_elements import DECLARATION as _DECLARATION
from weka_mp.s3.xml_elements import NAMESPACE as _NAMESPACE
from weka_mp.s3.xml_elements import Checksums, CopyResult, Owner, copy_content
from weka_mp.s3.xml_elements import document as _document
from weka_mp.s3.xml_elements import key_text as _key
from weka_mp.s3.xml_elements import optional as _optional
from weka_mp.s3.xml_elements import owner_element as _owner
from weka_mp.s3.xml_elements import prefix_elements as _prefixes
from weka_mp.s3.xml_elements import quoted as _quoted
from weka_mp.s3.xml_elements import url_text as _url
from weka_mp.s3.xml_text import escape

__all__ = [
    "BucketRow", "Checksums", "CopyResult", "DeleteFailure", "DeletedRow", "ListingV1", "ListingV2",
    "ObjectRow", "Owner", "copy_object_result", "delete_result", "list_all_my_buckets_result",
    "list_bucket_result", "list_bucket_result_v2", "location_constraint", "post_response",
]


@dataclass(frozen=True, slots=True)
class BucketRow:
    """One bucket of ListBuckets. region is written when it is not empty."""

    name: str
    created: int
    region: str = ""


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object of a listing. size in bytes; owner None leaves it out."""

    key: bytes
    last_modified: int
    etag: str
    size: int
    storage_class: str = "STANDARD"
    owner: Owner | None = None
    checksum_algorithms: tuple[str, ...] = ()
    checksum_type: str = ""


@dataclass(frozen=True, slots=True)
class ListingV1:
    """A page of ListObjects. next_marker is written when the page is truncated and it is not None."""

    bucket: str
    prefix: bytes
    delimiter: bytes
    marker: bytes
    max_keys: int
    encoding_type: str | None
    truncated: bool
    next_marker: bytes | None
    rows: Sequence[ObjectRow]
    common_prefixes: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class ListingV2:
    """A page of ListObjectsV2. key_count is the number of rows and common prefixes."""

    bucket: str
    prefix: bytes
    delimiter: bytes
    max_keys: int
    encoding_type: str | None
    truncated: bool
    continuation_token: str | None
    next_continuation_token: str | None
    start_after: bytes
    rows: Sequence[ObjectRow]
    common_prefixes: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class DeletedRow:
    """An entry of DeleteObjects that was deleted, with the version that the client named. marker: the delete
    marker that was made, or that this version was.
    """

    key: bytes
    version: str | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteFailure:
    """An entry of DeleteObjects that was not deleted."""

    key: bytes
    code: str
    message: str
    version: str | None = None


def list_all_my_buckets_result(
    owner: Owner, rows: Sequence[BucketRow], prefix: str = "", next_token: str | None = None
) -> bytes:
    """ListBuckets. prefix and next_token are written when they are there."""
    parts = [_owner(owner), "<Buckets>"]
    for row in rows:
        region = f"<BucketRegion>{escape(row.region)}</BucketRegion>" if row.region else ""
        parts.append(
            f"<Bucket><Name>{escape(row.name)}</Name><CreationDate>{format_iso(row.created)}</CreationDate>"
            f"{region}</Bucket>")
    parts.append("</Buckets>")
    if next_token is not None:
        parts.append(f"<ContinuationToken>{escape(next_token)}</ContinuationToken>")
    if prefix:
        parts.append(f"<Prefix>{escape(prefix)}</Prefix>")
    return _document("ListAllMyBucketsResult", parts)


def location_constraint(region: str) -> bytes:
    """GetBucketLocation; the region us-east-1 is an empty element."""
    if region in ("", "us-east-1"):
        return f"{_DECLARATION}<LocationConstraint {_NAMESPACE}/>".encode()
    return _document("LocationConstraint", [escape(region)])


def _rows(rows: Sequence[ObjectRow], url: bool) -> Iterable[str]:
    write_key = _url if url else _key
    for row in rows:
        algorithms = "".join(
            [f"<ChecksumAlgorithm>{name}</ChecksumAlgorithm>" for name in row.checksum_algorithms])
        if row.checksum_type:
            algorithms += f"<ChecksumType>{row.checksum_type}</ChecksumType>"
        owner = _owner(row.owner) if row.owner is not None else ""
        yield (
            f"<Contents><Key>{write_key(row.key)}</Key>"
            f"<LastModified>{format_iso(row.last_modified)}</LastModified>"
            f"<ETag>&quot;{row.etag}&quot;</ETag>{algorithms}<Size>{row.size}</Size>{owner}"
            f"<StorageClass>{row.storage_class}</StorageClass></Contents>"
        )


def list_bucket_result(page: ListingV1) -> bytes:
    """ListObjects."""
    url = page.encoding_type == "url"
    write_key = _url if url else _key
    head = [
        f"<Name>{escape(page.bucket)}</Name><Prefix>{write_key(page.prefix)}</Prefix>"
        f"<Marker>{write_key(page.marker)}</Marker>",
        f"<NextMarker>{write_key(page.next_marker)}</NextMarker>"
        if page.truncated and page.next_marker is not None else "",
        f"<MaxKeys>{page.max_keys}</MaxKeys>",
        _optional("Delimiter", write_key(page.delimiter)),
        _optional("EncodingType", page.encoding_type or ""),
        f"<IsTruncated>{'true' if page.truncated else 'false'}</IsTruncated>",
    ]
    content = [*head, *_rows(page.rows, url), *_prefixes(page.common_prefixes, url)]
    return _document("ListBucketResult", content)


def list_bucket_result_v2(page: ListingV2) -> bytes:
    """ListObjectsV2."""
    url = page.encoding_type == "url"
    write_key = _url if url else _key
    head = [
        f"<Name>{escape(page.bucket)}</Name><Prefix>{write_key(page.prefix)}</Prefix>",
        _optional("ContinuationToken", escape(page.continuation_token or "")),
        _optional("NextContinuationToken", escape(page.next_continuation_token or "")),
        _optional("StartAfter", write_key(page.start_after)),
        f"<KeyCount>{len(page.rows) + len(page.common_prefixes)}</KeyCount>",
        f"<MaxKeys>{page.max_keys}</MaxKeys>",
        _optional("Delimiter", write_key(page.delimiter)),
        _optional("EncodingType", page.encoding_type or ""),
        f"<IsTruncated>{'true' if page.truncated else 'false'}</IsTruncated>",
    ]
    content = [*head, *_rows(page.rows, url), *_prefixes(page.common_prefixes, url)]
    return _document("ListBucketResult", content)


def copy_object_result(result: CopyResult) -> bytes:
    """CopyObject."""
    return _document("CopyObjectResult", copy_content(result))


def delete_result(deleted: Sequence[DeletedRow], failures: Sequence[DeleteFailure]) -> bytes:
    """DeleteObjects. deleted is empty when the client asked for quiet."""
    parts = [
        f"<Deleted><Key>{_key(row.key)}</Key>{_version(row.version)}{_marker(row.marker)}</Deleted>"
        for row in deleted
    ]
    parts += [
        f"<Error><Key>{_key(failure.key)}</Key>{_version(failure.version)}<Code>{escape(failure.code)}</Code>"
        f"<Message>{escape(failure.message)}</Message></Error>"
        for failure in failures
    ]
    return _document("DeleteResult", parts)


def _version(version: str | None) -> str:
    return _optional("VersionId", escape(version or ""))


def _marker(version: str | None) -> str:
    if version is None:
        return ""
    return (
        "<DeleteMarker>true</DeleteMarker>"
        f"<DeleteMarkerVersionId>{escape(version)}</DeleteMarkerVersionId>"
    )


def post_response(location: str, bucket: str, key: bytes, etag: str) -> bytes:
    """An upload by form with success_action_status 201; this document has no namespace."""
    return (
        f"{_DECLARATION}<PostResponse><Location>{escape(location)}</Location><Bucket>{escape(bucket)}</Bucket>"
        f"<Key>{_key(key)}</Key><ETag>{_quoted(etag)}</ETag></PostResponse>"
    ).encode()
