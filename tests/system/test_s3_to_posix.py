"""Changes made through S3, looked at through the mount at once, whatever its kernel had cached before.

The kernel's caches last an hour here (conftest), so nothing below is seen because something expired.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.system.service import Bucket

pytestmark = pytest.mark.mount


def look(path: Path) -> None:
    """Fill the kernel's caches: listing, attributes and content of everything below, and a name that is
    not there.
    """
    for folder, _, names in os.walk(path):
        os.stat(folder)
        for name in names:
            if os.path.isfile(os.path.join(folder, name)):
                Path(folder, name).read_bytes()
    assert not (path / "never-there").exists()


def test_a_new_object_replaces_a_cached_absence(bucket: Bucket) -> None:
    path = bucket.path / "new"
    assert not path.exists()
    assert os.listdir(bucket.path) == []
    before = bucket.path.stat().st_mtime_ns
    bucket.put("new", b"body")
    assert path.stat().st_size == 4
    assert os.listdir(bucket.path) == ["new"]
    assert path.read_bytes() == b"body"
    assert bucket.path.stat().st_mtime_ns > before


def test_a_new_object_shows_in_a_cached_listing_without_a_lookup_of_its_name(bucket: Bucket) -> None:
    bucket.put("first", b"1")
    assert os.listdir(bucket.path) == ["first"]
    bucket.put("second", b"2")
    assert sorted(os.listdir(bucket.path)) == ["first", "second"]
    bucket.delete("first")
    assert os.listdir(bucket.path) == ["second"]


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 200_000])
def test_an_overwrite_replaces_cached_attributes_and_pages(bucket: Bucket, size: int) -> None:
    bucket.put("object", b"a" * 5000)
    look(bucket.path)
    bucket.put("object", b"b" * size)
    path = bucket.path / "object"
    assert path.stat().st_size == size
    assert path.read_bytes() == b"b" * size
    assert [entry.stat().st_size for entry in os.scandir(bucket.path)] == [size]


def test_an_overwrite_of_equal_size_is_seen_by_content(bucket: Bucket) -> None:
    path = bucket.path / "object"
    for number in range(30):
        body = b"%06d" % number
        bucket.put("object", body)
        assert path.read_bytes() == body


def test_an_open_reader_keeps_the_old_object(bucket: Bucket) -> None:
    bucket.put("object", b"old" * 10_000)
    with (bucket.path / "object").open("rb", buffering=0) as reader:
        assert reader.read(3) == b"old"
        bucket.put("object", b"new")
        assert os.fstat(reader.fileno()).st_size == 30_000
        assert os.pread(reader.fileno(), 6, 29_994) == b"oldold"
        bucket.delete("object")
        assert os.pread(reader.fileno(), 6, 15_000) == b"oldold"
    assert not (bucket.path / "object").exists()


def test_an_open_writer_writes_into_the_orphan(bucket: Bucket) -> None:
    bucket.put("object", b"old")
    with (bucket.path / "object").open("r+b", buffering=0) as writer:
        bucket.put("object", b"new")
        writer.write(b"LATE WRITE")
        os.fsync(writer.fileno())
        assert bucket.get("object") == b"new"
    assert bucket.get("object") == b"new"
    assert (bucket.path / "object").read_bytes() == b"new"
    assert bucket.keys() == ["object"]


def test_a_deletion_is_seen_at_once_and_so_is_the_next_object(bucket: Bucket) -> None:
    path = bucket.path / "object"
    for number in range(20):
        bucket.put("object", b"%d" % number)
        assert path.read_bytes() == b"%d" % number
        bucket.delete("object")
        assert not path.exists()
        assert os.listdir(bucket.path) == []


def test_a_batch_deletion_is_seen_at_once(bucket: Bucket) -> None:
    names = [f"f{number}" for number in range(50)]
    for name in names:
        bucket.put(name, b"x")
    look(bucket.path)
    answer = bucket.s3.delete_objects(
        Bucket=bucket.name, Delete={"Objects": [{"Key": name} for name in [*names, "never-there"]]}
    )
    assert "Errors" not in answer
    assert len(answer["Deleted"]) == 51
    assert os.listdir(bucket.path) == []
    assert not any((bucket.path / name).exists() for name in names)


def test_a_copy_appears_and_overwrites(bucket: Bucket) -> None:
    bucket.put("source", b"source" * 1000, Metadata={"colour": "blue"}, ContentType="text/x-own")
    bucket.put("there", b"old")
    look(bucket.path)
    assert not (bucket.path / "fresh").exists()
    bucket.copy("source", "fresh")
    bucket.copy("source", "there")
    assert (bucket.path / "fresh").read_bytes() == b"source" * 1000
    assert (bucket.path / "there").read_bytes() == b"source" * 1000
    assert sorted(os.listdir(bucket.path)) == ["fresh", "source", "there"]
    head = bucket.head("fresh")
    assert (head["Metadata"], head["ContentType"]) == ({"colour": "blue"}, "text/x-own")
    assert bucket.etag("fresh") == bucket.etag("source")


def test_a_copy_between_buckets(bucket: Bucket) -> None:
    other = bucket.service.make_bucket("other")
    other.put("deep/source", b"bytes")
    assert not (bucket.path / "a").exists()
    bucket.s3.copy_object(
        Bucket=bucket.name, Key="a/b", CopySource={"Bucket": other.name, "Key": "deep/source"}
    )
    assert (bucket.path / "a" / "b").read_bytes() == b"bytes"


def test_a_copy_onto_itself_replaces_metadata_only(bucket: Bucket) -> None:
    bucket.put("object", b"bytes", Metadata={"a": "1"})
    bucket.copy("object", "object", MetadataDirective="REPLACE", Metadata={"b": "2"})
    assert bucket.head("object")["Metadata"] == {"b": "2"}
    assert (bucket.path / "object").read_bytes() == b"bytes"
    assert bucket.status("copy_object", Key="object", CopySource=f"{bucket.name}/object") == (
        400, "InvalidRequest",
    )


def test_an_upload_in_parts_appears_when_it_is_completed_and_not_before(bucket: Bucket) -> None:
    mib = 2**20
    bodies = [bytes([65 + number]) * (5 * mib) for number in range(2)] + [b"tail"]
    assert not (bucket.path / "deep").exists()
    upload = bucket.s3.create_multipart_upload(Bucket=bucket.name, Key="deep/large")["UploadId"]
    parts = []
    for number in (2, 1, 3):
        answer = bucket.s3.upload_part(
            Bucket=bucket.name, Key="deep/large", UploadId=upload, PartNumber=number, Body=bodies[number - 1]
        )
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        assert os.listdir(bucket.path) == []
    parts.sort(key=lambda part: part["PartNumber"])
    done = bucket.s3.complete_multipart_upload(
        Bucket=bucket.name, Key="deep/large", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    path = bucket.path / "deep" / "large"
    assert path.stat().st_size == 10 * mib + 4
    assert path.read_bytes() == b"".join(bodies)
    assert done["ETag"].endswith('-3"')
    assert bucket.head("deep/large")["ETag"] == done["ETag"]
    assert bucket.keys() == ["deep/large"]


def test_an_upload_over_an_object_that_is_open(bucket: Bucket) -> None:
    bucket.put("object", b"old")
    with (bucket.path / "object").open("rb") as reader:
        upload = bucket.s3.create_multipart_upload(Bucket=bucket.name, Key="object")["UploadId"]
        part = bucket.s3.upload_part(
            Bucket=bucket.name, Key="object", UploadId=upload, PartNumber=1, Body=b"new one"
        )
        assert (bucket.path / "object").read_bytes() == b"old"
        bucket.s3.complete_multipart_upload(
            Bucket=bucket.name, Key="object", UploadId=upload,
            MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        )
        assert (bucket.path / "object").read_bytes() == b"new one"
        assert reader.read() == b"old"


def test_an_aborted_upload_leaves_nothing_in_either_view(bucket: Bucket) -> None:
    upload = bucket.s3.create_multipart_upload(Bucket=bucket.name, Key="object")["UploadId"]
    bucket.s3.upload_part(Bucket=bucket.name, Key="object", UploadId=upload, PartNumber=1, Body=b"x")
    bucket.s3.abort_multipart_upload(Bucket=bucket.name, Key="object", UploadId=upload)
    assert os.listdir(bucket.path) == []
    assert bucket.is_absent("object")
    late = bucket.status("upload_part", Key="object", UploadId=upload, PartNumber=2, Body=b"x")
    assert late == (404, "NoSuchUpload")


def test_implicit_directories_come_and_go_with_their_keys(bucket: Bucket) -> None:
    assert not (bucket.path / "a").exists()
    bucket.put("a/b/c/one", b"1")
    bucket.put("a/b/two", b"2")
    assert (bucket.path / "a/b/c/one").read_bytes() == b"1"
    bucket.delete("a/b/c/one")
    assert not (bucket.path / "a/b/c").exists()
    assert (bucket.path / "a/b/two").read_bytes() == b"2"
    bucket.delete("a/b/two")
    assert not (bucket.path / "a").exists()
    assert os.listdir(bucket.path) == []
    bucket.put("a/b/c/one", b"again")
    assert (bucket.path / "a/b/c/one").read_bytes() == b"again"


def test_a_directory_that_a_posix_caller_opened_stays(bucket: Bucket) -> None:
    bucket.put("a/b/object", b"1")
    descriptor = os.open(bucket.path / "a" / "b", os.O_RDONLY | os.O_DIRECTORY)
    try:
        bucket.delete("a/b/object")
        assert os.listdir(descriptor) == []
        (bucket.path / "a" / "b" / "made").write_bytes(b"x")
    finally:
        os.close(descriptor)
    assert bucket.get("a/b/made") == b"x"


def test_a_directory_object_is_a_directory_until_it_is_deleted(bucket: Bucket) -> None:
    bucket.put("folder/", b"")
    assert (bucket.path / "folder").is_dir()
    assert bucket.keys() == ["folder/"]
    bucket.put("folder/object", b"x")
    bucket.delete("folder/object")
    assert (bucket.path / "folder").is_dir()
    assert os.listdir(bucket.path / "folder") == []
    bucket.delete("folder/")
    assert not (bucket.path / "folder").exists()


def test_the_body_of_a_directory_object_is_kept_and_hidden(bucket: Bucket) -> None:
    bucket.put("folder/", b"a body", Metadata={"k": "v"})
    assert bucket.get("folder/") == b"a body"
    assert bucket.head("folder/")["Metadata"] == {"k": "v"}
    assert os.listdir(bucket.path / "folder") == []
    assert bucket.keys() == ["folder/"]


def test_an_object_and_one_below_it_is_refused(bucket: Bucket) -> None:
    bucket.put("a", b"1")
    assert bucket.status("put_object", Key="a/b", Body=b"2")[0] == 409
    assert bucket.get("a") == b"1"
    bucket.put("d/e", b"1")
    assert bucket.status("put_object", Key="d", Body=b"2")[0] == 409
    assert bucket.keys() == ["a", "d/e"]
    assert sorted(os.listdir(bucket.path)) == ["a", "d"]


def test_times_and_modes_of_what_s3_made(bucket: Bucket) -> None:
    bucket.put("folder/object", b"x")
    attributes = (bucket.path / "folder/object").stat()
    assert (attributes.st_mode & 0o7777, attributes.st_uid, attributes.st_gid) == (0o644, 0, 0)
    assert (bucket.path / "folder").stat().st_mode & 0o7777 == 0o755
    assert int(attributes.st_mtime) == int(bucket.head("folder/object")["LastModified"].timestamp())


def test_a_replaced_file_keeps_mode_and_owner(bucket: Bucket) -> None:
    path = bucket.path / "script"
    path.write_bytes(b"#!/bin/sh\n")
    path.chmod(0o750)
    os.chown(path, 1234, 2345)
    bucket.put("script", b"#!/bin/sh\nexit 3\n")
    attributes = path.stat()
    assert (attributes.st_mode & 0o7777, attributes.st_uid, attributes.st_gid) == (0o750, 1234, 2345)


def test_a_put_that_is_refused_changes_nothing(bucket: Bucket) -> None:
    bucket.put("object", b"good")
    answer = bucket.status("put_object", Key="object", Body=b"bad", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert answer == (400, "BadDigest")
    assert (bucket.path / "object").read_bytes() == b"good"
    assert os.listdir(bucket.path) == ["object"]


def test_a_bucket_made_by_s3_is_a_directory_at_once_and_goes_with_it(bucket: Bucket) -> None:
    mount = bucket.path.parent
    name = f"{bucket.name}-later"
    assert not (mount / name).exists()
    bucket.s3.create_bucket(Bucket=name)
    assert (mount / name).is_dir()
    assert name in os.listdir(mount)
    bucket.s3.delete_bucket(Bucket=name)
    assert not (mount / name).exists()
    assert name not in os.listdir(mount)
