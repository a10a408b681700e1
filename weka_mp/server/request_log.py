"""What the log of a bucket is told of a request (`weka_mp.bucket_logs`)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from weka_mp.bucket_log_rules import LogRule
from weka_mp.bucket_logs import Entry
from weka_mp.bucket_logs.line import safe_query, safe_url
from weka_mp.bucket_logs.operations import COPIED_FROM, logged_name
from weka_mp.errors import NamespaceError
from weka_mp.gateway.access import Access
from weka_mp.gateway.requirements import REQUIRED
from weka_mp.policy.decision import Source
from weka_mp.s3.credentials import AuthKind
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import S3Request
from weka_mp.server.access_log import RequestRecord
from weka_mp.server.auditing import Audited, operation_of
from weka_mp.server.service import Service
from weka_mp.server.wire import Wire
from weka_mp.values import BucketName, ObjectKey

__all__ = ["Rules", "log_request", "rules_of"]

Rules = Mapping[str, LogRule]
"""Bucket → where its log goes."""

_SIGNED: Final = {
    AuthKind.HEADER_V4: ("SigV4", "AuthHeader"), AuthKind.QUERY_V4: ("SigV4", "QueryString"),
    AuthKind.HEADER_V2: ("SigV2", "AuthHeader"), AuthKind.QUERY_V2: ("SigV2", "QueryString"),
    AuthKind.POST_V4: ("SigV4", "-"), AuthKind.POST_V2: ("SigV2", "-"),
}  # fmt: skip
_UPLOADS: Final = frozenset({"PutObject", "UploadPart"})


def rules_of(service: Service, record: RequestRecord) -> Rules:
    """Which buckets that the request is about keep a log, and where: all that it costs while none does."""
    book = service.log_book
    if book is None or record.bucket is None:
        return {}
    named = (record.bucket,) if record.source is None else (record.bucket, record.source[0])
    found = {bucket: book.rule(BucketName(bucket)) for bucket in named}
    return {bucket: rule for bucket, rule in found.items() if rule is not None}


def log_request(
    service: Service, wire: Wire, record: RequestRecord, about: Audited, access: Access | None, rules: Rules
) -> None:
    """A line for the request, and one for each key that it deleted or read besides."""
    if about.request is None:
        return
    access = access or Access(service.site, service.asking().principal(None, 0.0), "", None)
    entry = _entry(service, wire, record, about, about.request, access)
    for one in _all(record, entry):
        rule = rules.get(one.bucket)
        if rule is not None:
            _keep(service, access, one, rule)


def _keep(service: Service, access: Access, entry: Entry, rule: LogRule) -> None:
    try:
        entry.owner = access.owner_of(BucketName(entry.bucket)).id
    except (S3Error, NamespaceError):
        entry.owner = service.site.account
    assert service.log_book is not None
    service.log_book.keep(entry, rule)


def _all(record: RequestRecord, entry: Entry) -> Iterator[Entry]:
    yield entry
    if record.source is not None and record.operation in COPIED_FROM:
        bucket, key = record.source
        name = COPIED_FROM[record.operation]
        yield replace(entry, bucket=bucket, key=key, operation=name, sent=0, size=None)
    # A thousand of one request: as AWS has them, without what the client wrote, which its first line tells.
    blank = replace(entry, target="", referer="", agent="", sent=0, size=None, turn_ns=None)
    for one in record.entries:
        yield replace(
            blank, operation=one.operation, key=one.key, version=one.version or "", status=one.status,
            error=one.code or "",
        )


def _entry(
    service: Service, wire: Wire, record: RequestRecord, about: Audited, request: S3Request, access: Access
) -> Entry:
    now_ns = service.clock.now_ns()
    query = safe_query(request.raw_query)
    target = request.raw_path + (b"?" + query if query else b"")
    signature, means = _authentication(access)
    name = operation_of(record, about)
    return Entry(
        owner="", bucket=record.bucket or "", time_ns=about.began_ns,
        operation=logged_name(name, record.method), key=record.key, remote=record.remote,
        requester=_requester(access), request_id=record.request_id,
        target=f"{record.method} {target.decode('latin-1')}", status=record.status,
        error=record.code or "", sent=record.sent if about.sent is None else about.sent,
        size=_size(name, record, about),
        total_ns=now_ns - about.began_ns, turn_ns=_turn_around(record, about),
        referer=safe_url(request.headers.get("referer") or ""), agent=request.headers.get("user-agent") or "",
        version=request.query_value("versionId") or "", host_id=service.host_id, signature=signature,
        cipher=_cipher(wire), authentication=means,
        host=request.authority or request.headers.get("host") or "",
        tls_version=f"TLSv{about.tls_version}" if about.tls_version else "",
        acl_required=_needs_acl(record, access),
    )


def _size(name: str, record: RequestRecord, about: Audited) -> int | None:
    """Of the object that the request is about."""
    if name in _UPLOADS:
        return record.received
    return about.answered[1] if name == "HeadObject" and record.code is None else record.object_size


def _needs_acl(record: RequestRecord, access: Access) -> bool:
    """Whether it was an ACL that let them."""
    actions, bucket = REQUIRED.get(access.operation, ()), record.bucket
    if not actions or bucket is None or access.refusals:
        return False
    try:
        if not access.grants(BucketName(bucket)).has_acls:
            return False
        key = None if record.key is None else ObjectKey(record.key)
        decision = access.decided(actions[0], BucketName(bucket), key)
    except (S3Error, NamespaceError):
        return False
    found = (decision.statement, *decision.others)
    return decision.allowed and any(one is not None and one.source is Source.ACL for one in found)


def _turn_around(record: RequestRecord, about: Audited) -> int | None:
    if not record.answered_ns:
        return None
    return record.answered_ns - (record.body_ns or about.began_ns)


def _requester(access: Access) -> str:
    """The root of an account by the account's canonical user id, a user by their ARN; empty: nobody."""
    principal = access.principal
    if principal.account is None:
        return ""
    return principal.account if principal.is_root or not principal.arn else principal.arn


def _authentication(access: Access) -> tuple[str, str]:
    """The signature's version, and where it stood."""
    sender = access.sender
    if sender is None:
        return "", ""
    return _SIGNED.get(sender.authentication.kind, ("", ""))


def _cipher(wire: Wire) -> str:
    """As OpenSSL names it; empty: none of ours, a proxy's is not known."""
    found = wire.socket.cipher() if isinstance(wire.socket, ssl.SSLSocket) else None
    return found[0] if found else ""
