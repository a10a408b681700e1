"""One call of S3, STS or IAM as a JSON event.

The shape is the one that WEKA documents ("Example: How to use S3 audit events for tracking and security"),
with further fields in `wekaInfo`. docs/ADMINISTRATION.md describes it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from json.encoder import encode_basestring_ascii
from typing import Final

import weka_mp
from weka_mp.audit.redaction import headers_shown, query_shown, readable, text_of_key

__all__ = ["DROPPED", "VERIFYING", "Call", "Deployment", "dropped_event", "encode", "probe_event"]

DROPPED: Final = "AuditEventsDropped"
"""What an event is called that tells of others which found no room."""

VERIFYING: Final = "AuditWebhookVerified"
"""What the event is called that ``audit-webhook enable --verify`` sends."""

_VERSION: Final = "1.weka"
_NO_EXCHANGE: Final = '"remotehost":"","requestHeader":{},"requestID":"","responseHeader":{}'
_SECOND: Final = 1_000_000_000
_CLIENT_GONE: Final = 499

quoted: Final = encode_basestring_ascii
"""Text as JSON, in ASCII."""


class Deployment:
    """Which service it was. store_id: 32 hex digits; name: of the store's directory; host: of the machine.

    guid: the store's id in the form of a UUID. shown: its part of `wekaInfo`, JSON.
    """

    __slots__ = ("guid", "shown")

    def __init__(self, store_id: str, name: str, host: str) -> None:
        self.guid = "-".join(
            (store_id[:8], store_id[8:12], store_id[12:16], store_id[16:20], store_id[20:])
        )
        release = quoted(weka_mp.__version__)
        self.shown = (
            f'"clusterGUID":"{self.guid}","clusterName":{quoted(readable(name))},"release":{release},'
            f'"serverName":{quoted(readable(host))},"version":{release}'
        )

    @classmethod
    def here(cls, store_id: str, name: str) -> Deployment:
        """On this machine."""
        return cls(store_id, name, socket.gethostname())


@dataclass(slots=True)  # frozen ones take three times as long to make
class Call:
    """What is known of a call when its answer is about to leave.

    time_ns:  when it came, since the epoch; taken_ns: how long it took.
    access_key, user, account: whose signature was found good; empty: nobody's, `user` is then ``anonymous``
              or empty.
    received, sent: bytes of the bodies. complete: whether the answer left as a whole, as far as we can tell.
    server_ip: the address that the client reached.
    """

    request_id: str
    name: str
    method: str
    bucket: str
    key: bytes
    status: int
    time_ns: int
    taken_ns: int
    remote: str
    server_ip: str
    request_headers: Iterable[tuple[str, str]]
    query: Sequence[tuple[str, str]]
    response_headers: Iterable[tuple[str, str]]
    user_agent: str
    error: str = ""
    access_key: str = ""
    user: str = ""
    account: str = ""
    received: int = 0
    sent: int = 0
    complete: bool = True
    tls_version: str = ""


def encode(call: Call, deployment: Deployment) -> bytes:
    """One line of JSON in ASCII, with its end."""
    api = _api(
        quoted(readable(call.bucket)), quoted(call.name), quoted(text_of_key(call.key)), call.status,
        call.taken_ns,
    )
    about = (
        f'"serverIP":{quoted(call.server_ip)},'
        f'"accessKey":{quoted(readable(call.access_key))},"user":{quoted(readable(call.user))},'
        f'"account":{quoted(readable(call.account))},"method":{quoted(readable(call.method))},'
        f'"query":{_object(query_shown(call.query)) if call.query else "{}"},'
        f'"errorCode":{quoted(call.error)},"bytesReceived":{call.received},"bytesSent":{call.sent},'
        f'"complete":{"true" if call.complete else "false"},"tlsVersion":{quoted(call.tls_version)}'
    )
    exchange = (
        f'"remotehost":{quoted(call.remote)},"requestHeader":{_object(headers_shown(call.request_headers))},'
        f'"requestID":{quoted(call.request_id)},'
        f'"responseHeader":{_object(headers_shown(call.response_headers))}'
    )
    agent = quoted(readable(call.user_agent))
    return _line(api, deployment, call.time_ns, about, exchange, agent)


def dropped_event(count: int, deployment: Deployment, now_ns: int) -> bytes:
    """Tells the receiver how many events found no room since it was last told."""
    about = f'"serverIP":"","dropped":{count}'
    return _line(_api('""', quoted(DROPPED), '""', 0, 0), deployment, now_ns, about)


def probe_event(deployment: Deployment, now_ns: int, user: str) -> bytes:
    """What shows that a receiver takes events."""
    about = f'"serverIP":"","user":{quoted(readable(user))}'
    return _line(_api('""', quoted(VERIFYING), '""', 0, 0), deployment, now_ns, about)


# Put together by hand, of parts that are JSON already: the encoder of the standard library takes twice as
# long, and there is one event for each request.
def _api(bucket: str, name: str, key: str, status: int, taken_ns: int) -> str:
    return (
        f'{{"bucket":{bucket},"name":{name},"object":{key},"status":{_phrase(status)},'
        f'"statusCode":{status},"timeToResponse":"{taken_ns}ns"}}'
    )


def _line(
    api: str, deployment: Deployment, time_ns: int, about: str, exchange: str = _NO_EXCHANGE,
    agent: str = '""',
) -> bytes:
    return (
        f'{{"api":{api},"auditVersion":"{_VERSION}","deploymentid":"{deployment.guid}",{exchange},'
        f'"time":"{_time(time_ns)}","userAgent":{agent},"wekaInfo":{{{deployment.shown},{about}}}}}\n'
    ).encode("ascii")


def _object(values: Mapping[str, str]) -> str:
    return "{" + ",".join([f"{quoted(name)}:{quoted(value)}" for name, value in values.items()]) + "}"


def _time(time_ns: int) -> str:
    """RFC 3339 in UTC with nanoseconds."""
    second, nanos = divmod(time_ns, _SECOND)
    return f"{_date(second)}.{nanos:09d}Z"


@lru_cache(maxsize=16)
def _date(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


@lru_cache(maxsize=256)
def _phrase(status: int) -> str:
    if status == _CLIENT_GONE:
        return '"Client Closed Request"'
    try:
        return quoted(HTTPStatus(status).phrase)
    except ValueError:
        return '""'
