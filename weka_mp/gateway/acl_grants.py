"""What a grant of an ACL lets do, and which grant reaches somebody.

Source: S3 user guide, «Mapping of ACL permissions and access policy permissions».
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from weka_mp.acl import ALL_USERS, AUTHENTICATED_USERS, FULL_CONTROL, PUBLIC_GROUPS, Grant
from weka_mp.policy.decision import Granted
from weka_mp.policy.principals import Reach

__all__ = ["OF_BUCKETS", "OF_INITIATORS", "OF_NEW_OBJECTS", "OF_OBJECTS", "OF_OWNERS", "granted_by"]

OF_BUCKETS: Final = {
    **dict.fromkeys(("s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"), "READ"),
    "s3:PutObject": "WRITE",
    "s3:GetBucketAcl": "READ_ACP",
    "s3:PutBucketAcl": "WRITE_ACP",
}
"""Action → the right to the bucket that stands for it."""

OF_OBJECTS: Final = {
    **dict.fromkeys(("s3:GetObject", "s3:GetObjectVersion"), "READ"),
    **dict.fromkeys(("s3:GetObjectAcl", "s3:GetObjectVersionAcl"), "READ_ACP"),
    **dict.fromkeys(("s3:PutObjectAcl", "s3:PutObjectVersionAcl"), "WRITE_ACP"),
}
"""The same of an object. Over these decides whose the object is, and not whose the bucket is."""

OF_NEW_OBJECTS: Final = frozenset({"s3:PutObjectAcl", "s3:PutObjectTagging"})
"""What WRITE on the bucket allows along with an object that is written: what is given to it at once."""

OF_OWNERS: Final = frozenset({"s3:DeleteObject", "s3:DeleteObjectVersion"})
"""What WRITE on the bucket allows whoever owns the object."""

OF_INITIATORS: Final = frozenset({"s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"})
"""What it allows whoever began the upload."""


def granted_by(
    grants: Iterable[Grant], right: str, account: str | None, *, of: str, ignore_public: bool
) -> Granted | None:
    """The grant that gives the account the right most directly. account: a canonical user id; None: nobody's.
    of: ``bucket`` or ``object``, for people. ignore_public: IgnorePublicAcls is set.

    A group means each of its members, an account hands on what it was given by its own policies. The owner's
    own rights need no grant.
    """
    best: Granted | None = None
    for grant in grants:
        if grant.right not in (right, FULL_CONTROL) or (ignore_public and grant.grantee in PUBLIC_GROUPS):
            continue
        reach = _reach(grant.grantee, account)
        if reach > (best.reach if best is not None else Reach.NOT):
            best = Granted(reach, f"of the {of}: {grant.right} for {grant.grantee}")
    return best


def _reach(grantee: str, account: str | None) -> Reach:
    if grantee == ALL_USERS or (grantee == AUTHENTICATED_USERS and account is not None):
        return Reach.DIRECT
    return Reach.ACCOUNT if account is not None and grantee == account else Reach.NOT
