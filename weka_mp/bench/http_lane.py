"""One kept connection that sends prepared requests and reads whole responses, as cheaply as Python can."""

from __future__ import annotations

import socket
from typing import Final

from weka_mp.bench.targets import TargetFailed

__all__ = ["Lane"]

_PIECE: Final = 1 << 20
_TIMEOUT_SECONDS: Final = 120.0


class Lane:
    """A blocking connection; made at first use, and again when the server closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def exchange(self, request: bytes, *, bodyless: bool = False) -> tuple[int, bytes]:
        """Send a request and return the status and the body; bodyless: the answer to a HEAD.

        Raises TargetFailed when the connection breaks.
        """
        fresh = self._socket is None
        try:
            return self._exchange(request, bodyless)
        except (OSError, EOFError) as error:
            self.close()
            if fresh:
                raise TargetFailed(f"{self._address[0]}:{self._address[1]}: {error}") from error
        return self.exchange(request, bodyless=bodyless)  # the server had closed an idle connection

    def _exchange(self, request: bytes, bodyless: bool) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, _TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        head, rest = self._head(self._socket)
        status = int(head[9:12])
        lower = head.lower()
        if bodyless or status in (204, 304):
            body = b""
        elif (at := lower.find(b"\r\ncontent-length:")) >= 0:
            length = int(lower[at + 17 : lower.index(b"\r\n", at + 2)])
            body = self._exactly(self._socket, rest, length)
        elif b"\r\ntransfer-encoding: chunked" in lower:
            body = self._chunks(self._socket, rest)
        else:
            raise EOFError("a response without a length")
        if b"\r\nconnection: close" in lower:
            self.close()
        return status, body

    @staticmethod
    def _head(source: socket.socket) -> tuple[bytes, bytes]:
        data = b""
        while True:
            end = data.find(b"\r\n\r\n")
            if end >= 0:
                if data[9:12] == b"100":
                    data = data[end + 4 :]
                    continue
                return data[: end + 2], data[end + 4 :]
            data += _some(source)

    @staticmethod
    def _exactly(source: socket.socket, data: bytes, length: int) -> bytes:
        if len(data) >= length:
            return data
        pieces, missing = [data], length - len(data)
        while missing:
            pieces.append(_some(source))
            missing -= len(pieces[-1])
        return b"".join(pieces)

    @staticmethod
    def _chunks(source: socket.socket, data: bytes) -> bytes:
        body = b""
        while True:
            while (end := data.find(b"\r\n")) < 0:
                data += _some(source)
            size = int(data[:end].partition(b";")[0], 16)
            while len(data) < end + 2 + size + 2:
                data += _some(source)
            body += data[end + 2 : end + 2 + size]
            data = data[end + 2 + size + 2 :]
            if not size:
                return body


def _some(source: socket.socket) -> bytes:
    piece = source.recv(_PIECE)
    if not piece:
        raise EOFError("the server closed the connection")
    return piece
