"""The server side of HTTP/1.1 as byte strings: framing, persistence, refusals, replies."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weka_mp.s3.connection import (
    MAX_DRAIN,
    MAX_HEAD,
    NEED_DATA,
    BodyData,
    BodyEnd,
    Connection,
    ConnectionClosed,
    ConnectionMisuse,
    Malformed,
    RequestHead,
)

GET = b"GET /b/k HTTP/1.1\r\nHost: h\r\n\r\n"
PUT = b"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"PUT /b/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def reply(connection: Connection, status: int = 200, body: bytes = b"") -> bytes:
    sent = connection.send_head(status, [], len(body)) + connection.send_body(body)
    return sent + connection.send_end()


def received(data: bytes, *, end: bool = False) -> Connection:
    connection = Connection()
    connection.receive_data(data)
    if end:
        connection.receive_data(b"")
    return connection


def transcript(pieces: list[bytes]) -> list[object]:
    """Everything the client said, bodies joined; each request is answered with an empty 200."""
    connection = Connection()
    seen: list[object] = []
    body = b""
    waiting = [*pieces, b""]
    while True:
        match connection.next_event():
            case RequestHead() as head:
                seen.append((head.request.method, head.request.raw_path, head.request.headers.items()))
                body = b""
            case BodyData(data):
                body += bytes(data)
            case BodyEnd():
                seen.append(body)
                reply(connection)
                if not connection.start_next_cycle():
                    return seen
            case Malformed(error):
                return [*seen, error.code]
            case ConnectionClosed(incomplete):
                return [*seen, incomplete]
            case _:
                connection.receive_data(waiting.pop(0))


class TestReading:
    def test_a_request_without_body(self) -> None:
        connection = received(GET)
        head = connection.next_event()
        assert isinstance(head, RequestHead)
        assert (head.request.method, head.request.raw_path) == ("GET", b"/b/k")
        assert (head.content_length, head.chunked, head.expect_continue) == (0, False, False)
        assert isinstance(connection.next_event(), BodyEnd)

    def test_the_target_is_kept_exactly(self) -> None:
        connection = received(b"GET /b/%41//..%2f?a=%20&b HTTP/1.1\r\nHost: h\r\n\r\n")
        head = connection.next_event()
        assert isinstance(head, RequestHead)
        assert (head.request.raw_path, head.request.raw_query) == (b"/b/%41//..%2f", b"a=%20&b")

    def test_a_body_with_a_length_is_not_copied(self) -> None:
        connection = received(PUT)
        connection.next_event()
        block = b"hello"
        connection.receive_data(block)
        event = connection.next_event()
        assert isinstance(event, BodyData)
        assert event.data.obj is block
        assert isinstance(connection.next_event(), BodyEnd)

    def test_a_chunked_body(self) -> None:
        connection = received(CHUNKED + b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: v\r\n\r\n" + GET)
        head = connection.next_event()
        assert isinstance(head, RequestHead)
        assert (head.content_length, head.chunked) == (None, True)
        body = b""
        while isinstance(event := connection.next_event(), BodyData):
            body += bytes(event.data)
        assert body == b"hello"
        assert isinstance(event, BodyEnd)
        reply(connection)
        assert connection.start_next_cycle()
        assert isinstance(connection.next_event(), RequestHead)

    def test_a_pipelined_request_waits_for_its_cycle(self) -> None:
        connection = received(GET + GET)
        connection.next_event()
        connection.next_event()
        with pytest.raises(ConnectionMisuse):
            connection.next_event()
        with pytest.raises(ConnectionMisuse):
            connection.start_next_cycle()
        reply(connection)
        assert connection.start_next_cycle()
        assert isinstance(connection.next_event(), RequestHead)

    @pytest.mark.parametrize(("data", "incomplete"), [(b"", False), (b"GET /", True), (PUT + b"he", True)])
    def test_the_end_of_the_stream(self, data: bytes, incomplete: bool) -> None:
        connection = received(data, end=True)
        event = connection.next_event()
        while isinstance(event, RequestHead | BodyData):
            event = connection.next_event()
        assert event == ConnectionClosed(incomplete)

    def test_empty_lines_before_a_request_are_forgiven(self) -> None:
        assert isinstance(received(b"\r\n\r\n" + GET).next_event(), RequestHead)
        assert received(b"\r").next_event() is NEED_DATA

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def test_any_split_tells_the_same(self, data: st.DataObject) -> None:
        stream = PUT + b"hello" + b"\r\n" + GET + CHUNKED + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
        stream += b"\r\n" + GET + b"BAD\n\n"
        cuts = sorted(data.draw(st.lists(st.integers(1, len(stream) - 1), unique=True, max_size=12)))
        pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert transcript(pieces) == transcript([stream])
        assert transcript([stream])[-1] == "BadRequest"

    @given(st.binary(max_size=200))
    @settings(max_examples=200, deadline=None)
    def test_garbage_never_raises(self, data: bytes) -> None:
        assert transcript([data]) is not None
        assert transcript([b"GET / HTTP/1.1\r\nHost: h\r\n" + data]) is not None


class TestRefusals:
    @pytest.mark.parametrize("head", [
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\nHost: h\n\n",
        b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999999999999\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ])
    def test_what_is_no_http_or_ambiguous(self, head: bytes) -> None:
        connection = received(head)
        event = connection.next_event()
        assert isinstance(event, Malformed)
        assert event.error.status == 400
        sent = reply(connection, 400, b"x")
        assert sent == b"HTTP/1.1 400 Bad Request\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
        assert not connection.start_next_cycle()

    def test_another_version_of_http_is_said_to_be_unsupported(self) -> None:
        for version in (b"2.0", b"1.2", b"0.9"):
            event = received(GET.replace(b"1.1", version)).next_event()
            assert isinstance(event, Malformed)
            assert event.error.status == 505

    def test_a_head_has_a_limit(self) -> None:
        begin = b"GET / HTTP/1.1\r\nHost: h\r\n"
        connection = received(begin + b"X: " + b"a" * MAX_HEAD)
        event = connection.next_event()
        assert isinstance(event, Malformed)
        assert event.error.code == "RequestHeaderSectionTooLarge"
        complete = received(begin + b"X: " + b"a" * MAX_HEAD + b"\r\n\r\n").next_event()
        assert isinstance(complete, Malformed)
        fitting = MAX_HEAD - len(begin) - len(b"X: \r\n\r\n")
        assert isinstance(received(begin + b"X: " + b"a" * fitting + b"\r\n\r\n").next_event(), RequestHead)

    @pytest.mark.parametrize("expectation", ["", "magic", "200"])
    def test_regression_an_unknown_expectation_is_passed_over(self, expectation: str) -> None:
        head = received(PUT[:-2] + f"Expect: {expectation}\r\n\r\n".encode()).next_event()
        assert isinstance(head, RequestHead)
        assert not head.expect_continue

    @pytest.mark.parametrize("lines", [
        b"Expect: magic, 100-continue", b"Expect: magic\r\nExpect: 100-continue",
        b"Expect: 100-Continue\r\nX: y\r\nexpect: magic",
    ])
    def test_regression_one_expectation_among_others_is_met(self, lines: bytes) -> None:
        """One in a second header was not seen, so that the client was not asked for its body."""
        head = received(PUT[:-2] + lines + b"\r\n\r\n").next_event()
        assert isinstance(head, RequestHead)
        assert head.expect_continue

    @pytest.mark.parametrize("body", [b"zz\r\n", b"5\r\nhelloX", b"-1\r\n", b"5\nhello"])
    def test_a_malformed_chunked_body(self, body: bytes) -> None:
        connection = received(CHUNKED + body + b"\r\n" * 8, end=True)
        event = connection.next_event()
        while isinstance(event, RequestHead | BodyData):
            event = connection.next_event()
        assert isinstance(event, Malformed)


class TestContinue:
    HEAD = PUT[:-2] + b"Expect: 100-Continue\r\n\r\n"

    def test_it_is_sent_once_and_only_when_asked_for(self) -> None:
        connection = received(self.HEAD)
        head = connection.next_event()
        assert isinstance(head, RequestHead)
        assert head.expect_continue
        assert connection.next_event() is NEED_DATA
        assert connection.send_continue() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert connection.send_continue() == b""
        connection.receive_data(b"hello")
        assert isinstance(connection.next_event(), BodyData)
        assert not connection.will_close

    def test_a_client_that_does_not_wait_gets_none(self) -> None:
        connection = received(self.HEAD + b"hello")
        connection.next_event()
        connection.next_event()
        assert connection.send_continue() == b""

    def test_a_refusal_instead_of_it_closes(self) -> None:
        connection = received(self.HEAD)
        connection.next_event()
        assert b"Connection: close\r\n" in reply(connection, 403)
        assert connection.send_continue() == b""
        assert not connection.start_next_cycle()

    @pytest.mark.parametrize("expectation", [b"y 100-continue", b"100-continue;q=1", b"100-continu\xe9"])
    def test_regression_a_refusal_before_a_body_behind_an_unknown_expectation_closes(
        self, expectation: bytes
    ) -> None:
        """A proxy that takes it for 100-continue sends no body after a final answer, but the next request."""
        connection = received(self.HEAD.replace(b"100-Continue", expectation))
        head = connection.next_event()
        assert isinstance(head, RequestHead)
        assert not head.expect_continue
        assert b"Connection: close\r\n" in reply(connection, 403)
        assert not connection.start_next_cycle()

    def test_a_body_that_came_keeps_the_connection_whatever_was_expected(self) -> None:
        connection = received(self.HEAD.replace(b"100-Continue", b"magic") + b"hello" + GET)
        connection.next_event()
        assert isinstance(connection.next_event(), BodyData)
        assert b"Connection" not in reply(connection, 200)
        assert connection.start_next_cycle()
        assert isinstance(connection.next_event(), RequestHead)

    def test_regression_an_announced_empty_body_is_asked_for_too(self) -> None:
        """aws s3 sync hung after each empty file: botocore cannot go on from a final answer instead."""
        connection = received(self.HEAD.replace(b"Content-Length: 5", b"Content-Length: 0"))
        head = connection.next_event()
        assert isinstance(head, RequestHead)
        assert head.expect_continue
        assert connection.send_continue() == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert isinstance(connection.next_event(), BodyEnd)
        assert not connection.will_close

    def test_a_request_without_body_or_of_http_1_0_expects_nothing(self) -> None:
        for data in (GET[:-2] + b"Expect: 100-continue\r\n\r\n", self.HEAD.replace(b"1.1", b"1.0")):
            head = received(data).next_event()
            assert isinstance(head, RequestHead)
            assert not head.expect_continue


class TestReplies:
    def test_a_reply_byte_by_byte(self) -> None:
        connection = received(GET)
        connection.next_event()
        sent = connection.send_head(200, [("ETag", '"x"'), ("x-amz-meta-a", "ä")], 5)
        assert sent == (
            b'HTTP/1.1 200 OK\r\nETag: "x"\r\nx-amz-meta-a: \xe4\r\nContent-Length: 5\r\n\r\n')
        body = b"hello"
        assert connection.send_body(body) is body
        assert connection.send_end() == b""
        assert connection.start_next_cycle()

    def test_a_reply_of_unknown_length(self) -> None:
        connection = received(GET)
        connection.next_event()
        sent = connection.send_head(200, [], None) + connection.send_body(b" ") + connection.send_body(b"")
        sent += connection.send_body(b"x" * 17) + connection.send_end()
        assert sent == (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"1\r\n \r\n11\r\n" + b"x" * 17 + b"\r\n0\r\n\r\n")
        assert connection.start_next_cycle()

    def test_an_http_1_0_client_gets_neither_chunks_nor_persistence(self) -> None:
        connection = received(b"GET / HTTP/1.0\r\n\r\n")
        connection.next_event()
        assert connection.send_head(200, [], None) == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        assert connection.send_body(b"abc") == b"abc"
        assert connection.send_end() == b""
        assert not connection.start_next_cycle()

    @pytest.mark.parametrize(("method", "status", "expected"), [
        (b"HEAD", 200, b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        (b"GET", 304, b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        (b"DELETE", 204, b"HTTP/1.1 204 No Content\r\n\r\n"),
    ])
    def test_replies_without_a_body_are_complete_at_once(
        self, method: bytes, status: int, expected: bytes
    ) -> None:
        connection = received(method + GET[3:])
        connection.next_event()
        assert connection.send_head(status, [], 7) == expected
        with pytest.raises(ConnectionMisuse):
            connection.send_body(b"x")
        assert connection.start_next_cycle()

    @pytest.mark.parametrize("field", [("a", "b\r\nc: d"), ("a\n", "b"), ("a", "b\0"), ("a", "\r")])
    def test_a_header_cannot_begin_another(self, field: tuple[str, str]) -> None:
        connection = received(GET)
        connection.next_event()
        with pytest.raises(ConnectionMisuse):
            connection.send_head(200, [field], 0)
        assert not connection.reply_begun

    def test_the_length_promised_is_the_length_sent(self) -> None:
        connection = received(GET)
        connection.next_event()
        connection.send_head(200, [], 5)
        connection.sent_aside(3)
        with pytest.raises(ConnectionMisuse):
            connection.send_end()
        with pytest.raises(ConnectionMisuse):
            connection.send_body(b"abc")
        connection.send_body(b"ab")
        connection.send_end()
        assert connection.start_next_cycle()

    def test_one_reply_a_request(self) -> None:
        connection = received(GET)
        connection.next_event()
        reply(connection)
        with pytest.raises(ConnectionMisuse):
            connection.send_head(200, [], 0)


class TestPersistence:
    @pytest.mark.parametrize("option", [b"close", b"Close", b"x, close"])
    def test_the_client_may_end_it(self, option: bytes) -> None:
        connection = received(GET[:-2] + b"Connection: " + option + b"\r\n\r\n" + GET)
        connection.next_event()
        assert b"Connection: close" in reply(connection)
        assert not connection.start_next_cycle()

    def test_the_server_may_end_it(self) -> None:
        connection = received(GET)
        connection.close_after_reply()
        connection.next_event()
        assert b"Connection: close" in reply(connection)
        assert not connection.start_next_cycle()

    def test_a_small_unread_body_is_thrown_away(self) -> None:
        connection = received(PUT + b"he")
        connection.next_event()
        assert connection.body_unread
        assert b"close" not in reply(connection, 403)
        assert connection.start_next_cycle()
        assert connection.next_event() is NEED_DATA
        connection.receive_data(b"llo" + GET)
        assert isinstance(connection.next_event(), RequestHead)

    def test_a_large_or_chunked_unread_body_closes(self) -> None:
        large = PUT.replace(b": 5", b": %d" % (MAX_DRAIN + 1))
        for data in (large, CHUNKED):
            connection = received(data)
            connection.next_event()
            assert b"Connection: close" in reply(connection, 403)
            assert not connection.start_next_cycle()
