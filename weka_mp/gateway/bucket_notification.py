"""GetBucketNotificationConfiguration and PutBucketNotificationConfiguration."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from weka_mp.errors import StoreUnusable
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.namespace.happenings import TEST, Happening
from weka_mp.notification_rules import Rule, decode, encode, parse_arn
from weka_mp.notifications.targets import NotificationTargets
from weka_mp.s3.notification_xml import bad_destination, notification_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weka_mp.gateway.context import Context
    from weka_mp.s3 import bucket_operations as op

__all__ = ["get_bucket_notification", "put_bucket_notification"]

_ID_BYTES: Final = 16


def get_bucket_notification(context: Context, operation: op.GetBucketNotificationConfiguration) -> Reply:
    """The rules as they were put; an empty document without any. Raises NamespaceError."""
    context.namespace.head_bucket(operation.bucket)
    kept = context.namespace.bucket_settings(operation.bucket).notifications
    try:
        return xml_reply(notification_document(() if kept is None else decode(kept)))
    except (ValueError, TypeError) as error:
        raise StoreUnusable("the notifications of a bucket cannot be read") from error


def put_bucket_notification(context: Context, operation: op.PutBucketNotificationConfiguration) -> Reply:
    """200; a document without rules ends all notifications. Raises S3Error InvalidArgument (a destination
    that is no target); NamespaceError.
    """
    namespace, bucket = context.namespace, operation.bucket
    namespace.head_bucket(bucket)
    random = namespace.context.random
    rules = [rule if rule.id else replace(rule, id=random.token(_ID_BYTES)) for rule in operation.rules]
    with NotificationTargets(namespace, None, random).still() as targets:
        _check_destinations(rules, {target.name for target in targets}, context.site.region)
        kept = encode(rules) if rules else None
        namespace.change_bucket_settings(bucket, lambda before: replace(before, notifications=kept))
    if operation.silent:
        return Reply(200)
    now = namespace.clock.now_ns()
    targets_told = dict.fromkeys(rule.target for rule in rules)
    return Reply(200, happenings=tuple(Happening(TEST, bucket, b"", now, to=to) for to in targets_told))


def _check_destinations(rules: Sequence[Rule], names: set[str], region: str) -> None:
    for rule in rules:
        arn = parse_arn(rule.arn)
        if arn is None or arn.region not in ("", region) or rule.target not in names:
            noun = {"TopicConfiguration": "topic", "QueueConfiguration": "queue"}.get(rule.kind, "function")
            raise bad_destination(rule.arn, f"The destination {noun} does not exist")
