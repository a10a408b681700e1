"""From the spool to the webhook: batches, patience, and what a receiver refuses.

The body is what both a Splunk HTTP Event Collector and plain webhooks take: JSON objects one after the other,
each on a line. At ``/services/collector`` and ``/services/collector/event`` each stands in the envelope that
HEC wants there; at ``/services/collector/raw``, and everywhere else, as it is.
"""

from __future__ import annotations

import calendar
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import REGISTRY, Collector, CollectorRegistry

from weka_mp.audit.event import Deployment, dropped_event
from weka_mp.audit.spool_reader import Batch, SpoolReader
from weka_mp.audit.webhook_record import AuditWebhook
from weka_mp.clock import Clock
from weka_mp.webhooks import WebhookClient, WebhookReply, WebhookTls

__all__ = ["IDLE_SECONDS", "Shipper", "body_for", "deliver", "headers_for"]

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 0.25  # between two looks into a spool that was empty
OFF_SECONDS: Final = 1.0  # and whether somebody, on another node maybe, has set a webhook
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_BATCH_BYTES: Final = 512 * 1024  # HEC takes 1 MB at the least
_BATCH_EVENTS: Final = 1000
_REFUSALS: Final = 10  # of one event alone, before it is given up
_HEC: Final = ("/services/collector", "/services/collector/event", "/services/collector/event/1.0")
_TOO_MUCH: Final = frozenset({400, 413, 422})
"""What a receiver says to a batch that it does not like: parts of it may be good."""


class Shipper(Collector):
    """Of one spool. `step` blocks: for a thread; one at a time.

    sent, refused, failures: events delivered and given up, requests that failed.
    """

    def __init__(
        self, reader: SpoolReader, webhook: Callable[[], AuditWebhook | None], deployment: Deployment,
        clock: Clock, tls: WebhookTls, *, client: Callable[[AuditWebhook], WebhookClient] | None = None,
    ) -> None:
        """webhook: what is set now; raises what reading it raises. client: makes what sends."""
        self._reader = reader
        self._webhook = webhook
        self._deployment = deployment
        self._clock = clock
        self._make_client = client or (lambda to: WebhookClient(to.target, tls))
        self._client: WebhookClient | None = None
        self._of: AuditWebhook | None = None
        self._pause = 0.0
        self._share = _BATCH_EVENTS  # events of the next batch; fewer after a refusal
        self._refusals = 0  # of the first event, alone
        self.sent = 0
        self.refused = 0
        self.failures = 0
        self.torn_bytes = 0

    def hurry(self) -> None:
        """Something was changed: the pause after a failure is over."""
        self._pause = 0.0

    def step(self) -> float:
        """Deliver one batch, if there is one; how many seconds to wait until the next. Never raises for what
        receivers, networks or disks do.
        """
        try:
            webhook = self._webhook()
        except Exception as error:  # noqa: BLE001 - a damaged record, a lost key, a store that is away: told
            return self._failed(f"the audit webhook cannot be read: {error}")
        if webhook is None or not webhook.enabled:
            self._drop_client()
            return OFF_SECONDS
        try:
            batch = self._reader.batch(_BATCH_BYTES, self._share)
            if not batch:
                # Writers that have a full spool wait for this.
                self._reader.tidy(self._clock.now_ns())
                return IDLE_SECONDS
            return self._deliver(webhook, batch)
        except OSError as error:
            return self._failed(f"the audit spool cannot be read: {error}")

    def close(self) -> None:
        """Let the connection go."""
        self._drop_client()

    def _deliver(self, webhook: AuditWebhook, batch: Batch) -> float:
        events = list(batch.events)
        if batch.dropped:
            told = dropped_event(batch.dropped, self._deployment, self._clock.now_ns())
            events.append(told.rstrip(b"\n"))
        if not events:  # nothing but what a dead process had not finished
            return self._finish(batch, 0)
        try:
            reply = deliver(self._client_of(webhook), webhook, events)
        except Exception as error:  # noqa: BLE001 - whatever it is, the events stay
            self._drop_client()
            return self._failed(f"{_named(webhook)}: {error}")
        if reply.accepted:
            if self._pause:
                log.info("audit events are taken again by %s", _named(webhook))
            return self._finish(batch, len(batch.events))
        if reply.status in _TOO_MUCH and self._reduce(batch):
            return 0.0
        return self._failed(f"{_named(webhook)} answered {reply.status} {reply.text}")

    def _finish(self, batch: Batch, sent: int) -> float:
        self._reader.done(batch)
        self.sent += sent
        self.torn_bytes += batch.torn
        if batch.dropped:
            log.warning("%d audit events found no room in the spool; the webhook was told", batch.dropped)
        self._pause, self._refusals = 0.0, 0
        self._share = min(_BATCH_EVENTS, self._share * 2)
        return 0.0

    def _reduce(self, batch: Batch) -> bool:
        """Send fewer at once; give up one that is refused alone again and again. Whether to try at once."""
        if len(batch.events) > 1:
            self._share = len(batch.events) // 2
            self.failures += 1
            return True
        self._refusals += 1
        if self._refusals < _REFUSALS or not batch.events:
            return False
        log.error("an audit event is given up, which the webhook refuses: %s", _request_id(batch.events[0]))
        self.refused += 1
        self._finish(batch, 0)
        return True

    def _failed(self, why: str) -> float:
        """Told once, and again when it lasts."""
        self.failures += 1
        level = logging.DEBUG if 0 < self._pause < _LONGEST_PAUSE else logging.WARNING
        log.log(level, "audit events wait: %s", why)
        self._pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, self._pause * 2))
        return self._pause

    def _client_of(self, webhook: AuditWebhook) -> WebhookClient:
        if self._client is None or self._of != webhook:
            self._drop_client()
            self._client, self._of = self._make_client(webhook), webhook
        return self._client

    def _drop_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

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
            "weka_mp_audit_queued_bytes", "Bytes of audit events that wait", self._reader.pending_bytes()
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


def _named(webhook: AuditWebhook) -> str:
    return webhook.target.shown


def _request_id(event: bytes) -> str:
    return f"request {json.loads(event).get('requestID')}"
