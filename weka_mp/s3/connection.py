"""One HTTP/1.1 server connection without I/O: bytes in and events out, replies in and bytes out.

Rules: RFC 9112 (framing, persistence, pipelining), RFC 9110 section 10.1.1 (100-continue).

The caller owns the socket. It asks `next_event`; at NEED_DATA it receives and hands over with
`receive_data` (b"" is the end of the stream). It sends what `send_*` return, in order. Between requests it
calls `start_next_cycle`; until then no byte of a pipelined request is looked at, so replies cannot overtake
each other.

Reading and writing are two small machines, each a table below; a step that is not in the table is a mistake
of the caller and raises ConnectionMisuse. What a client does wrong is an event, Malformed, with the error
to answer.

Heads are parsed by head_parser, chunked bodies by chunked_body; both kinds of body are cut from what was
received without a copy. Replies are written here (h11's writer costs as much as its parser and would add
nothing).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from weka_mp.s3.chunked_body import ChunkReader
from weka_mp.s3.errors import S3Error, reply_has_body
from weka_mp.s3.head_parser import ParsedHead, parse_head
from weka_mp.s3.request import S3Request

__all__ = [
    "NEED_DATA", "BodyData", "BodyEnd", "Connection", "ConnectionClosed", "ConnectionMisuse", "Event",
    "Malformed", "NeedData", "RequestHead",
]

_KIB: Final = 1024
MAX_HEAD: Final = 16 * _KIB  # bytes of request line and headers; S3 itself allows 8 KiB of headers
MAX_DRAIN: Final = 256 * _KIB  # bytes of an unread body worth reading to keep the connection
_MAX_BLANK: Final = 64  # bytes of empty lines before a request that are forgiven (RFC 9112, 2.2)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CHUNKED_END: Final = b"0\r\n\r\n"


class ConnectionMisuse(Exception):
    """The caller asked for a step that the state of the connection does not allow."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request began. content_length is None for a chunked body, else its bytes (0: no body)."""

    request: S3Request
    content_length: int | None
    chunked: bool
    expect_continue: bool


@dataclass(frozen=True, slots=True)
class BodyData:
    """Bytes of the body, unframed; never empty. The view is valid as long as it is held."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The whole body was given."""


@dataclass(frozen=True, slots=True)
class NeedData:
    """Nothing more can be said before more bytes came."""


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """The client ended the stream. incomplete: in the middle of a request."""

    incomplete: bool


@dataclass(frozen=True, slots=True)
class Malformed:
    """The client sent what is no HTTP. A reply may be sent if none was begun; the connection then closes."""

    error: S3Error


Event = RequestHead | BodyData | BodyEnd | NeedData | ConnectionClosed | Malformed
NEED_DATA: Final = NeedData()
_BODY_END: Final = BodyEnd()


class Reading(Enum):
    """Where in the request stream we are."""

    HEAD = auto()      # before or in a head
    LENGTH = auto()    # in a body with a length
    CHUNKS = auto()    # in a chunked body
    DONE = auto()      # the request was read whole; a pipelined one waits
    FAILED = auto()    # nothing after this point can be understood, or the stream ended


class Writing(Enum):
    """How far the reply to the present request is."""

    NOTHING = auto()   # no request, or no reply begun
    LENGTH = auto()    # in a body with a length
    CHUNKS = auto()    # in a body of chunks
    UNTIL_CLOSE = auto()  # in a body that ends with the connection (HTTP/1.0)
    DONE = auto()


_CAN_SEND_BODY: Final = frozenset({Writing.LENGTH, Writing.CHUNKS, Writing.UNTIL_CLOSE})
_IN_BODY: Final = frozenset({Reading.LENGTH, Reading.CHUNKS})


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


_STATUS_LINES: Final = {status: f"HTTP/1.1 {status} {_reason(status)}" for status in range(100, 600)}


def _encode_head(status: int, fields: list[str]) -> bytes:
    text = "\r\n".join((_STATUS_LINES[status], *fields, "", ""))
    if text.count("\n") != len(fields) + 2 or text.count("\r") != len(fields) + 2 or "\0" in text:
        raise ConnectionMisuse("a header name or value holds a line break or a NUL")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


class Connection:
    """One client connection. Not thread-safe; holds at most one head or one received block of a body."""

    __slots__ = (
        "_buffer", "_chunks", "_discarding", "_eof", "_head", "_keep_alive", "_left", "_may_wait",
        "_position", "_reading", "_reply_left", "_writing",
    )

    def __init__(self) -> None:
        self._buffer = b""
        self._position = 0
        self._eof = False
        self._reading = Reading.HEAD
        self._writing = Writing.NOTHING
        self._head: ParsedHead | None = None
        self._left = 0  # bytes of the request's body still to come
        self._chunks = ChunkReader()
        self._reply_left = 0  # bytes of the reply's body still to be sent
        self._keep_alive = True
        self._may_wait = False  # for 100 Continue before it sends its body
        self._discarding = False

    # -- reading ---------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the client; b"" says that none will follow."""
        if not data:
            self._eof = True
        elif self._position >= len(self._buffer):
            self._buffer, self._position = data, 0
        else:
            self._buffer, self._position = self._buffer[self._position:] + data, 0

    def next_event(self) -> Event:
        """What the received bytes mean next. After Malformed or ConnectionClosed there is nothing more to
        ask."""
        while True:
            event = self._step()
            if not self._discarding:
                return event
            if event is _BODY_END:
                self._discarding = False
                self._await_head()
            elif not isinstance(event, BodyData):
                return event

    def _step(self) -> Event:
        match self._reading:
            case Reading.HEAD:
                return self._read_head()
            case Reading.LENGTH:
                return self._read_length()
            case Reading.CHUNKS:
                return self._read_chunks()
            case Reading.DONE:
                raise ConnectionMisuse("the request was read whole; start_next_cycle comes first")
            case Reading.FAILED:
                return ConnectionClosed(incomplete=self._head is not None)

    def _malformed(self, error: S3Error) -> Malformed:
        self._reading = Reading.FAILED
        self._keep_alive = False
        return Malformed(error)

    def _ended(self, incomplete: bool) -> ConnectionClosed:
        self._reading = Reading.FAILED
        self._keep_alive = False
        return ConnectionClosed(incomplete)

    def _read_head(self) -> Event:
        buffer, start = self._buffer, self._position
        while buffer.startswith(b"\r\n", start) and start - self._position < _MAX_BLANK:
            start += 2
        if start == len(buffer):
            return self._ended(incomplete=False) if self._eof else NEED_DATA
        end = buffer.find(b"\r\n\r\n", start, start + MAX_HEAD)
        if end < 0:
            return self._incomplete_head(buffer, start)
        self._position = end + 4
        try:
            head = parse_head(buffer[start:end + 4])
        except S3Error as error:
            return self._malformed(error)
        return self._begin(head)

    def _incomplete_head(self, buffer: bytes, start: int) -> Event:
        # A first byte that begins no method (TLS on the plain port, binary noise) or lines without carriage
        # returns will never become a head: say so now instead of waiting for the limit or a time-out.
        bare = buffer.find(b"\n", start, start + MAX_HEAD)
        if not 0x21 <= buffer[start] <= 0x7E and buffer[start:start + 1] != b"\r":
            return self._malformed(S3Error("BadRequest", "This is not an HTTP request."))
        if bare == start or (bare > start and buffer[bare - 1:bare] != b"\r"):
            return self._malformed(S3Error("BadRequest", "A line of the HTTP request does not end in CR LF."))
        if len(buffer) - start >= MAX_HEAD:
            return self._malformed(S3Error("RequestHeaderSectionTooLarge"))
        return self._ended(incomplete=True) if self._eof else NEED_DATA

    def _begin(self, head: ParsedHead) -> RequestHead:
        self._head = head
        self._keep_alive = self._keep_alive and head.keep_alive
        self._may_wait = head.may_wait
        self._writing = Writing.NOTHING
        if head.content_length is None:
            self._reading = Reading.CHUNKS
            self._chunks = ChunkReader()
        else:
            self._reading = Reading.LENGTH
            self._left = head.content_length
        return RequestHead(head.request, head.content_length, head.chunked, head.expect_continue)

    def _read_length(self) -> Event:
        if not self._left:
            self._reading = Reading.DONE
            return _BODY_END
        available = len(self._buffer) - self._position
        if not available:
            return self._ended(incomplete=True) if self._eof else NEED_DATA
        self._may_wait = False  # the client did not
        size = min(available, self._left)
        data = memoryview(self._buffer)[self._position:self._position + size]
        self._position += size
        self._left -= size
        return BodyData(data)

    def _read_chunks(self) -> Event:
        if self._position < len(self._buffer):
            self._may_wait = False
        try:
            data, self._position = self._chunks.read(self._buffer, self._position)
        except S3Error as error:
            return self._malformed(error)
        if data is not None:
            return BodyData(data)
        if self._chunks.is_done:
            self._reading = Reading.DONE
            return _BODY_END
        return self._ended(incomplete=True) if self._eof else NEED_DATA

    @property
    def body_unread(self) -> bool:
        """Whether bytes of the present request's body were not yet given out."""
        return self._reading is Reading.CHUNKS or (self._reading is Reading.LENGTH and self._left > 0)

    @property
    def between_requests(self) -> bool:
        """Whether nothing of the next request has come yet, and nothing of the last one is still to come."""
        return self._reading is Reading.HEAD and self._position >= len(self._buffer)

    # -- writing ---------------------------------------------------------------------------------------------

    @property
    def reply_begun(self) -> bool:
        """Whether a reply's head was sent for the present request, so that no other can be."""
        return self._writing is not Writing.NOTHING

    @property
    def will_close(self) -> bool:
        """Whether the connection ends after the present reply."""
        return not self._keep_alive

    def close_after_reply(self) -> None:
        """Let the connection end after the present reply (shutdown); before send_head the client is told."""
        self._keep_alive = False

    def send_continue(self) -> bytes:
        """The interim reply that asks for the body, once; b"" where the client does not wait for it."""
        head = self._head
        if head is None or not head.expect_continue or not self._may_wait or self.reply_begun:
            return b""
        self._may_wait = False
        return _CONTINUE

    def _decide_keep_alive(self) -> None:
        """Give up a connection whose unread body would cost more than a new connection, or may never come.

        Also one whose expectation we do not know: a proxy that took it for 100-continue sends the next
        request where we would read a body.
        """
        if self._reading is Reading.CHUNKS or self._may_wait or (
            self._reading is Reading.LENGTH and self._left > MAX_DRAIN
        ):
            self._keep_alive = False

    def send_head(self, status: int, headers: Iterable[tuple[str, str]], content_length: int | None) -> bytes:
        """The head of the reply.

        headers: without Content-Length, Transfer-Encoding and Connection, which are written here.
        content_length: bytes of the body (for HEAD: that GET would have); None for a body of unknown length.
        A reply that may have no body (HEAD, 204, 304) is complete after this and needs no send_end.
        Raises ConnectionMisuse if a reply was begun or a header holds a line break.
        """
        if self._writing is not Writing.NOTHING:
            raise ConnectionMisuse("a reply was begun already")
        self._decide_keep_alive()
        fields = [f"{name}: {value}" for name, value in headers]
        method = self._head.request.method if self._head is not None else ""
        if not reply_has_body(method, status):
            if content_length is not None and status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
                fields.append(f"Content-Length: {content_length}")
            state = Writing.DONE
        else:
            state = self._frame(fields, content_length)
        if not self._keep_alive:
            fields.append("Connection: close")
        encoded = _encode_head(status, fields)
        self._writing = state
        return encoded

    def _frame(self, fields: list[str], content_length: int | None) -> Writing:
        if content_length is not None:
            fields.append(f"Content-Length: {content_length}")
            self._reply_left = content_length
            return Writing.LENGTH
        if self._head is None or not self._head.http_1_1:
            self._keep_alive = False
            return Writing.UNTIL_CLOSE
        fields.append("Transfer-Encoding: chunked")
        return Writing.CHUNKS

    def send_body(self, data: bytes) -> bytes:
        """Body bytes as they go on the wire: the same object where the reply has a length."""
        if self._writing is Writing.CHUNKS:
            return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        self.sent_aside(len(data))
        return data

    def sent_aside(self, count: int) -> None:
        """Account for body bytes that the caller sends by itself. Raises ConnectionMisuse."""
        if self._writing is Writing.LENGTH:
            if count > self._reply_left:
                raise ConnectionMisuse("more body than the reply's Content-Length")
            self._reply_left -= count
        elif self._writing is not Writing.UNTIL_CLOSE:
            raise ConnectionMisuse("there is no body to send, or it goes in chunks")

    def send_end(self) -> bytes:
        """End the reply's body; b"" unless it is chunked. Raises ConnectionMisuse if bytes are missing."""
        if self._writing not in _CAN_SEND_BODY:
            raise ConnectionMisuse("there is no reply to end")
        if self._writing is Writing.LENGTH and self._reply_left:
            raise ConnectionMisuse(f"{self._reply_left} bytes of the reply are missing: abort the connection")
        ending = _CHUNKED_END if self._writing is Writing.CHUNKS else b""
        self._writing = Writing.DONE
        return ending

    # -- the next request ------------------------------------------------------------------------------------

    def start_next_cycle(self) -> bool:
        """Go on to the next request; False when the connection is to be closed instead.

        What was not read of the last body is thrown away by next_event. Raises ConnectionMisuse if the
        reply is not complete.
        """
        if self._writing is not Writing.DONE:
            raise ConnectionMisuse("the reply is not complete")
        if not self._keep_alive or self._reading is Reading.FAILED:
            return False
        if self._reading in _IN_BODY:
            self._discarding = True
        else:
            self._await_head()
        return True

    def _await_head(self) -> None:
        self._reading = Reading.HEAD
        self._writing = Writing.NOTHING
        self._head = None
        self._may_wait = False
