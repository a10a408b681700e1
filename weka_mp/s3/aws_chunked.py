"""Incremental reader of aws-chunked bodies: chunks with or without signatures, and trailing headers.

Source: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" and
"… Including Trailing Headers" of the S3 API reference. Data is handed out as it arrives, before its chunk's
signature is known, so it may only go to where nobody reads yet; ``finish`` succeeds only if all signatures
held.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from weka_mp.s3.credentials import ChunkSigning, PayloadMode
from weka_mp.s3.errors import S3Error

__all__ = ["MIN_CHUNK", "ChunkedDecoder"]

Buffer = bytes | bytearray | memoryview

MIN_CHUNK: Final = 8192  # bytes; only the last chunk with data may be smaller
_MAX_LINE: Final = 4096  # bytes of a chunk's header or of one trailer: against unbounded buffering
_MAX_TRAILERS: Final = 16  # lines
_MAX_AFTER_END: Final = 2  # bytes: one surplus CRLF, which some clients append

_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?[ \t]*", re.ASCII)
_TRAILER_LINE: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(.*?)[ \t]*", re.ASCII | re.DOTALL
)
_EMPTY_SHA256: Final = hashlib.sha256(b"").hexdigest()
_TRAILER_SIGNATURE: Final = "x-amz-trailer-signature"


class _State(Enum):
    CHUNK_LINE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()
    LAST_LINE = auto()
    DONE = auto()
    FAILED = auto()


class ChunkedDecoder:
    """Turns the wire bytes of an aws-chunked body into its payload.

    ``feed`` returns payload pieces (views into what was fed); ``trailers`` maps lower-case names to values
    once ``finish`` returned. Memory is bounded by one line, whatever a client sends.
    """

    def __init__(
        self,
        mode: PayloadMode,
        decoded_length: int,
        *,
        signing: ChunkSigning | None = None,
        declared_trailers: frozenset[str] = frozenset(),
    ) -> None:
        """decoded_length: x-amz-decoded-content-length in bytes; declared_trailers: names of x-amz-trailer.

        signing is needed exactly when the mode signs chunks; ValueError otherwise.
        """
        if not mode.is_streaming or mode.signs_chunks != (signing is not None):
            raise ValueError(f"{mode} with{'' if signing else 'out'} a chunk signing context")
        self.trailers: dict[str, str] = {}
        self._has_trailer = mode.has_trailer
        self._signing = signing
        self._previous_signature = signing.seed_signature if signing else ""
        self._declared = declared_trailers
        self._undelivered = decoded_length
        self._state = _State.CHUNK_LINE
        self._line = bytearray()
        self._chunk_left = 0
        self._chunk_number = 0
        self._short_chunk: tuple[int, int] | None = None
        self._chunk_signature = ""
        self._chunk_hash = hashlib.sha256()
        self._trailer_text = bytearray()
        self._trailer_lines = 0
        self._trailer_signed = False
        self._surplus = 0
        self._on_line: dict[_State, Callable[[bytes], None]] = {
            _State.CHUNK_LINE: self._read_chunk_line,
            _State.DATA_END: self._read_data_end,
            _State.TRAILERS: self._read_trailer,
            _State.LAST_LINE: self._read_last_line,
        }

    @property
    def is_complete(self) -> bool:
        """Whether the end of the body has been read and everything in it held."""
        return self._state is _State.DONE

    def feed(self, data: Buffer) -> list[memoryview]:
        """The payload bytes in data, in order.

        Raises S3Error SignatureDoesNotMatch, InvalidChunkSizeError, IncompleteBody or MalformedTrailerError;
        after that the decoder stays failed.
        """
        try:
            return self._feed(memoryview(data))
        except S3Error:
            self._state = _State.FAILED
            raise

    def finish(self) -> None:
        """State that no byte follows. Raises S3Error IncompleteBody when the body is not complete."""
        if self._state is not _State.DONE:
            self._state = _State.FAILED
            raise S3Error("IncompleteBody")

    def _feed(self, data: memoryview) -> list[memoryview]:
        pieces = []
        while data:
            if self._state is _State.DATA:
                piece, data = data[: self._chunk_left], data[self._chunk_left:]
                pieces.append(piece)
                self._take(piece)
            elif self._state is _State.DONE:
                self._after_end(data)
                break
            elif self._state is _State.FAILED:
                raise S3Error("IncompleteBody")
            else:
                data = self._collect_line(data)
        return pieces

    def _take(self, piece: memoryview) -> None:
        self._chunk_left -= len(piece)
        if self._signing is not None:
            self._chunk_hash.update(piece)
        if not self._chunk_left:
            if self._signing is not None:
                self._verify_chunk()
            self._state = _State.DATA_END

    def _after_end(self, data: memoryview) -> None:
        self._surplus += len(data)
        if self._surplus > _MAX_AFTER_END or bytes(data).strip(b"\r\n"):
            raise S3Error("IncompleteBody")

    def _collect_line(self, data: memoryview) -> memoryview:
        """Move bytes up to and including LF into the line; hand it on, without its end, once it is whole."""
        window = bytes(data[: _MAX_LINE + 1])
        end = window.find(b"\n")
        taken = len(window) if end < 0 else end + 1
        self._line += window[:taken]
        if len(self._line) > _MAX_LINE:
            raise S3Error("MalformedTrailerError" if self._state is _State.TRAILERS else "IncompleteBody")
        if end >= 0:
            line = bytes(self._line)
            self._line.clear()
            self._on_line[self._state](line.removesuffix(b"\n").removesuffix(b"\r"))
        return data[taken:]

    def _read_chunk_line(self, line: bytes) -> None:
        found = _CHUNK_LINE.fullmatch(line)
        if found is None or (self._signing is not None) != (found.group(2) is not None):
            raise S3Error("IncompleteBody")
        size = int(found.group(1), 16)
        self._chunk_number += 1
        self._check_size(size)
        self._chunk_left = size
        if self._signing is not None:
            self._chunk_signature = found.group(2).decode("ascii")
            self._chunk_hash = hashlib.sha256()
        if size:
            self._state = _State.DATA
            return
        if self._undelivered:
            raise S3Error(
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header",
            )
        if self._signing is not None:
            self._verify_chunk()
        self._state = _State.TRAILERS if self._has_trailer else _State.LAST_LINE

    def _check_size(self, size: int) -> None:
        if self._short_chunk is not None and size:
            number, bad = self._short_chunk
            raise S3Error("InvalidChunkSizeError", details={"Chunk": str(number), "BadChunkSize": str(bad)})
        if size < MIN_CHUNK:
            self._short_chunk = (self._chunk_number, size)
        if size > self._undelivered:
            raise S3Error(
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header",
            )
        self._undelivered -= size

    def _read_data_end(self, line: bytes) -> None:
        if line:
            raise S3Error("IncompleteBody")
        self._state = _State.CHUNK_LINE

    def _read_last_line(self, line: bytes) -> None:
        if line:
            raise S3Error("IncompleteBody")
        self._state = _State.DONE

    def _read_trailer(self, line: bytes) -> None:
        # Signed trailers may be set off from their signature by an empty line (S3's own examples do it).
        if not line and (self._signing is None or self._trailer_signed or not self._declared):
            self._finish_trailers()
            return
        self._trailer_lines += 1
        if self._trailer_lines > _MAX_TRAILERS:
            raise S3Error("MalformedTrailerError")
        if not line:
            return
        found = _TRAILER_LINE.fullmatch(line)
        if found is None or self._trailer_signed:
            raise S3Error("MalformedTrailerError")
        name, value = found.group(1).decode("ascii").lower(), found.group(2)
        if name == _TRAILER_SIGNATURE:
            self._verify_trailer(value)
            return
        if name not in self._declared or name in self.trailers:
            raise S3Error("MalformedTrailerError")
        self.trailers[name] = value.decode("latin-1")
        self._trailer_text += name.encode("ascii") + b":" + value + b"\n"

    def _finish_trailers(self) -> None:
        if self._declared - self.trailers.keys():
            raise S3Error("MalformedTrailerError")
        self._state = _State.DONE

    def _verify_chunk(self) -> None:
        data_hash = self._chunk_hash.hexdigest()
        self._verify("AWS4-HMAC-SHA256-PAYLOAD", (_EMPTY_SHA256, data_hash), self._chunk_signature.encode())

    def _verify_trailer(self, provided: bytes) -> None:
        if self._signing is None:
            raise S3Error("MalformedTrailerError")
        trailer_hash = hashlib.sha256(self._trailer_text).hexdigest()
        self._verify("AWS4-HMAC-SHA256-TRAILER", (trailer_hash,), provided)
        self._trailer_signed = True

    def _verify(self, algorithm: str, hashes: tuple[str, ...], provided: bytes) -> None:
        signing = self._signing
        if signing is None:
            raise S3Error("IncompleteBody")
        lines = (algorithm, signing.timestamp, signing.scope, self._previous_signature, *hashes)
        expected = hmac.digest(signing.signing_key, "\n".join(lines).encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), provided):
            raise S3Error("SignatureDoesNotMatch", details={"StringToSign": "\n".join(lines)})
        self._previous_signature = expected
