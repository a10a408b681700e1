"""The values that condition operators compare: numbers, dates, addresses, truth values, from their text.

Each reader gives None for text that is no such value. Sources: IAM user guide, «Condition operators»;
W3C NOTE-datetime; RFC 4632 and RFC 4291 for address ranges.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Network", "address", "boolean", "date", "network", "number"]

_NUMBER: Final = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?", re.ASCII)
_DATE: Final = re.compile(
    r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d)"
    r"(T(?P<hour>\d\d):(?P<minute>\d\d)(:(?P<second>\d\d)(?P<fraction>\.\d{1,9})?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d))?)?)?",
    re.ASCII,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RANGE: Final = re.compile(r"(?P<address>[0-9A-Fa-f:.]+)(/(?P<length>\d{1,3}))?", re.ASCII)
_MAPPED_BITS: Final = 96
"""Leading bits of an IPv6 address that hold an IPv4 one (::ffff:a.b.c.d, RFC 4291 2.5.5.2)."""


def number(text: str) -> Decimal | None:
    """An integer or a decimal fraction."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def date(text: str) -> Decimal | None:
    """Seconds since 1970 of a W3C date (a time of day needs its zone), or of the seconds themselves.

    Four digits are a year.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return number(text)
    try:
        moment = datetime(
            int(found["year"]), int(found["month"] or 1), int(found["day"] or 1),
            int(found["hour"] or 0), int(found["minute"] or 0), int(found["second"] or 0),
            tzinfo=UTC,
        )  # fmt: skip
    except ValueError:
        return None
    ahead = _zone(found["zone"] or "Z")
    if ahead is None:
        return None
    seconds = (moment - _EPOCH) // timedelta(seconds=1) - ahead
    return Decimal(seconds) + Decimal(f"0{found['fraction'] or ''}")


def _zone(text: str) -> int | None:
    """Seconds that a zone is ahead of UTC."""
    if text == "Z":
        return 0
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-60 if text[0] == "-" else 60)


def boolean(text: str) -> bool | None:
    """``true`` or ``false`` in any case."""
    return {"true": True, "false": False}.get(text.lower())


class Network(NamedTuple):
    """An address or a range: IP `version`, the leading bits as a number, and how many bits follow them."""

    version: int
    bits: int
    shift: int

    def holds(self, other: Network) -> bool:
        return other.version == self.version and other.bits >> self.shift == self.bits


@lru_cache(maxsize=4096)
def address(text: str) -> Network | None:
    """One address. One of IPv4 that came over an IPv6 socket is an IPv4 address."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return Network(found.version, int(found), 0)


def network(text: str) -> Network | None:
    """An address or a CIDR range; bits behind the prefix are disregarded."""
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    try:
        base = ipaddress.ip_address(found["address"])
    except ValueError:
        return None
    length = base.max_prefixlen if found["length"] is None else int(found["length"])
    if length > base.max_prefixlen:
        return None
    if isinstance(base, ipaddress.IPv6Address) and base.ipv4_mapped is not None and length >= _MAPPED_BITS:
        base, length = base.ipv4_mapped, length - _MAPPED_BITS
    shift = base.max_prefixlen - length
    return Network(base.version, int(base) >> shift, shift)
