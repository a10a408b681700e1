"""From a spool to a webhook: batches, patience, and what a receiver refuses."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from weka_mp.clock import Clock
from weka_mp.spool.reader import Batch, SpoolReader
from weka_mp.webhooks import WebhookClient, WebhookReply

__all__ = ["IDLE_SECONDS", "OFF_SECONDS", "Shipper"]

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 0.25  # between two looks into a spool that was empty
OFF_SECONDS: Final = 1.0  # and whether somebody, on another node maybe, has set a webhook
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_BATCH_BYTES: Final = 512 * 1024  # a Splunk HTTP Event Collector takes 1 MB at the least
_REFUSALS: Final = 10  # of one line alone, before it is given up
_TOO_MUCH: Final = frozenset({400, 413, 422})
"""What a receiver says to a batch that it does not like: parts of it may be good."""

R = TypeVar("R")


class Shipper(Generic[R]):
    """Of one spool; R: what is known of its receiver. `step` blocks: for a thread; one at a time.

    sent, refused, failures: lines delivered and given up, requests that failed. torn_bytes: were no lines.
    """

    what: str = "events"

    def __init__(self, reader: SpoolReader, clock: Clock, most: int) -> None:
        """most: lines of one request."""
        self._reader = reader
        self._clock = clock
        self._most = most
        self._client: WebhookClient | None = None
        self._of: R | None = None
        self._pause = 0.0
        self._share = most  # lines of the next batch; fewer after a refusal
        self._refusals = 0  # of the first line, alone
        self.sent = 0
        self.refused = 0
        self.failures = 0
        self.torn_bytes = 0

    # ---- whom, and how
    @abstractmethod
    def receiver(self) -> R | None:
        """To whom lines go now; None: to nobody. Raises what reading it raises."""

    @abstractmethod
    def connect(self, to: R) -> WebhookClient:
        """What sends. Raises TargetRefused."""

    @abstractmethod
    def deliver(self, client: WebhookClient, to: R, lines: Sequence[bytes]) -> WebhookReply:
        """One request. Raises DeliveryFailed, TargetRefused."""

    @abstractmethod
    def named(self, to: R) -> str:
        """For the log, without a secret."""

    @abstractmethod
    def shown(self, line: bytes) -> str:
        """The same of a line that is given up."""

    def told_of_dropped(self, count: int) -> bytes | None:
        """What tells the receiver of lines that found no room; None: it is not told."""
        return None

    def hurry(self) -> None:
        """Something was changed: the pause after a failure is over."""
        self._pause = 0.0

    @property
    def pending_bytes(self) -> int:
        """What waits, about."""
        return self._reader.pending_bytes()

    # ---- doing it
    def step(self) -> float:
        """Deliver one batch, if there is one; how many seconds to wait until the next. Never raises for what
        receivers, networks or disks do.
        """
        try:
            receiver = self.receiver()
        except Exception as error:  # noqa: BLE001 - a damaged record, a lost key, a store that is away: told
            return self._failed(f"where they go cannot be read: {error}")
        if receiver is None:
            self.close()
            return OFF_SECONDS
        try:
            batch = self._reader.batch(_BATCH_BYTES, self._share)
            if not batch:
                # Writers that have a full spool wait for this.
                self._reader.tidy(self._clock.now_ns())
                return IDLE_SECONDS
            return self._deliver(receiver, batch)
        except OSError as error:
            return self._failed(f"the spool cannot be read: {error}")

    def close(self) -> None:
        """Let the connection go."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _deliver(self, receiver: R, batch: Batch) -> float:
        lines = list(batch.events)
        told = self.told_of_dropped(batch.dropped) if batch.dropped else None
        if told is not None:
            lines.append(told)
        if not lines:  # nothing but what a dead process had not finished
            return self._finish(batch, 0)
        try:
            reply = self.deliver(self._client_of(receiver), receiver, lines)
        except Exception as error:  # noqa: BLE001 - whatever it is, the lines stay
            self.close()
            return self._failed(f"{self.named(receiver)}: {error}")
        if reply.accepted:
            if self._pause:
                log.info("%s are taken again by %s", self.what, self.named(receiver))
            return self._finish(batch, len(batch.events))
        if reply.status in _TOO_MUCH and self._reduce(batch):
            return 0.0
        return self._failed(f"{self.named(receiver)} answered {reply.status} {reply.text}")

    def _finish(self, batch: Batch, sent: int) -> float:
        self._reader.done(batch)
        self.sent += sent
        self.torn_bytes += batch.torn
        if batch.dropped:
            log.warning("%d %s found no room in the spool", batch.dropped, self.what)
        self._pause, self._refusals = 0.0, 0
        self._share = min(self._most, self._share * 2)
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
        log.error("one of %s is given up, which is refused: %s", self.what, self.shown(batch.events[0]))
        self.refused += 1
        self._finish(batch, 0)
        return True

    def _failed(self, why: str) -> float:
        """Told once, and again when it lasts."""
        self.failures += 1
        level = logging.DEBUG if 0 < self._pause < _LONGEST_PAUSE else logging.WARNING
        log.log(level, "%s wait: %s", self.what, why)
        self._pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, self._pause * 2))
        return self._pause

    def _client_of(self, receiver: R) -> WebhookClient:
        if self._client is None or self._of != receiver:
            self.close()
            self._client, self._of = self.connect(receiver), receiver
        return self._client
