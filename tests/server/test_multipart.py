"""Multipart uploads through boto3."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest
from botocore.exceptions import ClientError

from tests.server.raw_http import send, signed
from tests.server.test_objects import failure

PART = 5 * 1024 * 1024


def upload(client, bucket, bodies, **options):
    created = client.create_multipart_upload(Bucket=bucket, Key="k", **options)
    known = {"Bucket": bucket, "Key": "k", "UploadId": created["UploadId"]}
    # A part must come with the checksum its upload was begun with, and SDKs send CRC32 unless told.
    algorithm = {name: value for name, value in options.items() if name == "ChecksumAlgorithm"}
    parts = []
    for number, body in enumerate(bodies, 1):
        done = client.upload_part(**known, **algorithm, PartNumber=number, Body=body)
        kept = {name: value for name, value in done.items() if name.startswith("Checksum")}
        parts.append({"PartNumber": number, "ETag": done["ETag"], **kept})
    return known, parts


def test_parts_become_the_object(client, bucket):
    bodies = [os.urandom(PART), os.urandom(PART), os.urandom(1234)]
    known, parts = upload(client, bucket, bodies, Metadata={"a": "b"}, ContentType="text/x")
    done = client.complete_multipart_upload(**known, MultipartUpload={"Parts": parts})
    md5s = b"".join(hashlib.md5(body).digest() for body in bodies)
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"'
    got = client.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"".join(bodies)
    assert (got["Metadata"], got["ContentType"]) == ({"a": "b"}, "text/x")
    second = client.get_object(Bucket=bucket, Key="k", PartNumber=2)
    assert second["Body"].read() == bodies[1]
    assert second["PartsCount"] == 3
    assert second["ContentRange"] == f"bytes {PART}-{2 * PART - 1}/{2 * PART + 1234}"
    assert failure(client.get_object, Bucket=bucket, Key="k", PartNumber=4) == ("InvalidPartNumber", 416)
    assert failure(client.abort_multipart_upload, **known) == ("NoSuchUpload", 404)


@pytest.mark.parametrize(("algorithm", "kind"), [
    ("CRC32", "COMPOSITE"), ("CRC32", "FULL_OBJECT"), ("CRC64NVME", "FULL_OBJECT"), ("SHA256", "COMPOSITE"),
    ("XXHASH128", "COMPOSITE"),
])
def test_checksums_of_the_whole(client, bucket, algorithm, kind):
    bodies = [os.urandom(PART), os.urandom(99)]
    known, parts = upload(client, bucket, bodies, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    done = client.complete_multipart_upload(
        **known, MultipartUpload={"Parts": parts}, ChecksumType=kind, MpuObjectSize=PART + 99
    )
    assert done["ChecksumType"] == kind
    shown = done[f"Checksum{algorithm}"]
    if kind == "FULL_OBJECT":
        whole = client.put_object(Bucket=bucket, Key="w", Body=b"".join(bodies), ChecksumAlgorithm=algorithm)
        assert shown == whole[f"Checksum{algorithm}"]
    elif algorithm == "SHA256":
        digests = b"".join(hashlib.sha256(body).digest() for body in bodies)
        assert shown == base64.b64encode(hashlib.sha256(digests).digest()).decode() + "-2"
    head = client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[f"Checksum{algorithm}"], head["ChecksumType"]) == (shown, kind)


def test_mistakes_are_named(client, bucket):
    known, parts = upload(client, bucket, [b"short", b"last"])
    complete = client.complete_multipart_upload
    assert failure(complete, **known, MultipartUpload={"Parts": parts}) == ("EntityTooSmall", 400)
    backwards = {"Parts": parts[::-1]}
    assert failure(complete, **known, MultipartUpload=backwards) == ("InvalidPartOrder", 400)
    wrong = {"Parts": [{"PartNumber": 1, "ETag": '"00000000000000000000000000000000"'}]}
    assert failure(complete, **known, MultipartUpload=wrong) == ("InvalidPart", 400)
    size = {"Parts": parts[:1]}
    assert failure(complete, **known, MultipartUpload=size, MpuObjectSize=1) == ("InvalidRequest", 400)
    unknown = {**known, "UploadId": "nosuchupload"}
    assert failure(client.upload_part, **unknown, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)
    with pytest.raises(ClientError) as refused:
        complete(**unknown, MultipartUpload=wrong)
    assert refused.value.response["Error"]["UploadId"] == "nosuchupload"
    with pytest.raises(ClientError) as refused:
        complete(**known, MultipartUpload=wrong)
    assert refused.value.response["Error"]["PartNumber"] == "1"
    assert failure(client.head_object, Bucket=bucket, Key="k") == ("404", 404)


@pytest.mark.parametrize("options", [{}, {"ChecksumAlgorithm": "SHA256"}])
def test_regression_a_repeated_completion_is_answered_again(client, bucket, options):
    known, parts = upload(client, bucket, [os.urandom(PART), b"last"], **options)
    first = client.complete_multipart_upload(**known, MultipartUpload={"Parts": parts})
    again = client.complete_multipart_upload(**known, MultipartUpload={"Parts": parts})
    shown = ("ETag", "ChecksumSHA256", "Location")
    assert [again.get(name) for name in shown] == [first.get(name) for name in shown]
    fewer = {"Parts": parts[:1]}
    assert failure(client.complete_multipart_upload, **known, MultipartUpload=fewer) == ("NoSuchUpload", 404)
    client.put_object(Bucket=bucket, Key="k", Body=b"other")
    later = client.complete_multipart_upload(**known, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    assert later["ETag"] == first["ETag"]
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"other"
    client.delete_object(Bucket=bucket, Key="k")
    size = {"MpuObjectSize": PART + 4}
    gone = client.complete_multipart_upload(**known, MultipartUpload={"Parts": parts}, **size)
    assert gone["ETag"] == first["ETag"]
    assert failure(client.head_object, Bucket=bucket, Key="k") == ("404", 404)
    size = {"MpuObjectSize": 7}
    wrong = failure(client.complete_multipart_upload, **known, MultipartUpload={"Parts": parts}, **size)
    assert wrong == ("InvalidRequest", 400)


def test_a_part_with_another_checksum(client, bucket):
    known, _ = upload(client, bucket, [b"x"], ChecksumAlgorithm="SHA256")
    other = failure(client.upload_part, **known, PartNumber=2, Body=b"y", ChecksumAlgorithm="CRC32C")
    assert other == ("InvalidRequest", 400)


def test_a_part_without_a_checksum_gets_that_of_its_upload(client, endpoint, bucket):
    begun = client.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC64NVME")
    target = f"/bucket/k?partNumber=1&uploadId={begun['UploadId']}"
    answer = send(endpoint, signed("PUT", target, b"123456789"))
    assert (answer.status, answer.headers["x-amz-checksum-crc64nvme"]) == (200, "rosUhgp5mIg=")


def test_abort_forgets_the_parts(client, bucket):
    known, _ = upload(client, bucket, [b"x"])
    client.abort_multipart_upload(**known)
    assert failure(client.upload_part, **known, PartNumber=1, Body=b"x") == ("NoSuchUpload", 404)


def test_conditional_completion(client, bucket):
    client.put_object(Bucket=bucket, Key="k", Body=b"old")
    known, parts = upload(client, bucket, [b"new"])
    refused = failure(
        client.complete_multipart_upload, **known, MultipartUpload={"Parts": parts}, IfNoneMatch="*"
    )
    assert refused == ("PreconditionFailed", 412)
    client.complete_multipart_upload(**known, MultipartUpload={"Parts": parts})
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"


def test_the_transfer_manager(client, bucket, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(os.urandom(20_000_001))
    client.upload_file(str(source), bucket, "big")
    client.download_file(bucket, "big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


def test_regression_parts_show_the_checksum_of_their_upload_alone(client, bucket):
    known, _ = upload(client, bucket, [b"x"])
    client.upload_part(**known, PartNumber=2, Body=b"y", ChecksumAlgorithm="CRC32")
    listed = client.list_parts(**known)["Parts"]
    assert [name for part in listed for name in part if name.startswith("Checksum")] == []


def test_regression_a_location_is_percent_encoded(endpoint, client, bucket):
    begun = client.create_multipart_upload(Bucket=bucket, Key="ä b/c?")
    known = {"Bucket": bucket, "Key": "ä b/c?", "UploadId": begun["UploadId"]}
    part = client.upload_part(**known, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = client.complete_multipart_upload(**known, MultipartUpload=parts)
    assert done["Location"] == f"http://127.0.0.1:{endpoint.port}/{bucket}/%C3%A4%20b/c%3F"
    assert done["Key"] == "ä b/c?"
