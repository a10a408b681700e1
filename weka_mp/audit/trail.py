"""Where a worker's events go: into the spool of the webhook, into a file, or nowhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

from weka_mp.audit.audit_file import AuditFile
from weka_mp.audit.event import Call, Deployment, encode
from weka_mp.spool.writer import SpoolWriter

__all__ = ["Trail"]

log = logging.getLogger(__name__)


class Trail(Collector):
    """One worker's. Its event loop alone writes; `look` may run in a thread.

    active: whether anybody wants events: asked for every request, so it is a plain attribute.
    """

    def __init__(
        self, deployment: Deployment, spool: SpoolWriter, is_enabled: Callable[[], bool],
        file: AuditFile | None = None,
    ) -> None:
        """is_enabled: whether there is a webhook now; raises what reading its record raises."""
        self._deployment = deployment
        self._spool = spool
        self._is_enabled = is_enabled
        self._file = file
        self._shipped = False
        self.active = file is not None

    def look(self) -> None:
        """See whether events are to be spooled from now on. Raises as `is_enabled`, and all stays then."""
        enabled = self._is_enabled()
        if enabled != self._shipped:
            log.debug("audit events are %s", "spooled" if enabled else "spooled no more")
        self._shipped = enabled
        self.active = enabled or self._file is not None

    def tell(self, call: Call) -> None:
        """Keep an event. Returns when it outlives this process, or was counted as dropped; never raises."""
        line = encode(call, self._deployment)
        if self._file is not None:
            self._file.append(line)
        if self._shipped:
            self._spool.append(line)

    def unsynced(self) -> list[int]:
        """Descriptors of what was written since it was asked last, for sync_and_close. Raises OSError."""
        return [*self._spool.unsynced(), *(self._file.unsynced() if self._file is not None else ())]

    def close(self) -> None:
        """Give back the descriptors."""
        self._spool.close()
        if self._file is not None:
            self._file.close()

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Let the registry collect the counts."""
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Events kept and dropped, by where they were to go."""
        ends = [("webhook", self._spool.written, self._spool.dropped)]
        if self._file is not None:
            ends.append(("file", self._file.written, self._file.dropped))
        kept = CounterMetricFamily("weka_mp_audit_events", "Audit events kept", labels=["target"])
        dropped = CounterMetricFamily(
            "weka_mp_audit_dropped", "Audit events that found no room", labels=["target"]
        )
        for target, written, lost in ends:
            kept.add_metric([target], written)
            dropped.add_metric([target], lost)
        yield kept
        yield dropped
