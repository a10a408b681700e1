"""The XML document of ListObjectVersions. Element names and order are those of the S3 API reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weka_mp.s3.dates import format_iso
from weka_mp.s3.xml_elements import (
    document,
    key_text,
    optional,
    owner_element,
    prefix_elements,
    quoted,
    url_text,
)
from weka_mp.s3.xml_text import escape
from weka_mp.s3.xml_write import ObjectRow

__all__ = ["VersionsPage", "list_versions_result"]

_NULL = "null"


@dataclass(frozen=True, slots=True)
class VersionsPage:
    """A page of a bucket in which every object is its own and only version. resume: the key behind which the
    next page begins, None: there is none.
    """

    bucket: str
    prefix: bytes
    delimiter: bytes
    key_marker: bytes
    version_id_marker: str | None
    max_keys: int
    encoding_type: str | None
    resume: bytes | None
    rows: Sequence[ObjectRow]
    common_prefixes: Sequence[bytes]


def list_versions_result(page: VersionsPage) -> bytes:
    """The document."""
    return document("ListVersionsResult", _content(page))


def _content(page: VersionsPage) -> Iterable[str]:
    write = url_text if page.encoding_type == "url" else key_text
    yield f"<Name>{escape(page.bucket)}</Name><Prefix>{write(page.prefix)}</Prefix>"
    yield f"<KeyMarker>{write(page.key_marker)}</KeyMarker>"
    yield f"<VersionIdMarker>{page.version_id_marker or ''}</VersionIdMarker>"
    if page.resume is not None:
        yield f"<NextKeyMarker>{write(page.resume)}</NextKeyMarker>"
        yield f"<NextVersionIdMarker>{_NULL}</NextVersionIdMarker>"
    yield f"<MaxKeys>{page.max_keys}</MaxKeys>"
    yield optional("Delimiter", write(page.delimiter)) + optional("EncodingType", page.encoding_type or "")
    yield f"<IsTruncated>{'false' if page.resume is None else 'true'}</IsTruncated>"
    for row in page.rows:
        yield (
            f"<Version><ETag>{quoted(row.etag)}</ETag><Size>{row.size}</Size>"
            f"<StorageClass>{row.storage_class}</StorageClass><Key>{write(row.key)}</Key>"
            f"<VersionId>{_NULL}</VersionId><IsLatest>true</IsLatest>"
            f"<LastModified>{format_iso(row.last_modified)}</LastModified>"
        )
        if row.owner is not None:
            yield owner_element(row.owner)
        yield "".join(f"<ChecksumAlgorithm>{name}</ChecksumAlgorithm>" for name in row.checksum_algorithms)
        yield optional("ChecksumType", row.checksum_type) + "</Version>"
    yield from prefix_elements(page.common_prefixes, page.encoding_type == "url")
