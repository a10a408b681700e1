"""From the spool to a receiver that does what receivers do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.audit.kit import DEPLOYMENT, call, ids
from weka_mp.audit import AuditWebhook, Shipper
from weka_mp.audit.event import encode
from weka_mp.audit.shipping import body_for
from weka_mp.clock import SeededRandom, SystemClock
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.spool import SpoolReader, SpoolWriter
from weka_mp.webhooks import DeliveryFailed, WebhookReply, WebhookTls

HOOK = AuditWebhook(True, "https://h.example/hook", "Splunk T")


class Wire:
    """Takes the place of the client: `answers` are statuses, or errors; 200 when there is none left."""

    def __init__(self, webhook: AuditWebhook) -> None:
        self.target = webhook.target
        self.answers: list[int | Exception] = []
        self.taken: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.sizes: list[int] = []
        self.poison: int | None = None

    def post(self, body: bytes, headers: dict[str, str]) -> WebhookReply:
        events = [json.loads(line) for line in body.splitlines()]
        self.sizes.append(len(events))
        self.headers.append(headers)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        if any(event["requestID"] == f"{self.poison or 0:016X}" for event in events):
            answer = 400
        if 200 <= answer < 300:
            self.taken += events
        return WebhookReply(answer, "text")

    def close(self) -> None:
        return None


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    made = SpoolWriter(str(tmp_path), 2**24, SystemClock(), SeededRandom(1))
    yield made
    made.close()


@pytest.fixture
def wire() -> Wire:
    return Wire(HOOK)


@pytest.fixture
def make(tmp_path: Path, wire: Wire) -> Callable[..., Shipper]:
    def made(webhook: Any = lambda: HOOK) -> Shipper:
        return Shipper(
            SpoolReader(str(tmp_path)), webhook, DEPLOYMENT, SystemClock(), WebhookTls(),
            client=lambda to: wire,  # type: ignore[arg-type,return-value]
        )

    return made


def fill(writer: SpoolWriter, count: int) -> None:
    for number in range(1, count + 1):
        assert writer.append(encode(call(number), DEPLOYMENT))


def taken(wire: Wire) -> list[int]:
    return [int(event["requestID"], 16) for event in wire.taken]


def test_batches_in_order(make: Callable[..., Shipper], writer: SpoolWriter, wire: Wire) -> None:
    fill(writer, 2500)
    shipper = make()
    assert [shipper.step() for _ in range(20)][-1] > 0
    assert taken(wire) == list(range(1, 2501))
    assert len([size for size in wire.sizes if size]) < 20
    assert wire.headers[0] == {"Content-Type": "application/json", "Authorization": "Splunk T"}
    assert shipper.sent == 2500


@pytest.mark.parametrize(
    "trouble",
    [DeliveryFailed("refused"), 301, 307, 401, 403, 404, 429, 500, 503, 302, 199],
)  # fmt: skip
def test_what_is_not_taken_comes_again(
    make: Callable[..., Shipper], writer: SpoolWriter, wire: Wire, trouble: Any
) -> None:
    fill(writer, 5)
    wire.answers = [trouble] * 9
    shipper = make()
    pauses = [shipper.step() for _ in range(9)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert (taken(wire), shipper.failures) == ([], 9)
    assert shipper.step() == 0
    assert taken(wire) == [1, 2, 3, 4, 5]
    wire.answers = [503]
    fill(writer, 1)
    assert shipper.step() == 0.5, "after a success patience begins anew"


def test_whoever_dies_before_it_was_written_down_sends_again(
    make: Callable[..., Shipper], writer: SpoolWriter, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(writer, 3)
    with monkeypatch.context() as patch:
        patch.setattr(SpoolReader, "_save", lambda self: (_ for _ in ()).throw(OSError("killed")))
        assert make().step() > 0
    make().step()
    assert taken(wire) == [1, 2, 3, 1, 2, 3]


def test_a_batch_that_is_too_large(make: Callable[..., Shipper], writer: SpoolWriter, wire: Wire) -> None:
    fill(writer, 8)
    wire.answers = [413, 413]
    shipper = make()
    assert [shipper.step() for _ in range(3)] == [0, 0, 0]
    assert (wire.sizes, taken(wire)) == ([8, 4, 2], [1, 2])
    while shipper.step() == 0:
        pass
    assert taken(wire) == list(range(1, 9))


def test_one_event_that_is_refused_holds_up_the_others_only_so_long(
    make: Callable[..., Shipper], writer: SpoolWriter, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    fill(writer, 9)
    wire.poison = 5
    shipper = make()
    for _ in range(100):
        shipper.step()
    assert taken(wire) == [1, 2, 3, 4, 6, 7, 8, 9]
    assert shipper.refused == 1
    assert "request 0000000000000005" in caplog.text


def test_dropped_events_are_told_when_the_target_is_back(
    make: Callable[..., Shipper], writer: SpoolWriter, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(writer, 1)
    with monkeypatch.context() as patch:
        patch.setattr(SpoolWriter, "_has_segment", lambda self, size: False)
        for _ in range(4):
            writer.append(b"lost\n")
    wire.answers = [503, 503]
    shipper = make()
    for _ in range(5):
        shipper.step()
    assert [event["api"]["name"] for event in wire.taken] == ["PutObject", "AuditEventsDropped"]
    assert wire.taken[1]["wekaInfo"]["dropped"] == 4


def test_off_and_on_again(make: Callable[..., Shipper], writer: SpoolWriter, wire: Wire) -> None:
    fill(writer, 2)
    state: list[AuditWebhook | None] = [None]
    shipper = make(lambda: state[0])
    assert shipper.step() == 1
    state[0] = AuditWebhook(False, "")
    assert shipper.step() == 1
    assert wire.sizes == []
    state[0] = HOOK
    assert shipper.step() == 0
    assert taken(wire) == [1, 2], "what waited goes to the next webhook"


def test_a_record_that_cannot_be_read_loses_nothing(
    make: Callable[..., Shipper], writer: SpoolWriter, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    fill(writer, 1)
    broken = [True]

    def read() -> AuditWebhook:
        if broken[0]:
            raise IdentityUnusable("the key is missing")
        return HOOK

    shipper = make(read)
    assert [shipper.step(), shipper.step()] == [0.5, 1]
    assert caplog.text.count("the key is missing") == 1
    broken[0] = False
    shipper.hurry()
    assert shipper.step() == 0
    assert taken(wire) == [1]


@pytest.mark.parametrize(
    "path", ["/services/collector", "/services/collector/event", "/services/collector/?a=1"]
)
def test_splunk_wants_an_envelope_at_its_event_endpoint(path: str) -> None:
    events = [encode(call(number), DEPLOYMENT).rstrip(b"\n") for number in (1, 2)]
    lines = body_for(path, events).splitlines()
    assert [json.loads(line)["time"] for line in lines] == [1742539047.915] * 2
    assert [json.loads(line)["event"] for line in lines] == [json.loads(event) for event in events]


@pytest.mark.parametrize(
    "path", ["/services/collector/raw", "/services/collector/raw?channel=1", "/", "/hook"]
)
def test_elsewhere_an_event_is_a_line(path: str) -> None:
    events = [encode(call(number), DEPLOYMENT).rstrip(b"\n") for number in (1, 2)]
    assert body_for(path, events).splitlines() == events
    assert ids(body_for(path, events).splitlines()) == [1, 2]


def test_the_counts(make: Callable[..., Shipper], writer: SpoolWriter, wire: Wire) -> None:
    fill(writer, 2)
    wire.answers = [503]
    shipper = make()
    shipper.step()

    def counts() -> dict[str, float]:
        return {family.name: family.samples[0].value for family in shipper.collect()}

    before = counts()
    assert before["weka_mp_audit_failures"] == 1
    assert before["weka_mp_audit_queued_bytes"] > 2000
    shipper.step()
    assert (counts()["weka_mp_audit_sent"], counts()["weka_mp_audit_queued_bytes"]) == (2, 0)
