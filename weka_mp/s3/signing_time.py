"""The time stamps that signed requests carry, as epoch seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

__all__ = ["MAX_SKEW", "basic_iso", "extended_iso", "parse_basic_iso", "parse_date_header"]

MAX_SKEW: Final = 900  # seconds a header-signed request may differ from our clock, S3's limit

_BASIC_LENGTH: Final = len("20130524T000000Z")
_BASIC_FIELDS: Final = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))  # of the digits without T and Z


@lru_cache(maxsize=256)
def parse_basic_iso(text: str) -> int | None:
    """Epoch seconds of ``YYYYMMDDTHHMMSSZ``, None when it is anything else.

    Cached, because every request of a client repeats its stamp for a second.
    """
    digits = text[:8] + text[9:15]
    if len(text) != _BASIC_LENGTH or text[8] != "T" or text[15] != "Z":
        return None
    if not (digits.isascii() and digits.isdigit()):
        return None
    try:
        year, month, day, hour, minute, second = (int(digits[start:end]) for start, end in _BASIC_FIELDS)
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp())


@lru_cache(maxsize=256)
def parse_date_header(text: str) -> int | None:
    """Epoch seconds of a signed Date, None when it is none.

    More than an HTTP date: scripts sign what ``date -R`` prints, RFC 5322 with the zone they are in.
    """
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000": UTC without saying where
        moment = moment.replace(tzinfo=UTC)
    try:
        return int(moment.timestamp())
    except (OverflowError, ValueError):
        return None


def basic_iso(moment: float) -> str:
    """``YYYYMMDDTHHMMSSZ`` of epoch seconds."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%SZ")


def extended_iso(moment: float) -> str:
    """``YYYY-MM-DDTHH:MM:SSZ`` of epoch seconds, as S3's error details show times."""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "9999-12-31T23:59:59Z"  # beyond what a calendar shows
