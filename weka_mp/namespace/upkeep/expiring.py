"""Objects whose time has come by a rule of their bucket's lifecycle: found page by page, removed one by one.

Keys are looked at in pages of a listing, large ones: a directory from which objects went is read anew for the
next. What looks due in one is removed in small steps. Where one ended is where the next begins, whoever asks
for it. What looks due is judged again under the lock of its entry, with the object that stands there then:
what somebody put or wrote meanwhile, or has open for writing, stays. An object is there since its last
modification, or since its inode was made if that was later: a tree that was copied here with its old times is
as young as the copy (decision record 011).
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from weka_mp.errors import Conflict, NamespaceError, PreconditionFailed
from weka_mp.lifecycle import DAY_NS, Rule, expiry_of
from weka_mp.namespace.context import Context
from weka_mp.namespace.effects import Changes
from weka_mp.namespace.objects.deleting import delete_objects
from weka_mp.namespace.objects.listing import Lister
from weka_mp.namespace.values import Deleted, Deletion, ObjectInfo, ObjectSummary
from weka_mp.values import Attr, BucketName, Fd

__all__ = [
    "START", "Age", "Cursor", "ExpiredPage", "Note", "expire_page", "no_note", "roots_of", "told_again",
]  # fmt: skip

Note = Callable[[Sequence[bytes]], None]
"""Told the keys that are about to be removed, before the first is."""

_LOOK: Final = 5000  # keys: what is looked at in one go
_PAGE: Final = 200  # of them: what one step removes


def no_note(keys: Sequence[bytes]) -> None:
    """Nobody would go on if this process died."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a walk is: keys that begin with `root`, behind `after`.

    due: keys behind it that looked due when all up to `seen` were looked at (None: to the end of the root).
    They need not be kept for another process, which looks again.
    """

    root: bytes = b""
    after: bytes = b""
    due: tuple[bytes, ...] = ()
    seen: bytes | None = None


START: Final = Cursor()


@dataclass(frozen=True, slots=True)
class Age:
    """By what is decided whether an object's time has come. now_ns: since the epoch, no later than it is;
    day_ns: what stands for a day.
    """

    now_ns: int
    day_ns: int = DAY_NS


@dataclass(slots=True)
class ExpiredPage:
    """What one step did. following: None: the bucket is done. expired: keys with the id of the rule.

    kept: looked due and was not, or somebody was writing. failed: with what the store said. gone: what
    became of those that expired, by key.
    """

    following: Cursor | None = None
    looked: int = 0
    expired: list[tuple[bytes, str]] = field(default_factory=list)
    kept: int = 0
    failed: list[tuple[bytes, NamespaceError]] = field(default_factory=list)
    changes: Changes = ()
    gone: dict[bytes, Deleted] = field(default_factory=dict)


def roots_of(rules: Iterable[Rule]) -> list[bytes]:
    """The prefixes that rules which expire objects are about, sorted; none lies below another."""
    wanted = {
        (rule.prefix or "").encode()
        for rule in rules
        if rule.enabled and (rule.days is not None or rule.date_s is not None)
    }
    return sorted(
        root for root in wanted if not any(root != other and root.startswith(other) for other in wanted)
    )


def expire_page(
    context: Context, lister: Lister, bucket: BucketName, cursor: Cursor,
    rules_now: Callable[[], Sequence[Rule]], age: Age, note: Note = no_note,
) -> ExpiredPage:
    """Look at the next keys, where none are known to be due, and remove the first of those whose time has
    come. rules_now: the bucket's at that moment. note: whoever dies before the mounts know of the changes
    finds there what to tell them (`told_again`).

    Raises BucketMissing, and what the store says of the directories.
    """
    rules = rules_now()
    done = ExpiredPage()
    root = next((root for root in roots_of(rules) if root >= cursor.root), None)
    if root is None:
        return done
    if root != cursor.root:
        cursor = Cursor(root)
    if not cursor.due:
        cursor = _look(lister, bucket, cursor, rules, age, done)
    step, rest = cursor.due[:_PAGE], cursor.due[_PAGE:]
    if step:
        note(step)
        _remove(context, bucket, step, rules_now, age, done)
    if rest:
        done.following = Cursor(root, step[-1], rest, cursor.seen)
    elif cursor.seen is not None:
        done.following = Cursor(root, cursor.seen)
    elif root != roots_of(rules)[-1]:
        done.following = Cursor(next(other for other in roots_of(rules) if other > root))
    return done


def _look(
    lister: Lister, bucket: BucketName, cursor: Cursor, rules: Sequence[Rule], age: Age, done: ExpiredPage
) -> Cursor:
    page = lister.page(bucket, prefix=cursor.root, delimiter=b"", after=cursor.after, limit=_LOOK)
    rows = [row for row in page.items if isinstance(row, ObjectSummary)]
    done.looked = len(rows)
    due = tuple(row.key for row in rows if _looks_due(rules, row, age))
    return Cursor(cursor.root, cursor.after, due, page.next_after)


def told_again(context: Context, bucket: BucketName, keys: Sequence[bytes]) -> Changes:
    """What the mounts are to hear of these keys, which somebody removed who may have died before it told
    them. Those that are there stay. Raises BucketMissing.
    """
    _, changes = delete_objects(context, bucket, [Deletion(key) for key in keys], lambda *_: False)
    return changes


def _looks_due(rules: Sequence[Rule], row: ObjectSummary, age: Age) -> bool:
    """Whether it may be due, as far as a listing tells: tags and when it came here are looked at later."""
    expiry = expiry_of(rules, row.key, row.size, None, row.mtime_ns, age.day_ns)
    return expiry is not None and expiry.at_ns <= age.now_ns


def _remove(
    context: Context, bucket: BucketName, keys: Sequence[bytes], rules_now: Callable[[], Sequence[Rule]],
    age: Age, done: ExpiredPage,
) -> None:
    by_rule: dict[bytes, str] = {}

    def judge(present: ObjectInfo, fd: Fd, found: Attr) -> bool:
        if not present.etag_is_stable:
            return False  # somebody writes
        since_ns = max(present.mtime_ns, context.store.appeared_ns(fd))
        if stat.S_ISLNK(found.mode):
            since_ns = max(since_ns, found.mtime_ns, found.ctime_ns)
        expiry = expiry_of(rules_now(), present.key, present.size, present.tags, since_ns, age.day_ns)
        if expiry is None or expiry.at_ns > age.now_ns:
            return False
        by_rule[present.key] = expiry.rule.id
        return True

    outcomes, done.changes = delete_objects(context, bucket, [Deletion(key) for key in keys], judge)
    for key, outcome in zip(keys, outcomes, strict=True):
        if isinstance(outcome, PreconditionFailed | Conflict):
            done.kept += 1
        elif isinstance(outcome, NamespaceError):
            done.failed.append((key, outcome))
        elif outcome.existed:
            done.expired.append((key, by_rule.get(key, "")))
            done.gone[key] = outcome
