"""Records as lines, and back."""

import json
import logging

import pytest

from weka_mp.observe.records import REQUEST_ID, JsonLines, TextLines, formatter, from_line, to_line


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


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_childs_record_stands_in_the_log_as_the_child_formatted_it(form: str) -> None:
    try:
        raise ValueError("why\x1f\x1e")
    except ValueError as error:
        record = _record("failed", exc_info=(type(error), error, error.__traceback__), fields={"n": 1})
    formatted = formatter(form, "worker-1").format(record)
    line = to_line(formatted)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    again = from_line(line[:-1], "worker-1", 7)
    assert formatter(form, "supervisor").format(again) == formatted
    assert "ValueError: why" in formatted


def test_what_a_child_says_without_form_is_a_warning() -> None:
    for line in (b"Segmentation fault\xff\n", b"{}", b"[1]", b"\x1f"):
        record = from_line(line, "mount-0", 9)
        text = TextLines("supervisor").format(record)
        assert " warning mount-0[9] stderr: " in text
    assert from_line(b"Segmentation fault\n", "m", 9).getMessage() == "Segmentation fault"


@pytest.mark.parametrize(
    ("created", "spelt"),
    [
        (1.9999996, "1970-01-01T00:00:02.000000+00:00"),
        (1.0000004, "1970-01-01T00:00:01.000000+00:00"),
        (86399.25, "1970-01-01T23:59:59.250000+00:00"),
    ],
)
def test_times_have_six_digits_and_carry_into_the_next_second(created: float, spelt: str) -> None:
    assert TextLines("w").format(_record("m", created=created)).startswith(spelt + " info ")


def test_values_of_text_are_told_apart() -> None:
    fields = {"a": 1, "b": 0.5, "c": "1 2", "d": "", "e": "x=y", "f": None, "g": True, "h": ["i j"]}
    line = TextLines("w").format(_record("m", fields=fields))
    assert line.partition("m ")[2] == 'a=1 b=0.5 c="1 2" d="" e="x=y" f=null g=true h="[\\"i j\\"]"'
