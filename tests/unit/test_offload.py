"""Blocking calls run in threads, a bounded number at once."""

from __future__ import annotations

import threading

import pytest
import trio

from weka_mp.offload import THREADS, run_blocking


async def test_results_and_errors_come_back() -> None:
    assert await run_blocking(divmod, 7, 3) == (2, 1)
    with pytest.raises(ZeroDivisionError):
        await run_blocking(divmod, 7, 0)


async def test_it_runs_in_another_thread() -> None:
    assert await run_blocking(threading.get_ident) != threading.get_ident()


async def test_no_more_than_the_limit_run_at_once() -> None:
    gate, lock, running, most = threading.Event(), threading.Lock(), 0, 0

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        assert gate.wait(60)
        with lock:
            running -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(THREADS + 8):
            nursery.start_soon(run_blocking, work)
        # A thread that was started is not yet one that runs: on a busy machine only some have come so far.
        with trio.fail_after(60):
            while running < THREADS:
                await trio.sleep(0.01)
        await trio.testing.wait_all_tasks_blocked(0.05)
        gate.set()
    assert most == THREADS
