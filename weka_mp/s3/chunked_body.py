"""A request's chunked body without I/O: which bytes of what was received are payload, and where it ends.

Rules: RFC 9112 section 7.1. The grammar is taken to the letter, since every laxity in it is a way to make a
proxy and a server see different requests: lines end in CR LF, nothing stands before or behind a size, an
extension is one or does not pass. Extensions and trailers mean nothing here and are dropped (7.1.1, 7.1.2).
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from weka_mp.s3.errors import S3Error

__all__ = ["MAX_CHUNK_LINE", "MAX_CHUNK_OVERHEAD", "ChunkReader"]

MAX_CHUNK_LINE: Final = 4096  # bytes of one line with its end: against buffering without end
MAX_CHUNK_OVERHEAD: Final = 16 * 1024
"""Bytes of extensions and trailers of one body: against bodies that are nothing but framing."""

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED: Final = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_VALUE: Final = rb"[ \t]*+=[ \t]*+(?:" + _TOKEN + rb"|" + _QUOTED + rb")"
_EXTENSION: Final = rb"[ \t]*+;[ \t]*+" + _TOKEN + rb"(?:" + _VALUE + rb")?+"
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})((?:" + _EXTENSION + rb")*+)\r\n")
_TRAILER_LINE: Final = re.compile(_TOKEN + rb":[\t \x21-\x7e\x80-\xff]*+\r\n")


class _State(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()
    DONE = auto()


def _malformed(what: str) -> S3Error:
    return S3Error("BadRequest", f"The chunked body is malformed: {what}")


class ChunkReader:
    """Where in one chunked body we are. It keeps no bytes: the caller gives unread ones again."""

    __slots__ = ("_left", "_overhead", "_state")

    def __init__(self) -> None:
        self._state = _State.SIZE
        self._left = 0  # bytes of the present chunk still to come
        self._overhead = 0

    @property
    def is_done(self) -> bool:
        """Whether the body's last line was read."""
        return self._state is _State.DONE

    def read(self, buffer: bytes, position: int) -> tuple[memoryview | None, int]:
        """The next payload in `buffer` from `position` on, and the position behind what was read.

        None: there is no more in it, because the body is done or more bytes have to come.
        Raises S3Error BadRequest.
        """
        while self._state is not _State.DONE:
            if self._state is _State.DATA:
                size = min(self._left, len(buffer) - position)
                if not size:
                    return None, position
                self._left -= size
                if not self._left:
                    self._state = _State.DATA_END
                return memoryview(buffer)[position:position + size], position + size
            line = _line(buffer, position)
            if line is None:
                return None, position
            position += len(line)
            self._take_line(line)
        return None, position

    def _take_line(self, line: bytes) -> None:
        if self._state is _State.SIZE:
            self._take_size(line)
        elif self._state is _State.DATA_END:
            if line != b"\r\n":
                raise _malformed("a chunk is longer than its size says")
            self._state = _State.SIZE
        elif line == b"\r\n":
            self._state = _State.DONE
        elif _TRAILER_LINE.fullmatch(line):
            self._count(len(line))
        else:
            raise _malformed("a trailer that is none")

    def _take_size(self, line: bytes) -> None:
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise _malformed("a chunk size that is none")
        self._left = int(found[1], 16)
        self._count(len(found[2]))
        self._state = _State.DATA if self._left else _State.TRAILERS

    def _count(self, size: int) -> None:
        self._overhead += size
        if self._overhead > MAX_CHUNK_OVERHEAD:
            raise _malformed("too many bytes of extensions and trailers")


def _line(buffer: bytes, position: int) -> bytes | None:
    """The line that begins at `position`, with its end; None while it is not whole. Raises BadRequest."""
    end = buffer.find(b"\n", position, position + MAX_CHUNK_LINE)
    if end >= 0:
        return buffer[position:end + 1]
    if len(buffer) - position >= MAX_CHUNK_LINE:
        raise _malformed("a line is too long")
    return None
