"""Keeping a client that waits for long work: the head of a 200, then white space, then the document.

S3 does the same for completions and copies, since clients and what stands between give up a connection on
which nothing comes. White space may stand between the XML declaration and the root element (XML 1.0, 2.8), so
the declaration is sent first. What fails after that is an Error document in the 200; what can be known
beforehand still is a status, because nothing is sent before the work says that it has begun.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import trio

from weka_mp.s3.connection import Connection
from weka_mp.s3.xml_elements import DECLARATION
from weka_mp.server.wire import PeerGone, Wire

__all__ = ["KeepAlive"]

_FIRST: Final = DECLARATION.encode("ascii")
_SPACE: Final = b" "
_Result = TypeVar("_Result")


class KeepAlive:
    """White space on one connection while one piece of work takes its time.

    make_head: the bytes of the head of a 200 with an XML body of unknown length.
    """

    def __init__(
        self, wire: Wire, connection: Connection, make_head: Callable[[], bytes], seconds: float
    ) -> None:
        self._wire = wire
        self._connection = connection
        self._make_head = make_head
        self._seconds = seconds
        self._allowed = False
        self._gone = False

    def allow(self) -> None:
        """From now on the answer may begin (called from any thread)."""
        self._allowed = True

    async def during(self, work: Callable[[], Awaitable[_Result]]) -> _Result:
        """Do the work to its end, whether or not the client is still there.

        Raises what the work raises, and PeerGone after it when the client went away.
        """
        done = trio.Event()
        results: list[_Result] = []
        failures: list[Exception] = []

        async def run() -> None:
            try:
                results.append(await work())
            except Exception as error:  # noqa: BLE001 - raised again below, not in a group
                failures.append(error)
            finally:
                done.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            while not done.is_set():
                with trio.move_on_after(self._seconds):
                    await done.wait()
                    break
                if self._allowed and not self._gone:
                    await self._send_some()
        if failures:
            raise failures[0]
        if self._gone:
            raise PeerGone
        return results[0]

    async def _send_some(self) -> None:
        connection = self._connection
        try:
            if connection.reply_begun:
                await self._wire.send(connection.send_body(_SPACE))
            else:
                await self._wire.send(self._make_head() + connection.send_body(_FIRST))
        except PeerGone:
            self._gone = True

    async def finish(self, document: bytes) -> None:
        """Send the document that the white space was for. Raises PeerGone."""
        rest = self._connection.send_body(document.removeprefix(_FIRST))
        await self._wire.send(rest + self._connection.send_end())
