"""boto3 as programs use it: transfers in parts, every checksum, streams, conditional writes, pages."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig

from tests.system.service import Bucket, running

pytestmark = [pytest.mark.mount, pytest.mark.clients]

MIB = 2**20
ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]


@pytest.fixture(scope="module", params=["native", "no-native"])
def bucket(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    options = ["--no-native"] if request.param == "no-native" else []
    with running(tmp_path_factory.mktemp("boto3"), "--workers", "2", *options) as service:
        yield service.make_bucket()


def test_upload_file_and_download_file_in_parts(bucket: Bucket, tmp_path: Path) -> None:
    body = os.urandom(MIB) * 64
    (tmp_path / "source").write_bytes(body)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=4)
    bucket.s3.upload_file(str(tmp_path / "source"), bucket.name, "large", Config=config)
    digests = b"".join(hashlib.md5(body[at : at + 8 * MIB]).digest() for at in range(0, len(body), 8 * MIB))
    assert bucket.etag("large") == f"{hashlib.md5(digests).hexdigest()}-8"
    assert (bucket.path / "large").read_bytes() == body
    bucket.s3.download_file(bucket.name, "large", str(tmp_path / "back"), Config=config)
    assert (tmp_path / "back").read_bytes() == body


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_checksums_of_one_put(bucket: Bucket, algorithm: str) -> None:
    body = os.urandom(100_000)
    answer = bucket.put("sum", body, ChecksumAlgorithm=algorithm)
    field = f"Checksum{algorithm}"
    assert answer[field]
    assert bucket.head("sum", ChecksumMode="ENABLED")[field] == answer[field]
    assert bucket.get("sum", ChecksumMode="ENABLED") == body
    assert bucket.put("again", body, **{field: answer[field]})[field] == answer[field]
    wrong = bucket.put("other", b"other", ChecksumAlgorithm=algorithm)[field]
    assert bucket.status("put_object", Key="again", Body=body, **{field: wrong}) == (400, "BadDigest")
    assert (bucket.path / "again").read_bytes() == body
    (bucket.path / "sum").write_bytes(b"changed through the mount")
    assert bucket.head("sum", ChecksumMode="ENABLED").get(field) != answer[field]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_checksums_of_an_upload_in_parts(bucket: Bucket, algorithm: str) -> None:
    bodies = [os.urandom(5 * MIB), os.urandom(1000)]
    upload = bucket.s3.create_multipart_upload(
        Bucket=bucket.name, Key="parts", ChecksumAlgorithm=algorithm
    )["UploadId"]
    parts = []
    for number, body in enumerate(bodies, start=1):
        answer = bucket.s3.upload_part(
            Bucket=bucket.name, Key="parts", UploadId=upload, PartNumber=number, Body=body,
            ChecksumAlgorithm=algorithm,
        )
        field = f"Checksum{algorithm}"
        parts.append({"PartNumber": number, "ETag": answer["ETag"], field: answer[field]})
    done = bucket.s3.complete_multipart_upload(
        Bucket=bucket.name, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    assert done[field]
    assert bucket.head("parts", ChecksumMode="ENABLED")[field] == done[field]
    assert bucket.get("parts") == b"".join(bodies)
    assert (bucket.path / "parts").read_bytes() == b"".join(bodies)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3 * MIB + 1])
def test_streams_of_unknown_kind(bucket: Bucket, size: int) -> None:
    """A file object is sent aws-chunked with a trailing checksum by current SDKs."""
    body = os.urandom(size)
    bucket.s3.upload_fileobj(io.BytesIO(body), bucket.name, "stream")
    assert bucket.get("stream") == body
    assert bucket.etag("stream") == hashlib.md5(body).hexdigest()
    assert (bucket.path / "stream").read_bytes() == body


@pytest.mark.parametrize("signed", [True, False])
def test_signed_and_unsigned_payloads(bucket: Bucket, signed: bool) -> None:
    client = bucket.service.client(s3={"payload_signing_enabled": signed, "addressing_style": "path"})
    try:
        client.put_object(Bucket=bucket.name, Key="payload", Body=b"body" * 1000)
    finally:
        client.close()
    assert (bucket.path / "payload").read_bytes() == b"body" * 1000


def test_conditional_writes(bucket: Bucket) -> None:
    first = bucket.put("conditional", b"1", IfNoneMatch="*")["ETag"]
    assert bucket.status("put_object", Key="conditional", Body=b"2", IfNoneMatch="*") == (
        412, "PreconditionFailed",
    )
    second = bucket.put("conditional", b"2", IfMatch=first)["ETag"]
    assert bucket.status("put_object", Key="conditional", Body=b"3", IfMatch=first)[0] == 412
    assert bucket.status("delete_object", Key="conditional", IfMatch=first)[0] == 412
    assert bucket.status("delete_object", Key="conditional", IfMatch=second)[0] == 204
    assert bucket.is_absent("conditional")


def test_content_headers_and_metadata(bucket: Bucket) -> None:
    bucket.put(
        "headers", b"x", ContentType="text/plain; charset=utf-8", CacheControl="max-age=3",
        ContentDisposition="inline", ContentEncoding="gzip", ContentLanguage="de",
        Metadata={"one": "1", "two": "a b"},
    )
    head = bucket.head("headers")
    assert (head["ContentType"], head["CacheControl"]) == ("text/plain; charset=utf-8", "max-age=3")
    assert (head["ContentDisposition"], head["ContentEncoding"]) == ("inline", "gzip")
    assert (head["ContentLanguage"], head["Metadata"]) == ("de", {"one": "1", "two": "a b"})


def test_metadata_that_needs_more_room_than_an_inode_has(bucket: Bucket) -> None:
    """S3 allows 2 KB of user metadata; together with the rest it must be kept or refused, never dropped."""
    metadata = {f"name-{number}": "v" * 90 for number in range(19)}
    bucket.put("much", b"x", Metadata=metadata)
    assert bucket.head("much")["Metadata"] == metadata
    (bucket.path / "much").rename(bucket.path / "much-moved")
    assert bucket.head("much-moved")["Metadata"] == metadata


def test_pages_of_both_listings(bucket: Bucket) -> None:
    for number in range(25):
        bucket.put(f"pages/{number:02}/object", b"x")
    for operation in ("list_objects", "list_objects_v2"):
        pages = bucket.s3.get_paginator(operation).paginate(
            Bucket=bucket.name, Prefix="pages/", Delimiter="/", PaginationConfig={"PageSize": 7}
        )
        found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())]
        assert found == [f"pages/{number:02}/" for number in range(25)]


def test_what_is_not_there(bucket: Bucket) -> None:
    assert bucket.status("get_object", Key="nothing") == (404, "NoSuchKey")
    assert bucket.status("head_object", Key="nothing")[0] == 404
    assert bucket.status("delete_object", Key="nothing")[0] == 204
    assert bucket.status("get_object_torrent", Key="nothing") == (501, "NotImplemented")
