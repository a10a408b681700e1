"""The S3 operations that are built, one frozen value each, with the permission each needs.

Names, parameters and permissions follow the S3 API reference and the service authorization reference. Text
that S3 orders or compares bytewise (keys, prefixes, delimiters, markers) is bytes; times are whole seconds
since the epoch; ETags in conditions are as sent, with quotes. A version is ``null`` or the id of one, well
formed; None: whichever is the current one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from weka_mp.s3 import bucket_operations as of_buckets
from weka_mp.s3.acl_requests import AskedAcl
from weka_mp.s3.object_lock import NO_LOCKS, AskedLocks
from weka_mp.s3.request_values import (
    NO_READ_CONDITIONS,
    NO_WRITE_CONDITIONS,
    ObjectMetadata,
    ReadConditions,
    WriteConditions,
)
from weka_mp.s3.select_request import SelectObjectContent
from weka_mp.s3.tags import Tags
from weka_mp.values import BucketName, ObjectKey, UploadId

__all__ = [
    "BUILT", "NO_READ_CONDITIONS", "NO_WRITE_CONDITIONS", "AbortMultipartUpload",
    "CompleteMultipartUpload", "CompletedPart", "CopyObject", "CreateBucket", "CreateMultipartUpload",
    "DeleteBucket", "DeleteBucketPolicy", "DeleteEntry", "DeleteObject", "DeleteObjectTagging",
    "DeleteObjects", "DeletePublicAccessBlock", "GetBucketLocation", "GetBucketPolicy",
    "GetBucketPolicyStatus", "GetObject", "GetObjectAttributes", "GetObjectTagging",
    "GetPublicAccessBlock", "HeadBucket", "HeadObject", "ListBuckets", "ListMultipartUploads",
    "ListObjects", "ListObjectsV2", "ListParts", "ObjectMetadata", "Operation", "PostObject",
    "PutBucketPolicy", "PutObject", "PutObjectTagging", "PutPublicAccessBlock", "ReadConditions",
    "ReadObject", "RenameObject", "SelectObjectContent", "UploadPart", "UploadPartCopy", "WriteConditions",
]


@dataclass(frozen=True, slots=True)
class ListBuckets:
    """GET /. max_buckets is 1 to 10,000."""

    permission: ClassVar[str] = "s3:ListAllMyBuckets"
    prefix: str
    max_buckets: int
    continuation_token: str | None
    bucket_region: str | None


@dataclass(frozen=True, slots=True)
class CreateBucket:
    """PUT /bucket. location_constraint is None where the client named no region, ownership where it said
    nothing of it.
    """

    permission: ClassVar[str] = "s3:CreateBucket"
    tags_permission: ClassVar[str] = "s3:TagResource"
    bucket: BucketName
    location_constraint: str | None
    acl: AskedAcl | None = None
    ownership: str | None = None
    object_lock: bool = False
    tags: Tags = ()


@dataclass(frozen=True, slots=True)
class HeadBucket:
    """HEAD /bucket."""

    permission: ClassVar[str] = "s3:ListBucket"
    bucket: BucketName


@dataclass(frozen=True, slots=True)
class DeleteBucket:
    """DELETE /bucket."""

    permission: ClassVar[str] = "s3:DeleteBucket"
    bucket: BucketName


@dataclass(frozen=True, slots=True)
class GetBucketLocation:
    """GET /bucket?location."""

    permission: ClassVar[str] = "s3:GetBucketLocation"
    bucket: BucketName


@dataclass(frozen=True, slots=True)
class GetBucketPolicy:
    """GET /bucket?policy."""

    permission: ClassVar[str] = "s3:GetBucketPolicy"
    bucket: BucketName


@dataclass(frozen=True, slots=True)
class PutBucketPolicy:
    """PUT /bucket?policy. text: the body. gives_up_own: the client means to lose the right to change it."""

    permission: ClassVar[str] = "s3:PutBucketPolicy"
    bucket: BucketName
    text: str
    gives_up_own: bool


@dataclass(frozen=True, slots=True)
class DeleteBucketPolicy:
    """DELETE /bucket?policy."""

    permission: ClassVar[str] = "s3:DeleteBucketPolicy"
    bucket: BucketName


@dataclass(frozen=True, slots=True)
class GetBucketPolicyStatus:
    """GET /bucket?policyStatus."""

    permission: ClassVar[str] = "s3:GetBucketPolicyStatus"
    bucket: BucketName


@dataclass(frozen=True, slots=True)
class GetPublicAccessBlock:
    """GET /bucket?publicAccessBlock."""

    permission: ClassVar[str] = "s3:GetBucketPublicAccessBlock"
    bucket: BucketName


@dataclass(frozen=True, slots=True)
class PutPublicAccessBlock:
    """PUT /bucket?publicAccessBlock; what the document leaves out is off."""

    permission: ClassVar[str] = "s3:PutBucketPublicAccessBlock"
    bucket: BucketName
    block_public_acls: bool
    ignore_public_acls: bool
    block_public_policy: bool
    restrict_public_buckets: bool


@dataclass(frozen=True, slots=True)
class DeletePublicAccessBlock:
    """DELETE /bucket?publicAccessBlock."""

    permission: ClassVar[str] = "s3:PutBucketPublicAccessBlock"
    bucket: BucketName


@dataclass(frozen=True, slots=True)
class ListObjects:
    """GET /bucket. max_keys is 0 to 1000; encoding_type is ``url`` or None."""

    permission: ClassVar[str] = "s3:ListBucket"
    bucket: BucketName
    prefix: bytes
    delimiter: bytes
    marker: bytes
    max_keys: int
    encoding_type: str | None


@dataclass(frozen=True, slots=True)
class ListObjectsV2:
    """GET /bucket?list-type=2. max_keys is 0 to 1000; encoding_type is ``url`` or None."""

    permission: ClassVar[str] = "s3:ListBucket"
    bucket: BucketName
    prefix: bytes
    delimiter: bytes
    max_keys: int
    encoding_type: str | None
    continuation_token: str | None
    start_after: bytes
    fetch_owner: bool


@dataclass(frozen=True, slots=True)
class PutObject:
    """PUT /bucket/key. Length, digests and framing of the body are the payload's business."""

    permission: ClassVar[str] = "s3:PutObject"
    bucket: BucketName
    key: ObjectKey
    metadata: ObjectMetadata
    conditions: WriteConditions
    acl: AskedAcl | None = None
    locks: AskedLocks = NO_LOCKS


@dataclass(frozen=True, slots=True)
class PostObject:
    """POST /bucket with a form; the key and all else stand in the form."""

    permission: ClassVar[str] = "s3:PutObject"
    bucket: BucketName


@dataclass(frozen=True, slots=True)
class ReadObject:
    """What GetObject and HeadObject share.

    response_overrides: (header name, value) to send instead of the object's own. if_range and range are as
    sent. Overrides are for signed requests only.
    """

    permission: ClassVar[str] = "s3:GetObject"
    bucket: BucketName
    key: ObjectKey
    range: str | None
    if_range: str | None
    conditions: ReadConditions
    part_number: int | None
    checksum_mode: bool
    response_overrides: tuple[tuple[str, str], ...]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class GetObject(ReadObject):
    """GET /bucket/key."""


@dataclass(frozen=True, slots=True)
class HeadObject(ReadObject):
    """HEAD /bucket/key."""


@dataclass(frozen=True, slots=True)
class GetObjectAttributes:
    """GET /bucket/key?attributes. attributes: of ETag, Checksum, ObjectParts, StorageClass, ObjectSize.

    max_parts is 0 to 1000; parts behind part_number_marker are listed.
    """

    permission: ClassVar[str] = "s3:GetObjectAttributes"
    bucket: BucketName
    key: ObjectKey
    attributes: tuple[str, ...]
    max_parts: int
    part_number_marker: int
    version: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteObject:
    """DELETE /bucket/key. if_match as sent; size in bytes; time in seconds since the epoch. bypass: a
    retention of governance is to be overcome.
    """

    permission: ClassVar[str] = "s3:DeleteObject"
    bucket: BucketName
    key: ObjectKey
    if_match: str | None
    if_match_size: int | None
    if_match_last_modified: int | None
    version: str | None = None
    bypass: bool = False


@dataclass(frozen=True, slots=True)
class DeleteEntry:
    """One object of a DeleteObjects request, with its own conditions; None means no condition.

    version: as sent, whatever it is.
    """

    key: ObjectKey
    etag: str | None = None
    size: int | None = None
    last_modified: int | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteObjects:
    """POST /bucket?delete, 1 to 1000 entries. The permission is asked for each key."""

    permission: ClassVar[str] = "s3:DeleteObject"
    bucket: BucketName
    entries: tuple[DeleteEntry, ...]
    quiet: bool
    bypass: bool = False


@dataclass(frozen=True, slots=True)
class CopyObject:
    """PUT /bucket/key with x-amz-copy-source.

    replace_metadata: the directive REPLACE, where `metadata` is the whole new metadata; else the source's
    is kept and only metadata.website_redirect applies. replace_tags: metadata.tags are all tags of the copy;
    else it has the source's. checksum_algorithm: one to compute for the copy, or
    None.
    """

    permission: ClassVar[str] = "s3:PutObject"
    source_permission: ClassVar[str] = "s3:GetObject"
    bucket: BucketName
    key: ObjectKey
    source_bucket: BucketName
    source_key: ObjectKey
    source_conditions: ReadConditions
    replace_metadata: bool
    metadata: ObjectMetadata
    conditions: WriteConditions
    checksum_algorithm: str | None
    replace_tags: bool = False
    source_version: str | None = None
    acl: AskedAcl | None = None
    locks: AskedLocks = NO_LOCKS


@dataclass(frozen=True, slots=True)
class GetObjectTagging:
    """GET /bucket/key?tagging."""

    permission: ClassVar[str] = "s3:GetObjectTagging"
    bucket: BucketName
    key: ObjectKey
    version: str | None = None


@dataclass(frozen=True, slots=True)
class PutObjectTagging:
    """PUT /bucket/key?tagging: all tags of the object from now on."""

    permission: ClassVar[str] = "s3:PutObjectTagging"
    bucket: BucketName
    key: ObjectKey
    tags: tuple[tuple[str, str], ...]
    version: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteObjectTagging:
    """DELETE /bucket/key?tagging."""

    permission: ClassVar[str] = "s3:DeleteObjectTagging"
    bucket: BucketName
    key: ObjectKey
    version: str | None = None


@dataclass(frozen=True, slots=True)
class RenameObject:
    """PUT /bucket/key?renameObject. Keys that end in '/' rename all below them, an extension.

    modified_since, unmodified_since: conditions on what stands under the new key, in seconds since the epoch.
    """

    permission: ClassVar[str] = "s3:PutObject"
    source_permission: ClassVar[str] = "s3:DeleteObject"
    bucket: BucketName
    key: ObjectKey
    source_key: ObjectKey
    source_conditions: ReadConditions
    conditions: WriteConditions
    modified_since: int | None
    unmodified_since: int | None
    client_token: str | None


@dataclass(frozen=True, slots=True)
class CreateMultipartUpload:
    """POST /bucket/key?uploads. checksum_type is COMPOSITE, FULL_OBJECT or None."""

    permission: ClassVar[str] = "s3:PutObject"
    bucket: BucketName
    key: ObjectKey
    metadata: ObjectMetadata
    checksum_algorithm: str | None
    checksum_type: str | None
    acl: AskedAcl | None = None
    locks: AskedLocks = NO_LOCKS


@dataclass(frozen=True, slots=True)
class UploadPart:
    """PUT /bucket/key?partNumber=1..10000&uploadId=…."""

    permission: ClassVar[str] = "s3:PutObject"
    bucket: BucketName
    key: ObjectKey
    upload_id: UploadId
    part_number: int


@dataclass(frozen=True, slots=True)
class UploadPartCopy:
    """UploadPart with x-amz-copy-source. source_range: (first, last) byte, inclusive; None: all of it."""

    permission: ClassVar[str] = "s3:PutObject"
    source_permission: ClassVar[str] = "s3:GetObject"
    bucket: BucketName
    key: ObjectKey
    upload_id: UploadId
    part_number: int
    source_bucket: BucketName
    source_key: ObjectKey
    source_conditions: ReadConditions
    source_range: tuple[int, int] | None
    source_version: str | None = None


@dataclass(frozen=True, slots=True)
class ListParts:
    """GET /bucket/key?uploadId=…. max_parts is 0 to 1000; marker: the part number to go on behind."""

    permission: ClassVar[str] = "s3:ListMultipartUploadParts"
    bucket: BucketName
    key: ObjectKey
    upload_id: UploadId
    max_parts: int
    marker: int


@dataclass(frozen=True, slots=True)
class ListMultipartUploads:
    """GET /bucket?uploads. max_uploads is 0 to 1000; encoding_type is ``url`` or None.

    upload_id_marker is empty without a key_marker (S3 API).
    """

    permission: ClassVar[str] = "s3:ListBucketMultipartUploads"
    bucket: BucketName
    prefix: bytes
    delimiter: bytes
    key_marker: bytes
    upload_id_marker: str
    max_uploads: int
    encoding_type: str | None


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """One part of a completion. etag without quotes; checksums: (algorithm in upper case, base64 text)."""

    number: int
    etag: str
    checksums: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CompleteMultipartUpload:
    """POST /bucket/key?uploadId=…. Parts ascend strictly. object_size in bytes, as the client believes it."""

    permission: ClassVar[str] = "s3:PutObject"
    bucket: BucketName
    key: ObjectKey
    upload_id: UploadId
    parts: tuple[CompletedPart, ...]
    conditions: WriteConditions
    checksums: tuple[tuple[str, str], ...]
    checksum_type: str | None
    object_size: int | None


@dataclass(frozen=True, slots=True)
class AbortMultipartUpload:
    """DELETE /bucket/key?uploadId=…."""

    permission: ClassVar[str] = "s3:AbortMultipartUpload"
    bucket: BucketName
    key: ObjectKey
    upload_id: UploadId


Operation = (
    ListBuckets | CreateBucket | HeadBucket | DeleteBucket | GetBucketLocation | ListObjects | ListObjectsV2
    | GetBucketPolicy | PutBucketPolicy | DeleteBucketPolicy | GetBucketPolicyStatus
    | GetPublicAccessBlock | PutPublicAccessBlock | DeletePublicAccessBlock
    | PutObject | PostObject | GetObject | HeadObject | GetObjectAttributes
    | DeleteObject | DeleteObjects | CopyObject | RenameObject
    | GetObjectTagging | PutObjectTagging | DeleteObjectTagging | CreateMultipartUpload
    | UploadPart | UploadPartCopy | ListParts | ListMultipartUploads
    | CompleteMultipartUpload | AbortMultipartUpload | SelectObjectContent
    | of_buckets.BucketOperation
)

BUILT: Final[frozenset[str]] = frozenset(kind.__name__ for kind in Operation.__args__)
"""Names of the operations that are built; all others of the route table answer NotImplemented."""
