"""GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl and the ownership controls of buckets."""

from __future__ import annotations

from dataclasses import replace

from weka_mp.acl import ENFORCED, GROUPS, NOT_SET, OWNED_PRIVATELY, OWNER, Acl, is_private
from weka_mp.errors import BucketMissing, NotSupported
from weka_mp.gateway.acl_requests import AMAZON_EC2, bucket_acl, is_kept, refuse_public, replaced_acl
from weka_mp.gateway.context import Context, owner
from weka_mp.gateway.object_versions import settled_version
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.gateway.requirements import actions_of
from weka_mp.namespace import NO_BLOCK, BucketAccess
from weka_mp.namespace.happenings import Happening
from weka_mp.s3 import bucket_operations as op
from weka_mp.s3.errors import S3Error
from weka_mp.s3.xml_access import GrantRow, access_control_policy, ownership_controls
from weka_mp.s3.xml_elements import Owner
from weka_mp.values import BucketName

__all__ = [
    "account_shown", "delete_ownership_controls", "get_bucket_acl", "get_object_acl",
    "get_ownership_controls", "put_bucket_acl", "put_object_acl", "put_ownership_controls", "with_ownership",
]  # fmt: skip

_PUT = "ObjectAcl:Put"
_NOT_SUPPORTED = "AccessControlListNotSupported"
_WITH_ACL = "InvalidBucketAclWithObjectOwnership"


# ---- buckets
def get_bucket_acl(context: Context, operation: op.GetBucketAcl) -> Reply:
    """Where ACLs count for nothing: all is the owner's. Raises NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    grants = context.access.grants(operation.bucket)
    shown = grants.acl if grants.has_acls else OWNED_PRIVATELY
    return _document(context, owner(context, operation.bucket), shown)


def put_bucket_acl(context: Context, operation: op.PutBucketAcl) -> Reply:
    """200. Raises S3Error AccessControlListNotSupported, AccessDenied (BlockPublicAcls), InvalidArgument,
    UnresolvableGrantByEmailAddress; NamespaceError.
    """
    bucket = operation.bucket
    context.namespace.head_bucket(bucket)
    if not context.access.grants(bucket).has_acls:
        if not is_kept(operation.acl, owner(context, bucket).id):
            raise S3Error(_NOT_SUPPORTED)
        return Reply(200, nothing_new=True)
    acl = bucket_acl(context, operation.acl, owner(context, bucket).id)

    def step(before: BucketAccess) -> BucketAccess:
        if before.unlinked:
            raise BucketMissing(subject=bucket)
        refuse_public(before.block or NO_BLOCK, acl)
        if before.ownership in (None, ENFORCED):  # meanwhile
            raise S3Error(_NOT_SUPPORTED)
        return replace(before, acl=acl)

    context.namespace.change_bucket_access(bucket, step)
    return Reply(200)


# ---- objects
def get_object_acl(context: Context, operation: op.GetObjectAcl) -> Reply:
    """Raises NamespaceError."""
    bucket = operation.bucket
    info = context.namespace.head_object(bucket, operation.key, operation.version)
    if not context.access.grants(bucket).has_acls:
        return _document(context, owner(context, bucket), OWNED_PRIVATELY)
    needed = _needed(context, operation.permission)
    context.access.found(needed, bucket, operation.key, info, operation.version)
    acl = context.namespace.acls.counting(bucket, info.acl)
    whose = owner(context, bucket) if acl.owner is None else account_shown(context, acl.owner)
    return _document(context, whose, acl)


def put_object_acl(context: Context, operation: op.PutObjectAcl) -> Reply:
    """200; whose the object is does not change. Nobody is notified of an ACL that it had already (S3 user
    guide, "Supported event types"). Raises as `put_bucket_acl`.
    """
    bucket, access = operation.bucket, context.access
    if not access.grants(bucket).has_acls:
        context.namespace.head_object(bucket, operation.key, operation.version)
        if not is_kept(operation.acl, owner(context, bucket).id):
            raise S3Error(_NOT_SUPPORTED)
        return Reply(200)
    needed, changed = _needed(context, operation.permission), False
    version = settled_version(context, bucket, operation.key, operation.version)

    def step(before: Acl) -> Acl:
        nonlocal changed
        # It may have become somebody else's since the request was let in.
        access.found_acl(needed, bucket, operation.key, before, operation.version)
        after = replaced_acl(context, bucket, operation.acl, before)
        changed = after != before
        return after

    done = context.namespace.acls.change(bucket, operation.key, step, version)
    happening = Happening(_PUT, bucket, operation.key, done.sequence, version=version)
    return Reply(200, changes=done.changes, happenings=(happening,) if changed else ())


def _needed(context: Context, permission: str) -> tuple[str, ...]:
    """The actions that the request was let in for."""
    access = context.access
    if access.sender is None:
        return (permission,)
    return actions_of(access.operation, access.sender.request)


# ---- whose the objects of a bucket are
def get_ownership_controls(context: Context, operation: op.GetBucketOwnershipControls) -> Reply:
    """Raises S3Error OwnershipControlsNotFoundError (they were deleted), NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    ownership = context.access.grants(operation.bucket).ownership
    if ownership == NOT_SET:
        raise S3Error("OwnershipControlsNotFoundError", details={"BucketName": operation.bucket})
    return xml_reply(ownership_controls(ownership))


def put_ownership_controls(context: Context, operation: op.PutBucketOwnershipControls) -> Reply:
    """200. Raises S3Error InvalidBucketAclWithObjectOwnership (the bucket's ACL grants something to others),
    NamespaceError.
    """
    _set_ownership(context, operation.bucket, operation.ownership)
    return Reply(200)


def delete_ownership_controls(context: Context, operation: op.DeleteBucketOwnershipControls) -> Reply:
    """204: objects are their writers' from now on, and ACLs count. Raises NamespaceError."""
    _set_ownership(context, operation.bucket, NOT_SET)
    return Reply(204)


def _set_ownership(context: Context, bucket: BucketName, ownership: str) -> None:
    context.namespace.head_bucket(bucket)
    try:
        context.namespace.change_bucket_access(
            bucket, lambda before: with_ownership(before, bucket, ownership)
        )
    except NotSupported:  # a file system without handles, where nothing else can be so
        if ownership != ENFORCED:
            raise


def with_ownership(before: BucketAccess, bucket: BucketName, ownership: str) -> BucketAccess:
    """Raises BucketMissing, S3Error as `put_ownership_controls`."""
    if before.unlinked:
        raise BucketMissing(subject=bucket)
    if ownership == ENFORCED and not is_private(before.acl):
        raise S3Error(_WITH_ACL)
    return replace(before, ownership=ownership)


# ---- documents
def account_shown(context: Context, account: str) -> Owner:
    """An account by its canonical user id, with its name where there is one."""
    known = context.access.accounts().values()
    return next((shown for shown in known if shown.id == account), Owner(account))


def _document(context: Context, whose: Owner, acl: Acl) -> Reply:
    def grantee(name: str) -> Owner | str:
        if name == OWNER:
            return whose
        is_account = len(name) == len(AMAZON_EC2) and "/" not in name
        return account_shown(context, name) if is_account else name

    # A canned ACL and the same one spelt out are shown alike, groups before accounts.
    ordered = sorted(acl.grants, key=lambda grant: grant.grantee not in GROUPS)
    rows = [GrantRow(grantee(grant.grantee), grant.right) for grant in ordered]
    return xml_reply(access_control_policy(whose, rows))
