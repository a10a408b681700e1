"""Any split of the bytes gives the same events: byte by byte and every cut in two, of a corpus; then random
ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.conversation import (
    CHUNK_KEY,
    CRC32,
    SCOPE,
    SEED,
    STAMP,
    UPLOADS,
    conversation,
    every_cut,
    upload,
)
from tests.fuzz.mutation import corpus
from weka_mp.control.http import RequestReader
from weka_mp.ipc.frames import FrameReader
from weka_mp.s3.credentials import PayloadMode
from weka_mp.s3.post_form import FormFields, PostFormReader

PUT = b"PUT /b/k HTTP/1.1\r\nHost: h\r\n"
GET = b"GET /b/k?a=%20 HTTP/1.1\r\nHost: h\r\nX: \xc3\xa4\r\n\r\n"
LENGTH = PUT + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = PUT + b'Transfer-Encoding: chunked\r\n\r\n3;a="\\"x";b\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n'

CONVERSATIONS = {
    "one": GET,
    "pipelined": GET + LENGTH + CHUNKED + GET,
    "head": b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + GET,
    "expect": PUT + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello" + GET,
    "expect chunked": CHUNKED.replace(b"Host: h", b"Host: h\r\nExpect: 100-continue") + GET,
    "blank lines between": b"\r\n\r\n" + LENGTH + b"\r\n" + GET,
    "close": GET.replace(b"X: ", b"Connection: close\r\nX: ") + GET,
    "HTTP/1.0": b"PUT / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab" + GET,
    "truncated head": GET[:-3],
    "truncated body": LENGTH[:-2],
    "truncated chunks": CHUNKED[:-4],
    "bare line feeds": b"GET / HTTP/1.1\nHost: h\n\n" + GET,
    "bare line feed inside": b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n" + GET,
    "a chunk too long": PUT + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n" + GET,
    "a size that is none": PUT + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n" + GET,
    "a chunk line that ends in LF": PUT + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n" + GET,
    "trailers that end in LF": PUT + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\n" + GET,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "garbage behind": LENGTH + b"\xff\xfe" + GET,
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_connection(name: str) -> None:
    wire = CONVERSATIONS[name]
    whole = conversation([wire])
    for pieces in every_cut(wire):
        assert conversation(pieces) == whole


PIECE = st.sampled_from([
    GET, LENGTH, CHUNKED, PUT, b"\r\n", b"\n", b"\r", b"Content-Length: 5\r\n", b"\r\nhello", b"0\r\n",
    b"5\r\n", b"Transfer-Encoding: chunked\r\n", b" ", b"\0", b"X: " + b"a" * 9000 + b"\r\n",
])


@given(st.lists(PIECE, max_size=6), st.lists(st.integers(0, 20_000), max_size=6))
def test_any_connection(parts: list[bytes], places: list[int]) -> None:
    wire = b"".join(parts)
    ends = sorted(place % (len(wire) + 1) for place in places)
    pieces = [wire[a:b] for a, b in zip([0, *ends], [*ends, len(wire)], strict=True) if a < b]
    assert conversation(pieces) == conversation([wire])


def test_regression_a_line_feed_beyond_the_limit_of_heads_is_not_looked_at() -> None:
    # Received at once it was BadRequest, in pieces too large.
    wire = b"GET /" + b"a" * 17_000 + b" HTTP/1.1\nHost: h\r\n\r\n"
    whole = conversation([wire])
    assert whole == conversation([wire[at:at + 100] for at in range(0, len(wire), 100)])
    assert whole[-1] == "RequestHeaderSectionTooLarge"


def sign(algorithm: str, previous: str, *hashes: str) -> str:
    text = "\n".join((algorithm, STAMP, SCOPE, previous, *hashes))
    return hmac.digest(CHUNK_KEY, text.encode(), "sha256").hex()


def framed(chunks: list[bytes], mode: PayloadMode) -> bytes:
    """A body as a client of this mode frames it, its checksum behind it where the mode has trailers."""
    wire, previous, empty = b"", SEED, hashlib.sha256(b"").hexdigest()
    for chunk in [*chunks, b""]:
        extension = ""
        if mode.signs_chunks:
            found = hashlib.sha256(chunk).hexdigest()
            previous = sign("AWS4-HMAC-SHA256-PAYLOAD", previous, empty, found)
            extension = f";chunk-signature={previous}"
        wire += f"{len(chunk):x}{extension}\r\n".encode() + chunk + (b"\r\n" if chunk else b"")
    if mode.has_trailer:
        crc = zlib.crc32(b"".join(chunks)).to_bytes(4, "big")
        trailer = f"{CRC32}:{base64.b64encode(crc).decode()}\n"
        wire += trailer.replace("\n", "\r\n").encode()
        if mode.signs_chunks:
            found = hashlib.sha256(trailer.encode()).hexdigest()
            signature = sign("AWS4-HMAC-SHA256-TRAILER", previous, found)
            wire += f"x-amz-trailer-signature:{signature}\r\n".encode()
    return wire + b"\r\n"


@pytest.mark.parametrize("mode", UPLOADS, ids=lambda mode: mode.name)
@pytest.mark.parametrize("damage", ["none", "cut", "surplus", "flipped"])
def test_an_upload(mode: PayloadMode, damage: str) -> None:
    wire = framed([b"hello"], mode) if mode.is_streaming else b"hello"
    wire = {
        "none": wire, "cut": wire[:-3], "surplus": wire + b"abc", "flipped": wire[:-4] + b"\0" + wire[-3:],
    }[damage]
    whole = UPLOADS[mode]([wire], 5)
    assert (whole[0] == b"hello") == (damage == "none")
    for pieces in every_cut(wire):
        assert UPLOADS[mode](pieces, 5) == whole


@pytest.mark.parametrize("mode", [mode for mode in UPLOADS if mode.is_streaming], ids=lambda mode: mode.name)
@given(data=st.data())
def test_an_upload_of_many_chunks(mode: PayloadMode, data: st.DataObject) -> None:
    payload = bytes(range(256)) * 128
    last = data.draw(st.integers(0, 8191))
    chunks = [payload[:8192], payload[8192:24_576], payload[24_576:24_576 + last]]
    chunks = [chunk for chunk in chunks if chunk]
    wire = framed(chunks, mode)
    ends = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    pieces = [wire[a:b] for a, b in zip([0, *ends], [*ends, len(wire)], strict=True) if a < b]
    headers = ((("x-amz-trailer", CRC32),) if mode.has_trailer else ())
    outcome = upload(mode, pieces, 24_576 + last, headers=headers)
    assert outcome[0] == payload[:24_576 + last]


@pytest.mark.parametrize("entry", corpus("post-form"))
def test_a_form(entry: str) -> None:
    wire = corpus("post-form")[entry][2:]

    def read(pieces: list[bytes]) -> tuple[FormFields, bytes]:
        reader = PostFormReader("multipart/form-data; boundary=b")
        events = [event for piece in pieces for event in reader.feed(piece)]
        reader.finish()
        first, *rest = events
        assert isinstance(first, FormFields)
        return first, b"".join(bytes(event.data) for event in rest)

    whole = read([wire])
    assert whole[1] == b"hello"
    for pieces in every_cut(wire):
        assert read(pieces) == whole


def test_frames_between_processes() -> None:
    wire = corpus("frames")["two"][2:]
    whole = FrameReader().feed(wire)
    assert len(whole) == 2
    for pieces in every_cut(wire):
        reader = FrameReader()
        assert [frame for piece in pieces for frame in reader.feed(piece)] == whole
        reader.finish()


@pytest.mark.parametrize("entry", corpus("admin"))
def test_an_administration_request(entry: str) -> None:
    wire = corpus("admin")[entry][2:]
    whole = RequestReader().feed(wire)
    assert whole is not None
    for pieces in every_cut(wire):
        reader = RequestReader()
        *others, last = [reader.feed(piece) for piece in pieces]
        assert not any(others)
        assert last == whole
