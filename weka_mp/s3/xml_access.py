"""The XML documents of replies about who may reach a bucket. Source: the S3 API reference."""

from __future__ import annotations

from weka_mp.s3.xml_elements import Owner, document, owner_element

__all__ = ["access_control_policy", "policy_status", "public_access_block"]

_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'


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


def access_control_policy(owner: Owner) -> bytes:
    """GetBucketAcl and GetObjectAcl of what is the owner's alone."""
    who = owner_element(owner).removeprefix("<Owner>").removesuffix("</Owner>")
    grant = f"<Grant><Grantee {_XSI}>{who}</Grantee><Permission>FULL_CONTROL</Permission></Grant>"
    return document(
        "AccessControlPolicy", [owner_element(owner), f"<AccessControlList>{grant}</AccessControlList>"]
    )
