"""One child process: started with a fresh interpreter, watched by pidfd, spoken to over a socket pair.

The child gets its plan (JSON) on standard input, so that secrets stand neither in its arguments nor in its
environment; what it writes to standard output or error arrives here line by line; descriptors are inherited
under the numbers they have here. Nothing forks without exec: threads and locks of the supervisor never
reach a child.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import trio

import weka_mp
from weka_mp.ipc.peers import Handler, Peer
from weka_mp.supervise.credentials import forget_secrets

__all__ = ["Child", "start_child"]

_MAX_LINE = 256 * 1024  # bytes of one line of output; longer ones are cut into several


@dataclass(frozen=True, slots=True)
class Child:
    """A running child. `peer` must be run by the owner; `output` is its standard output and error."""

    popen: subprocess.Popen[bytes]
    pidfd: int
    peer: Peer
    output: trio.abc.ReceiveStream

    @property
    def pid(self) -> int:
        return self.popen.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; to a child that has ended it is without effect (the pid is not reused before
        reaping).
        """
        self.popen.send_signal(number)

    async def wait(self) -> int:
        """The return code (negative: the signal's number) once it has ended; one task at a time may wait."""
        await trio.lowlevel.wait_readable(self.pidfd)
        return self.popen.wait()

    def is_dying(self) -> bool:
        """Whether its main thread has ended and another has not; looked at before it was waited for.

        False where it cannot be told now: descriptors may have run out.
        """
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                state = file.read().rpartition(b")")[2].split()[0]
            return state == b"Z" and len(os.listdir(f"/proc/{self.pid}/task")) > 1
        except OSError:
            return False

    async def read_lines(self, take: Callable[[bytes], None]) -> None:
        """Hand each line of output to `take` until the child and all that it started closed it."""
        pending = b""
        async for chunk in self.output:
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                if line:
                    take(line)
            while len(pending) > _MAX_LINE:
                take(pending[:_MAX_LINE])
                pending = pending[_MAX_LINE:]
        if pending:
            take(pending)

    async def close(self) -> None:
        """Release the descriptors; the child has ended."""
        await trio.aclose_forcefully(self.output)
        await self.peer.aclose()
        os.close(self.pidfd)


def start_child(
    module: str,
    kind: str,
    plan: Mapping[str, object],
    *,
    handlers: Mapping[str, Handler],
    pass_fds: Sequence[int] = (),
) -> Child:
    """Start ``python -m module kind``. Blocks for a few milliseconds, on purpose in the main thread: the
    death signal that the child asks for (prctl(2), PR_SET_PDEATHSIG) is sent when the *thread* ends that
    started it.

    Raises OSError when the process cannot be made.
    """
    with contextlib.ExitStack() as undone:
        ours, theirs = socket.socketpair()
        undone.callback(ours.close)
        with theirs:
            output_read, output_write = os.pipe()
            undone.callback(os.close, output_read)
            full_plan = {**plan, "control_fd": theirs.fileno(), "parent": os.getpid()}
            try:
                popen = _popen([module, kind], output_write, (theirs.fileno(), *pass_fds))
            finally:
                os.close(output_write)
        undone.callback(popen.wait)
        undone.callback(popen.kill)
        _hand_over(popen, json.dumps(full_plan).encode("ascii"))
        child = Child(
            popen,
            os.pidfd_open(popen.pid),
            Peer(trio.SocketStream(trio.socket.from_stdlib_socket(ours)), handlers),
            trio.lowlevel.FdStream(output_read),
        )
        undone.pop_all()
    return child


def _popen(command: Sequence[str], output: int, pass_fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", *command],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=_environment(),
        cwd="/",
        pass_fds=pass_fds,
        process_group=0,  # a terminal's Ctrl-C is the supervisor's to answer
    )


def _hand_over(popen: subprocess.Popen[bytes], plan: bytes) -> None:
    assert popen.stdin is not None
    if len(plan) > 60_000:  # a pipe holds 64 KiB: writing more would wait for the child
        popen.kill()
        raise ValueError("the plan is too large")
    try:
        popen.stdin.write(plan)
        popen.stdin.close()
    except BrokenPipeError:
        return  # it died already: whoever waits for it will see that


def _environment() -> dict[str, str]:
    """Ours without the secrets, and with this very package on the path wherever the child starts."""
    environ = dict(os.environ)
    forget_secrets(environ)
    package_home = os.path.dirname(os.path.dirname(os.path.abspath(weka_mp.__file__)))
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, [package_home, environ.get("PYTHONPATH")]))
    return environ
