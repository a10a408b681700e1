"""Points in time as people write them on a command line."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

__all__ = ["moment_of"]

_AGO: Final = re.compile(r"-?([0-9]{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
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
