"""The operations about what a bucket is besides a set of objects, one frozen value each.

What is never otherwise here (the owner pays, nothing is replicated, nobody else owns an object) can be asked
for and confirmed; a value of an operation that would change it carries nothing, since its parser refuses all
but what is so anyway. Source: as of `weka_mp.s3.operations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from weka_mp.bucket_log_rules import LogRule
from weka_mp.lifecycle import Rule
from weka_mp.notification_rules import Rule as NotificationRule
from weka_mp.object_lock import ObjectLock, Retention
from weka_mp.s3.acl_requests import AskedAcl
from weka_mp.s3.cors import CorsRule
from weka_mp.s3.website import Website
from weka_mp.values import BucketName, ObjectKey

__all__ = [
    "BucketOperation", "DeleteBucketCors", "DeleteBucketEncryption",
    "DeleteBucketLifecycle", "DeleteBucketOwnershipControls", "DeleteBucketReplication",
    "DeleteBucketTagging", "DeleteBucketWebsite",
    "GetBucketAccelerateConfiguration", "GetBucketAcl", "GetBucketAnalyticsConfiguration",
    "GetBucketCors", "GetBucketEncryption", "GetBucketIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration", "GetBucketLifecycleConfiguration", "GetBucketLogging",
    "GetBucketMetricsConfiguration", "GetBucketNotificationConfiguration", "GetBucketOwnershipControls",
    "GetBucketReplication", "GetBucketRequestPayment", "GetBucketTagging", "GetBucketVersioning",
    "GetBucketWebsite", "GetObjectAcl", "GetObjectLegalHold", "GetObjectLockConfiguration",
    "GetObjectRetention",
    "ListBucketAnalyticsConfigurations", "ListBucketIntelligentTieringConfigurations",
    "ListBucketInventoryConfigurations", "ListBucketMetricsConfigurations", "ListObjectVersions",
    "OfBucket", "OfObject", "PutBucketAccelerateConfiguration", "PutBucketAcl", "PutBucketCors",
    "PutBucketLifecycleConfiguration", "PutBucketLogging", "PutBucketNotificationConfiguration",
    "PutBucketOwnershipControls", "PutBucketRequestPayment", "PutBucketTagging", "PutBucketVersioning",
    "PutBucketWebsite", "PutObjectAcl", "PutObjectLegalHold", "PutObjectLockConfiguration",
    "PutObjectRetention",
]


@dataclass(frozen=True, slots=True)
class OfBucket:
    """What most of them say: the bucket alone."""

    permission: ClassVar[str]
    bucket: BucketName


@dataclass(frozen=True, slots=True)
class OfObject:
    """Of an object of the bucket."""

    permission: ClassVar[str]
    bucket: BucketName
    key: ObjectKey


@dataclass(frozen=True, slots=True)
class GetBucketAccelerateConfiguration(OfBucket):
    """GET /bucket?accelerate."""

    permission: ClassVar[str] = "s3:GetAccelerateConfiguration"


@dataclass(frozen=True, slots=True)
class PutBucketAccelerateConfiguration(OfBucket):
    """PUT /bucket?accelerate, which asks for no acceleration."""

    permission: ClassVar[str] = "s3:PutAccelerateConfiguration"


@dataclass(frozen=True, slots=True)
class GetBucketEncryption(OfBucket):
    """GET /bucket?encryption."""

    permission: ClassVar[str] = "s3:GetEncryptionConfiguration"


@dataclass(frozen=True, slots=True)
class DeleteBucketEncryption(OfBucket):
    """DELETE /bucket?encryption."""

    permission: ClassVar[str] = "s3:PutEncryptionConfiguration"


@dataclass(frozen=True, slots=True)
class GetBucketLogging(OfBucket):
    """GET /bucket?logging."""

    permission: ClassVar[str] = "s3:GetBucketLogging"


@dataclass(frozen=True, slots=True)
class PutBucketLogging(OfBucket):
    """PUT /bucket?logging. rule: None: no log is to be kept. grants: whether the logs are to be given to
    others by an ACL.
    """

    permission: ClassVar[str] = "s3:PutBucketLogging"
    rule: LogRule | None
    grants: bool


@dataclass(frozen=True, slots=True)
class GetBucketNotificationConfiguration(OfBucket):
    """GET /bucket?notification."""

    permission: ClassVar[str] = "s3:GetBucketNotification"


@dataclass(frozen=True, slots=True)
class PutBucketNotificationConfiguration(OfBucket):
    """PUT /bucket?notification. A rule that came without an id has an empty one. silent: no target is sent a
    test event.
    """

    permission: ClassVar[str] = "s3:PutBucketNotification"
    rules: tuple[NotificationRule, ...]
    silent: bool


@dataclass(frozen=True, slots=True)
class GetBucketOwnershipControls(OfBucket):
    """GET /bucket?ownershipControls."""

    permission: ClassVar[str] = "s3:GetBucketOwnershipControls"


@dataclass(frozen=True, slots=True)
class PutBucketOwnershipControls(OfBucket):
    """PUT /bucket?ownershipControls. ownership: one of `acl.OWNERSHIPS`."""

    permission: ClassVar[str] = "s3:PutBucketOwnershipControls"
    ownership: str


@dataclass(frozen=True, slots=True)
class DeleteBucketOwnershipControls(OfBucket):
    """DELETE /bucket?ownershipControls."""

    permission: ClassVar[str] = "s3:PutBucketOwnershipControls"


@dataclass(frozen=True, slots=True)
class GetBucketReplication(OfBucket):
    """GET /bucket?replication."""

    permission: ClassVar[str] = "s3:GetReplicationConfiguration"


@dataclass(frozen=True, slots=True)
class DeleteBucketReplication(OfBucket):
    """DELETE /bucket?replication."""

    permission: ClassVar[str] = "s3:PutReplicationConfiguration"


@dataclass(frozen=True, slots=True)
class GetBucketRequestPayment(OfBucket):
    """GET /bucket?requestPayment."""

    permission: ClassVar[str] = "s3:GetBucketRequestPayment"


@dataclass(frozen=True, slots=True)
class PutBucketRequestPayment(OfBucket):
    """PUT /bucket?requestPayment, where the owner pays."""

    permission: ClassVar[str] = "s3:PutBucketRequestPayment"


@dataclass(frozen=True, slots=True)
class GetBucketVersioning(OfBucket):
    """GET /bucket?versioning."""

    permission: ClassVar[str] = "s3:GetBucketVersioning"


@dataclass(frozen=True, slots=True)
class GetBucketWebsite(OfBucket):
    """GET /bucket?website."""

    permission: ClassVar[str] = "s3:GetBucketWebsite"


@dataclass(frozen=True, slots=True)
class DeleteBucketWebsite(OfBucket):
    """DELETE /bucket?website."""

    permission: ClassVar[str] = "s3:DeleteBucketWebsite"


@dataclass(frozen=True, slots=True)
class PutBucketWebsite(OfBucket):
    """PUT /bucket?website."""

    permission: ClassVar[str] = "s3:PutBucketWebsite"
    website: Website


@dataclass(frozen=True, slots=True)
class GetObjectLockConfiguration(OfBucket):
    """GET /bucket?object-lock."""

    permission: ClassVar[str] = "s3:GetBucketObjectLockConfiguration"


@dataclass(frozen=True, slots=True)
class PutObjectLockConfiguration(OfBucket):
    """PUT /bucket?object-lock."""

    permission: ClassVar[str] = "s3:PutBucketObjectLockConfiguration"
    lock: ObjectLock


@dataclass(frozen=True, slots=True)
class GetObjectRetention(OfObject):
    """GET /bucket/key?retention."""

    permission: ClassVar[str] = "s3:GetObjectRetention"
    version: str | None = None


@dataclass(frozen=True, slots=True)
class PutObjectRetention(OfObject):
    """PUT /bucket/key?retention. retention: None: there is to be none. bypass: governance is to be overcome.
    """

    permission: ClassVar[str] = "s3:PutObjectRetention"
    retention: Retention | None
    bypass: bool
    version: str | None = None


@dataclass(frozen=True, slots=True)
class GetObjectLegalHold(OfObject):
    """GET /bucket/key?legal-hold."""

    permission: ClassVar[str] = "s3:GetObjectLegalHold"
    version: str | None = None


@dataclass(frozen=True, slots=True)
class PutObjectLegalHold(OfObject):
    """PUT /bucket/key?legal-hold."""

    permission: ClassVar[str] = "s3:PutObjectLegalHold"
    held: bool
    version: str | None = None


@dataclass(frozen=True, slots=True)
class ListBucketAnalyticsConfigurations(OfBucket):
    """GET /bucket?analytics."""

    permission: ClassVar[str] = "s3:GetAnalyticsConfiguration"


@dataclass(frozen=True, slots=True)
class ListBucketIntelligentTieringConfigurations(OfBucket):
    """GET /bucket?intelligent-tiering."""

    permission: ClassVar[str] = "s3:GetIntelligentTieringConfiguration"


@dataclass(frozen=True, slots=True)
class ListBucketInventoryConfigurations(OfBucket):
    """GET /bucket?inventory."""

    permission: ClassVar[str] = "s3:GetInventoryConfiguration"


@dataclass(frozen=True, slots=True)
class ListBucketMetricsConfigurations(OfBucket):
    """GET /bucket?metrics."""

    permission: ClassVar[str] = "s3:GetMetricsConfiguration"


@dataclass(frozen=True, slots=True)
class GetBucketAnalyticsConfiguration(OfBucket):
    """GET /bucket?analytics&id=…."""

    permission: ClassVar[str] = "s3:GetAnalyticsConfiguration"


@dataclass(frozen=True, slots=True)
class GetBucketIntelligentTieringConfiguration(OfBucket):
    """GET /bucket?intelligent-tiering&id=…."""

    permission: ClassVar[str] = "s3:GetIntelligentTieringConfiguration"


@dataclass(frozen=True, slots=True)
class GetBucketInventoryConfiguration(OfBucket):
    """GET /bucket?inventory&id=…."""

    permission: ClassVar[str] = "s3:GetInventoryConfiguration"


@dataclass(frozen=True, slots=True)
class GetBucketMetricsConfiguration(OfBucket):
    """GET /bucket?metrics&id=…."""

    permission: ClassVar[str] = "s3:GetMetricsConfiguration"


@dataclass(frozen=True, slots=True)
class GetBucketAcl(OfBucket):
    """GET /bucket?acl."""

    permission: ClassVar[str] = "s3:GetBucketAcl"


@dataclass(frozen=True, slots=True)
class GetBucketCors(OfBucket):
    """GET /bucket?cors."""

    permission: ClassVar[str] = "s3:GetBucketCORS"


@dataclass(frozen=True, slots=True)
class DeleteBucketCors(OfBucket):
    """DELETE /bucket?cors."""

    permission: ClassVar[str] = "s3:PutBucketCORS"


@dataclass(frozen=True, slots=True)
class PutBucketCors(OfBucket):
    """PUT /bucket?cors."""

    permission: ClassVar[str] = "s3:PutBucketCORS"
    rules: tuple[CorsRule, ...]


@dataclass(frozen=True, slots=True)
class GetBucketTagging(OfBucket):
    """GET /bucket?tagging."""

    permission: ClassVar[str] = "s3:GetBucketTagging"


@dataclass(frozen=True, slots=True)
class DeleteBucketTagging(OfBucket):
    """DELETE /bucket?tagging."""

    permission: ClassVar[str] = "s3:PutBucketTagging"


@dataclass(frozen=True, slots=True)
class PutBucketTagging(OfBucket):
    """PUT /bucket?tagging: all tags of the bucket from now on."""

    permission: ClassVar[str] = "s3:PutBucketTagging"
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class GetBucketLifecycleConfiguration(OfBucket):
    """GET /bucket?lifecycle."""

    permission: ClassVar[str] = "s3:GetLifecycleConfiguration"


@dataclass(frozen=True, slots=True)
class DeleteBucketLifecycle(OfBucket):
    """DELETE /bucket?lifecycle."""

    permission: ClassVar[str] = "s3:PutLifecycleConfiguration"


@dataclass(frozen=True, slots=True)
class PutBucketLifecycleConfiguration(OfBucket):
    """PUT /bucket?lifecycle. A rule that came without an id has an empty one."""

    permission: ClassVar[str] = "s3:PutLifecycleConfiguration"
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class PutBucketAcl(OfBucket):
    """PUT /bucket?acl."""

    permission: ClassVar[str] = "s3:PutBucketAcl"
    acl: AskedAcl


@dataclass(frozen=True, slots=True)
class GetObjectAcl(OfObject):
    """GET /bucket/key?acl."""

    permission: ClassVar[str] = "s3:GetObjectAcl"
    version: str | None = None


@dataclass(frozen=True, slots=True)
class PutObjectAcl(OfObject):
    """PUT /bucket/key?acl."""

    permission: ClassVar[str] = "s3:PutObjectAcl"
    acl: AskedAcl
    version: str | None = None


@dataclass(frozen=True, slots=True)
class PutBucketVersioning(OfBucket):
    """PUT /bucket?versioning. status: ``Enabled`` or ``Suspended``."""

    permission: ClassVar[str] = "s3:PutBucketVersioning"
    status: str


@dataclass(frozen=True, slots=True)
class ListObjectVersions(OfBucket):
    """GET /bucket?versions. max_keys is 0 to 1000; encoding_type is ``url`` or None.

    version_id_marker: None where none is named; there is one only with a key_marker (S3 API).
    """

    permission: ClassVar[str] = "s3:ListBucketVersions"
    prefix: bytes
    delimiter: bytes
    key_marker: bytes
    version_id_marker: str | None
    max_keys: int
    encoding_type: str | None


BucketOperation = (
    DeleteBucketCors | DeleteBucketEncryption | DeleteBucketLifecycle | DeleteBucketOwnershipControls
    | DeleteBucketReplication
    | DeleteBucketTagging | DeleteBucketWebsite | GetBucketAccelerateConfiguration | GetBucketAcl
    | GetBucketAnalyticsConfiguration | GetBucketCors | GetBucketEncryption
    | GetBucketIntelligentTieringConfiguration | GetBucketInventoryConfiguration
    | GetBucketLifecycleConfiguration | GetBucketLogging | GetBucketMetricsConfiguration
    | GetBucketNotificationConfiguration | GetBucketOwnershipControls | GetBucketReplication
    | GetBucketRequestPayment | GetBucketTagging | GetBucketVersioning | GetBucketWebsite | GetObjectAcl
    | GetObjectLegalHold | GetObjectLockConfiguration | GetObjectRetention | ListBucketAnalyticsConfigurations
    | ListBucketIntelligentTieringConfigurations | ListBucketInventoryConfigurations
    | ListBucketMetricsConfigurations | ListObjectVersions | PutBucketAccelerateConfiguration
    | PutBucketAcl | PutBucketCors | PutBucketLifecycleConfiguration | PutBucketLogging
    | PutBucketNotificationConfiguration | PutBucketOwnershipControls | PutBucketRequestPayment
    | PutBucketTagging | PutBucketVersioning | PutBucketWebsite | PutObjectAcl | PutObjectLegalHold
    | PutObjectLockConfiguration | PutObjectRetention
)
