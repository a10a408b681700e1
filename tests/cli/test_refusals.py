"""Every way in which a command cannot start: the exit status, and one line that says why."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import weka_mp

ROOT = Path(__file__).parents[2]


def weka_mp_command(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("WEKA_MP_")}
    return subprocess.run(
        [sys.executable, "-m", "weka_mp", *arguments],
        env={**clean, **environ},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _refused(done: subprocess.CompletedProcess[str], status: int, reason: str) -> None:
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("weka-mp: ") and done.stderr.count("\n") == 1, done.stderr
    assert reason in done.stderr


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir()
    return path


def test_version() -> None:
    done = weka_mp_command("--version")
    assert (done.returncode, done.stdout) == (0, f"weka-mp {weka_mp.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"],
        ["serve", "a", "b"],
        ["serve", "a", "--store", "b"],
        ["--store", "b", "serve", "a"],
        ["serve", "a", "--tls-cert"],
        ["dance"],
        ["mount", "a"],
        ["mount", "a", "b", "--s3", "none"],
        ["doctor"],
        ["etag", "fill", "bucket"],
        ["etag", "fill", "--store", "x"],
        ["serve", "a", "--workers"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    done = weka_mp_command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr and done.stderr


@pytest.mark.parametrize(
    ("arguments", "environ", "reason"),
    [
        (["--workers", "0"], {}, "--workers"),
        (["--s3", "9000"], {}, "--s3"),
        (["--domain", "a b"], {}, "--domain"),
        (["--region", "a/b"], {}, "--region"),
        (["--attr-timeout", "-1"], {}, "--attr-timeout"),
        (["--durability", "maybe"], {}, "--durability"),
        ([], {"WEKA_MP_SIGV2": "maybe"}, "WEKA_MP_SIGV2"),
        (["--config", "/no/such.toml"], {}, "/no/such.toml: No such file"),
        (["--s3", "none"], {}, "nothing to serve"),
    ],
)
def test_wrong_configuration(arguments: list[str], environ: dict[str, str], reason: str, store: Path) -> None:
    _refused(weka_mp_command("serve", store, *arguments, **environ), 2, reason)
    assert os.listdir(store) == []


def test_unknown_keys_of_the_file(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("wokers = 2\n")
    _refused(weka_mp_command("serve", store, "--config", path), 2, "unknown key 'wokers'")
    _refused(weka_mp_command("config", "check", "--config", path), 2, "unknown key 'wokers'")
    path.write_text("workers = 3\n")
    done = weka_mp_command("config", "check", WEKA_MP_CONFIG=str(path), WEKA_MP_REGION="eu-1")
    assert done.returncode == 0
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert rows["workers"] == ["3", str(path)] and rows["region"] == ["eu-1", "WEKA_MP_REGION"]
    assert rows["s3"] == ["127.0.0.1:9000", "default"]


def test_stores_that_cannot_be_served(tmp_path: Path, store: Path) -> None:
    _refused(weka_mp_command("serve", tmp_path / "none"), 1, "No such file or directory")
    (tmp_path / "file").touch()
    _refused(weka_mp_command("serve", tmp_path / "file"), 1, "not a directory")
    (store / ".weka").mkdir()
    (store / ".weka" / "format").write_text(json.dumps({"format": 99, "store_id": "0" * 32}))
    _refused(weka_mp_command("serve", store, "--s3", "127.0.0.1:0"), 1, "format 99")
    done = weka_mp_command("doctor", store, "-J")
    assert done.returncode == 1 and not json.loads(done.stdout)["usable"]


def test_a_store_without_extended_attributes(tmp_path: Path) -> None:
    # In a mount namespace of its own: nothing is left behind, whatever happens.
    script = f"mount -t ramfs ramfs {tmp_path} && exec {sys.executable} -m weka_mp"
    for verb in ("serve", "doctor"):
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", f"{script} {verb} {tmp_path}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        if verb == "serve":
            _refused(done, 1, "no user extended attributes")
        else:
            assert re.search(r"unusable +xattrs", done.stdout) and done.stdout.endswith("not usable\n")


def test_mount_points_that_cannot_be_used(tmp_path: Path, store: Path) -> None:
    inside, file = store / "inside", tmp_path / "file"
    inside.mkdir()
    file.touch()
    cases = [
        (tmp_path / "none", "No such file or directory"),
        (file, "not a directory"),
        (inside, "inside the store"),
        (store, "inside the store"),
        (tmp_path, "store lies inside"),
        (Path("/proc"), "busy"),
    ]
    for path, reason in cases:
        _refused(weka_mp_command("mount", store, path), 1, reason)
        _refused(weka_mp_command("serve", store, "--s3", "127.0.0.1:0", "--mount", path), 1, reason)
    assert os.listdir(store) == ["inside"]


def test_taken_ports_and_addresses_of_others(store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _refused(weka_mp_command("serve", store, "--s3", f"127.0.0.1:{port}"), 1, "taken")
        named = weka_mp_command("serve", store, "--s3", "127.0.0.1:0", "--admin", f"127.0.0.1:{port}")
        _refused(named, 1, "taken")
    _refused(weka_mp_command("serve", store, "--s3", "192.0.2.1:9000"), 1, "not of this machine")


def test_credentials_that_are_no_use(store: Path) -> None:
    half = weka_mp_command("serve", store, "--s3", "127.0.0.1:0", WEKA_MP_ROOT_ACCESS_KEY="root")
    _refused(half, 1, "WEKA_MP_ROOT_SECRET_KEY is not set")


def test_a_log_that_cannot_be_written(store: Path) -> None:
    _refused(weka_mp_command("serve", store, "--log-file", store / "a" / "b"), 1, "No such file")


def test_doctor_names_each_primitive_and_changes_nothing(store: Path) -> None:
    done = weka_mp_command("doctor", WEKA_MP_STORE=str(store))
    assert done.returncode == 0 and done.stdout.endswith("usable\n")
    for word in ("leases", "reflink", "kernel", "native", "service", "not yet a store"):
        assert word in done.stdout
    assert os.listdir(store) == []
    before_the_verb = weka_mp_command("--store", str(store), "doctor", "-J")
    assert json.loads(before_the_verb.stdout)["usable"] is True
    _refused(weka_mp_command("doctor", store / "none"), 1, "No such file or directory")


def test_fill_without_a_service(store: Path) -> None:
    (store / "bucket").mkdir()
    (store / "bucket" / "a").write_bytes(b"content")
    _refused(weka_mp_command("etag", "fill", "bucket", "--store", store), 3, "no service")
    done = weka_mp_command("--store", str(store), "etag", "fill", "--wait", "bucket")
    assert (done.returncode, done.stdout) == (0, "filled 1, already 0, busy 0, failed 0\n")
    again = weka_mp_command("etag", "fill", "--wait", "-J", "bucket/a", WEKA_MP_STORE=str(store))
    assert json.loads(again.stdout) == {"filled": 0, "already": 1, "busy": 0, "failed": 0}
    _refused(weka_mp_command("etag", "fill", "--wait", "none", "--store", store), 1, "none")
