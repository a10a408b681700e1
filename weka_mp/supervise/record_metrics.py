"""What this process found out about object records, for its metrics."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector

from weka_mp.namespace.records.attribute import BROKEN

__all__ = ["register"]


class _RecordMetrics(Collector):
    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "weka_mp_broken_records", "Object records that could not be read, each counted once", BROKEN.count
        )


def register() -> None:
    """Let the registry collect them; once in a process."""
    REGISTRY.register(_RecordMetrics())
