"""Answers to what never became a request: bytes that are no HTTP, connections beyond a limit."""

from __future__ import annotations

import re
from typing import Final

from weka_mp.s3.connection import Connection, Malformed, NeedData, RequestHead
from weka_mp.s3.errors import S3Error, render_error
from weka_mp.s3.request import S3Request
from weka_mp.server import access_log
from weka_mp.server.access_log import RequestRecord
from weka_mp.server.auditing import Audited, is_audited, tell
from weka_mp.server.service import Service
from weka_mp.server.wire import PeerGone, Wire
from weka_mp.tls import PlainHttp

__all__ = ["answer_malformed", "answer_plain", "turn_away"]

_LINGER_BYTES: Final = 64 * 1024  # of the request that a client who is turned away may have sent
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")


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
    if is_audited(service):
        now = service.clock.now_ns()
        tell(service, wire, record, Audited(now, None, None, ((), size), size, wire.tls_version))
    await wire.send(answer)
    service.metrics.count("-", error.status, 0.0, 0, size)
    access_log.write(record)


async def answer_plain(service: Service, wire: Wire) -> None:
    """Answer plain HTTP on a port that speaks TLS, as the settings want it. Raises PeerGone.

    The request is read as far as its head: where it wanted to go is where a redirection leads.
    """
    certificates = service.certificates
    if certificates is None or certificates.settings.plain is PlainHttp.REFUSE:
        return
    connection = Connection()
    while isinstance(event := connection.next_event(), NeedData):
        connection.receive_data(await wire.receive())
    wire.our_turn()
    match event:
        case RequestHead():
            connection.close_after_reply()
            error = _where_to(event.request, certificates.settings.plain)
        case Malformed():
            error = event.error
        case _:
            return  # it went away
    await answer_malformed(service, wire, connection, error)
    await wire.linger(_LINGER_BYTES)


def _where_to(request: S3Request, plain: PlainHttp) -> S3Error:
    host = request.headers.get("host") or ""
    if plain is PlainHttp.REDIRECT and _HOST.fullmatch(host) is not None:
        query = b"?" + request.raw_query if request.raw_query else b""
        where = f"https://{host}{(request.raw_path + query).decode('latin-1')}"
        return S3Error("Redirect", "This port speaks TLS.", headers={"Location": where})
    return S3Error("BadRequest", "This port speaks TLS, and the request came in the clear: use https.")


async def turn_away(service: Service, wire: Wire) -> None:
    """Tell a client that there is no room for its connection, and close. Not logged: it may happen often.

    The answer is worth a moment: SDKs try again after SlowDown, while a connection that is closed without a
    word is an error to most.
    """
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
