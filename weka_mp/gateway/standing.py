"""What is so of every bucket of this service and can be asked for all the same: who owns and who pays, that
nothing is replicated, logged, encrypted or accelerated.

Clients look at these before they work (Terraform at all of them), and what is true is answered. A parser let
through only what confirms it. Source: the S3 API reference, for buckets where none of it was ever set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from weka_mp.gateway.context import Context, owner
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.s3 import bucket_operations as op
from weka_mp.s3.errors import S3Error
from weka_mp.s3.xml_access import access_control_policy
from weka_mp.s3.xml_elements import document

__all__ = ["STANDING", "get_object_acl", "put_bucket_acl", "put_object_acl"]

_Answer = Callable[[Context, op.OfBucket], Reply]
_OWNER_PAYS: Final = "<Payer>BucketOwner</Payer>"
_OWNER_OWNS: Final = "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"
_ALL_OF_NONE: Final = "<IsTruncated>false</IsTruncated>"


def _says(root: str, content: str = "") -> _Answer:
    """200 with this document."""

    def answer(context: Context, operation: op.OfBucket) -> Reply:
        context.namespace.head_bucket(operation.bucket)
        return xml_reply(document(root, [content]))

    return answer


def _lacks(code: str) -> _Answer:
    """The error of a bucket that was never given one."""

    def answer(context: Context, operation: op.OfBucket) -> Reply:
        context.namespace.head_bucket(operation.bucket)
        raise S3Error(code, details={"BucketName": operation.bucket})

    return answer


def _stays(status: int) -> _Answer:
    """Nothing to be done: it is so."""

    def answer(context: Context, operation: op.OfBucket) -> Reply:
        context.namespace.head_bucket(operation.bucket)
        return Reply(status)

    return answer


def _get_bucket_acl(context: Context, operation: op.OfBucket) -> Reply:
    context.namespace.head_bucket(operation.bucket)
    return xml_reply(access_control_policy(owner(context, operation.bucket)))


def put_bucket_acl(context: Context, operation: op.PutBucketAcl) -> Reply:
    """200 where the list says that all is the owner's. Raises S3Error AccessControlListNotSupported,
    NamespaceError.
    """
    context.namespace.head_bucket(operation.bucket)
    _require_owners(context, operation)
    return Reply(200)


def get_object_acl(context: Context, operation: op.GetObjectAcl) -> Reply:
    """Objects belong to the bucket's owner. Raises NamespaceError."""
    context.namespace.head_object(operation.bucket, operation.key, operation.version)
    return xml_reply(access_control_policy(owner(context, operation.bucket)))


def put_object_acl(context: Context, operation: op.PutObjectAcl) -> Reply:
    """200 where the list says so. Raises S3Error AccessControlListNotSupported, NamespaceError."""
    context.namespace.head_object(operation.bucket, operation.key, operation.version)
    _require_owners(context, operation)
    return Reply(200)


def _require_owners(context: Context, operation: op.PutBucketAcl | op.PutObjectAcl) -> None:
    all_of_it = (op.AclGrant(owner(context, operation.bucket).id, "FULL_CONTROL"),)
    if operation.grants is not None and operation.grants != all_of_it:
        raise S3Error("AccessControlListNotSupported")


STANDING: Final[dict[type[Any], _Answer]] = {
    op.GetBucketAccelerateConfiguration: _says("AccelerateConfiguration"),
    op.GetBucketAcl: _get_bucket_acl,
    op.GetBucketLogging: _says("BucketLoggingStatus"),
    op.GetBucketOwnershipControls: _says("OwnershipControls", _OWNER_OWNS),
    op.GetBucketRequestPayment: _says("RequestPaymentConfiguration", _OWNER_PAYS),
    op.ListBucketAnalyticsConfigurations: _says("ListBucketAnalyticsConfigurationResult", _ALL_OF_NONE),
    op.ListBucketIntelligentTieringConfigurations: _says(
        "ListBucketIntelligentTieringConfigurationsOutput", _ALL_OF_NONE
    ),
    op.ListBucketInventoryConfigurations: _says("ListInventoryConfigurationsResult", _ALL_OF_NONE),
    op.ListBucketMetricsConfigurations: _says("ListMetricsConfigurationsResult", _ALL_OF_NONE),
    op.GetBucketEncryption: _lacks("ServerSideEncryptionConfigurationNotFoundError"),
    op.GetBucketReplication: _lacks("ReplicationConfigurationNotFoundError"),
    op.GetObjectLockConfiguration: _lacks("ObjectLockConfigurationNotFoundError"),
    op.GetBucketAnalyticsConfiguration: _lacks("NoSuchConfiguration"),
    op.GetBucketIntelligentTieringConfiguration: _lacks("NoSuchConfiguration"),
    op.GetBucketInventoryConfiguration: _lacks("NoSuchConfiguration"),
    op.GetBucketMetricsConfiguration: _lacks("NoSuchConfiguration"),
    op.DeleteBucketEncryption: _stays(204),
    op.DeleteBucketReplication: _stays(204),
    op.PutBucketAccelerateConfiguration: _stays(200),
    op.PutBucketLogging: _stays(200),
    op.PutBucketOwnershipControls: _stays(200),
    op.PutBucketRequestPayment: _stays(200),
}
"""Operation → its answer. Each raises NamespaceError where there is no such bucket."""
