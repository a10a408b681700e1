"""The entry of every child process: ``python -m weka_mp.supervise.child KIND`` with a plan on standard input.

A kind is a module with an async function ``main(plan, link)`` that returns when `link.stop` is set, or,
where the main thread belongs to something else, with ``main_blocking(plan, link)``. The plan has, besides
the kind's own keys: `name`, `log_level`, `control_fd` (a socket to the supervisor), `parent` (its pid).
"""

from __future__ import annotations

import ctypes
import importlib
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

from weka_mp import kernels
from weka_mp.errors import NamespaceError
from weka_mp.ipc.peers import Handler, Peer, PeerGone
from weka_mp.observe.logs import LOG_LEVEL, configure_child, set_level
from weka_mp.observe.metrics import snapshot
from weka_mp.supervise import record_metrics
from weka_mp.supervise.thread_link import LinkThread

__all__ = ["KINDS", "ChildLink", "Main", "main"]

log = logging.getLogger(__name__)

KINDS: Final = {
    "worker": "weka_mp.supervise.worker_child",
    "mount": "weka_mp.supervise.mount_child",
    "background": "weka_mp.supervise.background",
}

_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_FILES: Final = 65536


class ChildLink:
    """What a kind's main function has of its supervisor."""

    def __init__(self, peer: Peer) -> None:
        self.stop = trio.Event()
        self._peer = peer

    def answer(self, verb: str, handler: Handler) -> None:
        """Answer one more verb of the supervisor."""
        self._peer.answer(verb, handler)

    async def ready(self) -> None:
        """Say that this process does its work from now on."""
        await self.tell("ready")

    async def tell(self, verb: str, args: object = None) -> None:
        """Tell the supervisor; when it is gone, this process ends anyway."""
        try:
            await self._peer.notify(verb, args)
        except PeerGone:
            self.stop.set()

    async def ask(self, verb: str, args: object = None, *, timeout: float = 5.0) -> object:
        """Ask the supervisor; raises as `Peer.call` does."""
        return await self._peer.call(verb, args, timeout=timeout)


Main = Callable[[dict[str, Any], ChildLink], Awaitable[None]]


def main() -> int:
    """Read the plan, tie this process to its supervisor, run; the exit status."""
    kind = sys.argv[1]
    plan = json.loads(sys.stdin.buffer.read())
    _replace_stdin()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(plan["parent"])
    for fd in (plan["control_fd"], *plan.get("inherited_fds", ())):
        os.set_inheritable(fd, False)
    configure_child(plan["name"], plan["log_level"], plan["log_format"])
    os.umask(0o022)  # modes are the namespace's to choose, not those of the shell that started the service
    _raise_file_limit()
    if plan.get("no_native", False):
        kernels.use_native(False)
    record_metrics.register()
    module = importlib.import_module(KINDS[kind])
    if hasattr(module, "main_blocking"):
        link = LinkThread(plan["control_fd"], {"metrics": _metrics, LOG_LEVEL: _log_level})
        link.start()
        try:
            status: int = module.main_blocking(plan, link)
        finally:
            link.flush()
        return status
    return trio.run(_serve, module.main, plan)


async def _serve(run: Main, plan: dict[str, Any]) -> int:
    sock = trio.socket.fromfd(plan["control_fd"], trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    os.close(plan["control_fd"])
    peer = Peer(trio.SocketStream(sock), {"metrics": _metrics, "alive": _alive, LOG_LEVEL: _log_level})
    link = ChildLink(peer)
    status = 0
    async with trio.open_nursery() as nursery:
        await nursery.start(_stop_by_signal, link.stop)
        nursery.start_soon(_stop_with_peer, peer, link.stop)
        try:
            await run(plan, link)
        except (NamespaceError, OSError, ExceptionGroup) as error:
            cause = _only(error)
            if not isinstance(cause, (NamespaceError, OSError)):
                raise
            log.debug("cannot go on", exc_info=error)
            await link.tell("failed", _reason(cause))
            status = 1
        nursery.cancel_scope.cancel()
    return status


def _only(error: Exception) -> Exception:
    """The one exception inside groups of one."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


async def _metrics(args: object) -> object:
    return snapshot()


async def _log_level(args: object) -> object:
    set_level(str(args))
    return None


async def _alive(args: object) -> object:
    return True


async def _stop_by_signal(
    stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            stop.set()


async def _stop_with_peer(peer: Peer, stop: trio.Event) -> None:
    await peer.run()
    stop.set()  # the supervisor is gone: finish, unmount, end


def _die_with(parent: int) -> None:
    """Get SIGTERM when the supervisor dies, however it dies."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)


def _raise_file_limit() -> None:
    """A connection and an open object are a descriptor each;

    the usual soft limit is made for programs with select(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _replace_stdin() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


if __name__ == "__main__":
    # Run under its importable name: the kinds import this module too, and there must be one copy of it.
    sys.exit(importlib.import_module("weka_mp.supervise.child").main())
