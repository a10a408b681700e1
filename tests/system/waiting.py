"""Waiting for what happens in the background of another process: bounded, and said what for."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE = 0.02  # seconds between two looks


def wait_until(what: str, seconds: float, holds: Callable[[], bool], pause: float = PAUSE) -> float:
    """Look until it holds and answer how long that took; AssertionError when it does not in time."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(pause)
    return time.monotonic() - begun
