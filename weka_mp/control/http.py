"""A bounded HTTP/1.1 server protocol for administration, sans-IO: bytes in, one request out, a response as
bytes.

One request a connection, bodies by Content-Length only. RFC 9112 allows a server to be this plain (section
9.6 on closing, section 6.3 on lengths); whatever could be read in two ways is refused.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["BadRequest", "Request", "RequestReader", "Response", "json_response"]

MAX_HEAD: Final = 16 * 1024  # bytes of request line and headers
MAX_BODY: Final = 64 * 1024

_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[!-~]{0,2048}) HTTP/1\.[01]")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")


class BadRequest(Exception):
    """The request cannot be served; `status` says why."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `path` is percent-decoded, without its query."""

    method: str
    path: str
    body: bytes

    def json(self) -> dict[str, object]:
        """The body as a JSON object; an absent body is an empty one. Raises BadRequest."""
        if not self.body:
            return {}
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            raise BadRequest(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
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


class RequestReader:
    """Collects the bytes of one request."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[str, str, int, int] | None = None

    def feed(self, data: bytes) -> Request | None:
        """The request once it is complete, else None. Raises BadRequest."""
        self._buffer += data
        if self._head is None:
            self._head = self._read_head()
        if self._head is None:
            return None
        method, path, start, length = self._head
        if len(self._buffer) < start + length:
            return None
        return Request(method, path, bytes(self._buffer[start : start + length]))

    def _read_head(self) -> tuple[str, str, int, int] | None:
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD:
                raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large")
            return None
        line, *headers = bytes(self._buffer[:end]).split(b"\r\n")
        match = _REQUEST_LINE.fullmatch(line)
        if match is None:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "not an HTTP/1.1 request line")
        path = unquote(urlsplit(match[2].decode("ascii")).path)
        return match[1].decode("ascii"), path, end + 4, _content_length(headers)


def _content_length(headers: list[bytes]) -> int:
    lengths = []
    for line in headers:
        match = _HEADER.fullmatch(line)
        if match is None:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "a malformed header")
        name, value = match[1].lower(), match[2]
        if name == b"transfer-encoding":
            raise BadRequest(HTTPStatus.NOT_IMPLEMENTED, "bodies need a Content-Length")
        if name == b"content-length":
            lengths.append(value)
    if not lengths:
        return 0
    if len(lengths) > 1 or not re.fullmatch(rb"[0-9]{1,10}", lengths[0]):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "a malformed Content-Length")
    if int(lengths[0]) > MAX_BODY:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too large")
    return int(lengths[0])
