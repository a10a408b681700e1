"""The command line as a script meets it: exit statuses, one-line reasons, one ready line."""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.system.service import ACCESS_KEY, PROGRAM, Bucket, is_mounted, running, weka_mp
from tests.system.waiting import wait_until

pytestmark = pytest.mark.mount

NO_PORTS = ("--s3", "127.0.0.1:0", "--admin", "none")


def refused(*arguments: str | Path, status: int, **extra: str) -> str:
    """Run a command that must end with this status and one line; answer the line."""
    answer = weka_mp(*arguments, **extra)
    assert answer.returncode == status, (answer.stdout, answer.stderr)
    assert answer.stdout == ""
    assert "Traceback" not in answer.stderr
    lines = answer.stderr.strip().splitlines()
    if status == 1:
        assert len(lines) == 1, lines
    return lines[-1]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def folder_without_xattrs(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system without extended attributes")
    folder = tmp_path / "ramfs"
    folder.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "ramfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_version() -> None:
    answer = weka_mp("--version")
    assert answer.returncode == 0
    assert answer.stdout.startswith("weka-mp ")
    assert answer.stdout.split()[1][0].isdigit()


def test_a_missing_store(tmp_path: Path) -> None:
    assert "No such file" in refused("serve", tmp_path / "nowhere", *NO_PORTS, status=1)
    assert not (tmp_path / "nowhere").exists()


def test_a_store_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert "not a directory" in refused("serve", tmp_path / "file", *NO_PORTS, status=1)


def test_a_store_without_extended_attributes(folder_without_xattrs: Path) -> None:
    reason = refused("serve", folder_without_xattrs, *NO_PORTS, status=1)
    assert "attribute" in reason or "xattr" in reason
    assert weka_mp("doctor", folder_without_xattrs).returncode == 1


def test_a_newer_store_format(store: Path) -> None:
    with running(store.parent, mount=False):
        pass
    file = store / ".weka" / "format"
    before = json.loads(file.read_text())
    file.write_text(json.dumps({**before, "format": before["format"] + 1}) + "\n")
    reason = refused("serve", store, *NO_PORTS, status=1)
    assert "format" in reason and str(before["format"] + 1) in reason
    assert json.loads(file.read_text())["format"] == before["format"] + 1


def test_a_taken_port(store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        reason = refused("serve", store, "--s3", f"127.0.0.1:{port}", "--admin", "none", status=1)
    assert str(port) in reason


def test_a_mount_point_that_is_busy_missing_or_in_the_store(store: Path, tmp_path: Path) -> None:
    with running(tmp_path) as service:
        other = tmp_path / "other store"
        other.mkdir()
        assert "busy" in refused("serve", other, "--mount", tmp_path / "mnt", *NO_PORTS, status=1)
        assert service.mount is not None and is_mounted(service.mount)
    assert "No such file" in refused("serve", store, "--mount", tmp_path / "no", *NO_PORTS, status=1)
    (store / "inside").mkdir()
    assert "inside" in refused("serve", store, "--mount", store / "inside", *NO_PORTS, status=1)


def test_a_store_that_is_served_already(tmp_path: Path) -> None:
    with running(tmp_path, mount=False) as service:
        refused("serve", service.store, *NO_PORTS, status=1)
        assert service.s3.list_buckets()["Buckets"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"], ["serve", ".", "--s3", "nonsense"], ["serve", ".", "--workers", "0"],
        ["serve", ".", "--durability", "maybe"], ["serve", ".", "--no-such-flag"], ["no-such-command"],
        ["serve", ".", "--attr-timeout", "-1"], ["etag", "fill"], ["mount", "."],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    refused(*arguments, status=2)


def test_half_of_the_root_credentials(store: Path) -> None:
    answer = subprocess.run(
        [PROGRAM, "serve", store, *NO_PORTS], env={"WEKA_MP_ROOT_ACCESS_KEY": ACCESS_KEY, "PATH": os.defpath},
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    assert "WEKA_MP_ROOT_SECRET_KEY" in answer.stderr


def test_s3_alone(tmp_path: Path) -> None:
    with running(tmp_path, mount=False) as service:
        assert service.mount is None
        bucket = service.make_bucket()
        bucket.put("a/b", b"x")
        assert (service.store / bucket.name / "a" / "b").read_bytes() == b"x"
        assert bucket.keys() == ["a/b"]


def test_a_mount_alone(tmp_path: Path) -> None:
    with running(tmp_path, s3=None) as service:
        assert service.url is None and service.mount is not None
        (service.mount / "made").mkdir()
        (service.mount / "made" / "file").write_bytes(b"x")
    with running(tmp_path, mount=False) as service:
        assert Bucket(service, "made").get("file") == b"x"


def test_the_mount_command(tmp_path: Path, store: Path) -> None:


    (tmp_path / "mnt").mkdir()
    process = subprocess.Popen(
        [PROGRAM, "mount", store, tmp_path / "mnt", "--admin", "none"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(60)
    assert process.stdout.readline() == f"ready mount={tmp_path / 'mnt'} store={store}\n"
    assert is_mounted(tmp_path / "mnt")
    process.terminate()
    assert process.communicate(timeout=45)[0] == ""
    assert process.returncode == 0
    assert not is_mounted(tmp_path / "mnt")


@pytest.mark.parametrize("module", ["weka_mp", "weka_mp.cli.run"])
@pytest.mark.parametrize("output", ["closed", "full"])
def test_a_standard_output_that_takes_nothing_ends_no_service(
    tmp_path: Path, store: Path, module: str, output: str
) -> None:
    log = tmp_path / "log"
    verb = ["serve", store] if module == "weka_mp" else [store, tmp_path / "mnt"]
    redirection = {"closed": ">&-", "full": ">/dev/full"}[output]
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", module, *verb, *NO_PORTS,
         "--log-file", log],
        stderr=subprocess.PIPE, text=True,
    )
    # The warning comes after the service is ready.
    wait_until("the warning", 60, lambda: log.exists() and "standard output" in log.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=45)[1] == ""
    assert process.returncode == 0


def test_a_directory_is_adopted_and_left_as_it_was(tmp_path: Path, store: Path) -> None:
    (store / "bucket" / "deep").mkdir(parents=True)
    (store / "bucket" / "deep" / "file").write_bytes(b"was here")
    before = (store / "bucket" / "deep" / "file").stat()
    with running(tmp_path) as service:
        bucket = Bucket(service, "bucket")
        assert bucket.keys() == ["deep/file"]
        assert bucket.get("deep/file") == b"was here"
        assert (bucket.path / "deep" / "file").read_bytes() == b"was here"
    after = (store / "bucket" / "deep" / "file").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (
        before.st_ino, before.st_mtime_ns, before.st_mode,
    )


def test_doctor(store: Path) -> None:
    answer = weka_mp("doctor", store)
    assert answer.returncode == 0, answer.stderr
    assert "xattrs" in answer.stdout
    found = json.loads(weka_mp("doctor", "-J", store).stdout)
    assert found["usable"] is True
    assert {"xattrs", "leases", "rename_noreplace"} <= {entry["name"] for entry in found["findings"]}
    assert os.listdir(store) == []


def test_fill_of_a_stopped_store_and_its_refusals(tmp_path: Path, store: Path) -> None:
    with running(tmp_path) as service:
        bucket = service.make_bucket()
        refused("etag", "fill", "--wait", "--store", service.store, "no-such-bucket", status=1)
    body = b"written while nobody served"
    (store / bucket.name / "file").write_bytes(body)
    os.utime(store / bucket.name / "file", (1_700_000_000, 1_700_000_000))
    refused("etag", "fill", "--store", store, bucket.name, status=3)
    assert weka_mp("etag", "fill", "--wait", "--store", store, bucket.name).returncode == 0
    with running(tmp_path) as service:
        assert Bucket(service, bucket.name).etag("file") == hashlib.md5(body).hexdigest()


def test_settings_from_file_and_environment(tmp_path: Path) -> None:
    file = tmp_path / "weka.toml"
    file.write_text('region = "eu-north-1"\nworkers = 1\n')
    assert weka_mp("config", "check", "--config", file).returncode == 0
    with running(tmp_path, "--config", str(file), mount=False, WEKA_MP_WORKERS="3") as service:
        assert len(service.children("worker")) == 3
        (service.store / "bucket").mkdir()
        assert service.s3.get_bucket_location(Bucket="bucket")["LocationConstraint"] == "eu-north-1"
    file.write_text("no_such_key = 1\n")
    answer = weka_mp("config", "check", "--config", file)
    assert answer.returncode == 2
    assert "no_such_key" in answer.stderr


def test_health_and_metrics(tmp_path: Path) -> None:


    with running(tmp_path, admin="127.0.0.1:0") as service:
        service.make_bucket().put("object", b"x")
        port = next(
            line.rsplit("admin=", 1)[1].split()[0].strip('"').rpartition(":")[2]
            for line in service.log.read_text().splitlines() if "admin=" in line
        )
        for path in ("health/live", "health/ready", "metrics"):
            with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
                assert answer.status == 200
                assert answer.read()


@pytest.mark.parametrize("option", ["--no-native", "--durability=relaxed", "--workers=1"])
def test_the_main_job_with_other_settings(tmp_path: Path, option: str) -> None:
    with running(tmp_path, option, "--attr-timeout", "3600") as service:
        bucket = service.make_bucket()
        body = os.urandom(1_000_000)
        bucket.put("a/b", body, ChecksumAlgorithm="CRC64NVME")
        assert (bucket.path / "a/b").read_bytes() == body
        (bucket.path / "a/c").write_bytes(body)
        assert bucket.get("a/c") == body
        bucket.put("a/b", b"short")
        assert (bucket.path / "a/b").read_bytes() == b"short"
        bucket.delete("a/b")
        assert os.listdir(bucket.path / "a") == ["c"]
