"""Keeps one child process running: starts it again when it ends unasked, ends it when the service stops.

A child that runs and does not answer (it was stopped, or it waits for itself) helps nobody: clients of it
hang until it ends. So each is asked now and then whether it is alive, and killed when it stays silent.
"""

from __future__ import annotations

import logging
import math
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from weka_mp.ipc.peers import CallTimeout, Handler, Peer, PeerGone, RemoteFailure
from weka_mp.observe.metrics import CHILD_RESTARTS, CHILD_UP
from weka_mp.supervise.backoff import Backoff
from weka_mp.supervise.spawn import Child, start_child

__all__ = ["CHILD_MODULE", "ChildSpec", "Keeper", "StartFailed", "ask_link"]

log = logging.getLogger(__name__)

CHILD_MODULE = "weka_mp.supervise.child"
_ASK_EVERY = 5.0
_LOOK_SECONDS = 0.5  # between two looks whether a killed child cannot end
_OUTPUT_GRACE = 1.0  # seconds to read what an ended child wrote; a grandchild may hold the pipe open for ever


async def ask_link(peer: Peer, seconds: float, *, stall: float = math.inf) -> None:
    """The ordinary question. `stall`: seconds that a loop of the main thread may not have gone round, where
    another thread answers for it; a store that is slow is in its way.
    """
    age = await peer.call("alive", timeout=seconds)
    if isinstance(age, float) and age > stall:
        raise CallTimeout(f"its loop has stood still for {age:.0f} s")


class StartFailed(Exception):
    """The service cannot start;

    the message is one line for the user. `part` is the child concerned, if one is.
    """

    def __init__(self, message: str, *, part: str = "") -> None:
        super().__init__(message)
        self.part = part


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to run one child.

    `grace` is how many seconds it may take to stop before it is killed. `silence` is how many seconds it may
    leave `ask(its peer, seconds)` without an answer before it is taken for hung: more than what it waits for
    where it cannot answer, a slow store above all. `ask` raises as `Peer.call` does.
    `free` lets a killed child's threads go that the kernel still holds; None, or the reason why it cannot.
    `ended` clears away what a child left that ended unasked, before its successor is started. Both block.
    """

    name: str
    kind: str
    plan: Mapping[str, object]
    pass_fds: Sequence[int] = ()
    grace: float = 10.0
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    module: str = CHILD_MODULE
    silence: float = 60.0
    ask: Callable[[Peer, float], Awaitable[None]] = ask_link
    free: Callable[[], str | None] | None = None
    ended: Callable[[], None] | None = None


class Keeper:
    """One child and its successors. `relay(line, name, pid)` gets every line they write."""

    def __init__(self, spec: ChildSpec, relay: Callable[[bytes, str, int], None], pid_directory: str) -> None:
        self.spec = spec
        self.restarts = 0
        self.child: Child | None = None
        self.ready = False
        self.changed: dict[str, object] = {}  # of the plan, for successors
        self._ready_event = trio.Event()
        self._ended_event = trio.Event()
        self._relay = relay
        self._pid_path = os.path.join(pid_directory, spec.name + ".pid")
        self._stopping = trio.Event()
        self._reason: str | None = None
        self._backoff = Backoff()

    @property
    def peer(self) -> Peer | None:
        """The running child's peer, None while there is none that is ready."""
        return self.child.peer if self.child is not None and self.ready else None

    async def wait_ready(self) -> Peer:
        """The peer of the child that is ready now, or of the next one that is."""
        while (peer := self.peer) is None:
            await self._ready_event.wait()
        return peer

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the child until `stop`; reports started once it is ready for the first time.

        Raises StartFailed when the first child ends before it was ready.
        """
        while not self._stopping.is_set():
            begun = trio.current_time()
            code = await self._run_once(task_status if self.restarts == 0 else None)
            if self._stopping.is_set():
                break
            self.restarts += 1
            CHILD_RESTARTS.labels(self.spec.name).inc()
            delay = self._backoff.next_delay(trio.current_time() - begun)
            why = f"{_ending(code)}: {self._reason}" if self._reason else _ending(code)
            log.error("%s ended (%s), starting it again in %.1f s", self.spec.name, why, delay)
            with trio.move_on_after(delay):
                await self._stopping.wait()

    async def stop(self) -> None:
        """Ask the child to end and see that it does; returns when it has."""
        self._stopping.set()
        child, ended = self.child, self._ended_event
        if child is None:
            return
        child.signal(signal.SIGTERM)
        with trio.move_on_after(self.spec.grace) as scope:
            await ended.wait()
        if scope.cancelled_caught:
            log.error("%s did not stop within %g s and is killed", self.spec.name, self.spec.grace)
            child.signal(signal.SIGKILL)
            await ended.wait()

    async def wait_ended(self) -> None:
        """Until the child that runs now has ended; at once when none runs."""
        if self.child is not None:
            await self._ended_event.wait()

    async def _run_once(self, first: trio.TaskStatus[None] | None) -> int | None:
        """One life of the child; the return code, None when it could not be started."""
        self._reason = None
        was_ready = trio.Event()
        try:
            child = start_child(
                self.spec.module,
                self.spec.kind,
                {**self.spec.plan, **self.changed},
                handlers={**self.spec.handlers, **self._own_handlers(was_ready)},
                pass_fds=self.spec.pass_fds,
            )
        except OSError as error:
            if first is not None:
                raise StartFailed(f"{self.spec.name} cannot be started: {error.strerror}") from error
            log.error("%s cannot be started: %s", self.spec.name, error.strerror)
            return None
        self.child = child
        self._ended_event = trio.Event()
        try:
            return await self._watch(child, first, was_ready)
        finally:
            self._ended()

    async def _watch(self, child: Child, first: trio.TaskStatus[None] | None, was_ready: trio.Event) -> int:
        self._note_pid(child.pid)
        code = 0
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(child.peer.run)
                nursery.start_soon(self._announce, child, first, was_ready)
                nursery.start_soon(self._kill_when_silent, child, was_ready)
                output_ended = trio.Event()
                nursery.start_soon(self._read_output, child, output_ended)
                nursery.start_soon(self._free, child)
                code = await child.wait()
                if self.spec.ended is not None and not self._stopping.is_set():
                    await self._clear_up(self.spec.ended)
                with trio.move_on_after(_OUTPUT_GRACE):
                    await output_ended.wait()
                with trio.move_on_after(_OUTPUT_GRACE):
                    await child.peer.gone.wait()  # its last words may still be in the socket
                nursery.cancel_scope.cancel()
        finally:
            await self._release(child)
        if first is not None and not was_ready.is_set() and not self._stopping.is_set():
            reason = self._reason or f"{self.spec.name} ended while it started ({_ending(code)})"
            raise StartFailed(reason, part=self.spec.name)
        return code

    async def _clear_up(self, ended: Callable[[], None]) -> None:
        try:
            await trio.to_thread.run_sync(ended)
        except OSError as error:  # the next child finds what is left, or says why it cannot start
            log.error("what %s left cannot be cleared: %s", self.spec.name, error.strerror)

    async def _free(self, child: Child) -> None:
        """See that a child whose main thread is dead can end: neither its pidfd nor its sockets tell of one
        that cannot.
        """
        free, looks = self.spec.free, 0
        while free is not None:
            await trio.sleep(_LOOK_SECONDS)
            looks = looks + 1 if child.is_dying() else 0
            if looks < 2:  # its threads may be ending just now
                continue
            log.warning("%s is dead, but the kernel holds a thread of it: letting it go", self.spec.name)
            try:
                reason = await trio.to_thread.run_sync(free)
            except OSError as error:  # descriptors may have run out: the next look may do it
                reason = error.strerror
            if reason is not None:
                log.error("%s cannot be let go: %s", self.spec.name, reason)

    async def _announce(
        self, child: Child, first: trio.TaskStatus[None] | None, was_ready: trio.Event
    ) -> None:
        await was_ready.wait()
        self.ready = True
        CHILD_UP.labels(self.spec.name).set(1)
        self._ready_event.set()
        log.debug("%s is ready (pid %d)", self.spec.name, child.pid)
        if first is not None:
            first.started()

    async def _kill_when_silent(self, child: Child, was_ready: trio.Event) -> None:
        """Two tries in a row must fail: after this process was stopped itself, one may without reason."""
        await was_ready.wait()
        tries = 0
        while tries < 2:
            if tries == 0:
                await trio.sleep(min(_ASK_EVERY, self.spec.silence))
            tries = 0 if await self._answers(child) else tries + 1
        log.error("%s has not answered twice in %g s and is killed", self.spec.name, self.spec.silence)
        child.signal(signal.SIGKILL)

    async def _answers(self, child: Child) -> bool:
        begun = trio.current_time()
        try:
            await self.spec.ask(child.peer, self.spec.silence / 2)
        except RemoteFailure:
            return True  # it did answer
        except (CallTimeout, PeerGone) as error:
            log.warning("%s does not answer: %s", self.spec.name, error)
            # It may have refused at once: its time is not over before.
            await trio.sleep_until(begun + self.spec.silence / 2)
            return False
        return True

    async def _read_output(self, child: Child, ended: trio.Event) -> None:
        await child.read_lines(lambda line: self._relay(line, self.spec.name, child.pid))
        ended.set()

    def _own_handlers(self, was_ready: trio.Event) -> dict[str, Handler]:
        async def ready(args: object) -> None:
            was_ready.set()

        async def failed(args: object) -> None:
            self._reason = str(args)

        return {"ready": ready, "failed": failed}

    async def _release(self, child: Child) -> None:
        """Nothing of a child outlives its keeper, even when the service falls over."""
        with trio.CancelScope(shield=True):
            if child.popen.poll() is None:
                child.signal(signal.SIGTERM)
                with trio.move_on_after(self.spec.grace):
                    await child.wait()
            if child.popen.poll() is None:
                child.signal(signal.SIGKILL)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._free, child)
                    await child.wait()
                    nursery.cancel_scope.cancel()
            await child.close()

    def _ended(self) -> None:
        self.ready = False
        self.child = None
        self._ended_event.set()
        if self._ready_event.is_set():
            self._ready_event = trio.Event()
        CHILD_UP.labels(self.spec.name).set(0)
        if os.path.exists(self._pid_path):
            os.unlink(self._pid_path)

    def _note_pid(self, pid: int) -> None:
        try:
            with open(self._pid_path, "w", encoding="ascii") as file:
                file.write(f"{pid}\n")
        except OSError as error:
            log.warning("the process id of %s cannot be written down: %s", self.spec.name, error.strerror)


def _ending(code: int | None) -> str:
    if code is None:
        return "not started"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"
