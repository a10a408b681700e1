"""Limits against clients that mean harm, each row of docs/LIMITS.md that a socket can show."""

from __future__ import annotations

import errno
import logging
import os
import socket
import time

import pytest
import trio

from tests.server.endpoint import running_endpoint
from tests.server.raw_http import is_closed, read_answer, send, signed
from weka_mp.s3.connection import MAX_HEAD
from weka_mp.s3.head_parser import MAX_FIELDS
from weka_mp.server.limits import Limits
from weka_mp.server.listener import accept_connections

BIG = 40_000_000  # bytes: more than the kernel's buffers of a loopback connection hold


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """One second for everything, and a least rate that a test can stay under or above."""
    limits = Limits(
        head_seconds=1, idle_seconds=20, body_stall_seconds=20, body_grace_seconds=1, send_stall_seconds=1,
        bytes_per_second=2000, linger_seconds=1, connections=8, connections_per_address=6,
    )
    with running_endpoint(tmp_path_factory.mktemp("strict"), limits=limits) as endpoint:
        client = endpoint.client()
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="big", Body=bytes(BIG))
        client.close()
        yield endpoint


def feed(sock: socket.socket, data: bytes, pause: float) -> bool:
    """Send slowly; whether the server took it all."""
    try:
        for at in range(len(data)):
            sock.sendall(data[at:at + 1])
            time.sleep(pause)
    except OSError:
        return False
    return True


def test_a_head_that_trickles_is_cut_off(strict):
    with strict.connect() as sock:
        assert not feed(sock, b"GET / HTTP/1.1\r\nHost: " + b"h" * 60, 0.1) or is_closed(sock)


def test_blank_lines_do_not_keep_a_connection(strict):
    with strict.connect() as sock:
        assert not feed(sock, b"\r\n" * 30, 0.1) or is_closed(sock)


def test_a_body_that_trickles_is_told_so(strict):
    request = signed("PUT", "/bucket/k", b"x" * 1000)
    with strict.connect() as sock:
        sock.sendall(request[:-900])
        feed(sock, request[-900:-800], 0.04)
        answer = read_answer(sock)
        assert (answer.status, answer.code) == (400, "RequestTimeout")


def test_a_chunked_body_that_trickles_is_told_so(strict):
    request = signed(
        "PUT", "/bucket/k", payload="UNSIGNED-PAYLOAD", send_body=b"",
        headers={"Transfer-Encoding": "chunked", "x-amz-decoded-content-length": "1000"},
    )
    with strict.connect() as sock:
        sock.sendall(request)
        answer = read_answer(sock)  # plain chunked uploads have no length: refused before a byte of it
        assert answer.status == 411


def read_slowly(sock: socket.socket, size: int, pause: float) -> int:
    """Bytes read until the end or the reset."""
    total = 0
    try:
        while data := sock.recv(size):
            total += len(data)
            time.sleep(pause)
    except ConnectionResetError:
        return total
    return total


def connect_narrow(endpoint) -> socket.socket:
    """A client whose kernel takes little ahead of it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(20)
    sock.connect(("127.0.0.1", endpoint.port))
    return sock


def test_an_answer_that_is_read_in_a_trickle_is_cut_off(strict):
    with connect_narrow(strict) as sock:
        sock.sendall(signed("GET", "/bucket/big"))
        assert read_slowly(sock, 20, 0.02) < BIG


def test_regression_a_slow_reader_that_is_fast_enough_gets_its_object(strict):
    # The kernel's buffer has room only when a third of it was taken, for which this client needs longer than
    # it may stand still: it was cut off while it read all the time.
    with connect_narrow(strict) as sock:
        sock.sendall(signed("GET", "/bucket/big", headers={"Range": "bytes=0-11999999"}))
        began, total = time.monotonic(), 0
        while time.monotonic() - began < 4:
            data = sock.recv(8192)
            assert data
            total += len(data)
            time.sleep(0.01)
        while total < 12_000_000:
            data = sock.recv(1 << 20)
            assert data, total
            total += len(data)


def test_who_comes_beyond_the_limit_is_told_and_room_comes_back(strict):
    deadline = time.monotonic() + 10
    while strict.metrics.connections and time.monotonic() < deadline:
        time.sleep(0.05)
    held = [strict.connect() for _ in range(6)]
    try:
        for sock in held:  # each is known to be accepted
            sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert read_answer(sock).status == 403
        with strict.connect() as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            answer = read_answer(sock)
            assert (answer.status, answer.code) == (503, "SlowDown")
            assert answer.headers["connection"] == "close"
    finally:
        for sock in held:
            sock.close()
    while strict.metrics.connections and time.monotonic() < deadline:
        time.sleep(0.05)
    assert send(strict, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").status == 403


@pytest.mark.parametrize("head", [
    b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a: " + b"b" * MAX_HEAD,
    b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a:\r\n" * MAX_FIELDS + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a:\r\n" * MAX_HEAD,
])
def test_heads_are_bounded(endpoint, head):
    with endpoint.connect() as sock:
        sock.sendall(head)
        answer = read_answer(sock)
        assert (answer.status, answer.code) == (400, "RequestHeaderSectionTooLarge")
        assert answer.headers["connection"] == "close"


def test_the_longest_head_passes(endpoint):
    start = b"GET / HTTP/1.1\r\nHost: h\r\nX: "
    head = start + b"a" * (MAX_HEAD - len(start) - 4) + b"\r\n\r\n"
    assert len(head) == MAX_HEAD
    assert send(endpoint, head).status == 403


def test_pipelined_requests_wait_in_the_kernel(endpoint, client, bucket):
    client.put_object(Bucket=bucket, Key="big", Body=bytes(BIG))
    with endpoint.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        sock.sendall(signed("GET", "/bucket/big"))
        sock.setblocking(False)
        sent, request = 0, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 1000
        quiet = time.monotonic() + 1
        while time.monotonic() < quiet:  # until nothing more is taken for a second
            try:
                sent += sock.send(request)
                quiet = time.monotonic() + 1
            except BlockingIOError:
                time.sleep(0.02)
            assert sent < 64_000_000, "the server takes requests without end while it answers"
    assert endpoint.metrics.requests["-", 400] == 0


async def test_pipelined_requests_leave_others_their_turn(tmp_path, caplog):
    """A hundred requests in one packet, and one of somebody else that arrived with them."""
    caplog.set_level(logging.INFO, "weka_mp.access")
    with running_endpoint(tmp_path) as endpoint:

        def converse(requests: int, path: bytes) -> None:
            with endpoint.connect() as sock:
                buffer = bytearray()
                sock.sendall(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path * requests)
                for _ in range(requests):
                    assert read_answer(sock, buffer).status == 404

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, converse, 2000, b"/many")
            nursery.start_soon(trio.to_thread.run_sync, converse, 1, b"/one")
    buckets = [record.fields["bucket"] for record in caplog.records if record.name == "weka_mp.access"]
    assert (buckets.count("many"), buckets.count("one")) == (2000, 1)


class Exhausted(socket.socket):
    """A listening socket of a process that has no descriptor left, until there is one again."""

    tries = 0

    def accept(self):
        self.tries += 1
        if self.tries <= 3:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


async def test_running_out_of_descriptors_neither_spins_nor_ends_the_worker(caplog):
    admitted = trio.Event()

    class Told:
        def admit(self, connected, remote):
            admitted.set()
            connected.close()

        async def refuse(self, connected, remote):
            pass

    with Exhausted() as listening, socket.socket() as client:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        client.connect(listening.getsockname())
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept_connections, listening, Told(), nursery)
            await admitted.wait()
            nursery.cancel_scope.cancel()
        assert listening.tries >= 4
        assert trio.current_time() - began >= 0.25  # it paused three times
    warned = [record for record in caplog.records if "cannot accept" in record.getMessage()]
    assert len(warned) == 1


def test_regression_a_body_that_comes_after_its_refusal_does_not_hold_up_the_end(tmp_path, caplog):
    """It was taken for the beginning of a head, for which a stopping server waits."""
    with running_endpoint(tmp_path, limits=Limits(stop_seconds=3.0)) as endpoint, endpoint.connect() as sock:
        sock.sendall(b"PUT /bucket?policy HTTP/1.1\r\nHost: s3.example\r\nContent-Length: 2\r\n\r\n")
        assert read_answer(sock).status == 404
        sock.sendall(b"{}")
        for _ in range(2):  # when another connection was served twice, these two bytes were read
            assert send(endpoint, signed("GET", "/")).status == 200
        endpoint.stop()
        assert is_closed(sock)
    assert not [record for record in caplog.records if "cut off" in record.getMessage()]
