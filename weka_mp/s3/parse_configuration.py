"""Requests about what a bucket is into values. Source: the S3 API reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from weka_mp.s3 import bucket_operations as op
from weka_mp.s3 import configuration_bodies as bodies
from weka_mp.s3 import object_lock
from weka_mp.s3.headers_in import CONDITIONS, refuse_conditions
from weka_mp.s3.lifecycle_xml import lifecycle_rules
from weka_mp.s3.logging_xml import logging_status
from weka_mp.s3.notification_xml import notification_rules
from weka_mp.s3.operations import Operation
from weka_mp.s3.parameters import (
    bucket_of,
    encoding_type,
    invalid,
    key_of,
    page_size,
    text_bytes,
    version_id,
)
from weka_mp.s3.request import Address, S3Request
from weka_mp.s3.tags import bucket_tags
from weka_mp.s3.website_xml import parse_website

__all__ = ["CONFIGURATION_PARSERS"]

_MAX_KEYS: Final = 1000
_Parser = Callable[[S3Request, Address, bytes | None], Operation]


def _asking(kind: type[op.OfBucket]) -> _Parser:
    """The parser of an operation that says nothing but which bucket is meant."""

    def parse(request: S3Request, address: Address, body: bytes | None) -> Operation:
        return cast(Operation, kind(bucket_of(address)))

    return parse


def _changing(kind: type[op.OfBucket], require: Callable[[bytes | None], None] | None = None) -> _Parser:
    """The same where the document may only say what is so anyway."""

    def parse(request: S3Request, address: Address, body: bytes | None) -> Operation:
        refuse_conditions(request.headers, *CONDITIONS)
        if require is not None:
            require(body)
        return cast(Operation, kind(bucket_of(address)))

    return parse


def _put_cors(request: S3Request, address: Address, body: bytes | None) -> op.PutBucketCors:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.PutBucketCors(bucket_of(address), bodies.cors_rules(body))


def _put_bucket_logging(request: S3Request, address: Address, body: bytes | None) -> op.PutBucketLogging:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.PutBucketLogging(bucket_of(address), *logging_status(body))


def _put_bucket_website(request: S3Request, address: Address, body: bytes | None) -> op.PutBucketWebsite:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.PutBucketWebsite(bucket_of(address), parse_website(body))


def _put_bucket_versioning(
    request: S3Request, address: Address, body: bytes | None
) -> op.PutBucketVersioning:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.PutBucketVersioning(bucket_of(address), bodies.versioning_status(body))


def _put_bucket_tagging(request: S3Request, address: Address, body: bytes | None) -> op.PutBucketTagging:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.PutBucketTagging(bucket_of(address), bucket_tags(body))


def _put_bucket_lifecycle(
    request: S3Request, address: Address, body: bytes | None
) -> op.PutBucketLifecycleConfiguration:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.PutBucketLifecycleConfiguration(bucket_of(address), lifecycle_rules(body))


def _put_bucket_notification(
    request: S3Request, address: Address, body: bytes | None
) -> op.PutBucketNotificationConfiguration:
    refuse_conditions(request.headers, *CONDITIONS)
    silent = (request.headers.get("x-amz-skip-destination-validation") or "").lower() == "true"
    return op.PutBucketNotificationConfiguration(bucket_of(address), notification_rules(body), silent)


def _put_ownership(
    request: S3Request, address: Address, body: bytes | None
) -> op.PutBucketOwnershipControls:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.PutBucketOwnershipControls(bucket_of(address), bodies.ownership(body))


def _put_bucket_acl(request: S3Request, address: Address, body: bytes | None) -> op.PutBucketAcl:
    refuse_conditions(request.headers, *CONDITIONS)
    asked = bodies.asked_acl("PutBucketAcl", request.headers, body, of_bucket=True)
    return op.PutBucketAcl(bucket_of(address), asked)


def _get_object_acl(request: S3Request, address: Address, body: bytes | None) -> op.GetObjectAcl:
    return op.GetObjectAcl(bucket_of(address), key_of(address), version_id(request.query_value("versionId")))


def _put_object_acl(request: S3Request, address: Address, body: bytes | None) -> op.PutObjectAcl:
    version = version_id(request.query_value("versionId"))
    refuse_conditions(request.headers, *CONDITIONS)
    asked = bodies.asked_acl("PutObjectAcl", request.headers, body, of_bucket=False)
    return op.PutObjectAcl(bucket_of(address), key_of(address), asked, version)


def _list_object_versions(request: S3Request, address: Address, body: bytes | None) -> op.ListObjectVersions:
    version, marker = request.query_value("version-id-marker") or None, text_bytes(request, "key-marker")
    if version is not None and not marker:
        message = "A version-id marker cannot be specified without a key marker."
        raise invalid(message, "version-id-marker", version)
    return op.ListObjectVersions(
        bucket_of(address), text_bytes(request, "prefix"), text_bytes(request, "delimiter"), marker,
        version_id(version, "version-id-marker"), page_size(request, "max-keys", 0, _MAX_KEYS),
        encoding_type(request),
    )


def _put_object_lock(
    request: S3Request, address: Address, body: bytes | None
) -> op.PutObjectLockConfiguration:
    refuse_conditions(request.headers, *CONDITIONS)
    object_lock.require_digest(request.headers)
    return op.PutObjectLockConfiguration(bucket_of(address), object_lock.lock_configuration(body))


def _get_object_retention(
    request: S3Request, address: Address, body: bytes | None
) -> op.GetObjectRetention:
    version = version_id(request.query_value("versionId"))
    return op.GetObjectRetention(bucket_of(address), key_of(address), version)


def _put_object_retention(
    request: S3Request, address: Address, body: bytes | None
) -> op.PutObjectRetention:
    version, headers = version_id(request.query_value("versionId")), request.headers
    refuse_conditions(headers, *CONDITIONS)
    object_lock.require_digest(headers)
    return op.PutObjectRetention(
        bucket_of(address), key_of(address), object_lock.retention(body), object_lock.bypasses(headers),
        version,
    )


def _get_object_legal_hold(
    request: S3Request, address: Address, body: bytes | None
) -> op.GetObjectLegalHold:
    version = version_id(request.query_value("versionId"))
    return op.GetObjectLegalHold(bucket_of(address), key_of(address), version)


def _put_object_legal_hold(
    request: S3Request, address: Address, body: bytes | None
) -> op.PutObjectLegalHold:
    version = version_id(request.query_value("versionId"))
    refuse_conditions(request.headers, *CONDITIONS)
    object_lock.require_digest(request.headers)
    return op.PutObjectLegalHold(bucket_of(address), key_of(address), object_lock.legal_hold(body), version)


_ASKING: Final[tuple[type[op.OfBucket], ...]] = (
    op.GetBucketLifecycleConfiguration,
    op.GetBucketAccelerateConfiguration, op.GetBucketAcl, op.GetBucketAnalyticsConfiguration,
    op.GetBucketCors, op.GetBucketEncryption, op.GetBucketIntelligentTieringConfiguration,
    op.GetBucketInventoryConfiguration, op.GetBucketLogging, op.GetBucketMetricsConfiguration,
    op.GetBucketNotificationConfiguration, op.GetBucketOwnershipControls, op.GetBucketReplication,
    op.GetBucketRequestPayment, op.GetBucketTagging, op.GetBucketVersioning, op.GetBucketWebsite,
    op.GetObjectLockConfiguration,
    op.ListBucketAnalyticsConfigurations, op.ListBucketIntelligentTieringConfigurations,
    op.ListBucketInventoryConfigurations, op.ListBucketMetricsConfigurations,
)  # fmt: skip
_REMOVING: Final[tuple[type[op.OfBucket], ...]] = (
    op.DeleteBucketLifecycle, op.DeleteBucketOwnershipControls,
    op.DeleteBucketCors, op.DeleteBucketEncryption, op.DeleteBucketReplication, op.DeleteBucketTagging,
    op.DeleteBucketWebsite,
)  # fmt: skip

CONFIGURATION_PARSERS: Final[dict[str, _Parser]] = {
    **{kind.__name__: _asking(kind) for kind in _ASKING},
    **{kind.__name__: _changing(kind) for kind in _REMOVING},
    "PutBucketAccelerateConfiguration": _changing(
        op.PutBucketAccelerateConfiguration, bodies.require_no_acceleration
    ),
    "PutBucketLogging": _put_bucket_logging,
    "PutBucketNotificationConfiguration": _put_bucket_notification,
    "PutBucketOwnershipControls": _put_ownership,
    "PutBucketRequestPayment": _changing(op.PutBucketRequestPayment, bodies.require_owner_pays),
    "PutBucketCors": _put_cors,
    "PutBucketTagging": _put_bucket_tagging,
    "PutBucketWebsite": _put_bucket_website,
    "PutBucketVersioning": _put_bucket_versioning,
    "PutBucketLifecycleConfiguration": _put_bucket_lifecycle,
    "PutBucketAcl": _put_bucket_acl,
    "GetObjectAcl": _get_object_acl,
    "PutObjectAcl": _put_object_acl,
    "PutObjectLockConfiguration": _put_object_lock,
    "GetObjectRetention": _get_object_retention,
    "PutObjectRetention": _put_object_retention,
    "GetObjectLegalHold": _get_object_legal_hold,
    "PutObjectLegalHold": _put_object_legal_hold,
    "ListObjectVersions": _list_object_versions,
}
