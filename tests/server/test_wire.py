"""What clients do to a connection: garbage, pipelining, truncation, Expect, slowness, and stopping."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.endpoint import running_endpoint
from tests.server.raw_http import is_closed, read_answer, send, signed
from weka_mp.server.limits import Limits


def listed(client, bucket="bucket"):
    return [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", ())]


@pytest.mark.parametrize("garbage", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"\x00" * 100,
    b"PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17000 + b"\r\n\r\n",
])
def test_what_is_no_http_is_answered_and_closed(endpoint, garbage):
    with endpoint.connect() as sock:
        sock.sendall(garbage)
        answer = read_answer(sock)
        assert answer.status == 400
        assert answer.headers["connection"] == "close"
        sock.shutdown(socket.SHUT_WR)
        assert is_closed(sock)


def test_pipelined_requests_are_answered_in_order(endpoint, client, bucket):
    for number in range(5):
        client.put_object(Bucket=bucket, Key=str(number), Body=str(number).encode())
    with endpoint.connect() as sock:
        sock.sendall(b"".join(signed("GET", f"/bucket/{number}") for number in range(5)))
        buffer = bytearray()
        assert [read_answer(sock, buffer).body for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("payload", [None, "UNSIGNED-PAYLOAD"])
@pytest.mark.parametrize("size", [1000, 600_000])
@pytest.mark.parametrize("half_close", [True, False])
def test_a_truncated_body_publishes_nothing(endpoint, client, bucket, payload, size, half_close):
    request = signed("PUT", "/bucket/k", os.urandom(size), payload=payload)
    with endpoint.connect() as sock:
        sock.sendall(request[:-100])
        if half_close:
            sock.shutdown(socket.SHUT_WR)
            answer = read_answer(sock)
            assert (answer.status, answer.code) == (400, "IncompleteBody")
    assert listed(client) == []


def test_a_body_that_was_tampered_with_publishes_nothing(endpoint, client, bucket):
    answer = send(endpoint, signed("PUT", "/bucket/k", b"signed", send_body=b"forged"))
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert listed(client) == []


def test_a_wrong_signature_is_refused_before_the_body(endpoint, client, bucket):
    with endpoint.connect() as sock:
        request = signed("PUT", "/bucket/k", b"x" * 1_000_000, secret="wrong")
        head = request[:request.index(b"\r\n\r\n") + 4]
        sock.sendall(head)
        answer = read_answer(sock)
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
        assert answer.headers["connection"] == "close"


def test_a_small_refused_body_is_thrown_away_and_the_connection_lives(endpoint, client, bucket):
    with endpoint.connect() as sock:
        sock.sendall(signed("PUT", "/bucket/k", b"x" * 1000, secret="wrong"))
        assert read_answer(sock).status == 403
        sock.sendall(signed("PUT", "/bucket/k", b"right"))
        assert read_answer(sock).status == 200
    assert listed(client) == ["k"]


def test_continue_comes_only_after_authorization(endpoint, client, bucket):
    expect = {"Expect": "100-continue"}
    for target, secret, status in (
        ("/bucket/k", "wrong", 403), ("/nowhere/k", None, 404), ("/bucket/k", None, 100),
    ):
        options = {} if secret is None else {"secret": secret}
        request = signed("PUT", target, b"hello", headers=expect, **options)
        with endpoint.connect() as sock:
            sock.sendall(request[:-5])
            assert read_answer(sock).status == status
            if status == 100:
                sock.sendall(b"hello")
                assert read_answer(sock).status == 200
    assert listed(client) == ["k"]


def test_anonymous_requests_get_no_continue(endpoint, client, bucket):
    with endpoint.connect() as sock:
        head = b"PUT /bucket/k HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        sock.sendall(head)
        assert read_answer(sock).status == 403


def test_a_chunked_body_needs_its_length_said(endpoint, client, bucket):
    answer = send(endpoint, signed(
        "PUT", "/bucket/k", headers={"Transfer-Encoding": "chunked"}, payload="UNSIGNED-PAYLOAD",
        send_body=b"5\r\nhello\r\n0\r\n\r\n",
    ))
    assert (answer.status, answer.code) == (411, "MissingContentLength")


def test_an_upload_must_say_how_long_it_is(endpoint, client, bucket):
    request = signed("PUT", "/bucket/k").replace(b"Content-Length: 0\r\n", b"")
    answer = send(endpoint, request)
    assert (answer.status, answer.code) == (411, "MissingContentLength")
    assert send(endpoint, signed("PUT", "/bucket/k")).status == 200


def test_more_than_one_upload_may_have_is_refused_at_once(endpoint, client, bucket):
    head = signed(
        "PUT", "/bucket/k", headers={"Content-Length": str(5 * 1024**3 + 1), "Expect": "100-continue"},
        payload="UNSIGNED-PAYLOAD",
    )
    answer = send(endpoint, head)
    assert (answer.status, answer.code) == (400, "EntityTooLarge")


def test_a_document_without_end_is_refused_at_once(endpoint, client, bucket):
    head = signed(
        "POST", "/bucket?delete=", headers={"Content-Length": str(3 * 1024**2), "Expect": "100-continue"},
        payload="UNSIGNED-PAYLOAD",
    )
    answer = send(endpoint, head)
    assert (answer.status, answer.code) == (400, "EntityTooLarge")


def test_a_reset_client_harms_nobody(endpoint, client, bucket):
    client.put_object(Bucket=bucket, Key="k", Body=os.urandom(8_000_000))
    for _ in range(3):
        with endpoint.connect() as sock:
            sock.sendall(signed("GET", "/bucket/k"))
            sock.recv(1000)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    assert listed(client) == ["k"]


def test_every_answer_carries_its_ids(endpoint):
    answer = send(endpoint, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 403
    assert len(answer.headers["x-amz-request-id"]) == 16
    assert answer.headers["x-amz-request-id"].isupper() or answer.headers["x-amz-request-id"].isdigit()
    assert answer.headers["x-amz-id-2"]
    assert answer.headers["server"] == "weka_mp"
    assert answer.headers["date"].endswith("GMT")
    assert answer.headers["x-amz-request-id"].encode() in answer.body


@pytest.fixture(scope="module")
def hurried(tmp_path_factory):
    limits = Limits(
        head_seconds=1, idle_seconds=1, body_stall_seconds=1, send_stall_seconds=1, linger_seconds=0.5,
        connections_per_address=20, stop_seconds=5,
    )
    with running_endpoint(tmp_path_factory.mktemp("hurried"), limits=limits) as endpoint:
        endpoint.client().create_bucket(Bucket="bucket")
        yield endpoint


def test_an_idle_connection_is_closed(hurried):
    with hurried.connect() as sock:
        assert is_closed(sock)


def test_a_slow_head_is_cut_off(hurried):
    with hurried.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost")
        assert is_closed(sock)


def test_a_body_that_stops_is_told_so(hurried):
    request = signed("PUT", "/bucket/k", b"x" * 1000)
    with hurried.connect() as sock:
        sock.sendall(request[:-1])
        answer = read_answer(sock)
        assert (answer.status, answer.code) == (400, "RequestTimeout")
        assert is_closed(sock)
    assert listed(hurried.client()) == []


def test_a_reader_that_does_not_read_is_cut_off(hurried):
    client = hurried.client()
    client.put_object(Bucket="bucket", Key="big", Body=bytes(30_000_000))
    with hurried.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(signed("GET", "/bucket/big"))
        deadline = time.monotonic() + 10
        while hurried.metrics.requests["GetObject", 200] == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert hurried.metrics.requests["GetObject", 200] == 1
    client.delete_object(Bucket="bucket", Key="big")


def test_one_address_gets_no_more_than_its_share(hurried):
    socks = [hurried.connect() for _ in range(21)]
    try:
        answer = read_answer(socks[-1])
        assert (answer.status, answer.code) == (503, "SlowDown")
        assert answer.headers["connection"] == "close"
        socks[-1].shutdown(socket.SHUT_WR)
        assert is_closed(socks[-1])
        assert hurried.metrics.refused >= 1
    finally:
        for sock in socks:
            sock.close()


def test_stopping_lets_a_request_finish_and_closes_idle_connections(tmp_path):
    with running_endpoint(tmp_path) as endpoint:
        endpoint.client().create_bucket(Bucket="bucket")
        body = os.urandom(500_000)
        request = signed("PUT", "/bucket/k", body)
        with endpoint.connect() as idle, endpoint.connect() as busy:
            busy.sendall(request[:-1000])
            while endpoint.metrics.connections < 2:
                time.sleep(0.01)
            time.sleep(0.1)
            endpoint.stop()
            assert is_closed(idle)
            busy.sendall(request[-1000:])
            answer = read_answer(busy)
            assert answer.status == 200
            assert answer.headers["connection"] == "close"
            assert is_closed(busy)
        assert (tmp_path / "bucket" / "k").read_bytes() == body


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_get_an_answer_or_an_end(hurried, data):
    request = signed("PUT", "/bucket/fuzz", b"hello", headers={"x-amz-meta-a": "b"})
    mutated = bytearray(request)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    with hurried.connect() as sock:
        sock.sendall(mutated)
        sock.shutdown(socket.SHUT_WR)
        try:
            answer = read_answer(sock)
        except ConnectionError:
            return
    assert 200 <= answer.status < 500


def test_many_clients_at_once(endpoint, client, bucket):
    failures = []

    def work(number: int) -> None:
        try:
            mine = endpoint.client()
            for turn in range(10):
                body = os.urandom(10_000)
                mine.put_object(Bucket=bucket, Key=f"{number}/{turn}", Body=body)
                assert mine.get_object(Bucket=bucket, Key=f"{number}/{turn}")["Body"].read() == body
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(listed(client)) == 60
