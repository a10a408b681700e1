"""What a response promises about the store: nothing mixed, nothing early, mounts told first."""

from __future__ import annotations

import os
import threading

import pytest
import trio

from tests.server.endpoint import running_endpoint
from tests.server.raw_http import read_answer, send, signed
from weka_mp.errors import IoFailure
from weka_mp.gateway import objects_get
from weka_mp.ipc.peers import serve_unix
from weka_mp.namespace import Durability
from weka_mp.namespace.objects import reading
from weka_mp.server import exchange, send_body
from weka_mp.store.posix import PosixStore


class Mount:
    """A mount process as the worker sees it: it acknowledges when `release` is set."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.asked: list[object] = []
        self.release = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._serve,))

    def __enter__(self) -> Mount:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._token.run_sync_soon(self._scope.cancel)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as self._scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(serve_unix, self._path, {"invalidate": self._invalidate})
                self._ready.set()

    async def _invalidate(self, changes: object) -> None:
        self.asked.append(changes)
        await trio.to_thread.run_sync(self.release.wait, 10)


def test_a_response_waits_for_the_mounts(tmp_path):
    root, run = tmp_path / "store", tmp_path / "run"
    root.mkdir()
    run.mkdir()
    with (
        Mount(str(run / "mount-0.sock")) as mount,
        running_endpoint(root, mount_sockets=str(run / "mount-*.sock")) as endpoint,
    ):
        mount.release.set()
        endpoint.client().create_bucket(Bucket="bucket")
        mount.release.clear()
        mount.asked.clear()
        with endpoint.connect() as sock:
            sock.sendall(signed("PUT", "/bucket/k", b"new"))
            sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                sock.recv(1)
            # The object is there and no lock is held: others read it while its writer still waits.
            assert send(endpoint, signed("GET", "/bucket/k")).body == b"new"
            inode = (root / "bucket").stat().st_ino
            assert mount.asked == [[[inode, b"k", None]]]
            mount.release.set()
            sock.settimeout(20)
            assert read_answer(sock).status == 200


def test_regression_the_mounts_are_told_of_what_a_failed_sync_left_visible(tmp_path, monkeypatch):
    """The answer is an error, but S3 shows the new name: the mounts must not go on with the old one."""
    root, run = tmp_path / "store", tmp_path / "run"
    root.mkdir()
    run.mkdir()
    with (
        Mount(str(run / "mount-0.sock")) as mount,
        running_endpoint(
            root, mount_sockets=str(run / "mount-*.sock"), durability=Durability.COMMIT
        ) as endpoint,
    ):
        mount.release.set()
        endpoint.client().create_bucket(Bucket="bucket")
        mount.asked.clear()
        inode = (root / "bucket").stat().st_ino

        def fail(store, fd):
            raise IoFailure("the disk reports an error")

        monkeypatch.setattr(PosixStore, "sync_dir", fail)
        assert send(endpoint, signed("PUT", "/bucket/k", b"new")).status == 500
        assert (root / "bucket" / "k").read_bytes() == b"new"
        assert mount.asked == [[[inode, b"k", None]]]
        mount.asked.clear()
        old = (root / "bucket" / "k").stat().st_ino
        assert send(endpoint, signed("DELETE", "/bucket/k")).status == 500
        assert mount.asked == [[[inode, b"k", old]]]
        monkeypatch.undo()


def test_a_dead_mount_delays_nobody(tmp_path):
    root, run = tmp_path / "store", tmp_path / "run"
    root.mkdir()
    run.mkdir()
    with running_endpoint(root, mount_sockets=str(run / "mount-*.sock")) as endpoint:
        with Mount(str(run / "mount-0.sock")) as mount:
            mount.release.set()
            endpoint.client().create_bucket(Bucket="bucket")
            assert mount.asked
        assert send(endpoint, signed("PUT", "/bucket/k", b"x")).status == 200


def test_a_change_before_the_answer_starts_again(endpoint, client, bucket, monkeypatch):
    client.put_object(Bucket=bucket, Key="k", Body=b"old content")
    path = endpoint.root / "bucket" / "k"
    real, turns = objects_get._decide, []

    def change_once(*arguments):
        answer = real(*arguments)
        if not turns:
            turns.append(1)
            path.write_bytes(b"new content, longer"[:11])
        return answer

    monkeypatch.setattr(objects_get, "_decide", change_once)
    answer = send(endpoint, signed("GET", "/bucket/k"))
    assert answer.body == b"new content"
    assert "-" in answer.headers["etag"]


def test_what_was_overwritten_in_the_tick_of_a_coarse_clock_is_read_a_tick_later(
    endpoint, bucket, monkeypatch
):
    path = endpoint.root / "bucket" / "k"
    path.write_bytes(b"first")
    os.setxattr(path, "user.weka.writer", b"2")
    opened = []

    def in_tick(*_):
        opened.append(1)
        if len(opened) == 1:
            path.write_bytes(b"other")
        return len(opened) < 3

    monkeypatch.setattr(reading, "changed_in_tick", in_tick)
    assert send(endpoint, signed("GET", "/bucket/k")).body == b"other"
    assert len(opened) == 3


def test_a_change_while_it_is_sent_resets_the_connection(endpoint, client, bucket, monkeypatch):
    size = 3_000_000
    client.put_object(Bucket=bucket, Key="k", Body=b"a" * size)
    path = endpoint.root / "bucket" / "k"
    real = send_body._send_until

    async def change_behind(*arguments):
        await real(*arguments)
        with path.open("r+b") as file:
            file.write(b"b")

    monkeypatch.setattr(send_body, "_send_until", change_behind)
    with endpoint.connect() as sock:
        sock.sendall(signed("GET", "/bucket/k"))
        with pytest.raises(ConnectionError):
            read_answer(sock)


def test_regression_a_write_in_place_does_not_reach_what_a_client_has_yet_to_read(
    endpoint, client, bucket, monkeypatch
):
    """sendfile(2) leaves the file's own pages in the socket's queue: the body was torn after its last byte
    had been sent, under the ETag of the old one.
    """
    body = os.urandom(300_000)
    client.put_object(Bucket=bucket, Key="k", Body=body)
    path, real, sent = endpoint.root / "bucket" / "k", exchange.send_large, threading.Event()

    async def tell(*arguments):
        await real(*arguments)
        sent.set()

    monkeypatch.setattr(exchange, "send_large", tell)
    with endpoint.connect() as sock:
        sock.sendall(signed("GET", "/bucket/k"))
        assert sent.wait(20)
        with path.open("r+b") as file:
            file.write(bytes(len(body)))
        assert read_answer(sock).body == body


def test_an_object_that_shrinks_while_it_is_sent(endpoint, client, bucket, monkeypatch):
    client.put_object(Bucket=bucket, Key="k", Body=os.urandom(3_000_000))
    real = send_body._send_until

    async def shrink(*arguments):
        os.truncate(endpoint.root / "bucket" / "k", 1_000_000)
        await real(*arguments)

    monkeypatch.setattr(send_body, "_send_until", shrink)
    with endpoint.connect() as sock:
        sock.sendall(signed("GET", "/bucket/k"))
        with pytest.raises(ConnectionError):
            read_answer(sock)


def test_readers_of_an_overwritten_object_see_one_version(endpoint, client, bucket):
    bodies = [bytes([65 + number]) * 2_000_000 for number in range(4)]
    client.put_object(Bucket=bucket, Key="k", Body=bodies[0])
    done = threading.Event()

    def overwrite() -> None:
        mine = endpoint.client()
        for turn in range(12):
            mine.put_object(Bucket=bucket, Key="k", Body=bodies[turn % 4])
        done.set()

    writer = threading.Thread(target=overwrite)
    writer.start()
    while not done.is_set():
        assert client.get_object(Bucket=bucket, Key="k")["Body"].read() in bodies
    writer.join()


def test_an_unexpected_failure_is_answered_with_its_id(endpoint, client, bucket, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(objects_get, "_decide", fail)
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = send(endpoint, signed("GET", "/bucket/k"))
    assert (answer.status, answer.code) == (500, "InternalError")
    assert answer.headers["x-amz-request-id"] in caplog.text
    assert "a mistake of ours" in caplog.text
    assert "a mistake of ours" not in answer.body.decode()


def test_nothing_is_left_open(endpoint, client, bucket):
    client.put_object(Bucket=bucket, Key="k", Body=b"x" * 1_000_000)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        send(endpoint, signed("GET", "/bucket/k", headers={"If-None-Match": "*"}))
        send(endpoint, signed("GET", "/bucket/k", headers={"Range": "bytes=9999999-"}))
        send(endpoint, signed("GET", "/bucket/k"))
        send(endpoint, signed("PUT", "/bucket/k", b"forged", send_body=b"things"))
        with endpoint.connect() as sock:
            sock.sendall(signed("PUT", "/bucket/k", b"x" * 600_000)[:-1])
    while endpoint.metrics.connections > 1:
        threading.Event().wait(0.02)
    assert len(os.listdir("/proc/self/fd")) <= before + 2
