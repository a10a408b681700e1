"""HTTP dates and ISO instants."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3.dates import format_http_date, format_iso, parse_http_date, parse_iso
from weka_mp.values import bounded_time

SECONDS = 1_255_369_830


@pytest.mark.parametrize("text", [
    "Mon, 12 Oct 2009 17:50:30 GMT", "Monday, 12-Oct-09 17:50:30 GMT", "Mon Oct 12 17:50:30 2009",
    "mon, 12 oct 2009 17:50:30 gmt", "Mon, 12 Oct 2009 17:50:30 +0000",
])
def test_all_forms_of_http_dates(text: str) -> None:
    assert parse_http_date(text) == SECONDS


@pytest.mark.parametrize("text", [
    "", "now", "Mon, 31 Feb 2009 17:50:30 GMT", "Mon, 12 Xxx 2009 17:50:30 GMT",
    "Mon, 12 Oct 2009 25:50:30 GMT",
    "1255369830", "Mon, 12 Oct 2009 17:50:30 CET", "Mon, 12 Oct 0000 17:50:30 GMT",
])
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None
    assert parse_iso(text) is None


def test_forms_written() -> None:
    assert format_http_date(SECONDS) == "Mon, 12 Oct 2009 17:50:30 GMT"
    assert format_iso(SECONDS) == "2009-10-12T17:50:30.000Z"
    assert format_iso(-1) == "1969-12-31T23:59:59.000Z"


@pytest.mark.parametrize("time_ns", [-(10**30), 10**30])
def test_every_time_of_a_file_has_a_date(time_ns: int) -> None:
    seconds = bounded_time(time_ns) // 10**9
    assert parse_http_date(format_http_date(seconds)) == parse_iso(format_iso(seconds)) == seconds


def test_iso_forms_read() -> None:
    forms = ["2009-10-12T17:50:30Z", "2009-10-12T17:50:30.123Z", "20091012T175030Z",
             "2009-10-12T17:50:30+00:00"]
    for text in forms:
        assert parse_iso(text) == SECONDS


def test_a_leap_second_is_the_second_after() -> None:
    assert parse_iso("2016-12-31T23:59:60Z") == parse_iso("2017-01-01T00:00:00Z")


@given(st.integers(min_value=-2_000_000_000, max_value=250_000_000_000))
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert parse_http_date(format_http_date(seconds)) == seconds
    assert parse_iso(format_iso(seconds)) == seconds
