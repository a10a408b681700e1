"""Time and randomness enter here only, so that tests can hand in their own (see tests/arch)."""

from __future__ import annotations

import functools
import os
import random
import time
from typing import Protocol

__all__ = ["Clock", "RandomSource", "SeededRandom", "SystemClock", "SystemRandom", "elapsed_ns"]


class Clock(Protocol):
    """Wall-clock time in nanoseconds since the epoch, and the time that passes whatever is set."""

    def now_ns(self) -> int:
        """The precise time."""

    def coarse_ns(self) -> int:
        """The kernel's coarse time: the mtime of a file modified now where stamps are coarse."""

    def passed_ns(self) -> int:
        """Time since the machine started, which nobody sets."""

    def boot(self) -> str:
        """Which start of the machine `passed_ns` counts from; empty: not known."""


class RandomSource(Protocol):
    """Unpredictable tokens and digits."""

    def token(self, size: int) -> str:
        """`size` random bytes as lower-case hex."""

    def below(self, limit: int) -> int:
        """A random integer in [0, limit)."""


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        return time.time_ns()

    def coarse_ns(self) -> int:
        return time.clock_gettime_ns(getattr(time, "CLOCK_REALTIME_COARSE", 5))

    def passed_ns(self) -> int:
        return elapsed_ns()

    def boot(self) -> str:
        return _boot()


@functools.cache
def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def elapsed_ns() -> int:
    """Time since some moment, which nobody sets; it goes on while the machine sleeps (CLOCK_BOOTTIME)."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class SystemRandom:
    """The machine's randomness; digits need not be secret, tokens must be."""

    def token(self, size: int) -> str:
        return os.urandom(size).hex()

    def below(self, limit: int) -> int:
        return random.randrange(limit)


class SeededRandom:
    """The same tokens and digits for the same seed: for measurements that must repeat each other."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def token(self, size: int) -> str:
        return self._random.randbytes(size).hex()

    def below(self, limit: int) -> int:
        return self._random.randrange(limit)
