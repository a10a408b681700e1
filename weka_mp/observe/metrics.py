"""Metrics of several processes as one exposition. Each process counts for itself in prometheus_client's
registry; a snapshot travels to the supervisor, which adds the label `process` (so a restarted child is a
counter reset of its own series, as Prometheus expects).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["CHILD_RESTARTS", "CHILD_UP", "CONTENT_TYPE", "exposition", "snapshot"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

CHILD_RESTARTS: Final = Counter(
    "weka_mp_child_restarts", "Child processes that ended unasked and were started again", ["child"]
)
CHILD_UP: Final = Gauge("weka_mp_child_up", "1 while the child process is ready", ["child"])


def snapshot(registry: CollectorRegistry = REGISTRY) -> list[object]:
    """All samples of this process: ``[[name, type, help, [[sample, {label: value}, number], ...]], ...]``."""
    return [
        [
            family.name,
            family.type,
            family.documentation,
            [
                [sample.name, dict(sample.labels), float(sample.value)]
                for sample in family.samples
                if not sample.name.endswith("_created")
            ],
        ]
        for family in registry.collect()
    ]


def exposition(snapshots: Mapping[str, object]) -> bytes:
    """Prometheus text of the snapshots by process name. Raises ValueError on what is no snapshot."""
    registry = CollectorRegistry()
    registry.register(_Merged(snapshots))
    return generate_latest(registry)


class _Merged(Collector):
    def __init__(self, snapshots: Mapping[str, object]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for process, content in self._snapshots.items():
            _merge(families, process, content)
        yield from families.values()


def _merge(families: dict[str, Metric], process: str, content: object) -> None:
    match content:
        case list(entries):
            for entry in entries:
                _merge_family(families, process, entry)
        case _:
            raise ValueError(f"{process} sent no metrics")


def _merge_family(families: dict[str, Metric], process: str, entry: object) -> None:
    match entry:
        case [str(name), str(kind), str(help_text), list(samples)]:
            family = families.setdefault(name, Metric(name, help_text, kind))
            for sample in samples:
                sample_name, labels, value = sample
                family.add_sample(sample_name, {**labels, "process": process}, value)
        case _:
            raise ValueError(f"{process} sent a malformed metric")
