"""The lifecycle rules of a bucket, as the administration API has them: the same that S3 shows and sets.

As the other verbs. Rules that were put over S3 and say what this API cannot (sizes, dates) stay as they
are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from weka_mp.control.bucket_verbs import seen
from weka_mp.control.desk import Desk
from weka_mp.control.fields import Fields
from weka_mp.errors import NotSupported
from weka_mp.gateway.bucket_lifecycle import replace_rules
from weka_mp.identity import Caller
from weka_mp.identity.errors import InvalidInput, NoSuchEntity
from weka_mp.lifecycle import MAX_RULES, Rule
from weka_mp.tag_rules import MAX_OBJECT_TAGS, is_reserved_key, is_tag_key, is_tag_value
from weka_mp.values import BucketName

__all__ = ["add_rule", "list_rules", "remove_rule", "reset_rules"]

_MAX_DAYS: Final = 2**31 - 1
_MAX_PREFIX: Final = 1024  # bytes, as of a key


def list_rules(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """In the order in which they were put."""
    return [_shown(rule) for rule in desk.namespace.lifecycle_rules(seen(desk, caller, bucket))]


def _shown(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "enabled": rule.enabled,
        "expires": rule.days,
        "expiry_date": None if rule.date_s is None else _day(rule.date_s),
        "prefix": rule.prefix or "",
        "tags": "&".join(f"{key}={value}" for key, value in rule.tags),
        "larger_than": rule.larger_than,
        "smaller_than": rule.smaller_than,
        "abort_days": rule.abort_days,
        "noncurrent": rule.noncurrent_days,
    }


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def add_rule(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """One that expires objects some days after they were there. Its id is new."""
    name = seen(desk, caller, bucket)
    days = fields.number_or_none("expiry_days")
    if days is None or not 1 <= days <= _MAX_DAYS:
        raise InvalidInput(f"expiry_days must be a whole number from 1 to {_MAX_DAYS}")
    prefix = fields.text_or_none("prefix")
    if prefix is not None and len(prefix.encode()) > _MAX_PREFIX:
        raise InvalidInput(f"a prefix has {_MAX_PREFIX} bytes at most, as a key has")
    tags = _tags(fields.text_or_none("tags"))
    joined = len(tags) + (prefix is not None) > 1
    rule = Rule("", enabled=True, prefix=prefix, tags=tags, days=days, joined=joined)
    rules = _change(desk, name, lambda before: _with(before, rule))
    return {"bucket_name": name, "rule_id": rules[-1].id}


def _with(rules: tuple[Rule, ...], rule: Rule) -> tuple[Rule, ...]:
    if len(rules) >= MAX_RULES:
        raise InvalidInput(f"a bucket has {MAX_RULES} lifecycle rules at most: remove one, or reset them")
    # Rules in the older form of S3 and in the newer one do not stand together: all become of the newer one.
    return (*(_renewed(one) for one in rules), rule)


def _renewed(rule: Rule) -> Rule:
    return replace(rule, legacy=False)


def _tags(written: str | None) -> tuple[tuple[str, str], ...]:
    """Of ``k1=v1&k2=v2``, percent-encoded where it must be. Raises InvalidInput."""
    if not written:
        return ()
    try:
        pairs = parse_qsl(
            written.replace("+", "%2B"), keep_blank_values=True, strict_parsing=True, errors="strict"
        )
    except ValueError as error:
        raise InvalidInput("tags are written k1=v1&k2=v2") from error
    if len({key for key, _ in pairs}) != len(pairs) or len(pairs) > MAX_OBJECT_TAGS:
        raise InvalidInput(f"a rule has {MAX_OBJECT_TAGS} tags at most, each key once")
    for key, value in pairs:
        if not is_tag_key(key) or is_reserved_key(key) or not is_tag_value(value):
            raise InvalidInput(f"no object can have the tag {key[:128]!r}")
    return tuple(pairs)


def remove_rule(desk: Desk, caller: Caller, fields: Fields, bucket: str, rule: str) -> Any:
    """By its id."""
    name = seen(desk, caller, bucket)

    def step(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        left = tuple(one for one in rules if one.id != rule)
        if len(left) == len(rules):
            raise NoSuchEntity(f"the bucket {name} has no lifecycle rule {rule[:255]!r}")
        return left

    _change(desk, name, step)
    return {"bucket_name": name, "rule_id": rule}


def reset_rules(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """All of them; none is no error."""
    name = seen(desk, caller, bucket)
    _change(desk, name, lambda _: ())
    return {"bucket_name": name}


def _change(
    desk: Desk, name: BucketName, step: Callable[[tuple[Rule, ...]], tuple[Rule, ...]]
) -> tuple[Rule, ...]:
    try:
        return replace_rules(desk.namespace, name, step)
    except NotSupported as error:
        raise InvalidInput(f"the bucket {name} can have no lifecycle rules. {error}") from error
