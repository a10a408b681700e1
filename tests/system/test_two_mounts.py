"""Two mounts of one service: what one writes the other reads, and no ETag lies about it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.service import Bucket, Service, running
from tests.system.test_etag_truth import looks_like_md5, md5
from tests.system.waiting import wait_until

pytestmark = pytest.mark.mount

SECONDS = 10.0  # a generous bound on what takes --attr-timeout, 1 s


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("two")
    (folder / "second").mkdir()
    with running(folder, "--workers", "2", "--mount", str(folder / "second")) as started:
        yield started


@pytest.fixture
def bucket(service: Service) -> Bucket:
    return service.make_bucket()


@pytest.fixture
def second(service: Service, bucket: Bucket) -> Path:
    """The bucket on the other mount."""
    assert service.mount is not None
    return service.mount.with_name("second") / bucket.name


def test_a_change_is_seen_within_the_attribute_timeout(bucket: Bucket, second: Path) -> None:
    one, other = bucket.path / "k", second / "k"
    assert not other.exists()
    one.write_bytes(b"first")
    assert bucket.get("k") == b"first"
    wait_until("the name is on the other mount", SECONDS, other.exists)
    one.write_bytes(b"longer than the first")
    wait_until("its size is", SECONDS, lambda: other.stat().st_size == len(b"longer than the first"))
    assert other.read_bytes() == b"longer than the first"
    one.unlink()
    wait_until("it is gone", SECONDS, lambda: not other.exists())


def test_regression_an_open_sees_what_the_other_mount_wrote_before_the_time_was_set_back(
    bucket: Bucket, second: Path
) -> None:
    bucket.put("k", b"1" * 5000)
    one, other = bucket.path / "k", second / "k"
    for digit in b"23":
        assert other.read_bytes() == one.read_bytes()
        times = one.stat().st_atime_ns, one.stat().st_mtime_ns
        with one.open("r+b") as file:
            file.write(bytes([digit]) * 5000)
        os.utime(one, ns=times)
        assert other.read_bytes() == bytes([digit]) * 5000


def test_a_file_written_in_order_gets_its_md5_from_the_filler(bucket: Bucket) -> None:
    (bucket.path / "k").write_bytes(b"content")
    wait_until("the filler read it", 60, lambda: looks_like_md5(bucket.etag("k")))
    assert bucket.etag("k") == md5(b"content")
