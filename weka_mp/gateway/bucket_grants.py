"""What a bucket's policy and its public access block mean for a decision; how a policy is put.

The namespace keeps the policy's text; here it is parsed, once for each record. A policy that cannot be read
any more stops the bucket: it may deny.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from weka_mp.acl import ENFORCED, OWNED_PRIVATELY, Acl
from weka_mp.errors import BucketMissing
from weka_mp.identity import IdentityStore
from weka_mp.identity.model import User
from weka_mp.identity.naming import ROOT, account_number, canonical_id, unique_id
from weka_mp.namespace import NO_BLOCK, BucketAccess, Namespace, PublicAccessBlock
from weka_mp.policy.documents import Kind, Policy, parse
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.policy.principals import Principal, PrincipalSet
from weka_mp.policy.publicity import is_public
from weka_mp.s3.errors import S3Error
from weka_mp.values import BucketName

__all__ = [
    "NO_GRANTS", "Grants", "PolicyBlocked", "grants_of", "new_grants", "remove_policy", "replace_policy",
    "stored_grants",
]  # fmt: skip

_log = logging.getLogger(__name__)
_NOBODY: Final = "\0"  # begins no user's name


class PolicyBlocked(Exception):
    """The policy is public, and the bucket's public access block refuses such."""


@dataclass(frozen=True, slots=True)
class Grants:
    """policy: None: there is none. public: whether it allows anything to everybody. named: user as the policy
    names it, (account, name) → the unique id of who had the name when it was put. unlinked: no bucket.
    ownership: of its objects; ENFORCED: ACLs count for nothing. acl: the bucket's own.
    """

    policy: Policy | None = None
    public: bool = False
    block: PublicAccessBlock = NO_BLOCK
    named: Mapping[tuple[str, str], str] = field(default_factory=dict, compare=False)
    unlinked: bool = False
    ownership: str = ENFORCED
    acl: Acl = OWNED_PRIVATELY

    @property
    def has_acls(self) -> bool:
        """Whether ACLs count in this bucket."""
        return self.ownership != ENFORCED

    def heard_by(self, who: Principal | None, owner: str) -> Policy | None:
        """The policy, unless a restriction to the owner's account takes from `who` whatever it grants.

        Source: S3 user guide, «RestrictPublicBuckets»: of a public policy it blocks all access from outside,
        also what is delegated to certain accounts.
        """
        if not (self.public and self.block.restrict_public_buckets):
            return self.policy
        return self.policy if who is not None and who.belongs_to(owner) else None

    def asker(self, who: Principal | None, user_id: str) -> Principal | None:
        """`who`, as the policy knows them: by the name that they had when it was put, whatever it is now; a
        name that was given to somebody else since means nobody.
        """
        if who is None or not self.named or who.is_root:
            return who
        ids = (who.account, who.canonical_id)
        for (account, user), unique in self.named.items():
            if unique == user_id and account in ids:
                return who if user == who.user else replace(who, user=user)
        if any((account, who.user) in self.named for account in ids):
            return replace(who, user=_NOBODY + user_id)
        return who


NO_GRANTS: Final = Grants()


def grants_of(namespace: Namespace, bucket: BucketName) -> Grants:
    """Now. Raises S3Error ServiceUnavailable when the policy cannot be understood, NamespaceError."""
    try:
        return stored_grants(namespace, bucket)
    except MalformedPolicy as error:
        _log.error("nobody is let into the bucket %s, since its policy cannot be read: %s", bucket, error)
        raise S3Error("ServiceUnavailable", "The bucket's policy cannot be read now.") from error


def stored_grants(namespace: Namespace, bucket: BucketName) -> Grants:
    """Now. Raises MalformedPolicy (put by another version, or by nobody), NamespaceError."""
    return _grants(namespace.bucket_access(bucket), bucket)


@lru_cache(maxsize=256)
def _grants(access: BucketAccess, bucket: str) -> Grants:
    policy = None
    if access.policy is not None:
        policy = parse(access.policy, Kind.RESOURCE, name=f"of the bucket {bucket}")
    named = {_pair(who): unique for who, unique in access.named}
    block = access.block or NO_BLOCK
    ownership = ENFORCED if access.ownership is None else access.ownership
    if policy is None and block == NO_BLOCK and not access.unlinked and ownership == ENFORCED:
        return NO_GRANTS
    public = policy is not None and is_public(policy)
    return Grants(policy, public, block, named, access.unlinked, ownership, access.acl)


def _pair(who: str) -> tuple[str, str]:
    account, _, user = who.partition("/")
    return account, user


def new_grants(
    text: str, bucket: BucketName, identities: IdentityStore[Policy] | None, account: str
) -> tuple[Grants, tuple[tuple[str, str], ...]]:
    """What a policy that is to be put would mean, and whom it names, for `BucketAccess.named`.

    identities: who exists; None: root's account alone, whose canonical id is `account`. Raises
    MalformedPolicy, also for principals that do not exist; IdentityError, NamespaceError.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise MalformedPolicy("", "is no text") from None
    policy = parse(text, Kind.RESOURCE, name=f"of the bucket {bucket}", bucket=bucket)
    named = _resolved(policy.named(), identities, account)
    kept = tuple(sorted((f"{who}/{user}", unique) for (who, user), unique in named.items()))
    return Grants(policy, is_public(policy), NO_BLOCK, named), kept


def _resolved(
    principals: PrincipalSet, identities: IdentityStore[Policy] | None, account: str
) -> dict[tuple[str, str], str]:
    users: Mapping[str, User] = {}
    ids = {account: ROOT}
    if identities is not None:
        registry = identities.registry
        users = {user.qualified: user for user in registry.users.values()}
        ids = {canonical_id(identities.store_id, name): name for name in registry.accounts}
    ids |= {account_number(canonical): name for canonical, name in ids.items()}
    unknown = next((named for named in sorted(principals.accounts) if named not in ids), None)
    found = {}
    for named, user in sorted(principals.users):
        known = users.get(user)
        if known is None or known.account != ids.get(named):
            unknown = f"{named}, user {user}"
        else:
            found[named, user] = unique_id("AIDA", known.generation)
    if unknown is not None:
        raise MalformedPolicy("", f"Invalid principal in policy: there is no account {unknown}")
    return found


def replace_policy(
    namespace: Namespace, bucket: BucketName, grants: Grants, named: tuple[tuple[str, str], ...]
) -> None:
    """Put what `new_grants` made; in force everywhere when this returns. Raises PolicyBlocked, BucketMissing,
    NamespaceError.
    """

    def step(before: BucketAccess) -> BucketAccess:
        _check_linked(before, bucket)
        if grants.public and before.block is not None and before.block.block_public_policy:
            raise PolicyBlocked(f"the policy is public, and the bucket {bucket} blocks public policies")
        return replace(before, policy=grants.policy.text if grants.policy else None, named=named)

    namespace.change_bucket_access(bucket, step)


def remove_policy(namespace: Namespace, bucket: BucketName) -> None:
    """A bucket without one is no error. Raises BucketMissing, NamespaceError."""

    def step(before: BucketAccess) -> BucketAccess:
        _check_linked(before, bucket)
        return replace(before, policy=None, named=())

    namespace.change_bucket_access(bucket, step)


def _check_linked(before: BucketAccess, bucket: BucketName) -> None:
    if before.unlinked:
        raise BucketMissing(subject=bucket)
