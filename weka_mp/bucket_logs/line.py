"""One request as a line of a bucket's log.

Source: "Amazon S3 server access log format" of the S3 user guide. What a client wrote stands in it with
quotes, control characters and all beyond ASCII percent-encoded, so that no request can forge a line or a
field.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

__all__ = ["Entry", "encode", "safe_query", "safe_url"]

_SECOND: Final = 1_000_000_000
_MOST: Final = 16 * 1024  # characters of what a client wrote
_UNSAFE: Final = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]+")
_NONE: Final = "-"
_SECRETS: Final = frozenset({
    b"x-amz-signature", b"x-amz-security-token", b"signature",
    b"x-amz-server-side-encryption-customer-key",
    b"x-amz-copy-source-server-side-encryption-customer-key",
})
_REDACTED: Final = b"=*REDACTED*"


@dataclass(slots=True)
class Entry:
    """Of one request, or of one thing that a request or a rule did. What is empty or None is not known, or
    does not apply.

    owner:     the canonical user id of whom the bucket belongs to.
    time_ns:   when it came, since the epoch.
    requester: a canonical user id, or the ARN of a user.
    target:    method, path and query as they were sent.
    sent, size: bytes of the answer's body; of the object.
    total_ns:  from the arrival to the end of the answer; turn_ns: from the last byte of the request to the
               first of the answer.
    acl_required: the policies alone would not have let them.
    """

    owner: str
    bucket: str
    time_ns: int
    operation: str
    key: bytes | None = None
    remote: str = ""
    requester: str = ""
    request_id: str = ""
    target: str = ""
    status: int | None = None
    error: str = ""
    sent: int = 0
    size: int | None = None
    total_ns: int | None = None
    turn_ns: int | None = None
    referer: str = ""
    agent: str = ""
    version: str = ""
    host_id: str = ""
    signature: str = ""
    cipher: str = ""
    authentication: str = ""
    host: str = ""
    tls_version: str = ""
    acl_required: bool = False


def encode(entry: Entry) -> bytes:
    """ASCII, with its end."""
    key = _NONE if entry.key is None else quote_from_bytes(entry.key, safe="/*-._~!'(),:@=&+$;") or _NONE
    request = f'"{_written(entry.target)} HTTP/1.1"' if entry.target else _NONE
    return (
        f"{entry.owner or _NONE} {_word(entry.bucket)} [{_time(entry.time_ns // _SECOND)} +0000] "
        f"{entry.remote or _NONE} {entry.requester or _NONE} {entry.request_id or _NONE} {entry.operation} "
        f"{key} {request} {_number(entry.status)} {entry.error or _NONE} {entry.sent or _NONE} "
        f"{_number(entry.size)} {_millis(entry.total_ns)} {_millis(entry.turn_ns)} "
        f'"{_written(entry.referer)}" "{_written(entry.agent)}" {_word(entry.version)} '
        f"{entry.host_id or _NONE} {entry.signature or _NONE} {entry.cipher or _NONE} "
        f"{entry.authentication or _NONE} {_word(entry.host)} {entry.tls_version or _NONE} - "
        f"{'Yes' if entry.acl_required else _NONE}\n"
    ).encode("ascii")


def safe_query(query: bytes) -> bytes:
    """A query without what would let a reader of the log repeat the request: signatures and tokens."""
    return b"&".join(map(_safe_field, query.split(b"&"))) if b"=" in query else query


def safe_url(url: str) -> str:
    """The same of a whole URL: a page that a presigned URL led to sends that on with what it loads."""
    place, mark, query = url.partition("?")
    if not mark:
        return url
    safe = safe_query(query.encode("utf-8", "surrogateescape"))
    return place + mark + safe.decode("utf-8", "surrogateescape")


def _safe_field(field: bytes) -> bytes:
    """A name that is percent-encoded means the same."""
    name, mark, _ = field.partition(b"=")
    return name + _REDACTED if mark and unquote_to_bytes(name).lower() in _SECRETS else field


def _written(text: str) -> str:
    """What a client wrote, between quotes."""
    if not text:
        return _NONE
    if len(text) > _MOST:
        text = text[:_MOST]
    return _UNSAFE.sub(_spelt, text)


def _word(text: str) -> str:
    """The same without quotes around it."""
    return _written(text).replace(" ", "%20")


def _spelt(found: re.Match[str]) -> str:
    return "%" + found[0].encode("utf-8", "surrogateescape").hex("%").upper()


def _number(value: int | None) -> str:
    return _NONE if value is None else str(value)


def _millis(value: int | None) -> str:
    return _NONE if value is None else str(max(0, value) // 1_000_000)


@lru_cache(maxsize=16)
def _time(second: int) -> str:
    """Month names are English whatever the locale is."""
    at = time.gmtime(second)
    months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return f"{at.tm_mday:02d}/{months[at.tm_mon - 1]}/{time.strftime('%Y:%H:%M:%S', at)}"
