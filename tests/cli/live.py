"""A running `weka-mp` for tests: started, waited for, asked, and stopped."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weka_mp.cli.services import find_service
from weka_mp.control.client import AdminClient

ROOT = Path(__file__).parents[2]
KEYS = {"WEKA_MP_ROOT_ACCESS_KEY": "testroot", "WEKA_MP_ROOT_SECRET_KEY": "testsecret"}


class Live:
    """A service under test. `words` are those of its ready line; several may have the same name."""

    def __init__(self, process: subprocess.Popen[str], log: Path, store: Path) -> None:
        self.process = process
        self.log = log
        self.store = store
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready "), f"{line!r}\n{log.read_text()}"
        self.words = [tuple(word.split("=", 1)) for word in line.split()[1:]]
        self.endpoint = dict(self.words).get("s3", "")

    @property
    def admin(self) -> AdminClient:
        client = find_service(str(self.store))
        assert client is not None
        return client

    def status(self) -> dict[str, object]:
        return self.admin.request("GET", "/api/v2/status")

    def pid_of(self, name: str) -> int | None:
        children = self.status()["children"]
        assert isinstance(children, list)
        return next((child["pid"] for child in children if child["name"] == name and child["ready"]), None)

    def wait_for_other(self, name: str, former: int, *, seconds: float = 20.0) -> int:
        """The pid of the successor of a child, once it is ready."""
        return until(lambda: (pid := self.pid_of(name)) != former and pid, seconds)

    def get_admin(self, path: str) -> tuple[int, str]:
        """From the TCP listener."""
        host = str(self.status()["admin"]).removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.request("GET", path)
        response = connection.getresponse()
        content = response.read().decode()
        connection.close()
        return response.status, content

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def until(condition, seconds: float = 20.0):  # type: ignore[no-untyped-def]
    """The first true value of `condition()`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def runs(pid: int) -> bool:
    """Whether the process is there and no zombie (whose new parent may be in no hurry to reap it)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@contextmanager
def serving(
    store: Path, *arguments: str | Path, verb: str = "serve", default_admin: bool = False, **environ: str
) -> Iterator[Live]:
    """``weka-mp verb store arguments…`` on free ports, with JSON logs; ended at the end in any case."""
    log = store.parent / "service.log"
    options = ["--log-format", "json", "--log-file", str(log)]
    if not default_admin:
        options += ["--admin", "127.0.0.1:0"]
    if verb == "serve" and "--s3" not in arguments:
        options += ["--s3", "127.0.0.1:0"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WEKA_MP_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "weka_mp", verb, store, *arguments, *options],
        env={**clean, **KEYS, **environ},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Live(process, log, store)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)
        assert process.stdout is not None
        process.stdout.close()
