"""ETag fills that somebody asked for:

numbered, run one after the other in the background process, remembered.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import trio

from weka_mp.control.service import NoSuchJob
from weka_mp.ipc.peers import CallTimeout, PeerGone, RemoteFailure
from weka_mp.supervise.keeper import Keeper
from weka_mp.values import BucketName

__all__ = ["FillJobs"]

log = logging.getLogger(__name__)

_REMEMBERED = 100  # finished jobs whose counts can still be asked for


@dataclass(slots=True)
class _Job:
    bucket: str
    prefix: bytes
    state: str = "running"
    outcome: dict[str, object] = field(default_factory=dict)


class FillJobs:
    """`run` must be running. A job survives the death of the background process: it begins again."""

    def __init__(self, background: Keeper) -> None:
        self._background = background
        self._jobs: dict[int, _Job] = {}
        self._last = 0
        self._send, self._receive = trio.open_memory_channel[_Job](math.inf)

    def start(self, bucket: BucketName, prefix: bytes) -> int:
        """Queue a fill; its number."""
        self._last += 1
        job = self._jobs[self._last] = _Job(bucket, prefix)
        self._send.send_nowait(job)
        for number in list(self._jobs)[:-_REMEMBERED]:
            if self._jobs[number].state != "running":
                del self._jobs[number]
        return self._last

    def state(self, number: int) -> Mapping[str, object]:
        """See `weka_mp.control.service.Service.fill_state`. Raises NoSuchJob."""
        try:
            job = self._jobs[number]
        except KeyError:
            raise NoSuchJob(f"there is no job {number}") from None
        return {"job": number, "state": job.state, "bucket": job.bucket, **job.outcome}

    async def run(self) -> None:
        """Do the jobs until cancelled."""
        async for job in self._receive:
            while job.state == "running":
                await self._try(job)

    async def _try(self, job: _Job) -> None:
        peer = await self._background.wait_ready()
        try:
            counts = await peer.call("fill", [job.bucket, job.prefix], timeout=math.inf)
        except PeerGone:
            log.warning("the background process ended during a fill of %s, beginning again", job.bucket)
            await self._background_gone()
        except (RemoteFailure, CallTimeout) as error:
            job.state, job.outcome = "failed", {"reason": str(error)}
        else:
            job.state, job.outcome = "done", {"counts": counts}

    async def _background_gone(self) -> None:
        """The keeper needs a moment to notice what the closed socket told us."""
        await trio.sleep(0.1)
