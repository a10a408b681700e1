"""How long to wait before a process that ended is started again."""

from __future__ import annotations

from typing import Final

__all__ = ["Backoff"]

_STABLE: Final = 10.0  # seconds: a process that ran this long is started again at once
_FIRST_DELAY: Final = 0.1
_LONGEST_DELAY: Final = 5.0


class Backoff:
    """At once the first time, then with pauses that double, for as long as it keeps dying young."""

    def __init__(self) -> None:
        self._failures = 0

    def next_delay(self, ran: float) -> float:
        """Seconds to wait, after a life of `ran` seconds."""
        if ran >= _STABLE:
            self._failures = 0
        delay = 0.0 if self._failures == 0 else min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (self._failures - 1))
        self._failures += 1
        return delay
