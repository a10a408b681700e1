"""ListObjects and ListObjectsV2: one page of the namespace's listing as each of them shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from weka_mp.gateway.acls import account_shown
from weka_mp.gateway.context import Context, owner
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.gateway.tokens import decode_token, encode_token
from weka_mp.namespace.values import ObjectSummary
from weka_mp.s3 import operations as op
from weka_mp.s3 import xml_write
from weka_mp.s3.xml_elements import Owner
from weka_mp.values import BucketName

__all__ = ["list_objects", "list_objects_v2", "object_row", "owners_of"]

_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Page:
    rows: list[xml_write.ObjectRow]
    prefixes: list[bytes]
    resume: bytes | None


def list_objects(context: Context, operation: op.ListObjects) -> Reply:
    """Version 1. NextMarker is sent only with a delimiter; else the last key is the marker (S3 API)."""
    page = _page(context, operation, operation.marker, with_owner=True)
    return xml_reply(xml_write.list_bucket_result(xml_write.ListingV1(
        operation.bucket, operation.prefix, operation.delimiter, operation.marker, operation.max_keys,
        operation.encoding_type, page.resume is not None,
        page.resume if operation.delimiter else None, page.rows, page.prefixes,
    )))


def list_objects_v2(context: Context, operation: op.ListObjectsV2) -> Reply:
    """Version 2. A token outweighs start-after. Raises S3Error InvalidArgument for a token not ours."""
    token = operation.continuation_token
    after = operation.start_after if token is None else decode_token(token)
    page = _page(context, operation, after, with_owner=operation.fetch_owner)
    following = None if page.resume is None else encode_token(page.resume)
    return xml_reply(xml_write.list_bucket_result_v2(xml_write.ListingV2(
        operation.bucket, operation.prefix, operation.delimiter, operation.max_keys, operation.encoding_type,
        following is not None, token, following, operation.start_after if token is None else b"",
        page.rows, page.prefixes,
    )))


def _page(
    context: Context, operation: op.ListObjects | op.ListObjectsV2, after: bytes, *, with_owner: bool,
) -> _Page:
    if operation.max_keys == 0:
        context.namespace.head_bucket(operation.bucket)
        return _Page([], [], None)
    found = context.namespace.list_objects(
        operation.bucket, prefix=operation.prefix, delimiter=operation.delimiter, after=after,
        limit=operation.max_keys,
    )
    whose = owners_of(context, operation.bucket) if with_owner else lambda _: None
    page = _Page([], [], found.next_after)
    for item in found.items:
        if isinstance(item, ObjectSummary):
            page.rows.append(object_row(item, whose(item)))
        else:
            page.prefixes.append(item.prefix)
    return page


def owners_of(context: Context, bucket: BucketName) -> Callable[[ObjectSummary], Owner]:
    """Whose each object is: the bucket's owner's, unless ACLs count there."""
    holder = owner(context, bucket)
    if not context.access.grants(bucket).has_acls:
        return lambda _: holder
    acls = context.namespace.acls

    def whose(item: ObjectSummary) -> Owner:
        account = None if item.acl is None else acls.counting(bucket, item.acl).owner
        return holder if account is None else account_shown(context, account)

    return whose


def object_row(item: ObjectSummary, shown: xml_write.Owner | None) -> xml_write.ObjectRow:
    """An object as documents list it."""
    return xml_write.ObjectRow(
        item.key, item.mtime_ns // _SECOND, item.etag, item.size, owner=shown,
        checksum_algorithms=tuple(item.checksums), checksum_type=item.checksum_type or "",
    )
