"""Records as lines, and back."""

import json
import logging

from weka_mp.observe.records import REQUEST_ID, JsonLines, TextLines, from_line


def _record(message: str, **extra: object) -> logging.LogRecord:
    return logging.makeLogRecord(
        {
            "name": "weka_mp.x",
            "levelno": 20,
            "levelname": "INFO",
            "msg": message,
            "created": 1.5,
            "process": 7,
            **extra,
        }
    )


def test_json_carries_everything_in_one_line() -> None:
    token = REQUEST_ID.set("R1")
    try:
        line = JsonLines("worker-1").format(
            _record("two\nlines \udcff", fields={"bucket": "b", "time": "mine"})
        )
    finally:
        REQUEST_ID.reset(token)
    assert "\n" not in line and line.isascii()
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:01.500000+00:00",
        "level": "info",
        "process": "worker-1",
        "pid": 7,
        "logger": "weka_mp.x",
        "message": "two\nlines \udcff",
        "request_id": "R1",
        "bucket": "b",
    }


def test_text_is_one_line_that_cannot_be_forged() -> None:
    line = TextLines("worker-1").format(_record("a\nb\x1b[0m", fields={"key": "x y", "n": 3}))
    assert line == (
        '1970-01-01T00:00:01.500000+00:00 info worker-1[7] weka_mp.x: a\\nb\\x1b[0m key="x y" n=3'
    )


def test_a_childs_line_becomes_the_same_record() -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        record = _record("failed", exc_info=(type(error), error, error.__traceback__), fields={"n": 1})
    line = JsonLines("worker-1").format(record)
    again = from_line(line.encode(), "worker-1", 7)
    assert json.loads(JsonLines("supervisor").format(again)) == json.loads(line)
    assert "\n    ValueError: why" in TextLines("supervisor").format(again)


def test_what_a_child_says_without_form_is_a_warning() -> None:
    for line in (b"Segmentation fault\xff\n", b"{}", b"[1]", b'{"time": 3}', b"null"):
        record = from_line(line, "mount-0", 9)
        assert (record.levelname, record.name) == ("WARNING", "stderr")
    assert "Segmentation fault" in from_line(b"Segmentation fault\n", "m", 9).getMessage()
