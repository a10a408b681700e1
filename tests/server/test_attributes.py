"""GetObjectAttributes through boto3 and sockets."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.server.raw_http import send, signed
from tests.server.test_objects import failure

PART = bytes(range(256)) * 20480  # 5 MiB, the least that a part may have
ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_an_object_of_one_piece(client, bucket):
    put = client.put_object(Bucket=bucket, Key="k", Body=b"data", ChecksumAlgorithm="SHA256")
    found = client.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)
    head = client.head_object(Bucket=bucket, Key="k")
    assert found["ETag"] == put["ETag"].strip('"')
    assert found["LastModified"] == head["LastModified"]
    assert found["Checksum"] == {"ChecksumSHA256": sha256(b"data"), "ChecksumType": "FULL_OBJECT"}
    assert (found["StorageClass"], found["ObjectSize"]) == ("STANDARD", 4)
    assert "ObjectParts" not in found
    few = client.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])
    assert {name for name in ALL if name in few} == {"ObjectSize"}


def upload(client, bucket, key, bodies, **checksum):
    begun = client.create_multipart_upload(Bucket=bucket, Key=key, **checksum)
    at = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}
    parts = []
    for number, body in enumerate(bodies, 1):
        part = client.upload_part(**at, PartNumber=number, Body=body, **checksum)
        shown = {name: value for name, value in part.items() if name.startswith("Checksum")}
        parts.append({"PartNumber": number, "ETag": part["ETag"], **shown})
    return client.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})


def test_parts_and_their_pages(client, bucket):
    bodies = [PART, PART[::-1], b"the end"]
    done = upload(client, bucket, "k", bodies, ChecksumAlgorithm="SHA256")
    found = client.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)
    assert found["ETag"] == done["ETag"].strip('"')
    # A composite checksum is shown without the number of parts here.
    assert f"{found['Checksum']['ChecksumSHA256']}-3" == done["ChecksumSHA256"]
    assert found["Checksum"]["ChecksumType"] == "COMPOSITE"
    rows = [
        {"PartNumber": number, "Size": len(body), "ChecksumSHA256": sha256(body)}
        for number, body in enumerate(bodies, 1)
    ]
    parts = found["ObjectParts"]
    assert parts["Parts"] == rows
    assert (parts["TotalPartsCount"], parts["IsTruncated"], parts["MaxParts"]) == (3, False, 1000)
    seen, marker = [], 0
    while True:
        page = client.get_object_attributes(
            Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], MaxParts=2, PartNumberMarker=marker
        )["ObjectParts"]
        assert (page["PartNumberMarker"], page["MaxParts"]) == (marker, 2)
        seen += page["Parts"]
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
    assert seen == rows
    beyond = client.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ObjectParts"], PartNumberMarker=7
    )["ObjectParts"]
    assert (beyond["IsTruncated"], beyond.get("Parts"), beyond["NextPartNumberMarker"]) == (False, None, 0)


def test_parts_of_a_full_object_checksum_and_of_none(client, bucket, endpoint):
    upload(client, bucket, "full", [PART, b"x"], ChecksumAlgorithm="CRC64NVME")
    parts = client.get_object_attributes(Bucket=bucket, Key="full", ObjectAttributes=["ObjectParts"])
    assert all("ChecksumCRC64NVME" in row for row in parts["ObjectParts"]["Parts"])
    plain = endpoint.client(request_checksum_calculation="when_required")
    upload(plain, bucket, "none", [PART, b"x"])
    parts = client.get_object_attributes(Bucket=bucket, Key="none", ObjectAttributes=ALL)
    assert [set(row) for row in parts["ObjectParts"]["Parts"]] == [{"PartNumber", "Size"}] * 2
    assert "Checksum" not in parts


def test_what_posix_wrote(client, bucket, endpoint):
    (endpoint.root / "bucket" / "file").write_bytes(b"posix")
    found = client.get_object_attributes(Bucket=bucket, Key="file", ObjectAttributes=ALL)
    assert found["ObjectSize"] == 5
    assert found["ETag"] == client.head_object(Bucket=bucket, Key="file")["ETag"].strip('"')


def test_refusals(endpoint, client, bucket):
    wanted = {"ObjectAttributes": ["ETag"]}
    client.put_object(Bucket=bucket, Key="k", Body=b"data")
    call = client.get_object_attributes
    assert failure(call, Bucket=bucket, Key="none", **wanted) == ("NoSuchKey", 404)
    assert failure(call, Bucket="nowhere", Key="k", **wanted) == ("NoSuchBucket", 404)
    assert failure(call, Bucket=bucket, Key="k", ObjectAttributes=["Colour"]) == ("InvalidArgument", 400)
    answer = send(endpoint, signed("GET", "/bucket/k?attributes"))
    assert (answer.status, answer.code) == (400, "InvalidRequest")


@pytest.mark.parametrize("lines", [
    ["x-amz-object-attributes: ETag", "x-amz-object-attributes: ObjectSize"],
    ["x-amz-object-attributes: ETag,ObjectSize"],
])
def test_attributes_in_several_headers(endpoint, client, bucket, lines):
    """Signed as a pre-signed URL, whose signature does not cover them."""
    client.put_object(Bucket=bucket, Key="k", Body=b"data")
    url = client.generate_presigned_url(
        "get_object_attributes", Params={"Bucket": bucket, "Key": "k", "ObjectAttributes": ["ETag"]}
    )
    target = url.partition(endpoint.url)[2]
    request = "\r\n".join([f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{endpoint.port}", *lines, "", ""])
    answer = send(endpoint, request.encode())
    if answer.status == 403:  # this botocore signs the header: it must then be the one that was signed
        assert "x-amz-object-attributes" in url.lower()
        return
    assert answer.status == 200
    assert b"<ETag>" in answer.body
    assert b"<ObjectSize>4</ObjectSize>" in answer.body
