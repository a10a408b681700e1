"""Serves the administration API on listeners: bounded in size, time and number of connections."""

from __future__ import annotations

import logging
import os
import socket
import struct
from typing import Final

import trio

from weka_mp.control.api import respond
from weka_mp.control.http import BadRequest, Request, RequestReader, json_response
from weka_mp.control.service import Service

__all__ = ["serve_admin"]

log = logging.getLogger(__name__)

_REQUEST_SECONDS: Final = 10.0  # from the connection to a complete request, against slow clients
_ANSWER_SECONDS: Final = 30.0  # to make and send the answer
_CONNECTIONS: Final = 32  # at once; more wait in the listen queue
_UCRED: Final = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


async def serve_admin(
    service: Service,
    listeners: list[trio.SocketListener],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer on all listeners until cancelled.

    A unix socket's caller is trusted if it is root or of our uid.
    """
    slots = trio.CapacityLimiter(_CONNECTIONS)

    async def serve_one(stream: trio.SocketStream) -> None:
        async with slots, stream:
            try:
                await _serve(service, stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
                log.debug("an administration connection ended early: %r", error)

    async with trio.open_nursery() as nursery:
        for listener in listeners:
            await nursery.start(trio.serve_listeners, serve_one, [listener])
        task_status.started()


async def _serve(service: Service, stream: trio.SocketStream) -> None:
    try:
        with trio.fail_after(_REQUEST_SECONDS):
            request = await _receive(stream)
    except BadRequest as error:
        answer = json_response(error.status, {"error": str(error)}).encode()
    else:
        if request is None:
            return
        with trio.fail_after(_ANSWER_SECONDS):
            response = await respond(
                service, request, trusted=_is_trusted(stream.socket), source=_source(stream.socket)
            )
        answer = response.encode(head_only=request.method == "HEAD")
    with trio.fail_after(_ANSWER_SECONDS):
        await stream.send_all(answer)
        await _finish(stream)


async def _receive(stream: trio.SocketStream) -> Request | None:
    reader = RequestReader()
    while data := await stream.receive_some(16 * 1024):
        request = reader.feed(bytes(data))
        if request is not None:
            return request
    return None


async def _finish(stream: trio.SocketStream) -> None:
    """Closing with unread bytes resets the connection and may take the answer with it (RFC 9112, 9.6)."""
    await stream.send_eof()
    with trio.move_on_after(1.0):
        while await stream.receive_some(16 * 1024):
            pass


def _source(sock: trio.socket.SocketType) -> str:
    """The client's address, for counting failed logins."""
    return "local" if sock.family == socket.AF_UNIX else str(sock.getpeername()[0])


def _is_trusted(sock: trio.socket.SocketType) -> bool:
    if sock.family != socket.AF_UNIX:
        return False
    _, uid, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return uid in (0, os.geteuid())
