"""Chunked bodies to the letter of RFC 9112, 7.1."""

from __future__ import annotations

import pytest

from weka_mp.s3.chunked_body import MAX_CHUNK_LINE, MAX_CHUNK_OVERHEAD, ChunkReader
from weka_mp.s3.errors import S3Error


def read(wire: bytes) -> tuple[bytes, bytes, bool]:
    """Payload, what stands behind the body, and whether its end was seen."""
    reader, position, payload = ChunkReader(), 0, b""
    while True:
        data, position = reader.read(wire, position)
        if data is None:
            return payload, wire[position:], reader.is_done
        payload += bytes(data)


@pytest.mark.parametrize("wire", [
    b"5\r\nhello\r\n0\r\n\r\n", b"005\r\nhello\r\n000\r\n\r\n", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    b"5;a\r\nhello\r\n0;b=c\r\n\r\n", b'5 ; a = "x;\\"y" ;b\r\nhello\r\n0\r\n\r\n',
    b"5\r\nhello\r\n0\r\nA: b\r\nContent-Length: 9\r\n\r\n",
])
def test_bodies(wire: bytes) -> None:
    assert read(wire + b"NEXT") == (b"hello", b"NEXT", True)


@pytest.mark.parametrize("wire", [
    # Sizes that some parsers read and others do not.
    b"+5\r\n", b"-5\r\n", b"0x5\r\n", b" 5\r\n", b"5 \r\n", b"\t5\r\n", b"5_0\r\n", b"g\r\n", b"\r\n",
    b"5,5\r\n",    b"\xef\xbc\x95\r\n", b"10000000000000005\r\n", b"5\0\r\n", b"5\x0b\r\n", b"5\r\r\n",
    # Line ends that are none.
    b"5\nhello", b"5;a\nhello", b"5;a\rb\r\nhello", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhelloX\r\n",
    b"5\r\nhello\r\r\n",
    # Extensions that are none, trailers that are none.
    b"5;\r\n", b"5;;a\r\n", b"5;a=\r\n", b'5;a="\r\n', b'5;a="b\r\n', b"5;a b\r\n", b"5 a\r\n", b"5;a\0\r\n",
    b"0\r\n\n", b"0\r\nA: b\n\r\n", b"0\r\nA : b\r\n", b"0\r\n A: b\r\n", b"0\r\nA\r\n", b"0\r\n: b\r\n",
    b"0\r\nA: b\0\r\n", b"0\r\nGET / HTTP/1.1\r\n", b"0\r\nA: b\r\n c\r\n",
])
def test_what_is_no_chunked_body(wire: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        read(wire)
    assert (caught.value.code, caught.value.status) == ("BadRequest", 400)


@pytest.mark.parametrize("wire", [b"5", b"5\r", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n0\r\nA: b\r\n"])
def test_a_body_that_is_not_whole(wire: bytes) -> None:
    assert not read(wire)[2]


@pytest.mark.parametrize("wire", [
    b"5;" + b"a" * MAX_CHUNK_LINE, b"5;" + b"a" * MAX_CHUNK_LINE + b"\r\n",
    b"0\r\nA: " + b"b" * MAX_CHUNK_LINE,
    b"0" * (MAX_CHUNK_LINE + 1),
    b"1;aaaaaaa\r\nx\r\n" * (MAX_CHUNK_OVERHEAD // 8 + 1),
    b"0\r\n" + b"A: bbbb\r\n" * (MAX_CHUNK_OVERHEAD // 8),
])
def test_framing_is_bounded(wire: bytes) -> None:
    with pytest.raises(S3Error):
        read(wire)
