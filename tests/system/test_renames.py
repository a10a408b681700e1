"""RenameObject as both views see it: at once, with the kernel's caches full of the old names."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.service import Bucket

pytestmark = pytest.mark.mount


def rename(bucket: Bucket, source: str, key: str, **arguments: object) -> None:
    bucket.s3.rename_object(Bucket=bucket.name, Key=key, RenameSource=source, **arguments)


def test_the_mount_sees_a_renamed_object_at_once(bucket: Bucket) -> None:
    bucket.put("d/from", b"data")
    bucket.put("e/to", b"replaced")
    path = bucket.path
    number = (path / "d/from").stat().st_ino
    assert not (path / "e/new").exists()
    with (path / "d/from").open("rb") as opened, (path / "e/to").open("rb") as replaced:
        rename(bucket, "d/from", "e/new")
        assert not (path / "d").exists()
        assert sorted(os.listdir(path / "e")) == ["new", "to"]
        assert ((path / "e/new").stat().st_ino, (path / "e/new").read_bytes()) == (number, b"data")
        rename(bucket, "e/new", "e/to")
        assert os.listdir(path / "e") == ["to"]
        assert (path / "e/to").read_bytes() == b"data"
        assert (opened.read(), replaced.read()) == (b"data", b"replaced")


def test_the_mount_sees_a_renamed_prefix_at_once(bucket: Bucket) -> None:
    for number in range(5):
        bucket.put(f"a/b/c/{number}", b"%d" % number)
    path = bucket.path
    assert sorted(os.listdir(path / "a/b/c")) == list("01234")
    assert not (path / "x").exists()
    (path / "a/b/c/posix").write_bytes(b"mine")
    with (path / "a/b/c/writer").open("wb") as writer:
        rename(bucket, "a/b/", "x/y/z/")
        assert sorted(os.listdir(path / "x/y/z/c")) == [*"01234", "posix", "writer"]
        assert (path / "x/y/z/c/3").read_bytes() == b"3"
        assert not (path / "a/b").exists()
        with pytest.raises(FileNotFoundError):
            (path / "a/b/c/3").read_bytes()
        writer.write(b"goes on")
    assert bucket.get("x/y/z/c/writer") == b"goes on"
    assert bucket.keys() == [f"x/y/z/c/{name}" for name in [*"01234", "posix", "writer"]]
    (path / "x/y/z/c/3").write_bytes(b"after")
    assert bucket.get("x/y/z/c/3") == b"after"


def test_a_rename_beside_one_that_s3_is_about_to_answer(bucket: Bucket) -> None:
    """The kernel knows the old name still and finds the new one: two names of one file, to its knowledge."""
    path, store = bucket.path, bucket.service.store / bucket.name
    for old, new in (("from", "to"), ("to", "from")):
        bucket.put("d/from", b"data")
        number = (path / "d/from").stat().st_ino
        os.rename(store / "d/from", store / "d/to")  # done, and the mount is not told yet
        assert (path / "d/to").stat().st_ino == number
        os.rename(path / "d" / old, path / "d" / new)
        assert (os.listdir(store / "d"), bucket.keys()) == ([new], [f"d/{new}"])
        bucket.delete(f"d/{new}")


def test_back_and_forth_from_both_sides(bucket: Bucket) -> None:
    """Two objects are renamed over S3 and by mv, with their prefix moving; none is lost or seen twice."""
    for number in range(2):
        bucket.put(f"p/{number}", b"%d" % number)

    def over_s3() -> None:
        for turn in range(20):
            rename(bucket, *(("p/", "q/") if turn % 2 == 0 else ("q/", "p/")))

    def over_posix() -> None:
        for _ in range(40):
            for prefix in "pq":
                try:
                    os.rename(bucket.path / prefix / "0", bucket.path / prefix / "moved")
                    os.rename(bucket.path / prefix / "moved", bucket.path / prefix / "0")
                except FileNotFoundError:
                    continue

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(over_s3), pool.submit(over_posix)]:
            done.result()
    found = bucket.keys()
    assert sorted(bucket.get(key) for key in found) == [b"0", b"1"]
    assert sorted(os.listdir(bucket.path / found[0].partition("/")[0])) == [
        key.rpartition("/")[2] for key in found
    ]
