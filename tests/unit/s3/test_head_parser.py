"""The quick reading of plain heads equals h11's reading of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weka_mp.s3.errors import S3Error
from weka_mp.s3.head_parser import MAX_FIELDS, ParsedHead, parse_head, parse_head_by_h11, parse_plain_head

NAMES = st.sampled_from([
    b"Host", b"host", b"Content-Length", b"Expect", b"Connection", b"x-amz-meta-a", b"X!#$%&'*+.^_`|~",
    b"Range", b"Transfer-Encoding", b"bad name", b"",
])
VALUES = st.one_of(
    st.sampled_from([b"h", b"0", b"5", b"100-continue", b"close", b"keep-alive, x", b"chunked", b"",
                     b" a  b\t", b"\xe4"]),
    st.binary(max_size=8),
)
LINES = st.lists(st.tuples(NAMES, st.sampled_from([b":", b": ", b":\t"]), VALUES), max_size=6)
FIRST = st.sampled_from([
    b"GET / HTTP/1.1", b"PUT /b/k?x=1 HTTP/1.1", b"HEAD http://h/k HTTP/1.1", b"GET / HTTP/1.0",
    b"GET  / HTTP/1.1", b"G,T / HTTP/1.1",
    b"GET /\x7f HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET /%zz?%zz HTTP/1.1",
])


def judged(head: bytes) -> ParsedHead | str:
    try:
        return parse_head_by_h11(head)
    except S3Error as error:
        return error.code


@given(FIRST, LINES, st.booleans())
@settings(max_examples=600, deadline=None)
def test_whatever_is_read_quickly_is_read_the_same_by_h11(
    first: bytes, lines: list[tuple[bytes, bytes, bytes]], with_host: bool
) -> None:
    fields = [b"".join(line) for line in lines] + ([b"Host: h"] if with_host else [])
    head = b"\r\n".join([first, *fields, b"", b""])
    end = head.find(b"\r\n\r\n") + 4
    head = head[:end]
    try:
        quick = parse_plain_head(head)
    except S3Error as error:
        assert judged(head) == error.code
    else:
        assert quick is None or quick == judged(head)


def test_a_usual_request_is_read_quickly() -> None:
    head = b"GET /b/k?x HTTP/1.1\r\nHost: h:9000\r\nUser-Agent: a (c)\r\nX-Empty:\r\nRange: bytes=0-1\r\n\r\n"
    quick = parse_plain_head(head)
    assert quick is not None
    assert quick == parse_head_by_h11(head)
    assert quick.request.headers.get("x-empty") == ""


def refusal(head: bytes) -> str:
    with pytest.raises(S3Error) as caught:
        parse_head(head)
    assert caught.value.status == 400
    return caught.value.code


@pytest.mark.parametrize("lines", [
    b"Content-Length: 5\r\nContent-Length: 5", b"Content-Length: 5, 5", b"Content-Length: 5,",
    b"content-length: 5\r\nX: y\r\nCONTENT-LENGTH: 5", b"Content-Length: 5\r\nContent-Length: 6",
])
def test_one_length_at_most(lines: bytes) -> None:
    assert refusal(b"PUT / HTTP/1.1\r\nHost: h\r\n" + lines + b"\r\n\r\n") == "BadRequest"


def test_regression_the_target_cannot_leave_the_host_that_was_signed() -> None:
    # The signature covers Host, the bucket of a virtual host came from the target: whoever held a signed
    # request for one bucket could send it to another.
    head = b"GET http://other.s3.example/k HTTP/1.1\r\nHost: mine.s3.example\r\n\r\n"
    assert refusal(head) == "BadRequest"
    same = parse_head(head.replace(b"other", b"MINE"))
    assert same.request.authority == "MINE.s3.example"


@pytest.mark.parametrize(
    "target", [b"http:///k", b"http://a@h/k", b"http://h:x/k", b"http://h:80/k", b"http://h\\/k"])
def test_authorities_that_are_none(target: bytes) -> None:
    assert refusal(b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n") == "BadRequest"


@pytest.mark.parametrize(
    "host", [b"a b", b"a,b", b"a/b", b"a@b", b"h:x", b"h:80:80", b"\xe4", b"[::1", b"a;b", b"a\\b"])
def test_hosts_that_are_none(host: bytes) -> None:
    assert refusal(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n") == "BadRequest"


@pytest.mark.parametrize(
    "host", [b"", b"h", b"h:", b"h:9000", b"[::1]:9000", b"127.0.0.1", b"my_bucket.s3.example."])
def test_hosts(host: bytes) -> None:
    head = parse_head(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert head.request.headers.get("host") == host.decode()


def test_the_number_of_headers_is_bounded() -> None:
    def head(count: int) -> bytes:
        return b"GET / HTTP/1.1\r\nHost: h\r\n" + b"a:\r\n" * (count - 1) + b"\r\n"

    assert len(parse_head(head(MAX_FIELDS)).request.headers) == MAX_FIELDS
    assert refusal(head(MAX_FIELDS + 1)) == "RequestHeaderSectionTooLarge"
