"""Access control lists: whom an owner let at a bucket or an object, and how they are kept.

Source: S3 user guide, «Access control list (ACL) overview» and «Controlling ownership of objects».
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "ALL_USERS", "AUTHENTICATED_USERS", "ENFORCED", "FULL_CONTROL", "GROUPS", "LOG_DELIVERY", "MAX_GRANTS",
    "NOT_SET", "OWNED_PRIVATELY", "OWNER", "OWNERSHIPS", "PREFERRED", "PUBLIC_GROUPS", "RIGHTS", "WRITER",
    "Acl", "Grant", "from_plain", "is_private", "is_public", "to_plain",
]  # fmt: skip

ENFORCED: Final = "BucketOwnerEnforced"
PREFERRED: Final = "BucketOwnerPreferred"
WRITER: Final = "ObjectWriter"
OWNERSHIPS: Final = (ENFORCED, PREFERRED, WRITER)
NOT_SET: Final = "none"
"""Ownership controls that were deleted: objects are their writers', as before S3 had such controls."""

FULL_CONTROL: Final = "FULL_CONTROL"
RIGHTS: Final = (FULL_CONTROL, "READ", "WRITE", "READ_ACP", "WRITE_ACP")
MAX_GRANTS: Final = 100

ALL_USERS: Final = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS: Final = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY: Final = "http://acs.amazonaws.com/groups/s3/LogDelivery"
GROUPS: Final = (ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY)
PUBLIC_GROUPS: Final = frozenset({ALL_USERS, AUTHENTICATED_USERS})
OWNER: Final = ""
"""The grantee that is whoever owns the thing, so that a grant to oneself goes along with it."""

_CANONICAL: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Grant:
    """grantee: an account's canonical user id, a group's URI, or OWNER. right: one of RIGHTS."""

    grantee: str
    right: str


@dataclass(frozen=True, slots=True)
class Acl:
    """owner: the canonical user id of the account that owns an object; None: the bucket's owner."""

    owner: str | None = None
    grants: tuple[Grant, ...] = (Grant(OWNER, FULL_CONTROL),)


OWNED_PRIVATELY: Final = Acl()
"""What nothing was said of: the bucket's owner's alone."""


def is_private(acl: Acl) -> bool:
    """Whether it gives nothing to anybody but the owner."""
    return all(grant.grantee == OWNER for grant in acl.grants)


def is_public(acl: Acl) -> bool:
    """Whether everybody, or everybody with an account, gets something (S3 user guide, «BlockPublicAcls»)."""
    return any(grant.grantee in PUBLIC_GROUPS for grant in acl.grants)


def to_plain(acl: Acl) -> list[Any]:
    """``[owner, [[grantee, right], …]]`` of bytes and small integers, for records (STORAGE_FORMAT.md)."""
    return [
        None if acl.owner is None else bytes.fromhex(acl.owner),
        [[_grantee_out(grant.grantee), RIGHTS.index(grant.right)] for grant in acl.grants],
    ]


def from_plain(found: Iterable[Any]) -> Acl:
    """Raises TypeError or ValueError for what `to_plain` of this version cannot have made."""
    owner, grants = found
    if len(grants) > MAX_GRANTS:
        raise ValueError("more grants than an ACL can have")
    return Acl(
        None if owner is None else _canonical(owner),
        tuple(Grant(_grantee_in(grantee), _right_in(right)) for grantee, right in grants),
    )


def _grantee_out(grantee: str) -> bytes | int:
    if _CANONICAL.fullmatch(grantee):
        return bytes.fromhex(grantee)
    return 0 if grantee == OWNER else 1 + GROUPS.index(grantee)


def _grantee_in(found: Any) -> str:
    if isinstance(found, bytes):
        return _canonical(found)
    if type(found) is not int or not 0 <= found <= len(GROUPS):
        raise ValueError("no such grantee")
    return GROUPS[found - 1] if found else OWNER


def _right_in(found: Any) -> str:
    if type(found) is not int or not 0 <= found < len(RIGHTS):
        raise ValueError("no such right")
    return RIGHTS[found]


def _canonical(found: Any) -> str:
    if type(found) is not bytes or len(found) != 32:
        raise TypeError("no canonical user id")
    return found.hex()
