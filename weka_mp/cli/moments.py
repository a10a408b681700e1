"""Points and spans of time as people write them on a command line."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

import click

__all__ = ["duration", "duration_or_seconds", "moment_of", "seconds_of"]

_AGO: Final = re.compile(r"-?([0-9]{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_TIME: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}.*")
_SHORT_HOUR: Final = re.compile(r"(^|[T+-])([0-9]:)")


def moment_of(text: str, now: datetime) -> datetime:
    """``5m``, ``-1d``, ``-1w`` (ago), ``18:30``, ``18:30:07``, ``2018-12-31 10:00``, ``2018/12/31 10:00``,
    ``2018-12-31T10:00``, ``9:15Z``, ``10:00+2:00``: as `weka events` has them. A time without a date is
    today's, one without an offset local. now: with its offset. Raises ValueError.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        spelt = text.strip().replace("/", "-").replace(" ", "T")
        if _TIME.fullmatch(spelt):
            spelt = f"{now:%Y-%m-%d}T{spelt}"
        found = datetime.fromisoformat(_SHORT_HOUR.sub(r"\g<1>0\g<2>", spelt))
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time: write 5m, -1d, 18:30 or 2018-12-31T10:00Z") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)


def seconds_of(text: str) -> int:
    """``900s``, ``60m``, ``12h``, ``2d``, ``1w`` in seconds. Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if match is None:
        raise ValueError(f"{text!r} is no time: a number and s, m, h, d or w, as in 900s, 60m, 2d, 1w")
    return int(match[1]) * _SECONDS[match[2]]


def duration(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """Of an option: as seconds_of. Raises click.BadParameter."""
    try:
        return seconds_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def duration_or_seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """Of an option: the same, or a number of seconds. Raises click.BadParameter."""
    if value is None or (value.isascii() and value.isdigit() and len(value) < 12):
        return None if value is None else int(value)
    return duration(context, parameter, value)
