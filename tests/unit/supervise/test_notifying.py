"""The process that delivers notifications."""

from __future__ import annotations

import threading
from typing import Any

import trio

from weka_mp.supervise.notifying import _ship


class Slow:
    """A shipper whose receiver lets it wait."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def step(self) -> float:
        self.let_go.wait(30)
        return 30.0


class Free:
    """One that has its answer at once."""

    def __init__(self) -> None:
        self.stepped = trio.Event()
        self.token = trio.lowlevel.current_trio_token()

    def step(self) -> float:
        self.token.run_sync_soon(self.stepped.set)
        return 30.0


async def _main() -> None:
    slow: list[Any] = [Slow() for _ in range(50)]
    free: Any = Free()
    try:
        async with trio.open_nursery() as nursery:
            for shipper in (*slow, free):
                nursery.start_soon(_ship, shipper, trio.CancelScope())
            with trio.fail_after(20):
                await free.stepped.wait()
                await trio.to_thread.run_sync(lambda: None)  # nor does anything else wait for them
            nursery.cancel_scope.cancel()
    finally:
        for shipper in slow:
            shipper.let_go.set()


def test_regression_targets_that_let_everybody_wait_hold_up_no_others() -> None:
    trio.run(_main)
