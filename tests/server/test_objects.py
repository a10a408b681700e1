"""Objects through boto3: what goes in comes out, with its metadata, conditions and ranges."""

from __future__ import annotations

import base64
import hashlib
import os

import pytest
from botocore.exceptions import ClientError

from weka_mp.digests import DIGEST_SIZES

SIZES = [0, 1, 4096, 256 * 1024, 256 * 1024 + 1, 3 * 1024 * 1024 + 17, 20_000_000]


def failure(call, /, **arguments):
    """(code, status) of the error a call ends in."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("size", SIZES)
def test_round_trip(client, bucket, endpoint, size):
    body = os.urandom(size)
    put = client.put_object(Bucket=bucket, Key="a/b", Body=body)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = client.get_object(Bucket=bucket, Key="a/b")
    assert got["Body"].read() == body
    assert got["ContentLength"] == size
    assert got["ETag"] == put["ETag"]
    assert (endpoint.root / "bucket" / "a" / "b").read_bytes() == body


def test_metadata_and_headers_come_back(client, bucket):
    headers = {
        "ContentType": "text/x-test", "CacheControl": "no-cache",
        "ContentDisposition": 'attachment; filename="x"', "ContentEncoding": "gzip",
        "ContentLanguage": "de", "Metadata": {"colour": "blue", "empty": ""},
    }
    client.put_object(Bucket=bucket, Key="k", Body=b"x", **headers)
    for answer in (client.get_object(Bucket=bucket, Key="k"), client.head_object(Bucket=bucket, Key="k")):
        assert {name: answer[name] for name in headers} == headers
        assert answer["AcceptRanges"] == "bytes"


def test_keys_of_every_kind(client, bucket):
    keys = ["ä ö/ü", "with+plus", "a//b", "./x", "..", "100%", "q?&=", "\U0001f600", "tab\tkey", "end/"]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in keys:
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    listed = [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(keys, key=str.encode)


@pytest.mark.parametrize(("header", "expected", "shown"), [
    ("bytes=0-4", b"01234", "bytes 0-4/10"),
    ("bytes=7-", b"789", "bytes 7-9/10"),
    ("bytes=-2", b"89", "bytes 8-9/10"),
    ("bytes=5-100", b"56789", "bytes 5-9/10"),
])
def test_ranges(client, bucket, header, expected, shown):
    client.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = client.get_object(Bucket=bucket, Key="k", Range=header)
    assert got["Body"].read() == expected
    assert got["ContentRange"] == shown
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_beyond_the_end(client, bucket):
    client.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert failure(client.get_object, Bucket=bucket, Key="k", Range="bytes=10-") == ("InvalidRange", 416)


def test_a_large_range(client, bucket):
    body = os.urandom(5_000_000)
    client.put_object(Bucket=bucket, Key="k", Body=body)
    got = client.get_object(Bucket=bucket, Key="k", Range="bytes=1000-4999998")
    assert got["Body"].read() == body[1000:4999999]


def test_conditional_reads(client, bucket):
    etag = client.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    assert client.get_object(Bucket=bucket, Key="k", IfMatch=etag)["Body"].read() == b"x"
    assert failure(client.get_object, Bucket=bucket, Key="k", IfMatch='"no"') == ("PreconditionFailed", 412)
    assert failure(client.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == ("304", 304)
    assert failure(client.head_object, Bucket=bucket, Key="k", IfMatch='"no"') == ("412", 412)


def test_conditional_writes(client, bucket):
    put = client.put_object
    etag = put(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert failure(put, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert failure(put, Bucket=bucket, Key="k", Body=b"2", IfMatch='"no"') == ("PreconditionFailed", 412)
    put(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert failure(put, Bucket=bucket, Key="none", Body=b"2", IfMatch=etag) == ("NoSuchKey", 404)
    assert failure(client.delete_object, Bucket=bucket, Key="k", IfMatch=etag) == ("PreconditionFailed", 412)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_delete(client, bucket):
    client.put_object(Bucket=bucket, Key="a/k", Body=b"1")
    for _ in range(2):
        assert client.delete_object(Bucket=bucket, Key="a/k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert failure(client.get_object, Bucket=bucket, Key="a/k") == ("NoSuchKey", 404)
    assert failure(client.head_object, Bucket=bucket, Key="a/k") == ("404", 404)


def test_delete_many(client, bucket):
    for key in ("a", "b", "c"):
        client.put_object(Bucket=bucket, Key=key, Body=b"1")
    objects = [{"Key": "a"}, {"Key": "nothing"}, {"Key": "b", "ETag": '"no"'}]
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [item["Key"] for item in answer["Deleted"]] == ["a", "nothing"]
    assert [(item["Key"], item["Code"]) for item in answer["Errors"]] == [("b", "PreconditionFailed")]
    assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["b", "c"]


def test_copy(client, bucket):
    client.put_object(Bucket=bucket, Key="from", Body=b"data", Metadata={"a": "1"}, ContentType="text/a")
    source = {"Bucket": bucket, "Key": "from"}
    copied = client.copy_object(Bucket=bucket, Key="to", CopySource=source)
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"data").hexdigest()}"'
    got = client.get_object(Bucket=bucket, Key="to")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b"data", {"a": "1"}, "text/a")
    client.copy_object(
        Bucket=bucket, Key="to", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"},
        ChecksumAlgorithm="SHA256",
    )
    head = client.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")
    assert head["Metadata"] == {"b": "2"}
    assert "ChecksumSHA256" in head
    refused = failure(
        client.copy_object, Bucket=bucket, Key="to", CopySource=source, CopySourceIfMatch='"no"'
    )
    assert refused == ("PreconditionFailed", 412)


def test_regression_a_copy_has_the_redirect_it_was_asked_for_and_inherits_none(client, bucket):
    client.put_object(Bucket=bucket, Key="from", Body=b"data", WebsiteRedirectLocation="/old")
    source = {"Bucket": bucket, "Key": "from"}
    client.copy_object(Bucket=bucket, Key="without", CopySource=source)
    assert "WebsiteRedirectLocation" not in client.head_object(Bucket=bucket, Key="without")
    client.copy_object(Bucket=bucket, Key="with", CopySource=source, WebsiteRedirectLocation="/new")
    assert client.head_object(Bucket=bucket, Key="with")["WebsiteRedirectLocation"] == "/new"
    client.copy_object(Bucket=bucket, Key="from", CopySource=source, WebsiteRedirectLocation="/new")
    assert client.head_object(Bucket=bucket, Key="from")["WebsiteRedirectLocation"] == "/new"


def test_regression_a_copy_onto_itself_may_name_the_storage_class(client, bucket):
    """For S3 a class that is named is a change, also when it is the one that the object has."""
    put = client.put_object(Bucket=bucket, Key="k", Body=b"data", Metadata={"a": "1"})
    same = {"Bucket": bucket, "Key": "k", "CopySource": f"{bucket}/k", "StorageClass": "STANDARD"}
    assert failure(client.copy_object, **same, IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert client.copy_object(**same, IfMatch=put["ETag"])["CopyObjectResult"]["ETag"] == put["ETag"]
    got = client.get_object(Bucket=bucket, Key="k")
    assert (got["Body"].read(), got["Metadata"]) == (b"data", {"a": "1"})
    del same["StorageClass"]
    assert failure(client.copy_object, **same) == ("InvalidRequest", 400)


@pytest.mark.parametrize(("source", "destination", "named"), [
    ({"Bucket": "bucket", "Key": "none"}, "bucket", {"Code": "NoSuchKey", "Key": "none"}),
    ({"Bucket": "nowhere", "Key": "k"}, "bucket", {"Code": "NoSuchBucket", "BucketName": "nowhere"}),
    ({"Bucket": "bucket", "Key": "k"}, "elsewhere", {"Code": "NoSuchBucket", "BucketName": "elsewhere"}),
])
def test_regression_an_error_of_a_copy_names_what_is_missing(client, bucket, source, destination, named):
    client.put_object(Bucket=bucket, Key="k", Body=b"data")
    with pytest.raises(ClientError) as caught:
        client.copy_object(Bucket=destination, Key="to", CopySource=source)
    error = caught.value.response["Error"]
    assert {name: error.get(name) for name in named} == named


@pytest.mark.parametrize("algorithm", DIGEST_SIZES)
def test_checksums_are_kept(client, bucket, algorithm):
    # The SDK computes all of them but MD5.
    known = base64.b64encode(hashlib.md5(b"data", usedforsecurity=False).digest()).decode()
    how = {"ChecksumMD5": known} if algorithm == "MD5" else {"ChecksumAlgorithm": algorithm}
    put = client.put_object(Bucket=bucket, Key="k", Body=b"data", **how)
    head = client.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert head["ChecksumType"] == "FULL_OBJECT"
    assert f"Checksum{algorithm}" not in client.head_object(Bucket=bucket, Key="k")


def test_a_wrong_checksum_publishes_nothing(client, bucket):
    refused = failure(client.put_object, Bucket=bucket, Key="k", Body=b"data", ChecksumCRC32="AAAAAA==")
    assert refused == ("BadDigest", 400)
    assert failure(client.head_object, Bucket=bucket, Key="k") == ("404", 404)


def test_response_overrides(client, bucket):
    client.put_object(Bucket=bucket, Key="k", Body=b"data", ContentType="text/a")
    got = client.get_object(
        Bucket=bucket, Key="k", ResponseContentType="text/b", ResponseCacheControl="no-store"
    )
    assert (got["ContentType"], got["CacheControl"]) == ("text/b", "no-store")


def test_an_object_below_an_object_is_a_clear_conflict(client, bucket):
    client.put_object(Bucket=bucket, Key="a", Body=b"1")
    code, status = failure(client.put_object, Bucket=bucket, Key="a/b", Body=b"2")
    assert (code, status) == ("InvalidRequest", 409)


def test_unknown_bucket(client):
    assert failure(client.get_object, Bucket="nowhere", Key="k") == ("NoSuchBucket", 404)
    assert failure(client.put_object, Bucket="nowhere", Key="k", Body=b"x") == ("NoSuchBucket", 404)
    assert failure(client.list_objects_v2, Bucket="nowhere") == ("NoSuchBucket", 404)


def test_what_is_not_built_says_so_by_name(client, bucket):
    with pytest.raises(ClientError) as caught:
        client.get_object_torrent(Bucket=bucket, Key="k")
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
    assert "GetObjectTorrent" in caught.value.response["Error"]["Message"]


def test_each_entry_of_a_deletion_has_its_own_conditions(client, bucket):
    for key in ("tag", "size", "time", "all", "wrong-tag", "wrong-size", "wrong-time", "list"):
        client.put_object(Bucket=bucket, Key=key, Body=b"1")
    head = client.head_object(Bucket=bucket, Key="all")
    tag, moment = head["ETag"], head["LastModified"]
    times = {key: client.head_object(Bucket=bucket, Key=key)["LastModified"] for key in ("time", "all")}
    objects = [
        {"Key": "tag", "ETag": tag}, {"Key": "size", "Size": 1},
        {"Key": "time", "LastModifiedTime": times["time"]},
        {"Key": "all", "ETag": tag.strip('"'), "Size": 1, "LastModifiedTime": times["all"]},
        {"Key": "wrong-tag", "ETag": '"0"'}, {"Key": "wrong-size", "Size": 2, "ETag": tag},
        {"Key": "wrong-time", "LastModifiedTime": moment.replace(year=2001)},
        {"Key": "list", "ETag": f'{tag}, "0"'}, {"Key": "none", "ETag": tag}, {"Key": "gone", "Size": 3},
    ]
    answer = client.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [row["Key"] for row in answer["Deleted"]] == ["tag", "size", "time", "all", "gone"]
    assert {row["Key"]: row["Code"] for row in answer["Errors"]} == {
        "wrong-tag": "PreconditionFailed", "wrong-size": "PreconditionFailed",
        "wrong-time": "PreconditionFailed", "list": "NotImplemented", "none": "NoSuchKey",
    }
    left = [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert left == ["list", "wrong-size", "wrong-tag", "wrong-time"]


def test_regression_a_version_in_a_deletion_concerns_its_entry_alone(client, bucket):
    for key in ("a", "b"):
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    done = client.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": "a", "VersionId": "null"}, {"Key": "b", "VersionId": "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"},
    ]})
    assert done["Deleted"] == [{"Key": "a", "VersionId": "null"}]
    (error,) = done["Errors"]
    version = "HPniJFCxqTsMuIH9KX8K8wEjNUgmABCD"
    assert (error["Key"], error["Code"], error["VersionId"]) == ("b", "NoSuchVersion", version)
    assert client.get_object(Bucket=bucket, Key="b")["Body"].read() == b"x"
    for read in (client.get_object, client.delete_object):
        assert failure(read, Bucket=bucket, Key="b", VersionId=version) == ("InvalidArgument", 400)


def test_conditions_of_a_deletion(client, bucket):
    tag = client.put_object(Bucket=bucket, Key="k", Body=b"12")["ETag"]
    moment = client.head_object(Bucket=bucket, Key="k")["LastModified"]
    delete = {"Bucket": bucket, "Key": "k"}
    early = moment.replace(year=2001)
    for wrong in ({"IfMatch": '"0"'}, {"IfMatchSize": 1}, {"IfMatchLastModifiedTime": early}):
        assert failure(client.delete_object, **delete, **wrong) == ("PreconditionFailed", 412)
    client.delete_object(**delete, IfMatch=tag, IfMatchSize=2, IfMatchLastModifiedTime=moment)
    assert failure(client.delete_object, **delete, IfMatch="*") == ("NoSuchKey", 404)
    client.delete_object(**delete, IfMatchSize=7)  # where there is nothing, nothing has another size
