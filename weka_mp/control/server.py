"""Serves the administration API on listeners: bounded in size, time and number of connections."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from typing import Final

import trio

from weka_mp.control.api import respond
from weka_mp.control.http import BadRequest, Request, RequestReader, json_response
from weka_mp.control.service import Service
from weka_mp.tls import Certificates, PlainHttp

__all__ = ["serve_admin"]

log = logging.getLogger(__name__)

_REQUEST_SECONDS: Final = 10.0  # from the connection to a complete request, against slow clients
_ANSWER_SECONDS: Final = 30.0  # to make and send the answer
_CONNECTIONS: Final = 32  # at once at each address; more wait in the listen queue
_PAUSE_SECONDS: Final = 0.1  # when descriptors have run out: time for some to come back
_HANDSHAKE: Final = b"\x16"  # the kind of TLS's first record (RFC 8446, 5.1)
_PLAIN: Final = "this port speaks TLS, and the request came in the clear: use https (weka-mp: -H https://HOST)"
_UCRED: Final = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED


async def serve_admin(
    service: Service,
    listeners: list[trio.SocketListener],
    certificates: Certificates | None = None,
    *,
    names: Collection[str] = (),
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer on all listeners until cancelled; certificates: speak TLS on the network.

    A unix socket's caller is trusted if it is root or of our uid. names: what we may be called on the network
    (control.http); over TLS the client has seen a certificate of the name.
    """
    async def serve_one(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                if stream.socket.family == socket.AF_UNIX:
                    await _serve(service, stream, stream)
                elif certificates is None:
                    await _serve(service, stream, stream, names)
                else:
                    await _serve_secured(service, stream, certificates)
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
                log.debug("an administration connection ended early: %r", error)

    async with trio.open_nursery() as nursery:
        for listener in listeners:
            nursery.start_soon(_accept, listener, serve_one)
        task_status.started()


async def _accept(
    listener: trio.SocketListener, serve_one: Callable[[trio.SocketStream], Awaitable[None]]
) -> None:
    """Until cancelled. Each listener has room of its own: whoever holds all of the network's does not keep
    anybody from the socket. No connection is accepted, and no descriptor taken, before there is room.
    """
    room = trio.Semaphore(_CONNECTIONS)

    async def serve(stream: trio.SocketStream) -> None:
        try:
            await serve_one(stream)
        finally:
            room.release()

    async with listener, trio.open_nursery() as nursery:
        while True:
            await room.acquire()
            try:
                stream = await listener.accept()
            except OSError as error:
                log.warning("cannot accept connections of administration: %s", error)
                room.release()
                await trio.sleep(_PAUSE_SECONDS)
                continue
            nursery.start_soon(serve, stream)


async def _serve_secured(service: Service, plain: trio.SocketStream, certificates: Certificates) -> None:
    """The handshake first; plain HTTP is told that this is not it."""
    with trio.fail_after(_REQUEST_SECONDS):
        first = await plain.socket.recv(1, socket.MSG_PEEK)
        if first == _HANDSHAKE:
            stream = trio.SSLStream(plain, certificates.context(), server_side=True, https_compatible=True)
            await stream.do_handshake()
        elif first and certificates.settings.plain is not PlainHttp.REFUSE:
            await plain.send_all(json_response(HTTPStatus.BAD_REQUEST, {"error": _PLAIN}).encode())
            await _finish(plain)
    if first == _HANDSHAKE:
        await _serve(service, stream, plain)


async def _serve(
    service: Service,
    stream: trio.abc.Stream,
    connected: trio.SocketStream,
    names: Collection[str] | None = None,
) -> None:
    """stream: of requests and answers, over the socket of `connected`. names: None: whatever it asks for."""
    try:
        with trio.fail_after(_REQUEST_SECONDS):
            request = await _receive(stream, names)
    except BadRequest as error:
        answer = json_response(error.status, {"error": str(error)}).encode()
    else:
        if request is None:
            return
        with trio.fail_after(_ANSWER_SECONDS):
            response = await respond(
                service, request, trusted=_is_trusted(connected.socket), source=_source(connected.socket)
            )
        answer = response.encode(head_only=request.method == "HEAD")
    with trio.fail_after(_ANSWER_SECONDS):
        await stream.send_all(answer)
        if stream is connected:
            await _finish(connected)
        else:
            await stream.aclose()  # says close_notify; nothing of the one request was left unread


async def _receive(stream: trio.abc.Stream, names: Collection[str] | None) -> Request | None:
    reader = RequestReader(names)
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
