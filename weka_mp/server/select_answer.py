"""SelectObjectContent on a connection: a process for each query, whose messages go to the client.

The process gets the descriptor of the object and nothing else (weka_mp.select). It is killed when the client
is gone, when it says nothing for too long, and when this worker ends.
"""

from __future__ import annotations

import importlib
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import trio

from weka_mp.errors import NamespaceError
from weka_mp.offload import run_blocking
from weka_mp.s3 import event_stream
from weka_mp.s3.errors import S3Error
from weka_mp.server.send_body import Truncated
from weka_mp.store.transmit import can_transmit

if TYPE_CHECKING:
    from weka_mp.gateway.context import Context
    from weka_mp.namespace import OpenObject
    from weka_mp.s3.connection import Connection
    from weka_mp.s3.select_request import SelectObjectContent
    from weka_mp.server.service import Service
    from weka_mp.server.wire import Wire

__all__ = ["EVENTS", "Selection"]

EVENTS: Final = (("Content-Type", "application/octet-stream"),)
_AT_ONCE: Final = 4  # queries of one worker: each is a process with its memory
_SILENCE_SECONDS: Final = 900.0  # longer than the process may compute
_LEAST_RATE: Final = 256 * 1024  # bytes a second that a client must take, all in all, behind its grace
_MOST_BYTES: Final = 1024 * 1024  # of one piece
_CHANGED: Final = "The object changed while it was read."
_NO_ENGINE: Final = "This service was installed without the engine for queries: weka_mp[select]."
_DIED: Final = "The query needed more memory or time than it may have."


class Selection:
    """One query. head: the bytes of the answer's head. before_end: called before the last bytes leave.

    sent: bytes of the answer's body; code: of the error in which an answer that was begun ended.
    """

    def __init__(
        self, service: Service, wire: Wire, connection: Connection, head: Callable[[], bytes],
        before_end: Callable[[], None],
    ) -> None:  # fmt: skip
        self._service = service
        self._wire = wire
        self._connection = connection
        self._head = head
        self._before_end = before_end
        self.sent = 0
        self._waited = 0.0  # seconds for the client
        self.code: str | None = None

    async def run(self, context: Context, operation: SelectObjectContent) -> None:
        """Raises S3Error, NamespaceError before the answer was begun; PeerGone, Truncated."""
        if find_spec("duckdb") is None:
            raise S3Error("NotImplemented", _NO_ENGINE)
        # By name, so that a worker that is never asked to select does not even load the dialect.
        check = importlib.import_module("weka_mp.select.dialect").check
        await run_blocking(check, operation.request.expression)
        if not can_transmit(context.namespace.store):
            raise S3Error("NotImplemented", "Objects of this store cannot be selected from.")
        if self._service.selecting >= _AT_ONCE:
            raise S3Error("Busy")
        self._service.selecting += 1
        try:
            opened = await run_blocking(
                context.namespace.open_object, operation.bucket, operation.key
            )
            try:
                await run_blocking(
                    context.access.found, (operation.permission,), operation.bucket, operation.key,
                    opened.info,
                )
                await self._query(opened, operation)
            finally:
                opened.close()
        finally:
            self._service.selecting -= 1

    async def _query(self, opened: OpenObject, operation: SelectObjectContent) -> None:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", "weka_mp.select.child"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, pass_fds=(opened.fd,), cwd="/", env={},
        )
        assert process.stdin is not None and process.stdout is not None
        plan = importlib.import_module("weka_mp.select.plan")
        try:
            await process.stdin.send_all(plan.encode(opened.fd, opened.info.size, operation.request))
            await self._relay(_Pieces(process.stdout, plan.HEAD), opened)
        except trio.BrokenResourceError:
            await self._fail(S3Error("InternalError", _DIED))
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
            await trio.aclose_forcefully(process.stdin)
            await trio.aclose_forcefully(process.stdout)

    async def _relay(self, pieces: _Pieces, opened: OpenObject) -> None:
        while True:
            kind, data = await self._next(pieces)
            if kind == b"M":
                await self._send(data)
            elif kind == b"D":
                await self._end(opened)
                return
            else:
                code, message = json.loads(data) if kind == b"E" else ("InternalError", _DIED)
                await self._fail(S3Error(code, message))
                return

    async def _next(self, pieces: _Pieces) -> tuple[bytes, bytes]:
        """The client is told that there is still somebody, and is found gone if it is."""
        waited, step = 0.0, self._service.settings.limits.keep_alive_seconds
        while waited < _SILENCE_SECONDS:
            with trio.move_on_after(step):
                return await pieces.next()
            waited += step
            await self._send(event_stream.CONTINUATION)
        return b"", b""

    async def _send(self, message: bytes) -> None:
        """A client that reads slowly holds one of few processes. Raises PeerGone, Truncated."""
        head = b"" if self._connection.reply_begun else self._head()
        data = head + self._connection.send_body(message)
        began = trio.current_time()
        grace = self._service.settings.limits.body_grace_seconds + self.sent / _LEAST_RATE
        with trio.move_on_after(grace - self._waited) as patience:
            await self._wire.send(data)
        if patience.cancelled_caught:
            raise Truncated("the client of a query reads too slowly")
        self._waited += trio.current_time() - began
        self.sent += len(message)

    async def _end(self, opened: OpenObject) -> None:
        try:
            same = await run_blocking(opened.still_same)
        except NamespaceError:
            same = False
        if not same:
            await self._fail(S3Error("InternalError", _CHANGED))
            return
        self._before_end()
        await self._send(event_stream.END)
        await self._wire.send(self._connection.send_end())

    async def _fail(self, error: S3Error) -> None:
        """An answer that was begun says so at its end; else it is an error like any other."""
        if not self._connection.reply_begun:
            raise error
        self.code = error.code
        self._before_end()
        await self._send(event_stream.error(error.code, error.message))
        await self._wire.send(self._connection.send_end())


class _Pieces:
    """Whole pieces from a stream; a wait for one may be cancelled and taken up again."""

    def __init__(self, stream: trio.abc.ReceiveStream, head: struct.Struct) -> None:
        self._stream = stream
        self._head = head
        self._data = bytearray()

    async def next(self) -> tuple[bytes, bytes]:
        """Kind and content; both empty at the end."""
        while True:
            if len(self._data) >= self._head.size:
                kind, size = self._head.unpack_from(self._data)
                end = self._head.size + size
                if size > _MOST_BYTES:
                    return b"", b""
                if len(self._data) >= end:
                    piece = bytes(self._data[self._head.size : end])
                    del self._data[:end]
                    return kind, piece
            try:
                more = await self._stream.receive_some(65536)
            except trio.BrokenResourceError:
                more = b""
            if not more:
                return b"", b""
            self._data += more
