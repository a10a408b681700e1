"""GetObjectTagging, PutObjectTagging, DeleteObjectTagging, and the count that reads of an object show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from weka_mp.gateway.reply import Fields, Reply, xml_reply
from weka_mp.s3 import operations as op
from weka_mp.s3.xml_tagging import tagging

if TYPE_CHECKING:
    from weka_mp.gateway.context import Context
    from weka_mp.namespace import ObjectInfo

__all__ = ["delete_object_tagging", "get_object_tagging", "put_object_tagging", "tag_count"]

_SEEING: Final = op.GetObjectTagging.permission


def get_object_tagging(context: Context, operation: op.GetObjectTagging) -> Reply:
    """All tags by their keys; an empty set for an object without. Raises NamespaceError."""
    info = context.namespace.head_object(operation.bucket, operation.key)
    return xml_reply(tagging(sorted(info.tags.items())))


def put_object_tagging(context: Context, operation: op.PutObjectTagging) -> Reply:
    """200. Raises NamespaceError."""
    changes = context.namespace.tag_object(operation.bucket, operation.key, dict(operation.tags))
    return Reply(200, changes=changes)


def delete_object_tagging(context: Context, operation: op.DeleteObjectTagging) -> Reply:
    """204, whether there were any or not. Raises NamespaceError."""
    return Reply(204, changes=context.namespace.tag_object(operation.bucket, operation.key, {}))


def tag_count(context: Context, operation: op.ReadObject, info: ObjectInfo) -> Fields:
    """x-amz-tagging-count, where there are tags and the sender may see them (S3 API, GetObject)."""
    if not info.tags or not context.access.allows(_SEEING, operation.bucket, operation.key):
        return ()
    return (("x-amz-tagging-count", str(len(info.tags))),)
