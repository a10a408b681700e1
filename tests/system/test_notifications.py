"""Notifications of a whole service: both doors, a receiver that dies and returns, processes that die."""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest

from tests.system.service import Service, running, weka_mp
from tests.system.waiting import wait_until
from tests.unit.webhooks.receiver import Request, accepting, receiving

pytestmark = pytest.mark.slow

EVERYTHING = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]


class Pipeline:
    """A receiver that is there or not."""

    def __init__(self) -> None:
        self.there = True
        self.calls = 0
        self.tests: list[Any] = []
        self.records: list[dict[str, Any]] = []

    def __call__(self, connection: socket.socket, request: Request) -> bool:
        self.calls += 1
        if not self.there:
            return False
        assert b"\r\nAuthorization: Bearer T" in request.head
        body = json.loads(request.body)
        if "Records" in body:
            self.records += body["Records"]
        else:
            self.tests.append(body)
        return accepting(connection, request)

    def told(self) -> set[tuple[str, str, str]]:
        """(source, event, key)"""
        return {
            (one["eventSource"].partition(":")[2], one["eventName"], unquote_plus(one["s3"]["object"]["key"]))
            for one in self.records
        }

    def newest(self) -> dict[str, str]:
        """What is so of each key by the sequencers."""
        newest: dict[str, tuple[str, str]] = {}
        for one in self.records:
            key, order = unquote_plus(one["s3"]["object"]["key"]), one["s3"]["object"]["sequencer"]
            newest[key] = max(newest.get(key, ("", "")), (order, one["eventName"].partition(":")[0]))
        return {key: event for key, (_, event) in newest.items()}


def target(service: Service, *arguments: str, stdin: str = "") -> str:
    done = weka_mp("s3", "notification", "target", *arguments, "--store", service.store, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def kill(service: Service, kind: str) -> None:
    """Ended as nobody expects it; back with another pid."""
    [pid] = service.children(kind)
    os.kill(pid, signal.SIGKILL)
    wait_until(f"{kind} is back", 30, lambda: any(other != pid for other in service.children(kind)))


def test_no_event_is_lost_whoever_dies(tmp_path: Path) -> None:
    pipeline = Pipeline()
    with receiving(pipeline) as receiver, running(tmp_path, "--workers", "1") as service:
        endpoint = f"http://127.0.0.1:{receiver.port}/in"
        options = ("--endpoint", endpoint, "--auth-token", "-")
        arn = target(service, "add", "hook", *options, stdin="Bearer T\n").splitlines()[-1]
        bucket = service.make_bucket()
        service.s3.put_bucket_notification_configuration(
            Bucket=bucket.name, NotificationConfiguration={
                "TopicConfigurations": [{"TopicArn": arn, "Events": EVERYTHING}]},
        )
        wait_until("the test event", 20, lambda: bool(pipeline.tests))
        assert pipeline.tests[0]["Bucket"] == bucket.name

        pipeline.there = False
        service.s3.put_object(Bucket=bucket.name, Key="s3", Body=b"data")
        kill(service, "worker")
        before = pipeline.calls
        wait_until("the receiver was asked", 40, lambda: pipeline.calls > before)
        kill(service, "background")
        expected = _both_doors(service, bucket)
        pipeline.there = True
        wait_until("all that happened", 60, lambda: expected <= pipeline.told())
        assert pipeline.told() == expected
        assert pipeline.newest() == {
            "s3": "ObjectCreated", "s3 two": "ObjectRemoved", "copy": "ObjectCreated",
            "tagged": "ObjectTagging", "part.tmp": "ObjectRemoved", "whole": "ObjectCreated",
            "dir/a": "ObjectRemoved", "moved/a": "ObjectCreated",
        }
        _killed_while_it_writes(service, bucket, pipeline)


def _both_doors(service: Service, bucket: Any) -> set[tuple[str, str, str]]:
    s3, name = service.s3, bucket.name
    s3.put_object(Bucket=name, Key="s3 two", Body=b"data")
    s3.copy_object(Bucket=name, Key="copy", CopySource=f"{name}/s3")
    s3.put_object(Bucket=name, Key="tagged", Body=b"")
    s3.put_object_tagging(Bucket=name, Key="tagged", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "s3 two"}, {"Key": "never there"}]})
    assert service.mount is not None
    folder = service.mount / name
    (folder / "part.tmp").write_bytes(b"data")
    (folder / "part.tmp").rename(folder / "whole")
    (folder / "dir").mkdir()
    (folder / "dir" / "a").write_bytes(b"data")
    (folder / "dir").rename(folder / "moved")
    created = [("s3", "s3"), ("s3", "s3 two"), ("s3", "tagged"), ("posix", "part.tmp"), ("posix", "whole"),
               ("posix", "dir/a"), ("posix", "moved/a")]  # fmt: skip
    return {(source, "ObjectCreated:Put", key) for source, key in created} | {
        ("s3", "ObjectCreated:Copy", "copy"), ("s3", "ObjectTagging:Put", "tagged"),
        ("s3", "ObjectRemoved:Delete", "s3 two"), ("posix", "ObjectRemoved:Delete", "part.tmp"),
        ("posix", "ObjectRemoved:Delete", "dir/a"),
    }


def _killed_while_it_writes(service: Service, bucket: Any, pipeline: Pipeline) -> None:
    """What was written through a mount that is killed before the file is closed is told of all the same."""
    assert service.mount is not None
    file = os.open(service.mount / bucket.name / "open", os.O_WRONLY | os.O_CREAT)
    try:
        os.write(file, b"half of it")
        kill(service, "mount")
    finally:
        with suppress(OSError):  # its mount is gone
            os.close(file)
    wanted = ("posix", "ObjectCreated:Put", "open")
    wait_until("a file whose mount died", 30, lambda: wanted in pipeline.told())
