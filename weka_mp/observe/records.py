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

__all__ = ["REQUEST_ID", "JsonLines", "TextLines", "formatter", "from_line", "to_line"]

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("weka_mp_request_id", default=None)
"""Set by whoever answers a request; every record made meanwhile in that task carries it."""

_OWN_KEYS: Final = frozenset(
    {"time", "level", "process", "pid", "logger", "message", "request_id", "exception"}
)
# A record between processes is one line: a mark that no formatted record begins with, the record as it will
# stand in the log, and a stand-in for its line breaks. So the supervisor, which gets the records of all
# processes, only copies them.
_MARK: Final = b"\x1e"
_BREAK: Final = "\x1f"


class JsonLines(logging.Formatter):
    """One JSON object a record, keys in a fixed order, fields last."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        formatted: str | None = getattr(record, "formatted", None)
        if formatted is not None:
            return formatted
        # ASCII only: a record of arbitrary bytes (surrogate escapes) must still be one valid line.
        return json.dumps(_parts(record, self._process), default=repr, ensure_ascii=True)


class TextLines(logging.Formatter):
    """``TIME LEVEL PROCESS[PID] LOGGER: MESSAGE key=value``; a traceback follows on indented lines."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        formatted: str | None = getattr(record, "formatted", None)
        if formatted is not None:
            return formatted
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


def formatter(form: str, process: str) -> logging.Formatter:
    """The formatter of ``json`` or ``text``."""
    return JsonLines(process) if form == "json" else TextLines(process)


def to_line(formatted: str) -> bytes:
    """A formatted record as the one line (with its end) that goes to the supervisor."""
    text = formatted.replace("\n", _BREAK)
    return _MARK + text.encode("utf-8", "backslashreplace") + b"\n"


def from_line(line: bytes, process: str, pid: int) -> logging.LogRecord:
    """A record that formats to what the child formatted;

    what is no record of ours becomes a warning's message.
    """
    text = line.decode("utf-8", "backslashreplace").rstrip()
    record = logging.makeLogRecord({"name": "stderr", "levelno": logging.WARNING, "levelname": "WARNING"})
    record.of_process, record.process = process, pid
    if line.startswith(_MARK):
        record.formatted = text[1:].replace(_BREAK, "\n")
    else:
        record.msg = text
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
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )
