"""One client connection: request after request until either side has had enough."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from weka_mp.s3.connection import Connection, ConnectionClosed, Malformed, NeedData, RequestHead
from weka_mp.s3.errors import S3Error
from weka_mp.server.exchange import Exchange
from weka_mp.server.refusal import answer_malformed
from weka_mp.server.send_body import Truncated
from weka_mp.server.service import Service
from weka_mp.server.wire import PeerGone, Wire

__all__ = ["serve_connection"]

_log = logging.getLogger("weka_mp.server")
_TURN: Final = 16  # pipelined requests served in a row before other connections have their turn
_LINGER_BYTES: Final = 1024 * 1024  # of a refused body that are read so that the client sees the answer


async def serve_connection(
    service: Service, wire: Wire, arrive: Callable[[Wire], Awaitable[bool]] | None = None
) -> None:
    """Serve until the connection ends; closes the socket. Never raises but for cancellation.

    arrive: what comes before the first request; False: none may follow.
    """
    task = _ConnectionTask(service, wire)
    try:
        with wire.scope:
            if arrive is None or await arrive(wire):
                await task.run()
        if wire.expired:
            await task.answer_late_client()
    except PeerGone:
        _log.debug("%s went away", wire.remote)
    except Truncated as error:
        _log.warning("%s: %s; the connection is reset", wire.remote, error)
        wire.abort()
    except Exception:  # noqa: BLE001 - one connection must not end the worker
        _log.exception("the connection of %s failed", wire.remote)
    finally:
        wire.close()


class _ConnectionTask:
    def __init__(self, service: Service, wire: Wire) -> None:
        self._service = service
        self._wire = wire
        self._connection = Connection()
        self._exchange: Exchange | None = None
        self._in_a_row = 0

    async def run(self) -> None:
        """Requests one by one. Raises PeerGone and Truncated."""
        connection = self._connection
        while (head := await self._next_head()) is not None:
            self._exchange = Exchange(self._service, self._wire, connection, head)
            await self._exchange.run()
            self._exchange = None
            await self._let_others_run()
            if not connection.start_next_cycle():
                await self._part()
                return

    async def _let_others_run(self) -> None:
        """A request that had arrived with the one before is served without waiting for anything: thousands of
        small ones in one packet would otherwise stop every other connection for as long."""
        self._in_a_row += 1
        if self._in_a_row >= _TURN:
            self._in_a_row = 0
            await trio.lowlevel.checkpoint()

    async def _next_head(self) -> RequestHead | None:
        """None when the connection is over."""
        wire, connection = self._wire, self._connection
        wire.idle = True
        wire.within(wire.limits.idle_seconds)
        rest = connection.body_unread  # of the last request: it was refused before its body had come
        while True:
            event = connection.next_event()
            if isinstance(event, RequestHead):
                wire.idle = False
                wire.our_turn()
                return event
            match event:
                case NeedData():
                    if rest and connection.between_requests:
                        rest, wire.idle = False, True  # what came was no head
                        if self._service.stopping:
                            return None
                        wire.within(wire.limits.idle_seconds)
                    if self._service.stopping and wire.idle and not rest:
                        return None  # it was told to while the last answer was on its way
                    data = await wire.receive()
                    self._in_a_row = 0
                    if wire.idle and data:
                        wire.idle = False
                        wire.within(wire.limits.head_seconds)
                    connection.receive_data(data)
                case Malformed(error):
                    wire.our_turn()
                    await answer_malformed(self._service, wire, connection, error)
                    await wire.linger(_LINGER_BYTES)
                    return None
                case ConnectionClosed():
                    return None
                case other:
                    raise AssertionError(f"{other} between requests")
            if self._service.stopping and wire.idle:
                return None

    async def _part(self) -> None:
        """The last reply was sent: let the client read it before the socket goes."""
        if self._connection.body_unread:
            await self._wire.linger(_LINGER_BYTES)

    async def answer_late_client(self) -> None:
        """The watchdog ended a request whose client stopped sending: tell it so if nothing was sent yet."""
        exchange = self._exchange
        if exchange is None:
            return
        try:
            if self._connection.reply_begun:
                self._wire.abort()  # it does not read: what it has got is not all
            else:
                self._connection.close_after_reply()
                with trio.move_on_after(self._wire.limits.linger_seconds):
                    await exchange.refuse(S3Error("RequestTimeout"))
                    await self._part()
        finally:
            exchange.account()
