"""The one answer to "may they?". Default: no.

It is asked twice: by name and address before anything else of a request is parsed or a byte of its body is
read, and once more for what only headers and body name (sources, the bucket's region). Each entry of
DeleteObjects is asked for where it is deleted.
"""

from __future__ import annotations

import re
from typing import Final

from weka_mp.errors import NamespaceError, NotFound
from weka_mp.gateway.access import Access
from weka_mp.gateway.principals import ANONYMOUS, Principal
from weka_mp.gateway.question_context import Said
from weka_mp.gateway.requirements import (
    DECIDED_BY_BODY,
    REQUIRED,
    actions_of,
    source_actions,
    whole_subtree,
)
from weka_mp.s3 import operations as op
from weka_mp.s3.bucket_operations import PutObjectLegalHold, PutObjectRetention
from weka_mp.s3.errors import S3Error
from weka_mp.s3.object_lock import HOLD, MODE, UNTIL, hold_word, shown_until
from weka_mp.s3.request import Address, Headers
from weka_mp.s3.routing import OperationName
from weka_mp.values import BucketName, ObjectKey

__all__ = [
    "ANONYMOUS", "MISSING", "TELL_MISSING", "Principal", "authorize", "authorize_parsed",
    "check_expected_owners", "hide_missing",
]  # fmt: skip

_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}|[0-9a-f]{64}", re.ASCII)
_OWN: Final = "x-amz-expected-bucket-owner"
_SOURCES: Final = "x-amz-source-expected-bucket-owner"
_ACCOUNT_DIGITS: Final = 12  # of the short form of an account's id
MISSING: Final = "there is no such key, which only those learn who may list"
_LIST: Final = "s3:ListBucket"
TELL_MISSING: Final = frozenset({"GetObject", "HeadObject", "GetObjectAttributes"})
"""Of which S3 says that a missing key is 404 to who may list, and 403 to others («Permissions»)."""
_TEACHING: Final = {"NoSuchKey": (_LIST,), "NoSuchVersion": ("s3:ListBucketVersions", _LIST)}
"""Error → the rights of which one lets somebody know all the same."""
_PUBLIC_ACLS: Final = ("public-read", "public-read-write", "authenticated-read")
_PUBLIC_GROUPS: Final = ("/groups/global/AllUsers", "/groups/global/AuthenticatedUsers")
_GRANT: Final = "x-amz-grant-"
_SPEAKING: Final = (op.PutObjectTagging, PutObjectRetention, PutObjectLegalHold)
"""Operations on an object whose body says what conditions ask for."""


def authorize(
    principal: Principal, operation: OperationName, address: Address, access: Access | None = None
) -> None:
    """Return when the principal may do the operation there. Raises S3Error AccessDenied otherwise; NotFound
    for a missing key, where that may be told.

    access: of the request; without one, conditions find nothing to ask.
    """
    access = access or Access(None, principal, operation, None)
    sender = access.sender
    actions = REQUIRED.get(operation, ()) if sender is None else actions_of(operation, sender.request)
    if not actions:
        if not access.is_sovereign(address.bucket):
            raise access.refuse_operation()
        return
    if operation in DECIDED_BY_BODY:
        access.require_conceivable(actions, address.bucket, address.key)
    else:
        try:
            access.require(actions, address.bucket, address.key)
        except S3Error:
            if operation in TELL_MISSING:
                _tell_missing(access, address)
            raise
    if sender is not None and access.grants(address.bucket).block.block_public_acls:
        _refuse_public_acls(sender.request.headers)


def _tell_missing(access: Access, address: Address) -> None:
    """Who may list is told that a key is missing even where reading it would be refused: what is not there
    has nothing to refuse. Raises NotFound; returns where there is something, or it is nobody's to know.
    """
    bucket, key, sender = address.bucket, address.key, access.sender
    if access.site is None or bucket is None or key is None:
        return
    if sender is not None and sender.request.has_query("versionId"):
        return
    if not access.allows(_LIST, bucket, sought=key):
        return
    try:
        access.site.namespace_of(access.principal).head_object(bucket, key)
    except NotFound:
        access.refusals.clear()
        raise
    except NamespaceError:
        return


def _refuse_public_acls(headers: Headers) -> None:
    """Raises S3Error AccessDenied for ACLs in headers that grant something to everybody, or to everybody with
    an account (S3 user guide, «BlockPublicAcls»). Without the block no such ACL is taken, either.
    """
    granted = ",".join(value for name, value in headers.items() if name.startswith(_GRANT))
    if headers.get("x-amz-acl") in _PUBLIC_ACLS or any(group in granted for group in _PUBLIC_GROUPS):
        raise S3Error("AccessDenied", "Access Denied: the bucket blocks public ACLs (BlockPublicAcls).")


def authorize_parsed(access: Access, operation: op.Operation) -> None:
    """Return when the principal may do all of what the whole request says, as far as it is not asked for
    entry by entry. Raises S3Error AccessDenied.
    """
    if isinstance(operation, op.CreateBucket):
        access.with_body(Said(location=operation.location_constraint))
        actions = REQUIRED["CreateBucket"]
        if access.sender is not None:
            actions = actions_of("CreateBucket", access.sender.request)
        if operation.tags:
            actions = (*actions, operation.tags_permission)
        access.require(actions, operation.bucket)
    elif isinstance(operation, _SPEAKING):
        access.with_body(_said(operation))
        name = type(operation).__name__
        actions = REQUIRED[name] if access.sender is None else actions_of(name, access.sender.request)
        access.require(actions, operation.bucket, operation.key)
    elif isinstance(operation, op.RenameObject):
        below = whole_subtree(operation)
        needed = source_actions(operation)
        access.require(needed, operation.bucket, operation.source_key, below=below)
        if below:
            access.require((operation.permission,), operation.bucket, operation.key, below=True)
    elif isinstance(operation, op.CopyObject | op.UploadPartCopy):
        needed, version = source_actions(operation), operation.source_version
        access.require(needed, operation.source_bucket, operation.source_key, version=version)


def _said(operation: op.PutObjectTagging | PutObjectRetention | PutObjectLegalHold) -> Said:
    """What the body says, in the words of headers."""
    match operation:
        case op.PutObjectTagging():
            return Said(tags=dict(operation.tags))
        case PutObjectLegalHold():
            return Said(locks={HOLD: hold_word(operation.held)})
        case PutObjectRetention():
            kept = operation.retention
            return Said(locks={} if kept is None else {MODE: kept.mode, UNTIL: shown_until(kept)})


def hide_missing(
    access: Access, error: S3Error, bucket: BucketName | None, key: ObjectKey | None
) -> S3Error:
    """Who may not list a bucket is not told which keys it lacks (S3 API, GetObject, "Permissions"), nor, who
    may not list its versions either, which versions. Where conditions ask for ``s3:prefix``, that is the key,
    as in S3.

    bucket: where the key was looked for.
    """
    teaching = _TEACHING.get(error.code, ())
    if not teaching or any(access.allows(action, bucket, sought=key) for action in teaching):
        return error
    return access.refused(_LIST, bucket, None, MISSING)


def check_expected_owners(headers: Headers, account: str, source_account: str | None = None) -> None:
    """Refuse a request whose client expects the bucket, or the source's bucket, to be somebody else's.

    account: the canonical user id of the bucket's owner, source_account: of the source's bucket, where it is
    another; clients name it as ListBuckets shows it, or by its last 12 digits, the form of AWS's account ids.
    Raises S3Error InvalidBucketOwnerAWSAccountID for what is neither, AccessDenied for another's (S3 user
    guide, "Verifying bucket ownership").
    """
    for header, owner in ((_OWN, account), (_SOURCES, source_account or account)):
        for expected in headers.get_all(header):
            if _ACCOUNT_ID.fullmatch(expected) is None:
                raise S3Error("InvalidBucketOwnerAWSAccountID", details={"ExpectedBucketOwner": expected})
            if expected not in (owner, owner[-_ACCOUNT_DIGITS:]):
                raise S3Error("AccessDenied")
