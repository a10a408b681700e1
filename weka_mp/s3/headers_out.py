"""Values into the headers of replies: object metadata, checksums, ETags, dates.

Source: the response headers of the S3 API reference; RFC 2047 for metadata that is not ASCII, as S3 answers
it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Final

from weka_mp.s3.dates import format_http_date
from weka_mp.s3.operations import ObjectMetadata

__all__ = ["DEFAULT_CONTENT_TYPE", "encode_text", "metadata_headers", "object_headers", "override"]

DEFAULT_CONTENT_TYPE: Final = "binary/octet-stream"


def encode_text(value: str) -> str:
    """A header value for any text: itself when it is printable ASCII, else an RFC 2047 encoded word.

    Metadata may be set through the mount too, where line breaks and control characters are legal.
    """
    if value.isascii() and value.isprintable():
        return value
    return f"=?UTF-8?B?{b64encode(value.encode('utf-8', 'surrogateescape')).decode('ascii')}?="


def metadata_headers(metadata: ObjectMetadata) -> list[tuple[str, str]]:
    """Content headers and user metadata; a type is always there."""
    fields = [("Content-Type", encode_text(metadata.content_type or DEFAULT_CONTENT_TYPE))]
    for name, value in (
        ("Cache-Control", metadata.cache_control),
        ("Content-Disposition", metadata.content_disposition),
        ("Content-Encoding", metadata.content_encoding),
        ("Content-Language", metadata.content_language),
        ("Expires", metadata.expires),
        ("x-amz-website-redirect-location", metadata.website_redirect),
    ):
        if value is not None:
            fields.append((name, encode_text(value)))
    fields += [(f"x-amz-meta-{name}", encode_text(value)) for name, value in metadata.user]
    return fields


def object_headers(etag: str, last_modified: int) -> list[tuple[str, str]]:
    """What tells one state of an object from another. etag without quotes, time in seconds since the
    epoch."""
    return [
        ("Last-Modified", format_http_date(last_modified)), ("ETag", f'"{etag}"'), ("Accept-Ranges", "bytes")]


def override(
    fields: list[tuple[str, str]], overrides: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    """The fields with the response-* parameters of a signed request in the place of the object's own."""
    chosen = dict(overrides)
    if not chosen:
        return fields
    kept = [field for field in fields if field[0] not in chosen]
    return kept + [(name, encode_text(value)) for name, value in chosen.items()]
