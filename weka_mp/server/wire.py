"""One client's socket: non-blocking, raw, with the moment by which something must happen.

A plain socket with trio's wait_readable costs about half of a SocketStream. A time-out is a number here that
one watchdog compares for all connections, because a cancel scope for every wait would cost more than
the wait.
"""

from __future__ import annotations

import math
import socket
import struct
from typing import Final

import trio

from weka_mp.server.limits import Limits

__all__ = ["PeerGone", "Wire"]

_RECEIVE_BYTES: Final = 64 * 1024
_ACKED: Final = struct.Struct("@120xQ")  # struct tcp_info up to tcpi_bytes_acked (linux/tcp.h, Linux 4.1)
_RESET: Final = struct.pack("ii", 1, 0)  # struct linger: close sends RST at once


class PeerGone(Exception):
    """The client closed or reset the connection; nothing more can be said to it."""


class Wire:
    """`deadline` is in trio's time, infinite while it is our turn; `scope` ends all the connection does.

    idle: no request has begun. expired: the watchdog ended it. remote: the client's address; counted_for:
    the one in whose limit it counts, None for none. secure: the client speaks TLS; tls_version: which.
    """

    __slots__ = (
        "_acknowledged", "_patience", "counted_for", "deadline", "expired", "idle", "limits", "remote",
        "scope", "secure", "socket", "tls_version",
    )

    def __init__(self, connected: socket.socket, remote: str, limits: Limits) -> None:
        connected.setblocking(False)
        if connected.family in (socket.AF_INET, socket.AF_INET6):
            # Answers are written whole: waiting for more to send would only add 40 ms.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self.remote = remote
        self.limits = limits
        self.deadline = math.inf
        self.idle = True
        self.expired = False
        self.scope = trio.CancelScope()
        self.counted_for: str | None = None
        self.secure = False
        self.tls_version: str | None = None  # as in 1.3
        self._acknowledged: int | None = None  # bytes the client had taken when we began to wait for it
        self._patience = 0.0  # seconds that we will still wait before we look how many it took meanwhile

    @property
    def local(self) -> str:
        """The address that the client reached; empty on what has none."""
        try:
            address = self.socket.getsockname()
        except OSError:
            return ""
        return str(address[0]) if isinstance(address, tuple) else ""

    def within(self, seconds: float) -> None:
        """From now on the client has this long."""
        self.deadline = trio.current_time() + seconds

    def our_turn(self) -> None:
        """The client waits for us, not we for it."""
        self.deadline = math.inf
        self._acknowledged = None

    def expire(self) -> None:
        """The client took too long (called by the watchdog), unless it reads: slowly, but fast enough."""
        if self._acknowledged is not None and self._has_read():
            self._begin_patience()
            self.within(self._patience)
            return
        self.expired = True
        self.scope.cancel()

    async def receive(self, size: int = _RECEIVE_BYTES) -> bytes:
        """What has arrived, at least a byte; b"" when the client will send no more. Raises PeerGone."""
        while True:
            await trio.lowlevel.wait_readable(self.socket)
            try:
                return self.socket.recv(size)
            except BlockingIOError:
                continue
            except OSError as error:
                raise PeerGone from error

    async def send(self, data: bytes, *, more: bool = False) -> None:
        """All of it. more: a body follows at once and may share a packet with it. Raises PeerGone."""
        flags = socket.MSG_MORE if more else 0
        try:
            sent = self.socket.send(data, flags)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise PeerGone from error
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:], flags)

    async def _send_rest(self, rest: memoryview, flags: int) -> None:
        while rest:
            await self.writable()
            try:
                rest = rest[self.socket.send(rest, flags):]
            except BlockingIOError:
                continue
            except OSError as error:
                raise PeerGone from error
        self.our_turn()

    async def writable(self) -> None:
        """Wait for room to send, no longer than a reader may take.

        There is room only when a good part of the kernel's buffer was taken, which a slow client needs
        minutes for: what counts is therefore how many bytes it acknowledged, whatever there is room for.
        """
        if self._acknowledged is None:
            self._begin_patience()
        began = trio.current_time()
        self.within(self._patience)
        await trio.lowlevel.wait_writable(self.socket)
        self._patience -= trio.current_time() - began
        self.deadline = math.inf

    def _begin_patience(self) -> None:
        self._acknowledged = self._count_acknowledged()
        self._patience = self.limits.send_stall_seconds

    def _has_read(self) -> bool:
        """Whether the client took as much as it must since the patience with it began."""
        least = max(1, self.limits.bytes_per_second * self.limits.send_stall_seconds)
        return self._count_acknowledged() - (self._acknowledged or 0) >= least

    def _count_acknowledged(self) -> int:
        """Bytes that the client's side has taken of all we sent; on what is no TCP, nothing is known: 0."""
        try:
            info = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.size)
        except OSError:
            return 0
        return int(_ACKED.unpack(info)[0]) if len(info) == _ACKED.size else 0

    async def linger(self, most: int) -> None:
        """Say that nothing more comes and read on for a little.

        A socket closed with unread bytes in it sends RST, which makes the client lose the answer that
        explains why (RFC 9112, 9.6). Reads at most `most` bytes.
        """
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # it is gone already
        with trio.move_on_after(self.limits.linger_seconds):
            while most > 0 and (data := await self.receive()):
                most -= len(data)

    def abort(self) -> None:
        """End the connection so that the client notices that what it has read is not all (RST)."""
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError:
            return  # closed already
        self.close()

    def close(self) -> None:
        """Close; may be called twice."""
        if self.socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self.socket)
            self.socket.close()
