"""What a worker and the process of a query tell each other.

The worker writes the request as one line of JSON and keeps the pipe open as long as somebody wants the
answer. What comes back are pieces: a kind, a length, and as many bytes.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from typing import Any, Final

from weka_mp.s3.select_request import (
    CsvInput,
    CsvOutput,
    JsonInput,
    JsonOutput,
    ScanRange,
    SelectRequest,
)

__all__ = ["DONE", "ERROR", "HEAD", "MESSAGE", "decode", "encode"]

HEAD: Final = struct.Struct(">cI")
MESSAGE, ERROR, DONE = b"M", b"E", b"D"
"""A message of the event stream; ``[code, message]`` as JSON, the last one; all is well, the last one."""


def encode(fd: int, size: int, request: SelectRequest) -> bytes:
    """fd: of the object, as the process has it; size: its bytes."""
    return json.dumps({"fd": fd, "size": size, **asdict(request)}).encode("ascii") + b"\n"


def decode(line: bytes) -> tuple[int, int, SelectRequest]:
    """What `encode` wrote."""
    told: dict[str, Any] = json.loads(line)
    source, result, scan = told["source"], told["result"], told["scan"]
    return told["fd"], told["size"], SelectRequest(
        told["expression"], CsvInput(**source) if "header" in source else JsonInput(**source),
        CsvOutput(**result) if "always" in result else JsonOutput(**result), told["compression"],
        told["progress"], None if scan is None else ScanRange(**scan),
    )
