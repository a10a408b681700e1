"""The child kind ``background``:

gives files their MD5 ETags, follows the lifecycle rules of buckets, ships audit events and notifications,
writes log objects, expires uploads, sweeps leftovers and dead keys; yields to all else.
"""

from __future__ import annotations

import ctypes
import dataclasses
import logging
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import trio
from prometheus_client import Counter, Gauge

from weka_mp.errors import UNWRITABLE, BucketMissing, NamespaceError
from weka_mp.identity.errors import IdentityError
from weka_mp.namespace import FillReport, Namespace
from weka_mp.server.invalidator import Invalidator
from weka_mp.supervise.auditing import ship
from weka_mp.supervise.child import ChildLink
from weka_mp.supervise.identities import key_file_of, sweep_identities
from weka_mp.supervise.lifecycle import Lifecycle
from weka_mp.supervise.logging_buckets import deliver_logs, leave_idle_logs, open_log_book
from weka_mp.supervise.notifying import notify, open_journal
from weka_mp.supervise.opening import open_namespace
from weka_mp.values import BucketName

__all__ = ["Filler", "fill_until_done", "main", "next_pause", "sweep"]

log = logging.getLogger(__name__)

FILES: Final = Counter("weka_mp_fill_files", "Files that the ETag filler looked at", ["outcome"])
SCAN_SECONDS: Final = Gauge("weka_mp_fill_scan_seconds", "Duration of the last scan for files without ETag")
RECOUNTED: Final = Counter("weka_mp_quota_recounts", "Recounts of buckets with a quota")
SWEPT: Final = Counter("weka_mp_swept", "Leftovers removed", ["kind"])

_SECOND: Final = 1_000_000_000
_SHORTEST_PAUSE: Final = 5.0  # seconds between two scans
_HINTED_PAUSE: Final = 1.0  # from a mount's hint that a file needs an ETag to the attempt
_SWEEP_EVERY: Final = 3600.0  # seconds
_RECOUNT_EVERY: Final = 3600.0  # seconds
_LOOK_EVERY: Final = 5.0  # seconds, from one look at what recounts are wanted to the next
_TIME_EVERY: Final = 300.0  # seconds: how much of what passed may count as unseen after a reboot
_LEFTOVER_AGE: Final = 24 * 3600 * _SECOND  # older than any request can be under way
_UPLOAD_AGE: Final = 7 * 24 * 3600 * _SECOND
_ANSWER_AGE: Final = 24 * 3600 * _SECOND  # a completion is repeated by a client that still waits for it
_NICE: Final = 10
_IOPRIO_SET: Final = {"x86_64": 251, "aarch64": 30}  # ioprio_set(2) has no wrapper in the C library
_IOPRIO_IDLE: Final = 3 << 13  # ioprio_set(2): class idle


async def main(plan: dict[str, Any], link: ChildLink) -> None:
    """Work until told to stop."""
    _yield_to_all_else()
    with open_namespace(plan["store"], plan["durability"]) as namespace:
        filler = Filler(namespace, link.stop.is_set)

        async def fill(args: object) -> object:
            return dataclasses.asdict(await filler.fill(args))

        async def hint(args: object) -> None:
            filler.hint(args)

        link.answer("fill", fill)
        link.answer("hint", hint)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(filler.run)
            nursery.start_soon(filler.follow_hints)
            nursery.start_soon(_sweep_for_ever, namespace, link.stop.is_set)
            nursery.start_soon(ship, namespace, plan, link)
            journal = open_journal(namespace, plan)
            journal.register()
            nursery.start_soon(notify, namespace, plan, link, journal)
            invalidator = Invalidator(plan["mount_sockets"])
            await nursery.start(invalidator.run)
            day_ns = plan["lifecycle_day_seconds"] * _SECOND
            log_book = open_log_book(namespace, plan)
            log_book.register()
            lifecycle = Lifecycle(
                namespace, invalidator, day_ns, link.stop.is_set, journal=journal, log_book=log_book
            )
            nursery.start_soon(lifecycle.run)
            nursery.start_soon(leave_idle_logs, log_book)
            nursery.start_soon(deliver_logs, namespace, plan, invalidator, journal)
            nursery.start_soon(_keep_quotas_for_ever, namespace, link.stop.is_set)
            nursery.start_soon(_keep_time_for_ever, namespace)
            await link.ready()
            await link.stop.wait()
            nursery.cancel_scope.cancel()


class Filler:
    """Scans the store for files without a true ETag, again and again; `fill` does a wanted part first."""

    def __init__(self, namespace: Namespace, stopping: Callable[[], bool]) -> None:
        self._namespace = namespace
        self._stopping = stopping
        self._wanted = 0  # fills that somebody waits for: a scan under way gives way
        self._busy = trio.Lock()
        self._hints: dict[bytes, None] = {}  # in the order of arrival
        self._hinted = trio.Event()

    def hint(self, args: object) -> None:
        """Paths below the store whose last writer closed without an ETag being known: they come first."""
        if isinstance(args, list):
            self._hints.update(dict.fromkeys(path for path in args if isinstance(path, bytes)))
            self._hinted.set()

    async def follow_hints(self) -> None:
        """Fill hinted files, until cancelled. What stays busy is left to the scans."""
        while True:
            await self._hinted.wait()
            await trio.sleep(_HINTED_PAUSE)  # a file just closed is too fresh, and is often opened again
            self._hinted = trio.Event()
            paths = list(self._hints)
            self._hints.clear()
            async with self._busy:
                work = partial(self._namespace.fill_paths, paths, stop=self._gives_way)
                report = await trio.to_thread.run_sync(work)
            _report("filled hinted ETags", report)

    async def fill(self, args: object) -> FillReport:
        """``[bucket, prefix]``:

        fill what is there, and wait for files that are too fresh. Raises BucketMissing.
        """
        match args:
            case [str(bucket), bytes(prefix)]:
                pass
            case _:
                raise ValueError("wanted: bucket and prefix")
        self._wanted += 1
        try:
            async with self._busy:
                work = partial(fill_until_done, self._namespace, BucketName(bucket), prefix, self._stopping)
                report = await trio.to_thread.run_sync(work)
        finally:
            self._wanted -= 1
        _report("filled wanted ETags", report)
        return report

    async def run(self) -> None:
        """Scan until cancelled; the pause depends on how long a scan takes."""
        while True:
            begun = time.monotonic()
            async with self._busy:
                report = await trio.to_thread.run_sync(self._scan)
            seconds = time.monotonic() - begun
            SCAN_SECONDS.set(seconds)
            _report("filled ETags", report)
            await trio.sleep(next_pause(seconds, report))

    def _gives_way(self) -> bool:
        return self._stopping() or self._wanted > 0

    def _scan(self) -> FillReport:
        total = FillReport()
        try:
            buckets = self._namespace.list_buckets()
        except NamespaceError as error:
            log.error("the buckets cannot be listed: %s", error)
            return total
        for bucket in buckets:
            if self._gives_way():
                break
            try:
                _add(total, self._namespace.fill(bucket.name, stop=self._gives_way))
            except BucketMissing:
                continue  # deleted meanwhile
            except NamespaceError as error:
                total.failed += 1
                log.error("ETags of %s cannot be filled: %s", bucket.name, error)
        return total


def next_pause(seconds: float, report: FillReport) -> float:
    """Seconds until the next scan after one that took `seconds`.

    A scan that found nothing costs a tenth of the time at most. One that found a good share of all files
    spent its time on hashing, and more is likely to come: its duration says little about the next. Files that
    were too fresh or still had a writer are looked at again soon, as far as the cost allows.
    """
    found = report.filled + report.busy
    if found * 4 > report.already:
        return _SHORTEST_PAUSE
    if found:
        return max(_SHORTEST_PAUSE, 2 * seconds)
    return max(_SHORTEST_PAUSE, 10 * seconds)


def fill_until_done(
    namespace: Namespace,
    bucket: BucketName,
    prefix: bytes,
    stopping: Callable[[], bool],
    *,
    patience: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> FillReport:
    """Fill, and repeat for up to `patience` seconds while files are busy (too fresh, or a writer at work).

    The counts are those of one pass over what is there at the end. Raises BucketMissing.
    """
    filled, interval = 0, 0.1
    deadline = time.monotonic() + patience
    while True:
        report = namespace.fill(bucket, prefix, stop=stopping)
        filled += report.filled
        if not report.busy or stopping() or time.monotonic() >= deadline:
            break
        sleep(interval)
    seen = report.filled + report.already
    return FillReport(min(filled, seen), max(0, seen - filled), report.busy, report.failed)


async def _sweep_for_ever(namespace: Namespace, stopping: Callable[[], bool]) -> None:
    while True:
        try:
            await trio.to_thread.run_sync(sweep, namespace, stopping)
        except UNWRITABLE as error:  # the supervisor's health says so, too
            log.warning("leftovers cannot be swept now: %s", error)
        except NamespaceError as error:
            log.error("leftovers cannot be swept: %s", error)
        except IdentityError as error:
            log.error("dead access keys cannot be removed: %s", error)
        await trio.sleep(_SWEEP_EVERY)


async def _keep_quotas_for_ever(namespace: Namespace, stopping: Callable[[], bool]) -> None:
    """Recount every bucket with a quota at the start, since nobody knows how the last run ended, and every
    hour; one that was found wanting at the next look.
    """
    all_at = time.monotonic()
    while True:
        begun = time.monotonic()
        everything = begun >= all_at
        try:
            work = partial(namespace.quotas.maintain, all_of_them=everything, stop=stopping)
            RECOUNTED.inc(await trio.to_thread.run_sync(work))
        except UNWRITABLE as error:
            log.warning("quotas cannot be kept now: %s", error)
        except NamespaceError as error:
            log.error("quotas cannot be kept: %s", error)
        seconds = time.monotonic() - begun
        if everything:
            all_at = time.monotonic() + max(_RECOUNT_EVERY, 20 * seconds)
        await trio.sleep(max(_LOOK_EVERY, 10 * seconds))


async def _keep_time_for_ever(namespace: Namespace) -> None:
    """The clock that retentions go by."""
    while True:
        try:
            await trio.to_thread.run_sync(namespace.context.object_locks.clock.keep)
        except UNWRITABLE as error:
            log.warning("the time cannot be noted now: %s", error)
        except NamespaceError as error:
            log.error("the time cannot be noted, retentions do not end: %s", error)
        await trio.sleep(_TIME_EVERY)


def sweep(namespace: Namespace, stopping: Callable[[], bool]) -> None:
    """Remove what is older than anybody can want: see the ages above. Raises NamespaceError, IdentityError
    (the latter last: all else is done then).
    """
    now = namespace.clock.now_ns()
    SWEPT.labels("staged file").inc(namespace.sweep(now - _LEFTOVER_AGE))
    SWEPT.labels("staged file").inc(namespace.sweep_far_buckets(now - _LEFTOVER_AGE, stop=stopping))
    SWEPT.labels("upload").inc(namespace.expire_uploads(now - _UPLOAD_AGE))
    SWEPT.labels("completed upload").inc(namespace.forget_completed(now - _ANSWER_AGE))
    SWEPT.labels("overflow file").inc(namespace.sweep_overflow(stop=stopping))
    SWEPT.labels("thawed version").inc(namespace.freeze_thawed(stop=stopping))
    leftovers, dead = sweep_identities(namespace, key_file_of(namespace))
    SWEPT.labels("staged file").inc(leftovers)
    SWEPT.labels("dead access key").inc(dead)


def _add(total: FillReport, part: FillReport) -> None:
    for field in dataclasses.fields(FillReport):
        setattr(total, field.name, getattr(total, field.name) + getattr(part, field.name))


def _report(what: str, report: FillReport) -> None:
    """Into the metrics, and into the log when something happened."""
    counts = dataclasses.asdict(report)
    for outcome, number in counts.items():
        FILES.labels(outcome).inc(number)
    if report.filled or report.failed:
        log.info(what, extra={"fields": counts})


def _yield_to_all_else() -> None:
    """Low priority for processor and disk; without the right to it the work is done all the same."""
    os.nice(_NICE)
    number = _IOPRIO_SET.get(platform.machine())
    if number is None or ctypes.CDLL(None, use_errno=True).syscall(number, 1, 0, _IOPRIO_IDLE) != 0:
        log.debug("the disk's priority stays as it is")
