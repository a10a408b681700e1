"""Changes made through the mount, looked at through S3 at once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.system.service import Bucket

pytestmark = pytest.mark.mount


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def looks_like_md5(tag: str) -> bool:
    return len(tag) == 32 and "-" not in tag


def assert_truthful(bucket: Bucket, key: str, body: bytes) -> None:
    """Head, get and list agree on size and ETag, and an ETag that looks like an MD5 is that of the body."""
    answer = bucket.s3.get_object(Bucket=bucket.name, Key=key)
    with answer["Body"] as stream:
        assert stream.read() == body
    assert answer["ContentLength"] == len(body)
    tag = answer["ETag"].strip('"')
    assert not looks_like_md5(tag) or tag == md5(body)
    listed = {
        entry["Key"]: entry for entry in bucket.s3.list_objects_v2(Bucket=bucket.name)["Contents"]
    }[key]
    assert listed["Size"] == len(body) == bucket.head(key)["ContentLength"]
    listed_tag = listed["ETag"].strip('"')
    assert not looks_like_md5(listed_tag) or listed_tag == md5(body)


def test_a_file_is_an_object_as_soon_as_it_has_a_name(bucket: Bucket) -> None:
    path = bucket.path / "file"
    with path.open("wb", buffering=0) as writer:
        assert bucket.keys() == ["file"]
        assert bucket.get("file") == b""
        writer.write(b"first ")
        assert bucket.get("file") == b"first "
        writer.write(b"second")
        assert bucket.get("file") == b"first second"
        assert not looks_like_md5(bucket.etag("file"))
    assert_truthful(bucket, "file", b"first second")


def test_appending_truncating_and_punching(bucket: Bucket) -> None:
    path = bucket.path / "file"
    bucket.put("file", b"0123456789")
    with path.open("ab") as appender:
        appender.write(b"abc")
    assert_truthful(bucket, "file", b"0123456789abc")
    os.truncate(path, 4)
    assert_truthful(bucket, "file", b"0123")
    os.truncate(path, 8)
    assert_truthful(bucket, "file", b"0123\0\0\0\0")
    with path.open("r+b") as writer:
        writer.seek(6)
        writer.write(b"xy")
    assert_truthful(bucket, "file", b"0123\0\0xy")
    path.write_bytes(b"")
    assert_truthful(bucket, "file", b"")


def test_the_first_byte_written_voids_the_etag(bucket: Bucket) -> None:
    bucket.put("file", b"0123456789")
    was = bucket.etag("file")
    assert was == md5(b"0123456789")
    with (bucket.path / "file").open("r+b", buffering=0) as writer:
        writer.write(b"X")
        assert bucket.etag("file") != was
        assert bucket.status("head_object", Key="file", IfMatch=was) == (412, "412")
    assert_truthful(bucket, "file", b"X123456789")
    assert bucket.etag("file") != was


def test_a_sequentially_written_file_has_its_md5_soon(bucket: Bucket) -> None:
    from tests.system.waiting import wait_until

    body = os.urandom(3_000_000)
    (bucket.path / "file").write_bytes(body)
    wait_until("the MD5 of a closed file", 30, lambda: bucket.etag("file") == md5(body))


def test_metadata_stays_when_the_content_changes(bucket: Bucket) -> None:
    bucket.put("file", b"one", Metadata={"colour": "blue"}, ContentType="text/x-own", CacheControl="no-store")
    (bucket.path / "file").write_bytes(b"two and more")
    head = bucket.head("file")
    assert head["Metadata"] == {"colour": "blue"}
    assert (head["ContentType"], head["CacheControl"]) == ("text/x-own", "no-store")
    assert head["ContentLength"] == 12
    assert_truthful(bucket, "file", b"two and more")


def test_a_rename_carries_record_and_etag(bucket: Bucket) -> None:
    bucket.put("a/one", b"body", Metadata={"k": "v"})
    bucket.put("two", b"replaced")
    (bucket.path / "a/one").rename(bucket.path / "two")
    assert bucket.is_absent("a/one")
    assert bucket.get("two") == b"body"
    assert bucket.etag("two") == md5(b"body")
    assert bucket.head("two")["Metadata"] == {"k": "v"}


def test_renaming_a_directory_moves_all_keys(bucket: Bucket) -> None:
    for number in range(5):
        bucket.put(f"from/sub/{number}", b"%d" % number)
    (bucket.path / "from").rename(bucket.path / "to")
    assert bucket.keys() == [f"to/sub/{number}" for number in range(5)]
    assert bucket.folders() == ["to/"]
    assert bucket.get("to/sub/3") == b"3"
    assert bucket.is_absent("from/sub/3")


def test_a_rename_between_buckets(bucket: Bucket) -> None:
    other = bucket.service.make_bucket("other")
    bucket.put("file", b"body", Metadata={"k": "v"})
    (bucket.path / "file").rename(other.path / "moved")
    assert bucket.is_absent("file")
    assert other.get("moved") == b"body"
    assert other.head("moved")["Metadata"] == {"k": "v"}


def test_unlink_and_rmdir(bucket: Bucket) -> None:
    bucket.put("a/file", b"body")
    (bucket.path / "a/file").unlink()
    assert bucket.is_absent("a/file")
    assert bucket.folders() == []
    (bucket.path / "a").rmdir()
    assert not (bucket.path / "a").exists()


def test_an_unlinked_open_file_is_no_object_but_still_works(bucket: Bucket) -> None:
    path = bucket.path / "file"
    with path.open("w+b", buffering=0) as file:
        file.write(b"hidden")
        path.unlink()
        assert bucket.is_absent("file")
        file.write(b" still")
        file.seek(0)
        assert file.read() == b"hidden still"
        assert os.fstat(file.fileno()).st_nlink == 0
        bucket.put("file", b"other")
        file.seek(0)
        assert file.read() == b"hidden still"
    assert path.read_bytes() == b"other"
    assert bucket.get("file") == b"other"


def test_hard_links_are_two_keys_of_the_same_bytes(bucket: Bucket) -> None:
    bucket.put("one", b"body", Metadata={"k": "v"})
    (bucket.path / "two").hardlink_to(bucket.path / "one")
    assert bucket.keys() == ["one", "two"]
    assert bucket.get("two") == b"body"
    assert bucket.head("two")["Metadata"] == {"k": "v"}
    assert (bucket.path / "one").stat().st_nlink == 2
    (bucket.path / "two").write_bytes(b"through two")
    assert_truthful(bucket, "one", b"through two")
    bucket.put("one", b"replaced")
    assert bucket.get("two") == b"through two"
    assert (bucket.path / "two").read_bytes() == b"through two"
    assert (bucket.path / "two").stat().st_nlink == 1


def test_mkdir_alone_is_no_key(bucket: Bucket) -> None:
    (bucket.path / "empty/inner").mkdir(parents=True)
    assert bucket.keys() == []
    assert bucket.folders() == []
    assert bucket.is_absent("empty/")
    (bucket.path / "empty/inner/file").write_bytes(b"x")
    assert bucket.folders() == ["empty/"]
    assert bucket.keys() == ["empty/inner/file"]


def test_a_symlink_to_a_file_in_the_bucket_is_an_object(bucket: Bucket) -> None:
    bucket.put("folder/target", b"body", ContentType="text/x-own")
    (bucket.path / "link").symlink_to("folder/target")
    assert bucket.keys() == ["folder/target", "link"]
    assert bucket.get("link") == b"body"
    assert bucket.head("link")["ContentLength"] == 4
    bucket.delete("link")
    assert bucket.keys() == ["folder/target"]
    assert not os.path.lexists(bucket.path / "link")


def test_overwriting_a_link_replaces_the_link(bucket: Bucket) -> None:
    bucket.put("target", b"body")
    (bucket.path / "link").symlink_to("target")
    bucket.put("link", b"own")
    assert not (bucket.path / "link").is_symlink()
    assert (bucket.path / "link").read_bytes() == b"own"
    assert bucket.get("target") == b"body"


def test_other_symlinks_are_no_objects(bucket: Bucket, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(b"secret")
    neighbour = bucket.service.make_bucket("neighbour")
    neighbour.put("object", b"neighbour's")
    bucket.put("folder/object", b"x")
    links = {
        "absolute": outside,
        "up": Path("..") / neighbour.name / "object",
        "far-up": Path("../../../../../../../../../etc/passwd"),
        "to-folder": Path("folder"),
        "dangling": Path("nowhere"),
        "circle": Path("circle"),
        "control": bucket.service.store / ".weka" / "format",
        "control-relative": Path("../.weka/format"),
    }
    for name, target in links.items():
        (bucket.path / name).symlink_to(target)
    assert bucket.keys() == ["folder/object"]
    for name in links:
        assert bucket.is_absent(name)
        assert bucket.is_absent(f"{name}/object")
    assert bucket.status("put_object", Key="to-folder/new", Body=b"x")[0] >= 400
    assert os.listdir(bucket.path / "folder") == ["object"]


@pytest.mark.timeout(30)
def test_a_fifo_never_blocks_and_is_no_object(bucket: Bucket) -> None:
    os.mkfifo(bucket.path / "fifo")
    bucket.put("object", b"x")
    assert bucket.is_absent("fifo")
    assert bucket.keys() == ["object"]
    assert bucket.status("put_object", Key="fifo", Body=b"x")[0] == 409
    assert bucket.status("copy_object", Key="copy", CopySource=f"{bucket.name}/fifo")[0] == 404
    assert (bucket.path / "fifo").is_fifo()


def test_ranges_of_a_file_that_grows(bucket: Bucket) -> None:
    path = bucket.path / "log"
    written = b""
    with path.open("wb", buffering=0) as log:
        for number in range(20):
            line = b"line %d\n" % number
            log.write(line)
            written += line
            assert bucket.get("log", Range=f"bytes=-{len(line)}") == line
            assert bucket.get("log", Range=f"bytes={len(written) - 3}-") == line[-3:]
    assert bucket.get("log", Range="bytes=5-10") == written[5:11]
    assert bucket.status("get_object", Key="log", Range=f"bytes={len(written)}-") == (416, "InvalidRange")
    part = bucket.s3.get_object(Bucket=bucket.name, Key="log", Range="bytes=2-9999999")
    with part["Body"] as stream:
        assert stream.read() == written[2:]
    assert part["ContentRange"] == f"bytes 2-{len(written) - 1}/{len(written)}"


def test_times_set_over_posix_are_last_modified(bucket: Bucket) -> None:
    path = bucket.path / "file"
    path.write_bytes(b"x")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert bucket.head("file")["LastModified"].timestamp() == 1_000_000_000
    bucket.put("object", b"body")
    os.utime(bucket.path / "object", (1_000_000_000, 1_000_000_000))
    assert bucket.head("object")["LastModified"].timestamp() == 1_000_000_000
    assert bucket.etag("object") == md5(b"body")


@pytest.mark.parametrize("seconds", [-1_000_000_000, -1, 9_300_000_000, 13_000_000_000])  # 1938 to 2381
def test_regression_times_before_1970_and_after_2262_are_times(bucket: Bucket, seconds: int) -> None:
    """Past 2^63 ns a record was damage: metadata and ETag were gone. Before the epoch S3 showed 1970."""
    bucket.put("object", b"body", Metadata={"k": "v"})
    (bucket.path / "file").write_bytes(b"body")
    for key in ("object", "file"):
        os.utime(bucket.path / key, (seconds, seconds))
        assert (bucket.path / key).stat().st_mtime == seconds
        assert bucket.head(key)["LastModified"].timestamp() == seconds
        assert bucket.etag(key) == md5(b"body")
        assert_truthful(bucket, key, b"body")
    assert bucket.head("object")["Metadata"] == {"k": "v"}
    os.setxattr(bucket.path / "object", "user.s3.meta.k", b"w")
    bucket.copy("object", "copy")
    assert bucket.head("copy")["Metadata"] == {"k": "w"}
    assert (bucket.path / "object").stat().st_mtime == seconds


def test_chmod_and_chown_change_no_etag(bucket: Bucket) -> None:
    bucket.put("object", b"body", Metadata={"k": "v"})
    (bucket.path / "object").chmod(0o600)
    os.chown(bucket.path / "object", 1000, 1000)
    assert bucket.etag("object") == md5(b"body")
    assert bucket.head("object")["Metadata"] == {"k": "v"}


def test_a_bucket_made_by_mkdir_is_a_bucket(bucket: Bucket) -> None:
    name = f"{bucket.name}-by-mkdir"
    assert bucket.service.mount is not None
    (bucket.service.mount / name).mkdir()
    made = Bucket(bucket.service, name)
    assert name in [entry["Name"] for entry in bucket.s3.list_buckets()["Buckets"]]
    made.put("object", b"x")
    assert (made.path / "object").read_bytes() == b"x"
    made.delete("object")
    made.path.rmdir()
    assert made.status("head_bucket")[0] == 404
    assert made.status("list_objects_v2") == (404, "NoSuchBucket")


def test_deleting_a_bucket(bucket: Bucket) -> None:
    bucket.put("object", b"x")
    (bucket.path / "empty/inner").mkdir(parents=True)
    assert bucket.status("delete_bucket") == (409, "BucketNotEmpty")
    bucket.delete("object")
    assert bucket.path.is_dir()
    assert bucket.status("delete_bucket") == (204, "")
    assert not bucket.path.exists()
    assert bucket.status("head_bucket")[0] == 404
    assert bucket.status("delete_bucket") == (404, "NoSuchBucket")


@pytest.mark.parametrize("leftover", ["link", "fifo"])
def test_a_bucket_with_something_that_is_no_object_is_not_deleted(bucket: Bucket, leftover: str) -> None:
    path = bucket.path / leftover
    if leftover == "link":
        path.symlink_to("/nowhere")
    else:
        os.mkfifo(path)
    assert bucket.status("delete_bucket") == (409, "BucketNotEmpty")
    assert os.path.lexists(path)
