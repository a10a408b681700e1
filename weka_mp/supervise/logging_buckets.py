"""The logs of buckets in the processes of a service: what workers keep, what the background process
delivers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import trio

from weka_mp.bucket_logs import Entry, LogBook, LogDelivery, Origin
from weka_mp.bucket_logs.delivery import Delivered, Refused
from weka_mp.errors import NamespaceError
from weka_mp.gateway.bucket_logging import DeliveryRefused, LogSource, check_delivery
from weka_mp.gateway.happening import created
from weka_mp.identity.naming import ROOT, canonical_id
from weka_mp.namespace import Namespace
from weka_mp.namespace.happenings import EXPIRY_MARKED, PUT, Asker, Happening
from weka_mp.notifications import Journal
from weka_mp.policy.principals import LOG_DELIVERY
from weka_mp.server.invalidator import Invalidator
from weka_mp.values import BucketName

__all__ = ["deliver_logs", "leave_idle_logs", "log_expired", "logs_in", "open_log_book"]

_LOOK_SECONDS: Final = 5.0  # at most, between two looks at what is due
_REST_SECONDS: Final = 10.0
_RULES: Final = "AmazonS3"
"""Who removes what rules name, as AWS's logs call it."""


def logs_in(state: str) -> str:
    """The directory of lines on their way, below the state directory of the store on this node."""
    return os.path.join(state, "bucket-logs")


def open_log_book(namespace: Namespace, plan: Mapping[str, Any]) -> LogBook:
    """A process's. plan: the whole."""
    told = plan["bucket_logs"]
    return LogBook(namespace, told["directory"], told["limit"])


def log_expired(namespace: Namespace, book: LogBook, told: Sequence[Happening]) -> None:
    """What lifecycle rules did, in the logs of buckets that keep one."""
    for one in told:
        rule = book.rule(one.bucket)
        if rule is None:
            continue
        try:
            owner = namespace.head_bucket(one.bucket).owner or ROOT
        except NamespaceError:
            continue  # deleted meanwhile
        account, now_ns = canonical_id(namespace.store_id, owner), namespace.clock.now_ns()
        name = "S3.CREATE.DELETEMARKER" if one.event == EXPIRY_MARKED else "S3.EXPIRE.OBJECT"
        version = one.version or ""
        entry = Entry(account, one.bucket, now_ns, name, one.key, requester=_RULES, version=version)
        book.keep(entry, rule)


async def leave_idle_logs(book: LogBook) -> None:
    """Until cancelled."""
    while True:
        await trio.sleep(_REST_SECONDS)
        book.rest()


async def deliver_logs(
    namespace: Namespace, plan: Mapping[str, Any], invalidator: Invalidator, journal: Journal
) -> None:
    """Write log objects when they are due, until cancelled; one under way is left to itself then."""
    told = plan["bucket_logs"]

    def check(origin: Origin, key: bytes) -> tuple[str | None, int, int]:
        return _whose(namespace, told["region"], origin, key)

    delivery = LogDelivery(namespace, told["directory"], told["region"], told["interval"], check)
    delivery.register()
    # Of its own: a store that is slow must not take a thread that others share.
    thread = trio.CapacityLimiter(1)
    while True:
        written = await trio.to_thread.run_sync(delivery.step, abandon_on_cancel=True, limiter=thread)
        for one in written:
            await _tell(one, invalidator, journal)
        await trio.sleep(min(_LOOK_SECONDS, told["interval"] / 5))


def _whose(
    namespace: Namespace, region: str, origin: Origin, key: bytes
) -> tuple[str | None, int, int]:
    """The account whose a log object becomes, and the uid and gid of its file: those of the bucket."""
    source = LogSource(origin.source, origin.account, region)
    try:
        owner = check_delivery(namespace, source, origin.rule, key)
    except DeliveryRefused as error:
        raise Refused(str(error)) from error
    with namespace.context.bucket(BucketName(origin.rule.target)) as at:
        attr = namespace.context.store.attr(at)
    return owner, attr.uid, attr.gid


async def _tell(one: Delivered, invalidator: Invalidator, journal: Journal) -> None:
    await invalidator.publish(one.done.changes)
    happenings = created(PUT, one.bucket, one.done)
    await trio.to_thread.run_sync(journal.tell, happenings, Asker("s3", LOG_DELIVERY))
