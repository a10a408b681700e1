"""Asks every mount of this node to forget what changed, and waits until each has done so.

A kernel may have cached names, attributes and pages of what an S3 request just changed. The response is
sent only after every mount process acknowledged (docs/SEMANTICS.md, 1), so that whoever saw the response
sees the change on the mount. No lock is held meanwhile: a mount handler may itself wait for one.

A mount whose kernel never heard of any inode concerned is not asked at all (supervise/known_inodes).

Mounts are the sockets that match a glob in the runtime directory. One that nobody listens on belongs to a
mount whose process died. The kernel still answers from that mount's caches, so we wait until it is out of the
way: its socket is gone (supervise/dead_mounts), or a successor listens there. The wait as a whole is bounded:
a mount that has not answered by then is counted as late.
"""

from __future__ import annotations

import fnmatch
import logging
import os
import stat
from collections.abc import Callable, Sequence
from typing import Final

import trio

from weka_mp.clock import Clock, SystemClock
from weka_mp.ipc.known_inodes import KnownInodes, table_path
from weka_mp.ipc.peers import CallTimeout, Peer, PeerGone, RemoteFailure, connect_unix
from weka_mp.values import Change

__all__ = ["ACKNOWLEDGE_SECONDS", "Invalidator", "MountSockets"]

ACKNOWLEDGE_SECONDS: Final = 5.0
_QUIET_NS: Final = 1_000_000_000
_LOOK_SECONDS: Final = 0.02  # between two looks whether a dead mount is out of the way
Message = list[list[object]]
_log = logging.getLogger("weka_mp.invalidate")


class MountSockets:
    """The sockets that match a glob. A mount that just started is never missed.

    The directory is read again whenever its mtime moved. Only what was read when the directory had been quiet
    for longer than a tick of the clock is remembered: within a tick a socket can appear without a trace.
    """

    def __init__(self, pattern: str, clock: Clock) -> None:
        directory, self._name = os.path.split(pattern)
        self._directory, self._clock = directory or ".", clock
        self._read: tuple[int, list[str]] | None = None

    def paths(self) -> list[str]:
        """In order; empty without a runtime directory: no mount was ever started."""
        try:
            changed = os.stat(self._directory).st_mtime_ns
            if self._read is not None and self._read[0] == changed:
                return self._read[1]
            with os.scandir(self._directory) as entries:
                found = sorted(entry.path for entry in entries if self._matches(entry))
        except FileNotFoundError:
            return []
        self._read = (changed, found) if self._clock.coarse_ns() - changed > _QUIET_NS else None
        return found

    def _matches(self, entry: os.DirEntry[str]) -> bool:
        return fnmatch.fnmatchcase(entry.name, self._name) and _is_socket(entry)


def _is_socket(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False  # removed since the directory was read


class Invalidator:
    """`publish` may be called by many tasks at once. `run` must be running; it keeps the connections."""

    def __init__(
        self, pattern: str | None, *, seconds: float = ACKNOWLEDGE_SECONDS,
        on_late: Callable[[], None] = lambda: None,
    ) -> None:
        """pattern: glob of the mounts' sockets; None when there is never a mount.

        on_late: called for each publication that a mount had not acknowledged in time.
        """
        self._sockets = MountSockets(pattern, SystemClock()) if pattern is not None else None
        self._seconds = seconds
        self._peers: dict[str, Peer] = {}
        self._tables: dict[str, KnownInodes] = {}
        self._connecting: dict[str, trio.Lock] = {}
        self._nursery: trio.Nursery | None = None
        self._on_late = on_late

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keeps the connections until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            self._peers.clear()

    async def publish(self, changes: Sequence[Change]) -> None:
        """Return when every mount acknowledged, or after a bounded time (`on_late` is called then)."""
        if not changes or self._sockets is None:
            return
        paths = [path for path in self._sockets.paths() if self._concerns(path, changes)]
        if not paths:
            return
        message: Message = [[change.parent, change.name, change.old] for change in changes]
        deadline = trio.current_time() + self._seconds
        if len(paths) == 1:
            await self._ask(paths[0], message, deadline)
            return
        async with trio.open_nursery() as nursery:
            for path in paths:
                nursery.start_soon(self._ask, path, message, deadline)

    def _concerns(self, path: str, changes: Sequence[Change]) -> bool:
        """Whether that mount's kernel can have cached anything of what changed."""
        known = self._table(table_path(path))
        return known is None or any(
            known.may_know(change.parent) or (change.old is not None and known.may_know(change.old))
            for change in changes
        )

    def _table(self, path: str) -> KnownInodes | None:
        """The table that lies there now: a mount that started again has another."""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        known = self._tables.get(path)
        if known is None or known.identity != (found.st_dev, found.st_ino):
            if known is not None:
                known.close()
            known = KnownInodes.open(path)
            if known is None:
                return None
            self._tables[path] = known
        return known

    async def _ask(self, path: str, message: Message, deadline: float) -> None:
        """Again and again: a mount whose connection has closed is started again, or taken away."""
        try:
            while True:
                peer = await self._peer(path, deadline)
                if peer is None:
                    return
                try:
                    await peer.call("invalidate", message, timeout=max(deadline - trio.current_time(), 0.0))
                    return
                except PeerGone:
                    if self._peers.get(path) is peer:
                        del self._peers[path]
        except CallTimeout:
            self._on_late()
            _log.warning("the mount at %s did not acknowledge within %g s", path, self._seconds)
        except RemoteFailure as error:
            self._on_late()
            _log.error("the mount at %s could not invalidate: %s", path, error)

    async def _peer(self, path: str, deadline: float) -> Peer | None:
        """The connection to a mount, made when needed; None: the mount is gone. Raises CallTimeout."""
        peer = self._peers.get(path)
        if peer is not None and not peer.gone.is_set():
            return peer
        with trio.CancelScope(deadline=deadline) as scope:
            async with self._connecting.setdefault(path, trio.Lock()):
                peer = self._peers.get(path)
                if peer is not None and not peer.gone.is_set():
                    return peer
                return await self._connect(path)
        if scope.cancelled_caught:
            raise CallTimeout(path)
        return None

    async def _connect(self, path: str) -> Peer | None:
        while True:
            try:
                peer = await connect_unix(path)
                break
            except PeerGone as error:
                if isinstance(error.__cause__, FileNotFoundError):
                    return None
                if not isinstance(error.__cause__, ConnectionError):
                    raise CallTimeout(str(error)) from error  # it lives and does not accept
            await trio.sleep(_LOOK_SECONDS)  # nobody listens: a dead mount process
        if self._nursery is None:
            await peer.aclose()
            raise RuntimeError("Invalidator.run() is not running")
        self._peers[path] = peer
        self._nursery.start_soon(peer.run)
        return peer
