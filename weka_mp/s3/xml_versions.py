"""The XML documents of ListObjectVersions and GetBucketVersioning. Element names and order are those of the
S3 API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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

__all__ = ["VersionRow", "VersionsPage", "list_versions_result", "versioning_configuration"]


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version. marker: it is a delete marker, of which `row` tells key, time and owner alone."""

    row: ObjectRow
    version: str
    latest: bool
    marker: bool = False


@dataclass(frozen=True, slots=True)
class VersionsPage:
    """A page of versions, newest first of each key. resume: the key and version behind which the next page
    begins (without a version behind all of the key's, or behind a common prefix), None: there is none.
    """

    bucket: str
    prefix: bytes
    delimiter: bytes
    key_marker: bytes
    version_id_marker: str | None
    max_keys: int
    encoding_type: str | None
    resume: tuple[bytes, str | None] | None
    rows: Sequence[VersionRow]
    common_prefixes: Sequence[bytes]


def list_versions_result(page: VersionsPage) -> bytes:
    """ListObjectVersions."""
    return document("ListVersionsResult", _content(page))


def versioning_configuration(status: str | None) -> bytes:
    """GetBucketVersioning. status: None: it was never set."""
    return document("VersioningConfiguration", [optional("Status", escape(status or ""))])


def _content(page: VersionsPage) -> Iterable[str]:
    write = url_text if page.encoding_type == "url" else key_text
    yield f"<Name>{escape(page.bucket)}</Name><Prefix>{write(page.prefix)}</Prefix>"
    yield f"<KeyMarker>{write(page.key_marker)}</KeyMarker>"
    yield f"<VersionIdMarker>{escape(page.version_id_marker or '')}</VersionIdMarker>"
    if page.resume is not None:
        key, version = page.resume
        yield f"<NextKeyMarker>{write(key)}</NextKeyMarker>"
        yield optional("NextVersionIdMarker", escape(version or ""))
    yield f"<MaxKeys>{page.max_keys}</MaxKeys>"
    yield optional("Delimiter", write(page.delimiter)) + optional("EncodingType", page.encoding_type or "")
    yield f"<IsTruncated>{'false' if page.resume is None else 'true'}</IsTruncated>"
    for row in page.rows:
        yield _marker(row, write) if row.marker else _version(row, write)
    yield from prefix_elements(page.common_prefixes, page.encoding_type == "url")


def _named(found: VersionRow, write: Callable[[bytes], str]) -> str:
    """Which version it is."""
    latest = "true" if found.latest else "false"
    return (
        f"<Key>{write(found.row.key)}</Key><VersionId>{escape(found.version)}</VersionId>"
        f"<IsLatest>{latest}</IsLatest><LastModified>{format_iso(found.row.last_modified)}</LastModified>"
    )


def _owner(found: VersionRow) -> str:
    return "" if found.row.owner is None else owner_element(found.row.owner)


def _marker(found: VersionRow, write: Callable[[bytes], str]) -> str:
    return f"<DeleteMarker>{_owner(found)}{_named(found, write)}</DeleteMarker>"


def _version(found: VersionRow, write: Callable[[bytes], str]) -> str:
    row = found.row
    algorithms = "".join(f"<ChecksumAlgorithm>{name}</ChecksumAlgorithm>" for name in row.checksum_algorithms)
    return (
        f"<Version><ETag>{quoted(row.etag)}</ETag><Size>{row.size}</Size>"
        f"<StorageClass>{row.storage_class}</StorageClass>{_named(found, write)}{_owner(found)}"
        f"{algorithms}{optional('ChecksumType', row.checksum_type)}</Version>"
    )
