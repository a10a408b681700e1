"""Text into the headers of replies. Source: RFC 2047 for what is not ASCII, as S3 answers it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Final

__all__ = ["DEFAULT_CONTENT_TYPE", "encode_text", "override"]

DEFAULT_CONTENT_TYPE: Final = "binary/octet-stream"


def encode_text(value: str) -> str:
    """A header value for any text: itself when it is printable ASCII, else an RFC 2047 encoded word.

    Metadata may be set through the mount too, where line breaks and control characters are legal.
    """
    if value.isascii() and value.isprintable():
        return value
    return f"=?UTF-8?B?{b64encode(value.encode('utf-8', 'surrogateescape')).decode('ascii')}?="


def override(
    fields: list[tuple[str, str]], overrides: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The fields with the response-* parameters of a signed request in the place of the object's own."""
    chosen = dict(overrides)
    if not chosen:
        return fields
    kept = [field for field in fields if field[0] not in chosen]
    return kept + [(name, encode_text(value)) for name, value in chosen.items()]
