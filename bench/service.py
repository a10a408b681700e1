"""A service to measure: started on a fresh store, its processes' CPU time read from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ACCESS_KEY", "SECRET_KEY", "Service", "running"]

ACCESS_KEY, SECRET_KEY = "benchbenchbench", "bench-secret-bench-secret"
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Service:
    """A running `weka-mp serve`: its endpoint ``http://HOST:PORT``, directories and the supervisor's pid."""

    endpoint: str
    store: Path
    mount: Path
    pid: int

    def cpu_seconds(self) -> float:
        """User and system time of the supervisor and all its children so far."""
        return sum(_cpu_of(pid) for pid in _family(self.pid))


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        children = Path(f"/proc/{parent}/task/{parent}/children")
        if children.exists():
            found += [int(child) for child in children.read_text().split()]
    return found


@contextmanager
def running(*options: str) -> Iterator[Service]:
    """Serve a store in a temporary directory, mounted, with two workers unless `options` say otherwise."""
    with tempfile.TemporaryDirectory(prefix="weka-mp-bench-") as top:
        store, mount = Path(top, "store"), Path(top, "mount")
        store.mkdir()
        mount.mkdir()
        environment = os.environ | {
            "WEKA_MP_ROOT_ACCESS_KEY": ACCESS_KEY,
            "WEKA_MP_ROOT_SECRET_KEY": SECRET_KEY,
        }
        command = [sys.executable, "-m", "weka_mp", "serve", str(store), "--mount", str(mount)]
        command += ["--s3", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "2", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
        try:
            assert process.stdout is not None
            words = dict(word.split("=", 1) for word in process.stdout.readline().split() if "=" in word)
            if "s3" not in words:
                raise RuntimeError("the service did not start")
            yield Service(words["s3"], store, mount, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
