"""The webhook in the store: sealed, bound to its endpoint, damaged by nobody unnoticed."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.namespace.kit import FixedClock
from tests.unit.webhooks.receiver import answer as http_answer
from tests.unit.webhooks.receiver import receiving
from weka_mp.audit import AuditWebhookRecord
from weka_mp.clock import SeededRandom
from weka_mp.control.desk import Answer, Desk, Question
from weka_mp.control.identity_routes import answer, find
from weka_mp.identity import KeyFile, KeyRotation, RootKeys
from weka_mp.identity.envelope import wrap
from weka_mp.identity.errors import IdentityUnusable, InvalidInput
from weka_mp.namespace import Namespace
from weka_mp.store.memory import MemoryStore
from weka_mp.supervise.identities import open_desk

URL, TOKEN = "https://h.example:8088/services/collector/raw", "Splunk B5A79AAD-D822-46CC-80D1-819F80D7BFB0"
NAME = b"audit-webhook"


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace.open(MemoryStore(), clock=FixedClock(), random=SeededRandom(3)) as opened:
        yield opened


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    made = KeyFile(str(tmp_path / "identity-keys"), SeededRandom(5))
    made.create()
    return made


@pytest.fixture
def record(namespace: Namespace, keys: KeyFile) -> AuditWebhookRecord:
    return AuditWebhookRecord(namespace, keys, SeededRandom(7))


@pytest.fixture
def desk(namespace: Namespace, tmp_path: Path) -> Iterator[Desk]:
    made = open_desk(namespace, "/nowhere", str(tmp_path), RootKeys("root", "secret"))
    yield made
    made.close()


def test_set_and_unset(record: AuditWebhookRecord) -> None:
    assert record.shown() is record.opened() is None
    assert not record.is_enabled()
    record.enable(URL, TOKEN)
    found = record.opened()
    assert found is not None
    assert (found.enabled, found.endpoint, found.token) == (True, URL, TOKEN)
    assert TOKEN not in repr(found)
    shown = record.shown()
    assert shown is not None and shown.token is None
    assert record.is_enabled()
    record.disable()
    assert not record.is_enabled()
    found = record.opened()
    assert found is not None and (found.enabled, found.endpoint, found.token) == (False, "", None)


def test_the_token_is_not_in_the_store(record: AuditWebhookRecord, namespace: Namespace) -> None:
    record.enable(URL, TOKEN)
    data = namespace.read_setting(NAME) or b""
    assert TOKEN.encode() not in data
    assert b"B5A79AAD" not in data


@pytest.mark.parametrize("given", ['"Splunk T"', '\\"Splunk T\\"', " Splunk T "])
def test_quotes_that_came_along_are_none_of_the_token(record: AuditWebhookRecord, given: str) -> None:
    assert record.checked(URL, given).token == "Splunk T"


@pytest.mark.parametrize("token", ["", " ", "a\nb", "a\r\nX-Evil: 1", "é", "x" * 1025, '""'])
def test_tokens_that_are_none(record: AuditWebhookRecord, token: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        record.enable(URL, token)
    assert "Evil" not in str(refused.value)
    assert record.shown() is None


def test_the_token_goes_to_no_other_endpoint(record: AuditWebhookRecord, namespace: Namespace) -> None:
    """Who can write the store changes the endpoint to its own: the token does not open any more."""
    record.enable(URL, TOKEN)
    content = json.loads((namespace.read_setting(NAME) or b"").split(b"\n", 1)[1])
    namespace.write_setting(NAME, wrap({**content, "endpoint": "https://evil.example/"}))
    with pytest.raises(IdentityUnusable):
        record.opened()
    assert record.is_enabled(), "events are kept until somebody puts it right"


@pytest.mark.parametrize(
    "content",
    [{}, {"version": 2}, {"version": 1, "enabled": "yes", "endpoint": "", "sealed": None},
     {"version": 1, "enabled": True, "endpoint": 1, "sealed": None},
     {"version": 1, "enabled": True, "endpoint": "", "sealed": 5}],
)  # fmt: skip
def test_damage_is_noticed(record: AuditWebhookRecord, namespace: Namespace, content: dict[str, Any]) -> None:
    namespace.write_setting(NAME, wrap(content))
    with pytest.raises(IdentityUnusable):
        record.is_enabled()
    record.disable()
    assert not record.is_enabled()


def test_without_its_key(record: AuditWebhookRecord, namespace: Namespace, tmp_path: Path) -> None:
    record.enable(URL, TOKEN)
    other = KeyFile(str(tmp_path / "other"), SeededRandom(9))
    other.create()
    with pytest.raises(IdentityUnusable, match="restore"):
        AuditWebhookRecord(namespace, other, SeededRandom(7)).opened()


def test_rotation_of_keys(desk: Desk) -> None:
    record = desk.audit.record
    record.enable(URL, TOKEN)
    rotation = KeyRotation(desk.identities, (record,))
    new = rotation.rotate()
    assert record.needed_keys() == {new}
    assert len(rotation.retire()) == 1
    found = record.opened()
    assert found is not None and found.token == TOKEN


def ask(desk: Desk, method: str, path: str, body: dict[str, object] | None = None) -> Answer:
    question = Question(method, f"/api/v2/s3/auditWebhook{path}", body or {}, trusted=True)
    found = find(method, question.path)
    assert found is not None
    return answer(desk, question, *found)


def test_over_the_administration(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    off = {"enabled": False, "endpoint": "", "auth_token": ""}
    on = {"enabled": True, "endpoint": URL, "auth_token": "****"}
    assert ask(desk, "GET", "").content["data"] == off
    done = ask(desk, "POST", "/enable", {"endpoint": URL, "auth_token": TOKEN})
    assert (done.status, done.content["data"], done.retold) == (200, on, "audit")
    assert ask(desk, "GET", "").content["data"] == on
    refused = ask(desk, "POST", "/enable", {"endpoint": "http://169.254.169.254/", "auth_token": TOKEN})
    assert (refused.status, refused.retold) == (400, None)
    assert ask(desk, "POST", "/disable").content["data"] == off
    assert TOKEN not in caplog.text + repr(done) + repr(refused)


@pytest.mark.parametrize("status", ["200 OK", "403 No", "307 Go"])
def test_verifying(desk: Desk, status: str) -> None:
    with receiving(lambda to, request: to.sendall(http_answer(status, b"hi")) or True) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/"
        done = ask(desk, "POST", "/enable", {"endpoint": url, "auth_token": TOKEN, "verify": True})
    assert json.loads(receiver.requests[0].body)["api"]["name"] == "AuditWebhookVerified"
    if status.startswith("200"):
        assert done.status == 200
    else:
        assert (done.status, done.content["code"]) == (400, "InvalidInput")
        assert status[:3] in str(done.content["error"])
        assert not desk.audit.record.is_enabled()
