"""Asks every mount of this node to forget what changed, and waits until each has done so.

A kernel may have cached names, attributes and pages of what an S3 request just changed. The response is
sent only after every mount process acknowledged (docs/SEMANTICS.md, 1), so that whoever saw the response
sees the change on the mount. No lock is held meanwhile: a mount handler may itself wait for one.

Mounts are the sockets that match a glob in the runtime directory. A socket nobody listens on, or one
that closes while we wait and cannot be reached again, belongs to a dead mount: its kernel caches died
with it, so it counts as having acknowledged. The wait as a whole is bounded: a mount that has not
answered by then is counted as late.
"""

from __future__ import annotations

import fnmatch
import itertools
import logging
import os
import stat
from collections.abc import Sequence
from typing import Final

import trio

from weka_mp.server.frames import FrameError, FrameReader, pack_frame
from weka_mp.values import Change

__all__ = ["ACKNOWLEDGE_SECONDS", "Invalidator"]

ACKNOWLEDGE_SECONDS: Final = 5.0
_RECEIVE_BYTES: Final = 64 * 1024
_log = logging.getLogger("weka_mp.invalidate")


class _Gone(Exception):
    """The mount process closed the connection before it answered."""


class _Waiting:
    """One message under way."""

    __slots__ = ("answered", "lost")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.lost = False


class _Link:
    """A persistent connection to one mount; messages are pipelined and matched by id."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._sending = trio.Lock()
        self._ids = itertools.count(1)
        self._waiting: dict[int, _Waiting] = {}
        self.closed = False

    async def ask(self, changes: list[list[object]]) -> None:
        """Send one message and wait for its answer. Raises _Gone."""
        if self.closed:
            raise _Gone
        identity = next(self._ids)
        waiting = self._waiting[identity] = _Waiting()
        try:
            async with self._sending:
                await self._send(pack_frame(identity, "invalidate", changes))
            await waiting.answered.wait()
        finally:
            self._waiting.pop(identity, None)
        if waiting.lost:
            raise _Gone

    async def _send(self, frame: bytes) -> None:
        try:
            # A frame cut short by a cancellation would garble all that follow it.
            with trio.CancelScope(shield=True, deadline=trio.current_effective_deadline()) as scope:
                await self._stream.send_all(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise _Gone from error
        if scope.cancelled_caught:
            self.abandon()
            raise _Gone

    async def read_answers(self) -> None:
        """Runs as long as the connection lives; wakes whoever waits for an answer."""
        reader = FrameReader()
        try:
            while data := await self._stream.receive_some(_RECEIVE_BYTES):
                for message in reader.feed(data):
                    self._answered(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            _log.debug("the connection to a mount broke")
        except FrameError as error:
            _log.error("a mount answered with something that is no frame: %s", error)
        finally:
            self.abandon()

    def _answered(self, message: list[object]) -> None:
        waiting = self._waiting.get(message[1]) if isinstance(message[1], int) else None
        if message[2] != "ok":
            _log.error("a mount could not invalidate: %r", message[2:])
        if waiting is not None:
            waiting.answered.set()

    def abandon(self) -> None:
        """Mark it closed and tell everybody who waits."""
        self.closed = True
        self._stream.socket.close()
        for waiting in self._waiting.values():
            waiting.lost = True
            waiting.answered.set()


def _mount_sockets(pattern: str) -> list[str]:
    """The sockets that match; read afresh each time, since a mount that just started must not be missed."""
    directory, name = os.path.split(pattern)
    try:
        with os.scandir(directory or ".") as entries:
            return sorted(e.path for e in entries if fnmatch.fnmatchcase(e.name, name) and _is_socket(e))
    except FileNotFoundError:
        return []  # no runtime directory: no mount was ever started


def _is_socket(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False  # removed since the directory was read


class Invalidator:
    """`publish` may be called by many tasks at once. `run` must be running; it keeps the connections."""

    def __init__(self, pattern: str | None, *, seconds: float = ACKNOWLEDGE_SECONDS) -> None:
        self._pattern = pattern
        self._seconds = seconds
        self._links: dict[str, _Link] = {}
        self._connecting: dict[str, trio.Lock] = {}
        self._nursery: trio.Nursery | None = None
        self.late = 0  # publications that some mount had not acknowledged in time

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keeps the connections until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            for link in self._links.values():
                link.abandon()
            self._links.clear()

    async def publish(self, changes: Sequence[Change]) -> None:
        """Return when every living mount acknowledged, or after the bounded time (then `late` is counted)."""
        if not changes or self._pattern is None:
            return
        paths = _mount_sockets(self._pattern)
        if not paths:
            return
        message: list[list[object]] = [[change.parent, change.name, change.old] for change in changes]
        with trio.move_on_after(self._seconds) as scope:
            if len(paths) == 1:
                await self._ask(paths[0], message)
            else:
                async with trio.open_nursery() as nursery:
                    for path in paths:
                        nursery.start_soon(self._ask, path, message)
        if scope.cancelled_caught:
            self.late += 1
            _log.warning("a mount did not acknowledge an invalidation within %s s", self._seconds)

    async def _ask(self, path: str, message: list[list[object]]) -> None:
        """Two tries: a connection that has closed may only mean that the mount process was started again."""
        for _ in range(2):
            link = await self._link(path)
            if link is None:
                return
            try:
                await link.ask(message)
                return
            except _Gone:
                if self._links.get(path) is link:
                    del self._links[path]

    async def _link(self, path: str) -> _Link | None:
        """The connection to the mount, made when needed; None: nobody listens there."""
        link = self._links.get(path)
        if link is not None and not link.closed:
            return link
        async with self._connecting.setdefault(path, trio.Lock()):
            link = self._links.get(path)
            if link is not None and not link.closed:
                return link
            try:
                stream = await trio.open_unix_socket(path)
            except (ConnectionError, FileNotFoundError):
                return None  # a dead mount process
            if self._nursery is None:
                await stream.aclose()
                raise RuntimeError("Invalidator.run() is not running")
            link = self._links[path] = _Link(stream)
            self._nursery.start_soon(link.read_answers)
            return link
