"""Pages of the uploads of a bucket, and of the parts of an upload, in S3's order.

Uploads have no order on disk: each page looks at all of them and keeps no more rows than it will show, so
that its memory does not grow with their number beyond the names themselves. A page depends on its marker
alone.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from weka_mp.errors import AccessDenied, UploadMissing
from weka_mp.namespace.context import Context
from weka_mp.namespace.names.keys import entry_path
from weka_mp.namespace.uploads.area import UploadArea
from weka_mp.namespace.uploads.upload import StoredPart
from weka_mp.namespace.values import CommonPrefix, UploadInfo, UploadsPage
from weka_mp.values import BucketName

__all__ = ["PartsPage", "UploadsQuery", "list_parts", "list_uploads", "may_search"]

_Row = tuple[bytes, bytes]
"""Key and upload id; a common prefix and b"" for all the keys that it stands for."""


@dataclass(frozen=True, slots=True)
class UploadsQuery:
    """`after`: (key or common prefix, upload id) to go on behind. With an empty id all uploads of that key
    count as shown, and with a key or prefix below a common prefix all of that. `limit`: rows of the page.
    `in_sight`: whether an upload to this key may be shown.
    """

    prefix: bytes = b""
    delimiter: bytes = b""
    after: tuple[bytes, str] = (b"", "")
    limit: int = 1000
    in_sight: Callable[[bytes], bool] = lambda key: True


@dataclass(frozen=True, slots=True)
class PartsPage:
    """Parts by number. `next_after`: the number to go on behind, None when there is nothing more."""

    upload: UploadInfo
    parts: tuple[StoredPart, ...]
    next_after: int | None


def list_uploads(area: UploadArea, bucket: BucketName, query: UploadsQuery) -> UploadsPage:
    """Raises BucketMissing."""
    identity_of_bucket = area.bucket_of(bucket)
    if query.limit <= 0:
        return UploadsPage((), None)
    rows: list[_Row] = []
    for row in _rows(area, identity_of_bucket, query):
        at = bisect_left(rows, row)
        if at > query.limit or (at < len(rows) and rows[at] == row):
            continue
        rows.insert(at, row)
        del rows[query.limit + 1 :]
    shown = rows[: query.limit]
    following = (shown[-1][0], shown[-1][1].decode()) if len(rows) > query.limit else None
    items = (_described(area, bucket, row) for row in shown)
    return UploadsPage(tuple(item for item in items if item is not None), following)


def _rows(area: UploadArea, bucket: int, query: UploadsQuery) -> Iterator[_Row]:
    live = area.live()
    area.forget_ended(live)
    key_after, id_after = query.after
    prefix, delimiter = query.prefix, query.delimiter
    for upload_id, identity in area.identities(live):
        key = identity.key
        if identity.bucket != bucket or not key.startswith(prefix):
            continue
        if key < key_after or (key == key_after and upload_id.decode() <= (id_after or "~")):
            continue
        if not query.in_sight(key):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        if at < 0:
            yield key, upload_id
        elif not key_after.startswith(group := key[: at + len(delimiter)]):
            yield group, b""


def _described(area: UploadArea, bucket: BucketName, row: _Row) -> UploadInfo | CommonPrefix | None:
    """None for an upload that ended meanwhile."""
    key, upload_id = row
    if not upload_id:
        return CommonPrefix(key)
    try:
        upload, info = area.open(bucket, key, upload_id.decode())
    except UploadMissing:
        return None
    upload.close()
    return info


def list_parts(
    area: UploadArea, bucket: BucketName, key: bytes, upload_id: str, *, after: int, limit: int
) -> PartsPage:
    """The parts behind number `after`, at most `limit`. Raises UploadMissing, BucketMissing."""
    upload, info = area.open(bucket, key, upload_id)
    try:
        numbers = [number for number in upload.part_numbers() if number > after]
        shown = numbers[: max(limit, 0)]
        parts = (upload.part(number) for number in shown)
        found = tuple(part for part in parts if part is not None)
        return PartsPage(info, found, shown[-1] if shown and len(numbers) > len(shown) else None)
    finally:
        upload.close()


def may_search(context: Context, bucket: BucketName, key: bytes) -> bool:
    """Whether who is bound by modes could look for this key."""
    with context.bucket(bucket) as directory:
        try:
            parent = context.find_parent(directory, entry_path(key))
            if parent is None:
                return True
            try:
                context.store.check_access(parent.fd, os.X_OK)
            finally:
                context.store.close(parent.fd)
        except AccessDenied:
            return False
    return True
