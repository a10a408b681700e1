"""What answers say of the version that they are about.

Where a bucket never had versions nothing is said of them; where it had, what has no id is called ``null``.
But uploads tell of ids alone: S3 is silent while versions are suspended.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from weka_mp.errors import BucketMissing, DeleteMarkerMet, NamespaceError
from weka_mp.gateway.reply import Fields
from weka_mp.s3.dates import format_http_date
from weka_mp.s3.errors import S3Error

if TYPE_CHECKING:
    from weka_mp.gateway.context import Context
    from weka_mp.values import BucketName, ObjectKey

__all__ = [
    "NULL_VERSION", "marker_fields", "marker_met", "settled_version", "source_fields",
    "version_fields", "written_fields",
]

_log = logging.getLogger(__name__)
_SECOND: Final = 1_000_000_000
_VERSION: Final = "x-amz-version-id"
_MARKER: Final = ("x-amz-delete-marker", "true")

NULL_VERSION: Final = "null"
"""What was written while the bucket had no versions, or while they were suspended (S3 user guide)."""


def _shown(context: Context, bucket: BucketName, version: str | None) -> str | None:
    """A version as answers name it; None where the bucket never had versions: nothing is said of them then.

    version: None: the one called ``null``.
    """
    if version not in (None, NULL_VERSION):
        return version
    try:
        return None if context.namespace.versioning(bucket) is None else NULL_VERSION
    except BucketMissing:
        return None
    except NamespaceError as error:  # what was written is written, and what is read can be
        _log.error("whether %s has versions cannot be told: %s", bucket, error)
        return None


def written_fields(version: str | None) -> Fields:
    """x-amz-version-id of what was uploaded."""
    return () if version is None else ((_VERSION, version),)


def version_fields(context: Context, bucket: BucketName, version: str | None) -> Fields:
    """x-amz-version-id of what was read, copied or tagged."""
    shown = _shown(context, bucket, version)
    return () if shown is None else ((_VERSION, shown),)


def settled_version(
    context: Context, bucket: BucketName, key: ObjectKey, version: str | None
) -> str | None:
    """The version that is to be changed, so that the one that is named afterwards is the one that was,
    whoever writes meanwhile; None in buckets without versions. Raises NamespaceError.
    """
    if version is not None or context.namespace.versioning(bucket) is None:
        return version
    return context.namespace.head_object(bucket, key).version or NULL_VERSION


def source_fields(context: Context, bucket: BucketName, version: str | None) -> Fields:
    """x-amz-copy-source-version-id of what was copied from the bucket."""
    shown = _shown(context, bucket, version)
    return () if shown is None else (("x-amz-copy-source-version-id", shown),)


def marker_fields(context: Context, bucket: BucketName, version: str | None, *, marker: bool) -> Fields:
    """Of a deletion: the version that is gone, or the delete marker that was made or is gone."""
    fields = version_fields(context, bucket, version)
    return (_MARKER, *fields) if marker else fields


def marker_met(error: DeleteMarkerMet, key: bytes | None) -> S3Error:
    """What a delete marker answers to all but a deletion (S3 user guide, "Working with delete markers")."""
    fields = dict((_MARKER, (_VERSION, error.version)))
    if not error.named:
        details = {} if key is None else {"Key": key.decode("utf-8", "replace")}
        return S3Error("NoSuchKey", details=details, headers=fields)
    fields |= {"Allow": "DELETE", "Last-Modified": format_http_date(error.mtime_ns // _SECOND)}
    return S3Error("MethodNotAllowed", details={"ResourceType": "DeleteMarker"}, headers=fields)
