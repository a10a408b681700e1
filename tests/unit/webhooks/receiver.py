"""A receiver of webhooks on loopback that does as it is told."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer(status: str, body: bytes = b"", *fields: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Request:
    head: bytes
    body: bytes


@dataclass
class Receiver:
    """`script` gets the connection and the request, and answers; False: the connection is closed then."""

    listening: socket.socket
    script: Callable[[socket.socket, Request], bool]
    context: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def __post_init__(self) -> None:
        self.port = int(self.listening.getsockname()[1])

    def run(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                while (request := _read(connection)) is not None:
                    self.requests.append(request)
                    if not self.script(connection, request):
                        return


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields[b"content-length"])
    while len(body) < length:
        body += connection.recv(65536)
    return Request(head, body)


def accepting(connection: socket.socket, request: Request) -> bool:
    connection.sendall(OK)
    return True


@contextmanager
def receiving(
    script: Callable[[socket.socket, Request], bool] = accepting, context: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        receiver = Receiver(listening, script, context)
        thread = threading.Thread(target=receiver.run, daemon=True)
        thread.start()
        yield receiver
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(5)
