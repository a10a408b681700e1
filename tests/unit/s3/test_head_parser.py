"""The quick reading of plain heads equals h11's reading of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from weka_mp.s3.errors import S3Error
from weka_mp.s3.head_parser import ParsedHead, parse_head_by_h11, parse_plain_head

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
