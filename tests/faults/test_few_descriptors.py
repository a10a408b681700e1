"""A service that runs out of descriptors says so, keeps what it serves, does not spin, and recovers."""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.system.service import Bucket, Service, running

pytestmark = [pytest.mark.mount, pytest.mark.slow, pytest.mark.timeout(180)]

FEW = 120  # of a worker: enough for 20 connections
OLD = b"old" * 30_000
SLOW_DOWN = (503, "SlowDown")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("few")
    limited = ("prlimit", f"--nofile={FEW}")
    # A mount without descriptors says in its log what it could not do.
    with running(folder, "--workers", "1", within=limited, quiet=False) as started:
        yield started


@pytest.fixture
def bucket(service: Service) -> Bucket:
    made = service.make_bucket()
    made.put("old", OLD)
    return made


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def no_more(pid: int) -> Iterator[None]:
    """The process gets no further descriptor: a soft limit of its own below those it has."""
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def not_spinning(pid: int) -> Iterator[None]:
    """While nobody asks it anything it hardly computes (a loop that does not wait takes all the time)."""
    yield
    began, spent = time.monotonic(), cpu_seconds(pid)
    time.sleep(1.5)  # long enough to tell
    assert cpu_seconds(pid) - spent < (time.monotonic() - began) / 2


def closed(connection: socket.socket) -> bool:
    """Whether the server turned the connection away; the words it had for it are read."""
    while select.select([connection], [], [], 0)[0]:
        if not connection.recv(65536):
            return True
    return False


def answer(connection: socket.socket) -> bytes:
    """What comes until the server closes; b"" when nothing does within half a second."""
    found = b""
    while select.select([connection], [], [], 0.5)[0]:
        try:
            data = connection.recv(65536)
        except ConnectionResetError:
            break
        if not data:
            break
        found += data
    return found


def test_idle_connections_leave_descriptors_to_requests(service: Service, bucket: Bucket) -> None:
    (worker,) = service.children("worker")
    assert f"{FEW} descriptors" in service.log.read_text()
    assert bucket.get("old") == OLD  # its connection stays
    with ExitStack() as stack, not_spinning(worker):
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port))) for _ in range(2 * FEW)
        ]
        while len([connection for connection in idle if not closed(connection)]) > 20:
            time.sleep(0.05)
        told = b""
        while not told:  # of a flood not everybody is told
            with socket.create_connection(("127.0.0.1", service.port)) as late:
                told = answer(late)
        assert told.startswith(b"HTTP/1.1 503 ") and b"<Code>SlowDown</Code>" in told
        for _ in range(5):
            assert bucket.get("old") == OLD
            bucket.put("new", OLD)
            assert bucket.keys() == ["new", "old"]
        assert descriptors(worker) < FEW - 30
    while descriptors(worker) > FEW // 2:
        time.sleep(0.05)
    fresh = service.client()
    assert fresh.get_object(Bucket=bucket.name, Key="old")["Body"].read() == OLD
    fresh.close()
    assert service.children("worker") == [worker]


def test_a_worker_without_descriptors_says_so_and_recovers(service: Service, bucket: Bucket) -> None:
    (worker,) = service.children("worker")
    assert bucket.get("old") == OLD
    before = descriptors(worker)
    with no_more(worker), not_spinning(worker):
        for _ in range(3):
            assert bucket.status("get_object", Key="old") == SLOW_DOWN
            assert bucket.status("list_objects_v2") == SLOW_DOWN
            assert bucket.status("delete_object", Key="old") == SLOW_DOWN
        # Last: the refusal of a body that waits for "100 Continue" ends the connection.
        assert bucket.status("put_object", Key="old", Body=b"new") == SLOW_DOWN
        waiting = socket.create_connection(("127.0.0.1", service.port))
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer(waiting) == b""
    waiting.settimeout(10)
    assert waiting.recv(65536).startswith(b"HTTP/1.1 403 ")  # the one that waited is served
    waiting.close()
    assert bucket.get("old") == OLD
    assert bucket.keys() == ["old"]
    bucket.put("old", b"new")
    assert service.children("worker") == [worker]
    while descriptors(worker) > before:
        time.sleep(0.05)


def test_a_mount_without_descriptors_says_so_and_recovers(service: Service, bucket: Bucket) -> None:
    (mount,) = service.children("mount")
    (bucket.path / "directory").mkdir()
    for name in ("directory/a", "directory/b"):
        (bucket.path / name).write_bytes(OLD)
    with (bucket.path / "old").open("r+b", buffering=0) as held:
        before = descriptors(mount)
        with no_more(mount), not_spinning(mount):
            for refused in (
                lambda: os.open(bucket.path / "directory/a", os.O_RDONLY),
                lambda: os.open(bucket.path / "made", os.O_CREAT | os.O_WRONLY),
                lambda: os.listdir(bucket.path / "directory"),
            ):
                with pytest.raises(OSError) as told:
                    refused()
                assert told.value.errno in (errno.ENFILE, errno.EMFILE)
            assert held.write(b"new") == 3  # what is open goes on
            held.seek(0)
            assert held.read(6) == b"newold"
        assert sorted(os.listdir(bucket.path / "directory")) == ["a", "b"]
        assert (bucket.path / "directory/a").read_bytes() == OLD
        assert not (bucket.path / "made").exists()
        assert descriptors(mount) <= before + 8  # of nodes that were looked at since
    assert bucket.get("old") == b"new" + OLD[3:]
    assert service.children("mount") == [mount]


def test_regression_a_supervisor_without_descriptors_starts_a_dead_worker_later(
    service: Service, bucket: Bucket
) -> None:
    """It ended, and everything with it."""
    supervisor = service.process.pid
    (worker,) = service.children("worker")
    with no_more(supervisor), not_spinning(supervisor):
        os.kill(worker, signal.SIGKILL)
        while worker in service.children("worker"):
            time.sleep(0.05)
    assert "worker-0 cannot be started: Too many open files" in service.log.read_text()
    while not service.children("worker"):
        time.sleep(0.05)
    fresh = service.client(retries={"max_attempts": 5, "mode": "standard"})
    assert fresh.get_object(Bucket=bucket.name, Key="old")["Body"].read() == OLD
    fresh.close()
    assert (bucket.path / "old").read_bytes() == OLD
