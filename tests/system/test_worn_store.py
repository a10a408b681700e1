"""A store on a full or a read-only file system: it says so by the right error, serves reads, and recovers."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.service import Bucket, running

SIZE = 24 << 20  # bytes of the file system
OLD = os.urandom(300_000)


@contextmanager
def on_small_file_system(folder: Path) -> Iterator[Bucket]:
    """A bucket with one object, `old`, of a service whose store is a small ext4 of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts file systems")
    image, store = folder / "image", folder / "small"
    store.mkdir()
    with image.open("wb") as file:
        file.truncate(SIZE)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(store)], check=True)
    try:
        # What the file system refuses may stand in the log as an error.
        with running(folder, store=store, quiet=False) as service:
            found = service.make_bucket()
            found.put("old", OLD, Metadata={"kept": "yes"})
            yield found
    finally:
        subprocess.run(["umount", str(store)], check=True)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    with on_small_file_system(tmp_path) as found:
        yield found


def refusal(call: object, *arguments: object) -> int | None:
    try:
        call(*arguments)  # type: ignore[operator]
    except OSError as error:
        return error.errno
    return None


def serves_reads(bucket: Bucket) -> None:
    assert bucket.get("old") == OLD
    assert bucket.head("old")["Metadata"] == {"kept": "yes"}
    assert bucket.keys("old") == ["old"]
    assert (bucket.path / "old").read_bytes() == OLD
    assert "old" in os.listdir(bucket.path)


def test_a_store_that_turns_read_only(bucket: Bucket) -> None:
    """As ext4 does when it meets an error (`errors=remount-ro`)."""
    store = bucket.service.store
    subprocess.run(["mount", "-o", "remount,abort", str(store)], check=True)
    serves_reads(bucket)
    refused = (403, "AccessDenied")
    assert bucket.status("put_object", Key="new", Body=b"x") == refused
    assert bucket.status("put_object", Key="old", Body=b"x") == refused
    assert bucket.status("delete_object", Key="old") == refused
    assert bucket.status("create_multipart_upload", Key="new") == refused
    for call, arguments in (
        (Path.write_bytes, (bucket.path / "new", b"x")),
        (os.truncate, (bucket.path / "old", 1)),
        (os.unlink, (bucket.path / "old",)),
        (os.mkdir, (bucket.path / "d",)),
        (os.utime, (bucket.path / "old",)),
    ):
        assert refusal(call, *arguments) == errno.EROFS, call
    serves_reads(bucket)


def test_a_full_store(bucket: Bucket) -> None:
    filler = bucket.service.store / "filler"
    with filler.open("wb") as file:
        while refusal(file.write, bytes(1 << 20)) is None and refusal(file.flush) is None:
            continue
    for key in ("old", "new"):
        assert bucket.status("put_object", Key=key, Body=os.urandom(2 << 20)) == (507, "StorageFull")
    assert refusal(Path.write_bytes, bucket.path / "new", os.urandom(2 << 20)) == errno.ENOSPC
    serves_reads(bucket)
    assert bucket.status("delete_object", Key="new") == (204, ""), "what takes no room goes on"
    filler.unlink()
    bucket.put("old", b"new")
    assert (bucket.path / "old").read_bytes() == b"new"
    assert bucket.keys("old") == ["old"]
