"""Keeps a server that is not ours running over the mount: NFS-Ganesha, Samba.

Each runs in a mount namespace of its own, where the mount is bound to a place below sysfs (`VIEW`):

- It never sees the directory *below* the mount point. When the mount dies it gets errors, not an empty
  directory that it would hand out and write to.
- NFS-Ganesha takes over every file system that a lookup crosses into, and does one of ``..`` at the root of
  an export. In the mount's usual place that would be the machine's root file system, and a client could read
  it with made-up handles. It takes over no sysfs.
- Mounts that somebody makes below the mount are not handed out.

It has a process group of its own, which ends with it, and gets SIGTERM when the supervisor dies, however it
dies (prctl(2), PR_SET_PDEATHSIG, which setpriv(1) sets).
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import trio

from weka_mp.observe.metrics import CHILD_RESTARTS, CHILD_UP
from weka_mp.supervise.backoff import Backoff

__all__ = ["VIEW", "Daemon", "DaemonSpec"]

log = logging.getLogger(__name__)

VIEW: Final = "/sys/fs/fuse/connections"
"""Where the daemons see the mount. The directory is there wherever FUSE is (fuse(4))."""

_FUSE_MAGIC: Final = "65735546"  # statfs(2), FUSE_SUPER_MAGIC, as stat(1) prints it
_FENCE: Final = f"""
[ "$PPID" = "$1" ] || exit 1
mount --bind -- "$2" {VIEW} || exit 1
[ "$(stat -f -c %t {VIEW})" = {_FUSE_MAGIC} ] || {{ echo "nothing is mounted at $2"; exit 1; }}
shift 2
exec "$@"
"""
_PROBE_SECONDS: Final = 0.05
_OUTPUT_GRACE: Final = 1.0


@dataclass(frozen=True, slots=True)
class DaemonSpec:
    """`argv` is the server's own command line. `answers` is asked until it says yes; `take_line` gets every
    line of output. `grace` is how many seconds it may take to stop before it is killed.
    """

    name: str
    argv: Sequence[str]
    mount: str
    answers: Callable[[], Awaitable[bool]]
    take_line: Callable[[str], None]
    pass_fds: Sequence[int] = ()
    grace: float = 5.0


class Daemon:
    """One server and its successors."""

    def __init__(self, spec: DaemonSpec, pid_directory: str) -> None:
        self.spec = spec
        self.restarts = 0
        self.pid: int | None = None
        self._is_ready = False
        self._ready = trio.Event()
        self._stopping = trio.Event()
        self._ended = trio.Event()
        self._backoff = Backoff()
        self._pid_path = os.path.join(pid_directory, spec.name + ".pid")

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def ready(self) -> bool:
        return self._is_ready

    async def run(self) -> None:
        """Run it until `stop`."""
        try:
            while not self._stopping.is_set():
                begun = trio.current_time()
                ending = await self._run_once()
                if self._stopping.is_set():
                    break
                self.restarts += 1
                CHILD_RESTARTS.labels(self.name).inc()
                delay = self._backoff.next_delay(trio.current_time() - begun)
                log.error("%s ended (%s), starting it again in %.1f s", self.name, ending, delay)
                with trio.move_on_after(delay):
                    await self._stopping.wait()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Ask it to end and see that it does; returns when nothing of it is left."""
        self._stopping.set()
        await self._ended.wait()

    async def wait_ready(self, seconds: float) -> bool:
        """Whether it answers, or does within the time."""
        with trio.move_on_after(seconds):
            await self._ready.wait()
        return self._is_ready

    def signal(self, number: signal.Signals) -> None:
        """Signal the server itself; one that is being started again gets none."""
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def _run_once(self) -> str:
        output, theirs = os.pipe()
        try:
            popen = subprocess.Popen(
                _fenced(self.spec),
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                cwd="/",
                pass_fds=self.spec.pass_fds,
                process_group=0,
            )
        except OSError as error:
            os.close(output)
            return str(error.strerror)
        finally:
            os.close(theirs)
        self.pid = popen.pid
        self._note_pid(popen.pid)
        async with trio.lowlevel.FdStream(output) as lines:
            try:
                return await self._watch(popen, lines)
            finally:
                self._forget()

    async def _watch(self, popen: subprocess.Popen[bytes], lines: trio.abc.ReceiveStream) -> str:
        pidfd = os.pidfd_open(popen.pid)
        try:
            async with trio.open_nursery() as nursery:
                read = trio.Event()
                nursery.start_soon(self._read, lines, read)
                nursery.start_soon(self._probe)
                nursery.start_soon(self._stop_when_asked, popen)
                await trio.lowlevel.wait_readable(pidfd)
                _signal_group(popen.pid, signal.SIGKILL)  # what it forked must not outlive it
                with trio.move_on_after(_OUTPUT_GRACE):
                    await read.wait()
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                if popen.poll() is None:
                    await self._end(popen, pidfd)
            os.close(pidfd)
        return f"status {popen.wait()}"

    async def _stop_when_asked(self, popen: subprocess.Popen[bytes]) -> None:
        await self._stopping.wait()
        _signal_group(popen.pid, signal.SIGTERM)
        await trio.sleep(self.spec.grace)
        log.warning("%s did not stop within %g s and is killed", self.name, self.spec.grace)
        _signal_group(popen.pid, signal.SIGKILL)

    async def _end(self, popen: subprocess.Popen[bytes], pidfd: int) -> None:
        """The service falls over: nothing of the daemon may be left."""
        _signal_group(popen.pid, signal.SIGTERM)
        with trio.move_on_after(self.spec.grace):
            await trio.lowlevel.wait_readable(pidfd)
        _signal_group(popen.pid, signal.SIGKILL)
        await trio.lowlevel.wait_readable(pidfd)

    async def _probe(self) -> None:
        while not await self.spec.answers():
            await trio.sleep(_PROBE_SECONDS)
        self._is_ready = True
        CHILD_UP.labels(self.name).set(1)
        self._ready.set()
        log.info("%s is ready", self.name)

    async def _read(self, stream: trio.abc.ReceiveStream, ended: trio.Event) -> None:
        pending = b""
        async for chunk in stream:
            *lines, pending = (pending + chunk)[-256 * 1024 :].split(b"\n")
            for line in lines:
                self.spec.take_line(line.decode("utf-8", "backslashreplace"))
        ended.set()

    def _note_pid(self, pid: int) -> None:
        with open(self._pid_path, "w", encoding="ascii") as file:
            file.write(f"{pid}\n")

    def _forget(self) -> None:
        self.pid = None
        self._is_ready = False
        if self._ready.is_set():
            self._ready = trio.Event()
        CHILD_UP.labels(self.name).set(0)
        if os.path.exists(self._pid_path):
            os.unlink(self._pid_path)


def _fenced(spec: DaemonSpec) -> list[str]:
    """The command in its own mount namespace. All these programs replace each other: the pid stays."""
    alone = ["unshare", "--mount", "--propagation", "private", "--"]
    tied = ["setpriv", "--pdeathsig", "TERM", "--"]
    return [*alone, *tied, "sh", "-c", _FENCE, "sh", str(os.getpid()), spec.mount, *spec.argv]


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
