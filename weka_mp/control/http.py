"""A bounded HTTP/1.1 server protocol for administration, sans-IO: bytes in, one request out, a response as
bytes.

One request a connection, bodies by Content-Length only. RFC 9112 allows a server to be this plain (section
9.6 on closing, section 6.3 on lengths); whatever could be read in two ways is refused.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["BadRequest", "Request", "RequestReader", "Response", "is_own_name", "json_response"]

MAX_HEAD: Final = 16 * 1024  # bytes of request line and headers
MAX_BODY: Final = 64 * 1024

_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[!-~]{0,2048}) HTTP/1\.[01]")
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")


class BadRequest(Exception):
    """The request cannot be served; `status` says why."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `path` is percent-decoded, without its query, which is as it was sent; `authorization`
    that header, or empty.
    """

    method: str
    path: str
    body: bytes = field(repr=False)
    authorization: str = field(default="", repr=False)
    query: str = ""

    def json(self) -> dict[str, object]:
        """The body as a JSON object; an absent body is an empty one. Raises BadRequest."""
        if not self.body:
            return {}
        try:
            value = json.loads(self.body, object_pairs_hook=_without_doubles)
        except (ValueError, RecursionError):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "the body is not JSON, or has a name twice") from None
        if not isinstance(value, dict):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
        return value


@dataclass(frozen=True, slots=True)
class Response:
    """One response. `head_only` keeps the length and leaves the content out (HEAD)."""

    status: HTTPStatus
    content: bytes
    content_type: str = "application/json"

    def encode(self, *, head_only: bool = False) -> bytes:
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n"
            f"Content-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.content)}\r\n"
            "Cache-Control: no-store\r\n"
            "Connection: close\r\n\r\n"
        ).encode("ascii")
        return head if head_only else head + self.content


def json_response(status: HTTPStatus, value: object) -> Response:
    """A response whose content is `value` as JSON, with a final newline for people at a terminal."""
    return Response(status, json.dumps(value).encode("ascii") + b"\n")


@dataclass(frozen=True, slots=True)
class _Head:
    """What is known before the body; `body_start` and `body_length` are in bytes."""

    method: str
    path: str
    query: str
    authorization: str = field(repr=False)
    body_start: int
    body_length: int


class RequestReader:
    """Collects the bytes of one request.

    names: what callers may call us besides addresses and names without a dot; None: anything.
    """

    def __init__(self, names: Collection[str] | None = None) -> None:
        self._names = names
        self._buffer = bytearray()
        self._head: _Head | None = None

    def feed(self, data: bytes) -> Request | None:
        """The request once it is complete, else None. Raises BadRequest."""
        self._buffer += data
        if self._head is None:
            self._head = self._read_head()
        if self._head is None:
            return None
        head = self._head
        end = head.body_start + head.body_length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[head.body_start : end])
        return Request(head.method, head.path, body, head.authorization, head.query)

    def _read_head(self) -> _Head | None:
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD:
                raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large")
            return None
        line, *headers = bytes(self._buffer[:end]).split(b"\r\n")
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "not an HTTP/1.1 request line")
        target = urlsplit(match[2].decode("ascii"))
        fields = [_field(line) for line in headers]
        _refuse_pages(fields)
        if self._names is not None:
            _refuse_other_hosts(fields, self._names)
        length, authorization = _content_length(fields), _authorization(fields)
        method, path = match[1].decode("ascii"), unquote(target.path)
        return _Head(method, path, target.query, authorization, end + 4, length)


def _field(line: bytes) -> tuple[bytes, bytes]:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "a malformed header")
    return match[1].lower(), match[2]


def _refuse_pages(fields: list[tuple[bytes, bytes]]) -> None:
    """Pages have no business here, whoever's they are: one that an administrator looks at could guess
    passwords and lock users out from inside the network, without asking anybody ("simple requests" of Fetch).
    """
    origin = any(name == b"origin" for name, _ in fields)
    if origin or any(name == b"sec-fetch-site" and value != b"none" for name, value in fields):
        raise BadRequest(HTTPStatus.FORBIDDEN, "requests of pages in a browser are not served")


def _refuse_other_hosts(fields: list[tuple[bytes, bytes]], names: Collection[str]) -> None:
    """A page may have its own name lead to our address once it is loaded (DNS rebinding). To the browser we
    are of its origin then, and it says nothing of a page; but it says which name it asked for.
    """
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "two Host headers")
    if hosts and not is_own_name(hosts[0].decode("latin-1"), names):
        raise BadRequest(
            HTTPStatus.MISDIRECTED_REQUEST,
            "this service does not know that name as its own: ask it by its address, or start it with"
            " --admin-names NAME",
        )


def is_own_name(host: str, names: Collection[str]) -> bool:
    """Whether a Host header means us: an address, a name without a dot or below ``localhost`` (nobody else's
    page can have such), or one of `names` (lower case).
    """
    match = _HOST.fullmatch(host.lower())
    if match is None:
        return not host
    name = match[1].removesuffix(".")
    if name.startswith("[") or "." not in name or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def _authorization(fields: list[tuple[bytes, bytes]]) -> str:
    values = [value for name, value in fields if name == b"authorization"]
    if len(values) > 1:
        raise BadRequest(HTTPStatus.BAD_REQUEST, "two Authorization headers")
    return values[0].decode("latin-1") if values else ""


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """What stands twice could be read in two ways."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice in one object")
    return found


def _content_length(fields: list[tuple[bytes, bytes]]) -> int:
    if any(name == b"transfer-encoding" for name, _ in fields):
        raise BadRequest(HTTPStatus.NOT_IMPLEMENTED, "bodies need a Content-Length")
    lengths = [value for name, value in fields if name == b"content-length"]
    if not lengths:
        return 0
    if len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,10}", lengths[0]):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "a malformed Content-Length")
    if int(lengths[0]) > MAX_BODY:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
    return int(lengths[0])
