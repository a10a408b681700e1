"""Noncurrent versions, and delete markers that hide nothing, whose time has come by a rule of the lifecycle.

A version is noncurrent since its inode last changed: that is when it lost its name, or later (it got tags).
So a rule never takes one earlier than it says. Whatever became the current one again meanwhile stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from weka_mp.errors import NamespaceError, NotFound, ObjectLocked
from weka_mp.lifecycle import Rule, marker_expiry_of, noncurrent_expiry_of
from weka_mp.namespace.context import Context
from weka_mp.namespace.effects import Changes
from weka_mp.namespace.names.keys import entry_path
from weka_mp.namespace.objects.version_listing import kept_keys
from weka_mp.namespace.objects.versions import current_id, delete_version
from weka_mp.namespace.records.attribute import read_record
from weka_mp.namespace.upkeep.expiring import Age
from weka_mp.namespace.values import Deletion
from weka_mp.namespace.versions.histories import counting
from weka_mp.namespace.versions.identifiers import Kept, shown
from weka_mp.values import BucketName, Fd

__all__ = ["ExpiredVersions", "expire_versions"]

_PAGE: Final = 200  # keys of one step


@dataclass(slots=True)
class ExpiredVersions:
    """What one step did. following: the key to go on behind; None: the bucket is done. expired: key, version
    as S3 shows it, id of the rule, sequence (of `Happening`). failed: with what the store said.
    """

    following: bytes | None = None
    looked: int = 0
    expired: list[tuple[bytes, str, str, int]] = field(default_factory=list)
    failed: list[tuple[bytes, NamespaceError]] = field(default_factory=list)
    changes: Changes = ()


def expire_versions(
    context: Context, bucket: BucketName, after: bytes, rules_now: Callable[[], Sequence[Rule]], age: Age
) -> ExpiredVersions:
    """Look at the next keys that have a history, and delete what is due of them for good.

    Raises BucketMissing.
    """
    rules = rules_now()
    done = ExpiredVersions()
    if not any(_concerns_versions(rule) for rule in rules):
        return done
    with context.bucket(bucket) as at:
        with context.histories.of_bucket(at) as top:
            keys = [] if top is None else list(islice(kept_keys(context, top, b"", after), _PAGE))
        for key in keys:
            done.looked += 1
            try:
                _expire_key(context, bucket, at, key, rules, age, done)
            except NamespaceError as error:
                done.failed.append((key, error))
                done.changes += error.changes
    if len(keys) == _PAGE:
        done.following = keys[-1]
    return done


def _concerns_versions(rule: Rule) -> bool:
    return rule.enabled and (
        rule.noncurrent_days is not None or bool(rule.delete_marker) or rule.days is not None
    )


def _expire_key(
    context: Context, bucket: BucketName, at: Fd, key: bytes, rules: Sequence[Rule], age: Age,
    done: ExpiredVersions,
) -> None:
    current = current_id(context, bucket, key)
    with context.histories.opened(at, entry_path(key)) as history:
        found = [] if history is None else counting(context.histories.entries(history), current)
        if history is None or not found:
            return
        alone = current is None and len(found) == 1 and found[0].marker
        latest = 1 if current is None and found[0].marker else 0  # it is no noncurrent version
        due = [
            (kept, rule)
            for newer, kept in enumerate(found[latest:])
            if (rule := _noncurrent_rule(context, history, key, kept, newer, rules, age)) is not None
        ]
        if alone and (rule := _marker_rule(context, history, key, found[0], rules, age)) is not None:
            due.append((found[0], rule))
    for kept, rule in reversed(due):  # the oldest first: what is left is never older than what went
        with context.effects() as effects:
            try:
                gone = delete_version(context, at, Deletion(key), kept.version, effects, noncurrent=True)
            except ObjectLocked:
                continue  # its time comes when the lock ends
            effects.flush()
        done.changes += gone.changes
        if gone.existed:
            done.expired.append((key, shown(kept.version), rule.id, effects.sequence))


def _noncurrent_rule(
    context: Context, history: Fd, key: bytes, kept: Kept, newer: int, rules: Sequence[Rule], age: Age
) -> Rule | None:
    store = context.histories.store
    try:
        fd = store.open_file(history, kept.name, os.O_RDONLY)
    except NotFound:
        return None
    try:
        attr, record = store.attr(fd), read_record(store, fd)
    finally:
        store.close(fd)
    tags = record.tags if record else {}
    expiry = noncurrent_expiry_of(rules, key, attr.size, tags, attr.ctime_ns, newer, age.day_ns)
    return expiry.rule if expiry is not None and expiry.at_ns <= age.now_ns else None


def _marker_rule(
    context: Context, history: Fd, key: bytes, kept: Kept, rules: Sequence[Rule], age: Age
) -> Rule | None:
    try:
        made_ns = context.histories.store.attr_at(history, kept.name).ctime_ns
    except NotFound:
        return None
    expiry = marker_expiry_of(rules, key, made_ns, age.day_ns)
    return expiry.rule if expiry is not None and expiry.at_ns <= age.now_ns else None
