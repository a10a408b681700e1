"""What the machine itself costs: a raw loopback server, nginx, the backing file system.

No S3 server can be faster than a loop that answers constant bytes, no mount faster than the directory below.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from weka_mp.bench.http_lane import Lane
from weka_mp.bench.processes import with_descendants
from weka_mp.bench.targets import Operation, TargetFailed, body_of
from weka_mp.bench.work import Parameters, Verb

__all__ = ["Nginx", "RawLoopback", "nginx_program"]

_RAW_SERVER: Final = """
import selectors, socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
body = bytes(int(sys.argv[2]))
reply = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body
waiting = selectors.DefaultSelector()
waiting.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in waiting.select():
        if key.fileobj is listener:
            connection = listener.accept()[0]
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting.register(connection, selectors.EVENT_READ)
        elif key.fileobj.recv(65536):
            key.fileobj.sendall(reply)
        else:
            waiting.unregister(key.fileobj)
            key.fileobj.close()
"""
"""Answers whatever arrives with constant bytes; a process of its own, so that its CPU time is known."""

_STOP_SECONDS: Final = 10


def nginx_program() -> str | None:
    """The path of nginx, if it is installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class _Server:
    """A process of ours that answers GETs over HTTP; subclasses start it."""

    kind = "floor"
    name = "floor"

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._lanes: list[Lane] = []

    def verbs(self) -> frozenset[Verb]:
        return frozenset({Verb.GET})

    def pids(self) -> frozenset[int]:
        return with_descendants([self._process.pid]) if self._process else frozenset()

    def clean(self) -> None:
        for lane in self._lanes:
            lane.close()
        self._lanes.clear()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(_STOP_SECONDS)
            self._process = None

    def operations(self, verb: Verb, parameters: Parameters, lane: int) -> Iterable[Operation]:
        connection = Lane("127.0.0.1", self._port)
        self._lanes.append(connection)
        return [self._get(connection, number, parameters.size) for number in parameters.share(lane)]

    def _get(self, connection: Lane, number: int, size: int) -> Operation:
        request = f"GET /{number:08d} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode()

        def operation() -> int:
            status, body = connection.exchange(request)
            if status != 200 or len(body) != size:
                raise TargetFailed(f"{self.name}: {status} and {len(body)} bytes")
            return len(body)

        return operation


class RawLoopback(_Server):
    """One process, one selector, one constant reply of `size` bytes."""

    name = "raw loopback"

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def prepare(self) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            self._port = listener.getsockname()[1]
            fd = listener.fileno()
            command = [sys.executable, "-S", "-E", "-c", _RAW_SERVER, str(fd), str(self._size)]
            self._process = subprocess.Popen(command, pass_fds=[fd])


class Nginx(_Server):
    """nginx with two workers serving files of the objects' size from a directory of its own."""

    name = "nginx"

    def __init__(self, program: str, top: Path, count: int, size: int) -> None:
        super().__init__()
        self._program, self._top, self._count, self._size = program, top, count, size

    def prepare(self) -> None:
        root = self._top / "html"
        root.mkdir(parents=True)
        for number in range(self._count):
            (root / f"{number:08d}").write_bytes(body_of(self._size, number))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        configuration = self._top / "nginx.conf"
        configuration.write_text(self._configuration(root))
        log = str(self._top / "error.log")
        command = [self._program, "-p", str(self._top), "-e", log, "-c", str(configuration)]
        self._process = subprocess.Popen(command)
        self._wait_until_it_answers()

    def _configuration(self, root: Path) -> str:
        # Its workers stay whoever we are: nobody else may be let into the directories above.
        user = "user root;\n" if os.geteuid() == 0 else ""
        return (
            f"{user}daemon off; worker_processes 2; pid {self._top}/nginx.pid;\n"
            f"events {{ worker_connections 1024; }}\n"
            f"http {{ access_log off; sendfile on; keepalive_requests 100000000;\n"
            f" client_body_temp_path {self._top}/body; proxy_temp_path {self._top}/proxy;\n"
            f" fastcgi_temp_path {self._top}/fastcgi; uwsgi_temp_path {self._top}/uwsgi;\n"
            f" scgi_temp_path {self._top}/scgi;\n"
            f" server {{ listen 127.0.0.1:{self._port}; root {root}; }} }}\n"
        )

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return
            except OSError as error:
                if self._process.poll() is not None:
                    raise TargetFailed(f"nginx did not start: exit {self._process.returncode}") from error
