"""What a bucket tells of its objects, and to whom: rules, how they are kept, and which one an event is for.

A leaf.

Source: "Amazon S3 Event Notifications" and "Event notification types and destinations" of the S3 user guide.
No two rules of a bucket may be about the same event of the same key, so that there is at most one for each.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

__all__ = [
    "EVENTS", "KINDS", "MAX_RULES", "Kind", "Rule", "TargetArn", "decode", "encode", "overlapping",
    "parse_arn", "rule_for",
]  # fmt: skip

MAX_RULES: Final = 100  # of a bucket, AWS's limit

EVENTS: Final = (
    "s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectCreated:Post", "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*", "s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectAcl:Put", "s3:ObjectTagging:*", "s3:ObjectTagging:Put", "s3:ObjectTagging:Delete",
    "s3:LifecycleExpiration:*", "s3:LifecycleExpiration:Delete", "s3:LifecycleExpiration:DeleteMarkerCreated",
)  # fmt: skip
"""What a rule may ask for. What never happens here (restores, replication, transitions) is none of them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the three ways of AWS to name a destination; here all are webhooks.

    element: of a rule in XML; destination: the element of its ARN. arn: what stands before the target's name.
    """

    element: str
    destination: str
    service: str
    before: str = ""

    def arn(self, name: str, region: str = "") -> str:
        """Of a target."""
        return f"arn:aws:{self.service}:{region}::{self.before}{name}"


KINDS: Final = (
    Kind("TopicConfiguration", "Topic", "sns"),
    Kind("QueueConfiguration", "Queue", "sqs"),
    Kind("CloudFunctionConfiguration", "CloudFunction", "lambda", "function:"),
)
"""In the order in which documents have them."""


@dataclass(frozen=True, slots=True)
class TargetArn:
    """What an ARN says: as which kind it was named, and where; no account has targets of its own."""

    kind: Kind
    region: str
    name: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Tell `target` of these events of keys that begin and end so. kind: the element that it came in.

    prefix, suffix: None: not named. arn: as it was put.
    """

    id: str
    kind: str
    arn: str
    target: str
    events: tuple[str, ...]
    prefix: str | None = None
    suffix: str | None = None

    def concerns(self, event: str, key: bytes) -> bool:
        """event: such as ``s3:ObjectCreated:Put``."""
        return (
            any(_covers(wanted, event) for wanted in self.events)
            and key.startswith((self.prefix or "").encode())
            and key.endswith((self.suffix or "").encode())
        )


def parse_arn(text: str) -> TargetArn | None:
    """What it names; None: it is no ARN of a target, be there such a one or not."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[:2] != ["arn", "aws"] or parts[4]:
        return None
    for kind in KINDS:
        if parts[2] == kind.service and parts[5].startswith(kind.before):
            name = parts[5].removeprefix(kind.before)
            return TargetArn(kind, parts[3], name) if name else None
    return None


def rule_for(rules: Iterable[Rule], event: str, key: bytes) -> Rule | None:
    """The one that is about this; None: nobody wants to know."""
    return next((rule for rule in rules if rule.concerns(event, key)), None)


def overlapping(rules: Sequence[Rule]) -> str | None:
    """An event that two rules could both be about, for one and the same key; None: there is none."""
    for at, rule in enumerate(rules):
        for other in rules[:at]:
            shared = _shared_event(rule, other)
            if shared is not None and _meet(rule.prefix, other.prefix, str.startswith) and _meet(
                rule.suffix, other.suffix, str.endswith
            ):
                return shared
    return None


def _meet(one: str | None, other: str | None, relation: Any) -> bool:
    one, other = one or "", other or ""
    return bool(relation(one, other) or relation(other, one))


def _shared_event(rule: Rule, other: Rule) -> str | None:
    for event in rule.events:
        for against in other.events:
            if _covers(event, against):
                return against
            if _covers(against, event):
                return event
    return None


def _covers(wanted: str, event: str) -> bool:
    return wanted == event or (wanted.endswith("*") and event.startswith(wanted[:-1]))


def encode(rules: Iterable[Rule]) -> str:
    """As the settings of a bucket keep them."""
    return json.dumps([asdict(rule) for rule in rules], ensure_ascii=False, separators=(",", ":"))


@functools.lru_cache(maxsize=256)
def decode(text: str) -> tuple[Rule, ...]:
    """Raises ValueError, TypeError: no rules of this version."""
    return tuple(Rule(**{**fields, "events": tuple(fields["events"])}) for fields in json.loads(text))
