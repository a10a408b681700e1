"""The same endpoint with --durability commit: publication waits for the disk, in threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.endpoint import running_endpoint
from tests.server.raw_http import send, signed
from weka_mp.namespace import Durability
from weka_mp.store.posix import PosixStore


@pytest.fixture
def durable(tmp_path):
    with running_endpoint(tmp_path, durability=Durability.COMMIT) as endpoint:
        endpoint.client().create_bucket(Bucket="bucket")
        yield endpoint


def test_nothing_is_answered_before_it_is_on_disk(durable, monkeypatch):
    synced = []
    real_file, real_dir = PosixStore.sync_file, PosixStore.sync_dir
    monkeypatch.setattr(PosixStore, "sync_file", lambda *on: (synced.append("file"), real_file(*on)))
    monkeypatch.setattr(PosixStore, "sync_dir", lambda *on: (synced.append("dir"), real_dir(*on)))
    assert send(durable, signed("PUT", "/bucket/k", b"x")).status == 200
    assert synced[0] == "file"
    assert "dir" in synced[1:]
    synced.clear()
    assert send(durable, signed("DELETE", "/bucket/k")).status == 204
    assert "dir" in synced


def test_slow_disks_do_not_hold_up_readers(durable, monkeypatch):
    """Publication waits in a thread: a reader of another key is served meanwhile."""
    durable.client().put_object(Bucket="bucket", Key="other", Body=b"quick")
    waiting = []
    real = PosixStore.sync_file

    def slow(self, fd):
        waiting.append(1)
        while not answered:
            os.sched_yield()
        real(self, fd)

    answered: list[bytes] = []
    monkeypatch.setattr(PosixStore, "sync_file", slow)
    with ThreadPoolExecutor(1) as pool:
        put = pool.submit(send, durable, signed("PUT", "/bucket/k", b"slow"))
        while not waiting:
            os.sched_yield()
        answered.append(send(durable, signed("GET", "/bucket/other")).body)
        assert put.result(20).status == 200
    assert answered == [b"quick"]


def test_many_writers(durable):
    client = durable.client(max_pool_connections=16)

    def put(number: int) -> None:
        client.put_object(Bucket="bucket", Key=f"{number % 3}/{number}", Body=os.urandom(2000))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(40)))
    assert client.list_objects_v2(Bucket="bucket")["KeyCount"] == 40


def test_of_many_creators_one_wins(durable):
    for turn in range(3):
        requests = [
            signed("PUT", f"/bucket/{turn}", b"%d" % number, headers={"If-None-Match": "*"})
            for number in range(8)
        ]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda request: send(durable, request), requests))
        statuses = [answer.status for answer in answers]
        assert statuses.count(200) == 1
        assert set(statuses) <= {200, 409, 412}
        winner = statuses.index(200)
        assert send(durable, signed("GET", f"/bucket/{turn}")).body == b"%d" % winner


def test_of_many_who_replace_what_they_saw_one_wins(durable):
    etag = send(durable, signed("PUT", "/bucket/k", b"seen")).headers["etag"]
    requests = [signed("PUT", "/bucket/k", b"%d" % number, headers={"If-Match": etag}) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status for answer in pool.map(lambda request: send(durable, request), requests)]
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 409, 412}
