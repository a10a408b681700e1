"""A store, mounted by a process of its own, and the namespace over the same store as an S3 worker would have
it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from weka_mp.ipc.frames import OK, Frame, FrameReader, encode
from weka_mp.namespace import Namespace
from weka_mp.store.posix import PosixStore
from weka_mp.values import Change

_SCRIPT = Path(__file__).with_name("serve_mount.py")
_PROJECT = Path(__file__).parents[2]


class Mount:
    """One mounted store.

    `path` is the mount point, `store` the directory behind it, `namespace` the other door.
    """

    def __init__(self, folder: Path, attr_timeout: float, prefix: Sequence[str] = ()) -> None:
        """`prefix`: a program and its arguments that run the mount process."""
        self._prefix = prefix
        self.store = folder / "store"
        self.path = folder / "mnt"
        self.socket_path = str(folder / "mount-0.sock")
        self.store.mkdir(exist_ok=True)
        self.path.mkdir(exist_ok=True)
        self.namespace = Namespace.open(PosixStore(str(self.store)))
        self.log = folder / "log"
        self.process = self.start(attr_timeout)
        self._socket: socket.socket | None = None

    def start(self, attr_timeout: float) -> subprocess.Popen[str]:
        command = [
            *self._prefix,
            sys.executable,
            str(_SCRIPT),
            str(self.store),
            str(self.path),
            str(attr_timeout),
            self.socket_path,
        ]
        environment = {**os.environ, "PYTHONPATH": str(_PROJECT)}
        with self.log.open("a") as log:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd="/"
            )
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", f"{line}{self.log.read_text()}"
        return process

    def ask(self, verb: str, args: object = None) -> object:
        """One request on the mount's socket; the answer's result. Raises AssertionError for an error."""
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._socket.settimeout(20)
            self._socket.connect(self.socket_path)
        self._socket.sendall(encode(Frame(7, verb, args)))
        reader = FrameReader()
        while True:
            data = self._socket.recv(65536)
            assert data, "the mount closed the connection"
            for frame in reader.feed(data):
                assert frame.id == 7
                assert frame.verb == OK, frame.args
                return frame.args

    def invalidate(self, changes: tuple[Change, ...]) -> None:
        """What an S3 worker does before it answers."""
        self.ask("invalidate", [[change.parent, change.name, change.old] for change in changes])

    def stop(self) -> int:
        """SIGTERM and wait; the exit status."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            subprocess.run(["umount", "--lazy", str(self.path)], check=False)
            self.process.kill()
            self.process.wait(10)
            raise
        finally:
            assert self.process.stdout is not None
            self.process.stdout.close()

    def close(self) -> None:
        self.stop()
        self.namespace.close()
        # A bug in a handler is answered with EIO and logged: no test may pass over one.
        assert "Traceback" not in self.log.read_text(), self.log.read_text()


@pytest.fixture(scope="module")
def mount(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    """One mount for all tests of a module, with short time-outs."""
    mounted = Mount(tmp_path_factory.mktemp("fuse"), 1.0)
    yield mounted
    mounted.close()


@pytest.fixture
def here(mount: Mount, request: pytest.FixtureRequest) -> Path:
    """A fresh directory on the mount."""
    folder = mount.path / f"{request.node.name[:60].replace('/', '_')}"
    folder.mkdir(mode=0o777)
    return folder


@pytest.fixture
def behind(mount: Mount, here: Path) -> Path:
    """The same directory in the store."""
    return mount.store / here.name


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Mount]]:
    """Makes mounts with time-outs of the test's own choice, unmounted at its end."""
    made: list[Mount] = []

    def make(attr_timeout: float = 1.0, prefix: Sequence[str] = ()) -> Mount:
        folder = tmp_path / str(len(made))
        folder.mkdir(exist_ok=True)
        made.append(Mount(folder, attr_timeout, prefix))
        return made[-1]

    yield make
    for each in made:
        each.close()
