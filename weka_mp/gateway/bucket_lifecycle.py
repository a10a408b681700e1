"""The lifecycle of a bucket's objects: its rules, and what answers about an object say of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from weka_mp.errors import BucketMissing, NamespaceError
from weka_mp.gateway.reply import Fields, Reply, xml_reply
from weka_mp.lifecycle import Rule, abort_of, encode, expiry_of
from weka_mp.s3.dates import format_http_date
from weka_mp.s3.errors import S3Error
from weka_mp.s3.lifecycle_xml import lifecycle_document

if TYPE_CHECKING:
    from weka_mp.gateway.context import Context
    from weka_mp.namespace import Namespace, ObjectInfo
    from weka_mp.s3 import bucket_operations as op
    from weka_mp.values import BucketName

__all__ = [
    "abort_fields", "delete_bucket_lifecycle", "expiration_fields", "get_bucket_lifecycle",
    "put_bucket_lifecycle", "replace_rules",
]  # fmt: skip

_log = logging.getLogger(__name__)
_SECOND: Final = 1_000_000_000
_END_OF_DATES_NS: Final = 253_402_300_800 * _SECOND
"""The year 10000, which no date of HTTP can name (RFC 9110, 5.6.7): rules may count days far beyond it."""

_ID_BYTES: Final = 16


def get_bucket_lifecycle(context: Context, operation: op.GetBucketLifecycleConfiguration) -> Reply:
    """Its rules as they were put. Raises S3Error NoSuchLifecycleConfiguration; NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    rules = context.namespace.lifecycle_rules(operation.bucket)
    if not rules:
        raise S3Error("NoSuchLifecycleConfiguration", details={"BucketName": operation.bucket})
    return xml_reply(lifecycle_document(rules))


def put_bucket_lifecycle(context: Context, operation: op.PutBucketLifecycleConfiguration) -> Reply:
    """200. Raises NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    replace_rules(context.namespace, operation.bucket, lambda _: operation.rules)
    return Reply(200)


def delete_bucket_lifecycle(context: Context, operation: op.DeleteBucketLifecycle) -> Reply:
    """204, whether there were rules or not. Raises NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    replace_rules(context.namespace, operation.bucket, lambda _: ())
    return Reply(204)


def replace_rules(
    namespace: Namespace, bucket: BucketName, step: Callable[[tuple[Rule, ...]], tuple[Rule, ...]]
) -> tuple[Rule, ...]:
    """Keep what `step` makes of the rules, in one step, and give it back; a rule without an id gets one.

    Raises what `step` raises, NamespaceError.
    """

    def named(rule: Rule) -> Rule:
        return rule if rule.id else replace(rule, id=namespace.context.random.token(_ID_BYTES))

    def change(kept: str | None) -> str | None:
        rules = tuple(map(named, step(namespace.rules_of(kept))))
        return encode(rules) if rules else None

    settings = namespace.change_bucket_settings(
        bucket, lambda before: replace(before, lifecycle=change(before.lifecycle))
    )
    return namespace.rules_of(settings.lifecycle)


def _rules(context: Context, bucket: BucketName) -> tuple[Rule, ...]:
    """None where they cannot be looked at: what was written is written, and what is read can be."""
    try:
        return context.namespace.lifecycle_rules(bucket)
    except BucketMissing:
        return ()
    except NamespaceError as error:
        _log.error("the rules of %s cannot be told: %s", bucket, error)
        return ()


def expiration_fields(
    context: Context, bucket: BucketName, info: ObjectInfo, appeared_ns: Callable[[], int] = lambda: 0
) -> Fields:
    """x-amz-expiration of an object that will expire. appeared_ns: of what was not written just now."""
    rules = _rules(context, bucket)
    if not rules:
        return ()
    since_ns = max(info.mtime_ns, appeared_ns())
    return _shown(context, rules, info.key, info.size, info.tags, since_ns)


def _shown(
    context: Context, rules: tuple[Rule, ...], key: bytes, size: int, tags: Mapping[str, str], since_ns: int
) -> Fields:
    expiry = expiry_of(rules, key, size, tags, since_ns, context.site.day_ns)
    if expiry is None or expiry.at_ns >= _END_OF_DATES_NS:
        return ()
    date = format_http_date(expiry.at_ns // _SECOND)
    return (("x-amz-expiration", f'expiry-date="{date}", rule-id="{quote(expiry.rule.id, safe="")}"'),)


def abort_fields(context: Context, bucket: BucketName, key: bytes, initiated_ns: int) -> Fields:
    """When an upload in parts will be aborted, and by which rule."""
    rules = _rules(context, bucket)
    expiry = abort_of(rules, key, initiated_ns, context.site.day_ns) if rules else None
    if expiry is None or expiry.at_ns >= _END_OF_DATES_NS:
        return ()
    date = format_http_date(expiry.at_ns // _SECOND)
    return (("x-amz-abort-date", date), ("x-amz-abort-rule-id", quote(expiry.rule.id, safe="")))
