"""The one place that decides where a blocking call runs: small system calls inline, everything that can wait
in a thread.

A hop to a thread costs about 100 µs of CPU, more than most calls on a local file system take, so calls
that only touch memory of the kernel run inline. `run_blocking` is for fsync, big copies, and whatever
waits for a lock or a lease.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

__all__ = ["THREADS", "run_blocking"]

THREADS = 32
"""Blocking calls at once in one process.

More would only queue in the disk; fewer would let slow fsyncs starve others.
"""

_limiter: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("weka_mp_offload")
_Result = TypeVar("_Result")


def _of_this_run() -> trio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(THREADS)
        _limiter.set(limiter)
        return limiter


async def run_blocking(call: Callable[..., _Result], *args: object) -> _Result:
    """Run `call(*args)` in a thread and wait for it.

    It is never abandoned, so what it holds is given back.
    """
    return await trio.to_thread.run_sync(call, *args, limiter=_of_this_run())
