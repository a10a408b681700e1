"""Request smuggling: what could be read as two things by two programs is refused, and nothing behind it runs.

The cases come from the public literature: RFC 9112 sections 2.2, 3, 5, 6 and 11.2, "HTTP Desync Attacks"
(2019) and its successors, the transfer-encoding tricks of the HTTP Garden (2024), chunk extensions and chunk
line ends (2025). Each is sent with a signed PUT hidden in it; what counts is whether that PUT was executed.
"""

from __future__ import annotations

import contextlib
import socket

import pytest

from tests.server.raw_http import Answer, read_answer, signed

HOST = b"Host: s3.example\r\n"


@pytest.fixture
def hidden(endpoint, client, bucket):
    """A signed request that must never be executed."""
    return signed("PUT", "/bucket/smuggled", b"evil")


def answers(endpoint, wire: bytes) -> list[Answer]:
    """All answers to these bytes, until the server closes (or, with nothing left to say, we do)."""
    found: list[Answer] = []
    buffer = bytearray()
    with endpoint.connect() as sock:
        sock.settimeout(20)
        sock.sendall(wire)
        sock.shutdown(socket.SHUT_WR)
        while True:
            try:
                found.append(read_answer(sock, buffer))
            except (ConnectionError, TimeoutError):
                return found


def stored(client) -> list[str]:
    return [item["Key"] for item in client.list_objects_v2(Bucket="bucket").get("Contents", ())]


def head(lines: bytes, start: bytes = b"POST /bucket?delete HTTP/1.1\r\n" + HOST) -> bytes:
    return start + lines + b"\r\n"


TE = b"Transfer-Encoding: chunked\r\n"
CL = b"Content-Length: 5\r\n"
CHUNKS = b"0\r\n\r\n"

# Heads that nobody may act upon: 400 (or 505), closed, and nothing behind them is read.
REFUSED = {
    # CL.TE and TE.CL
    "length and chunked": head(CL + TE),
    "chunked and length": head(TE + CL),
    "length 0 and chunked": head(b"Content-Length: 0\r\n" + TE),
    # TE.TE: codings that some read as chunked
    "chunked twice": head(TE + TE),
    "chunked, chunked": head(b"Transfer-Encoding: chunked, chunked\r\n"),
    "identity, chunked": head(b"Transfer-Encoding: identity, chunked\r\n"),
    "gzip, chunked": head(b"Transfer-Encoding: gzip, chunked\r\n"),
    "chunked, identity": head(b"Transfer-Encoding: chunked, identity\r\n"),
    "identity": head(b"Transfer-Encoding: identity\r\n"),
    "xchunked": head(b"Transfer-Encoding: xchunked\r\n"),
    "chunked with a parameter": head(b"Transfer-Encoding: chunked;a=b\r\n"),
    "quoted chunked": head(b'Transfer-Encoding: "chunked"\r\n'),
    "chunked and a comma": head(b"Transfer-Encoding: ,chunked\r\n"),
    "no coding": head(b"Transfer-Encoding:\r\n"),
    "vertical tab before chunked": head(b"Transfer-Encoding: \x0bchunked\r\n"),
    "form feed after chunked": head(b"Transfer-Encoding: chunked\x0c\r\n"),
    "a null in chunked": head(b"Transfer-Encoding: chun\0ked\r\n"),
    "a high byte at chunked": head(b"Transfer-Encoding: chunked\xa0\r\n"),
    "space before the colon": head(b"Transfer-Encoding : chunked\r\n"),
    "tab before the colon": head(b"Transfer-Encoding\t: chunked\r\n"),
    "space before the name": head(b" Transfer-Encoding: chunked\r\n"),
    "a folded value": head(b"Transfer-Encoding:\r\n chunked\r\n"),
    "a folded header": head(b"X: y\r\n Transfer-Encoding: chunked\r\n"),
    "chunked behind a bare CR": head(b"X: y\rTransfer-Encoding: chunked\r\n"),
    "chunked behind a bare LF": head(b"X: y\nTransfer-Encoding: chunked\r\n"),
    "chunked behind a null": head(b"X: y\0\r\nTransfer-Encoding: chunked\r\n"),
    "chunked in HTTP/1.0": head(TE, b"POST /bucket?delete HTTP/1.0\r\n" + HOST),
    # Content-Length
    "two lengths": head(CL + b"Content-Length: 6\r\n"),
    "the same length twice": head(CL + CL),
    "a list of lengths": head(b"Content-Length: 5, 5\r\n"),
    "a list of other lengths": head(b"Content-Length: 5, 6\r\n"),
    "a signed length": head(b"Content-Length: +5\r\n"),
    "a negative length": head(b"Content-Length: -5\r\n"),
    "a hexadecimal length": head(b"Content-Length: 0x5\r\n"),
    "a fractional length": head(b"Content-Length: 5.0\r\n"),
    "a length with an underscore": head(b"Content-Length: 5_0\r\n"),
    "a length with a space": head(b"Content-Length: 5 0\r\n"),
    "a length in other digits": head(b"Content-Length: \xd9\xa5\r\n"),
    "an empty length": head(b"Content-Length:\r\n"),
    "a huge length": head(b"Content-Length: 99999999999999999999999\r\n"),
    "a length over 2^64": head(b"Content-Length: 18446744073709551621\r\n"),
    "a quoted length": head(b'Content-Length: "5"\r\n'),
    "a length before a space": head(b"Content-Length : 5\r\n"),
    "a length behind a bare CR": head(b"X: y\rContent-Length: 5\r\n"),
    # Header lines
    "no name": head(b": y\r\n"),
    "no colon": head(b"X\r\n"),
    "a name with a space": head(b"X Y: z\r\n"),
    "a null in a name": head(b"X\0: y\r\n"),
    "a high byte in a name": head(b"X\xe4: y\r\n"),
    "a control character in a value": head(b"X: \x01\r\n"),
    "a delete character in a value": head(b"X: \x7f\r\n"),
    "line feeds alone": b"POST / HTTP/1.1\nHost: h\nContent-Length: 5\n\n",
    "an end of line feeds": b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\n\n\r\n\r\n",
    # Hosts
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "the same host twice": b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "a list of hosts": b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "a host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a host with a user": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "another host in the target": b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n",
    "no host in the target": b"GET http:///a HTTP/1.1\r\nHost: b\r\n\r\n",
    "a user in the target": b"GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    # Request lines
    "HTTP/0.9": b"GET /\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tab": b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space at the end": b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    "a space in front": b" GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "a null in the target": b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a high byte in the target": b"GET /\xe4 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a bare CR in the line": b"GET /\r HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment of a version": b"GET / HTTP/1\r\n" + HOST + b"\r\n",
    "lower-case http": b"GET / http/1.1\r\n" + HOST + b"\r\n",
    "HTTP/1.1.1": b"GET / HTTP/1.1.1\r\n" + HOST + b"\r\n",
    "HTTP/01.1": b"GET / HTTP/01.1\r\n" + HOST + b"\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/3.9": b"GET / HTTP/3.9\r\n" + HOST + b"\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method that is none": b"G(T / HTTP/1.1\r\n" + HOST + b"\r\n",
    "bad escapes": b"GET /%zz?%zz HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_and_ends_the_connection(endpoint, client, hidden, name):
    for between in (b"", CHUNKS, b"hello"):
        found = answers(endpoint, REFUSED[name] + between + hidden)
        assert [answer.status in (400, 505) for answer in found] == [True], name
        assert found[0].headers["connection"] == "close"
    assert stored(client) == []


SIZES = {
    "plus": b"+5", "minus": b"-5", "hexadecimal": b"0x5", "space before": b" 5", "space behind": b"5 ",
    "underscore": b"5_0", "no size": b"", "a word": b"g", "too many digits": b"0" * 15 + b"5",
    "over 2^64": b"10000000000000005", "a comma": b"5,5", "a null": b"5\0", "a bare CR": b"5\r",
    "an empty extension": b"5;", "a bare LF in an extension": b"5;a\n", "a bare CR in an extension": b"5;\ra",
    "an open quote": b'5;a="', "a long extension": b"5;" + b"a" * 20_000,
}
BODIES = {
    "a size in LF": b"5\nhello\r\n0\r\n\r\n", "data beyond the size": b"3\r\nhello\r\n0\r\n\r\n",
    "data that ends in LF": b"5\r\nhello\n0\r\n\r\n", "an end of LF": b"5\r\nhello\r\n0\r\n\n",
    "a last chunk in LF": b"5\r\nhello\r\n0\n\r\n", "a trailer in LF": b"0\r\nX: y\n\r\n",
    "a folded trailer": b"0\r\nX: y\r\n z\r\n\r\n",
    "a trailer that is a request": b"0\r\nGET / HTTP/1.1\r\n\r\n",
    "trailers without end": b"0\r\n" + b"X: y\r\n" * 4000,
}


def chunked(body: bytes) -> bytes:
    """A signed upload whose HTTP body is chunked."""
    return signed(
        "POST", "/bucket?delete=", payload="UNSIGNED-PAYLOAD", headers={"Transfer-Encoding": "chunked"},
        send_body=body,
    )


@pytest.mark.parametrize("name", [*SIZES, *BODIES])
def test_chunks_are_taken_to_the_letter(endpoint, client, hidden, name):
    body = BODIES.get(name) or SIZES[name] + b"\r\nhello\r\n0\r\n\r\n"
    found = answers(endpoint, chunked(body) + hidden)
    assert len(found) == 1
    assert 400 <= found[0].status < 500
    assert found[0].headers["connection"] == "close"
    assert stored(client) == []


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
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n" + HOST + b"Content-Length: %d\r\n\r\n", [403]),
    "close": (b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: %d\r\n\r\n", [403]),
}


@pytest.mark.parametrize("name", SERVED)
def test_a_request_within_a_body_is_not_executed(endpoint, client, hidden, name):
    lines, statuses = SERVED[name]
    found = answers(endpoint, lines % len(hidden) + hidden)
    assert [answer.status for answer in found] == statuses
    assert stored(client) == []


def test_a_method_without_a_body_may_have_one_and_what_follows_is_the_next(endpoint, client, hidden):
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
        start = method + b" /bucket/none HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(hidden)
        with endpoint.connect() as sock:
            buffer = bytearray()
            sock.sendall(start + hidden + signed("GET", "/bucket/none"))
            assert read_answer(sock, buffer, head_only=method == b"HEAD").status == 403
            assert read_answer(sock, buffer).code == "NoSuchKey"
    assert stored(client) == []


def test_a_refused_upload_is_not_read_as_requests(endpoint, client, hidden):
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
    assert stored(client) == []


def test_expectations_do_not_shift_requests(endpoint, client, hidden):
    # The final answer came instead of 100: whatever is sent next may be the body or not, so it is not read.
    start = b"PUT /bucket/k HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n"
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
    assert stored(client) == []
