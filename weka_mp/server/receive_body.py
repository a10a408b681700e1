"""A request's body from the wire: checked, decoded and written in bounded pieces, never held whole.

Small bodies are hashed and written in the loop's own thread. Large ones go in batches through a thread, which
hashes and writes one batch while the next arrives.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

import trio

from weka_mp.errors import NamespaceError
from weka_mp.offload import run_blocking
from weka_mp.s3.connection import BodyData, BodyEnd, Connection, ConnectionClosed, Malformed, NeedData
from weka_mp.s3.errors import S3Error
from weka_mp.s3.payload import BodyReader
from weka_mp.server.wire import PeerGone, Wire

__all__ = ["INLINE_BYTES", "BatchMemory", "BodySource", "Sink", "give_up", "read_document", "receive_into"]

INLINE_BYTES: Final = 256 * 1024
_BATCH_BYTES: Final = 1024 * 1024  # two of them in memory for each upload under way
_LEAST_BATCH: Final = 32 * 1024
_ALL_BATCHES: Final = 256 * 1024 * 1024  # of all uploads of the process together
_PIECE_BYTES: Final = 256  # of memory that a piece takes besides its bytes: one-byte chunks are mostly that
_LARGE_RECEIVE: Final = 256 * 1024

Batch = list[memoryview]


class Reader(Protocol):
    """What turns wire bytes into payload bytes (s3.payload.BodyReader, gateway.post_object.FormUpload)."""

    expected_length: int

    def feed(self, data: memoryview, /) -> list[memoryview]:
        """Payload pieces. Raises S3Error."""


class Sink(Protocol):
    """Where payload bytes go."""

    def write(self, data: memoryview, /) -> None:
        """Append. Raises NamespaceError."""


class Unfinished(Protocol):
    """An upload that may have to be given up (gateway.uploads.Upload, gateway.post_object.FormUpload)."""

    @property
    def unfinished(self) -> bool:
        """Whether there is anything to give back."""

    def abort(self) -> None:
        """Give it back. Raises nothing."""


class BatchMemory:
    """Shares what large bodies may hold in memory: the more there are, the smaller are their batches."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._under_way = 0

    def __enter__(self) -> BatchMemory:
        self._under_way += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._under_way -= 1

    def batch_bytes(self) -> int:
        """Bytes of a batch, of which each body has two. Asked within the block of a body under way."""
        share = self._total // (2 * self._under_way)
        return max(_LEAST_BATCH, min(_BATCH_BYTES, share))


_MEMORY: Final = BatchMemory(_ALL_BATCHES)  # memory is the process's, whichever connection takes it


class BodySource:
    """The wire bytes of one request's body, at the pace a client must keep."""

    def __init__(self, wire: Wire, connection: Connection, receive_size: int) -> None:
        self._wire = wire
        self._connection = connection
        self.receive_size = receive_size
        self._started = trio.current_time()
        self.received = 0

    async def __aenter__(self) -> BodySource:
        interim = self._connection.send_continue()
        if interim:
            await self._wire.send(interim)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._wire.our_turn()

    async def next_piece(self) -> memoryview | None:
        """Some bytes; None at the end. Raises S3Error for what is no HTTP, IncompleteBody too, PeerGone."""
        while True:
            match self._connection.next_event():
                case BodyData(data):
                    return data
                case BodyEnd():
                    return None
                case NeedData():
                    self._connection.receive_data(await self._receive())
                case Malformed(error):
                    raise error
                case ConnectionClosed():
                    raise S3Error("IncompleteBody")
                case other:
                    raise AssertionError(f"{other} within a body")

    async def _receive(self) -> bytes:
        limits = self._wire.limits
        deadline = trio.current_time() + limits.body_stall_seconds
        if limits.bytes_per_second:
            pace = self._started + limits.body_grace_seconds + self.received / limits.bytes_per_second
            deadline = min(deadline, pace)
        self._wire.deadline = deadline
        data = await self._wire.receive(self.receive_size)
        self._wire.deadline = math.inf
        self.received += len(data)
        return data


async def read_document(wire: Wire, connection: Connection, reader: BodyReader) -> bytes:
    """A whole body whose size the reader bounds (XML). Raises S3Error and PeerGone."""
    document = bytearray()
    async with BodySource(wire, connection, INLINE_BYTES) as source:
        while (wired := await source.next_piece()) is not None:
            for piece in reader.feed(wired):
                document += piece
    reader.finish()
    return bytes(document)


async def receive_into(wire: Wire, connection: Connection, reader: Reader, sink: Sink) -> None:
    """Feed the whole body through `reader` into `sink`. Raises S3Error, NamespaceError and PeerGone."""
    large = reader.expected_length > INLINE_BYTES
    async with BodySource(wire, connection, _LARGE_RECEIVE if large else INLINE_BYTES) as source:
        if large:
            await _in_batches(source, reader, sink)
            return
        while (wired := await source.next_piece()) is not None:
            _take([wired], reader, sink)


def _take(batch: Batch, reader: Reader, sink: Sink) -> None:
    """Check and write one batch (in whichever thread)."""
    for wired in batch:
        for piece in reader.feed(wired):
            sink.write(piece)


async def _in_batches(source: BodySource, reader: Reader, sink: Sink) -> None:
    """Receive one batch while the one before is hashed and written.

    Errors of both sides are carried out of the nursery by hand, so that callers see them as they are and not
    in a group.
    """
    failures: list[Exception] = []
    to_writer, from_receiver = trio.open_memory_channel[Batch](0)

    async def write_batches() -> None:
        async with from_receiver:
            async for batch in from_receiver:
                try:
                    await run_blocking(_take, batch, reader, sink)
                except (S3Error, NamespaceError) as error:
                    failures.append(error)
                    return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_batches)
        async with to_writer:
            try:
                await _send_batches(source, to_writer)
            except trio.BrokenResourceError:
                pass  # the writer gave up: its error is in `failures`
            except (S3Error, PeerGone) as error:
                failures.append(error)
    if failures:
        raise failures[0]


async def _send_batches(source: BodySource, to_writer: trio.MemorySendChannel[Batch]) -> None:
    batch: Batch = []
    size = 0
    with _MEMORY as memory:
        while (wired := await source.next_piece()) is not None:
            batch.append(wired)
            size += len(wired) + _PIECE_BYTES
            wanted = memory.batch_bytes()
            source.receive_size = min(_LARGE_RECEIVE, wanted)
            if size >= wanted:
                await to_writer.send(batch)
                batch, size = [], 0
        if batch:
            await to_writer.send(batch)


async def give_up(upload: Unfinished, size: int) -> None:
    """Abort what was not finished; giving back the blocks of a large file takes too long for the event loop.

    Shielded, since it must happen when the client is gone too; bounded, since it is one close(2).
    """
    if size <= INLINE_BYTES or not upload.unfinished:
        upload.abort()
        return
    with trio.CancelScope(shield=True):
        await run_blocking(upload.abort)
