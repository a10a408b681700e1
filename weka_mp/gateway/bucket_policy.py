"""The policy of a bucket and its public access block, as S3 shows and changes them."""

from __future__ import annotations

import logging
from dataclasses import replace

from weka_mp.acl import is_public
from weka_mp.errors import BucketMissing
from weka_mp.gateway.bucket_grants import (
    PolicyBlocked,
    grants_of,
    new_grants,
    remove_policy,
    replace_policy,
)
from weka_mp.gateway.context import Context
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.identity.errors import IdentityError
from weka_mp.namespace import BucketAccess, PublicAccessBlock
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.s3 import operations as op
from weka_mp.s3 import xml_access
from weka_mp.s3.errors import S3Error
from weka_mp.values import BucketName

__all__ = [
    "delete_bucket_policy", "delete_public_access_block", "get_bucket_policy", "get_bucket_policy_status",
    "get_public_access_block", "put_bucket_policy", "put_public_access_block",
]  # fmt: skip

_log = logging.getLogger(__name__)
_LOCKED_OUT = (
    "The policy takes from you the right to change it: confirm that with "
    "x-amz-confirm-remove-self-bucket-access, or leave it to you."
)


def _at_home(context: Context, bucket: BucketName, method: str) -> None:
    """Others than the owner's account have no business with the policy, whatever it grants them.

    Raises S3Error MethodNotAllowed (S3 API, PutBucketPolicy), BucketMissing.
    """
    context.namespace.head_bucket(bucket)
    if context.access.owner_of(bucket).id != context.principal.account:
        raise S3Error("MethodNotAllowed", details={"Method": method, "ResourceType": "BUCKETPOLICY"})


def get_bucket_policy(context: Context, operation: op.GetBucketPolicy) -> Reply:
    """Its text as it was put. Raises S3Error NoSuchBucketPolicy, MethodNotAllowed; NamespaceError."""
    _at_home(context, operation.bucket, "GET")
    policy = grants_of(context.namespace, operation.bucket).policy
    if policy is None:
        raise S3Error("NoSuchBucketPolicy", details={"BucketName": operation.bucket})
    return Reply(200, (("Content-Type", "application/json"),), policy.text.encode("utf-8"))


def put_bucket_policy(context: Context, operation: op.PutBucketPolicy) -> Reply:
    """204. Raises S3Error MalformedPolicy, MethodNotAllowed, AccessDenied (it is public and such are blocked,
    or it would lock its sender out); NamespaceError.
    """
    bucket, site = operation.bucket, context.site
    _at_home(context, bucket, "PUT")
    try:
        grants, named = new_grants(operation.text, bucket, site.identities, site.account)
    except MalformedPolicy as error:
        raise S3Error("MalformedPolicy", str(error)) from error
    except IdentityError as error:
        _log.error("no policy is taken, since users cannot be read: %s", error)
        raise S3Error("ServiceUnavailable", "Users cannot be read now. Please try again.") from error
    if not operation.gives_up_own and not context.access.allows_under(grants, operation.permission, bucket):
        raise S3Error("AccessDenied", _LOCKED_OUT)
    try:
        replace_policy(context.namespace, bucket, grants, named)
    except PolicyBlocked as error:
        message = "Access Denied: the bucket blocks public policies (BlockPublicPolicy)."
        raise S3Error("AccessDenied", message) from error
    return Reply(204)


def delete_bucket_policy(context: Context, operation: op.DeleteBucketPolicy) -> Reply:
    """204, whether there was one or not. Raises S3Error MethodNotAllowed; NamespaceError."""
    _at_home(context, operation.bucket, "DELETE")
    remove_policy(context.namespace, operation.bucket)
    return Reply(204)


def get_bucket_policy_status(context: Context, operation: op.GetBucketPolicyStatus) -> Reply:
    """Whether the bucket is public, by its policy or by an ACL that counts; without either it is not
    (docs/decisions/013). Raises NamespaceError.
    """
    context.namespace.head_bucket(operation.bucket)
    grants = grants_of(context.namespace, operation.bucket)
    by_acl = grants.has_acls and is_public(grants.acl) and not grants.block.ignore_public_acls
    return xml_reply(xml_access.policy_status(grants.public or by_acl))


def get_public_access_block(context: Context, operation: op.GetPublicAccessBlock) -> Reply:
    """The four settings. Raises S3Error NoSuchPublicAccessBlockConfiguration; NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    block = context.namespace.bucket_access(operation.bucket).block
    if block is None:
        raise S3Error("NoSuchPublicAccessBlockConfiguration", details={"BucketName": operation.bucket})
    return xml_reply(xml_access.public_access_block(
        block.block_public_acls, block.ignore_public_acls, block.block_public_policy,
        block.restrict_public_buckets,
    ))


def put_public_access_block(context: Context, operation: op.PutPublicAccessBlock) -> Reply:
    """200. A public policy that is there stays. Raises NamespaceError."""
    block = PublicAccessBlock(
        operation.block_public_acls, operation.ignore_public_acls, operation.block_public_policy,
        operation.restrict_public_buckets,
    )
    _set_block(context, operation.bucket, block)
    return Reply(200)


def delete_public_access_block(context: Context, operation: op.DeletePublicAccessBlock) -> Reply:
    """204, whether there was one or not. Raises NamespaceError."""
    _set_block(context, operation.bucket, None)
    return Reply(204)


def _set_block(context: Context, bucket: BucketName, block: PublicAccessBlock | None) -> None:
    def step(before: BucketAccess) -> BucketAccess:
        if before.unlinked:
            raise BucketMissing(subject=bucket)
        return replace(before, block=block)

    context.namespace.change_bucket_access(bucket, step)
