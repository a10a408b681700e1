"""What each domain error is called over S3. Exhaustive: a test walks weka_mp.errors and misses none.

Where S3 has no word for it (a full disk, `a` against `a/b`) the choice and its reason stand beside the row.
What a client should simply try again is a 503: the SDKs retry that by themselves, and no 409.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from weka_mp import errors
from weka_mp.gateway.object_versions import marker_met
from weka_mp.s3.errors import S3Error

__all__ = ["S3_ERRORS", "Spelling", "to_s3_error"]


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one error is spelt. speaks: its own message goes to the client instead of the catalogue's."""

    code: str
    status: int | None = None
    message: str | None = None
    speaks: bool = False
    defect: bool = False  # worth a traceback in the log: the storage or we ourselves are at fault


_AGAIN: Final = "The object or its directory changed while the request was under way. Please try again."
_CONFLICT: Final = (
    "The key conflicts with an existing one: in this bucket an object and a key below it ('a' and 'a/b') "
    "cannot both exist, and the name may be taken by something that is no object."
)
_CONFLICTING: Final = Spelling("InvalidRequest", status=409, message=_CONFLICT)
_NO_LOCK: Final = "Bucket is missing Object Lock Configuration"
_LOCKED: Final = "Access Denied because object protected by object lock."
_DEFECT: Final = Spelling("InternalError", defect=True)
_MISSING: Final = Spelling("NoSuchKey")
_RETRY: Final = Spelling("ServiceUnavailable", message=_AGAIN)
_SLOW: Final = Spelling("SlowDown")
_SUBJECTS: Final = {"NoSuchUpload": "UploadId", "InvalidPart": "PartNumber", "EntityTooSmall": "PartNumber"}
_ABOUT_BUCKETS: Final = frozenset({"NoSuchBucket", "BucketNotEmpty", "BucketAlreadyOwnedByYou"})

S3_ERRORS: Final[Mapping[type[errors.NamespaceError], Spelling]] = {
    errors.NamespaceError: _DEFECT,
    errors.AccessDenied: Spelling("AccessDenied"),
    errors.AttributeTooLarge: Spelling("MetadataTooLarge"),
    errors.BucketExists: Spelling("BucketAlreadyOwnedByYou"),
    errors.BucketMissing: Spelling("NoSuchBucket"),
    errors.BucketNotEmpty: Spelling("BucketNotEmpty"),
    errors.BucketStateRefused: Spelling("InvalidBucketState", speaks=True),
    errors.Busy: _SLOW,
    errors.Conflict: Spelling("ConditionalRequestConflict"),
    errors.CrossDevice: _DEFECT,  # the namespace stages on the bucket's side; a leak of this is ours
    errors.DeleteMarkerMet: _MISSING,  # or 405, as `marker_met` has it
    errors.Exists: _CONFLICTING,
    errors.FileTooLarge: Spelling("EntityTooLarge"),
    errors.Interrupted: _RETRY,
    errors.InvalidArgument: Spelling("InvalidArgument", speaks=True),
    errors.InvalidName: Spelling("InvalidArgument", speaks=True),
    errors.InvalidPart: Spelling("InvalidPart"),
    errors.InvalidPartOrder: Spelling("InvalidPartOrder"),
    errors.IoFailure: _DEFECT,
    errors.IsDirectory: _CONFLICTING,
    errors.KeyConflict: _CONFLICTING,
    errors.Loop: _MISSING,  # a symbolic link that leads nowhere is no object
    errors.NameTooLong: Spelling("KeyTooLongError"),
    errors.NoAttribute: _DEFECT,
    errors.NoSpace: Spelling("StorageFull"),  # 507; a full disk is no transient overload
    errors.NotDirectory: _CONFLICTING,
    errors.NotEmpty: _CONFLICTING,
    errors.NotFound: _MISSING,
    errors.NotSupported: Spelling("NotImplemented", speaks=True),
    errors.ObjectChanged: Spelling("ServiceUnavailable", speaks=True),
    errors.ObjectLockMissing: Spelling("InvalidRequest", message=_NO_LOCK),
    errors.ObjectLocked: Spelling("AccessDenied", message=_LOCKED),
    errors.OutOfResources: _SLOW,
    errors.PartTooSmall: Spelling("EntityTooSmall"),
    errors.PermissionRefused: Spelling("AccessDenied"),
    errors.PreconditionFailed: Spelling("PreconditionFailed"),
    errors.QuotaExceeded: Spelling("QuotaExceeded"),
    errors.ReadOnly: Spelling("AccessDenied", message="The store is read-only."),
    errors.ReservedName: Spelling("AccessDenied", message="The key lies in a name space that is reserved."),
    errors.Stale: _RETRY,
    errors.StoreUnusable: Spelling("ServiceUnavailable", defect=True),
    errors.TokenReused: Spelling("IdempotencyParameterMismatch"),
    errors.TooManyLinks: _DEFECT,
    errors.UploadMissing: Spelling("NoSuchUpload"),
    errors.VersionMissing: Spelling("NoSuchVersion"),
    errors.WouldBlock: _SLOW,
}


def to_s3_error(error: errors.NamespaceError, bucket: str | None, key: bytes | None) -> tuple[S3Error, bool]:
    """The S3 error for a domain error, and whether it is a defect worth a traceback.

    bucket, key: what the request was about, for the elements S3 names it in.
    """
    if isinstance(error, errors.DeleteMarkerMet):
        return marker_met(error, key), False
    spelling = _spelling(type(error))
    message = str(error) if spelling.speaks else spelling.message
    details: dict[str, str] = {}
    if isinstance(error, errors.PreconditionFailed):
        details["Condition"] = error.condition
    elif spelling.code in _ABOUT_BUCKETS and bucket is not None:
        # Of two buckets, a copy's, the one that is not there.
        missing = error.subject if isinstance(error, errors.BucketMissing) else None
        details["BucketName"] = missing if missing and isinstance(missing, str) else bucket
    elif spelling.code in ("NoSuchKey", "NoSuchVersion") and key is not None:
        details["Key"] = key.decode("utf-8", "replace")
        if isinstance(error, errors.VersionMissing):
            details["VersionId"] = error.version
    elif error.subject and isinstance(error.subject, str) and (element := _SUBJECTS.get(spelling.code)):
        details[element] = error.subject
    return S3Error(spelling.code, message, status=spelling.status, details=details), spelling.defect


def _spelling(kind: type[errors.NamespaceError]) -> Spelling:
    """The row of the class or of the nearest base that has one (subclasses made elsewhere, in tests say)."""
    return next(S3_ERRORS[base] for base in kind.__mro__ if base in S3_ERRORS)
