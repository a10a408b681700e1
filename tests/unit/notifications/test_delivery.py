"""From a happening to the webhook: shape, filters, patience, what is bounded and what a dead process left."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.namespace.kit import BUCKET, FixedClock
from tests.unit.notifications.kit import Receiver, about, journal, lines, notify, targets, told
from weka_mp.clock import SystemClock
from weka_mp.identity.errors import EntityExists, InUse, InvalidInput, NoSuchEntity
from weka_mp.namespace import Namespace
from weka_mp.namespace.happenings import PUT, REMOVED, TEST, Asker, Happening
from weka_mp.notifications import Deliveries, NotificationTarget, NotificationTargets
from weka_mp.store.memory import MemoryStore
from weka_mp.webhooks import DeliveryFailed, WebhookTls

ASKER = Asker("s3", "AIDA7", "192.0.2.7", "C3D13FE58DE4C810", "FMyUVURIY8")
HOOK = NotificationTarget("hook", "https://h.example/in", token="Bearer T")
AT = 0x18EA77E604A28C38


@pytest.fixture
def namespace() -> Namespace:
    made = Namespace.open(MemoryStore(), clock=FixedClock())
    made.create_bucket(BUCKET, owner="lab")
    return made


@pytest.fixture
def known(namespace: Namespace, tmp_path: Path) -> NotificationTargets:
    found = targets(namespace, tmp_path)
    found.add(HOOK)
    return found


def deliveries(known: NotificationTargets, folder: Path, receiver: Receiver) -> Deliveries:
    return Deliveries(str(folder), known, SystemClock(), WebhookTls(), connect=receiver)


def put(key: bytes, at: int = AT, **more: Any) -> Happening:
    return Happening(PUT, BUCKET, key, at, **more)


def test_a_record_has_the_documented_shape(namespace: Namespace, tmp_path: Path) -> None:
    notify(namespace, about(id="my-rule", prefix="in/"))
    kept = journal(namespace, tmp_path)
    kept.tell((put(b"in/a b+\xc3\xa4", size=5, etag="5d41"), put(b"out/a")), ASKER)
    [line] = lines(tmp_path)
    assert line["record"] == {
        "eventVersion": "2.1", "eventSource": "weka:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-11-22T20:27:11.264Z", "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AIDA7"},
        "requestParameters": {"sourceIPAddress": "192.0.2.7"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8"},
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "my-rule",
            "bucket": {
                "name": "bucket", "ownerIdentity": {"principalId": "lab"}, "arn": "arn:aws:s3:::bucket",
            },
            "object": {"key": "in/a+b%2B%C3%A4", "size": 5, "eTag": "5d41", "sequencer": "18EA77E604A28C38"},
        },
    }  # fmt: skip
    kept.tell((Happening(REMOVED, BUCKET, b"in/a", AT + 1),), ASKER)
    gone = lines(tmp_path)[1]["record"]["s3"]["object"]
    assert gone == {"key": "in/a", "sequencer": "18EA77E604A28C39"}, "nothing is said that is not known"
    assert kept.kept == {"hook": 2} and not kept.dropped


def test_nobody_is_told_of_what_no_rule_is_about(namespace: Namespace, tmp_path: Path) -> None:
    kept = journal(namespace, tmp_path)
    assert not kept.any()
    kept.tell((put(b"a"),), ASKER)
    notify(namespace, about("s3:ObjectRemoved:*"))
    assert kept.any()
    kept.tell((put(b"a"), Happening(REMOVED, BUCKET, b"b", AT)), ASKER)
    notify(namespace)
    assert not kept.any()
    kept.tell((Happening(REMOVED, BUCKET, b"c", AT),), ASKER)
    assert told(tmp_path) == [(REMOVED, "b")]


def test_it_is_delivered_with_the_token_and_once(
    namespace: Namespace, known: NotificationTargets, tmp_path: Path
) -> None:
    notify(namespace, about())
    kept = journal(namespace, tmp_path)
    kept.tell((Happening(TEST, BUCKET, b"", AT, to="hook"),), ASKER)
    kept.tell([put(b"%d" % number, AT + number) for number in range(1, 4)], ASKER)
    receiver = Receiver()
    shipper = deliveries(known, tmp_path, receiver).look()["hook"]
    assert [shipper.step() for _ in range(5)][-1] > 0
    test, *records = receiver.bodies
    assert test == {
        "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-22T20:27:11.264Z",
        "Bucket": "bucket", "RequestId": ASKER.request_id, "HostId": ASKER.host_id,
    }  # fmt: skip
    keys = [[one["s3"]["object"]["key"] for one in body["Records"]] for body in records]
    assert keys == [["1"], ["2"], ["3"]]
    assert {header["Authorization"] for header in receiver.headers} == {"Bearer T"}
    assert shipper.sent == 4 and not lines(tmp_path)


def test_a_batch_carries_as_many_as_the_target_wants(
    namespace: Namespace, known: NotificationTargets, tmp_path: Path
) -> None:
    known.update("hook", None, None, 3)
    notify(namespace, about())
    kept = journal(namespace, tmp_path)
    test = Happening(TEST, BUCKET, b"", AT, to="hook")
    kept.tell((put(b"0"), test, put(b"2"), put(b"3"), put(b"4")), ASKER)
    receiver = Receiver()
    shipper = deliveries(known, tmp_path, receiver).look()["hook"]
    assert shipper.step() == shipper.step() == 0.0
    assert [len(body.get("Records", ())) for body in receiver.bodies] == [1, 0, 1, 2]


@pytest.mark.parametrize("trouble", [DeliveryFailed("down"), 500, 503, 404, 401, 302])
def test_nothing_is_lost_while_a_receiver_is_down(
    namespace: Namespace, known: NotificationTargets, tmp_path: Path, trouble: Any
) -> None:
    notify(namespace, about())
    kept = journal(namespace, tmp_path)
    kept.tell((put(b"a"), put(b"b", AT + 1)), ASKER)
    receiver = Receiver()
    receiver.answers = [trouble] * 130  # at 30 s each: more than an hour
    shipper = deliveries(known, tmp_path, receiver).look()["hook"]
    pauses = [shipper.step() for _ in range(130)]
    assert pauses[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30] and sum(pauses) > 3600
    kept.tell((put(b"c", AT + 2),), ASKER)
    again = deliveries(known, tmp_path, receiver).look()["hook"]  # a background process that was killed
    while again.step() == 0.0:
        pass
    assert [body["Records"][0]["s3"]["object"]["key"] for body in receiver.bodies] == ["a", "b", "c"]


def test_one_target_that_is_down_holds_up_no_other(
    namespace: Namespace, known: NotificationTargets, tmp_path: Path
) -> None:
    known.add(NotificationTarget("other", "http://127.0.0.1:9/"))
    notify(namespace, about("s3:ObjectCreated:*"), about("s3:ObjectRemoved:*", target="other"))
    kept = journal(namespace, tmp_path)
    kept.tell((put(b"a"), Happening(REMOVED, BUCKET, b"a", AT)), ASKER)
    receiver = Receiver()
    receiver.answers = [503]
    shippers = deliveries(known, tmp_path, receiver).look()
    assert shippers["hook"].step() > 0 and shippers["other"].step() == 0.0
    assert [body["Records"][0]["eventName"] for body in receiver.bodies] == [REMOVED]
    assert receiver.headers == [{"Content-Type": "application/json"}], "a target without a token"


def test_what_finds_no_room_is_counted_and_the_rest_is_kept(namespace: Namespace, tmp_path: Path) -> None:
    notify(namespace, about())
    kept = journal(namespace, tmp_path, limit=2**20)
    for number in range(2000):
        kept.tell((put(b"k" * 500, AT + number),), ASKER)
    assert kept.kept["hook"] + kept.dropped["hook"] == 2000
    assert kept.dropped["hook"] > 0 and len(lines(tmp_path)) == kept.kept["hook"] > 500


def test_targets_are_kept_with_their_tokens_sealed(
    namespace: Namespace, known: NotificationTargets, tmp_path: Path
) -> None:
    assert known.shown() == [NotificationTarget("hook", HOOK.endpoint, has_token=True)]
    opened = known.opened("hook")
    assert opened is not None and opened.token == "Bearer T"
    record = namespace.read_setting(b"notification-targets")
    assert record is not None and b"Bearer" not in record
    with pytest.raises(EntityExists):
        known.add(HOOK)
    with pytest.raises(InvalidInput, match="give it anew"):
        known.update("hook", "https://elsewhere.example/", None, None)
    known.update("hook", "https://elsewhere.example/", "Bearer U", 7)
    changed = known.opened("hook")
    assert changed == NotificationTarget("hook", "https://elsewhere.example/", 7, True, "Bearer U")
    known.update("hook", None, "", None)
    assert known.one("hook") == NotificationTarget("hook", "https://elsewhere.example/", 7)
    known.update("hook", None, "Bearer V", None)
    known.reseal()
    resealed = known.opened("hook")
    assert resealed is not None and resealed.token == "Bearer V" and len(known.needed_keys()) == 1


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (NotificationTarget("", "https://h.example/"), "name"),
        (NotificationTarget("../x", "https://h.example/"), "name"),
        (NotificationTarget("-x", "https://h.example/"), "name"),
        (NotificationTarget("x" * 65, "https://h.example/"), "name"),
        (NotificationTarget("x", "ftp://h.example/"), "https://"),
        (NotificationTarget("x", "http://169.254.169.254/latest"), "metadata"),
        (NotificationTarget("x", "http://u:p@h.example/"), "password"),
        (NotificationTarget("x", "https://h.example/", batch=0), "batch"),
        (NotificationTarget("x", "https://h.example/", batch=1001), "batch"),
        (NotificationTarget("x", "https://h.example/", token="a\nb"), "token"),
    ],
)
def test_a_wrong_target_is_refused(known: NotificationTargets, wanted: NotificationTarget, why: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(why)):
        known.add(wanted)


def test_a_target_that_a_bucket_names_stays(
    namespace: Namespace, known: NotificationTargets, tmp_path: Path
) -> None:
    notify(namespace, about())
    with pytest.raises(InUse, match="bucket"):
        known.remove("hook")
    kept = journal(namespace, tmp_path)
    kept.tell((put(b"a"),), ASKER)
    notify(namespace)
    known.remove("hook")
    with pytest.raises(NoSuchEntity):
        known.remove("hook")
    assert deliveries(known, tmp_path, Receiver()).look() == {}
    assert not lines(tmp_path), "what waited for it is dropped"
    known.add(HOOK)
    notify(namespace, about())
    kept.tell((put(b"b"),), ASKER)  # by the process that told of the first: its segment is still there
    assert told(tmp_path) == [(PUT, "b")]


def test_a_line_is_ascii_and_small(namespace: Namespace, tmp_path: Path) -> None:
    notify(namespace, about())
    journal(namespace, tmp_path).tell((put("ключ".encode() * 60),), ASKER)
    text = json.dumps(lines(tmp_path)[0])
    assert text.isascii() and len(text) < 8192
