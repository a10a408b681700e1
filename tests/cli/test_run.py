"""First steps: `python -m weka_mp.cli.run`."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from weka_mp.cli.run import instructions, next_free
from weka_mp.config import Address
from weka_mp.supervise.credentials import RootCredentials
from weka_mp.supervise.mounts import entry_at
from weka_mp.supervise.service import Views
from weka_mp.supervise.supervisor import Started

ROOT = Path(__file__).parents[2]


def test_the_next_free_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free = next_free(Address("127.0.0.1", port))
        assert free.host == "127.0.0.1" and port < free.port < port + 100
    assert next_free(Address("192.0.2.1", 9000)) == Address("192.0.2.1", 9000)


def test_instructions_name_everything_and_no_secret() -> None:
    views = Views("/s", Address("0.0.0.0", 9001), ("/m t",), ("/m t",), None)
    told = "\n".join(instructions(Started(views, RootCredentials("AK", "SECRET", "/k/root")), "eu-1"))
    for part in (
        "/s",
        "/m t",
        "http://127.0.0.1:9001",
        "/k/root",
        "AWS_DEFAULT_REGION=eu-1",
        "'/m t'",
        "rclone",
    ):
        assert part in told
    assert "SECRET" not in told.replace("AWS_SECRET_ACCESS_KEY", "")
    by_environment = "\n".join(instructions(Started(views, RootCredentials("AK", "SECRET", None)), "eu-1"))
    assert (
        'AWS_ACCESS_KEY_ID="$WEKA_MP_ROOT_ACCESS_KEY"' in by_environment and "SECRET\n" not in by_environment
    )


def _told(process: subprocess.Popen[str], log: Path) -> list[str]:
    """What it prints until it serves."""
    assert process.stdout is not None
    told: list[str] = []
    while not (told and told[-1].startswith("Ctrl-C")):
        line = process.stdout.readline()
        assert line, log.read_text()
        told.append(line.rstrip())
    return told


def _paste(lines: list[str]) -> str:
    """The output of these lines in a shell."""
    path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    script = "set -e; " + "; ".join(lines)
    done = subprocess.run(
        ["sh", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.mount
@pytest.mark.clients
@pytest.mark.timeout(180)
def test_what_it_prints_works_and_a_second_start_finds_everything(tmp_path: Path) -> None:
    store, mount_point, log = tmp_path / "store", tmp_path / "mnt", tmp_path / "log"
    store.mkdir()
    keys = []
    for start in range(2):
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "weka_mp.cli.run", store, mount_point, "--admin", "none"],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        with process:
            told = _told(process, log)
            exports = [line.strip() for line in told if line.startswith("  export AWS_")]
            clients = [line.strip() for line in told if line.startswith("  aws ")]
            assert (len(exports), len(clients)) == (1, 3)
            keys.append(next(line.split()[1] for line in told if line.startswith("Credentials")))
            assert "hostname" in _paste(exports + (clients if start == 0 else clients[2:]))
            assert _paste([f"ls {shlex.quote(str(mount_point))}/demo"]) == "hostname\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        assert entry_at(str(mount_point)) is None
    assert keys[0] == keys[1]
    shutil.rmtree(os.path.dirname(keys[0]))  # outside the store, so no temporary folder takes it along


def test_regression_a_mount_point_inside_the_store_is_refused_before_it_is_made(tmp_path: Path) -> None:
    """It was made first, and stayed in the user's directory as an empty bucket."""
    store = tmp_path / "store"
    store.mkdir()
    command = [sys.executable, "-m", "weka_mp.cli.run", str(store), str(store / "mnt")]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert refused.stderr.strip().endswith("the mount point lies inside the store")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert list(store.iterdir()) == []


def test_regression_an_output_that_takes_no_more_brings_no_traceback() -> None:
    with open("/dev/full", "w") as full:
        failed = subprocess.run(
            [sys.executable, "-m", "weka_mp", "config", "check"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "cannot be written" in failed.stderr
