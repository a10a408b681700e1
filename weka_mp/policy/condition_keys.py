"""The condition keys that a policy may ask for, and what kind of value each holds.

Names compare without regard to case, but for the tag key behind a slash (IAM user guide, «Condition»;
S3's tag keys are case-sensitive). The service authorization reference lists S3's own keys. A key that no
request here can carry (an organisation, a VPC, a second factor) is not in the table: a policy that relies on
one would protect nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["CONDITION_KEYS", "ConditionKey", "Kind", "find", "lookup_name"]


class Kind(Enum):
    """What a key's values are; operators of another family than these (and String, and Null) are refused."""

    STRING = "text"
    NUMERIC = "number"
    DATE = "date"
    EPOCH = "date in seconds since 1970"
    BOOL = "true or false"
    IP = "IP address"
    ARN = "ARN"
    FREE = "whatever the client wrote"


@dataclass(frozen=True, slots=True)
class ConditionKey:
    """A key as documented (`name`), and as a request's context has it (`lookup`)."""

    name: str
    lookup: str
    kind: Kind
    many: bool = False
    """Whether one request may hold several values: then a set operator is needed."""


_KINDS: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.STRING: (
        "aws:PrincipalAccount", "aws:PrincipalType", "aws:Referer", "aws:RequestedRegion",
        "aws:ResourceAccount", "aws:SourceAccount", "aws:UserAgent", "aws:userid", "aws:username",
        "s3:authType", "s3:delimiter", "s3:if-match", "s3:if-none-match", "s3:LocationConstraint",
        "s3:object-lock-legal-hold", "s3:object-lock-mode", "s3:prefix", "s3:ResourceAccount",
        "s3:signatureversion", "s3:VersionId",
        "s3:x-amz-acl", "s3:x-amz-content-sha256", "s3:x-amz-copy-source",
        "s3:x-amz-grant-full-control", "s3:x-amz-grant-read", "s3:x-amz-grant-read-acp",
        "s3:x-amz-grant-write", "s3:x-amz-grant-write-acp", "s3:x-amz-metadata-directive",
        "s3:x-amz-object-ownership", "s3:x-amz-server-side-encryption",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-server-side-encryption-customer-algorithm", "s3:x-amz-storage-class",
        "s3:x-amz-website-redirect-location",
    ),
    Kind.NUMERIC: (
        "s3:max-keys", "s3:object-lock-remaining-retention-days", "s3:signatureAge", "s3:TlsVersion",
    ),
    Kind.DATE: ("aws:CurrentTime", "aws:TokenIssueTime", "s3:object-lock-retain-until-date"),
    Kind.EPOCH: ("aws:EpochTime",),
    Kind.BOOL: ("aws:PrincipalIsAWSService", "aws:SecureTransport", "s3:ObjectCreationOperation"),
    Kind.IP: ("aws:SourceIp",),
    Kind.ARN: ("aws:PrincipalArn", "aws:SourceArn", "iam:PolicyARN"),
}  # fmt: skip

_MANY: Final = ("s3:RequestObjectTagKeys",)
_TAGS: Final = ("s3:ExistingObjectTag", "s3:RequestObjectTag")
"""Keys that are followed by a slash and a tag's key."""


def _table() -> dict[str, ConditionKey]:
    keys = [ConditionKey(name, name.lower(), kind) for kind, names in _KINDS.items() for name in names]
    keys += [ConditionKey(name, name.lower(), Kind.STRING, many=True) for name in _MANY]
    return {key.lookup: key for key in keys}


CONDITION_KEYS: Final = _table()
"""The keys with fixed names, by their lower-case names."""

_TAG_PREFIXES: Final = {name.lower(): name for name in _TAGS}


def lookup_name(name: str) -> str:
    """`name` as the context of a request has it: in lower case, but for the tag key behind a slash."""
    prefix, slash, tag = name.partition("/")
    return f"{prefix.lower()}{slash}{tag}"


def find(name: str) -> ConditionKey | None:
    """The key that a policy calls `name`, None where there is none of that name."""
    prefix, slash, tag = name.partition("/")
    if not slash:
        return CONDITION_KEYS.get(name.lower())
    family = _TAG_PREFIXES.get(prefix.lower())
    if family is None or not tag:
        return None
    return ConditionKey(f"{family}/{tag}", f"{prefix.lower()}/{tag}", Kind.FREE)
