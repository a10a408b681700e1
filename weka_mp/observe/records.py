"""Log records as lines: JSON objects, or text for people. A line never holds a line break of a message.

A record carries time (UTC, microseconds), level, process (``worker-1``, ``supervisor``), pid, logger,
message, the request id when one is being answered, the fields given as ``extra={"fields": {...}}``, and a
traceback.
"""

from __future__ import annotations

import json
import logging
import os
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

__all__ = ["REQUEST_ID", "JsonLines", "TextLines", "from_line"]

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("weka_mp_request_id", default=None)
"""Set by whoever answers a request; every record made meanwhile in that task carries it."""

_OWN_KEYS: Final = frozenset(
    {"time", "level", "process", "pid", "logger", "message", "request_id", "exception"}
)
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class JsonLines(logging.Formatter):
    """One JSON object a record, keys in a fixed order, fields last."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        # ASCII only: a record of arbitrary bytes (surrogate escapes) must still be one valid line.
        return json.dumps(_parts(record, self._process), default=repr, ensure_ascii=True)


class TextLines(logging.Formatter):
    """``TIME LEVEL PROCESS[PID] LOGGER: MESSAGE key=value``; a traceback follows on indented lines."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        parts = _parts(record, self._process)
        own = {key: parts.pop(key, None) for key in _OWN_KEYS}
        if own["request_id"] is not None:
            parts = {"request_id": own["request_id"], **parts}
        line = "{time} {level} {process}[{pid}] {logger}: {message}".format_map(own)
        line += "".join(f" {key}={_plain(value)}" for key, value in parts.items())
        line = _one_line(line)
        if own["exception"] is not None:
            line += "".join("\n    " + _one_line(row) for row in str(own["exception"]).splitlines())
        return line


def from_line(line: bytes, process: str, pid: int) -> logging.LogRecord:
    """The record behind a line that a child process wrote;

    what is no JSON record becomes a warning's message.
    """
    try:
        parts = json.loads(line)
        created = datetime.fromisoformat(parts["time"]).timestamp()
        level = _LEVELS[parts["level"]]
        message, name = str(parts["message"]), str(parts["logger"])
    except (ValueError, KeyError, TypeError):
        text = line.decode("utf-8", "backslashreplace").rstrip()
        return _record({"name": "stderr", "levelno": logging.WARNING, "msg": text}, process, pid)
    known = {"name": name, "levelno": level, "msg": message, "created": created}
    record = _record(known, process, pid)
    record.fields = {key: value for key, value in parts.items() if key not in _OWN_KEYS}
    record.request_id = parts.get("request_id")
    record.exc_text = parts.get("exception")
    return record


def _record(known: dict[str, object], process: str, pid: int) -> logging.LogRecord:
    record = logging.makeLogRecord(known)
    record.levelname = logging.getLevelName(record.levelno)
    record.of_process, record.process = process, pid
    return record


def _parts(record: logging.LogRecord, process: str) -> dict[str, object]:
    parts: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
        "level": record.levelname.lower(),
        "process": getattr(record, "of_process", process),
        "pid": record.process or os.getpid(),
        "logger": record.name,
        "message": record.getMessage(),
    }
    request_id = getattr(record, "request_id", None) or REQUEST_ID.get()
    if request_id is not None:
        parts["request_id"] = request_id
    fields = getattr(record, "fields", None)
    if isinstance(fields, dict):
        parts |= {key: value for key, value in fields.items() if key not in _OWN_KEYS}
    exception = record.exc_text
    if exception is None and record.exc_info:
        exception = logging.Formatter().formatException(record.exc_info)
    if exception is not None:
        parts["exception"] = exception
    return parts


def _plain(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=repr)
    return json.dumps(text) if not text or any(char in text for char in ' "=') else text


def _one_line(text: str) -> str:
    """`text` without control characters, which could forge a record or move a terminal's cursor."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )
