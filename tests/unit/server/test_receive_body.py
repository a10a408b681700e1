"""Bodies arrive in any pieces and end up the same; failures of either side come out as they are."""

from __future__ import annotations

import hashlib
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.errors import NoSpace
from weka_mp.s3.connection import Connection
from weka_mp.s3.credentials import Authentication, AuthKind, PayloadMode
from weka_mp.s3.errors import S3Error
from weka_mp.s3.payload import BodyReader
from weka_mp.server.limits import Limits
from weka_mp.server.receive_body import BatchMemory, receive_into
from weka_mp.server.wire import PeerGone


class ScriptedWire:
    """Hands out the pieces it was given; then the end, or a reset."""

    def __init__(self, pieces: Iterator[bytes], *, reset: bool = False) -> None:
        self._pieces = pieces
        self._reset = reset
        self.limits = Limits()
        self.deadline = 0.0
        self.sent = b""

    def our_turn(self) -> None:
        self.deadline = float("inf")

    async def receive(self, size: int) -> bytes:
        await trio.lowlevel.checkpoint()
        piece = next(self._pieces, None)
        if piece is None and self._reset:
            raise PeerGone
        return piece or b""

    async def send(self, data: bytes) -> None:
        self.sent += data


class Collected:
    """A sink that keeps what it gets and fails when told to."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.data = bytearray()
        self._room = room

    def write(self, data: memoryview) -> None:
        if len(self.data) + len(data) > self._room:
            raise NoSpace()
        self.data += data


def transfer(body: bytes, pieces: Iterator[bytes], sink: Collected, *, reset: bool = False):
    """Send a head announcing the body's length, then the pieces; returns the wire."""
    size = len(body)
    connection = Connection()
    connection.receive_data(
        f"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n".encode())
    head = connection.next_event()
    digest = hashlib.sha256(body).hexdigest()
    proven = Authentication(None, AuthKind.HEADER_V4, PayloadMode.SIGNED, digest)
    reader = BodyReader(head.request, proven, size)
    wire = ScriptedWire(pieces, reset=reset)

    async def run():
        await receive_into(wire, connection, reader, sink)
        reader.finish()

    trio.run(run)
    return wire


def cut(body: bytes, sizes: list[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        if start < len(body):
            yield body[start:start + size]
        start += size
    if start < len(body):
        yield body[start:]


@given(st.integers(0, 5000), st.lists(st.integers(1, 700), max_size=10))
def test_any_split_of_a_small_body(size, sizes):
    body, sink = os.urandom(size), Collected()
    wire = transfer(body, cut(body, sizes), sink)
    assert sink.data == body
    assert wire.sent in (b"", b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("piece", [1000, 65536, 262144, 3_000_000])
def test_a_large_body_in_batches(piece):
    body, sink = os.urandom(2_500_001), Collected()
    transfer(body, cut(body, [piece] * (len(body) // piece + 1)), sink)
    assert sink.data == body


@pytest.mark.parametrize("size", [1000, 2_500_000])
def test_a_full_disk_is_told_as_it_is(size):
    body = os.urandom(size)
    with pytest.raises(NoSpace):
        transfer(body, cut(body, [100_000] * 30), Collected(room=size // 2))


@pytest.mark.parametrize("size", [1000, 2_500_000])
def test_a_body_that_breaks_off(size):
    body = os.urandom(size)
    with pytest.raises(S3Error) as caught:
        transfer(body, cut(body[:-1], [100_000] * 30), Collected())
    assert caught.value.code == "IncompleteBody"
    with pytest.raises(PeerGone):
        transfer(body, cut(body[:-1], [100_000] * 30), Collected(), reset=True)


@pytest.mark.parametrize("size", [1000, 2_500_000])
def test_other_bytes_than_those_signed(size):
    body = os.urandom(size)
    other = bytes([body[0] ^ 1]) + body[1:]
    with pytest.raises(S3Error) as caught:
        transfer(body, cut(other, [100_000] * 30), Collected())
    assert caught.value.code == "XAmzContentSHA256Mismatch"


def test_many_large_bodies_share_the_memory_there_is() -> None:
    memory = BatchMemory(256 * 1024**2)
    with ExitStack() as bodies:
        sizes = []
        for _ in range(4096):
            bodies.enter_context(memory)
            sizes.append(memory.batch_bytes())
        assert sizes[0] == sizes[127] == 1024**2
        assert sizes == sorted(sizes, reverse=True)
        assert all(2 * count * size <= 256 * 1024**2 for count, size in enumerate(sizes, 1))
    with memory:
        assert memory.batch_bytes() == 1024**2


def test_regression_chunks_of_one_byte_are_not_collected_by_the_hundred_thousand() -> None:
    # A view takes two hundred times the byte it shows; a batch was full at a mebibyte of what they show.
    small, rest = 40_000, 250_000
    connection, sink = Connection(), Collected()
    connection.receive_data(b"PUT /b/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    head = connection.next_event()
    proven = Authentication(None, AuthKind.HEADER_V4, PayloadMode.UNSIGNED)
    reader = BodyReader(head.request, proven, small + rest)
    body = b"1\r\nx\r\n" * small + b"%x\r\n%b\r\n0\r\n\r\n" % (rest, b"x" * rest)
    wire = ScriptedWire(cut(body, [65_536] * 10))
    tracemalloc.start()
    try:
        trio.run(receive_into, wire, connection, reader, sink)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sink.data == b"x" * (small + rest)
    assert peak < 6 * 1024**2
