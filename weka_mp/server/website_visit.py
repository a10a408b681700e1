"""Visits of websites: which requests are such, on whose behalf they are made, and the pages of errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from weka_mp.gateway.access import Access
from weka_mp.gateway.context import Context
from weka_mp.gateway.identities import Asking
from weka_mp.gateway.question_context import Sender
from weka_mp.gateway.reply import Fields, ObjectReply, Reply
from weka_mp.gateway.website import Visit, visit
from weka_mp.s3.credentials import Authentication, AuthKind
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import S3Request, website_bucket, website_host
from weka_mp.s3.routing import OperationName
from weka_mp.s3.website_pages import HTML, render_page
from weka_mp.server.access_log import RequestRecord
from weka_mp.server.origin import Origin
from weka_mp.server.service import Service
from weka_mp.server.settings import ServerSettings

__all__ = ["VISIT", "answer_page", "context_of", "error_page", "visit_of"]

VISIT: Final = OperationName("VisitWebsite")
"""What the log, the audit and the counts call them: no operation of the S3 API."""


def visit_of(request: S3Request, settings: ServerSettings, secure: bool) -> Visit | None:
    """None: it is a request of the API."""
    if not settings.website_domains:
        return None
    bucket = website_bucket(request, settings.website_domains, settings.domains)
    if bucket is None:
        return None
    return Visit(bucket, request, "https" if secure else "http", website_host(request))


def context_of(
    service: Service, asking: Asking, asked: Visit, origin: Origin, now: float
) -> Context:
    """Of nobody: what a visitor signed, or asked for in a query, means nothing there. now: epoch seconds."""
    principal = asking.principal(None, now)
    nobody = Authentication(None, AuthKind.ANONYMOUS, secure=origin.secure)
    request = replace(asked.request, query=(), raw_query=b"")
    sender = Sender(request, nobody, origin.remote, now, origin.tls_version)
    return Context(service.site, principal, asked=Access(service.site, principal, "GetObject", sender))


def answer_page(context: Context, asked: Visit, record: RequestRecord) -> Reply | ObjectReply:
    """One attempt. Raises S3Error, NamespaceError."""
    shown = visit(context, asked)
    record.code = None if shown.error is None else shown.error.code
    return shown.reply


def error_page(service: Service, record: RequestRecord, error: S3Error) -> tuple[bytes, Fields]:
    """The body and its type."""
    return render_page(error, record.request_id, service.host_id), (HTML,)
