"""From the spools to the webhooks, each at its own pace; in the background process."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

from weka_mp.clock import Clock
from weka_mp.notifications.event import bodies_of, order_of
from weka_mp.notifications.journal import spools_in
from weka_mp.notifications.targets import NotificationTarget, NotificationTargets
from weka_mp.spool import Shipper, SpoolReader
from weka_mp.webhooks import WebhookClient, WebhookReply, WebhookTls

__all__ = ["Deliveries", "TargetShipper", "headers_of"]

log = logging.getLogger(__name__)

_DROPPED_BYTES, _DROPPED_LINES = 1024 * 1024, 10_000

Connect = Callable[[NotificationTarget], WebhookClient]


def headers_of(target: NotificationTarget) -> dict[str, str]:
    """The token stands as it was given: its scheme is part of it."""
    headers = {"Content-Type": "application/json"}
    if target.token:
        headers["Authorization"] = target.token
    return headers


class TargetShipper(Shipper[NotificationTarget]):
    """Of one target's spool."""

    def __init__(
        self, name: str, directory: str, targets: NotificationTargets, clock: Clock, connect: Connect,
        batch: int,
    ) -> None:
        super().__init__(SpoolReader(directory, order_of), clock, batch)
        self.what = f"notifications of {name}"
        self._name = name
        self._targets = targets
        self._make_client = connect

    def receiver(self) -> NotificationTarget | None:
        return self._targets.opened(self._name)

    def connect(self, to: NotificationTarget) -> WebhookClient:
        return self._make_client(to)

    def deliver(self, client: WebhookClient, to: NotificationTarget, lines: Sequence[bytes]) -> WebhookReply:
        """Several requests where a test event stands between records; the first that is not taken decides."""
        reply = None
        for _, body in bodies_of(list(lines)):
            reply = client.post(body, headers_of(to))
            if not reply.accepted:
                break
        assert reply is not None
        return reply

    def named(self, to: NotificationTarget) -> str:
        return to.target.shown

    def shown(self, line: bytes) -> str:
        return line[:1024].decode("ascii", "replace")


class Deliveries(Collector):
    """Of all targets that are defined. `look` follows the record; each shipper it names is stepped by a
    thread of its own.
    """

    def __init__(
        self, directory: str, targets: NotificationTargets, clock: Clock, tls: WebhookTls, *,
        connect: Connect | None = None,
    ) -> None:
        """directory: of this node's notifications. connect: makes what sends."""
        self._directory = spools_in(directory)
        self._targets = targets
        self._clock = clock
        self._connect = connect or (lambda to: WebhookClient(to.target, tls))
        self._shippers: dict[str, tuple[NotificationTarget, TargetShipper]] = {}

    def look(self) -> dict[str, TargetShipper]:
        """The shippers of the targets that are there now; what waited for one that is gone is dropped.

        Raises IdentityUnusable (damaged), NamespaceError.
        """
        now = {target.name: target for target in self._targets.shown()}
        for name in self._shippers.keys() - now.keys():
            self._shippers.pop(name)
        for name, target in now.items():
            known = self._shippers.get(name)
            if known is None or known[0].batch != target.batch:
                where = os.path.join(self._directory, name)
                made = TargetShipper(name, where, self._targets, self._clock, self._connect, target.batch)
                self._shippers[name] = target, made
            elif known[0] != target:
                known[1].hurry()
                self._shippers[name] = target, known[1]
        self._forget_others(now)
        return {name: shipper for name, (_, shipper) in self._shippers.items()}

    def _forget_others(self, now: dict[str, Any]) -> None:
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return
        for name in names:
            if name in now:
                continue
            # Read and not removed: a process may still hold a segment, into which it would go on writing.
            reader = SpoolReader(os.path.join(self._directory, name), order_of)
            while batch := reader.batch(_DROPPED_BYTES, _DROPPED_LINES):
                log.warning("the target %s is gone: %d notifications are dropped", name, len(batch.events))
                reader.done(batch)
            reader.tidy(self._clock.now_ns())

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Let the registry collect the counts."""
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """What became of notifications, by target."""
        families = {
            "sent": CounterMetricFamily(
                "weka_mp_notifications_sent", "Notifications that a target took", labels=["target"]
            ),
            "refused": CounterMetricFamily(
                "weka_mp_notifications_refused", "Notifications given up, which the target refused alone",
                labels=["target"],
            ),
            "failures": CounterMetricFamily(
                "weka_mp_notifications_failures", "Requests to a target that failed", labels=["target"]
            ),
        }
        queued = GaugeMetricFamily(
            "weka_mp_notifications_queued_bytes", "Bytes of notifications that wait", labels=["target"]
        )
        for name, (_, shipper) in list(self._shippers.items()):
            for what, family in families.items():
                family.add_metric([name], getattr(shipper, what))
            queued.add_metric([name], shipper.pending_bytes)
        yield from families.values()
        yield queued
