"""Which pages of other origins may use a bucket: the rules, and what browsers are told."""

from __future__ import annotations

from dataclasses import replace

from weka_mp.errors import NamespaceError
from weka_mp.gateway.context import Context
from weka_mp.gateway.reply import Fields, Reply, xml_reply
from weka_mp.namespace import Namespace
from weka_mp.s3 import bucket_operations as op
from weka_mp.s3.cors import (
    VARY,
    CorsRule,
    answer_fields,
    dump_rules,
    load_rules,
    preflight,
    preflight_fields,
)
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers
from weka_mp.s3.xml_cors import cors_configuration
from weka_mp.values import BucketName

__all__ = ["answer_preflight", "delete_bucket_cors", "fields_for_page", "get_bucket_cors", "put_bucket_cors"]

_OFF = "CORSResponse: CORS is not enabled for this bucket."
_REFUSED = (
    "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, "
    "request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by "
    "the resource's CORS spec."
)


def get_bucket_cors(context: Context, operation: op.GetBucketCors) -> Reply:
    """The rules. Raises S3Error NoSuchCORSConfiguration; NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    rules = _rules(context.namespace, operation.bucket)
    if not rules:
        raise S3Error("NoSuchCORSConfiguration", details={"BucketName": operation.bucket})
    return xml_reply(cors_configuration(rules))


def put_bucket_cors(context: Context, operation: op.PutBucketCors) -> Reply:
    """200. Raises NamespaceError."""
    _set(context, operation.bucket, dump_rules(operation.rules))
    return Reply(200)


def delete_bucket_cors(context: Context, operation: op.DeleteBucketCors) -> Reply:
    """204, whether there were rules or not. Raises NamespaceError."""
    _set(context, operation.bucket, None)
    return Reply(204)


def _set(context: Context, bucket: BucketName, cors: str | None) -> None:
    context.namespace.head_bucket(bucket)
    context.namespace.change_bucket_settings(bucket, lambda before: replace(before, cors=cors))


def _rules(namespace: Namespace, bucket: BucketName) -> tuple[CorsRule, ...]:
    text = namespace.bucket_settings(bucket).cors
    return () if text is None else load_rules(text)


def answer_preflight(namespace: Namespace, bucket: BucketName, headers: Headers) -> Reply:
    """200 with what the browser may do. Nobody signs it: it says nothing but the rules, and not whether there
    is such a bucket. Raises S3Error BadRequest, AccessForbidden.
    """
    asked = preflight(headers)
    details = {"Method": asked.method, "ResourceType": "BUCKET"}
    try:
        rules = _rules(namespace, bucket)
    except NamespaceError as error:
        raise S3Error("AccessForbidden", _OFF, details=details) from error
    if not rules:
        raise S3Error("AccessForbidden", _OFF, details=details)
    fields = preflight_fields(rules, asked)
    if fields is None:
        raise S3Error("AccessForbidden", _REFUSED, details=details, headers=dict([VARY]))
    return Reply(200, fields)


def fields_for_page(namespace: Namespace, bucket: BucketName, origin: str, method: str) -> Fields:
    """What the answer to a request of a page of this origin says besides."""
    try:
        return answer_fields(_rules(namespace, bucket), origin, method)
    except NamespaceError:
        return ()
