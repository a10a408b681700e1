"""A clock that stands."""

from __future__ import annotations


class FixedClock:
    def __init__(self, seconds: int) -> None:
        self._ns = seconds * 10**9

    def now_ns(self) -> int:
        return self._ns

    def coarse_ns(self) -> int:
        return self._ns

    def passed_ns(self) -> int:
        return self._ns

    def boot(self) -> str:
        return "boot"
