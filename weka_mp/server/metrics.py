"""Counts of the endpoint. Plain numbers while requests run; a prometheus collector reads them when
somebody asks.

The client library's own counters lock and look up labels on each step, which a request of 100 µs would feel.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

__all__ = ["ServerMetrics"]

_BOUNDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
60.0)  # seconds


class ServerMetrics(Collector):
    """One worker's counts. Only its event loop writes them."""

    def __init__(self) -> None:
        self.connections = 0  # open now
        self.accepted = 0
        self.refused = 0  # turned away by a limit
        self.handshakes_failed = 0  # of TLS
        self.slowed = 0  # refusals of wrong signatures that were held back
        self.requests: Counter[tuple[str, int]] = Counter()  # by operation and status
        self.received = 0  # bytes of bodies
        self.sent = 0
        self.invalidations_late = 0
        self._buckets = [0] * (len(_BOUNDS) + 1)
        self._seconds = 0.0

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Let the registry collect these counts."""
        registry.register(self)

    def count_late_invalidation(self) -> None:
        """A response went out before every mount had acknowledged."""
        self.invalidations_late += 1

    def count(self, operation: str, status: int, seconds: float, received: int, sent: int) -> None:
        """One request is over. received, sent: bytes of its bodies."""
        self.requests[operation, status] += 1
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds += seconds
        self.received += received
        self.sent += sent

    def collect(self) -> Iterator[Metric]:
        """Everything as metric families."""
        labels = ["operation", "status"]
        requests = CounterMetricFamily("weka_mp_s3_requests", "S3 requests answered", labels=labels)
        for (operation, status), number in list(self.requests.items()):
            requests.add_metric([operation, str(status)], number)
        yield requests
        yield self._durations()
        yield GaugeMetricFamily("weka_mp_s3_connections", "Connections that are open", self.connections)
        counters = (
            ("connections_accepted", "Connections accepted", self.accepted),
            ("connections_refused", "Connections turned away by a limit", self.refused),
            ("tls_handshakes_failed", "Connections that spoke no TLS we speak", self.handshakes_failed),
            ("guesses_slowed", "Wrong signatures whose refusals were held back", self.slowed),
            ("received_bytes", "Bytes of request bodies", self.received),
            ("sent_bytes", "Bytes of response bodies", self.sent),
            ("invalidations_late", "Responses sent before every mount acknowledged", self.invalidations_late),
        )
        for name, help_text, value in counters:
            yield CounterMetricFamily(f"weka_mp_s3_{name}", help_text, value)

    def _durations(self) -> HistogramMetricFamily:
        rows, total = [], 0
        for bound, number in zip((*map(str, _BOUNDS), "+Inf"), self._buckets, strict=True):
            total += number
            rows.append((bound, total))
        return HistogramMetricFamily(
            "weka_mp_s3_request_seconds", "From a request's head to the end of its answer", buckets=rows,
            sum_value=self._seconds,
        )
