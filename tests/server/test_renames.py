"""RenameObject through boto3 and sockets; boto3 sends a client token of its own with every one."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.server.raw_http import send, signed
from tests.server.test_objects import failure


def keys(client, bucket):
    return [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", ())]


def body(client, bucket, key):
    return client.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_a_rename_keeps_all_but_the_name(client, bucket, endpoint):
    client.put_object(
        Bucket=bucket, Key="a b/ä+%", Body=b"data", Metadata={"x": "y"}, ContentType="text/x",
        ChecksumAlgorithm="SHA256",
    )
    before = client.head_object(Bucket=bucket, Key="a b/ä+%", ChecksumMode="ENABLED")
    client.rename_object(Bucket=bucket, Key="to/new", RenameSource="a%20b/%C3%A4%2B%25")
    after = client.head_object(Bucket=bucket, Key="to/new", ChecksumMode="ENABLED")
    for same in ("ETag", "LastModified", "Metadata", "ContentType", "ContentLength", "ChecksumSHA256"):
        assert after[same] == before[same]
    assert (keys(client, bucket), body(client, bucket, "to/new")) == (["to/new"], b"data")
    assert sorted(path.name for path in (endpoint.root / "bucket").iterdir()) == ["to"]


def test_conditions(client, bucket):
    tag = client.put_object(Bucket=bucket, Key="from", Body=b"1")["ETag"]
    old = client.put_object(Bucket=bucket, Key="to", Body=b"2")["ETag"]
    moment = client.head_object(Bucket=bucket, Key="to")["LastModified"]
    early, late = moment.replace(year=2001), moment.replace(year=moment.year + 1)
    rename = {"Bucket": bucket, "Key": "to", "RenameSource": "from"}
    for condition, wrong in (
        ("If-None-Match", {"DestinationIfNoneMatch": "*"}),
        ("If-Match", {"DestinationIfMatch": tag}),
        ("If-Modified-Since", {"DestinationIfModifiedSince": late}),
        ("If-Unmodified-Since", {"DestinationIfUnmodifiedSince": early}),
        ("x-amz-rename-source-If-Match", {"SourceIfMatch": old}),
        ("x-amz-rename-source-If-None-Match", {"SourceIfNoneMatch": tag}),
        ("x-amz-rename-source-If-None-Match", {"SourceIfNoneMatch": "*"}),
        ("x-amz-rename-source-If-Modified-Since", {"SourceIfModifiedSince": late}),
        ("x-amz-rename-source-If-Unmodified-Since", {"SourceIfUnmodifiedSince": early}),
    ):
        with pytest.raises(ClientError) as caught:
            client.rename_object(**rename, **wrong)
        assert caught.value.response["Error"]["Code"] == "PreconditionFailed"
        assert caught.value.response["Error"]["Condition"] == condition
    assert (body(client, bucket, "from"), body(client, bucket, "to")) == (b"1", b"2")
    client.rename_object(
        **rename, DestinationIfMatch=old, DestinationIfUnmodifiedSince=late, SourceIfMatch=tag,
        SourceIfModifiedSince=early, SourceIfNoneMatch=old,
    )
    assert (keys(client, bucket), body(client, bucket, "to")) == (["to"], b"1")
    client.rename_object(Bucket=bucket, Key="new", RenameSource="to", DestinationIfNoneMatch="*")
    assert keys(client, bucket) == ["new"]


@pytest.mark.parametrize(("arguments", "expected"), [
    ({"RenameSource": "none"}, {"Code": "NoSuchKey", "Key": "none"}),
    ({"RenameSource": "k", "DestinationIfMatch": "*"}, {"Code": "NoSuchKey", "Key": "to"}),
    ({"RenameSource": "k", "Bucket": "nowhere"}, {"Code": "NoSuchBucket", "BucketName": "nowhere"}),
    ({"RenameSource": "to"}, {"Code": "InvalidArgument"}),
    ({"RenameSource": "k/"}, {"Code": "InvalidArgument"}),
    ({"RenameSource": "k", "Key": "k/below"}, {"Code": "InvalidRequest"}),
    ({"RenameSource": "k", "ClientToken": "x" * 65}, {"Code": "InvalidArgument"}),
])
def test_refusals(client, bucket, arguments, expected):
    client.put_object(Bucket=bucket, Key="k", Body=b"1")
    with pytest.raises(ClientError) as caught:
        client.rename_object(**{"Bucket": bucket, "Key": "to", **arguments})
    error = caught.value.response["Error"]
    assert {name: error.get(name) for name in expected} == expected
    assert keys(client, bucket) == ["k"]


def test_a_token_makes_a_repetition_harmless(client, bucket):
    rename = {"Bucket": bucket, "Key": "to", "RenameSource": "from", "ClientToken": "token"}
    client.put_object(Bucket=bucket, Key="from", Body=b"1")
    client.rename_object(**rename)
    client.put_object(Bucket=bucket, Key="from", Body=b"2")
    client.rename_object(**rename)
    assert (body(client, bucket, "from"), body(client, bucket, "to")) == (b"2", b"1")
    other = {**rename, "DestinationIfNoneMatch": "*"}
    assert failure(client.rename_object, **other) == ("IdempotencyParameterMismatch", 400)


def test_a_prefix(client, bucket, endpoint):
    for key in ("a/b/1", "a/b/c/2", "a/b/", "a/other"):
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    client.rename_object(Bucket=bucket, Key="x/y/", RenameSource="a/b/")
    assert keys(client, bucket) == ["a/other", "x/y/", "x/y/1", "x/y/c/2"]
    assert body(client, bucket, "x/y/c/2") == b"a/b/c/2"
    assert (endpoint.root / "bucket/x/y/c/2").read_bytes() == b"a/b/c/2"
    for key, refusal in (("a/", ("InvalidRequest", 409)), ("x/y/z/", ("InvalidArgument", 400))):
        assert failure(client.rename_object, Bucket=bucket, Key=key, RenameSource="x/y/") == refusal


def test_a_rename_without_its_query_does_not_replace_the_object(endpoint, client, bucket):
    client.put_object(Bucket=bucket, Key="to", Body=b"kept")
    answer = send(endpoint, signed("PUT", "/bucket/to", headers={"x-amz-rename-source": "from"}))
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert body(client, bucket, "to") == b"kept"
