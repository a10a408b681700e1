"""The policies that have names: those of users, and those of buckets.

What each allows is documented; of users' policies they cannot be changed or removed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from weka_mp.policy.arns import bucket_arn, object_arn
from weka_mp.policy.documents import Kind, Policy, parse

__all__ = [
    "AWS_POLICIES", "BUCKET_POLICIES", "CUSTOM", "IDENTITY_POLICIES", "NONE", "bucket_policy_name",
    "bucket_policy_text",
]  # fmt: skip

_VERSION: Final = "2012-10-17"

_READONLY: Final = (
    "ListAllMyBuckets", "ListBucket", "ListBucketMultipartUploads", "ListMultipartUploadParts",
    "GetBucketLocation", "GetBucketPolicy", "GetBucketTagging", "GetObject",
)  # fmt: skip


def _identity(name: str, actions: Iterable[str], resource: str = "arn:aws:s3:::*") -> Policy:
    statement: dict[str, object] = {"Effect": "Allow", "Action": list(actions), "Resource": [resource]}
    return parse(_text([statement]), Kind.IDENTITY, name=name)


def _text(statements: list[dict[str, object]]) -> str:
    return json.dumps({"Version": _VERSION, "Statement": statements}, indent=2)


IDENTITY_POLICIES: Final = {
    policy.name: policy
    for policy in (
        _identity("readonly", [f"s3:{action}" for action in _READONLY]),
        _identity("writeonly", ["s3:PutObject"]),
        _identity("readwrite", ["s3:*"]),
    )
}
"""The built-in policies of users by name."""

AWS_POLICIES: Final = {
    name: _identity(name, actions, "*")
    for name, actions in {
        "AdministratorAccess": ("s3:*", "iam:*", "sts:*"),
        "AmazonS3FullAccess": ("s3:*",),
        "AmazonS3ReadOnlyAccess": ("s3:Get*", "s3:List*", "s3:Describe*"),
        "IAMFullAccess": ("iam:*",),
        "IAMReadOnlyAccess": ("iam:Get*", "iam:List*"),
        "PowerUserAccess": ("s3:*", "sts:*"),
        "ReadOnlyAccess": ("s3:Get*", "s3:List*", "s3:Describe*", "iam:Get*", "iam:List*"),
    }.items()
}
"""AWS's own that have a meaning here, by name: what each gives there of the services that there are here."""

NONE: Final = "none"
CUSTOM: Final = "custom"

_DOWNLOAD: Final = ({"GetBucketLocation", "ListBucket"}, {"GetObject"})
_UPLOAD: Final = (
    {"GetBucketLocation", "ListBucketMultipartUploads"},
    {"AbortMultipartUpload", "DeleteObject", "ListMultipartUploadParts", "PutObject"},
)

BUCKET_POLICIES: Final[dict[str, tuple[set[str], set[str]]]] = {
    "download": _DOWNLOAD,
    "upload": _UPLOAD,
    "public": (_DOWNLOAD[0] | _UPLOAD[0], _DOWNLOAD[1] | _UPLOAD[1]),
}
"""The named policies of buckets: what everybody may do to (the bucket, its objects). ``none`` is not one."""


def bucket_policy_text(name: str, bucket: str) -> str:
    """The document of a named bucket policy. Raises KeyError: `name` is not in BUCKET_POLICIES."""
    on_bucket, on_objects = BUCKET_POLICIES[name]
    return _text([_everybody(on_bucket, bucket_arn(bucket)), _everybody(on_objects, object_arn(bucket, "*"))])


def _everybody(actions: set[str], resource: str) -> dict[str, object]:
    return {
        "Effect": "Allow",
        "Principal": {"AWS": ["*"]},
        "Action": [f"s3:{action}" for action in sorted(actions)],
        "Resource": [resource],
    }


def bucket_policy_name(policy: Policy | None, bucket: str) -> str:
    """What a bucket's policy is called: ``none``, a named one that says the same, else ``custom``."""
    if policy is None:
        return NONE
    for name in BUCKET_POLICIES:
        if parse(bucket_policy_text(name, bucket), Kind.RESOURCE).statements == policy.statements:
            return name
    return CUSTOM
