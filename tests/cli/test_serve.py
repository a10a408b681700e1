"""`weka-mp serve` as a whole: both views, every process killed in turn, and a clean end."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.cli.live import KEYS, ROOT, Live, runs, serving, until
from weka_mp.supervise.mounts import entry_at

pytestmark = [pytest.mark.mount, pytest.mark.timeout(180)]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


@pytest.fixture
def mount_point(tmp_path: Path) -> Path:
    (tmp_path / "mnt").mkdir()
    return tmp_path / "mnt"


@pytest.fixture
def live(store: Path, mount_point: Path) -> Iterator[Live]:
    with serving(store, "--mount", mount_point, "--workers", "2") as running:
        yield running


def client_of(live: Live) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=live.endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEYS["WEKA_MP_ROOT_ACCESS_KEY"],
        aws_secret_access_key=KEYS["WEKA_MP_ROOT_SECRET_KEY"],
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 4}),
    )


def test_both_views_show_the_same_and_the_end_is_clean(live: Live, store: Path, mount_point: Path) -> None:
    assert live.words == [("s3", live.endpoint), ("mount", str(mount_point)), ("store", str(store))]
    s3 = client_of(live)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="in/a.txt", Body=b"by s3")
    assert (mount_point / "bucket" / "in" / "a.txt").read_bytes() == b"by s3"
    (mount_point / "bucket" / "b.txt").write_bytes(b"by posix")
    assert s3.get_object(Bucket="bucket", Key="b.txt")["Body"].read() == b"by posix"
    s3.put_object(Bucket="bucket", Key="in/a.txt", Body=b"by s3 again")
    assert (mount_point / "bucket" / "in" / "a.txt").read_bytes() == b"by s3 again"
    assert live.stop() == 0
    assert entry_at(str(mount_point)) is None
    assert os.listdir(mount_point) == []
    assert "testsecret" not in live.log.read_text()
    assert [record for record in live.records() if record["level"] in ("error", "critical")] == []


@pytest.mark.slow
def test_every_process_may_be_killed(live: Live, mount_point: Path) -> None:
    s3 = client_of(live)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="a", Body=b"kept")
    for name in ("worker-0", "worker-1", "mount-0", "background"):
        former = live.pid_of(name)
        assert former is not None
        os.kill(former, signal.SIGKILL)
        live.wait_for_other(name, former)
        assert s3.get_object(Bucket="bucket", Key="a")["Body"].read() == b"kept"
        assert (mount_point / "bucket" / "a").read_bytes() == b"kept"
        s3.put_object(Bucket="bucket", Key=name, Body=name.encode())
        assert (mount_point / "bucket" / name).read_bytes() == name.encode()
    status, metrics = live.get_admin("/metrics")
    assert status == 200
    for name in ("worker-0", "mount-0", "background"):
        counted = f'weka_mp_child_restarts_total{{child="{name}",process="supervisor"}} 1.0' in metrics
        assert counted, [record for record in live.records() if record["level"] in ("warning", "error")]
    assert live.get_admin("/health/ready")[0] == 200
    assert live.stop(signal.SIGINT) == 0
    assert entry_at(str(mount_point)) is None


@pytest.mark.slow
def test_a_killed_supervisor_takes_all_with_it_and_a_new_one_starts_at_once(
    live: Live, store: Path, mount_point: Path
) -> None:
    client_of(live).create_bucket(Bucket="bucket")
    pids = [live.pid_of(name) for name in ("worker-0", "worker-1", "mount-0", "background")]
    live.process.kill()
    live.process.wait()
    until(lambda: entry_at(str(mount_point)) is None)
    with serving(store, "--mount", mount_point) as second:
        assert [bucket["Name"] for bucket in client_of(second).list_buckets()["Buckets"]] == ["bucket"]
        assert (mount_point / "bucket").is_dir()
        assert [pid for pid in pids if pid and runs(pid)] == []
        assert second.stop() == 0
    assert entry_at(str(mount_point)) is None


@pytest.mark.slow
def test_killing_supervisor_and_mount_together_leaves_a_dead_mount_that_the_next_start_removes(
    live: Live, store: Path, mount_point: Path
) -> None:
    mount = live.pid_of("mount-0")
    assert mount is not None
    os.kill(live.process.pid, signal.SIGSTOP)  # so that it cannot sweep
    os.kill(mount, signal.SIGKILL)
    live.process.kill()
    live.process.wait()
    with serving(store, "--mount", mount_point) as second:
        assert os.listdir(mount_point) == []
        assert second.stop() == 0
    assert entry_at(str(mount_point)) is None


@pytest.mark.slow
def test_regression_a_stopped_mount_of_a_killed_supervisor_is_killed_by_the_next_start(
    live: Live, store: Path, mount_point: Path
) -> None:
    """It cannot obey the signal that tells it of the supervisor's death, and whoever looks at it waits."""
    client_of(live).create_bucket(Bucket="bucket")
    mount = live.pid_of("mount-0")
    assert mount is not None
    os.kill(mount, signal.SIGSTOP)
    live.process.kill()
    live.process.wait()
    with serving(store, "--mount", mount_point) as second:
        assert os.listdir(mount_point) == ["bucket"]
        assert not runs(mount)
        assert second.stop() == 0
    assert entry_at(str(mount_point)) is None


def test_a_second_service_on_the_store_is_refused(live: Live, store: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "weka_mp", "serve", store, "--s3", "127.0.0.1:0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "is served already" in done.stderr and f"pid {live.process.pid}" in done.stderr
    assert client_of(live).list_buckets()["Buckets"] == []


@pytest.mark.slow
def test_administration_of_a_running_service(live: Live, store: Path, mount_point: Path) -> None:
    assert live.get_admin("/health/live")[0] == 200
    status, content = live.get_admin("/health/ready")
    assert status == 200 and f"mount {mount_point}" in content
    assert live.get_admin("/api/v2/status")[0] == 403
    metrics = live.get_admin("/metrics")[1]
    assert "weka_mp_s3_requests_total{" in metrics and 'process="worker-1"' in metrics
    (mount_point / "bucket").mkdir()
    for number in range(20):
        (store / "bucket" / f"file{number}").write_bytes(b"%d" % number)  # beside the mount: nobody hashes it
    command = [sys.executable, "-m", "weka_mp", "etag", "fill", "bucket/file", "--store", str(store)]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (asked.returncode, asked.stderr) == (0, "") and "job 1" in asked.stdout
    waited = subprocess.run(
        [*command, "--wait"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (waited.returncode, waited.stderr) == (0, "")
    assert waited.stdout.endswith("busy 0, failed 0\n")
    listed = client_of(live).list_objects_v2(Bucket="bucket")["Contents"]
    assert {entry["Key"]: entry["ETag"] for entry in listed} == {
        f"file{number}": '"' + hashlib.md5(b"%d" % number).hexdigest() + '"' for number in range(20)
    }


@pytest.mark.slow
def test_the_filler_finds_files_by_itself(live: Live, mount_point: Path) -> None:
    (mount_point / "bucket").mkdir()
    with open(mount_point / "bucket" / "odd", "wb") as file:
        file.write(b"0123456789")
        file.seek(2)
        file.write(b"ab")  # not sequential: not hashed while it was written
    s3 = client_of(live)
    expected = '"' + hashlib.md5(b"01ab456789").hexdigest() + '"'
    until(lambda: s3.head_object(Bucket="bucket", Key="odd")["ETag"] == expected, 30)


@pytest.mark.slow
def test_a_mount_alone_and_s3_alone(store: Path, mount_point: Path) -> None:
    with serving(store, mount_point, verb="mount") as mounted:
        assert mounted.words == [("mount", str(mount_point)), ("store", str(store))]
        (mount_point / "bucket").mkdir()
        (mount_point / "bucket" / "a").write_bytes(b"x")
        assert mounted.stop() == 0
    assert (store / "bucket" / "a").read_bytes() == b"x"
    with serving(store) as endpoint:
        assert [word for word, _ in endpoint.words] == ["s3", "store"]
        assert client_of(endpoint).get_object(Bucket="bucket", Key="a")["Body"].read() == b"x"
        assert endpoint.stop() == 0


@pytest.mark.slow
def test_a_busy_mount_point_and_a_taken_port(
    live: Live, store: Path, mount_point: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    port = live.endpoint.rpartition(":")[2]
    for arguments, reason in [
        (["--s3", "127.0.0.1:0", "--mount", str(mount_point)], "busy"),
        (["--s3", f"127.0.0.1:{port}"], "taken"),
    ]:
        done = subprocess.run(
            [sys.executable, "-m", "weka_mp", "serve", tmp_path / "other", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert reason in done.stderr


@pytest.mark.slow
def test_two_mounts_see_what_s3_wrote_at_once_and_one_unmounted_from_outside_comes_back(
    store: Path, tmp_path: Path
) -> None:
    points = [tmp_path / "one", tmp_path / "two"]
    for point in points:
        point.mkdir()
    arguments = [word for point in points for word in ("--mount", point)]
    with serving(store, *arguments, "--attr-timeout", "3600") as live:
        assert [path for word, path in live.words if word == "mount"] == [str(point) for point in points]
        s3 = client_of(live)
        s3.create_bucket(Bucket="bucket")
        for content in (b"first", b"the second"):
            s3.put_object(Bucket="bucket", Key="a", Body=content)
            assert [(point / "bucket" / "a").read_bytes() for point in points] == [content] * 2
        former = live.pid_of("mount-1")
        assert former is not None
        subprocess.run(["umount", "--lazy", points[1]], check=True)
        live.wait_for_other("mount-1", former)
        assert (points[1] / "bucket" / "a").read_bytes() == b"the second"
        assert live.stop() == 0
    assert [entry_at(str(point)) for point in points] == [None, None]


@pytest.mark.slow
def test_a_taken_default_admin_port_is_passed_over_with_a_warning(store: Path) -> None:
    with ExitStack() as stack:
        try:
            stack.enter_context(socket.create_server(("127.0.0.1", 14000)))
        except OSError as error:
            assert error.errno == errno.EADDRINUSE  # somebody else has taken it: as good
        with serving(store, default_admin=True) as live:
            assert live.status()["admin"] is None
            assert live.stop() == 0
        assert any("14000 is taken" in str(record["message"]) for record in live.records())
