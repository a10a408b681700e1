"""The process of one query, ``python -m weka_mp.select.child``: started by a worker for each."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Final

from weka_mp.s3 import event_stream
from weka_mp.s3.errors import S3Error
from weka_mp.select.confinement import confine
from weka_mp.select.engine import Query
from weka_mp.select.plan import DONE, ERROR, HEAD, MESSAGE, decode

__all__ = ["main"]

_PROGRESS_SECONDS: Final = 1.0


def main() -> None:
    """Answer, and end."""
    line = _line()
    threading.Thread(target=_end_when_nobody_waits, daemon=True).start()
    fd, size, request = decode(line)
    confine()
    query = Query(fd, size, request)
    try:
        returned = _answer(query, progress=request.progress)
    except S3Error as error:
        _send(ERROR, json.dumps([error.code, error.message]).encode())
    except MemoryError:
        _send(ERROR, json.dumps(["Busy", "The query needs too much memory."]).encode())
    else:
        stats = event_stream.counts("Stats", query.feed.scanned, query.feed.processed, returned)
        _send(MESSAGE, stats)
        _send(DONE, b"")


def _line() -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        piece = os.read(0, 65536)
        if not piece:
            os._exit(1)
        found += piece
    return found


def _end_when_nobody_waits() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def _answer(query: Query, *, progress: bool) -> int:
    """Bytes of the result."""
    returned, pending, told = 0, b"", time.monotonic()
    for text in query.texts():
        pending += text.encode("utf-8", "replace")
        while len(pending) >= event_stream.MAX_RECORDS_BYTES:
            piece, pending = (
                pending[: event_stream.MAX_RECORDS_BYTES], pending[event_stream.MAX_RECORDS_BYTES :]
            )
            _send(MESSAGE, event_stream.records(piece))
            returned += len(piece)
        if progress and time.monotonic() - told > _PROGRESS_SECONDS:
            told = time.monotonic()
            feed = query.feed
            _send(MESSAGE, event_stream.counts("Progress", feed.scanned, feed.processed, returned))
    if pending:
        _send(MESSAGE, event_stream.records(pending))
    if progress:
        feed, whole = query.feed, returned + len(pending)
        _send(MESSAGE, event_stream.counts("Progress", feed.scanned, feed.processed, whole))
    return returned + len(pending)


def _send(kind: bytes, data: bytes) -> None:
    rest = memoryview(HEAD.pack(kind, len(data)) + data)
    while rest:
        rest = rest[os.write(1, rest):]


if __name__ == "__main__":
    main()
