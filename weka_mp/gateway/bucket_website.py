"""PutBucketWebsite and its fellows: what a bucket is as a website."""

from __future__ import annotations

from dataclasses import replace

from weka_mp.gateway.context import Context
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.namespace import Namespace
from weka_mp.s3 import bucket_operations as op
from weka_mp.s3.errors import S3Error
from weka_mp.s3.website import Website, dump_website, load_website
from weka_mp.s3.website_xml import website_configuration
from weka_mp.values import BucketName

__all__ = ["delete_bucket_website", "get_bucket_website", "put_bucket_website", "website_of"]

_NO_ENDPOINT = (
    "This service has no website endpoint: whoever runs it has to name its domain (--website-domain)."
)


def get_bucket_website(context: Context, operation: op.GetBucketWebsite) -> Reply:
    """Raises S3Error NoSuchWebsiteConfiguration; NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    return xml_reply(website_configuration(website_of(context.namespace, operation.bucket)))


def put_bucket_website(context: Context, operation: op.PutBucketWebsite) -> Reply:
    """200. Raises S3Error NotImplemented where nobody could visit it; NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    if not context.site.has_websites:
        raise S3Error("NotImplemented", _NO_ENDPOINT)
    _set(context, operation.bucket, dump_website(operation.website))
    return Reply(200)


def delete_bucket_website(context: Context, operation: op.DeleteBucketWebsite) -> Reply:
    """204, whether it was one or not. Raises NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    if context.namespace.bucket_settings(operation.bucket).website is None:
        return Reply(204, nothing_new=True)
    _set(context, operation.bucket, None)
    return Reply(204)


def _set(context: Context, bucket: BucketName, website: str | None) -> None:
    context.namespace.change_bucket_settings(bucket, lambda before: replace(before, website=website))


def website_of(namespace: Namespace, bucket: BucketName) -> Website:
    """Raises S3Error NoSuchWebsiteConfiguration; NamespaceError."""
    text = namespace.bucket_settings(bucket).website
    if text is None:
        raise S3Error("NoSuchWebsiteConfiguration", details={"BucketName": bucket})
    return load_website(text)
