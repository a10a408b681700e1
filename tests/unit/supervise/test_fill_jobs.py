"""Asked-for fills: numbered, remembered, begun again when the background process dies."""

from __future__ import annotations

from typing import cast

import pytest
import trio

from weka_mp.control.service import NoSuchJob
from weka_mp.ipc.peers import PeerGone, RemoteFailure
from weka_mp.supervise.fill_jobs import FillJobs
from weka_mp.supervise.keeper import Keeper
from weka_mp.values import BucketName


class FakeBackground:
    """Stands in for the keeper and the peer; `answers` are given or raised in turn."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[object] = []

    async def wait_ready(self) -> FakeBackground:
        return self

    async def call(self, verb: str, args: object, *, timeout: float) -> object:
        self.asked.append(args)
        await trio.lowlevel.checkpoint()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def _finish(background: FakeBackground, jobs: FillJobs, *numbers: int) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(jobs.run)
        with trio.fail_after(5):
            while any(jobs.state(number)["state"] == "running" for number in numbers):
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()


async def test_jobs_are_done_in_order_and_remembered() -> None:
    background = FakeBackground({"filled": 1}, RemoteFailure("BucketMissing", "gone"))
    jobs = FillJobs(cast(Keeper, background))
    first, second = jobs.start(BucketName("a"), b"p"), jobs.start(BucketName("b"), b"")
    assert jobs.state(first)["state"] == "running"
    await _finish(background, jobs, first, second)
    assert jobs.state(first) == {"job": 1, "state": "done", "bucket": "a", "counts": {"filled": 1}}
    assert jobs.state(second) == {"job": 2, "state": "failed", "bucket": "b", "reason": "gone"}
    assert background.asked == [["a", b"p"], ["b", b""]]
    with pytest.raises(NoSuchJob):
        jobs.state(3)


async def test_a_job_begins_again_when_the_background_process_dies() -> None:
    background = FakeBackground(PeerGone("died"), {"filled": 2})
    jobs = FillJobs(cast(Keeper, background))
    await _finish(background, jobs, jobs.start(BucketName("a"), b""))
    assert jobs.state(1)["state"] == "done" and len(background.asked) == 2


async def test_old_jobs_are_forgotten_but_none_that_runs() -> None:
    background = FakeBackground(*[{}] * 150)
    jobs = FillJobs(cast(Keeper, background))
    for _ in range(120):
        jobs.start(BucketName("a"), b"")
    assert jobs.state(1)["state"] == "running"
    await _finish(background, jobs, 120)
    jobs.start(BucketName("a"), b"")
    with pytest.raises(NoSuchJob):
        jobs.state(1)
    assert jobs.state(120)["state"] == "done"
