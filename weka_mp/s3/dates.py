"""Dates as S3 reads and writes them; values are whole seconds since the epoch, UTC, but those of retentions.

Rules: RFC 9110 section 5.6.7 (three forms of HTTP dates), ISO 8601 as in S3's XML documents.
S3's listings and its Last-Modified header both have the grain of one second, so that they can be compared.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

__all__ = [
    "format_http_date", "format_iso", "format_iso_milli", "parse_http_date", "parse_iso", "parse_iso_milli",
]  # fmt: skip

_DAY: Final = 86_400  # seconds
_DAY_NAMES: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTH_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name.lower(): number for number, name in enumerate(_MONTH_NAMES, 1)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_CLOCK: Final = r"(?P<h>[0-9]{2}):(?P<mi>[0-9]{2}):(?P<s>[0-9]{2})"
_HTTP_FORMS: Final = tuple(re.compile(form, re.ASCII | re.IGNORECASE) for form in (
    rf"[a-z]{{3}}, (?P<d>[0-9]{{1,2}}) (?P<mo>[a-z]{{3}}) (?P<y>[0-9]{{4}}) {_CLOCK} (?:GMT|UTC|[+-]0000)",
    rf"[a-z]{{6,9}}, (?P<d>[0-9]{{2}})-(?P<mo>[a-z]{{3}})-(?P<y>[0-9]{{2}}) {_CLOCK} GMT",
    rf"[a-z]{{3}} (?P<mo>[a-z]{{3}}) +(?P<d>[0-9]{{1,2}}) {_CLOCK} (?P<y>[0-9]{{4}})",
))
_ISO_FORM: Final = re.compile(
    r"(?P<y>[0-9]{4})-?(?P<mo>[0-9]{2})-?(?P<d>[0-9]{2})T(?P<h>[0-9]{2}):?(?P<mi>[0-9]{2}):?(?P<s>[0-9]{2})"
    r"(?:\.(?P<f>[0-9]{1,9}))?(?:Z|\+00:?00)",
    re.ASCII,
)


@lru_cache(maxsize=512)
def _date_of(day: int) -> datetime:
    return _EPOCH + timedelta(days=day)


@lru_cache(maxsize=512)
def _iso_day(day: int) -> str:
    return _date_of(day).strftime("%Y-%m-%d").rjust(10, "0")


@lru_cache(maxsize=512)
def _http_day(day: int) -> str:
    date = _date_of(day)
    return f"{_DAY_NAMES[date.weekday()]}, {date.day:02d} {_MONTH_NAMES[date.month - 1]} {date.year:04d}"


def _clock(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}"


def format_iso(seconds: int) -> str:
    """``2009-10-12T17:50:30.000Z``."""
    day, rest = divmod(seconds, _DAY)
    return f"{_iso_day(day)}T{_clock(rest)}.000Z"


def format_iso_milli(milliseconds: int) -> str:
    """The same of milliseconds since the epoch."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{format_iso(seconds)[:-4]}{rest:03d}Z"


def format_http_date(seconds: int) -> str:
    """``Mon, 12 Oct 2009 17:50:30 GMT`` (IMF-fixdate), whatever the locale."""
    day, rest = divmod(seconds, _DAY)
    return f"{_http_day(day)} {_clock(rest)} GMT"


def _seconds(found: re.Match[str], year: int, month: int) -> int | None:
    try:
        second = min(int(found["s"]), 59)
        date = datetime(year, month, int(found["d"]), int(found["h"]), int(found["mi"]), second, tzinfo=UTC)
    except ValueError:  # a thirtieth of February, a 25th hour: no date
        return None
    leap = 1 if found["s"] == "60" else 0
    return int((date - _EPOCH) / timedelta(seconds=1)) + leap


def parse_http_date(text: str) -> int | None:
    """Any of the three forms of an HTTP date, or None: RFC 9110 says that an invalid date is ignored.

    Two-digit years are read with the pivot of POSIX (69-99 are 1969-1999).
    """
    for form in _HTTP_FORMS:
        found = form.fullmatch(text.strip())
        if found is not None:
            month = _MONTHS.get(found["mo"].lower())
            if month is None:
                return None
            year = int(found["y"])
            if len(found["y"]) == 2:
                year += 1900 if year >= 69 else 2000
            return _seconds(found, year, month)
    return None


def parse_iso(text: str) -> int | None:
    """An ISO 8601 instant in UTC, extended or basic form, fractions dropped; None when it is none."""
    found = _ISO_FORM.fullmatch(text.strip())
    return None if found is None else _seconds(found, int(found["y"]), int(found["mo"]))


def parse_iso_milli(text: str) -> int | None:
    """The same in milliseconds since the epoch, a fraction of one counts as a whole one."""
    found, seconds = _ISO_FORM.fullmatch(text.strip()), parse_iso(text)
    if found is None or seconds is None:
        return None
    nanoseconds = int((found["f"] or "").ljust(9, "0"))
    return seconds * 1000 + -(-nanoseconds // 1_000_000)
