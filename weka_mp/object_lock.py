"""Object Lock: until when a version may not go, by whom it may all the same, and which changes are allowed.

A leaf.

Source: S3 user guide, «Locking objects with Object Lock» and «Managing Object Lock»; S3 API reference,
PutObjectLockConfiguration, PutObjectRetention, PutObjectLegalHold.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any, Final, Protocol

__all__ = [
    "COMPLIANCE", "GOVERNANCE", "LAST_NS", "LEGAL_HOLD", "MAX_DAYS", "MAX_YEARS", "MODES", "NO_DEFAULT",
    "DefaultRetention", "Lockable", "ObjectLock", "Protection", "Retention", "decode", "encode",
    "may_replace", "protection",
]  # fmt: skip

GOVERNANCE: Final = "GOVERNANCE"
COMPLIANCE: Final = "COMPLIANCE"
MODES: Final = (GOVERNANCE, COMPLIANCE)
LEGAL_HOLD: Final = "LEGAL_HOLD"
"""What a `Protection` is called that no time ends."""

MAX_DAYS: Final = 36_500  # AWS, «Managing Object Lock», limits of retention periods
MAX_YEARS: Final = 100
LAST_NS: Final = (1 << 64) - 1
"""The latest moment that a retention can be until (the year 2554): what one integer of msgpack holds."""

_DAY_NS: Final = 86_400_000_000_000
_MILLI_NS: Final = 1_000_000
_DAYS_OF_YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class Retention:
    """mode: one of MODES. until_ns: since the epoch; from then on it protects nothing."""

    mode: str
    until_ns: int


class Lockable(Protocol):
    """What has a version's locks: its record, or what a view knows of it.

    legal_hold: None: nobody ever said anything of it, which S3 tells from False.
    """

    @property
    def retention(self) -> Retention | None: ...

    @property
    def legal_hold(self) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class Protection:
    """Why a version may not go. kind: LEGAL_HOLD, COMPLIANCE or GOVERNANCE. until_ns: None: until somebody
    lifts the hold.
    """

    kind: str
    until_ns: int | None = None

    @property
    def bypassable(self) -> bool:
        """Whether s3:BypassGovernanceRetention is enough to remove it all the same."""
        return self.kind == GOVERNANCE


def protection(found: Lockable, now_ns: int) -> Protection | None:
    """What protects a version now; None: it may go. Of several the one that is hardest to overcome."""
    if found.legal_hold:
        return Protection(LEGAL_HOLD)
    retention = found.retention
    if retention is None or retention.until_ns <= now_ns:
        return None
    return Protection(retention.mode, retention.until_ns)


def may_replace(old: Retention | None, new: Retention | None, now_ns: int, *, bypass: bool) -> bool:
    """Whether a version's retention may become another (None: none at all).

    One that is over may become anything. COMPLIANCE may only become longer; GOVERNANCE too, but with `bypass`
    anything: shorter, none, or COMPLIANCE. A legal hold has no say in it.
    """
    if old is None or old.until_ns <= now_ns or old == new:
        return True
    if new is not None and new.mode == old.mode and new.until_ns >= old.until_ns:
        return True
    return old.mode == GOVERNANCE and bypass


@dataclass(frozen=True, slots=True)
class DefaultRetention:
    """What a version gets of which nothing else was said. Either `days` or `years` is given; a year has 365
    days.
    """

    mode: str
    days: int | None = None
    years: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES or (self.days is None) == (self.years is None):
            raise ValueError("no default retention")
        period, most = (self.years, MAX_YEARS) if self.days is None else (self.days, MAX_DAYS)
        if period is None or not 1 <= period <= most:
            raise ValueError("no period that a retention can have")

    def begun(self, created_ns: int) -> Retention:
        """That of a version which was made at this moment (since the epoch)."""
        days = self.days if self.days is not None else (self.years or 0) * _DAYS_OF_YEAR
        # In whole milliseconds, as S3 shows it: whoever repeats what they were shown makes nothing shorter.
        return Retention(self.mode, -(-created_ns // _MILLI_NS) * _MILLI_NS + days * _DAY_NS)


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """That a bucket has Object Lock, which it never loses again. default: None: versions get no retention by
    themselves.
    """

    default: DefaultRetention | None = None


NO_DEFAULT: Final = ObjectLock()


def encode(lock: ObjectLock) -> str:
    """As a bucket's settings keep it: JSON, ``{}`` or a map of ``mode`` and ``days`` or ``years``."""
    default = lock.default
    fields = {} if default is None else {
        "mode": default.mode, "days": default.days, "years": default.years
    }  # fmt: skip
    return json.dumps({name: value for name, value in fields.items() if value is not None})


@functools.lru_cache(maxsize=256)
def decode(kept: str) -> ObjectLock:
    """Raises ValueError for what `encode` of this version cannot have written."""
    fields: Any = json.loads(kept)
    if fields == {}:
        return NO_DEFAULT
    if type(fields) is not dict or not set(fields) <= {"mode", "days", "years"}:
        raise ValueError("no Object Lock configuration")
    periods = (fields.get("days"), fields.get("years"))
    if any(period is not None and type(period) is not int for period in periods):
        raise ValueError("a period is no number")
    return ObjectLock(DefaultRetention(fields.get("mode", ""), *periods))
