"""What is to be told, on this node's disk before the request that did it is answered.

Each target has a spool of its own, so that one webhook that is down holds up no other. Directories that were
moved stand in one more, and are told object by object by the background process (`moves`).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

from weka_mp.errors import BucketMissing, NamespaceError
from weka_mp.namespace import Namespace
from weka_mp.namespace.happenings import Asker, Happening, MovedTree
from weka_mp.notification_rules import Rule, decode, rule_for
from weka_mp.notifications.event import line_of, moved_line_of, test_line_of
from weka_mp.spool import SpoolWriter
from weka_mp.values import BucketName

__all__ = ["Journal", "moves_in", "open_in", "spools_in"]

log = logging.getLogger(__name__)

_TARGETS: Final = "targets"
_MOVES: Final = "moves"
_OPEN: Final = "open"
_ROOT: Final = "root"  # owns buckets that name no account


def spools_in(directory: str) -> str:
    """Where the spools of targets lie, each under the target's name."""
    return os.path.join(directory, _TARGETS)


def moves_in(directory: str) -> str:
    """The spool of directories that were moved."""
    return os.path.join(directory, _MOVES)


def open_in(directory: str) -> str:
    """Where mounts keep which files are being written."""
    return os.path.join(directory, _OPEN)


class Journal(Collector):
    """One process's. Thread-safe.

    kept, dropped: by target; what has no target (a move, rules that cannot be read) stands under "".
    """

    def __init__(
        self, namespace: Namespace, directory: str, limit: int, region: str, *, synced: bool
    ) -> None:
        """limit: bytes that may wait for each target, about. synced: what is kept outlives a power cut."""
        self._synced = synced
        self._namespace = namespace
        self._directory = directory
        self._limit = limit
        self._region = region
        self._mutex = threading.Lock()
        self._writers: dict[str, tuple[threading.Lock, SpoolWriter]] = {}
        self.kept: dict[str, int] = {}
        self.dropped: dict[str, int] = {}

    def any(self) -> bool:
        """Whether some bucket notifies anybody: all that a change costs while none does."""
        try:
            return self._namespace.settings_records.any_notifies()
        except NamespaceError as error:
            log.error("whether buckets notify anybody cannot be read: %s", error)
            return False

    def notifies(self, bucket: BucketName) -> bool:
        """Whether this one does."""
        return bool(self._rules(bucket))

    def tell(self, happenings: Iterable[Happening | MovedTree], asker: Asker) -> None:
        """Keep what buckets notify of. Returns when it outlives this process (if it is synced, the machine's
        power), or was counted as dropped; never raises.
        """
        for happening in happenings:
            if isinstance(happening, MovedTree):
                if self.any():  # also where nobody wants it: what was told to be there may have moved on
                    self._keep("", moved_line_of(happening, asker))
            elif happening.to is not None:
                self._keep(happening.to, test_line_of(happening, asker))
            elif self.any():
                self._tell(happening, asker)

    def wanted(self, happening: Happening, asker: Asker) -> tuple[str, bytes] | None:
        """The target and the line; None: nobody is notified of it. Raises NamespaceError."""
        event = f"s3:{happening.event}"
        rule = rule_for(self._rules(happening.bucket), event, happening.key)
        if rule is None:
            return None
        owner = self._namespace.head_bucket(happening.bucket).owner or _ROOT
        return rule.target, line_of(happening, asker, rule, self._region, owner)

    def keep(self, target: str, line: bytes) -> bool:
        """Whether there was room: for who can wait for it."""
        return self._append(target, line)

    def give_up(self, target: str) -> None:
        """Count what `keep` had no room for, and nobody waits for any longer."""
        self._count(self.dropped, target)

    def close(self) -> None:
        """Leave what was written to its reader."""
        with self._mutex:
            for lock, writer in self._writers.values():
                with lock:
                    writer.close()
            self._writers.clear()

    def _tell(self, happening: Happening, asker: Asker) -> None:
        try:
            found = self.wanted(happening, asker)
        except NamespaceError as error:
            log.error("of %s nobody can be notified: %s", happening.bucket, error)
            self._count(self.dropped, "")
            return
        if found is not None:
            self._keep(*found)

    def _rules(self, bucket: BucketName) -> tuple[Rule, ...]:
        try:
            text = self._namespace.settings_records.notifications(bucket)
            return () if text is None else decode(text)
        except BucketMissing:
            return ()
        except (NamespaceError, ValueError, TypeError) as error:
            log.error("whom %s notifies cannot be read: %s", bucket, error)
            self._count(self.dropped, "")
            return ()

    def _keep(self, target: str, line: bytes) -> None:
        self._count(self.kept if self._append(target, line) else self.dropped, target)

    def _append(self, target: str, line: bytes) -> bool:
        lock, writer = self._writer(target)
        with lock:
            return writer.append(line)

    def _writer(self, target: str) -> tuple[threading.Lock, SpoolWriter]:
        with self._mutex:
            found = self._writers.get(target)
            if found is None:
                context = self._namespace.context
                where = moves_in(self._directory)
                if target:
                    where = os.path.join(spools_in(self._directory), target)
                what = f"notifications of {target}" if target else "moves of directories"
                writer = SpoolWriter(
                    where, self._limit, context.clock, context.random, what=what,
                    at_once=self._synced,
                )
                found = self._writers[target] = threading.Lock(), writer
            return found

    def _count(self, counts: dict[str, int], target: str) -> None:
        with self._mutex:
            counts[target] = counts.get(target, 0) + 1

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Let the registry collect the counts."""
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Notifications kept and dropped, by target."""
        kept = CounterMetricFamily("weka_mp_notifications", "Notifications kept", labels=["target"])
        dropped = CounterMetricFamily(
            "weka_mp_notifications_dropped", "Notifications that found no room", labels=["target"]
        )
        with self._mutex:
            for family, counts in ((kept, self.kept), (dropped, self.dropped)):
                for target, number in counts.items():
                    family.add_metric([target], number)
        yield kept
        yield dropped
