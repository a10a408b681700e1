"""What the rules of buckets ask for, done in the background: after each midnight, and when rules change.

A run goes through the buckets that have rules, in the order of their names, step by step. After each it
sleeps as long as that took, so that it takes half of a processor's idle time at most. Where it is stands in
the record ``lifecycle`` of the control area: what dies and is started again goes on from there. While the
machine's clock is not to be believed nothing is done (`believed_time`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import trio
from prometheus_client import Counter, Gauge

from weka_mp.bucket_logs import LogBook
from weka_mp.clock import elapsed_ns
from weka_mp.errors import BucketMissing, DeleteMarkerMet, NamespaceError, NotFound
from weka_mp.namespace import Namespace
from weka_mp.namespace.happenings import EXPIRED, EXPIRY_MARKED, Asker, Happening
from weka_mp.namespace.upkeep.expiring import START, Age, Cursor, ExpiredPage, told_again
from weka_mp.namespace.upkeep.expiring_versions import ExpiredVersions
from weka_mp.namespace.values import Deleted
from weka_mp.notifications import Journal
from weka_mp.server.invalidator import Invalidator
from weka_mp.supervise.believed_time import UNKNOWN, BelievedTime, Known
from weka_mp.supervise.logging_buckets import log_expired
from weka_mp.values import BucketName

__all__ = ["Lifecycle"]

log = logging.getLogger(__name__)

OBJECTS: Final = Counter("weka_mp_lifecycle_objects", "Objects that rules were asked about", ["outcome"])
UPLOADS: Final = Counter("weka_mp_lifecycle_uploads_aborted", "Uploads in parts that rules aborted")
RUN_SECONDS: Final = Gauge("weka_mp_lifecycle_run_seconds", "Duration of the last whole run")

_RECORD: Final = b"lifecycle"
_LOOK_EVERY: Final = 60.0  # seconds: whether a run is due
_LOOKS_A_DAY: Final = 8  # at least, where a day is short
_RETRY_NS: Final = 300 * 1_000_000_000  # from the end of a run to the next try of the buckets that failed
_SAVE_EVERY: Final = 5.0  # seconds: what is looked at twice after a death
_LONGEST_REST: Final = 1.0
_SECOND: Final = 1_000_000_000
_NOTE_TIME_NS: Final = 3600 * _SECOND  # how old the time is at most that the record knows


@dataclass(frozen=True, slots=True)
class _State:
    """The record. began_ns: when the last whole run began; rules: the digest of those that it followed.

    run_ns, bucket, cursor: a run under way (0: there is none), and where it is. removing: the keys of the
    bucket that it was about to remove, of which the mounts may not have heard. known: the time.
    """

    began_ns: int = 0
    rules: str = ""
    run_ns: int = 0
    run_rules: str = ""
    bucket: str = ""
    cursor: Cursor = START
    removing: tuple[bytes, ...] = ()
    known: Known = UNKNOWN

    def encode(self) -> bytes:
        fields: dict[str, Any] = {"began_ns": self.began_ns, "rules": self.rules}
        fields["time"] = {"at_ns": self.known.at_ns, "stood_ns": self.known.stood_ns}
        if self.run_ns:
            fields["run"] = {
                "began_ns": self.run_ns, "rules": self.run_rules, "bucket": self.bucket,
                "root": self.cursor.root.hex(), "after": self.cursor.after.hex(),
                "removing": [key.hex() for key in self.removing],
            }
        return json.dumps(fields, sort_keys=True).encode() + b"\n"

    @classmethod
    def decode(cls, data: bytes | None) -> _State:
        """A record that cannot be read is none: the next run begins at the beginning."""
        try:
            fields = json.loads(data or b"{}")
            run, at = fields.get("run") or {}, fields.get("time") or {}
            cursor = Cursor(bytes.fromhex(run.get("root", "")), bytes.fromhex(run.get("after", "")))
            return cls(
                int(fields.get("began_ns", 0)), str(fields.get("rules", "")), int(run.get("began_ns", 0)),
                str(run.get("rules", "")), str(run.get("bucket", "")), cursor,
                tuple(bytes.fromhex(key) for key in run.get("removing", ())),
                Known(int(at.get("at_ns", 0)), int(at.get("stood_ns", 0))),
            )
        except (ValueError, TypeError, AttributeError):
            log.warning("the record of the lifecycle cannot be read: all buckets are looked at again")
            return cls()


class Lifecycle:
    """`run` it; one in a store. day_ns: what stands for a day, and how long a clock that was set ahead must
    stand to be believed.
    """

    def __init__(
        self, namespace: Namespace, invalidator: Invalidator, day_ns: int, stopping: Callable[[], bool],
        elapsed: Callable[[], int] = elapsed_ns,
        journal: Journal | None = None, log_book: LogBook | None = None,
    ) -> None:
        """journal: takes what buckets notify of; log_book: the logs that they keep."""
        self._journal = journal
        self._log_book = log_book
        self._namespace = namespace
        self._invalidator = invalidator
        self._day_ns = day_ns
        self._stopping = stopping
        self._elapsed = elapsed
        self._time: BelievedTime | None = None  # until what the last process left was looked at
        self._doubting = False
        self._saved = 0.0
        self._failed: set[BucketName] = set()
        self._retry_ns = 0

    async def run(self) -> None:
        """Until cancelled."""
        pause = min(_LOOK_EVERY, self._day_ns / _SECOND / _LOOKS_A_DAY)
        while True:
            try:
                await self.run_if_due()
            except NamespaceError as error:
                log.error("the rules of buckets cannot be followed now: %s", error)
            await trio.sleep(pause)

    async def run_if_due(self) -> bool:
        """Whether there was something to do. Raises NamespaceError."""
        if self._time is None:
            await self._succeed()
        now_ns = self._now_ns()
        with_rules = await trio.to_thread.run_sync(self._buckets)
        if not with_rules:
            return False
        digest = _digest(with_rules)
        state = await self._state()
        await self._keep_time(state)
        if now_ns is None:
            return False
        done_today = state.began_ns // self._day_ns == now_ns // self._day_ns and state.began_ns <= now_ns
        if not state.run_ns and done_today and state.rules == digest:
            return await self._try_again(state, with_rules, now_ns)
        if not state.run_ns or state.run_rules != digest:
            state = _State(state.began_ns, state.rules, now_ns, digest)
        await self._follow(state, with_rules)
        return True

    async def _try_again(self, done: _State, with_rules: Mapping[BucketName, str], now_ns: int) -> bool:
        """The buckets in which the last run failed: they need not wait for the next day."""
        failed = {bucket: rules for bucket, rules in with_rules.items() if bucket in self._failed}
        if not failed or now_ns < self._retry_ns:
            return False
        await self._follow(_State(done.began_ns, done.rules, done.began_ns, done.rules), failed)
        return True

    async def _state(self) -> _State:
        return _State.decode(await trio.to_thread.run_sync(self._namespace.read_setting, _RECORD))

    async def _succeed(self) -> None:
        """Tell the mounts what the last process removed and may have died before it told them."""
        state = await self._state()
        if state.removing:
            with suppress(BucketMissing):
                await self._invalidator.publish(await trio.to_thread.run_sync(
                    told_again, self._namespace.context, BucketName(state.bucket), state.removing
                ))
                bucket = BucketName(state.bucket)
                gone = await trio.to_thread.run_sync(self._gone, bucket, state.removing)
                await self._notify(_told_of(bucket, gone))
            await self._save(replace(state, removing=()), at_once=True)
        self._time = BelievedTime(self._namespace.clock, state.known, self._day_ns, self._elapsed)

    def _now_ns(self) -> int | None:
        """None: nobody knows. Told in the log once."""
        assert self._time is not None
        now_ns = self._time.now_ns()
        if (now_ns is None) is not self._doubting:
            self._doubting = now_ns is None
            if self._doubting:
                log.error(
                    "the clock is ahead of the time that passed: nothing expires before it has stood so for a"
                    " day"
                )
            else:
                log.info("the clock is believed again")
        return now_ns

    async def _keep_time(self, state: _State) -> None:
        """For the next process, which was not there to see it pass."""
        assert self._time is not None
        known = self._time.known
        older = abs(known.at_ns - state.known.at_ns) + abs(known.stood_ns - state.known.stood_ns)
        if older >= _NOTE_TIME_NS:
            await self._save(state, at_once=True)

    def _buckets(self) -> dict[BucketName, str]:
        """Name and rules of those that have rules, in order."""
        found: dict[BucketName, str] = {}
        for bucket in self._namespace.list_buckets():
            try:
                rules = self._namespace.bucket_settings(bucket.name).lifecycle
            except BucketMissing:
                continue
            except NamespaceError as error:
                log.error("nothing expires in %s, whose settings cannot be read: %s", bucket.name, error)
                continue
            if rules is not None:
                found[bucket.name] = rules
        return found

    async def _follow(self, state: _State, with_rules: Mapping[BucketName, str]) -> None:
        begun, totals = time.monotonic(), ExpiredPage()
        aborted = 0
        self._failed.clear()
        for bucket in with_rules:
            if bucket < state.bucket or self._stopping():
                continue
            cursor = state.cursor if bucket == state.bucket else START
            now_ns = self._now_ns()
            if now_ns is None:
                return
            try:
                aborted += await trio.to_thread.run_sync(
                    self._namespace.abort_due_uploads, bucket, Age(now_ns, self._day_ns)
                )
            except NamespaceError as error:  # it holds up no object
                await self._note_failure(bucket, error)
            try:
                await self._follow_bucket(state, bucket, cursor, totals)
                await self._follow_versions(bucket, totals)
            except NamespaceError as error:
                await self._note_failure(bucket, error)
        if self._stopping() or self._doubting:
            return
        self._retry_ns = self._namespace.clock.now_ns() + min(_RETRY_NS, self._day_ns // _LOOKS_A_DAY)
        await self._save(_State(state.run_ns, state.run_rules), at_once=True)
        UPLOADS.inc(aborted)
        RUN_SECONDS.set(time.monotonic() - begun)
        log.info("followed the rules of buckets", extra={"fields": {
            "buckets": len(with_rules), "looked": totals.looked, "expired": len(totals.expired),
            "kept": totals.kept, "failed": len(totals.failed), "uploads_aborted": aborted,
        }})

    async def _note_failure(self, bucket: BucketName, error: NamespaceError) -> None:
        if isinstance(error, BucketMissing):
            return  # deleted meanwhile
        await self._invalidator.publish(error.changes)
        self._failed.add(bucket)
        log.error("the rules of %s cannot be followed to their end: %s", bucket, error)

    async def _follow_bucket(
        self, state: _State, bucket: BucketName, cursor: Cursor | None, totals: ExpiredPage
    ) -> None:
        while cursor is not None and not self._stopping():
            begun, now_ns = time.monotonic(), self._now_ns()
            if now_ns is None:
                return
            here = _State(state.began_ns, state.rules, state.run_ns, state.run_rules, bucket, cursor)
            page = await trio.to_thread.run_sync(
                self._namespace.expire_objects, bucket, cursor, Age(now_ns, self._day_ns),
                partial(self._note, here),
            )
            await self._invalidator.publish(page.changes)
            await self._notify(_told_of(bucket, page.gone))
            _count(bucket, page, totals)
            cursor = page.following
            if cursor is not None:
                await self._save(_State(
                    state.began_ns, state.rules, state.run_ns, state.run_rules, bucket, cursor
                ))
                await trio.sleep(min(_LONGEST_REST, time.monotonic() - begun))

    async def _follow_versions(self, bucket: BucketName, totals: ExpiredPage) -> None:
        """What is not the current version of its key. A process that dies begins with the first key again."""
        after: bytes | None = b""
        while after is not None and not self._stopping():
            begun, now_ns = time.monotonic(), self._now_ns()
            if now_ns is None:
                return
            page = await trio.to_thread.run_sync(
                self._namespace.expire_versions, bucket, after, Age(now_ns, self._day_ns)
            )
            await self._invalidator.publish(page.changes)
            await self._notify([
                Happening(EXPIRED, bucket, key, sequence, version=version)
                for key, version, _, sequence in page.expired
            ])
            _count_versions(bucket, page, totals)
            after = page.following
            await trio.sleep(min(_LONGEST_REST, time.monotonic() - begun))

    async def _notify(self, told: Sequence[Happening]) -> None:
        if self._journal is not None and told:
            await trio.to_thread.run_sync(self._journal.tell, told, Asker("lifecycle"))
        if self._log_book is not None and told:
            await trio.to_thread.run_sync(log_expired, self._namespace, self._log_book, told)

    def _gone(self, bucket: BucketName, keys: Sequence[bytes]) -> dict[bytes, Deleted]:
        """Those of the keys that are not there; nobody may have been notified of that."""
        found: dict[bytes, Deleted] = {}
        for key in keys:
            now_ns = self._namespace.clock.now_ns()
            try:
                self._namespace.head_object(bucket, key)
            except (NotFound, DeleteMarkerMet):
                found[key] = Deleted(True, (), sequence=now_ns)
        return found

    def _note(self, here: _State, keys: Sequence[bytes]) -> None:
        noted = replace(here, removing=tuple(keys))
        self._namespace.write_setting(_RECORD, self._encoded(noted))

    async def _save(self, state: _State, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._saved < _SAVE_EVERY:
            return
        self._saved = now
        await trio.to_thread.run_sync(self._namespace.write_setting, _RECORD, self._encoded(state))

    def _encoded(self, state: _State) -> bytes:
        return (state if self._time is None else replace(state, known=self._time.known)).encode()


def _told_of(bucket: BucketName, gone: Mapping[bytes, Deleted]) -> list[Happening]:
    """What is told of keys that lost their current version."""
    return [
        Happening(
            EXPIRY_MARKED if done.marker else EXPIRED, bucket, key, done.sequence, version=done.version
        )
        for key, done in gone.items()
    ]


def _digest(with_rules: Mapping[BucketName, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(with_rules.items())).encode()).hexdigest()


def _count(bucket: BucketName, page: ExpiredPage, totals: ExpiredPage) -> None:
    """Into the log, the metrics and the totals. Who removed an object stands in the log with its rule."""
    for key, rule in page.expired:
        shown = key.decode("utf-8", "backslashreplace")
        log.info("a rule of its bucket removed an object", extra={"fields": {
            "bucket": bucket, "key": shown, "rule": rule,
        }})
    for key, error in page.failed:
        log.error("%s/%r expired and cannot be removed: %s", bucket, key, error)
    for outcome, number in (
        ("looked", page.looked), ("expired", len(page.expired)), ("kept", page.kept),
        ("failed", len(page.failed)),
    ):
        OBJECTS.labels(outcome).inc(number)
    totals.looked += page.looked
    totals.kept += page.kept
    totals.expired += [(b"", "")] * len(page.expired)
    totals.failed += page.failed


def _count_versions(bucket: BucketName, page: ExpiredVersions, totals: ExpiredPage) -> None:
    for key, version, rule, _ in page.expired:
        shown = key.decode("utf-8", "backslashreplace")
        log.info("a rule of its bucket removed a version", extra={"fields": {
            "bucket": bucket, "key": shown, "version": version, "rule": rule,
        }})
    for key, error in page.failed:
        log.error("versions of %s/%r expired and cannot be removed: %s", bucket, key, error)
    for outcome, number in (
        ("looked", page.looked), ("expired", len(page.expired)), ("failed", len(page.failed)),
    ):
        OBJECTS.labels(outcome).inc(number)
    totals.looked += page.looked
    totals.expired += [(b"", "")] * len(page.expired)
    totals.failed += page.failed
