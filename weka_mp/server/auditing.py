"""What the audit is told of a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from weka_mp.audit import Call
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Address, S3Request
from weka_mp.s3.routing import route
from weka_mp.server.access_log import RequestRecord
from weka_mp.server.service import Service
from weka_mp.server.wire import Wire

__all__ = ["Answered", "Audited", "is_audited", "operation_of", "tell"]

Answered = tuple[tuple[tuple[str, str], ...], int | None]
"""The header fields of an answer, and its Content-Length."""

_UNKNOWN: Final = "-"


@dataclass(frozen=True, slots=True)
class Audited:
    """Beside the record of a request. began_ns: when it came. request: None for what was none.

    where: of the request; None where it was not found out. sent: bytes of the answer's body; None: it does
    not leave as a whole, and the record says how many did.
    """

    began_ns: int
    request: S3Request | None
    where: Address | None
    answered: Answered
    sent: int | None
    tls_version: str | None


def is_audited(service: Service) -> bool:
    """Whether anybody wants events: all that a request costs while nobody does."""
    trail = service.trail
    return trail is not None and trail.active


def tell(service: Service, wire: Wire, record: RequestRecord, about: Audited) -> None:
    """Keep the event of one request; it outlives this process once this returns."""
    assert service.trail is not None
    request = about.request
    headers = () if request is None else request.headers.items()
    agent = "" if request is None else request.headers.get("user-agent") or ""
    service.trail.tell(
        Call(
            request_id=record.request_id, name=operation_of(record, about), method=record.method,
            bucket=record.bucket or "", key=record.key or b"", status=record.status, time_ns=about.began_ns,
            taken_ns=max(0, service.clock.now_ns() - about.began_ns), remote=record.remote,
            server_ip=wire.local, request_headers=headers, query=() if request is None else request.query,
            response_headers=_answered(about), user_agent=agent, error=record.code or "",
            access_key=record.access_key or "", user=record.user or "", account=record.account or "",
            received=record.received, sent=record.sent if about.sent is None else about.sent,
            complete=about.sent is not None, tls_version=about.tls_version or "",
        )
    )


def operation_of(record: RequestRecord, about: Audited) -> str:
    """The operation; of a request that was refused before that was of interest, what it would have been."""
    if record.operation != _UNKNOWN or about.request is None or about.where is None:
        return record.operation
    try:
        return route(about.request, about.where)
    except S3Error:
        return _UNKNOWN


def _answered(about: Audited) -> tuple[tuple[str, str], ...]:
    fields, length = about.answered
    return fields if length is None else (*fields, ("Content-Length", str(length)))
