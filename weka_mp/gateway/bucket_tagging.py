"""GetBucketTagging, PutBucketTagging, DeleteBucketTagging."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.s3.errors import S3Error
from weka_mp.s3.xml_tagging import tagging

if TYPE_CHECKING:
    from weka_mp.gateway.context import Context
    from weka_mp.s3 import bucket_operations as op
    from weka_mp.s3.tags import Tags
    from weka_mp.values import BucketName

__all__ = ["delete_bucket_tagging", "get_bucket_tagging", "put_bucket_tagging"]


def get_bucket_tagging(context: Context, operation: op.GetBucketTagging) -> Reply:
    """All tags. Raises S3Error NoSuchTagSet; NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    tags = context.namespace.bucket_settings(operation.bucket).tags
    if not tags:
        raise S3Error("NoSuchTagSet", details={"BucketName": operation.bucket})
    return xml_reply(tagging(tags))


def put_bucket_tagging(context: Context, operation: op.PutBucketTagging) -> Reply:
    """204. Raises NamespaceError."""
    _set_tags(context, operation.bucket, operation.tags)
    return Reply(204)


def delete_bucket_tagging(context: Context, operation: op.DeleteBucketTagging) -> Reply:
    """204, whether there were any or not. Raises NamespaceError."""
    _set_tags(context, operation.bucket, ())
    return Reply(204)


def _set_tags(context: Context, bucket: BucketName, tags: Tags) -> None:
    context.namespace.head_bucket(bucket)
    context.namespace.change_bucket_settings(bucket, lambda before: replace(before, tags=tags))
