"""One process's end of all logs: which bucket keeps one, and its lines into the spool.

Best effort, as AWS's: a line outlives every process, is not synced, and what finds no room is counted.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

from weka_mp.bucket_log_rules import LogRule, decode
from weka_mp.bucket_logs.line import Entry, encode
from weka_mp.bucket_logs.origin import Origin, note_origin
from weka_mp.errors import BucketMissing, InvalidName, NamespaceError
from weka_mp.namespace import Namespace
from weka_mp.spool import SpoolWriter
from weka_mp.values import BucketName

__all__ = ["LogBook"]

log = logging.getLogger(__name__)

_IDLE_SECONDS: Final = 60.0  # after which a spool is left to its reader
_REMEMBERED_SECONDS: Final = 1.0
_MOST_REMEMBERED: Final = 4096  # buckets
_MOST_OPEN: Final = 128  # spools, each a descriptor: who has many buckets must not take those of connections
_RETRY_SECONDS: Final = 1.0  # from a spool that could not be made to the next try


@dataclass(slots=True)
class _Open:
    writer: SpoolWriter
    used: float


class LogBook(Collector):
    """One process's. Thread-safe. kept, dropped: lines so far."""

    def __init__(
        self, namespace: Namespace, directory: str, limit: int, *, remembered: float = _REMEMBERED_SECONDS
    ) -> None:
        """directory: of all spools. limit: bytes that may wait of each bucket, about. remembered: for how
        many seconds a bucket's rule is not looked at again, since every request asks for it.
        """
        self._remembered = remembered
        self._rules: dict[BucketName, tuple[float, LogRule | None]] = {}
        self._namespace = namespace
        self._directory = directory
        self._limit = limit
        self._mutex = threading.Lock()
        self._open: dict[Origin, _Open] = {}
        self._broken_until = 0.0
        self.kept = 0
        self.dropped = 0

    def rule(self, bucket: BucketName | None) -> LogRule | None:
        """Where the log of a bucket goes; None: it keeps none, or there is no such bucket. Never raises."""
        if bucket is None:
            return None
        now = time.monotonic()
        known = self._rules.get(bucket)
        if known is not None and now < known[0]:
            return known[1]
        found = self._looked_up(bucket)
        if len(self._rules) >= _MOST_REMEMBERED:
            self._rules.clear()
        self._rules[bucket] = now + self._remembered, found
        return found

    def _looked_up(self, bucket: BucketName) -> LogRule | None:
        try:
            text = self._namespace.settings_records.logging(bucket)
            return None if text is None else decode(text)
        except (BucketMissing, InvalidName):
            return None
        except (NamespaceError, ValueError, TypeError) as error:
            log.error("whether %s keeps a log cannot be read: %s", bucket, error)
            return None

    def keep(self, entry: Entry, rule: LogRule) -> None:
        """Returns when it outlives this process, or was counted as dropped; never raises."""
        line = b"%020d %s" % (entry.time_ns, encode(entry))
        origin = Origin(entry.bucket, entry.owner, rule)
        with self._mutex:
            writer = self._writer(origin)
            if writer is not None and writer.append(line):
                self.kept += 1
            else:
                self.dropped += 1

    def _writer(self, origin: Origin) -> SpoolWriter | None:
        now = time.monotonic()
        found = self._open.get(origin)
        if found is not None:
            found.used = now
            return found.writer
        if now < self._broken_until:
            return None
        directory = os.path.join(self._directory, origin.directory)
        try:
            note_origin(directory, origin)
        except OSError as error:
            log.error("the log of %s cannot be kept: %s", origin.source, error)
            self._broken_until = now + _RETRY_SECONDS
            return None
        if len(self._open) >= _MOST_OPEN:
            self._open.pop(min(self._open, key=lambda one: self._open[one].used)).writer.close()
        context = self._namespace.context
        writer = SpoolWriter(
            directory, self._limit, context.clock, context.random, what=f"log lines of {origin.source}"
        )
        self._open[origin] = _Open(writer, now)
        return writer

    def rest(self, now: float | None = None) -> None:
        """Leave the spools that nobody wrote to of late to their reader. now: as time.monotonic()."""
        before = (time.monotonic() if now is None else now) - _IDLE_SECONDS
        with self._mutex:
            for origin in [origin for origin, found in self._open.items() if found.used < before]:
                self._open.pop(origin).writer.close()

    def close(self) -> None:
        """Leave all of them."""
        with self._mutex:
            for found in self._open.values():
                found.writer.close()
            self._open.clear()

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Let the registry collect the counts."""
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Lines kept and dropped."""
        yield CounterMetricFamily("weka_mp_bucket_log_lines", "Lines of buckets' logs kept", self.kept)
        yield CounterMetricFamily(
            "weka_mp_bucket_log_dropped", "Lines of buckets' logs that found no room", self.dropped
        )
