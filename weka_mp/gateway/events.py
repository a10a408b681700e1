"""Which operations of S3 change how a store is administrated, and the system events that they leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weka_mp.events import By, Event, EventLog, event_named
from weka_mp.events.types import told
from weka_mp.gateway.context import Context
from weka_mp.gateway.reply import Reply
from weka_mp.s3 import bucket_operations
from weka_mp.s3 import operations as op

__all__ = ["EVENTS", "tell"]

EVENTS: Final[Mapping[type[op.Operation], str]] = {
    op.CreateBucket: "S3CreateBucketEvent",
    op.DeleteBucket: "S3DestroyBucketEvent",
    op.PutBucketPolicy: "S3SetBucketPolicyEvent",
    op.DeleteBucketPolicy: "S3SetBucketPolicyEvent",
    op.PutPublicAccessBlock: "S3SetBucketPublicAccessBlockEvent",
    bucket_operations.PutBucketAcl: "S3SetBucketOptionEvent",
    bucket_operations.PutBucketOwnershipControls: "S3SetBucketOptionEvent",
    bucket_operations.DeleteBucketOwnershipControls: "S3SetBucketOptionEvent",
    bucket_operations.PutBucketCors: "S3SetBucketOptionEvent",
    bucket_operations.DeleteBucketCors: "S3SetBucketOptionEvent",
    bucket_operations.PutBucketWebsite: "S3SetBucketOptionEvent",
    bucket_operations.DeleteBucketWebsite: "S3SetBucketOptionEvent",
    bucket_operations.PutBucketLifecycleConfiguration: "S3AddBucketILMRuleEvent",
    bucket_operations.DeleteBucketLifecycle: "S3ResetBucketILMRuleEvent",
    bucket_operations.PutBucketVersioning: "S3SetBucketOptionEvent",
    bucket_operations.PutObjectLockConfiguration: "S3SetBucketOptionEvent",
    bucket_operations.PutBucketNotificationConfiguration: "S3SetBucketOptionEvent",
    bucket_operations.PutBucketLogging: "S3SetBucketOptionEvent",
    bucket_operations.PutBucketTagging: "S3SetBucketTagsEvent",
    bucket_operations.DeleteBucketTagging: "S3SetBucketTagsEvent",
    op.DeletePublicAccessBlock: "S3SetBucketPublicAccessBlockEvent",
}
"""Every operation that changes something of a bucket but its objects is one; a test sees to it."""


def tell(context: Context, operation: op.Operation, reply: Reply) -> None:
    """Keep what was done, which the reply says went well. No lock may be held. Other operations: nothing."""
    name = EVENTS.get(type(operation))
    if name is None or reply.nothing_new:
        return
    log, who, sender = EventLog(context.namespace), context.principal, context.access.sender
    about = {"bucket": getattr(operation, "bucket", None), "operation": type(operation).__name__}
    event = Event(
        log.now_ns(), event_named(name), who.user or ("root" if who.is_root else ""), who.owner or "",
        "local" if sender is None else sender.remote, "s3", told(about), _owner(context, operation),
    )
    log.keep(event, By.ADMINISTRATOR if who.is_root else By.OTHER)


def _owner(context: Context, operation: op.Operation) -> str:
    """The account that the bucket belongs to, or did; empty: the one of who asks."""
    access, bucket = context.access, getattr(operation, "bucket", None)
    if bucket is None or isinstance(operation, op.CreateBucket):
        return ""
    name = access.owner_name(bucket)
    return "" if name == context.principal.owner else name
