"""Answers to what never became a request: bytes that are no HTTP, connections beyond a limit."""

from __future__ import annotations

import socket
from typing import Final

from weka_mp.s3.connection import Connection
from weka_mp.s3.errors import S3Error, render_error
from weka_mp.server import access_log
from weka_mp.server.access_log import RequestRecord
from weka_mp.server.service import Service
from weka_mp.server.wire import PeerGone, Wire

__all__ = ["answer_malformed", "turn_away"]

_LINGER_BYTES: Final = 64 * 1024  # of the request that a client who is turned away may have sent


def _encode(service: Service, connection: Connection, error: S3Error, request_id: str) -> tuple[bytes, int]:
    """A whole answer, and the bytes of its body."""
    body = render_error(error, "", request_id, service.host_id)
    fields = (*service.common_fields(request_id), ("Content-Type", "application/xml"))
    head = connection.send_head(error.status, (*fields, *error.headers.items()), len(body))
    answer = head + connection.send_body(body)
    connection.send_end()
    return answer, len(body)


async def answer_malformed(service: Service, wire: Wire, connection: Connection, error: S3Error) -> None:
    """Answer what was no request. Raises PeerGone."""
    record = RequestRecord(service.request_id(), wire.remote, operation="-", status=error.status)
    record.code = error.code
    answer, size = _encode(service, connection, error, record.request_id)
    await wire.send(answer)
    service.metrics.count("-", error.status, 0.0, 0, size)
    access_log.write(record)


async def turn_away(service: Service, connected: socket.socket, remote: str) -> None:
    """Tell a client that there is no room for its connection, and close. Not logged: it may happen often.

    The answer is worth a moment: SDKs try again after SlowDown, while a connection that is closed without a
    word is an error to most.
    """
    wire = Wire(connected, remote, service.settings.limits)
    connection = Connection()
    connection.close_after_reply()
    answer, _ = _encode(service, connection, S3Error("SlowDown"), service.request_id())
    try:
        await wire.send(answer)
        await wire.linger(_LINGER_BYTES)
    except PeerGone:
        return  # it did not wait for the answer
    finally:
        wire.close()
