"""GetObjectTagging, PutObjectTagging, DeleteObjectTagging, and the count that reads of an object show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from weka_mp.errors import DeleteMarkerMet
from weka_mp.gateway.object_versions import settled_version, version_fields
from weka_mp.gateway.reply import Fields, Reply, xml_reply
from weka_mp.gateway.requirements import of_version
from weka_mp.namespace.happenings import Happening
from weka_mp.s3 import operations as op
from weka_mp.s3.xml_tagging import tagging

if TYPE_CHECKING:
    from weka_mp.gateway.context import Context
    from weka_mp.namespace import ObjectInfo

__all__ = ["delete_object_tagging", "get_object_tagging", "put_object_tagging", "tag_count"]

_PUT, _DELETED = "ObjectTagging:Put", "ObjectTagging:Delete"
_SEEING: Final = op.GetObjectTagging.permission


def get_object_tagging(context: Context, operation: op.GetObjectTagging) -> Reply:
    """All tags by their keys; an empty set for an object without. Raises NamespaceError."""
    try:
        info = context.namespace.head_object(operation.bucket, operation.key, operation.version)
    except DeleteMarkerMet as met:  # of S3's operations this one alone calls the latest, too, a marker
        raise DeleteMarkerMet(met.version, met.mtime_ns, named=True, subject=met.subject) from met
    fields = version_fields(context, operation.bucket, info.version)
    return xml_reply(tagging(sorted(info.tags.items())), fields=fields)


def put_object_tagging(context: Context, operation: op.PutObjectTagging) -> Reply:
    """200. Raises NamespaceError."""
    return _tag(context, operation, 200, dict(operation.tags))


def delete_object_tagging(context: Context, operation: op.DeleteObjectTagging) -> Reply:
    """204, whether there were any or not. Raises NamespaceError."""
    return _tag(context, operation, 204, {})


def _tag(
    context: Context, operation: op.PutObjectTagging | op.DeleteObjectTagging, status: int,
    tags: Mapping[str, str],
) -> Reply:
    version = settled_version(context, operation.bucket, operation.key, operation.version)
    done = context.namespace.tag_object(operation.bucket, operation.key, tags, version)
    event = _PUT if isinstance(operation, op.PutObjectTagging) else _DELETED
    return Reply(
        status, version_fields(context, operation.bucket, version), changes=done.changes,
        happenings=(Happening(event, operation.bucket, operation.key, done.sequence, version=version),),
    )


def tag_count(context: Context, operation: op.ReadObject, info: ObjectInfo) -> Fields:
    """x-amz-tagging-count, where there are tags and the sender may see them (S3 API, GetObject)."""
    if not info.tags or not context.access.allows(
        of_version(_SEEING, operation.version), operation.bucket, operation.key
    ):
        return ()
    return (("x-amz-tagging-count", str(len(info.tags))),)
