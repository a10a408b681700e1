"""The XML documents of replies about who may reach a bucket. Source: the S3 API reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from weka_mp.s3.xml_elements import Owner, document, owner_element

__all__ = [
    "GrantRow", "access_control_policy", "ownership_controls", "policy_status", "public_access_block",
]  # fmt: skip

_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type='


@dataclass(frozen=True, slots=True)
class GrantRow:
    """grantee: an account, or a group's URI."""

    grantee: Owner | str
    right: str


def _truth(element: str, value: bool) -> str:
    return f"<{element}>{'true' if value else 'false'}</{element}>"


def policy_status(is_public: bool) -> bytes:
    """GetBucketPolicyStatus."""
    return document("PolicyStatus", [_truth("IsPublic", is_public)])


def public_access_block(acls: bool, ignored: bool, policy: bool, restricted: bool) -> bytes:
    """GetPublicAccessBlock: the settings in the order of the documentation."""
    return document("PublicAccessBlockConfiguration", [
        _truth("BlockPublicAcls", acls), _truth("IgnorePublicAcls", ignored),
        _truth("BlockPublicPolicy", policy), _truth("RestrictPublicBuckets", restricted),
    ])


def access_control_policy(owner: Owner, grants: Iterable[GrantRow]) -> bytes:
    """GetBucketAcl and GetObjectAcl."""
    rows = "".join(
        f"<Grant>{_grantee(grant.grantee)}<Permission>{grant.right}</Permission></Grant>" for grant in grants
    )
    return document(
        "AccessControlPolicy", [owner_element(owner), f"<AccessControlList>{rows}</AccessControlList>"]
    )


def _grantee(grantee: Owner | str) -> str:
    if isinstance(grantee, str):
        return f'<Grantee {_XSI}"Group"><URI>{grantee}</URI></Grantee>'
    who = owner_element(grantee).removeprefix("<Owner>").removesuffix("</Owner>")
    return f'<Grantee {_XSI}"CanonicalUser">{who}</Grantee>'


def ownership_controls(ownership: str) -> bytes:
    """GetBucketOwnershipControls."""
    rule = f"<Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule>"
    return document("OwnershipControls", [rule])
