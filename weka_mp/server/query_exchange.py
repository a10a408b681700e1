"""STS and IAM at the S3 endpoint: a request in AWS's query protocol, from its head to the document in answer.

They share an address with ListBuckets, and with nothing else: `is_query` says which is meant, by method, path
and form alone. No bucket's address is ever theirs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final

import trio

from weka_mp.control.desk import Desk
from weka_mp.gateway.identities import Asking
from weka_mp.gateway.question_context import QuestionContext, Sender
from weka_mp.identity import Principal
from weka_mp.offload import run_blocking
from weka_mp.policy.documents import Policy
from weka_mp.query.errors import QueryError, to_query_error
from weka_mp.query.operations import APIS, answer, find
from weka_mp.query.parameters import FORM, MAX_BODY_BYTES, Parameters, parse
from weka_mp.query.xml import render_error
from weka_mp.s3.connection import Connection, RequestHead
from weka_mp.s3.credentials import Authentication, AuthKind
from weka_mp.s3.errors import S3Error
from weka_mp.s3.payload import BodyReader
from weka_mp.s3.query_signature import Claim, claim, verify
from weka_mp.s3.request import Address, S3Request
from weka_mp.s3.sigv4 import Regions
from weka_mp.server.access_log import RequestRecord
from weka_mp.server.receive_body import read_document
from weka_mp.server.service import ALSO_ACCEPTED, Service
from weka_mp.server.wire import Wire

__all__ = ["QueryAnswer", "answer_query", "is_query"]

_log = logging.getLogger("weka_mp.server")

XML_TYPE: Final = ("Content-Type", "text/xml")
_UNKNOWN: Final = "Query"  # what the log and the counts call a request that named no operation
_BODILESS: Final = Authentication(None, AuthKind.ANONYMOUS)
_REGIONS: Final = ALSO_ACCEPTED | {""}  # MinIO's SDKs name none when they ask for credentials
_SUBJECTS: Final = (
    "UserName", "NewUserName", "GroupName", "NewGroupName", "PolicyName", "PolicyArn", "AccessKeyId",
)  # fmt: skip
"""What a change is about, for the log: of one that was made, so these are names that were good."""

_OUR_FAULT: Final = frozenset({"ServiceFailure", "ServiceUnavailable"})
_CHANGES_NOTHING: Final = ("Get", "List")
_GIVES_OUT: Final = frozenset({"GetSessionToken"})


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """What goes back. code: of a refusal, for the log."""

    status: int
    body: bytes = field(repr=False)
    code: str | None = None


def is_query(request: S3Request, where: Address) -> bool:
    """Whether it is one: at the service's own address, GET with an Action, or POST of a form or with one."""
    if where.bucket is not None or where.virtual_hosted:
        return False
    if request.method == "GET":
        return request.has_query("Action")
    return request.method == "POST" and (request.has_query("Action") or _is_form(request))


def _is_form(request: S3Request) -> bool:
    return (request.headers.get("content-type") or "").partition(";")[0].strip().lower() == FORM


async def answer_query(
    service: Service, wire: Wire, connection: Connection, head: RequestHead, record: RequestRecord, now: float
) -> QueryAnswer:
    """Who asks, what for, and the answer; what is refused is an answer, too. now: epoch seconds.

    Raises PeerGone.
    """
    namespace = APIS[0].namespace
    record.operation = _UNKNOWN
    try:
        asking, request = service.asking(), head.request
        claimed = claim(
            request, now=now, lookup=asking.lookup, regions=Regions(service.settings.region, _REGIONS)
        )
        body = await _body(wire, connection, head)
        record.received = len(body)
        origin = service.proxies.origin(wire, request.headers)
        verify(request, claimed, body, secure=origin.secure)
        record.access_key = claimed.access_key
        _pace(service, asking, claimed, now, record)
        parameters = _parameters(request, body)
        api, _ = find(parameters)
        namespace, record.operation = api.namespace, f"{api.name}:{parameters.action}"
        sent = Authentication(claimed.access_key, AuthKind.HEADER_V4, secure=origin.secure)
        sender = Sender(request, sent, origin.remote, now, origin.tls_version)
        context = QuestionContext(
            sender, asking.principal(claimed.access_key, now), None, service.settings.region,
            parameters.action, service.settings.account, None, None,
        )
        done = await run_blocking(_answer, service, claimed, parameters, record, context)
    except Exception as error:
        refused = to_query_error(error)
        if refused is None:
            raise
        if refused.code in _OUR_FAULT:
            _log.error("request %s failed: %s", record.request_id, error)
        return QueryAnswer(
            refused.status, render_error(refused, namespace, record.request_id), refused.code
        )
    return QueryAnswer(200, done)


def _pace(service: Service, asking: Asking, claimed: Claim, now: float, record: RequestRecord) -> None:
    """Who it is, and their rate. Raises S3Error SlowDown."""
    try:
        principal = asking.principal(claimed.access_key, now)
    except S3Error:
        return  # the key has expired, which is answered below
    record.user, record.account = principal.shown, principal.owner
    service.pacing.check_user(principal, trio.current_time())


def _answer(
    service: Service, claimed: Claim, parameters: Parameters, record: RequestRecord, context: QuestionContext
) -> bytes:
    """In a thread: records are read, and written."""
    desk = service.desk
    if desk is None:
        raise QueryError("ServiceUnavailable", "There are no users here.")
    who = _who(desk, claimed)
    done = answer(desk, who, claimed.service, parameters, record.request_id, record.remote, context)
    if not parameters.action.startswith(_CHANGES_NOTHING) or parameters.action in _GIVES_OUT:
        about = " ".join(filter(None, (parameters.text_or_none(name) for name in _SUBJECTS)))
        _log.info("%s, from %s: %s %s", who.arn, record.remote, record.operation, about)
    return done


def _who(desk: Desk, claimed: Claim) -> Principal[Policy]:
    """Looked at once more, by the records as they are now. Raises QueryError, CredentialExpired."""
    who = desk.identities.principal(claimed.access_key)
    if who is None:
        raise S3Error("InvalidAccessKeyId")
    return who


async def _body(wire: Wire, connection: Connection, head: RequestHead) -> bytes:
    """Raises S3Error: too long, or of no declared length."""
    reader = BodyReader(
        head.request, _BODILESS, head.content_length, need_md5=False, max_length=MAX_BODY_BYTES
    )
    return await read_document(wire, connection, reader)


def _parameters(request: S3Request, body: bytes) -> Parameters:
    """Raises QueryError."""
    if body and not (request.method == "POST" and _is_form(request)):
        raise QueryError("MalformedQueryString", f"A body must be a form: POST, Content-Type {FORM}.")
    return parse(request.query, body)
