"""The head of one HTTP/1.1 request, from its exact bytes.

Rules: RFC 9112 sections 2.1-2.2, 3, 5, 6.1-6.3. h11 is the judge: every head may be given to it, and what it
refuses is refused. Heads of the plain shape that nearly all clients send are recognised by regular
expressions instead, which costs a tenth; they accept a strict subset of h11's grammar, and a property test
holds both equal.

Refused beyond h11, because intermediaries disagree on what they mean (request smuggling): folded header
lines, bare line feeds, control characters, more than one Content-Length, Content-Length together with
Transfer-Encoding, Transfer-Encoding in HTTP/1.0, a Host that is none, and a target in absolute form that
contradicts Host: the signature covers Host, so nothing else may decide where a request goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import h11

from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers, S3Request

__all__ = ["MAX_FIELDS", "ParsedHead", "parse_head", "parse_head_by_h11", "parse_plain_head"]

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]++) HTTP/1\.1\r\n")
_FIELDS: Final = re.compile(rb"(?:" + _TOKEN + rb":[ \t]*+(?:[\x21-\x7e\x80-\xff \t])*+\r\n)++\r\n")
_FOLD: Final = re.compile(rb"\n[ \t]")
_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LENGTHS: Final = re.compile(rb"\ncontent-length[ \t]*:([^\r\n]*)", re.IGNORECASE)
_LENGTH: Final = re.compile("[0-9]{1,18}")  # h11 allows 20 digits; 18 are an exabyte
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._~-]*+)(?::[0-9]{0,5})?")
MAX_FIELDS: Final = 256
"""Header fields of one request: against the time that thousands of tiny ones would take to check."""


@dataclass(frozen=True, slots=True)
class ParsedHead:
    """A request with what RFC 9112 says of its body and its connection.

    content_length: bytes of the body, None when chunked. keep_alive: the client lets the connection live.
    expect_continue: the body comes after 100 Continue. may_wait: somebody on the way may think so.
    http_1_1: False for an HTTP/1.0 client, which understands neither chunks nor 100 Continue.
    """

    request: S3Request
    content_length: int | None
    chunked: bool
    expect_continue: bool
    may_wait: bool
    keep_alive: bool
    http_1_1: bool


def _bad_request(message: str) -> S3Error:
    return S3Error("BadRequest", f"An error occurred when parsing the HTTP request: {message}")


def parse_head(head: bytes) -> ParsedHead:
    """Parse a head that ends in its empty line. Raises S3Error BadRequest or InvalidURI."""
    return parse_plain_head(head) or parse_head_by_h11(head)


def parse_plain_head(head: bytes) -> ParsedHead | None:
    """Parse a head of the plain shape; None for any other, about which nothing is said.

    Raises S3Error InvalidURI for what is well-formed HTTP and yet no request of S3.
    """
    line = _REQUEST_LINE.match(head)
    if line is None or _FIELDS.fullmatch(head, line.end()) is None:
        return None
    headers = Headers.of_lines(head[line.end():-4].decode("latin-1").split("\r\n"))
    if "transfer-encoding" in headers or len(headers.get_all("host")) != 1:
        return None
    lengths = headers.get_all("content-length")
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        return None
    length = int(lengths[0]) if lengths else 0
    method, target = line.groups()
    return _finish(method, target, headers, length, False, True)


def parse_head_by_h11(head: bytes) -> ParsedHead:
    """The same by h11, whose word on what is well-formed counts. Raises as `parse_head`."""
    if _FOLD.search(head):
        raise _bad_request("folded header lines are not accepted")
    if _BARE_LINE_FEED.search(head):
        raise _bad_request("a line feed without a carriage return")
    if _CONTROL.search(head):
        raise _bad_request("a control character")
    sent_lengths = _LENGTHS.findall(head)
    # h11 makes one of several that are equal, which not everybody does (RFC 9110, 8.6, leaves it open).
    if len(sent_lengths) > 1 or b"," in b"".join(sent_lengths):
        raise _bad_request("more than one Content-Length")
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=len(head) + 1)
    try:
        parser.receive_data(head)
        event = parser.next_event()
    except h11.RemoteProtocolError as error:
        raise _bad_request(str(error)) from error
    if not isinstance(event, h11.Request) or parser.trailing_data[0]:
        raise _bad_request("illegal request head")
    if event.http_version not in (b"1.0", b"1.1"):
        raise S3Error("BadRequest", "The HTTP version is not supported.", status=505)
    headers = Headers(list(event.headers))
    chunked = "transfer-encoding" in headers
    lengths = headers.get_all("content-length")
    if chunked and (lengths or event.http_version != b"1.1"):
        raise _bad_request("ambiguous length of the body")
    if lengths and not _LENGTH.fullmatch(lengths[0]):
        raise _bad_request("Content-Length is too large")
    length = None if chunked else int(lengths[0]) if lengths else 0
    return _finish(event.method, event.target, headers, length, chunked, event.http_version == b"1.1")


def _finish(
    method: bytes, target: bytes, headers: Headers, length: int | None, chunked: bool, http_1_1: bool
) -> ParsedHead:
    if len(headers) > MAX_FIELDS:
        raise S3Error("RequestHeaderSectionTooLarge", "Your request has too many headers.")
    may_wait = http_1_1 and "expect" in headers and (chunked or "content-length" in headers)
    # Expectations that nobody knows are passed over; RFC 9110, 10.1.1, leaves that to the server.
    # A client that announces an empty body waits as well. RFC 9110 lets a server skip the interim answer
    # then, but awscli takes the next answer of the connection apart wrongly after one without it.
    expects = may_wait and "100-continue" in _members(headers, "expect")
    keep_alive = http_1_1 and ("connection" not in headers or "close" not in _members(headers, "connection"))
    request = S3Request.from_target(method.decode("ascii"), target, headers)
    _check_host(headers.get("host"), request.authority)
    return ParsedHead(request, length, chunked, expects, may_wait, keep_alive, http_1_1)


def _members(headers: Headers, name: str) -> set[str]:
    """The members of a list that may be spread over several headers (RFC 9110, 5.6.1), in lower case."""
    return {member.strip() for member in ",".join(headers.get_all(name)).lower().split(",")}


def _check_host(host: str | None, authority: str | None) -> None:
    """RFC 9112, 3.2: an invalid Host is answered with 400. Raises S3Error BadRequest."""
    if host is not None and _HOST.fullmatch(host) is None:
        raise _bad_request("illegal Host header")
    if authority is None:
        return
    if not authority or _HOST.fullmatch(authority) is None:
        raise _bad_request("illegal host in the request target")
    if host is not None and host.lower() != authority.lower():
        raise _bad_request("the request target and the Host header name different hosts")
