"""PutBucketLogging and GetBucketLogging, and whether a bucket may get another one's log.

Source: "Permissions for server access log delivery" of the S3 user guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from weka_mp.acl import FULL_CONTROL, LOG_DELIVERY
from weka_mp.bucket_log_rules import LogRule, decode, encode, log_key
from weka_mp.errors import BucketMissing, StoreUnusable
from weka_mp.gateway.bucket_grants import Grants, grants_of, stored_grants
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.gateway.requirements import resource_of
from weka_mp.identity.naming import ROOT, account_number, canonical_id
from weka_mp.policy.decision import Question, allows_service, denies_service
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.policy.principals import LOG_DELIVERY as SERVICE
from weka_mp.policy.principals import Principal
from weka_mp.s3.errors import S3Error
from weka_mp.s3.logging_xml import bad_target, logging_document
from weka_mp.s3.signing_time import extended_iso
from weka_mp.values import BucketName

if TYPE_CHECKING:
    from weka_mp.gateway.context import Context
    from weka_mp.namespace import Namespace
    from weka_mp.s3 import bucket_operations as op

__all__ = ["DeliveryRefused", "LogSource", "check_delivery", "get_bucket_logging", "put_bucket_logging"]

_PUT: Final = "s3:PutObject"
_SECOND: Final = 1_000_000_000
_MISSING: Final = "The target bucket for logging does not exist"
_FOREIGN: Final = "The owner for the bucket to be logged and the target bucket must be the same."
_NOT_ALLOWED: Final = (
    "You must either provide the necessary permissions to the logging service using a bucket policy, or give"
    " the log-delivery group WRITE and READ_ACP permissions to the target bucket where it has ACLs"
)
_RETAINS: Final = "The target bucket for logging must not have a default retention"
_UNIQUE: Final = "0123456789ABCDEF"


class DeliveryRefused(Exception):
    """The target is not to get the log, for the reason that is said."""


@dataclass(frozen=True, slots=True)
class LogSource:
    """Whose log it is. account: the canonical user id of who owns the bucket."""

    bucket: str
    account: str
    region: str


def get_bucket_logging(context: Context, operation: op.GetBucketLogging) -> Reply:
    """As it was put; an empty document where no log is kept. Raises NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    kept = context.namespace.bucket_settings(operation.bucket).logging
    try:
        return xml_reply(logging_document(None if kept is None else decode(kept)))
    except (ValueError, TypeError) as error:
        raise StoreUnusable("where the log of a bucket goes cannot be read") from error


def put_bucket_logging(context: Context, operation: op.PutBucketLogging) -> Reply:
    """200. Raises S3Error InvalidTargetBucketForLogging, AccessControlListNotSupported and NotImplemented
    (for grants); NamespaceError.
    """
    namespace, bucket, rule = context.namespace, operation.bucket, operation.rule
    namespace.head_bucket(bucket)
    if rule is not None:
        source = LogSource(bucket, context.access.owner_of(bucket).id, context.site.region)
        _check_target(namespace, source, rule, grants=operation.grants)
    kept = None if rule is None else encode(rule)
    namespace.change_bucket_settings(bucket, lambda before: replace(before, logging=kept))
    return Reply(200)


def _check_target(namespace: Namespace, source: LogSource, rule: LogRule, *, grants: bool) -> None:
    now_ns = namespace.clock.now_ns()
    number = account_number(source.account)
    key = log_key(rule, source.bucket, number, source.region, now_ns, _UNIQUE)
    try:
        check_delivery(namespace, source, rule, key)
    except DeliveryRefused as error:
        raise bad_target(str(error), rule.target) from error
    if grants and not grants_of(namespace, BucketName(rule.target)).has_acls:
        raise S3Error("AccessControlListNotSupported")
    if grants:
        raise S3Error(
            "NotImplemented",
            "What you provided implies functionality that is not implemented: TargetGrants. "
            "Let others read the logs by the policy of the target bucket.",
            details={"Element": "TargetGrants"},
        )


def check_delivery(namespace: Namespace, source: LogSource, rule: LogRule, key: bytes) -> str | None:
    """Return whose the object of this key becomes, as records name the account, if it may be written. Raises
    DeliveryRefused, NamespaceError.
    """
    target = BucketName(rule.target)
    try:
        owner = namespace.head_bucket(target).owner
    except BucketMissing as error:
        raise DeliveryRefused(_MISSING) from error
    if canonical_id(namespace.store_id, owner or ROOT) != source.account:
        raise DeliveryRefused(_FOREIGN)
    try:
        grants = stored_grants(namespace, target)
    except MalformedPolicy as error:
        raise DeliveryRefused("The policy of the target bucket cannot be read") from error
    if grants.unlinked:
        raise DeliveryRefused(_MISSING)
    service = _Asking(source, rule.target, namespace.clock.now_ns() // _SECOND)
    # What a policy denies is asked of what will be written alone, and counts also where an ACL grants it.
    if denies_service(service.about(key), grants.policy):
        raise DeliveryRefused(_NOT_ALLOWED)
    if not (_is_granted(grants) or _is_allowed(service, grants, rule, key)):
        raise DeliveryRefused(_NOT_ALLOWED)
    lock = namespace.locking.of(target)
    if lock is not None and lock.default is not None:
        raise DeliveryRefused(_RETAINS)
    return owner


def _is_granted(grants: Grants) -> bool:
    """By the bucket's ACL, to the group that AWS has for it."""
    if not grants.has_acls:
        return False
    held = {grant.right for grant in grants.acl.grants if grant.grantee == LOG_DELIVERY}
    return FULL_CONTROL in held or {"WRITE", "READ_ACP"} <= held


@dataclass(frozen=True, slots=True)
class _Asking:
    """The questions of a delivery. now: in seconds since the epoch."""

    source: LogSource
    target: str
    now: int

    def about(self, key: bytes, account: str | None = None) -> Question:
        """May the key be written? account: as what aws:SourceAccount names the source's, by its number where
        nothing is said.
        """
        named = account or account_number(self.source.account)
        resource = resource_of(_PUT, BucketName(self.target), key)
        return Question(
            Principal("", "", service=SERVICE), _PUT, resource, _about(self.source, named, self.now)
        )


def _is_allowed(service: _Asking, grants: Grants, rule: LogRule, key: bytes) -> bool:
    """By the bucket's policy. Besides what AWS understands: a Resource may be the prefix itself, and
    aws:SourceAccount the canonical user id, as Ceph's RGW has them.
    """
    return any(
        allows_service(service.about(wanted, account), grants.policy)
        for account in (None, service.source.account) for wanted in (key, rule.prefix.encode())
    )  # fmt: skip


def _about(source: LogSource, account: str, now: int) -> Mapping[str, tuple[str, ...]]:
    """The condition keys of a delivery, which no network carries."""
    return {
        "aws:sourcearn": (f"arn:aws:s3:::{source.bucket}",),
        "aws:sourceaccount": (account,),
        "aws:resourceaccount": (account,),
        "s3:resourceaccount": (account,),
        "aws:requestedregion": (source.region,),
        "aws:principalisawsservice": ("true",),
        "aws:securetransport": ("true",),
        "aws:currenttime": (extended_iso(now),),
        "aws:epochtime": (str(now),),
    }
