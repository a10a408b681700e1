"""A store on a file system with little room for attributes: ext4 with blocks of 1 KiB, from a file."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.namespace.kit import BUCKET, put
from weka_mp.namespace import Namespace
from weka_mp.namespace.records.values import ContentHeaders, PartSizes
from weka_mp.store.posix import PosixStore

USER = {f"name-{number}": "v" * 117 for number in range(16)}  # 2 KB, S3's limit
HEADERS = ContentHeaders(
    content_type="a/" + "b" * 200, cache_control="c" * 2000, content_disposition="d" * 2000
)
PARTS = PartSizes.of([(5 << 20) + number for number in range(10_000)])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root mounts file systems")
    folder = tmp_path_factory.mktemp("small")
    image, mounted = folder / "image", folder / "mnt"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-b", "1024", "-I", "128", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mounted)], check=True)
    try:
        (mounted / "store").mkdir()
        yield mounted / "store"
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


@pytest.fixture
def namespace(small: Path) -> Iterator[Namespace]:
    store = PosixStore(str(small))
    with Namespace.open(store) as opened:
        if not (small / BUCKET).exists():
            opened.create_bucket(BUCKET)
        yield opened
    store.shutdown()


def test_all_that_s3_allows_has_room(namespace: Namespace) -> None:
    put(namespace, b"large", b"x", user=USER, headers=HEADERS, part_sizes=PARTS, owner="me")
    info = namespace.head_object(BUCKET, b"large")
    assert (info.user, info.headers, info.part_sizes, info.owner) == (USER, HEADERS, PARTS, "me")


def test_attributes_of_others_and_ours_share_the_room(namespace: Namespace, small: Path) -> None:
    put(namespace, b"shared", b"x", user=USER)
    path = small / BUCKET / "shared"
    os.setxattr(path, "user.mine", b"m" * 700)
    with pytest.raises(OSError) as full:
        os.setxattr(path, "user.more", b"m" * 700)
    assert full.value.errno == errno.ENOSPC
    assert namespace.head_object(BUCKET, b"shared").user == USER
    put(namespace, b"shared", b"y", user={"a": "b"})
    assert namespace.head_object(BUCKET, b"shared").user == {"a": "b"}
