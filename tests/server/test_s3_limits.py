"""The limits of S3 itself: what is at the bound passes, what is one over has S3's error for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.endpoint import Endpoint, running_endpoint
from tests.server.raw_http import send, signed
from tests.server.test_objects import failure
from weka_mp.gateway import multipart
from weka_mp.s3.payload import MAX_OBJECT, MAX_SINGLE_UPLOAD

MIB = 1024 * 1024
LEAST_PART = 5 * MIB


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    root: Path = tmp_path_factory.mktemp("limits") / "store"
    root.mkdir()
    with running_endpoint(root) as running:
        running.client().create_bucket(Bucket="bucket")
        yield running


@pytest.fixture
def s3(place: Endpoint) -> Any:
    return place.client()


def upload(s3: Any, *sizes: tuple[int, int]) -> dict[str, Any]:
    """An upload with parts of these (number, size), and what completes it."""
    begun = {"Bucket": "bucket", "Key": "parts"}
    begun["UploadId"] = s3.create_multipart_upload(**begun)["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**begun, PartNumber=number, Body=bytes(size))["ETag"]}
        for number, size in sizes
    ]
    return {**begun, "MultipartUpload": {"Parts": sorted(parts, key=lambda part: part["PartNumber"])}}


def test_five_tebibytes_and_ranges_of_them(place: Endpoint, s3: Any) -> None:
    path = place.root / "bucket" / "huge"
    path.touch()
    os.truncate(path, MAX_OBJECT)
    with path.open("r+b") as file:
        file.seek(MAX_OBJECT - 3)
        file.write(b"end")
    assert s3.head_object(Bucket="bucket", Key="huge")["ContentLength"] == 5 * 1024**4
    last = s3.get_object(Bucket="bucket", Key="huge", Range="bytes=-4")
    assert last["Body"].read() == b"\0end"
    assert last["ContentRange"] == f"bytes {MAX_OBJECT - 4}-{MAX_OBJECT - 1}/{MAX_OBJECT}"
    [row] = s3.list_objects_v2(Bucket="bucket", Prefix="huge")["Contents"]
    assert row["Size"] == MAX_OBJECT
    begun = upload(s3)
    del begun["MultipartUpload"]
    source = {"CopySource": "bucket/huge", "PartNumber": 1}
    over = {"CopySourceRange": f"bytes=0-{MAX_SINGLE_UPLOAD}"}
    assert failure(s3.upload_part_copy, **begun, **source, **over) == ("InvalidRequest", 400)
    beyond = {"CopySourceRange": f"bytes=0-{MAX_OBJECT}"}
    assert failure(s3.upload_part_copy, **begun, **source, **beyond) == ("InvalidArgument", 400)
    s3.delete_object(Bucket="bucket", Key="huge")


def test_an_object_of_parts_is_no_larger_than_objects_are(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    over, fits = upload(s3, (1, LEAST_PART), (2, 2)), upload(s3, (1, LEAST_PART), (2, 1))
    monkeypatch.setattr(multipart, "MAX_OBJECT", LEAST_PART + 1)
    assert failure(s3.complete_multipart_upload, **over) == ("EntityTooLarge", 400)
    assert failure(s3.head_object, Bucket="bucket", Key="parts") == ("404", 404)
    s3.complete_multipart_upload(**fits)
    assert s3.head_object(Bucket="bucket", Key="parts")["ContentLength"] == LEAST_PART + 1


def test_all_parts_but_the_last_have_five_mebibytes(s3: Any) -> None:
    short = upload(s3, (1, LEAST_PART - 1), (2, 1))
    assert failure(s3.complete_multipart_upload, **short) == ("EntityTooSmall", 400)
    assert s3.complete_multipart_upload(**upload(s3, (1, LEAST_PART), (2, 1)))["ETag"].endswith('-2"')
    assert s3.complete_multipart_upload(**upload(s3, (1, 1)))["ETag"].endswith('-1"')


@pytest.mark.parametrize(("method", "target"), [
    ("PUT", "/bucket/k"), ("PUT", "/bucket/parts?partNumber=1&uploadId={upload}"),
])
def test_five_gibibytes_at_once(place: Endpoint, s3: Any, method: str, target: str) -> None:
    where = target.format(upload=upload(s3)["UploadId"])

    def asked(length: int) -> Any:
        headers = {"Content-Length": str(length), "Expect": "100-continue"}
        return send(place, signed(method, where, headers=headers, payload="UNSIGNED-PAYLOAD"))

    assert asked(MAX_SINGLE_UPLOAD).status == 100  # it may send them
    answer = asked(MAX_SINGLE_UPLOAD + 1)
    assert (answer.status, answer.code) == (400, "EntityTooLarge")
    assert b"<MaxSizeAllowed>5368709120</MaxSizeAllowed>" in answer.body


def test_part_numbers_end_at_ten_thousand(s3: Any) -> None:
    """Sent backwards and with gaps."""
    known = upload(s3, (10_000, 1), (1, LEAST_PART))
    number = {name: known[name] for name in ("Bucket", "Key", "UploadId")}
    for none in (0, 10_001, -1):
        assert failure(s3.upload_part, **number, PartNumber=none, Body=b"") == ("InvalidArgument", 400)
    s3.complete_multipart_upload(**known)
    assert s3.get_object(Bucket="bucket", Key="parts", PartNumber=2)["Body"].read() == b"\0"


def test_metadata_has_two_kibibytes_names_and_values_together(s3: Any) -> None:
    put = {"Bucket": "bucket", "Key": "k", "Body": b""}
    s3.put_object(**put, Metadata={"a": "x" * 1000, "bc": "y" * 1045})
    assert len(s3.head_object(Bucket="bucket", Key="k")["Metadata"]["bc"]) == 1045
    over = {"a": "x" * 1000, "bc": "y" * 1046}
    begin = s3.create_multipart_upload
    assert failure(s3.put_object, **put, Metadata=over) == ("MetadataTooLarge", 400)
    assert failure(begin, Bucket="bucket", Key="k", Metadata=over) == ("MetadataTooLarge", 400)
    copied = {"Bucket": "bucket", "Key": "k", "CopySource": "bucket/k", "MetadataDirective": "REPLACE"}
    assert failure(s3.copy_object, **copied, Metadata=over) == ("MetadataTooLarge", 400)


def test_keys_have_1024_bytes(s3: Any) -> None:
    for character in ("k", "ä"):
        fits = character * (1024 // len(character.encode()))
        s3.put_object(Bucket="bucket", Key=fits, Body=b"")
        s3.delete_object(Bucket="bucket", Key=fits)
        over = {"Bucket": "bucket", "Key": fits + character}
        assert failure(s3.put_object, **over, Body=b"") == ("KeyTooLongError", 400)
        assert failure(s3.create_multipart_upload, **over) == ("KeyTooLongError", 400)
        assert failure(s3.copy_object, **over, CopySource="bucket/k") == ("KeyTooLongError", 400)
        entries = {"Objects": [{"Key": over["Key"]}]}
        assert failure(s3.delete_objects, Bucket="bucket", Delete=entries) == ("KeyTooLongError", 400)


def test_ten_tags_of_an_object_and_fifty_of_a_bucket(s3: Any) -> None:
    def tags(count: int) -> dict[str, Any]:
        return {"TagSet": [{"Key": f"k{number}", "Value": ""} for number in range(count)]}

    def header(count: int) -> str:
        return "&".join(f"k{number}=" for number in range(count))

    at = {"Bucket": "bucket", "Key": "tagged"}
    s3.put_object(**at, Body=b"", Tagging=header(10))
    assert failure(s3.put_object, **at, Body=b"", Tagging=header(11)) == ("BadRequest", 400)
    s3.put_object_tagging(**at, Tagging=tags(10))
    assert failure(s3.put_object_tagging, **at, Tagging=tags(11)) == ("BadRequest", 400)
    s3.put_bucket_tagging(Bucket="bucket", Tagging=tags(50))
    assert failure(s3.put_bucket_tagging, Bucket="bucket", Tagging=tags(51)) == ("BadRequest", 400)
    long = {"TagSet": [{"Key": "k" * 128, "Value": "v" * 256}]}
    s3.put_object_tagging(**at, Tagging=long)
    for wrong in ({"Key": "k" * 129, "Value": ""}, {"Key": "k", "Value": "v" * 257}):
        assert failure(s3.put_object_tagging, **at, Tagging={"TagSet": [wrong]}) == ("InvalidTag", 400)


def test_pages_and_deletions_have_a_thousand(place: Endpoint, s3: Any) -> None:
    folder = place.root / "bucket" / "many"
    folder.mkdir()
    for number in range(1001):
        (folder / f"{number:04}").touch()
    for listed in (s3.list_objects_v2, s3.list_objects):
        page = listed(Bucket="bucket", Prefix="many/", MaxKeys=2**31 - 1)
        assert (len(page["Contents"]), page["MaxKeys"], page["IsTruncated"]) == (1000, 1000, True)
        assert failure(listed, Bucket="bucket", MaxKeys=-1) == ("InvalidArgument", 400)
        assert failure(listed, Bucket="bucket", MaxKeys=2**31) == ("InvalidArgument", 400)
        assert "Contents" not in listed(Bucket="bucket", MaxKeys=0)
    objects = [{"Key": f"many/{number:04}"} for number in range(1001)]
    assert failure(s3.delete_objects, Bucket="bucket", Delete={"Objects": objects}) == ("MalformedXML", 400)
