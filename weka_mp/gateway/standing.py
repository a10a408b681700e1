"""What is so of every bucket of this service and can be asked for all the same: who pays, that nothing is
replicated, encrypted or accelerated.

Clients look at these before they work (Terraform at all of them), and what is true is answered. A parser let
through only what confirms it. Source: the S3 API reference, for buckets where none of it was ever set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from weka_mp.gateway.context import Context
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.s3 import bucket_operations as op
from weka_mp.s3.errors import S3Error
from weka_mp.s3.xml_elements import document

__all__ = ["STANDING"]

_Answer = Callable[[Context, op.OfBucket], Reply]
_OWNER_PAYS: Final = "<Payer>BucketOwner</Payer>"
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


STANDING: Final[dict[type[Any], _Answer]] = {
    op.GetBucketAccelerateConfiguration: _says("AccelerateConfiguration"),
    op.GetBucketRequestPayment: _says("RequestPaymentConfiguration", _OWNER_PAYS),
    op.ListBucketAnalyticsConfigurations: _says("ListBucketAnalyticsConfigurationResult", _ALL_OF_NONE),
    op.ListBucketIntelligentTieringConfigurations: _says(
        "ListBucketIntelligentTieringConfigurationsOutput", _ALL_OF_NONE
    ),
    op.ListBucketInventoryConfigurations: _says("ListInventoryConfigurationsResult", _ALL_OF_NONE),
    op.ListBucketMetricsConfigurations: _says("ListMetricsConfigurationsResult", _ALL_OF_NONE),
    op.GetBucketEncryption: _lacks("ServerSideEncryptionConfigurationNotFoundError"),
    op.GetBucketReplication: _lacks("ReplicationConfigurationNotFoundError"),
    op.GetBucketAnalyticsConfiguration: _lacks("NoSuchConfiguration"),
    op.GetBucketIntelligentTieringConfiguration: _lacks("NoSuchConfiguration"),
    op.GetBucketInventoryConfiguration: _lacks("NoSuchConfiguration"),
    op.GetBucketMetricsConfiguration: _lacks("NoSuchConfiguration"),
    op.DeleteBucketEncryption: _stays(204),
    op.DeleteBucketReplication: _stays(204),
    op.PutBucketAccelerateConfiguration: _stays(200),
    op.PutBucketRequestPayment: _stays(200),
}
"""Operation → its answer. Each raises NamespaceError where there is no such bucket."""
