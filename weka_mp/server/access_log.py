"""One structured record for each request, on the logger ``weka_mp.access``."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

__all__ = ["RequestRecord", "write"]

_log: Final = logging.getLogger("weka_mp.access")


@dataclass(slots=True)
class RequestRecord:
    """What is known of a request; filled in while it is served.

    Sizes are bytes of bodies, `seconds` a duration.
    """

    request_id: str
    remote: str
    method: str = "-"
    operation: str = "-"
    bucket: str | None = None
    key: bytes | None = None
    access_key: str | None = None
    status: int = 0
    code: str | None = None
    received: int = 0
    sent: int = 0
    seconds: float = 0.0


def write(record: RequestRecord) -> None:
    """Log it: errors of ours as warnings, all else as information."""
    level = logging.WARNING if record.status >= 500 else logging.INFO
    if not _log.isEnabledFor(level):
        return
    key = None if record.key is None else record.key.decode("utf-8", "backslashreplace")
    fields = {
        "remote": record.remote, "method": record.method, "operation": record.operation,
        "bucket": record.bucket, "key": key, "access_key": record.access_key,
        "status": record.status, "code": record.code, "bytes_in": record.received, "bytes_out": record.sent,
        "duration_ms": round(record.seconds * 1000, 3),
    }
    _log.log(
        level, "%s %s %d", record.method, record.operation, record.status,
        extra={"request_id": record.request_id, "fields": fields},
    )
