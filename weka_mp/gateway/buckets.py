"""ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Final

from weka_mp.acl import ENFORCED, Acl, is_private
from weka_mp.errors import BucketExists, BucketMissing, NamespaceError, NotSupported
from weka_mp.gateway.acl_requests import bucket_acl
from weka_mp.gateway.context import Context, own_account
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.gateway.tokens import decode_token, encode_token
from weka_mp.namespace import Namespace
from weka_mp.namespace.versions.histories import ENABLED
from weka_mp.object_lock import NO_DEFAULT, encode
from weka_mp.s3 import operations as op
from weka_mp.s3 import xml_write
from weka_mp.s3.errors import S3Error
from weka_mp.values import BucketName

__all__ = ["create_bucket", "delete_bucket", "get_bucket_location", "head_bucket", "list_buckets"]

_CLASSIC_REGION: Final = "us-east-1"
_MAX_PAGE: Final = 10_000
_SECOND: Final = 1_000_000_000


def list_buckets(context: Context, operation: op.ListBuckets) -> Reply:
    """A page of the buckets of the account that asks, by name.

    Raises S3Error InvalidArgument for a token that is not ours.
    """
    after = decode_token(operation.continuation_token).decode() if operation.continuation_token else ""
    here = operation.bucket_region in (None, context.site.region)
    found = context.namespace.list_buckets() if here else []
    access = context.access
    names = [
        bucket for bucket in sorted(found, key=lambda bucket: bucket.name)
        if bucket.name > after and bucket.name.startswith(operation.prefix) and access.is_own(bucket.owner)
    ]
    page = names[: operation.max_buckets]
    token = encode_token(page[-1].name.encode()) if len(names) > len(page) else None
    # The region is told only to clients that page or select, as S3 does.
    selects = operation.bucket_region or operation.prefix or operation.continuation_token
    region = context.site.region if operation.max_buckets < _MAX_PAGE or selects else ""
    rows = [xml_write.BucketRow(bucket.name, bucket.created_ns // _SECOND, region) for bucket in page]
    document = xml_write.list_all_my_buckets_result(own_account(context), rows, operation.prefix, token)
    return xml_reply(document)


def create_bucket(context: Context, operation: op.CreateBucket) -> Reply:
    """200 with its location. Raises S3Error for a wrong region, BucketAlreadyOwnedByYou, or
    BucketAlreadyExists when another account, a file or a link has the name.

    In us-east-1 making a bucket that one owns succeeds again, as it always has (S3 API, CreateBucket).
    """
    _check_location(context.site.region, operation.location_constraint)
    ownership = operation.ownership or context.site.ownership
    acl = _first_acl(context, operation, ownership)
    location = (("Location", f"/{operation.bucket}"),)
    principal, there = context.principal, False
    try:
        _, changes = context.namespace.create_bucket(
            operation.bucket, uid=principal.uid, gid=principal.gid, owner=principal.owner
        )
        _set_first(context, operation, ownership, acl)
    except BucketExists as error:
        try:
            if not context.access.is_own(context.namespace.head_bucket(operation.bucket).owner):
                raise S3Error("BucketAlreadyExists", details={"BucketName": operation.bucket}) from error
            changes = context.namespace.settle_bucket(operation.bucket)
        except BucketMissing:
            raise S3Error("BucketAlreadyExists", details={"BucketName": operation.bucket}) from error
        if context.site.region != _CLASSIC_REGION or not _is_as_asked(context, operation, acl):
            raise
        there = True
    return Reply(200, location, changes=changes, nothing_new=there)


def _first_acl(context: Context, operation: op.CreateBucket, ownership: str) -> Acl:
    """Raises S3Error InvalidBucketAclWithObjectOwnership, and what `bucket_acl` raises."""
    acl = bucket_acl(context, operation.acl, own_account(context).id)
    if ownership == ENFORCED and not is_private(acl):
        raise S3Error("InvalidBucketAclWithObjectOwnership")
    return acl


def _set_first(context: Context, operation: op.CreateBucket, ownership: str, acl: Acl) -> None:
    """A bucket that cannot be made as it was asked for is not made. Raises NamespaceError."""
    namespace, bucket, tags = context.namespace, operation.bucket, operation.tags
    try:
        if tags:
            namespace.change_bucket_settings(bucket, lambda before: replace(before, tags=tags))
        if ownership != ENFORCED or operation.ownership is not None:
            _set_ownership(namespace, bucket, ownership, acl)
        if operation.object_lock:
            namespace.change_bucket_settings(
                bucket, lambda before: replace(before, versioning=ENABLED, object_lock=encode(NO_DEFAULT))
            )
    except NamespaceError:
        with suppress(NamespaceError):
            namespace.delete_bucket(bucket)
        raise


def _set_ownership(namespace: Namespace, bucket: BucketName, ownership: str, acl: Acl) -> None:
    """What a maker says is kept, also where it is what is so of every bucket. Raises NamespaceError."""
    try:
        namespace.change_bucket_access(bucket, lambda before: replace(before, ownership=ownership, acl=acl))
    except NotSupported:  # a file system without handles, where nothing else can be so
        if ownership != ENFORCED:
            raise


def _is_as_asked(context: Context, operation: op.CreateBucket, acl: Acl) -> bool:
    """Whether a bucket that is there has the ownership, the ACL, the tags and the Object Lock that its maker
    asks for once more.
    """
    there = context.namespace.bucket_access(operation.bucket)
    owned_so = operation.ownership in (None, there.ownership or ENFORCED)
    tagged_so = operation.tags in ((), context.namespace.bucket_settings(operation.bucket).tags)
    locked_so = not operation.object_lock or context.namespace.locking.of(operation.bucket) is not None
    return owned_so and tagged_so and locked_so and (operation.acl is None or acl == there.acl)


def _check_location(region: str, wanted: str | None) -> None:
    """A bucket is made in the region of its endpoint; us-east-1 has no name of its own as a constraint."""
    if wanted is None:
        if region != _CLASSIC_REGION:
            raise S3Error(
                "IllegalLocationConstraintException",
                "The unspecified location constraint is incompatible for the region specific endpoint this "
                "request was sent to.",
            )
        return
    if wanted == region and wanted != "":
        return
    if region == _CLASSIC_REGION:
        raise S3Error("InvalidLocationConstraint", details={"LocationConstraint": wanted})
    raise S3Error(
        "IllegalLocationConstraintException",
        f"The {wanted} location constraint is incompatible for the region specific endpoint this request was "
        "sent to.",
    )


def head_bucket(context: Context, operation: op.HeadBucket) -> Reply:
    """200 and the region. Raises BucketMissing."""
    context.namespace.head_bucket(operation.bucket)
    region = (("x-amz-bucket-region", context.site.region), ("x-amz-access-point-alias", "false"))
    return Reply(200, (*region, ("Content-Type", "application/xml")))


def delete_bucket(context: Context, operation: op.DeleteBucket) -> Reply:
    """204. Raises BucketMissing, BucketNotEmpty."""
    return Reply(204, changes=context.namespace.delete_bucket(operation.bucket))


def get_bucket_location(context: Context, operation: op.GetBucketLocation) -> Reply:
    """The region; an empty element for us-east-1. Raises BucketMissing."""
    context.namespace.head_bucket(operation.bucket)
    return xml_reply(xml_write.location_constraint(context.site.region))
