"""A store with a bucket that notifies, and a receiver that behaves as it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.unit.namespace.kit import BUCKET
from weka_mp.clock import SystemRandom
from weka_mp.identity import KeyFile
from weka_mp.namespace import Namespace
from weka_mp.notification_rules import Rule, encode
from weka_mp.notifications import Journal, NotificationTarget, NotificationTargets
from weka_mp.notifications.event import order_of
from weka_mp.notifications.journal import moves_in, spools_in
from weka_mp.spool import SpoolReader
from weka_mp.values import BucketName
from weka_mp.webhooks import WebhookReply

EVERYTHING = (
    "s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*", "s3:LifecycleExpiration:*",
)  # fmt: skip


def notify(namespace: Namespace, *rules: Rule, bucket: BucketName = BUCKET) -> None:
    kept = encode(rules) if rules else None
    namespace.change_bucket_settings(bucket, lambda before: replace(before, notifications=kept))


def about(*events: str, target: str = "hook", **more: Any) -> Rule:
    return Rule(
        more.pop("id", target), "TopicConfiguration", f"arn:aws:sns:::{target}", target, events or EVERYTHING,
        **more,
    )


def journal(namespace: Namespace, folder: Path, limit: int = 2**24) -> Journal:
    return Journal(namespace, str(folder), limit, "us-east-1", synced=False)


def targets(namespace: Namespace, folder: Path) -> NotificationTargets:
    keys = KeyFile(str(folder / "keys"), SystemRandom())
    if not (folder / "keys").exists():
        keys.create()
    return NotificationTargets(namespace, keys, SystemRandom())


def lines(folder: Path, target: str = "hook") -> list[Any]:
    """What waits for a target, in its order; nothing is taken."""
    where = str(folder / "x") if not target else f"{spools_in(str(folder))}/{target}"
    return [json.loads(line) for line in SpoolReader(where, order_of).batch(2**24, 10**6).events]


def told(folder: Path, target: str = "hook") -> list[tuple[str, str]]:
    """(event, key) of each record that waits."""
    records = [line["record"] for line in lines(folder, target) if "record" in line]
    return [(record["eventName"], record["s3"]["object"]["key"]) for record in records]


def moves_waiting(folder: Path) -> int:
    return len(SpoolReader(moves_in(str(folder)), order_of).batch(2**24, 10**6).events)


class Receiver:
    """Takes the place of the client. `answers`: statuses or errors, 200 when there is none left."""

    def __init__(self) -> None:
        self.answers: list[int | Exception] = []
        self.bodies: list[Any] = []
        self.headers: list[Mapping[str, str]] = []

    def __call__(self, target: NotificationTarget) -> Any:
        return self

    def post(self, body: bytes, headers: Mapping[str, str]) -> WebhookReply:
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        if answer < 300:
            self.bodies.append(json.loads(body))
            self.headers.append(headers)
        return WebhookReply(answer, "text")

    def close(self) -> None:
        return None
