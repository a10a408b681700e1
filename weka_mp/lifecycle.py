"""Rules of a bucket's lifecycle: what they say, how they are kept, and when an object's time has come.

A leaf.

Source: "Managing the lifecycle of objects" and "Lifecycle configuration elements" of the S3 user guide.
Of several rules about one object the earliest expiry wins. A number of days counts from when the object was
there and is rounded up to the next midnight, UTC; for tests another length may stand for a day.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

__all__ = [
    "DAY_NS", "MAX_ID", "MAX_RULES", "Expiry", "Rule", "abort_of", "decode", "encode", "expiry_of",
    "marker_expiry_of", "next_midnight", "noncurrent_expiry_of",
]  # fmt: skip

DAY_NS: Final = 24 * 3600 * 1_000_000_000
MAX_RULES: Final = 1000
MAX_ID: Final = 255  # characters


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. prefix: None: it names none. larger_than, smaller_than: bytes, both exclusive.

    days: after which an object expires; date_s: or when all do, in seconds since the epoch, a midnight.
    abort_days: after which an upload in parts is aborted. noncurrent_days: after which a noncurrent version
    goes, if the key has noncurrent_keep newer ones; delete_marker: whether one that is alone goes at once.
    legacy, joined: how it was written (a prefix without a Filter; an And), so that it is shown so.
    """

    id: str
    enabled: bool
    prefix: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    larger_than: int | None = None
    smaller_than: int | None = None
    days: int | None = None
    date_s: int | None = None
    abort_days: int | None = None
    delete_marker: bool | None = None
    noncurrent_days: int | None = None
    noncurrent_keep: int | None = None
    legacy: bool = False
    joined: bool = False

    def concerns(self, key: bytes) -> bool:
        """Whether its prefix, if any, is the key's."""
        return key.startswith((self.prefix or "").encode())

    def matches(self, key: bytes, size: int, tags: Mapping[str, str] | None) -> bool:
        """Whether it is about such an object. size in bytes. tags: None: not known, any may match."""
        return (
            self.concerns(key)
            and (self.larger_than is None or size > self.larger_than)
            and (self.smaller_than is None or size < self.smaller_than)
            and (tags is None or all(tags.get(name) == value for name, value in self.tags))
        )


@dataclass(frozen=True, slots=True)
class Expiry:
    """When an object's time has come, in ns since the epoch, and by which rule."""

    at_ns: int
    rule: Rule


@functools.lru_cache(maxsize=256)
def decode(text: str) -> tuple[Rule, ...]:
    """The rules of a record. Raises ValueError, TypeError: they are none."""
    return tuple(_rule(fields) for fields in json.loads(text))


def _rule(fields: dict[str, Any]) -> Rule:
    tags = tuple((name, value) for name, value in fields.pop("tags", ()))
    return Rule(tags=tags, **fields)


def encode(rules: Iterable[Rule]) -> str:
    """As they are kept: JSON, what is not said has no field."""
    bare = asdict(Rule("", enabled=True))
    kept = [
        {name: value for name, value in asdict(rule).items()
         if name in ("id", "enabled") or value != bare[name]}
        for rule in rules
    ]  # fmt: skip
    return json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def next_midnight(moment_ns: int, day_ns: int = DAY_NS) -> int:
    """The first midnight after a moment."""
    return (moment_ns // day_ns + 1) * day_ns


def expiry_of(
    rules: Iterable[Rule], key: bytes, size: int, tags: Mapping[str, str] | None, since_ns: int,
    day_ns: int = DAY_NS,
) -> Expiry | None:
    """The earliest expiry of an object that is there since a moment; None: it never expires."""
    found: Expiry | None = None
    for rule in rules:
        if not rule.enabled or (rule.days is None and rule.date_s is None):
            continue
        if not rule.matches(key, size, tags):
            continue
        at_ns = _due(rule, since_ns, day_ns)
        if found is None or at_ns < found.at_ns:
            found = Expiry(at_ns, rule)
    return found


def _due(rule: Rule, since_ns: int, day_ns: int) -> int:
    if rule.date_s is not None:
        return rule.date_s * 1_000_000_000
    return next_midnight(since_ns + (rule.days or 0) * day_ns, day_ns)


def noncurrent_expiry_of(
    rules: Iterable[Rule], key: bytes, size: int, tags: Mapping[str, str], since_ns: int, newer: int,
    day_ns: int = DAY_NS,
) -> Expiry | None:
    """The earliest expiry of a version that is noncurrent since a moment, of a key that has so many `newer`
    noncurrent ones; None: it never expires.
    """
    found: Expiry | None = None
    for rule in rules:
        if not rule.enabled or rule.noncurrent_days is None or newer < (rule.noncurrent_keep or 0):
            continue
        if not rule.matches(key, size, tags):
            continue
        at_ns = next_midnight(since_ns + rule.noncurrent_days * day_ns, day_ns)
        if found is None or at_ns < found.at_ns:
            found = Expiry(at_ns, rule)
    return found


def marker_expiry_of(
    rules: Iterable[Rule], key: bytes, made_ns: int, day_ns: int = DAY_NS
) -> Expiry | None:
    """When a delete marker that is all that is left of its key is to go; None: never.

    At once by ExpiredObjectDeleteMarker, after the days of an Expiration by that (S3 user guide, "Lifecycle
    configuration elements").
    """
    found: Expiry | None = None
    for rule in rules:
        if not rule.enabled or rule.tags or not rule.matches(key, 0, None):
            continue
        if rule.delete_marker:
            at_ns = made_ns
        elif rule.days is not None or rule.date_s is not None:
            at_ns = _due(rule, made_ns, day_ns)
        else:
            continue
        if found is None or at_ns < found.at_ns:
            found = Expiry(at_ns, rule)
    return found


def abort_of(
    rules: Iterable[Rule], key: bytes, initiated_ns: int, day_ns: int = DAY_NS
) -> Expiry | None:
    """When an upload in parts is to be aborted; None: not by a rule."""
    found: Expiry | None = None
    for rule in rules:
        if not rule.enabled or rule.abort_days is None or not rule.concerns(key):
            continue
        at_ns = next_midnight(initiated_ns + rule.abort_days * day_ns, day_ns)
        if found is None or at_ns < found.at_ns:
            found = Expiry(at_ns, rule)
    return found
