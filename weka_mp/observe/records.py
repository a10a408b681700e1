"""Log records as lines: JSON objects, or text for people. A line never holds a line break of a message.

A record carries time (UTC, microseconds), level, process (``worker-1``, ``supervisor``), pid, logger,
message, the request id when one is being answered, the fields given as ``extra={"fields": {...}}``, and a
traceback.
"""

from __future__ import annotations

import json
import logging
import os
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Final

__all__ = ["REQUEST_ID", "JsonLines", "TextLines", "formatter", "from_line", "to_line"]

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("weka_mp_request_id", default=None)
"""Set by whoever answers a request; every record made meanwhile in that task carries it."""

_OWN_KEYS: Final = frozenset(
    {"time", "level", "process", "pid", "logger", "message", "request_id", "exception"}
)
_HEADING: Final = 6  # of them, from time to message, head every record; the rest are shown as key=value
_SEPARATOR: Final = re.compile(r'[ "=]')  # what would end a bare value
# ASCII only: a record of arbitrary bytes (surrogate escapes) must still be one valid line.
_JSON: Final = json.JSONEncoder(default=repr, ensure_ascii=True)
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
        return _JSON.encode(_parts(record, self._process))


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
        exception = parts.pop("exception", None)
        heading = "{time} {level} {process}[{pid}] {logger}: {message}".format_map(parts)
        rest = [f"{key}={_plain(value)}" for key, value in islice(parts.items(), _HEADING, None)]
        line = _one_line(" ".join([heading, *rest]))
        if exception is not None:
            line += "".join("\n    " + _one_line(row) for row in str(exception).splitlines())
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
        "time": _timestamp(record.created),
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


def _timestamp(created: float) -> str:
    seconds, microseconds = divmod(round(created * 1_000_000), 1_000_000)
    return f"{_date(seconds)}.{microseconds:06d}+00:00"


@lru_cache(maxsize=4)
def _date(seconds: int) -> str:
    """The part of a time that thousands of records in a row share."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _plain(value: object) -> str:
    if type(value) is int or type(value) is float:
        return repr(value)
    text = value if isinstance(value, str) else _JSON.encode(value)
    return _JSON.encode(text) if not text or _SEPARATOR.search(text) else text


def _one_line(text: str) -> str:
    """`text` without control characters, which could forge a record or move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )
