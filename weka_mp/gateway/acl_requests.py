"""What an ACL that a client asks for means here: canned names and grantees, resolved when it is put.

Whom an e-mail address or an id means is looked up once; the account is kept, so that an address that another
account gets later grants it nothing. Source: S3 user guide, «Canned ACL», «Specifying a grantee».
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weka_mp.acl import (
    ALL_USERS,
    AUTHENTICATED_USERS,
    FULL_CONTROL,
    GROUPS,
    LOG_DELIVERY,
    OWNED_PRIVATELY,
    OWNER,
    PREFERRED,
    Acl,
    Grant,
    is_public,
)
from weka_mp.gateway.context import Context
from weka_mp.identity.errors import IdentityError
from weka_mp.namespace import PublicAccessBlock
from weka_mp.s3.acl_requests import BUCKET_OWNER_FULL_CONTROL, AskedAcl, AskedGrant, GranteeKind
from weka_mp.s3.errors import S3Error
from weka_mp.values import BucketName

__all__ = ["AMAZON_EC2", "bucket_acl", "is_kept", "object_acl_of_upload", "refuse_public", "replaced_acl"]

AMAZON_EC2: Final = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c"
"""Whom ``aws-exec-read`` lets read; no account here has this id."""

_PRIVATE: Final = "private"
_OWN: Final = Grant(OWNER, FULL_CONTROL)
_CANNED: Final[Mapping[str, tuple[Grant, ...]]] = {
    _PRIVATE: (_OWN,),
    "public-read": (Grant(ALL_USERS, "READ"), _OWN),
    "public-read-write": (Grant(ALL_USERS, "READ"), Grant(ALL_USERS, "WRITE"), _OWN),
    "authenticated-read": (Grant(AUTHENTICATED_USERS, "READ"), _OWN),
    "aws-exec-read": (Grant(AMAZON_EC2, "READ"), _OWN),
    "log-delivery-write": (Grant(LOG_DELIVERY, "WRITE"), Grant(LOG_DELIVERY, "READ_ACP"), _OWN),
}
_OF_BUCKETS_OWNER: Final = {"bucket-owner-read": "READ", BUCKET_OWNER_FULL_CONTROL: FULL_CONTROL}


def is_kept(asked: AskedAcl, owner: str) -> bool:
    """Whether it says what is so where ACLs count for nothing: all is the bucket's owner's. ``private`` is
    refused as S3 refuses it where an ACL is put: whoever does would think that it is theirs alone.

    owner: its canonical user id.
    """
    if asked.canned is not None:
        return asked.canned == BUCKET_OWNER_FULL_CONTROL
    return asked.owner in (None, owner) and asked.grants == (
        AskedGrant(GranteeKind.ID, owner, FULL_CONTROL),
    )


def object_acl_of_upload(context: Context, bucket: BucketName, asked: AskedAcl | None) -> Acl | None:
    """What an object gets that is written into the bucket now; None: it is the bucket's owner's alone.

    Who writes owns it, unless all in the bucket is its owner's, nobody signed, or the writer leaves it to a
    bucket that prefers that. Raises S3Error AccessControlListNotSupported, AccessDenied (BlockPublicAcls),
    InvalidArgument, UnresolvableGrantByEmailAddress, ServiceUnavailable; NamespaceError.
    """
    access = context.access
    grants = access.grants(bucket)
    if not grants.has_acls:
        if asked is not None and not _asks_for_nothing(context, bucket, asked):
            raise S3Error("AccessControlListNotSupported")
        return None
    holder, writer = access.owner_of(bucket).id, context.principal.account
    left = grants.ownership == PREFERRED and asked is not None and asked.canned == BUCKET_OWNER_FULL_CONTROL
    owner = None if left or writer in (None, holder) else writer
    acl = Acl(owner, _granted(context, asked, owner or holder, holder))
    refuse_public(grants.block, acl)
    return None if acl == OWNED_PRIVATELY else acl


def _asks_for_nothing(context: Context, bucket: BucketName, asked: AskedAcl) -> bool:
    """Of an upload where ACLs count for nothing. Programs such as rclone say ``private`` with every one:
    where somebody has set that there are no ACLs that is refused, as S3 does; else it is what is so.
    """
    if asked.canned == _PRIVATE:
        return context.namespace.bucket_access(bucket).ownership is None
    return is_kept(asked, context.access.owner_of(bucket).id)


def replaced_acl(context: Context, bucket: BucketName, asked: AskedAcl, before: Acl) -> Acl:
    """What an object's ACL becomes by PutObjectAcl; its owner stays. Raises as `object_acl_of_upload`."""
    holder = context.access.owner_of(bucket).id
    owner = before.owner or holder
    _check_owner(asked, owner)
    acl = Acl(before.owner, _granted(context, asked, owner, holder))
    refuse_public(context.access.grants(bucket).block, acl)
    return acl


def bucket_acl(context: Context, asked: AskedAcl | None, owner: str) -> Acl:
    """A bucket's, as asked for. owner: the canonical user id of its owner. What a canned ACL says of the
    bucket's owner says nothing of a bucket (S3 user guide). Raises as `object_acl_of_upload`.
    """
    if asked is not None:
        _check_owner(asked, owner)
    return Acl(None, _granted(context, asked, owner, owner))


def refuse_public(block: PublicAccessBlock, acl: Acl) -> None:
    """Raises S3Error AccessDenied (S3 user guide, «BlockPublicAcls»)."""
    if block.block_public_acls and is_public(acl):
        raise S3Error("AccessDenied", "Access Denied: the bucket blocks public ACLs (BlockPublicAcls).")


def _check_owner(asked: AskedAcl, owner: str) -> None:
    """Nobody gives an object away with its ACL."""
    if asked.owner is not None and asked.owner != owner:
        raise S3Error("AccessDenied")


def _granted(context: Context, asked: AskedAcl | None, owner: str, holder: str) -> tuple[Grant, ...]:
    """owner: of the thing, holder: of the bucket; both canonical user ids."""
    if asked is None:
        return (_OWN,)
    if asked.canned is None:
        return _resolved(context, asked, owner)
    right = _OF_BUCKETS_OWNER.get(asked.canned)
    if right is None:
        return _CANNED[asked.canned]
    return (_OWN,) if owner == holder else (_OWN, Grant(holder, right))


def _resolved(context: Context, asked: AskedAcl, owner: str) -> tuple[Grant, ...]:
    found = [Grant(_grantee(context, grant), grant.right) for grant in asked.grants]
    own = [Grant(OWNER, grant.right) if grant.grantee == owner else grant for grant in found]
    return tuple(dict.fromkeys(own))


def _grantee(context: Context, asked: AskedGrant) -> str:
    if asked.kind is GranteeKind.GROUP:
        if asked.grantee in GROUPS:
            return asked.grantee
        raise _invalid("Invalid group uri", "URI", asked.grantee)
    known = context.access.accounts()
    if asked.kind is GranteeKind.EMAIL:
        named = [name for name, email in _emails(context) if email.lower() == asked.grantee.lower()]
        if not named or named[0] not in known:
            raise S3Error("UnresolvableGrantByEmailAddress", details={"Email": asked.grantee})
        return known[named[0]].id
    if asked.grantee != AMAZON_EC2 and all(account.id != asked.grantee for account in known.values()):
        raise _invalid("Invalid id", "CanonicalUser/ID", asked.grantee)
    return asked.grantee


def _emails(context: Context) -> list[tuple[str, str]]:
    """(account, address) of those that have one. Raises S3Error ServiceUnavailable."""
    identities = context.site.identities
    if identities is None:
        return []
    try:
        accounts = identities.registry.accounts.values()
    except IdentityError as error:
        raise S3Error("ServiceUnavailable", "Users cannot be read now. Please try again.") from error
    return [(account.name, account.email) for account in accounts if account.email]


def _invalid(message: str, name: str, value: str) -> S3Error:
    return S3Error("InvalidArgument", message, details={"ArgumentName": name, "ArgumentValue": value})
