"""What the namespace takes and gives: objects, conditions, pages. Frozen; no view's spelling in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from weka_mp.acl import Acl
from weka_mp.namespace.records.attribute import (
    NO_HEADERS,
    ContentHeaders,
    KeptAcl,
    PartChecksums,
    PartSizes,
    derived_etag,
)
from weka_mp.object_lock import Retention
from weka_mp.values import BucketName, Change, ETag, InodeNo, Stamp

__all__ = [
    "UNCONDITIONAL",
    "BucketInfo",
    "CommonPrefix",
    "CompletedPart",
    "CompletedUpload",
    "Deleted",
    "Deletion",
    "ListPage",
    "NewMetadata",
    "NewObject",
    "NewUpload",
    "ObjectInfo",
    "ObjectSummary",
    "Published",
    "UploadInfo",
    "UploadsPage",
    "VersionRow",
    "VersionsListing",
    "WriteConditions",
]


@dataclass(frozen=True, slots=True)
class BucketInfo:
    """A bucket: a directory at the store's root. `source` says which door made it (``s3`` or ``posix``)."""

    name: BucketName
    created_ns: int
    source: str
    ino: InodeNo
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class WriteConditions:
    """What must hold of the present object for a write to go through.

    `if_match`: an ETag without quotes or ``*``. `if_none_match`: the key must not exist. Sizes in bytes,
    the times in whole seconds since the epoch. `if_modified_since` fails where there is no object.
    """

    if_match: str | None = None
    if_none_match: bool = False
    if_match_size: int | None = None
    if_match_mtime: int | None = None
    if_modified_since: int | None = None
    if_unmodified_since: int | None = None

    @property
    def any(self) -> bool:
        return self != UNCONDITIONAL

    @property
    def pins(self) -> bool:
        """Whether they name the content that may be replaced."""
        return self.if_match not in (None, "*")


UNCONDITIONAL = WriteConditions()


@dataclass(frozen=True, slots=True)
class NewObject:
    """What to record of a finished body. Either `md5` (16 bytes) or `etag` (multipart) is given. `version`:
    the id that it gets in a bucket with versions, where that was said already; empty: a new one. `acl`: None:
    the bucket's owner's alone. `retention`: None: the one that the bucket gives by itself.
    """

    md5: bytes | None = None
    etag: str | None = None
    headers: ContentHeaders = NO_HEADERS
    user: Mapping[str, str] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    checksum_type: str | None = None
    owner: str | None = None
    part_sizes: PartSizes | None = None
    part_checksums: PartChecksums | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    version: bytes = b""
    acl: Acl | None = None
    retention: Retention | None = None
    legal_hold: bool | None = None


@dataclass(frozen=True, slots=True)
class NewMetadata:
    """Replaces the source's metadata in a copy."""

    headers: ContentHeaders = NO_HEADERS
    user: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """All that a view tells of an object besides its bytes. `size` in bytes, `mtime_ns` since the epoch: the
    file's, or when S3 replaced the metadata after it.

    `acl`: as kept of this inode; whether it counts in the bucket is for `Namespace.object_acl` to say.
    `etag_is_true` False: derived from the stamp (`etag_is_stable`) or a nonce while somebody writes.
    `version`: its id as S3 shows it, None for the version ``null``. `retention`, `legal_hold`: as kept; they
    count in a bucket with Object Lock alone.
    """

    key: bytes
    size: int
    mtime_ns: int
    etag: ETag
    headers: ContentHeaders
    user: Mapping[str, str]
    checksums: Mapping[str, str]
    checksum_type: str | None
    part_sizes: PartSizes | None
    owner: str | None
    ino: InodeNo
    stamp: Stamp
    tags: Mapping[str, str] = field(default_factory=dict)
    etag_is_true: bool = True
    etag_is_stable: bool = True
    salt: bytes = b""
    part_checksums: PartChecksums | None = None
    version: str | None = None
    acl: KeptAcl | None = None
    retention: Retention | None = None
    legal_hold: bool | None = None

    @property
    def md5(self) -> bytes | None:
        """The MD5 of the bytes, where the ETag is one."""
        return bytes.fromhex(self.etag) if self.etag_is_true and "-" not in self.etag else None

    @property
    def accepted_etags(self) -> frozenset[str]:
        """All tags that conditions accept for this content: clients may hold the derived one of before the
        fill.
        """
        if not self.etag_is_stable:
            return frozenset()
        if self.etag_is_true:
            return frozenset((self.etag, derived_etag(self.stamp, self.salt)))
        return frozenset((self.etag,))


@dataclass(frozen=True, slots=True)
class Published:
    """A write that is durable and visible; `changes` still have to be told to the mounts.

    sequence: see `weka_mp.namespace.happenings`.
    """

    info: ObjectInfo
    changes: tuple[Change, ...]
    sequence: int


@dataclass(frozen=True, slots=True)
class Done:
    """The same of a change that made no object."""

    changes: tuple[Change, ...]
    sequence: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """One of several. `version`: as S3 shows it, the one that is to go for good; None: whatever is there now,
    behind a delete marker where the bucket has versions. `bypass`: who asks may overcome a retention of
    governance.
    """

    key: bytes
    conditions: WriteConditions | None = None
    version: str | None = None
    bypass: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deletion; a key that was not there is no error. `version`: that was deleted, or of the delete marker
    that was made, as S3 shows it; None in a bucket without versions. `marker`: it is one.
    sequence: as of `Published`; 0: it was not there.
    """

    existed: bool
    changes: tuple[Change, ...]
    version: str | None = None
    marker: bool = False
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """One row of a listing."""

    key: bytes
    size: int
    mtime_ns: int
    etag: ETag
    checksums: tuple[str, ...]
    checksum_type: str | None
    owner: str | None
    version: str | None = None
    acl: KeptAcl | None = None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version in a listing of them. `version`: as S3 shows it. `latest`: what the key leads to now.
    `marker`: a delete marker, of which the summary says the time and the owner alone.
    """

    summary: ObjectSummary
    version: str
    latest: bool
    marker: bool


@dataclass(frozen=True, slots=True)
class CommonPrefix:
    """All keys that share `prefix` up to the delimiter, as one row."""

    prefix: bytes


@dataclass(frozen=True, slots=True)
class ListPage:
    """Rows in S3's order; `next_after` resumes behind the last of them, None when there is nothing more."""

    items: tuple[ObjectSummary | CommonPrefix, ...]
    next_after: bytes | None


@dataclass(frozen=True, slots=True)
class VersionsListing:
    """Versions in S3's order: by key, the newest first. `next_after`: key (or common prefix) and version
    (None behind a prefix) to go on behind, None when there is nothing more.
    """

    items: tuple[VersionRow | CommonPrefix, ...]
    next_after: tuple[bytes, str | None] | None


@dataclass(frozen=True, slots=True)
class NewUpload:
    """What CreateMultipartUpload fixes for the object to come."""

    headers: ContentHeaders = NO_HEADERS
    user: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    uid: int = 0
    gid: int = 0
    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    acl: Acl | None = None
    retention: Retention | None = None
    legal_hold: bool | None = None


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """A multipart upload under way. `bucket`: its `bucket_identity`."""

    upload_id: str
    key: bytes
    initiated_ns: int
    new: NewUpload
    bucket: int


@dataclass(frozen=True, slots=True)
class UploadsPage:
    """Uploads and common prefixes in S3's order: by key, then by the time they were begun.

    `next_after`: key (or common prefix) and upload id (empty behind a prefix) to go on behind, None when
    there is nothing more. It can name an upload that is not on the page, since it ended meanwhile.
    """

    items: tuple[UploadInfo | CommonPrefix, ...]
    next_after: tuple[bytes, str] | None


@dataclass(frozen=True, slots=True)
class CompletedUpload:
    """A completion that is durable and visible. `repeated`: it was so already when this one was asked for.

    `size` in bytes. `changes` still have to be told to the mounts. sequence: as of `Published`.
    """

    etag: str
    checksums: Mapping[str, str]
    checksum_type: str | None
    size: int
    changes: tuple[Change, ...]
    sequence: int
    repeated: bool = False
    version: str | None = None


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """One part as the client names it on completion; `etag` without quotes."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)
