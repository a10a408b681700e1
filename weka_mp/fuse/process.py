"""The mount process: one store at one mount point, from the mount to the unmount."""

from __future__ import annotations

import logging
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from weka_mp.fuse.invalidation import Invalidation, Notifier
from weka_mp.fuse.operations import Operations
from weka_mp.fuse.session import Session
from weka_mp.ipc.known_inodes import KnownInodes, table_path
from weka_mp.ipc.peers import serve_unix
from weka_mp.namespace.effects import Durability
from weka_mp.namespace.happenings import Watcher
from weka_mp.namespace.tree.facade import Tree
from weka_mp.namespace.tree.file_rules import FileRules, OnDirty
from weka_mp.offload import run_blocking

if TYPE_CHECKING:
    from weka_mp.namespace import Namespace

__all__ = ["MountPlan", "run_mount"]

_log = logging.getLogger(__name__)
_WANTED_FILES = 1 << 16
_OTHER_FILES = 192  # connections, open directories, second descriptors of writers, what an operation needs
_TIDY_SECONDS = 30.0  # how long the space of a file removed beside the mount may stay in use for our cache
_BEAT_SECONDS = 1.0
_GRACE_SECONDS = 1.0  # for requests under way after a busy mount was detached


@dataclass(frozen=True, slots=True)
class MountPlan:
    """`attr_timeout`: seconds that the kernel may cache names and attributes. `socket_path`: where
    invalidations are taken (`weka_mp.fuse.invalidation`). `shared`: the store has other mounts.
    `makes_versions`: of what callers replace, where buckets have versions.
    """

    mountpoint: str
    attr_timeout: float
    socket_path: str
    shared: bool = False
    makes_versions: bool = True


def run_mount(
    namespace: Namespace,
    plan: MountPlan,
    *,
    on_ready: Callable[[], None],
    on_dirty: OnDirty | None = None,
    on_beat: Callable[[], None] = lambda: None,
    watcher: Watcher | None = None,
) -> None:
    """Mount `namespace` and serve it until it is unmounted, or SIGTERM or SIGINT arrives.

    `on_ready` is called once requests are answered, `on_dirty` with the path of each file whose ETag is not
    known after its last writer closed, `on_beat` once a second by the loop that answers requests, so that
    somebody may notice when that is stuck. `watcher` is told of what callers do to files. Must run on the
    main thread.
    Raises weka_mp.fuse.session.MountFailed, with a one-line reason, when the mount cannot start.
    """
    os.umask(0)  # the kernel has applied the caller's
    known = KnownInodes.create(table_path(plan.socket_path))
    mount = _Mount(namespace, plan, known, on_dirty, on_beat, watcher)
    try:
        trio.run(mount.serve, on_ready)
    finally:
        known.remove(table_path(plan.socket_path))


def _raise_file_limit() -> int:
    """Open files are descriptors of ours; the most we may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
    if os.geteuid() == 0 and hard != resource.RLIM_INFINITY and hard < _WANTED_FILES:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (_WANTED_FILES, _WANTED_FILES))
        except (OSError, ValueError) as error:  # a container may forbid it; then what there is has to do
            _log.debug("the limit of open files stays at %d: %s", hard, error)
        else:
            return _WANTED_FILES
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(wanted, soft)


class _Mount:
    """What lives as long as the mount."""

    def __init__(
        self,
        namespace: Namespace,
        plan: MountPlan,
        known: KnownInodes,
        on_dirty: OnDirty | None,
        on_beat: Callable[[], None],
        watcher: Watcher | None,
    ) -> None:
        self._namespace = namespace
        self._plan = plan
        self._known = known
        files = _raise_file_limit()
        descriptors = max(64, min(4096, files // 8))
        self._tree = Tree(
            namespace.store,
            namespace.locks,
            namespace.clock,
            rules=FileRules(
                overrides=os.geteuid() == 0,
                limit=max(files - descriptors - _OTHER_FILES, 16),
                shared=plan.shared,
                durable=namespace.context.durability is Durability.COMMIT,
                quotas=namespace.context.quotas,
                versions=namespace.context,
                makes_versions=plan.makes_versions,
                watcher=watcher,
            ),
            on_dirty=on_dirty,
            descriptors=descriptors,
            announce=known.add,
        )
        self._on_beat = on_beat
        self._connected = trio.Event()
        self._notifier: Notifier | None = None
        self._invalidation: Invalidation | None = None
        self._operations = Operations(
            self._tree,
            plan.attr_timeout,
            on_init=self._connected.set,
            is_behind=self._is_behind,
            distrust=self._distrust,
        )

    def _is_behind(self) -> bool:
        return self._invalidation is not None and self._invalidation.is_behind()

    def _distrust(self, directory: int, name: bytes) -> None:
        if self._invalidation is not None:
            self._invalidation.distrust(directory, name)

    async def serve(self, on_ready: Callable[[], None]) -> None:
        store_path = os.readlink(f"/proc/self/fd/{self._namespace.store.root()}")
        plan = self._plan
        staging = f"{plan.socket_path}.staging"
        session = Session.mount(
            self._operations, plan.mountpoint, store_path, staging=staging
        )
        # Requests wait in the kernel: it has learned of no inode yet.
        self._known.publish(table_path(plan.socket_path))
        notifier = Notifier(session)
        self._invalidation = Invalidation(
            self._tree.nodes, notifier, self._tree.figures, self._tree.removed_elsewhere
        )
        try:
            async with trio.open_nursery() as nursery:
                # Invalidations are taken before the kernel can have cached anything.
                await nursery.start(serve_unix, plan.socket_path, self._invalidation.handlers())
                nursery.start_soon(self._unmount_on_signal, session)
                nursery.start_soon(self._announce, on_ready)
                nursery.start_soon(self._tidy)
                nursery.start_soon(self._beat)
                await session.run()
                nursery.cancel_scope.cancel()
        finally:
            if notifier.stop():
                session.close()
            else:  # a thread still uses the session; the process is about to end
                _log.error(
                    "a notification is stuck in the kernel; the mount is left to the end of this process"
                )
                session.unmount()
            self._tree.close()

    async def _announce(self, on_ready: Callable[[], None]) -> None:
        await self._connected.wait()
        on_ready()

    async def _beat(self) -> None:
        while True:
            self._on_beat()
            await trio.sleep(_BEAT_SECONDS)

    async def _tidy(self) -> None:
        while True:
            await trio.sleep(_TIDY_SECONDS)
            await run_blocking(self._tree.nodes.release_unlinked)

    async def _unmount_on_signal(self, session: Session) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                _log.info("unmounting after %s", signal.Signals(number).name)
                await run_blocking(session.unmount)
                await trio.sleep(_GRACE_SECONDS)  # an unmounted session ends by itself and cancels this
                session.terminate()
