"""What other processes changed is forgotten by the kernel before they answer their clients
(docs/SEMANTICS.md, 1).

The mount process listens on a socket (`weka_mp.ipc.peers`). For each change: INVAL_ENTRY of the name,
which waits for the directory's lock in the kernel; INVAL_INODE of the directory, since INVAL_ENTRY of a
name that is not cached touches nothing else; INVAL_INODE of what the name led to. ENOENT (nothing was
cached) is success.

Rules, each of which prevents a deadlock or a stale cache:

- Notifications leave from threads of their own, never from the trio thread: a request that holds the
  directory's lock in the kernel may be waiting for a handler. Changes of one directory go through one
  thread, in order.
- Whether the kernel knows a directory is decided on the trio thread, where every reply has been written or
  will be made after this moment (see `operations`). It does not know it: nothing below can be cached, and
  the change is skipped.
- Nothing is locked while a notification is under way.
- The kernel renames the entry that it has cached. Where that is no longer what the name leads to, since
  another door replaced it, the entry under the new name would lead to the old inode for ever: the
  invalidation on its way names the old name (`weka_mp.namespace.tree.facade.Tree.rename`).
- The entry of a directory that is still the one the kernel knows stays: INVAL_ENTRY would unhash it, and
  getcwd(2) would fail for everybody who is in it.
"""

from __future__ import annotations

import errno
import logging
import queue
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from weka_mp.namespace.tree.nodes import Nodes
from weka_mp.values import Change, InodeNo

__all__ = ["Invalidation", "Kernel", "Notifier", "changes_of"]

_log = logging.getLogger(__name__)
_THREADS = 4  # a directory that is busy in the kernel holds up at most those that share its thread
# how long an S3 worker waits for us; then it answers and we stop handing out cacheable replies
_OVERDUE_SECONDS = 5.0
# ENOTDIR: the number belonged to a file that the kernel still knows, so it has cached nothing below it
_GONE = {errno.ENOENT, errno.ENOTDIR}
# unmounted meanwhile: its caches are gone too
_ENDED = {errno.ENOTCONN, errno.ENODEV, errno.EBADF, errno.EINVAL}
_STOP_SECONDS = 2.0
_MAX_NUMBER = (1 << 64) - 1


class Kernel(Protocol):
    """The two notifications of the FUSE protocol; both may block, both raise OSError."""

    def invalidate_entry(self, parent: int, name: bytes) -> None: ...

    def invalidate_inode(self, number: int) -> None: ...


@dataclass(frozen=True, slots=True)
class _Forget:
    """What the kernel is to forget because of one change, by node numbers. `directory` 0: no entry."""

    directory: int
    name: bytes
    inodes: tuple[int, ...]


class Notifier:
    """The threads that talk to the kernel."""

    def __init__(self, kernel: Kernel, threads: int = _THREADS) -> None:
        self._kernel = kernel
        self._queues: list[queue.SimpleQueue[tuple[list[_Forget], Callable[[], None]] | None]] = []
        self._threads = []
        for index in range(threads):
            self._queues.append(queue.SimpleQueue())
            thread = threading.Thread(
                target=self._run, args=(self._queues[-1],), name=f"notify-{index}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def submit(self, key: int, work: list[_Forget], done: Callable[[], None]) -> None:
        """Do `work` in order, after all that was submitted with this key; then call `done` there."""
        self._queues[key % len(self._queues)].put((work, done))

    def _run(self, work: queue.SimpleQueue[tuple[list[_Forget], Callable[[], None]] | None]) -> None:
        while (item := work.get()) is not None:
            forgets, done = item
            for forget in forgets:
                self._forget(forget)
            done()

    def _forget(self, forget: _Forget) -> None:
        if forget.directory:
            if forget.name:
                self._tell(self._kernel.invalidate_entry, forget.directory, forget.name)
            self._tell(self._kernel.invalidate_inode, forget.directory)
        for number in forget.inodes:
            self._tell(self._kernel.invalidate_inode, number)

    @staticmethod
    def _tell(notify: Callable[..., None], *args: object) -> None:
        try:
            notify(*args)
        except OSError as error:
            if error.errno in _GONE or error.errno in _ENDED:
                return
            _log.error("the kernel refused an invalidation: %s", error)

    def stop(self) -> bool:
        """End the threads after what is queued; False when one is still waiting in the kernel."""
        for work in self._queues:
            work.put(None)
        for thread in self._threads:
            thread.join(_STOP_SECONDS)
        return not any(thread.is_alive() for thread in self._threads)


def changes_of(args: object) -> list[Change]:
    """The message's arguments as changes. Raises ValueError for anything else."""
    if not isinstance(args, list):
        raise ValueError("changes are a list")
    return [_change(item) for item in args]


def _change(item: object) -> Change:
    match item:
        case [int(parent), bytes(name), int() | None as old] if 0 <= parent <= _MAX_NUMBER:
            odd_name = b"/" in name or b"\0" in name or len(name) > 255
            if odd_name or (old is not None and not 0 <= old <= _MAX_NUMBER):
                raise ValueError("a name or number that cannot be")
            return Change(InodeNo(parent), name, None if old is None else InodeNo(old))
    raise ValueError("a change is [parent, name, old]")


class Invalidation:
    """Answers the verbs of the mount's socket. Used on the trio thread only."""

    def __init__(
        self,
        nodes: Nodes,
        notifier: Notifier,
        figures: Callable[[], dict[str, int]],
        removed: Callable[[int], None],
    ) -> None:
        """removed: is told the numbers of inodes that lost a name."""
        self._nodes = nodes
        self._notifier = notifier
        self._figures = figures
        self._removed = removed
        self._pending: dict[object, float] = {}  # since when, in the order of arrival
        self._changes = self._skipped = self._overdue = 0

    def handlers(self) -> dict[str, Callable[[object], Awaitable[object]]]:
        """Verb → handler."""
        return {"invalidate": self.invalidate, "ping": self.ping, "stats": self.stats}

    def is_behind(self) -> bool:
        """Some invalidation is overdue: whoever asked for it may have given up waiting."""
        oldest = next(iter(self._pending.values()), None)
        return oldest is not None and trio.current_time() - oldest > _OVERDUE_SECONDS

    async def ping(self, args: object) -> object:
        """Is anybody there."""
        return "pong"

    async def stats(self, args: object) -> object:
        """Counts of this mount."""
        return {
            **self._figures(),
            "changes": self._changes,
            "changes_skipped": self._skipped,
            "changes_overdue": self._overdue,
            "changes_pending": len(self._pending),
        }

    async def invalidate(self, args: object) -> object:
        """Returns when the kernel has forgotten everything that the changes concern."""
        by_directory = self._plan(changes_of(args))
        if not by_directory:
            return None
        ticket, started = object(), trio.current_time()
        self._pending[ticket] = started
        finished = trio.Event()
        token = trio.lowlevel.current_trio_token()
        left = len(by_directory)

        def one_done() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                del self._pending[ticket]
                self._overdue += trio.current_time() - started > _OVERDUE_SECONDS
                finished.set()

        for directory, work in by_directory.items():
            self._notifier.submit(directory, work, lambda: _soon(token, one_done))
        await finished.wait()
        return None

    def distrust(self, directory: int, name: bytes) -> None:
        """Have the kernel forget one entry, once it lets go of the directory; nobody waits for it."""
        self._notifier.submit(directory, [_Forget(directory, name, ())], lambda: None)

    def _plan(self, changes: Sequence[Change]) -> dict[int, list[_Forget]]:
        plan: dict[int, list[_Forget]] = {}
        self._changes += len(changes)
        for change in changes:
            inodes = tuple(self._nodes.known(change.old)) if change.old is not None else ()
            for number in inodes:
                self._removed(number)
            directories = self._nodes.known(change.parent)
            if not directories and not inodes:
                self._skipped += 1
            for directory in directories:
                name = b"" if self._nodes.stands(directory, change.name) else change.name
                forget = _Forget(directory if change.name else 0, name, inodes)
                plan.setdefault(directory, []).append(forget)
            if inodes and not directories:
                plan.setdefault(inodes[0], []).append(_Forget(0, b"", inodes))
        return plan


def _soon(token: trio.lowlevel.TrioToken, call: Callable[[], None]) -> None:
    try:
        token.run_sync_soon(call)
    except trio.RunFinishedError:
        return  # the mount ended meanwhile; nobody waits any more
