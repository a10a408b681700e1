"""The audit of a whole service: a receiver that refuses, dies, hangs and returns; processes that die."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.system.service import Service, running, weka_mp
from tests.system.waiting import wait_until
from tests.unit.webhooks.receiver import Request, accepting, answer, receiving

pytestmark = pytest.mark.slow

TOKEN = "Splunk B5A79AAD-D822-46CC-80D1-819F80D7BFB0"


class Collector:
    """A Splunk HEC that behaves as it is told; remembers what it has taken."""

    def __init__(self) -> None:
        self.behaviour = "take"
        self.events: list[dict[str, Any]] = []
        self.seen: Counter[str] = Counter()
        self.tokens: set[bytes] = set()
        self.released = threading.Event()

    def __call__(self, connection: socket.socket, request: Request) -> bool:
        behaviour = self.behaviour
        self.seen[behaviour] += 1
        fields = dict(line.split(b": ", 1) for line in request.head.split(b"\r\n")[1:])
        self.tokens.add(fields[b"Authorization"])
        match behaviour:
            case "take":
                self.events += [json.loads(line) for line in request.body.splitlines()]
                return accepting(connection, request)
            case "die":
                return False
            case "hang":
                self.released.wait(60)
                return False
            case "redirect":
                connection.sendall(answer("302 Found", b"", "Location: http://127.0.0.1:1/"))
            case "late death":  # it has them, and nobody will know
                self.events += [json.loads(line) for line in request.body.splitlines()]
                return False
            case status:
                connection.sendall(answer(status, b'{"text":"no","code":9}'))
        return True

    def ids(self) -> Counter[str]:
        return Counter(event["requestID"] for event in self.events)


def webhook(service: Service, *arguments: str, stdin: str = "") -> str:
    done = weka_mp("s3", "cluster", "audit-webhook", *arguments, "--store", service.store, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def enable(service: Service, port: int, *options: str) -> None:
    url = f"http://127.0.0.1:{port}/services/collector/raw"
    webhook(service, "enable", "--endpoint", url, "--auth-token", "-", *options, stdin=TOKEN + "\n")


def call(service: Service, key: str) -> str:
    """One call; its request id."""
    try:
        answered = service.s3.put_object(Bucket="bucket", Key=key)
    except ClientError as error:
        answered = error.response
    found: str = answered["ResponseMetadata"]["RequestId"]
    return found


def events_of_file(folder: Path) -> list[dict[str, Any]]:
    files = [path for path in folder.glob("audit.jsonl*") if path.suffix != ".lock"]
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_nothing_is_lost_whatever_dies(tmp_path: Path) -> None:
    collector, told = Collector(), []
    file = tmp_path / "audit.jsonl"
    options = ("--workers", "2", "--audit-file", str(file), "--audit-file-size", "40k")
    with receiving(collector) as receiver:
        with running(tmp_path, *options, mount=False) as service:
            service.s3.create_bucket(Bucket="bucket")
            enable(service, receiver.port, "--verify")
            shown = webhook(service, "show")
            assert TOKEN not in shown and "****" in shown
            for behaviour in ("503 Busy", "403 No", "redirect", "die", "late death", "hang"):
                told += endure(service, collector, behaviour)
                wait_until("all events", 30, lambda: not set(told) - set(collector.ids()))  # noqa: B023
            os.kill(service.children("worker")[0], signal.SIGKILL)
            told += [call_patiently(service, f"after-{number}") for number in range(20)]
            collector.behaviour = "503 Busy"
            told += (last := [call(service, f"last-{number}") for number in range(5)])
        collector.behaviour = "take"
        stopped = weka_mp("s3", "cluster", "audit-webhook", "show", "-J", "--store", service.store)
        assert json.loads(stopped.stdout)[0]["enabled"] is True, "on the stopped store, too"
        with running(tmp_path, "--workers", "1", mount=False):
            wait_until("the events of the former service", 30, lambda: not set(told) - set(collector.ids()))
        collector.released.set()
    check_events(collector, told, last)
    in_file = [event["requestID"] for event in events_of_file(tmp_path)]
    assert not set(told) - set(in_file)
    assert len(in_file) == len(set(in_file)), "a line each, across rotations and deaths"
    assert file.with_suffix(".jsonl.1").exists()
    assert TOKEN not in service.log.read_text()
    kept = [path for path in (service.store / ".weka").rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in path.read_bytes() for path in kept)


def endure(service: Service, collector: Collector, behaviour: str) -> list[str]:
    """Calls while the receiver behaves like that; it takes what comes again afterwards."""
    collector.behaviour = behaviour
    told = [call(service, f"{behaviour}-{number}") for number in range(5)]
    told.append(call(service, "x" * 2000))  # refused, and told all the same
    wait_until(f"the receiver was asked: {behaviour}", 30, lambda: collector.seen[behaviour] > 0)
    if behaviour == "hang":
        # Its shipper waits for an answer; the next one begins with what that had not written down.
        (background,) = service.children("background")
        os.kill(background, signal.SIGKILL)
    collector.behaviour = "take"
    return told


def check_events(collector: Collector, told: list[str], last: list[str]) -> None:
    names = {event["api"]["name"] for event in collector.events}
    assert names >= {"PutObject", "AuditWebhookVerified"} and "AuditEventsDropped" not in names
    assert collector.tokens == {TOKEN.encode()}
    counts = collector.ids()
    repeated = [found for found in told if counts[found] > 1]
    assert len(repeated) <= 6, "only what the receiver had taken without a word comes again"
    order = [event["requestID"] for event in collector.events if event["requestID"] in last]
    assert order == last


def call_patiently(service: Service, key: str) -> str:
    """A worker was killed: its connections end."""
    for _ in range(50):
        try:
            return call(service, key)
        except BotoCoreError:
            continue
    raise AssertionError("nobody answers")
