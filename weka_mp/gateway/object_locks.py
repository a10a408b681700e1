"""GetObjectLockConfiguration, PutObjectLockConfiguration, retentions and legal holds of versions, and what
uploads ask for of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from weka_mp.gateway.object_versions import NULL_VERSION, settled_version, version_fields
from weka_mp.gateway.reply import Fields, Reply, xml_reply
from weka_mp.object_lock import Retention, encode
from weka_mp.s3 import bucket_operations as op
from weka_mp.s3 import object_lock
from weka_mp.s3.errors import S3Error
from weka_mp.s3.object_lock import HOLD, MODE, UNTIL, AskedLocks, hold_word, shown_until

if TYPE_CHECKING:
    from weka_mp.gateway.context import Context
    from weka_mp.namespace import ObjectInfo
    from weka_mp.s3.operations import ReadObject
    from weka_mp.values import BucketName

__all__ = [
    "checked_locks", "get_legal_hold", "get_object_lock", "get_retention", "lock_fields", "put_legal_hold",
    "put_object_lock", "put_retention", "require_upload_digest",
]  # fmt: skip

_PAST: Final = "The retain until date must be in the future!"
_NEEDS_DIGEST: Final = (
    "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock "
    "parameters"
)


# ---- of buckets
def get_object_lock(context: Context, operation: op.GetObjectLockConfiguration) -> Reply:
    """Raises S3Error ObjectLockConfigurationNotFoundError, NamespaceError."""
    lock = context.namespace.locking.of(operation.bucket)
    if lock is None:
        raise S3Error("ObjectLockConfigurationNotFoundError", details={"BucketName": operation.bucket})
    return xml_reply(object_lock.lock_configuration_document(lock))


def put_object_lock(context: Context, operation: op.PutObjectLockConfiguration) -> Reply:
    """200; a bucket that has versions gets Object Lock by it, for ever. Raises BucketStateRefused,
    NamespaceError.
    """
    context.namespace.head_bucket(operation.bucket)
    kept = encode(operation.lock)
    context.namespace.change_bucket_settings(
        operation.bucket, lambda before: replace(before, object_lock=kept)
    )
    return Reply(200)


# ---- of versions
def get_retention(context: Context, operation: op.GetObjectRetention) -> Reply:
    """Raises S3Error NoSuchObjectLockConfiguration, ObjectLockMissing, NamespaceError."""
    info = _found(context, operation)
    if info.retention is None:
        raise S3Error("NoSuchObjectLockConfiguration")
    fields = version_fields(context, operation.bucket, info.version)
    return xml_reply(object_lock.retention_document(info.retention), fields=fields)


def get_legal_hold(context: Context, operation: op.GetObjectLegalHold) -> Reply:
    """Raises S3Error NoSuchObjectLockConfiguration, ObjectLockMissing, NamespaceError."""
    info = _found(context, operation)
    if info.legal_hold is None:
        raise S3Error("NoSuchObjectLockConfiguration")
    fields = version_fields(context, operation.bucket, info.version)
    return xml_reply(object_lock.legal_hold_document(info.legal_hold), fields=fields)


def _found(context: Context, operation: op.GetObjectRetention | op.GetObjectLegalHold) -> ObjectInfo:
    context.namespace.locking.require(operation.bucket)
    return context.namespace.head_object(operation.bucket, operation.key, operation.version)


def put_retention(context: Context, operation: op.PutObjectRetention) -> Reply:
    """200. Raises S3Error InvalidArgument (it would be over already), ObjectLocked, NamespaceError."""
    locking, bucket, key = context.namespace.locking, operation.bucket, operation.key
    locking.require(bucket)
    _require_future(context, bucket, operation.retention)
    version = settled_version(context, bucket, key, operation.version) or NULL_VERSION
    done = locking.retain(bucket, key, version, operation.retention, bypass=operation.bypass)
    return Reply(200, version_fields(context, bucket, version), changes=done.changes)


def put_legal_hold(context: Context, operation: op.PutObjectLegalHold) -> Reply:
    """200. Raises NamespaceError."""
    locking, bucket, key = context.namespace.locking, operation.bucket, operation.key
    locking.require(bucket)
    version = settled_version(context, bucket, key, operation.version) or NULL_VERSION
    done = locking.hold(bucket, key, version, operation.held)
    return Reply(200, version_fields(context, bucket, version), changes=done.changes)


# ---- of uploads
def checked_locks(context: Context, bucket: BucketName, asked: AskedLocks) -> AskedLocks:
    """What an upload asks for, once the bucket and the time allow it. Raises ObjectLockMissing, S3Error
    InvalidArgument, NamespaceError.
    """
    if asked.any:
        context.namespace.locking.require(bucket)
        _require_future(context, bucket, asked.retention)
    return asked


def require_upload_digest(context: Context, bucket: BucketName, asked: AskedLocks) -> None:
    """S3 locks no bytes of which nobody said what they must be. Raises S3Error InvalidRequest,
    NamespaceError.
    """
    sender = context.access.sender
    if sender is None or object_lock.has_digest(sender.request.headers):
        return
    lock = context.namespace.locking.of(bucket)
    if asked.any or (lock is not None and lock.default is not None):
        raise S3Error("InvalidRequest", _NEEDS_DIGEST)


def _require_future(context: Context, bucket: BucketName, kept: Retention | None) -> None:
    if kept is not None and kept.until_ns <= context.namespace.locking.now_ns(bucket):
        details = {"ArgumentName": UNTIL, "ArgumentValue": shown_until(kept)}
        raise S3Error("InvalidArgument", _PAST, details=details)


def lock_fields(context: Context, operation: ReadObject, info: ObjectInfo) -> Fields:
    """What reads of an object show of its locks to who may see them (S3 API, GetObject)."""
    retention, held = info.retention, info.legal_hold
    if (retention is None and held is None) or context.namespace.locking.of(operation.bucket) is None:
        return ()
    fields: list[tuple[str, str]] = []
    allows, where = context.access.allows, (operation.bucket, operation.key)
    if retention is not None and allows(op.GetObjectRetention.permission, *where):
        fields += [(MODE, retention.mode), (UNTIL, shown_until(retention))]
    if held is not None and allows(op.GetObjectLegalHold.permission, *where):
        fields.append((HOLD, hold_word(held)))
    return tuple(fields)
