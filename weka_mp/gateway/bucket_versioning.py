"""GetBucketVersioning, PutBucketVersioning, ListObjectVersions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from weka_mp.gateway.context import Context
from weka_mp.gateway.listing import object_row, owners_of
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.namespace.values import CommonPrefix, VersionRow, VersionsListing
from weka_mp.s3 import bucket_operations as op
from weka_mp.s3 import xml_versions

if TYPE_CHECKING:
    from weka_mp.s3.xml_write import Owner

__all__ = ["get_bucket_versioning", "list_object_versions", "put_bucket_versioning"]

_NONE: Final = VersionsListing((), None)


def get_bucket_versioning(context: Context, operation: op.GetBucketVersioning) -> Reply:
    """Without a status where versioning was never set. Raises NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    return xml_reply(xml_versions.versioning_configuration(context.namespace.versioning(operation.bucket)))


def put_bucket_versioning(context: Context, operation: op.PutBucketVersioning) -> Reply:
    """200. Raises NamespaceError (NotSupported where the bucket's file system can keep no versions)."""
    context.namespace.head_bucket(operation.bucket)
    context.namespace.change_bucket_settings(
        operation.bucket, lambda before: replace(before, versioning=operation.status)
    )
    return Reply(200)


def list_object_versions(context: Context, operation: op.ListObjectVersions) -> Reply:
    """Where versioning was never set, each object is its only version, ``null``. Raises NamespaceError."""
    found = _listed(context, operation)
    whose = owners_of(context, operation.bucket)
    return xml_reply(xml_versions.list_versions_result(xml_versions.VersionsPage(
        operation.bucket, operation.prefix, operation.delimiter, operation.key_marker,
        operation.version_id_marker, operation.max_keys, operation.encoding_type, found.next_after,
        [_row(item, whose(item.summary)) for item in found.items if not isinstance(item, CommonPrefix)],
        [item.prefix for item in found.items if isinstance(item, CommonPrefix)],
    )))


def _listed(context: Context, operation: op.ListObjectVersions) -> VersionsListing:
    if operation.max_keys == 0:
        context.namespace.head_bucket(operation.bucket)
        return _NONE
    return context.namespace.list_versions(
        operation.bucket, prefix=operation.prefix, delimiter=operation.delimiter,
        after=operation.key_marker, after_version=operation.version_id_marker, limit=operation.max_keys,
    )


def _row(item: VersionRow, shown: Owner) -> xml_versions.VersionRow:
    return xml_versions.VersionRow(object_row(item.summary, shown), item.version, item.latest, item.marker)
