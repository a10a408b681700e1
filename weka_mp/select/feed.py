"""The bytes of an object on their way to the engine: decompressed, cut to a range, without comments."""

from __future__ import annotations

import bz2
import os
import zlib
from collections.abc import Iterator
from typing import Final

from weka_mp.s3.errors import S3Error
from weka_mp.s3.select_request import CsvInput, ScanRange, SelectRequest

__all__ = ["MAX_RECORD_BYTES", "Feed"]

MAX_RECORD_BYTES: Final = 1024 * 1024  # S3 user guide, «Requirements and limits» of S3 Select
SAMPLE_BYTES: Final = 256 * 1024
_PIECE_BYTES: Final = 256 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS


class Feed:
    """Reads one descriptor by offsets. scanned, processed: bytes so far, as stored and decompressed.

    error: what ended it early.
    """

    def __init__(self, fd: int, size: int, request: SelectRequest) -> None:
        self._fd = fd
        self._size = size
        self._request = request
        self.scanned = 0
        self.processed = 0
        self.error: S3Error | None = None

    def sample(self) -> tuple[bytes, bool]:
        """The beginning, decompressed, and whether it is all. Nothing of it counts. Raises S3Error."""
        found = b""
        for piece in self._opened(self._read(0, self._size)):
            found += piece
            if len(found) > SAMPLE_BYTES:
                self.scanned = 0
                return found[:SAMPLE_BYTES], False
        self.scanned = 0
        return found, True

    def run(self, to: int, skipped: int) -> None:
        """Write it all to a pipe, but the first `skipped` bytes, and close that. In a thread of its own."""
        try:
            with os.fdopen(to, "wb", buffering=0) as pipe:
                for piece in self._pieces(skipped):
                    rest = memoryview(piece)
                    while rest:
                        rest = rest[pipe.write(rest):]
        except BrokenPipeError:
            return  # the engine has enough
        except S3Error as error:
            self.error = error
        except OSError as error:
            self.error = S3Error("InternalError", f"The object could not be read: {error.strerror}.")

    def _pieces(self, skipped: int) -> Iterator[bytes]:
        request = self._request
        if request.scan is not None:
            found = self._in_range(request.scan, skipped)
        else:
            found = _without(self._opened(self._read(0, self._size)), skipped)
        if isinstance(request.source, CsvInput) and request.source.comments:
            found = _without_comments(found, request.source)
        for piece in found:
            self.processed += len(piece)
            yield piece

    def _read(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            piece = os.pread(self._fd, min(_PIECE_BYTES, end - start), start)
            if not piece:
                return
            self.scanned += len(piece)
            start += len(piece)
            yield piece

    def _opened(self, stored: Iterator[bytes]) -> Iterator[bytes]:
        match self._request.compression:
            case "GZIP":
                return _gunzipped(stored)
            case "BZIP2":
                return _bunzipped(stored)
            case _:
                return stored

    def _in_range(self, scan: ScanRange, skipped: int) -> Iterator[bytes]:
        """Records that begin in it; the header never counts as one."""
        if scan.first is None:
            start, last = max(0, self._size - (scan.last or 0)), self._size
        else:
            start, last = scan.first, self._size if scan.last is None else scan.last
        if start >= self._size and self._size:
            raise S3Error("InvalidScanRange")
        begin = self._begin_of_record(start) if start > 0 else 0
        at = begin = max(begin, skipped)
        if begin > last:
            return  # none begins there
        for piece in self._read(begin, self._size):
            cut = piece.find(b"\n", max(0, last - at)) if at + len(piece) > last else -1
            if cut >= 0:
                yield piece[: cut + 1]
                return
            at += len(piece)
            yield piece

    def _begin_of_record(self, start: int) -> int:
        """Of the first one at or behind the offset."""
        at = start - 1
        for piece in self._read(at, self._size):
            cut = piece.find(b"\n")
            if cut >= 0:
                return at + cut + 1
            at += len(piece)
        return self._size


def _without(pieces: Iterator[bytes], skipped: int) -> Iterator[bytes]:
    for piece in pieces:
        if skipped >= len(piece):
            skipped -= len(piece)
            continue
        yield piece[skipped:]
        skipped = 0


def _gunzipped(stored: Iterator[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(_GZIP)
    fresh = True
    for piece in stored:
        data = piece
        while data:
            try:
                opened = member.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                raise S3Error("InvalidCompressionFormat") from error
            fresh = False
            if opened:
                yield opened
            data = member.unconsumed_tail
            if member.eof:
                data = member.unused_data
                member, fresh = zlib.decompressobj(_GZIP), True
    if not fresh:
        raise S3Error("TruncatedInput")


def _bunzipped(stored: Iterator[bytes]) -> Iterator[bytes]:
    member = bz2.BZ2Decompressor()
    fresh = True
    for piece in stored:
        data = piece
        while data or (not fresh and not member.needs_input):
            try:
                opened = member.decompress(data, _PIECE_BYTES)
            except OSError as error:
                raise S3Error("InvalidCompressionFormat") from error
            fresh, data = False, b""
            if opened:
                yield opened
            if member.eof:
                data = member.unused_data
                member, fresh = bz2.BZ2Decompressor(), True
    if not fresh:
        raise S3Error("TruncatedInput")


def _without_comments(pieces: Iterator[bytes], dialect: CsvInput) -> Iterator[bytes]:
    """Whole lines. A sign in the middle of one, or of a quoted field, is no comment."""
    sign, quote = dialect.comments.encode(), dialect.quote.encode()
    escaped = b"" if dialect.escape == dialect.quote else dialect.escape.encode() + quote
    carried, inside = b"", False
    for piece in pieces:
        data = carried + piece
        cut = data.rfind(b"\n") + 1
        carried = data[cut:]
        if len(carried) > 2 * MAX_RECORD_BYTES:
            raise S3Error("OverMaxRecordSize")
        kept, inside = _kept(data[:cut], sign, quote, escaped, inside)
        yield kept
    yield _kept(carried, sign, quote, escaped, inside)[0]


def _kept(block: bytes, sign: bytes, quote: bytes, escaped: bytes, inside: bool) -> tuple[bytes, bool]:
    if not block.startswith(sign) and b"\n" + sign not in block:
        return block, inside ^ _odd(block, quote, escaped)
    lines = []
    for line in block.splitlines(keepends=True):
        if inside or not line.startswith(sign):
            lines.append(line)
            inside ^= _odd(line, quote, escaped)
    return b"".join(lines), inside


def _odd(data: bytes, quote: bytes, escaped: bytes) -> bool:
    return (data.count(quote) - (data.count(escaped) if escaped else 0)) % 2 == 1
