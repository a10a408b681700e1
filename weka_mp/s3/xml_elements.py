"""How values are written in the XML documents of replies: what several of them share.

Times are whole seconds since the epoch; ETags come without quotes; keys are UTF-8 bytes. With encoding_type
``url`` keys and what relates to them are percent-encoded with the slash kept, as S3 does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_from_bytes

from weka_mp.s3.dates import format_iso
from weka_mp.s3.xml_text import escape

__all__ = [
    "DECLARATION", "NAMESPACE", "Checksums", "CopyResult", "Owner", "checksum_elements", "copy_content",
    "document", "key_text", "optional", "owner_element", "prefix_elements", "quoted", "url_text",
]

DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE: Final = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'

Checksums = Sequence[tuple[str, str]]
"""(algorithm in upper case, base64 text), in the order to be written."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Canonical id and display name; the name is left out when empty."""

    id: str
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy made."""

    etag: str
    last_modified: int
    checksums: Checksums = ()
    checksum_type: str = ""


def key_text(key: bytes) -> str:
    """A key as it is."""
    # Keys of S3 are UTF-8; a name that POSIX wrote otherwise still must not break the whole document.
    return escape(key.decode("utf-8", "replace"))


def url_text(key: bytes) -> str:
    """A key with encoding_type ``url``."""
    return quote_from_bytes(key, safe="/*-._")


def document(root: str, content: Iterable[str]) -> bytes:
    """A whole document."""
    text = f"{DECLARATION}<{root} {NAMESPACE}>{''.join(content)}</{root}>"
    return text.encode("utf-8", "replace")


def quoted(etag: str) -> str:
    """An ETag with its quotes."""
    return f"&quot;{escape(etag)}&quot;"


def optional(element: str, value: str) -> str:
    """An element that is left out when it would be empty; `value` is escaped already."""
    return f"<{element}>{value}</{element}>" if value else ""


def owner_element(owner: Owner, element: str = "Owner") -> str:
    """Owner, or Initiator."""
    name = f"<DisplayName>{escape(owner.display_name)}</DisplayName>" if owner.display_name else ""
    return f"<{element}><ID>{escape(owner.id)}</ID>{name}</{element}>"


def checksum_elements(checksums: Checksums, checksum_type: str) -> str:
    """One element for each value, then their type."""
    values = "".join(f"<Checksum{name}>{escape(value)}</Checksum{name}>" for name, value in checksums)
    return values + (f"<ChecksumType>{checksum_type}</ChecksumType>" if checksum_type else "")


def prefix_elements(prefixes: Sequence[bytes], url: bool) -> Iterable[str]:
    """CommonPrefixes."""
    write_key = url_text if url else key_text
    for prefix in prefixes:
        yield f"<CommonPrefixes><Prefix>{write_key(prefix)}</Prefix></CommonPrefixes>"


def copy_content(result: CopyResult) -> list[str]:
    """What CopyObject and UploadPartCopy say of what they made."""
    return [
        f"<LastModified>{format_iso(result.last_modified)}</LastModified><ETag>{quoted(result.etag)}</ETag>",
        checksum_elements(result.checksums, result.checksum_type),
    ]
