"""The document of GetObjectAttributes. Element names and order are those of the S3 API reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from weka_mp.s3.xml_elements import Checksums, checksum_elements, document
from weka_mp.s3.xml_text import escape

__all__ = ["Attributes", "Checksums", "PartRow", "PartsPage", "get_object_attributes_response"]


@dataclass(frozen=True, slots=True)
class PartRow:
    """One part: size in bytes, (algorithm, base64 text) of a checksum where one was stored."""

    number: int
    size: int
    checksum: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class PartsPage:
    """Of `count` parts those behind the marker. next_marker: the number of the last row, 0 without one."""

    count: int
    marker: int
    next_marker: int
    max_parts: int
    truncated: bool
    rows: Sequence[PartRow]


@dataclass(frozen=True, slots=True)
class Attributes:
    """What was asked for; None and empty are left out. etag without quotes, as this document has it."""

    etag: str | None
    checksums: Checksums
    checksum_type: str
    parts: PartsPage | None
    storage_class: str | None
    size: int | None


def _parts(page: PartsPage) -> str:
    head = (
        f"<PartsCount>{page.count}</PartsCount>"
        f"<PartNumberMarker>{page.marker}</PartNumberMarker>"
        f"<NextPartNumberMarker>{page.next_marker}</NextPartNumberMarker>"
        f"<MaxParts>{page.max_parts}</MaxParts>"
        f"<IsTruncated>{'true' if page.truncated else 'false'}</IsTruncated>"
    )
    return f"<ObjectParts>{head}{''.join(map(_part, page.rows))}</ObjectParts>"


def _part(row: PartRow) -> str:
    checksum = checksum_elements((row.checksum,), "") if row.checksum else ""
    return f"<Part>{checksum}<PartNumber>{row.number}</PartNumber><Size>{row.size}</Size></Part>"


def get_object_attributes_response(found: Attributes) -> bytes:
    """GetObjectAttributes."""
    parts = []
    if found.etag is not None:
        parts.append(f"<ETag>{escape(found.etag)}</ETag>")
    if found.checksums:
        parts.append(f"<Checksum>{checksum_elements(found.checksums, found.checksum_type)}</Checksum>")
    if found.parts is not None:
        parts.append(_parts(found.parts))
    if found.storage_class is not None:
        parts.append(f"<StorageClass>{escape(found.storage_class)}</StorageClass>")
    if found.size is not None:
        parts.append(f"<ObjectSize>{found.size}</ObjectSize>")
    return document("GetObjectAttributesResponse", parts)
