"""One visit of a bucket's website: a page, a redirection, or the page that goes with an error.

Visitors are nobody: whatever they sign, the bucket's policy decides what everybody may read. A key that is
missing is a 404 only where everybody may list the bucket, else a 403, as over the API.

Source: the S3 user guide («Website endpoints», «Configuring index document support», «Configuring a custom
error document», «Configuring a webpage redirect»).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from weka_mp.bucket_names import is_bucket_name
from weka_mp.errors import BucketMissing, NamespaceError
from weka_mp.gateway.authorize import hide_missing
from weka_mp.gateway.bucket_website import website_of
from weka_mp.gateway.context import Context
from weka_mp.gateway.error_map import to_s3_error
from weka_mp.gateway.objects_get import get_object
from weka_mp.gateway.reply import Fields, ObjectReply, Reply
from weka_mp.s3.errors import S3Error
from weka_mp.s3.headers_in import read_conditions
from weka_mp.s3.operations import NO_READ_CONDITIONS, GetObject
from weka_mp.s3.request import MAX_KEY_BYTES, S3Request, decode_key
from weka_mp.s3.website import (
    RoutingRule,
    Website,
    elsewhere_location,
    key_path,
    matching_rule,
    rule_location,
    stored_location,
)
from weka_mp.s3.website_pages import ErrorWithoutPage
from weka_mp.values import BucketName, ObjectKey

if TYPE_CHECKING:
    from weka_mp.namespace import OpenObject

__all__ = ["Shown", "Visit", "visit"]

_GET: Final = "s3:GetObject"
_MOVED: Final = 301
_FOUND: Final = 302
_MISSING: Final = "NoSuchKey"
_REDIRECT_FIELD: Final = "x-amz-website-redirect-location"
_OWN_PAGES: Final = range(400, 500)
"""Errors that the website's own page goes with."""


@dataclass(frozen=True, slots=True)
class Visit:
    """protocol: ``http`` or ``https``. host: as asked for, with its port."""

    bucket: BucketName
    request: S3Request
    protocol: str
    host: str

    @property
    def path(self) -> bytes:
        """The key that is asked for; empty: the root."""
        rest = self.request.raw_path[1:]
        return decode_key(rest) if rest else b""


@dataclass(frozen=True, slots=True)
class Shown:
    """What goes back. error: that it goes with, for the log. The receiver closes an ObjectReply."""

    reply: Reply | ObjectReply
    error: S3Error | None = None


def visit(context: Context, asked: Visit) -> Shown:
    """Raises S3Error, where the website has no page of its own for it, and NamespaceError."""
    if asked.request.method not in ("GET", "HEAD"):
        details = {"Method": asked.request.method, "ResourceType": "OBJECT"}
        raise S3Error("MethodNotAllowed", details=details, headers={"Allow": "GET, HEAD"})
    if not is_bucket_name(asked.bucket):
        raise BucketMissing(subject=asked.bucket)
    website = website_of(context.site.namespace, asked.bucket)
    request, path = asked.request, asked.path
    if website.elsewhere is not None:
        where = elsewhere_location(
            website.elsewhere, asked.protocol, request.raw_path, request.raw_query
        )
        return Shown(_redirection(_MOVED, where))
    rule = matching_rule(website.rules, path, None)
    if rule is not None:
        return Shown(_by_rule(rule, asked))
    try:
        return Shown(_page(context, asked, website, path))
    except (S3Error, NamespaceError) as error:
        return _failed(context, asked, website, _spelt(error, asked))


def _spelt(error: S3Error | NamespaceError, asked: Visit) -> S3Error:
    """Raises the error itself where it is the storage's or ours."""
    if isinstance(error, S3Error):
        return error
    spelt, defect = to_s3_error(error, asked.bucket, asked.path)
    if defect:
        raise error
    return spelt


def _redirection(status: int, where: str) -> Reply:
    return Reply(status, (("Location", where),))


def _by_rule(rule: RoutingRule, asked: Visit) -> Reply:
    where = rule_location(rule, asked.path, asked.protocol, asked.host)
    return _redirection(rule.redirect.code or _MOVED, where)


# ---- pages
def _page(context: Context, asked: Visit, website: Website, path: bytes) -> Reply | ObjectReply:
    index = website.index.encode()
    key = ObjectKey(path + index if not path or path.endswith(b"/") else path)
    if len(key) > MAX_KEY_BYTES:
        raise S3Error("KeyTooLongError")
    operation = GetObject(
        asked.bucket, key, asked.request.headers.get("range"), asked.request.headers.get("if-range"),
        read_conditions(asked.request.headers), None, False, (),
    )
    try:
        return _opened(context, operation, asked)
    except (S3Error, NamespaceError) as error:
        spelt = _spelt(error, asked)
        if spelt.code != _MISSING:
            raise
        if path and key == path and _is_there(context, asked, ObjectKey(path + b"/" + index)):
            return _redirection(_FOUND, key_path(path + b"/"))
        # Of a directory it is the page of it that is missing.
        spelt.details["Key"] = key.decode("utf-8", "replace")
        raise hide_missing(context.access, spelt, asked.bucket, key) from error


def _is_there(context: Context, asked: Visit, key: ObjectKey) -> bool:
    """Whether everybody may read it."""
    if len(key) > MAX_KEY_BYTES or not context.access.allows(_GET, asked.bucket, key):
        return False
    try:
        context.namespace.head_object(asked.bucket, key)
    except NamespaceError as error:
        if _spelt(error, asked).code in (_MISSING, "AccessDenied"):
            return False
        raise
    return True


def _opened(context: Context, operation: GetObject, asked: Visit) -> Reply | ObjectReply:
    context.access.require((_GET,), operation.bucket, operation.key)
    reply = get_object(context, operation)
    if isinstance(reply, Reply):
        return reply
    location = _redirect_of(reply.opened)
    if location is not None:
        reply.opened.close()
        return _redirection(_MOVED, location)
    return _for_method(asked, reply)


def _redirect_of(opened: OpenObject) -> str | None:
    text = opened.info.headers.website_redirect
    return None if text is None else stored_location(text)


def _for_method(asked: Visit, reply: ObjectReply) -> Reply | ObjectReply:
    if asked.request.method != "HEAD":
        return reply
    reply.opened.close()
    return Reply(reply.status, reply.fields, length=reply.length)


# ---- errors
def _failed(context: Context, asked: Visit, website: Website, error: S3Error) -> Shown:
    rule = matching_rule(website.rules, asked.path, error.status)
    if rule is not None:
        return Shown(_by_rule(rule, asked), error)
    if website.error is None or error.status not in _OWN_PAGES:
        raise error
    key = ObjectKey(website.error.encode())
    operation = GetObject(asked.bucket, key, None, None, NO_READ_CONDITIONS, None, False, ())
    try:
        reply = _opened(context, operation, asked)
    except (S3Error, NamespaceError) as failure:
        missing = hide_missing(context.access, _spelt(failure, asked), asked.bucket, key)
        if missing.code == _MISSING:
            missing.details["Key"] = website.error
        raise ErrorWithoutPage(error, missing) from failure
    if isinstance(reply, Reply) and reply.status == _MOVED:
        return Shown(reply, error)
    fields: Fields = (*reply.fields, *error.headers.items())
    return Shown(replace(reply, status=error.status, fields=fields), error)
