"""The time as far as it can be believed, for what cannot be undone: a clock set ahead removes nothing.

What was believed moves on with a clock that nobody sets (CLOCK_BOOTTIME). Where the machine's clock is ahead
of that, somebody set it, or this process was not there to see the time pass, and nothing tells which of the
two was wrong: it is believed once it has been so for as long as somebody may need to notice (`patience_ns`).
A clock that was set back is believed at once: nothing goes too early by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from weka_mp.clock import Clock, elapsed_ns

__all__ = ["TOLERANCE_NS", "UNKNOWN", "BelievedTime", "Known"]

TOLERANCE_NS: Final = 2 * 3600 * 1_000_000_000
"""Ahead of what is expected by this the clock may be: more than a restart and a correction come to."""


@dataclass(frozen=True, slots=True)
class Known:
    """What another process believed, to go on from; ns. at_ns: the time (0: none yet); stood_ns: how long the
    clock had been ahead of it.
    """

    at_ns: int = 0
    stood_ns: int = 0


UNKNOWN: Final = Known()


class BelievedTime:
    """Ask `now_ns` now and then. known: what the last process left."""

    def __init__(
        self, clock: Clock, known: Known, patience_ns: int, elapsed: Callable[[], int] = elapsed_ns
    ) -> None:
        self._clock = clock
        self._elapsed = elapsed
        self._patience_ns = patience_ns
        self._seen_ns = elapsed()
        self._at_ns = known.at_ns or clock.now_ns()
        self._stood_ns = known.stood_ns

    @property
    def known(self) -> Known:
        """For the next process."""
        return Known(self._at_ns, self._stood_ns)

    def now_ns(self) -> int | None:
        """Since the epoch; None: the clock is too far ahead, and has not been for long enough."""
        seen_ns, wall_ns = self._elapsed(), self._clock.now_ns()
        passed_ns, self._seen_ns = seen_ns - self._seen_ns, seen_ns
        if wall_ns - (self._at_ns + passed_ns) <= TOLERANCE_NS:
            self._at_ns, self._stood_ns = wall_ns, 0
            return wall_ns
        self._at_ns += passed_ns
        self._stood_ns += passed_ns
        if self._stood_ns < self._patience_ns:
            return None
        self._at_ns, self._stood_ns = wall_ns, 0
        return wall_ns
