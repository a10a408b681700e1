"""The time by which retentions end: it does not run ahead when the machine's clock is set ahead.

What was known of the time moves on with a clock that nobody sets (CLOCK_BOOTTIME), whether the service runs
or not, as long as the machine does (the kernel's boot id tells). What the machine's clock is ahead of that
nobody saw pass: the machine was off, or somebody set the clock. Of it a credit is given, a day at most, which
is earned again by time in which both agree. The rest does not count until an administrator says that the
clock is right (`accept`). A retention is over when this time and the machine's clock say so: a clock that is
set back makes none end early, nor does one that was wrong when this time was first noted.

It stands in the record ``.weka/retention-clock``, from the first time it is asked for; every process works it
out of that (docs/STORAGE_FORMAT.md).
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final

from weka_mp.clock import Clock
from weka_mp.errors import UNWRITABLE, StoreUnusable
from weka_mp.namespace.control import ControlFiles
from weka_mp.namespace.locks import EntryLocks
from weka_mp.store.interface import Store

__all__ = ["MOST_CREDIT_NS", "Known", "Reading", "RetentionClock", "moved_on"]

_RECORD: Final = b"retention-clock"
_MINUTE_NS: Final = 60 * 1_000_000_000
MOST_CREDIT_NS: Final = 24 * 60 * _MINUTE_NS
"""Of time that nobody saw pass, this much counts at once."""

_AGREES_NS: Final = _MINUTE_NS  # two clocks this close say the same
_KEEP_NS: Final = 10 * _MINUTE_NS  # how much of what passed may be unknown to who comes after a reboot


@dataclass(frozen=True, slots=True)
class Known:
    """at_ns: the time, since the epoch, when the machine of this boot had run for passed_ns. credit_ns: of
    time that nobody saw pass so much may count.
    """

    at_ns: int
    boot: str
    passed_ns: int
    credit_ns: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Of the clock that retentions go by, and of the machine's, both in ns since the epoch."""

    at_ns: int
    machine_ns: int

    @property
    def now_ns(self) -> int:
        """When it is as far as a retention is concerned."""
        return min(self.at_ns, self.machine_ns)

    @property
    def behind_ns(self) -> int:
        """What the machine's clock is ahead and does not count; negative: it was set back."""
        return self.machine_ns - self.at_ns


def moved_on(known: Known, clock: Clock) -> Known:
    """The same now. Never earlier than `known`."""
    boot, passed_ns, machine_ns = clock.boot(), clock.passed_ns(), clock.now_ns()
    seen_ns = passed_ns - known.passed_ns if boot and boot == known.boot else 0
    at_ns, credit_ns = known.at_ns + max(seen_ns, 0), known.credit_ns
    ahead_ns = machine_ns - at_ns
    if abs(ahead_ns) <= _AGREES_NS:
        credit_ns = min(credit_ns + max(seen_ns, 0), MOST_CREDIT_NS)
    given_ns = min(max(ahead_ns, 0), credit_ns)
    return Known(at_ns + given_ns, boot, passed_ns, credit_ns - given_ns)


class RetentionClock:
    """That of one store. Thread-safe; several processes may have it open. Every method raises StoreUnusable
    when its record is damaged: nothing ends then.
    """

    def __init__(self, store: Store, files: ControlFiles, locks: EntryLocks, clock: Clock) -> None:
        """files: of ``.weka``."""
        self._store = store
        self._files = files
        self._locks = locks
        self._clock = clock

    def now_ns(self) -> int:
        """When it is as far as a retention is concerned."""
        return self.reading().now_ns

    def reading(self) -> Reading:
        """Both clocks. Notes the time where the record has not known it for long."""
        known = self._read()
        now = self._first() if known is None else moved_on(known, self._clock)
        if known is None or now.boot != known.boot or now.at_ns - known.at_ns > _KEEP_NS:
            with suppress(*UNWRITABLE):
                now = self._keep()
        return Reading(now.at_ns, self._clock.now_ns())

    def keep(self) -> None:
        """Note the time for who comes after a reboot, if anybody ever asked for it. Now and then."""
        if self._read() is not None:
            self._keep()

    def accept(self) -> Reading:
        """The machine's clock is right, somebody says who must know: from now on it is that time."""
        with self._alone():
            self._write(self._first())
        return self.reading()

    def _first(self) -> Known:
        return Known(self._clock.now_ns(), self._clock.boot(), self._clock.passed_ns(), MOST_CREDIT_NS)

    def _keep(self) -> Known:
        with self._alone():
            known = self._read()
            now = self._first() if known is None else moved_on(known, self._clock)
            self._write(now)
            return now

    def _alone(self) -> Any:
        """After every other lock: the time is asked for under those of entries and records."""
        return self._locks.hold_record(self._store.attr(self._files.directory).ino)

    def _read(self) -> Known | None:
        data = self._files.read(_RECORD)
        if data is None:
            return None
        try:
            known = Known(**json.loads(data))
            if [type(value) for value in asdict(known).values()] != [int, str, int, int]:
                raise TypeError("a field is of another type")
        except (ValueError, TypeError) as error:
            raise StoreUnusable("the record of the clock that retentions go by is damaged") from error
        return known

    def _write(self, known: Known) -> None:
        self._files.write(_RECORD, json.dumps(asdict(known)).encode() + b"\n")
