"""UploadPartCopy, ListParts and ListMultipartUploads through boto3."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from datetime import UTC, datetime, timedelta

import pytest

from tests.server.test_objects import failure

PART = 5 * 1024 * 1024


@pytest.fixture
def source(client, bucket):
    body = os.urandom(PART + 1000)
    client.put_object(Bucket=bucket, Key="söurce/ä +%", Body=body)
    return body


def begin(client, bucket, key="k", **options):
    known = {"Bucket": bucket, "Key": key}
    return {**known, "UploadId": client.create_multipart_upload(**known, **options)["UploadId"]}


def copy(client, *, known, number=1, **options):
    origin = {"Bucket": known["Bucket"], "Key": "söurce/ä +%"}
    return client.upload_part_copy(**known, PartNumber=number, **{"CopySource": origin, **options})


def test_ranges_of_an_object_become_parts(client, bucket, source):
    known = begin(client, bucket)
    first = copy(client, known=known, number=1, CopySourceRange=f"bytes=0-{PART - 1}")["CopyPartResult"]
    rest = f"bytes={PART}-{PART + 999}"
    second = copy(client, known=known, number=2, CopySourceRange=rest)["CopyPartResult"]
    assert first["ETag"] == f'"{hashlib.md5(source[:PART]).hexdigest()}"'
    assert abs(second["LastModified"] - datetime.now(UTC)) < timedelta(minutes=5)
    parts = [{"PartNumber": 1, "ETag": first["ETag"]}, {"PartNumber": 2, "ETag": second["ETag"]}]
    done = client.complete_multipart_upload(**known, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-2"')
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == source


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
def test_a_copied_part_has_the_checksum_of_its_upload(client, bucket, source, algorithm):
    known = begin(client, bucket, ChecksumAlgorithm=algorithm)
    result = copy(client, known=known)["CopyPartResult"]
    crc = zlib.crc32(source).to_bytes(4, "big")
    digest = crc if algorithm == "CRC32" else hashlib.sha256(source).digest()
    shown = base64.b64encode(digest).decode()
    assert result[f"Checksum{algorithm}"] == shown
    listed = client.list_parts(**known)
    assert (listed["ChecksumAlgorithm"], listed["ChecksumType"]) == (algorithm, "COMPOSITE")
    assert listed["Parts"][0][f"Checksum{algorithm}"] == shown
    part = {"PartNumber": 1, "ETag": result["ETag"], f"Checksum{algorithm}": shown}
    done = client.complete_multipart_upload(**known, MultipartUpload={"Parts": [part]})
    assert done[f"Checksum{algorithm}"].endswith("-1")


def test_conditions_on_the_source(client, bucket, source):
    known = begin(client, bucket)
    tag = client.head_object(Bucket=bucket, Key="söurce/ä +%")["ETag"]
    past, future = datetime(2001, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)
    for holds in (
        {"CopySourceIfMatch": tag}, {"CopySourceIfNoneMatch": '"other"'},
        {"CopySourceIfModifiedSince": past}, {"CopySourceIfUnmodifiedSince": future},
        {"CopySourceIfMatch": tag, "CopySourceIfUnmodifiedSince": past},
    ):
        assert copy(client, known=known, **holds)["CopyPartResult"]["ETag"] == tag
    for fails in (
        {"CopySourceIfMatch": '"other"'}, {"CopySourceIfNoneMatch": tag},
        {"CopySourceIfModifiedSince": datetime.now(UTC)}, {"CopySourceIfUnmodifiedSince": past},
        {"CopySourceIfNoneMatch": tag, "CopySourceIfModifiedSince": past},
    ):
        assert failure(copy, client=client, known=known, **fails) == ("PreconditionFailed", 412)


def test_what_is_refused(client, bucket, source):
    known = begin(client, bucket)
    beyond = f"bytes=0-{len(source)}"
    for wrong in ("bytes=0-99999999", "bytes=5242880-", "bytes=-5", "0-5", "bytes=6-5", beyond):
        assert failure(copy, client=client, known=known, CopySourceRange=wrong) == ("InvalidArgument", 400)
    nothing_there = failure(copy, client=client, known=known, CopySourceRange="bytes=99999999-99999999")
    assert nothing_there == ("InvalidRequest", 400)
    for missing, code in (
        ({"Bucket": bucket, "Key": "none"}, "NoSuchKey"),
        ({"Bucket": "no-such-bucket", "Key": "k"}, "NoSuchBucket"),
        (f"{bucket}/k?versionId=abc", "InvalidArgument"),
    ):
        assert failure(copy, client=client, known=known, CopySource=missing)[0] == code
    gone = {**known, "UploadId": "0" * 48}
    assert failure(copy, client=client, known=gone) == ("NoSuchUpload", 404)
    assert failure(copy, client=client, known=gone, CopySource=f"{bucket}/none") == ("NoSuchUpload", 404)
    assert client.list_parts(**known).get("Parts") is None
    versioned = copy(client, known=known, CopySource=f"{bucket}/söurce/ä +%?versionId=null")
    assert versioned["CopyPartResult"]["ETag"]


def test_parts_are_listed_in_pages(client, bucket):
    known = begin(client, bucket)
    for number in (7, 1, 3, 10_000):
        client.upload_part(**known, PartNumber=number, Body=b"x" * number)
    whole = client.list_parts(**known)
    rows = [(part["PartNumber"], part["Size"], part["ETag"]) for part in whole["Parts"]]
    assert rows == [
        (number, number, f'"{hashlib.md5(b"x" * number).hexdigest()}"') for number in (1, 3, 7, 10_000)
    ]
    assert (whole["IsTruncated"], whole["MaxParts"], whole["StorageClass"]) == (False, 1000, "STANDARD")
    assert whole["Owner"] == whole["Initiator"]
    assert whole["Owner"]["ID"] == client.list_buckets()["Owner"]["ID"]
    first = client.list_parts(**known, MaxParts=2)
    assert (first["IsTruncated"], first["NextPartNumberMarker"]) == (True, 3)
    pages = client.get_paginator("list_parts").paginate(**known, PaginationConfig={"PageSize": 1})
    assert [part["PartNumber"] for page in pages for part in page["Parts"]] == [1, 3, 7, 10_000]
    assert client.list_parts(**known, PartNumberMarker=10_000).get("Parts") is None
    none = client.list_parts(**known, MaxParts=0)
    assert (none.get("Parts"), none["IsTruncated"]) == (None, False)
    assert failure(client.list_parts, **known, MaxParts=-1) == ("InvalidArgument", 400)
    client.abort_multipart_upload(**known)
    assert failure(client.list_parts, **known) == ("NoSuchUpload", 404)


def test_uploads_are_listed_in_pages(client, bucket):
    names = ["b", "a/1", "a/2", "ä &<", "a", "b", "dir/"]
    begun = [(name, begin(client, bucket, name, ChecksumAlgorithm="SHA1")["UploadId"]) for name in names]
    in_order = sorted(begun, key=lambda found: (found[0].encode(), found[1]))
    whole = client.list_multipart_uploads(Bucket=bucket)
    assert [(row["Key"], row["UploadId"]) for row in whole["Uploads"]] == in_order
    assert (whole["IsTruncated"], whole["MaxUploads"]) == (False, 1000)
    row = whole["Uploads"][0]
    assert (row["StorageClass"], row["ChecksumAlgorithm"], row["ChecksumType"]) == (
        "STANDARD", "SHA1", "COMPOSITE")
    assert row["Owner"] == row["Initiator"]
    assert abs(row["Initiated"] - datetime.now(UTC)) < timedelta(minutes=5)
    for size in (1, 2, 3):
        paginator = client.get_paginator("list_multipart_uploads")
        pages = paginator.paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        rows = [(row["Key"], row["UploadId"]) for page in pages for row in page["Uploads"]]
        assert rows == in_order
    rolled = client.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [row["Prefix"] for row in rolled["CommonPrefixes"]] == ["a/", "dir/"]
    assert [row["Key"] for row in rolled["Uploads"]] == ["a", "b", "b", "ä &<"]
    encoded = client.list_multipart_uploads(Bucket=bucket, Prefix="ä", EncodingType="url")
    assert encoded["EncodingType"] == "url"
    assert [row["Key"] for row in encoded["Uploads"]] in (["ä &<"], ["%C3%A4%20%26%3C"])
    none = client.list_multipart_uploads(Bucket=bucket, MaxUploads=0)
    assert (none.get("Uploads"), none["IsTruncated"]) == (None, False)
    listing = client.list_multipart_uploads
    assert failure(listing, Bucket=bucket, MaxUploads=-1) == ("InvalidArgument", 400)
    assert failure(listing, Bucket=bucket, KeyMarker="a", UploadIdMarker="x") == ("InvalidArgument", 400)
    assert failure(listing, Bucket="no-such-bucket", MaxUploads=0) == ("NoSuchBucket", 404)
    assert client.list_multipart_uploads(Bucket=bucket, UploadIdMarker="ignored")["UploadIdMarker"] == ""


def test_the_transfer_manager_copies_in_parts(client, bucket):
    body = os.urandom(20_000_001)
    client.put_object(Bucket=bucket, Key="big", Body=body, Metadata={"a": "b"}, ContentType="text/x")
    client.copy({"Bucket": bucket, "Key": "big"}, bucket, "copy/big")
    got = client.get_object(Bucket=bucket, Key="copy/big")
    assert (got["Body"].read() == body, got["ETag"].endswith('-3"')) == (True, True)
