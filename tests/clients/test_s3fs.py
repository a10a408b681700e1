"""s3fs mounts the bucket once more, over S3: what one mount writes the other one reads."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.programs import make_tree, run
from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY, Bucket

pytestmark = [pytest.mark.mount, pytest.mark.clients]


@pytest.fixture
def mounted(bucket: Bucket, tmp_path: Path) -> Iterator[Path]:
    secret, point = tmp_path / "passwd", tmp_path / "s3fs"
    secret.touch(0o600)
    secret.write_text(f"{ACCESS_KEY}:{SECRET_KEY}\n")
    point.mkdir()
    options = f"passwd_file={secret},url={bucket.service.url},endpoint={REGION},use_path_request_style"
    run("s3fs", bucket.name, point, "-o", f"{options},stat_cache_expire=1,multipart_size=10")
    try:
        yield point
    finally:
        subprocess.run(["fusermount3", "-u", point], check=True)


def test_a_tree_of_the_mount_is_read(bucket: Bucket, mounted: Path) -> None:
    make_tree(bucket.path, 60, "s3fs")
    run("diff", "-r", bucket.path, mounted)


def test_what_it_writes_is_there(bucket: Bucket, mounted: Path) -> None:
    content = os.urandom(25 << 20)  # in parts, by its own multipart_size
    (mounted / "large").write_bytes(content)
    assert (bucket.path / "large").read_bytes() == content
    (mounted / "dir").mkdir()
    (mounted / "dir" / "small").write_text("one\n")
    with (mounted / "dir" / "small").open("a") as file:
        file.write("two\n")
    assert (bucket.path / "dir" / "small").read_text() == "one\ntwo\n"
    (mounted / "large").rename(mounted / "dir" / "moved")
    assert (bucket.path / "dir" / "moved").read_bytes() == content
    assert not (bucket.path / "large").exists()
    (mounted / "dir" / "moved").unlink()
    (mounted / "dir" / "small").unlink()
    (mounted / "dir").rmdir()
    assert list(bucket.path.iterdir()) == []
