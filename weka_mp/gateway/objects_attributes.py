"""GetObjectAttributes: what is known of an object, as a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from weka_mp.gateway.context import Context
from weka_mp.gateway.object_fields import last_modified
from weka_mp.gateway.object_versions import version_fields
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.gateway.requirements import of_version
from weka_mp.s3 import operations as op
from weka_mp.s3 import xml_attributes
from weka_mp.s3.dates import format_http_date

if TYPE_CHECKING:
    from weka_mp.namespace import ObjectInfo

__all__ = ["get_object_attributes"]

_STORAGE_CLASS: Final = "STANDARD"  # there is no other


def get_object_attributes(context: Context, operation: op.GetObjectAttributes) -> Reply:
    """200 with the attributes that were asked for. Raises BucketMissing, NotFound."""
    info = context.namespace.head_object(operation.bucket, operation.key, operation.version)
    needed = (of_version("s3:GetObject", operation.version),)
    context.access.found(needed, operation.bucket, operation.key, info, operation.version)
    wanted = operation.attributes
    document = xml_attributes.get_object_attributes_response(xml_attributes.Attributes(
        etag=info.etag if "ETag" in wanted else None,
        checksums=_checksums(info) if "Checksum" in wanted else (),
        checksum_type=info.checksum_type or "",
        parts=_parts(info, operation) if "ObjectParts" in wanted else None,
        storage_class=_STORAGE_CLASS if "StorageClass" in wanted else None,
        size=info.size if "ObjectSize" in wanted else None,
    ))
    fields = version_fields(context, operation.bucket, info.version)
    return xml_reply(document, fields=(("Last-Modified", format_http_date(last_modified(info))), *fields))


def _checksums(info: ObjectInfo) -> xml_attributes.Checksums:
    """A composite checksum stands here without its number of parts, other than in headers."""
    return tuple((name, value.partition("-")[0]) for name, value in info.checksums.items())


def _parts(info: ObjectInfo, operation: op.GetObjectAttributes) -> xml_attributes.PartsPage | None:
    """A page of the parts; None for an object that was not uploaded in parts."""
    sizes, checksums = info.part_sizes, info.part_checksums
    if sizes is None:
        return None
    marker, most = operation.part_number_marker, operation.max_parts
    last = min(sizes.count, marker + most)
    rows = []
    for number in range(marker + 1, last + 1):
        located = sizes.locate(number)
        shown = (checksums.algorithm, checksums.shown(number, sizes.count)) if checksums else None
        if located is not None:
            rows.append(xml_attributes.PartRow(number, located[1], shown))
    following = rows[-1].number if rows else 0
    return xml_attributes.PartsPage(sizes.count, marker, following, most, last < sizes.count, rows)
