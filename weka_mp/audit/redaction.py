"""What of a request may stand in an event: allow lists, and nothing that an allow list does not name.

A header or a parameter that is not known to hold no secret is shown by its name alone. Values are cut where
they are too long, and characters that would move a terminal's cursor or begin a new line are spelt out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

__all__ = ["REDACTED", "headers_shown", "query_shown", "readable", "text_of_key"]

REDACTED: Final = "*REDACTED*"

_MAX_VALUE: Final = 512  # characters
_MAX_FIELDS: Final = 64
_REMEMBERED: Final = 256  # characters of what is worth remembering
_CUT: Final = "…(cut)"
_MORE: Final = "…"

_REQUEST_HEADERS: Final = (
    "Accept", "Accept-Encoding", "Amz-Sdk-Invocation-Id", "Amz-Sdk-Request", "Cache-Control", "Connection",
    "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Md5",
    "Content-Type", "Date", "Expect", "Expires", "Host", "If-Match", "If-Modified-Since", "If-None-Match",
    "If-Range", "If-Unmodified-Since", "Origin", "Range", "Te", "Trailer", "Transfer-Encoding", "User-Agent",
    "X-Amz-Acl", "X-Amz-Bucket-Object-Lock-Enabled", "X-Amz-Bypass-Governance-Retention",
    "X-Amz-Checksum-Algorithm", "X-Amz-Checksum-Crc32", "X-Amz-Checksum-Crc32c", "X-Amz-Checksum-Crc64nvme",
    "X-Amz-Checksum-Mode", "X-Amz-Checksum-Sha1", "X-Amz-Checksum-Sha256", "X-Amz-Checksum-Type",
    "X-Amz-Content-Sha256", "X-Amz-Copy-Source-If-Match", "X-Amz-Copy-Source-If-Modified-Since",
    "X-Amz-Copy-Source-If-None-Match", "X-Amz-Copy-Source-If-Unmodified-Since", "X-Amz-Copy-Source-Range",
    "X-Amz-Date", "X-Amz-Decoded-Content-Length", "X-Amz-Expected-Bucket-Owner",
    "X-Amz-If-Match-Last-Modified-Time", "X-Amz-If-Match-Size", "X-Amz-Metadata-Directive",
    "X-Amz-Mp-Object-Size", "X-Amz-Object-Attributes", "X-Amz-Object-Lock-Legal-Hold",
    "X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Object-Ownership",
    "X-Amz-Request-Payer", "X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Server-Side-Encryption",
    "X-Amz-Source-Expected-Bucket-Owner", "X-Amz-Storage-Class", "X-Amz-Tagging-Directive", "X-Amz-Trailer",
    "X-Amz-User-Agent", "X-Forwarded-For", "X-Forwarded-Proto",
)  # fmt: skip
_RESPONSE_HEADERS: Final = (
    "Accept-Ranges", "Allow", "Connection", "Content-Range", "ETag", "Last-Modified", "Retry-After", "Server",
    "Transfer-Encoding", "Vary", "x-amz-abort-date", "x-amz-abort-rule-id", "x-amz-bucket-region",
    "x-amz-copy-source-version-id", "x-amz-delete-marker", "x-amz-expiration", "x-amz-id-2",
    "x-amz-mp-parts-count", "x-amz-request-id", "x-amz-tagging-count", "x-amz-version-id", "x-amzn-RequestId",
)  # fmt: skip
_SHOWN: Final = {name.lower(): name for name in (*_REQUEST_HEADERS, *_RESPONSE_HEADERS)}
_SOURCES: Final = {
    "x-amz-copy-source": "X-Amz-Copy-Source", "x-amz-rename-source": "X-Amz-Rename-Source",
}  # fmt: skip
_AUTHORIZATION: Final = "authorization"

_PARAMETERS: Final = frozenset({
    "Action", "Version", "acl", "attributes", "continuation-token", "delete", "delimiter", "encoding-type",
    "fetch-owner", "key-marker", "lifecycle", "list-type", "location", "marker", "max-keys", "max-parts",
    "max-uploads", "partNumber", "part-number-marker", "policy", "policyStatus", "prefix",
    "publicAccessBlock", "renameObject", "start-after", "tagging", "uploadId", "upload-id-marker", "uploads",
    "version-id-marker", "versionId", "versioning", "versions", "x-id", "X-Amz-Algorithm", "X-Amz-Credential",
    "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "AWSAccessKeyId", "Expires",
})  # fmt: skip

_UNSAFE: Final = re.compile(
    "[\\\\\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""Control characters (C0, DEL, C1), what reorders or hides text, halves of pairs; and the backslash, which
the others are spelt with."""

_SIGV4: Final = re.compile(
    r"(AWS4-HMAC-SHA256)\s+Credential=([A-Za-z0-9_.@+=:-]{1,128}(?:/[A-Za-z0-9_-]{0,64}){0,4}),?\s.*",
    re.DOTALL,
)
_SIGV2: Final = re.compile(r"(AWS)\s+([A-Za-z0-9_.@+=-]{1,128}):.*", re.DOTALL)


def readable(text: str) -> str:
    """On one line, whatever it holds, and not too long. A backslash is doubled, so nothing is ambiguous."""
    if len(text) <= _REMEMBERED:
        return _remembered(text)
    return _UNSAFE.sub(_spelt, text if len(text) <= _MAX_VALUE else text[:_MAX_VALUE] + _CUT)


@lru_cache(maxsize=2048)
def _remembered(text: str) -> str:
    """Most values of headers come again and again."""
    return _UNSAFE.sub(_spelt, text)


def _spelt(found: re.Match[str]) -> str:
    character = found[0]
    if character == "\\":
        return "\\\\"
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def text_of_key(key: bytes) -> str:
    """A key as events show it: not cut, since it says what was done to what. Keys are UTF-8; bytes that are
    not stand as ``\\xNN``.
    """
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return "".join(
            f"\\x{ord(character) - 0xDC00:02x}" if "\udc80" <= character <= "\udcff" else
            _UNSAFE.sub(_spelt, character) for character in key.decode("utf-8", "surrogateescape")
        )
    return _UNSAFE.sub(_spelt, text)


def headers_shown(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Of a request or an answer. Names are spelt as usual; a repeated one has its values joined."""
    shown: dict[str, str] = {}
    left = 0
    for name, value in fields:
        lower = name.lower()
        known = _SHOWN.get(lower)
        if known is not None:
            text = readable(value)
        else:
            known, text = _unlisted(lower, value)
        if known in shown:
            if len(shown[known]) <= _MAX_VALUE:
                shown[known] += f", {text}"
        elif len(shown) < _MAX_FIELDS:
            shown[known] = text
        else:
            left += 1
    if left:
        shown[_MORE] = f"{left} more"
    return shown


def _unlisted(name: str, value: str) -> tuple[str, str]:
    if name == _AUTHORIZATION:
        return "Authorization", _authorization(value)
    source = _SOURCES.get(name)
    if source is not None:
        return source, readable(value.partition("?")[0])
    return readable(name[:128]).title(), REDACTED


def _authorization(value: str) -> str:
    """Scheme and access key; the signature never, nor anything of a form that is not known."""
    found = _SIGV4.fullmatch(value)
    if found is not None:
        return f"{found[1]} Credential={found[2]}, Signature={REDACTED}"
    found = _SIGV2.fullmatch(value)
    return REDACTED if found is None else f"{found[1]} {found[2]}:{REDACTED}"


def query_shown(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Parameters of a request's query; a repeated one shows its first value."""
    shown: dict[str, str] = {}
    for name, value in pairs:
        if len(shown) >= _MAX_FIELDS:
            shown[_MORE] = "more"
            break
        text = readable(value) if name in _PARAMETERS else REDACTED if value else ""
        shown.setdefault(readable(name[:128]), text)
    return shown
