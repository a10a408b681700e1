"""Lifecycle rules in a running service whose days last two seconds: in both views, and over a death; and
what the log of a bucket tells of them.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.service import Bucket, Service, running
from tests.system.waiting import wait_until

pytestmark = [pytest.mark.mount, pytest.mark.slow]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    options = ("--workers", "1", "--attr-timeout", "3600", "--lifecycle-day-seconds", "2")
    options += ("--bucket-log-interval", "1")
    with running(tmp_path_factory.mktemp("service"), *options) as started:
        yield started


def seen(path: Path) -> bool:
    """As the kernel has it: an entry that it keeps for an hour is found unless it was told."""
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    return True


def test_rules_are_followed_in_both_views_and_over_a_death(service: Service) -> None:
    bucket: Bucket = service.make_bucket()
    for number in range(30):
        bucket.put(f"tmp/{number}", b"x")
    bucket.put("stays", b"x")
    (bucket.path / "tmp" / "posix").write_bytes(b"x")
    os.utime(bucket.path / "tmp" / "posix", (1, 1))
    held = open(bucket.path / "tmp" / "held", "wb")  # noqa: SIM115 - over the whole test
    held.write(b"x")
    held.flush()
    assert len(os.listdir(bucket.path / "tmp")) == 32
    assert all(seen(bucket.path / "tmp" / str(number)) for number in range(30))
    service.s3.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration={"Rules": [
        {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}]})
    (background,) = service.children("background")
    backing = service.store / bucket.name / "tmp"
    wait_until("the first goes", 30, lambda: len(os.listdir(backing)) < 32, pause=0)
    os.kill(background, signal.SIGKILL)  # in the midst of a page, of which the mount has not heard
    wait_until("all but the open one go", 30, lambda: bucket.keys() == ["stays", "tmp/held"])
    assert os.listdir(bucket.path / "tmp") == ["held"]
    gone = [bucket.path / "tmp" / str(number) for number in (*range(30), "posix")]
    wait_until("the mount hears of it from the next", 30, lambda: not any(seen(path) for path in gone))
    assert bucket.get("tmp/held") == b"x"
    held.close()
    wait_until("the closed one goes", 30, lambda: bucket.keys() == ["stays"])
    wait_until("on the mount, too", 30, lambda: not seen(bucket.path / "tmp" / "held"))
    removed = [line for line in service.log.read_text().splitlines() if "removed an object" in line]
    assert removed
    assert bucket.name in removed[0]
    service.s3.delete_bucket_lifecycle(Bucket=bucket.name)


def test_the_log_of_a_bucket_outlives_workers_and_is_seen_on_the_mount(service: Service) -> None:
    bucket, logs = service.make_bucket(), service.make_bucket()
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{logs.name}/*"}]}
    service.s3.put_bucket_policy(Bucket=logs.name, Policy=json.dumps(policy))
    service.s3.put_bucket_logging(Bucket=bucket.name, BucketLoggingStatus={
        "LoggingEnabled": {"TargetBucket": logs.name, "TargetPrefix": "of/"}})
    time.sleep(1.1)  # for which workers remember what was set
    bucket.put("k", b"x")
    (worker,) = service.children("worker")
    os.kill(worker, signal.SIGKILL)

    def told() -> str:
        return "".join(path.read_text("ascii") for path in sorted(logs.path.glob("of/*")))

    wait_until("what a dead worker answered is told", 30, lambda: " REST.PUT.OBJECT k " in told())
    service.s3.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration={"Rules": [
        {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}]})
    wait_until("what a rule removed is told", 30, lambda: " AmazonS3 - S3.EXPIRE.OBJECT k " in told())
    service.s3.delete_bucket_lifecycle(Bucket=bucket.name)
