"""From the spool to the audit's webhook.

The body is what both a Splunk HTTP Event Collector and plain webhooks take: JSON objects one after the other,
each on a line. At ``/services/collector`` and ``/services/collector/event`` each stands in the envelope that
HEC wants there; at ``/services/collector/raw``, and everywhere else, as it is.
"""

from __future__ import annotations

import calendar
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

from weka_mp.audit.event import Deployment, dropped_event
from weka_mp.audit.webhook_record import AuditWebhook
from weka_mp.clock import Clock
from weka_mp.spool import Shipper as SpoolShipper
from weka_mp.spool import SpoolReader
from weka_mp.webhooks import WebhookClient, WebhookReply, WebhookTls

__all__ = ["Shipper", "body_for", "deliver", "headers_for"]

_BATCH_EVENTS: Final = 1000
_HEC: Final = ("/services/collector", "/services/collector/event", "/services/collector/event/1.0")


class Shipper(SpoolShipper[AuditWebhook], Collector):
    """Of one spool."""

    what = "audit events"

    def __init__(
        self, reader: SpoolReader, webhook: Callable[[], AuditWebhook | None], deployment: Deployment,
        clock: Clock, tls: WebhookTls, *, client: Callable[[AuditWebhook], WebhookClient] | None = None,
    ) -> None:
        """webhook: what is set now; raises what reading it raises. client: makes what sends."""
        super().__init__(reader, clock, _BATCH_EVENTS)
        self._webhook = webhook
        self._deployment = deployment
        self._make_client = client or (lambda to: WebhookClient(to.target, tls))

    def receiver(self) -> AuditWebhook | None:
        webhook = self._webhook()
        return webhook if webhook is not None and webhook.enabled else None

    def connect(self, to: AuditWebhook) -> WebhookClient:
        return self._make_client(to)

    def deliver(self, client: WebhookClient, to: AuditWebhook, lines: Sequence[bytes]) -> WebhookReply:
        return deliver(client, to, lines)

    def named(self, to: AuditWebhook) -> str:
        return to.target.shown

    def shown(self, line: bytes) -> str:
        return f"request {json.loads(line).get('requestID')}"

    def told_of_dropped(self, count: int) -> bytes:
        return dropped_event(count, self._deployment, self._clock.now_ns()).rstrip(b"\n")

    def register(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Let the registry collect the counts."""
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """What became of events."""
        counters = (
            ("sent", "Audit events that the webhook took", self.sent),
            ("refused", "Audit events given up, which the webhook refused alone", self.refused),
            ("failures", "Requests to the audit webhook that failed", self.failures),
            ("torn_bytes", "Bytes in the audit spool that were no events", self.torn_bytes),
        )
        for name, about, value in counters:
            yield CounterMetricFamily(f"weka_mp_audit_{name}", about, value)
        yield GaugeMetricFamily(
            "weka_mp_audit_queued_bytes", "Bytes of audit events that wait", self.pending_bytes
        )


def deliver(client: WebhookClient, webhook: AuditWebhook, events: Sequence[bytes]) -> WebhookReply:
    """One request. Raises DeliveryFailed, TargetRefused."""
    return client.post(body_for(webhook.target.resource, events), headers_for(webhook))


def headers_for(webhook: AuditWebhook) -> dict[str, str]:
    """The token stands as it was given: its scheme is part of it."""
    headers = {"Content-Type": "application/json"}
    if webhook.token:
        headers["Authorization"] = webhook.token
    return headers


def body_for(resource: str, events: Sequence[bytes]) -> bytes:
    """Events (lines without their ends) as a receiver at this path wants them."""
    if resource.partition("?")[0].rstrip("/") not in _HEC:
        return b"".join(event + b"\n" for event in events)
    return b"".join(b'{"time":%s,"event":%s}\n' % (_epoch(event), event) for event in events)


def _epoch(event: bytes) -> bytes:
    """Seconds since the epoch with milliseconds, as HEC's envelope has them."""
    stamp = str(json.loads(event)["time"])
    seconds = calendar.timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))
    return f"{seconds}.{stamp[20:23]}".encode("ascii")
