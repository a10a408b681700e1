"""From the spools to the buckets that get the logs; in the background process.

At least once: what an object holds counts as read when it is there, so a process that dies in between writes
the same lines again into another object.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

from weka_mp.bucket_log_rules import EVENT_TIME, log_key
from weka_mp.bucket_logs.origin import Origin, origin_in
from weka_mp.errors import NamespaceError
from weka_mp.namespace import ContentHeaders, Namespace
from weka_mp.namespace.values import NewObject, Published
from weka_mp.spool import Batch, SpoolReader
from weka_mp.values import BucketName

__all__ = ["Delivered", "LogDelivery", "Refused"]

log = logging.getLogger(__name__)

_OBJECT_BYTES: Final = 16 * 1024 * 1024  # that wait are delivered at once, in objects of about as many
_OBJECT_LINES: Final = 100_000
_ORDER: Final = 20  # digits before a line: when it was, in ns
_DAY_NS: Final = 86_400_000_000_000
_PATIENCE_NS: Final = _DAY_NS  # for a target that is gone, or refuses
_FORGOTTEN_NS: Final = _DAY_NS // 24  # that nothing came or went in a spool
_ACCOUNT_DIGITS: Final = 12
_UNIQUE_BYTES: Final = 8


class Refused(Exception):
    """The target is not to get this log, for the reason that is said."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """An object that was written, to be told to mounts and to those whom its bucket notifies."""

    bucket: BucketName
    done: Published


class _Spool:
    """One directory. due: when to deliver, in time.monotonic(); None: nothing waits."""

    def __init__(self, path: str, origin: Origin) -> None:
        self.path = path
        self.origin = origin
        self.reader = SpoolReader(path, _order_of)
        self.due: float | None = None
        self.failing = False


class LogDelivery(Collector):
    """Of one node's spools. `step` and `collect` alone are called from outside; not thread-safe."""

    def __init__(
        self, namespace: Namespace, directory: str, region: str, interval: float,
        check: Callable[[Origin, bytes], tuple[str | None, int, int]],
    ) -> None:
        """interval: seconds that lines wait for more. check: of an origin and a key whether it may be
        written, and whose it becomes: the account's name, uid and gid. Raises Refused, NamespaceError.
        """
        self._namespace = namespace
        self._directory = directory
        self._region = region
        self._interval = interval
        self._check = check
        self._spools: dict[str, _Spool] = {}
        self.objects = self.lines = self.lost = self.failures = self.torn = self.queued = 0

    def step(self, *, at_once: bool = False) -> list[Delivered]:
        """Deliver what is due; what was written. Never raises for what disks or targets do."""
        self._find()
        written: list[Delivered] = []
        queued = 0
        for spool in list(self._spools.values()):
            try:
                pending = spool.reader.pending_bytes()
                if self._is_due(spool, pending) or (at_once and pending):
                    spool.due = None
                    self._deliver(spool, pending, written)
                    pending = spool.reader.pending_bytes()
                if not pending:
                    self._tidy(spool)
                queued += pending
            except (OSError, NamespaceError, Refused) as error:
                self._failed(spool, error)
        self.queued = queued
        return written

    def _find(self) -> None:
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return
        for name in names:
            if name not in self._spools:
                path = os.path.join(self._directory, name)
                origin = origin_in(path)
                if origin is not None:
                    self._spools[name] = _Spool(path, origin)

    def _is_due(self, spool: _Spool, pending: int) -> bool:
        if not pending:
            spool.due = None
            return False
        now = time.monotonic()
        if spool.due is None:
            spool.due = now + self._interval
        return now >= spool.due or (pending >= _OBJECT_BYTES and not spool.failing)

    def _deliver(self, spool: _Spool, pending: int, written: list[Delivered]) -> None:
        """What waits. What comes meanwhile waits for more: a bucket that is asked all the time would get
        objects of a line each, and no other bucket any.
        """
        while pending > 0 and (batch := spool.reader.batch(min(pending, _OBJECT_BYTES), _OBJECT_LINES)):
            pending -= max(1, batch.torn + sum(len(line) + 1 for line in batch.events))
            try:
                for day_ns, lines in _by_day(batch, spool.origin):
                    written.append(self._put(spool.origin, day_ns, lines))
            except Refused:
                if not self._is_too_old(batch):
                    raise
                self.lost += len(batch.events)
            spool.reader.done(batch)
            spool.failing = False
            self.lines += len(batch.events)
            self.torn += batch.torn
            if batch.dropped:
                log.warning("%d log lines of %s found no room", batch.dropped, spool.origin.source)

    def _put(self, origin: Origin, day_ns: int | None, lines: Sequence[bytes]) -> Delivered:
        now_ns = self._namespace.clock.now_ns()
        unique = self._namespace.context.random.token(_UNIQUE_BYTES).upper()
        at_ns = now_ns if day_ns is None else day_ns
        account = origin.account[-_ACCOUNT_DIGITS:]
        key = log_key(origin.rule, origin.source, account, self._region, at_ns, unique)
        owner, uid, gid = self._check(origin, key)
        data = b"".join(line[_ORDER + 1 :] + b"\n" for line in lines)
        target = BucketName(origin.rule.target)
        session = self._namespace.begin_put(target, key, size=len(data), uid=uid, gid=gid)
        try:
            session.write(data)
            md5 = hashlib.md5(data, usedforsecurity=False).digest()
            done = session.publish(NewObject(md5=md5, headers=ContentHeaders("text/plain"), owner=owner))
        finally:
            session.abort()
        self.objects += 1
        return Delivered(target, done)

    def _is_too_old(self, batch: Batch) -> bool:
        newest = max((int(line[:_ORDER]) for line in batch.events), default=0)
        return newest < self._namespace.clock.now_ns() - _PATIENCE_NS

    def _failed(self, spool: _Spool, error: Exception) -> None:
        """Told once until it goes again; tried again after the interval."""
        self.failures += 1
        if not spool.failing:
            origin = spool.origin
            log.warning("the log of %s waits: %s: %s", origin.source, origin.rule.target, error)
        spool.failing = True

    def _tidy(self, spool: _Spool) -> None:
        """Remove what was delivered, and the directory of a spool that nobody uses any more."""
        spool.reader.tidy(self._namespace.clock.now_ns())
        with suppress(OSError):
            names = os.listdir(spool.path)
            touched_ns = os.stat(spool.path).st_mtime_ns
            idle = self._namespace.clock.now_ns() - touched_ns > _FORGOTTEN_NS
            if idle and set(names) <= {"origin", "progress"}:
                for name in sorted(names, reverse=True):
                    os.unlink(os.path.join(spool.path, name))
                os.rmdir(spool.path)
                self._spools.pop(os.path.basename(spool.path), None)

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Let the registry collect the counts."""
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """What became of lines."""
        for name, about, value in (
            ("objects", "Log objects written", self.objects),
            ("delivered", "Log lines written", self.lines),
            ("lost", "Log lines given up, whose target was gone or refused them for a day", self.lost),
            ("failures", "Deliveries of logs that failed", self.failures),
            ("torn_bytes", "Bytes in the spools of logs that were no lines", self.torn),
        ):
            yield CounterMetricFamily(f"weka_mp_bucket_log_{name}", about, value)
        yield GaugeMetricFamily(
            "weka_mp_bucket_log_queued_bytes", "Bytes of log lines that wait", self.queued
        )


def _by_day(batch: Batch, origin: Origin) -> list[tuple[int | None, list[bytes]]]:
    """The lines of each object. By EVENT_TIME those of a day, with when it began."""
    if origin.rule.form != EVENT_TIME:
        return [(None, list(batch.events))] if batch.events else []
    days: dict[int, list[bytes]] = {}
    for line in batch.events:
        days.setdefault(int(line[:_ORDER]) // _DAY_NS * _DAY_NS, []).append(line)
    return [(day, days[day]) for day in sorted(days)]


def _order_of(line: bytes) -> str | None:
    """None: it is no line of ours, or not all of one."""
    order = line[:_ORDER]
    whole = len(order) == _ORDER and order.isdigit() and line[_ORDER : _ORDER + 1] == b" "
    return order.decode("ascii") if whole else None
