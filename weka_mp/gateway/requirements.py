"""The one table of what each operation needs: actions of policies, and what they are asked for.

Of operations that are built it is their own `permission`; the others have a row here, so that who may not do
them is not told whether they are built. Source: «Required permissions for Amazon S3 API operations» of the S3
user guide and the service authorization reference. What is not in the table, nobody but root may do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weka_mp.policy.actions import ACTIONS, Level
from weka_mp.policy.arns import ACCOUNT_RESOURCE, bucket_arn, object_arn
from weka_mp.s3 import operations as op
from weka_mp.s3.acl_requests import ACL_HEADERS
from weka_mp.s3.object_lock import BYPASS, ENABLED_FOR_BUCKET, HOLD, MODE, UNTIL
from weka_mp.s3.request import S3Request

__all__ = [
    "BYPASSING", "BY_ENTRY", "DECIDED_BY_BODY", "REQUIRED", "SOURCE_ACTIONS", "WRITES", "actions_of",
    "of_version", "resource_of",
    "source_actions", "source_tag_actions", "whole_subtree",
]  # fmt: skip

_S3: Final = "s3:"
BYPASSING: Final = "s3:BypassGovernanceRetention"

_UNBUILT: Final = """
    GetBucketAbac                        GetBucketAbac
    PutBucketAbac                        PutBucketAbac
    PutBucketAnalyticsConfiguration      PutAnalyticsConfiguration
    DeleteBucketAnalyticsConfiguration   PutAnalyticsConfiguration
    PutBucketEncryption                  PutEncryptionConfiguration
    PutBucketIntelligentTieringConfiguration     PutIntelligentTieringConfiguration
    DeleteBucketIntelligentTieringConfiguration  PutIntelligentTieringConfiguration
    PutBucketInventoryConfiguration      PutInventoryConfiguration
    DeleteBucketInventoryConfiguration   PutInventoryConfiguration
    CreateBucketMetadataConfiguration    CreateBucketMetadataTableConfiguration
    GetBucketMetadataConfiguration       GetBucketMetadataTableConfiguration
    DeleteBucketMetadataConfiguration    DeleteBucketMetadataTableConfiguration
    CreateBucketMetadataTableConfiguration   CreateBucketMetadataTableConfiguration
    GetBucketMetadataTableConfiguration      GetBucketMetadataTableConfiguration
    DeleteBucketMetadataTableConfiguration   DeleteBucketMetadataTableConfiguration
    UpdateBucketMetadataAnnotationTableConfiguration  UpdateBucketMetadataAnnotationTableConfiguration
    UpdateBucketMetadataInventoryTableConfiguration   UpdateBucketMetadataInventoryTableConfiguration
    UpdateBucketMetadataJournalTableConfiguration     UpdateBucketMetadataJournalTableConfiguration
    PutBucketMetricsConfiguration        PutMetricsConfiguration
    DeleteBucketMetricsConfiguration     PutMetricsConfiguration
    PutBucketReplication                 PutReplicationConfiguration
    GetObjectAnnotation                  GetObjectAnnotation
    ListObjectAnnotations                ListObjectAnnotations
    PutObjectAnnotation                  PutObjectAnnotation
    DeleteObjectAnnotation               DeleteObjectAnnotation
    UpdateObjectEncryption               UpdateObjectEncryption
    RestoreObject                        RestoreObject
    GetObjectTorrent                     GetObjectTorrent
    ListDirectoryBuckets                 -
    CreateSession                        -
    WriteGetObjectResponse               -
    CORSPreflight                        -
"""
"""Operation and action; ``-``: of services and features that are none here, so for root alone."""

_MORE: Final = {"GetObjectAttributes": ("s3:GetObject",)}
"""What an operation needs besides its own permission."""


def _table() -> dict[str, tuple[str, ...]]:
    rows = (line.split() for line in _UNBUILT.strip().splitlines())
    table: dict[str, tuple[str, ...]] = {
        name: () if action == "-" else (_S3 + action,) for name, action in rows
    }
    for kind in op.Operation.__args__:
        table[kind.__name__] = (kind.permission, *_MORE.get(kind.__name__, ()))
    return table


REQUIRED: Final[Mapping[str, tuple[str, ...]]] = _table()
"""Operation → the actions that it needs whatever else the request says; none: root alone may do it."""

_OF_VERSION: Final = {
    f"{_S3}{stem}": f"{_S3}{versioned}"
    for stem, versioned in (
        ("GetObject", "GetObjectVersion"),
        ("GetObjectAcl", "GetObjectVersionAcl"),
        ("GetObjectAnnotation", "GetObjectVersionAnnotation"),
        ("GetObjectAttributes", "GetObjectVersionAttributes"),
        ("GetObjectTagging", "GetObjectVersionTagging"),
        ("GetObjectTorrent", "GetObjectVersionTorrent"),
        ("ListObjectAnnotations", "ListObjectVersionAnnotations"),
        ("PutObjectAcl", "PutObjectVersionAcl"),
        ("PutObjectAnnotation", "PutObjectVersionAnnotation"),
        ("PutObjectTagging", "PutObjectVersionTagging"),
        ("DeleteObject", "DeleteObjectVersion"),
        ("DeleteObjectAnnotation", "DeleteObjectVersionAnnotation"),
        ("DeleteObjectTagging", "DeleteObjectVersionTagging"),
    )
}
"""What is asked for instead where the request names a version."""

WRITES: Final = frozenset({
    "PutObject", "PostObject", "CopyObject", "CreateMultipartUpload", "CompleteMultipartUpload",
})
"""What makes an object, or begins to."""

_CHANGES: Final = WRITES | {"DeleteObject", "RenameObject"}

_BY_HEADER: Final[tuple[tuple[frozenset[str], str, tuple[str, ...]], ...]] = (
    # Whoever learns whether a tag fits learns something of the object ("Conditional requests").
    (_CHANGES, "if-match", ("s3:GetObject",)),
    (_CHANGES, "x-amz-if-match-size", ("s3:GetObject",)),
    (_CHANGES, "x-amz-if-match-last-modified-time", ("s3:GetObject",)),
    (WRITES, "x-amz-tagging", ("s3:PutObjectTagging",)),
    (WRITES, MODE, ("s3:PutObjectRetention",)),
    (WRITES, UNTIL, ("s3:PutObjectRetention",)),
    (WRITES, HOLD, ("s3:PutObjectLegalHold",)),
    (frozenset({"DeleteObject", "DeleteObjects", "PutObjectRetention"}), BYPASS, (BYPASSING,)),
    (
        frozenset({"CreateBucket"}),
        ENABLED_FOR_BUCKET,
        ("s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"),
    ),
    (frozenset({"CreateBucket"}), "x-amz-object-ownership", ("s3:PutBucketOwnershipControls",)),
    *((WRITES, header, ("s3:PutObjectAcl",)) for header in ACL_HEADERS),
    *((frozenset({"CreateBucket"}), header, ("s3:PutBucketAcl",)) for header in ACL_HEADERS),
)
"""(operations, header, what it needs in addition where it asks for something)."""

_AS_IT_IS: Final = frozenset({"private", "bucket-owner-full-control"})
"""ACLs that may be asked for where there are none, and that then say what is the case."""

_SWITCHES: Final = frozenset({BYPASS, ENABLED_FOR_BUCKET})
"""Of those the ones whose ``false`` asks for nothing (an object may well have the tag ``false``)."""

_HEADER_MATTERS: Final = frozenset().union(*(names for names, _, _ in _BY_HEADER))

DECIDED_BY_BODY: Final = frozenset({
    "CreateBucket", "DeleteObjects", "PutObjectTagging", "PutObjectRetention", "PutObjectLegalHold",
})
"""Operations whose body says what is asked for: before it, only those are refused whom no body could help."""


BY_ENTRY: Final = {"s3:DeleteObject": ("s3:DeleteObject", "s3:DeleteObjectVersion")}
"""What each entry of a body needs one of: whether it names a version is not known before."""


def actions_of(name: str, request: S3Request) -> tuple[str, ...]:
    """What the head of a request needs; empty: root alone may do it."""
    actions = REQUIRED.get(name, ())
    if request.query and request.has_query("versionId"):
        actions = tuple(_OF_VERSION.get(action, action) for action in actions)
    if not actions or name not in _HEADER_MATTERS:
        return actions
    headers = request.headers
    more = [
        action
        for names, header, added in _BY_HEADER
        if name in names and _asks(header, headers.get(header))
        for action in added
    ]
    return (*actions, *more) if more else actions


def _asks(header: str, value: str | None) -> bool:
    if header == ACL_HEADERS[0] and value in _AS_IT_IS:
        return False
    return bool(value) and not (header in _SWITCHES and value is not None and value.lower() == "false")


SOURCE_ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "CopyObject": (op.CopyObject.source_permission,),
    "UploadPartCopy": (op.UploadPartCopy.source_permission,),
    "RenameObject": (op.RenameObject.source_permission, "s3:GetObject"),
}
"""What an operation needs of that which it takes its bytes from. What is renamed can be read under its new
name.
"""


def source_actions(operation: op.Operation) -> tuple[str, ...]:
    """What an operation needs on the object that it takes its bytes from; none where there is no such object.
    """
    match operation:
        case op.CopyObject() | op.UploadPartCopy():
            return (_of_source(operation, operation.source_permission),)
        case op.RenameObject():
            return SOURCE_ACTIONS["RenameObject"]
        case _:
            return ()


def source_tag_actions(operation: op.CopyObject) -> tuple[str, ...]:
    """What a copy that takes its source's tags along needs there besides."""
    return (_of_source(operation, op.GetObjectTagging.permission),)


def _of_source(operation: op.CopyObject | op.UploadPartCopy, action: str) -> str:
    return of_version(action, operation.source_version)


def of_version(action: str, version: str | None) -> str:
    """What is asked for instead of the action where a version is named."""
    return action if version is None else _OF_VERSION.get(action, action)


def whole_subtree(operation: op.Operation) -> bool:
    """Whether everything below the keys is moved, not the objects of that name alone."""
    return isinstance(operation, op.RenameObject) and operation.source_key.endswith(b"/")


def resource_of(action: str, bucket: str | None, key: bytes | None) -> str:
    """The ARN that an action is asked for."""
    level = ACTIONS[action]
    if level is Level.ACCOUNT or bucket is None:
        return ACCOUNT_RESOURCE
    if level is Level.BUCKET:
        return bucket_arn(bucket)
    return object_arn(bucket, (key or b"").decode("utf-8", "surrogateescape"))
