"""One service a store and machine: locks in the runtime directory.

Two locks, so that a new service can tell a living one (refused at once) from the last children of a killed
one. They unmount and end within seconds, which is waited for; one that cannot (it is stopped, or it hangs) is
killed, since nobody else is left to do it. Both are flock(2) locks, which vanish with the last process that
holds the open file; every child inherits the second one.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
from collections.abc import Callable, Iterator

import trio

from weka_mp.supervise.keeper import StartFailed

__all__ = ["Instance", "Presence"]

log = logging.getLogger(__name__)

_SERVICE_LOCK = "service.lock"
_STOPPED = frozenset(b"Tt")  # states (proc(5)) that no signal but SIGKILL ends
_WAIT_FOR_STOPPED = 1.0  # seconds
_WAIT_FOR_CHILDREN = 15.0
_WAIT_FOR_KILLED = 5.0


class Instance:
    """The locks of a running service. `children_fd` is for children to inherit."""

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        self._service_fd = _open(os.path.join(runtime, _SERVICE_LOCK))
        self.children_fd = _open(os.path.join(runtime, "children.lock"))

    @classmethod
    def try_all(cls, runtime: str) -> Instance | None:
        """Both locks of a service that is gone with its children; None while any process has one."""
        instance = cls(runtime)
        if _try_lock(instance._service_fd) and _try_lock(instance.children_fd):
            return instance
        instance._close()
        return None

    async def acquire(self, store: str, free: Callable[[], object] = lambda: None) -> None:
        """Raises StartFailed when a service runs already, or the former one's children do not even die.

        `free` lets threads of killed ones go that the kernel still holds.
        """
        if not _try_lock(self._service_fd):
            pid = _read_pid(self._service_fd)
            raise StartFailed(f"{store} is served already" + (f" (pid {pid})" if pid else ""))
        self._require_standing()
        os.ftruncate(self._service_fd, 0)
        os.pwrite(self._service_fd, b"%d\n" % os.getpid(), 0)
        if await self._children_ended(_WAIT_FOR_STOPPED):
            return
        self._kill(lambda state: state in _STOPPED)
        if await self._children_ended(_WAIT_FOR_CHILDREN):
            return
        self._kill(lambda state: True)
        await trio.to_thread.run_sync(free)
        if not await self._children_ended(_WAIT_FOR_KILLED):
            raise StartFailed(f"processes of a former service of {store} are still running")

    def _require_standing(self) -> None:
        """Others who look for the lock must find the file that we locked: stale_places removes what is left
        of stores that are gone, and could have done so after we opened it. Raises StartFailed."""
        try:
            found = os.stat(os.path.join(self.runtime, _SERVICE_LOCK))
            if os.path.samestat(found, os.fstat(self._service_fd)):
                return
        except FileNotFoundError:
            pass
        raise StartFailed(f"{self.runtime} was removed meanwhile: try again")

    async def _children_ended(self, seconds: float) -> bool:
        with trio.move_on_after(seconds):
            while not _try_lock(self.children_fd):
                await trio.sleep(0.05)
            return True
        return False

    def _kill(self, chosen: Callable[[int], bool]) -> None:
        """Kill those of the former children whose state is `chosen`."""
        for pid, state in _holders(os.readlink(f"/proc/self/fd/{self.children_fd}")):
            if chosen(state):
                log.warning("killing process %d (state %c) of the former service", pid, state)
                os.kill(pid, signal.SIGKILL)

    def exclude(self, store: str) -> None:
        """Keep services away while something is changed without one. Raises StartFailed when one runs."""
        if not _try_lock(self._service_fd):
            raise StartFailed(f"{store} is served, but its service does not answer")
        self._require_standing()

    def release(self) -> None:
        """Give the locks back; the files stay, since removing a locked file would let two services lock
        two.
        """
        os.ftruncate(self._service_fd, 0)
        self._close()

    def _close(self) -> None:
        os.close(self.children_fd)
        os.close(self._service_fd)


class Presence:
    """Says to services on other machines, or in other containers, that this one works on the store.

    A shared flock(2) on the control area's directory of locks, held as long as the service runs. It
    excludes nobody; it only tells whether what lies staged in the store may belong to somebody alive.
    """

    def __init__(self, store: str) -> None:
        self._fd = os.open(os.path.join(store, ".weka", "locks"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def enter(self) -> bool:
        """Whether nobody else is present;

        from now on we are. Where there is no such lock the answer is no.
        """
        try:
            alone = _try_lock(self._fd)
            fcntl.flock(self._fd, fcntl.LOCK_SH)
        except OSError:
            return False  # a file system without flock(2) on directories
        return alone

    def leave(self) -> None:
        """Give the lock back."""
        os.close(self._fd)


def _holders(path: str) -> Iterator[tuple[int, int]]:
    """Other processes that have this file open, and the letter of their state.

    Descriptors are read as links and not followed: some may lead into a mount that answers nobody.
    """
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            if any(os.readlink(f"/proc/{name}/fd/{fd}") == path for fd in os.listdir(f"/proc/{name}/fd")):
                with open(f"/proc/{name}/stat", "rb") as file:
                    yield int(name), file.read().rpartition(b")")[2].split()[0][0]
        except OSError:
            continue  # it ended, or is another user's


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_pid(fd: int) -> str:
    text = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
    return text if text.isdigit() else ""
