"""A client's socket that speaks TLS: the same as a `Wire`, through OpenSSL.

OpenSSL reads and writes the non-blocking socket itself; where it would wait, trio waits. A client that ends
without close_notify is one that ended: requests say how long they are, so a cut is seen (RFC 9112, 9.8).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Final

import trio

from weka_mp.server.limits import Limits
from weka_mp.server.wire import PeerGone, Wire

__all__ = ["HandshakeFailed", "SecureWire"]

_RECORD: Final = 16 * 1024  # the most that one record holds (RFC 8446, 5.1)


class HandshakeFailed(Exception):
    """The client does not speak TLS as we do, or went away."""


class SecureWire(Wire):
    """A plain one until `handshake` was done."""

    __slots__ = ("_secured",)

    def __init__(self, connected: socket.socket, remote: str, limits: Limits) -> None:
        super().__init__(connected, remote, limits)
        self._secured: ssl.SSLSocket | None = None

    async def handshake(self, context: ssl.SSLContext) -> None:
        """From now on all is encrypted. Raises HandshakeFailed."""
        try:
            # The new object takes the descriptor over.
            secured = self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
            )
        except (OSError, ValueError) as error:
            raise HandshakeFailed(str(error)) from error
        while True:
            try:
                secured.do_handshake()
                break
            except ssl.SSLWantReadError:
                await trio.lowlevel.wait_readable(self.socket)
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self.socket)
            except OSError as error:
                raise HandshakeFailed(_reason(error)) from error
        self._secured = secured
        self.secure = True
        self.tls_version = (secured.version() or "").removeprefix("TLSv") or None

    async def receive(self, size: int = 4 * _RECORD) -> bytes:
        """See Wire. Records that have come whole are taken together."""
        if self._secured is None:
            return await super().receive(size)
        pieces: list[bytes] = []
        total, waited = 0, False
        while total < size:
            try:
                data = self.socket.recv(min(_RECORD, size - total))
            except (ssl.SSLWantReadError, BlockingIOError):
                if pieces:
                    break
                await trio.lowlevel.wait_readable(self.socket)
                waited = True
                continue
            except ssl.SSLWantWriteError:
                await trio.lowlevel.wait_writable(self.socket)
                continue
            except ssl.SSLEOFError:
                data = b""
            except OSError as error:
                raise PeerGone from error
            if not data:
                break
            pieces.append(data)
            total += len(data)
        if not waited:
            await trio.lowlevel.checkpoint()  # others have their turn, too
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def send(self, data: bytes, *, more: bool = False) -> None:
        """See Wire; what follows goes into records of its own."""
        if self._secured is None:
            await super().send(data, more=more)
            return
        rest, waited = memoryview(data), False
        while rest:
            try:
                rest = rest[self.push(rest):]
            except BlockingIOError:
                await self.writable()
                waited = True
            except OSError as error:
                raise PeerGone from error
        if waited:
            self.our_turn()

    def push(self, data: bytes | memoryview) -> int:
        """Encrypt and send one record at most: how many bytes of `data` it held. May be called in a thread,
        with nobody else using the wire meanwhile. Raises BlockingIOError when the socket is full (what is
        handed over next must begin with the same bytes), another OSError when the client is gone.
        """
        try:
            return self.socket.send(data)
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as error:
            raise BlockingIOError from error

    async def linger(self, most: int) -> None:
        """See Wire. What still comes is thrown away as it is, encrypted."""
        self._say_end()  # shutdown(2) then takes OpenSSL away from the socket
        await super().linger(most)

    def close(self) -> None:
        """See Wire: says that nothing more comes, so that nobody takes a cut for an end."""
        self._say_end()
        super().close()

    def abort(self) -> None:
        """See Wire: the client must not take this for an end."""
        self._secured = None
        super().abort()

    def _say_end(self) -> None:
        """close_notify, once, without waiting for the client's."""
        secured, self._secured = self._secured, None
        if secured is not None:
            with contextlib.suppress(OSError, ValueError):
                secured.unwrap()


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return error.strerror or str(error)
