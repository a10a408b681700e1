"""Request smuggling: what could be read as two things by two programs is refused, and nothing behind it runs.

Each ambiguous request (ambiguous_heads, ambiguous_bodies) is sent with a signed PUT hidden in it or behind
it; what counts is whether that PUT was executed.
"""

from __future__ import annotations

import contextlib

import pytest

from tests.server.ambiguous_bodies import MALFORMED, WELL_FORMED
from tests.server.ambiguous_heads import HOST, LETTERS_AROUND_CHUNKED, REFUSED, head
from tests.server.endpoint import running_endpoint
from tests.server.raw_http import Answer, answers, read_answer, signed, upload_in_chunks

CHUNKS = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with running_endpoint(tmp_path_factory.mktemp("store")) as running:
        running.client().create_bucket(Bucket="bucket")
        yield running


@pytest.fixture
def stored(endpoint):
    """Asks for the names of the objects there are; what a test left is not seen by the next one."""
    bucket = endpoint.root / "bucket"
    yield lambda: [entry.name for entry in bucket.iterdir()]
    for entry in bucket.iterdir():
        entry.unlink()


@pytest.fixture
def hidden():
    """A signed request that must never be executed."""
    return signed("PUT", "/bucket/smuggled", b"evil")


def is_refused_and_closed(found: list[Answer]) -> bool:
    return [answer.status in (400, 505) for answer in found] == [True] and (
        found[0].headers["connection"] == "close")


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_and_ends_the_connection(endpoint, stored, hidden, name):
    for between in (b"", CHUNKS, b"hello"):
        assert is_refused_and_closed(answers(endpoint.port, REFUSED[name] + between + hidden))
    assert stored() == []


def test_no_byte_beside_a_coding_is_overlooked(endpoint, stored, hidden):
    for lines in LETTERS_AROUND_CHUNKED:
        found = answers(endpoint.port, head(lines) + CHUNKS + hidden)
        assert is_refused_and_closed(found), lines
    assert stored() == []


@pytest.mark.parametrize("name", WELL_FORMED)
def test_chunks_in_chunks_are_read(endpoint, stored, name):
    upload = upload_in_chunks("/bucket/chunked", WELL_FORMED[name])
    found = answers(endpoint.port, upload + signed("GET", "/bucket/chunked"))
    assert [(answer.status, answer.body) for answer in found] == [(200, b""), (200, b"hello")]


@pytest.mark.parametrize("name", MALFORMED)
def test_chunks_are_taken_to_the_letter(endpoint, stored, hidden, name):
    found = answers(endpoint.port, upload_in_chunks("/bucket/chunked", MALFORMED[name]) + hidden)
    assert is_refused_and_closed(found)
    assert found[0].code == "BadRequest"
    assert stored() == []


# What is plain HTTP is served once, and what stands behind it is the next request, neither more nor less.
SERVED = {
    "a body with a request in it": (
        b"GET /bucket/none HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n", [403]),
    "an upgrade to h2c": (
        b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: %d\r\n\r\n", [403]),
    "an upgrade to websocket": (
        b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Content-Length: %d\r\n\r\n",
        [403]),
    "TRACE": (b"TRACE /bucket/k HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n", [405]),
    "CONNECT": (b"CONNECT h:443 HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n", [400]),
    "a header that only looks like chunked": (
        b"GET / HTTP/1.1\r\n" + HOST + b"Transfer_Encoding: chunked\r\nContent-Length: %d\r\n\r\n", [403]),
    "a name that only looks like Content-Length": (
        b"GET / HTTP/1.1\r\n" + HOST + b"Content_Length: 0\r\nContent-Length: %d\r\n\r\n", [403]),
    "zeros in front of a length": (b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: %018d\r\n\r\n", [403]),
    "a length for the next hop alone": (
        b"GET / HTTP/1.1\r\n" + HOST + b"Connection: content-length\r\nContent-Length: %d\r\n\r\n", [403]),
    "another method in a header": (
        b"GET / HTTP/1.1\r\n" + HOST + b"X-HTTP-Method-Override: PUT\r\nContent-Length: %d\r\n\r\n", [403]),
    "another target in a header": (
        b"GET / HTTP/1.1\r\n" + HOST + b"X-Original-URL: /bucket/k\r\nContent-Length: %d\r\n\r\n", [403]),
    "dots in the path": (
        b"GET /bucket/../../etc/passwd HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n", [403]),
    "a line break in the path": (
        b"GET /bucket/%%0d%%0aX: HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n", [403]),
    "HTTP/1.0 that wants to go on": (
        b"GET / HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\nContent-Length: %d\r\n\r\n", [403]),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n" + HOST + b"Content-Length: %d\r\n\r\n", [403]),
    "close": (b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: %d\r\n\r\n", [403]),
}


@pytest.mark.parametrize("name", SERVED)
def test_a_request_within_a_body_is_not_executed(endpoint, stored, hidden, name):
    lines, statuses = SERVED[name]
    found = answers(endpoint.port, lines % len(hidden) + hidden)
    assert [answer.status for answer in found] == statuses
    assert stored() == []


def test_a_method_without_a_body_may_have_one_and_what_follows_is_the_next(endpoint, stored, hidden):
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
        start = method + b" /bucket/none HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(hidden)
        with endpoint.connect() as sock:
            buffer = bytearray()
            sock.sendall(start + hidden + signed("GET", "/bucket/none"))
            # A browser's question without an origin is none.
            refusal = 400 if method == b"OPTIONS" else 403
            assert read_answer(sock, buffer, head_only=method == b"HEAD").status == refusal
            assert read_answer(sock, buffer).code == "NoSuchKey"
    assert stored() == []


def test_a_refused_upload_is_not_read_as_requests(endpoint, stored, hidden):
    # More than is thrown away: the connection ends, instead of going on somewhere within the body.
    body = hidden * 2000
    with endpoint.connect() as sock:
        request = signed("PUT", "/bucket/refused", body, secret="wrong")
        with contextlib.suppress(ConnectionError):  # it may be refused while we send
            sock.sendall(request)
        try:
            answer = read_answer(sock)
        except ConnectionError:
            answer = None
        assert answer is None or (answer.status, answer.headers["connection"]) == (403, "close")
    assert stored() == []


@pytest.mark.parametrize("expectation", [
    b"Expect: 100-continue", b"Expect: magic\r\nExpect: 100-continue", b"Expect: y 100-continue",
    b"Expect: 100-continue;q=1", b"Expect:\t100-CONTINUE\t",
])
def test_expectations_do_not_shift_requests(endpoint, stored, hidden, expectation):
    # The final answer came instead of 100: whatever is sent next may be the body or not, so it is not read.
    start = b"PUT /bucket/k HTTP/1.1\r\n" + HOST + expectation + b"\r\nContent-Length: 10\r\n\r\n"
    with endpoint.connect() as sock:
        sock.sendall(start)
        answer = read_answer(sock)
        assert (answer.status, answer.headers["connection"]) == (403, "close")
        try:
            sock.sendall(hidden)
            rest = sock.recv(1000)
        except ConnectionError:
            rest = b""
        assert rest == b""
    assert stored() == []
