"""Conditional requests between S3 and POSIX writers."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from tests.system.service import Bucket

pytestmark = pytest.mark.mount


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def test_put_only_if_absent_counts_posix_files(bucket: Bucket) -> None:
    path = bucket.path / "file"
    path.write_bytes(b"posix")
    assert bucket.status("put_object", Key="file", Body=b"S3", IfNoneMatch="*") == (
        412, "PreconditionFailed",
    )
    assert path.read_bytes() == b"posix"
    path.unlink()
    assert bucket.status("put_object", Key="file", Body=b"S3", IfNoneMatch="*")[0] == 200
    assert path.read_bytes() == b"S3"


def test_put_if_match_fails_after_a_posix_change(bucket: Bucket) -> None:
    bucket.put("object", b"one")
    tag = bucket.head("object")["ETag"]
    with (bucket.path / "object").open("r+b") as writer:
        writer.write(b"two")
    assert bucket.status("put_object", Key="object", Body=b"three", IfMatch=tag)[0] == 412
    assert bucket.get("object") == b"two"
    now = bucket.head("object")["ETag"]
    assert bucket.status("put_object", Key="object", Body=b"three", IfMatch=now)[0] == 200
    assert (bucket.path / "object").read_bytes() == b"three"
    assert bucket.status("put_object", Key="nothing", Body=b"x", IfMatch=now) == (404, "NoSuchKey")


def test_put_if_match_while_a_posix_writer_has_it_open_does_not_overwrite(bucket: Bucket) -> None:
    bucket.put("object", b"one")
    tag = bucket.head("object")["ETag"]
    with (bucket.path / "object").open("r+b", buffering=0) as writer:
        status = bucket.status("put_object", Key="object", Body=b"three", IfMatch=tag)
        assert status[0] in (409, 412), status
        writer.write(b"two")
    assert bucket.get("object") == b"two"


@pytest.mark.parametrize("operation", ["delete_object", "copy_object", "complete_multipart_upload"])
def test_other_conditional_writes(bucket: Bucket, operation: str) -> None:
    bucket.put("object", b"one")
    bucket.put("source", b"from elsewhere")
    arguments: dict[str, object] = {"Key": "object"}
    if operation == "copy_object":
        arguments["CopySource"] = f"{bucket.name}/source"
    if operation == "complete_multipart_upload":
        upload = bucket.s3.create_multipart_upload(Bucket=bucket.name, Key="object")["UploadId"]
        part = bucket.s3.upload_part(
            Bucket=bucket.name, Key="object", UploadId=upload, PartNumber=1, Body=b"part"
        )
        arguments |= {
            "UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
        }
    assert bucket.status(operation, IfMatch=f'"{md5(b"two")}"', **arguments)[0] == 412
    assert (bucket.path / "object").read_bytes() == b"one"
    assert bucket.status(operation, IfMatch=f'"{md5(b"one")}"', **arguments)[0] in (200, 204)
    path = bucket.path / "object"
    assert not path.exists() if operation == "delete_object" else path.read_bytes() != b"one"


def test_conditional_reads_follow_posix_times(bucket: Bucket) -> None:
    import datetime
    import os

    bucket.put("object", b"body")
    os.utime(bucket.path / "object", (1_500_000_000, 1_500_000_000))
    moment = datetime.datetime.fromtimestamp(1_500_000_000, datetime.UTC)
    later, earlier = moment + datetime.timedelta(seconds=1), moment - datetime.timedelta(seconds=1)
    assert bucket.status("get_object", Key="object", IfModifiedSince=later)[0] == 304
    assert bucket.status("get_object", Key="object", IfModifiedSince=earlier)[0] == 200
    assert bucket.status("get_object", Key="object", IfUnmodifiedSince=earlier)[0] == 412
    assert bucket.status("get_object", Key="object", IfNoneMatch=f'"{md5(b"body")}"')[0] == 304
    assert bucket.status("get_object", Key="object", IfMatch=f'"{md5(b"body")}"')[0] == 200


def test_of_many_conditional_writers_one_wins_each_round(bucket: Bucket) -> None:
    """A counter kept by compare and swap over two workers: no increment is lost."""
    bucket.put("counter", b"0")
    clients, rounds = 4, 10

    def count() -> None:
        done = 0
        while done < rounds:
            answer = bucket.s3.get_object(Bucket=bucket.name, Key="counter")
            with answer["Body"] as stream:
                value = int(stream.read())
            status = bucket.status(
                "put_object", Key="counter", Body=b"%d" % (value + 1), IfMatch=answer["ETag"]
            )
            assert status[0] in (200, 409, 412), status
            done += status[0] == 200

    threads = [threading.Thread(target=count) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert bucket.get("counter") == b"%d" % (clients * rounds)
    assert Path(bucket.path / "counter").read_bytes() == b"%d" % (clients * rounds)
