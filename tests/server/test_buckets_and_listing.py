"""Buckets and listings through boto3."""

from __future__ import annotations

import pytest

from tests.server.endpoint import running_endpoint
from tests.server.raw_http import send, signed
from tests.server.test_objects import failure


def test_life_of_a_bucket(client):
    client.create_bucket(Bucket="one")
    client.create_bucket(Bucket="one")  # us-east-1: again is no error
    client.head_bucket(Bucket="one")
    assert client.get_bucket_location(Bucket="one")["LocationConstraint"] is None
    assert [bucket["Name"] for bucket in client.list_buckets()["Buckets"]] == ["one"]
    client.put_object(Bucket="one", Key="k", Body=b"")
    assert failure(client.delete_bucket, Bucket="one") == ("BucketNotEmpty", 409)
    client.delete_object(Bucket="one", Key="k")
    client.delete_bucket(Bucket="one")
    assert failure(client.head_bucket, Bucket="one") == ("404", 404)


def test_bad_names_and_locations(client):
    assert failure(client.create_bucket, Bucket="Bad_Name")[0] == "InvalidBucketName"
    wrong = {"LocationConstraint": "eu-west-1"}
    refused = failure(client.create_bucket, Bucket="other", CreateBucketConfiguration=wrong)
    assert refused == ("InvalidLocationConstraint", 400)


def test_another_region(tmp_path):
    with running_endpoint(tmp_path, region="eu-central-1") as endpoint:
        client = endpoint.client(region_name="eu-central-1")
        here = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket="one", CreateBucketConfiguration=here)
        again = failure(client.create_bucket, Bucket="one", CreateBucketConfiguration=here)
        assert again == ("BucketAlreadyOwnedByYou", 409)
        unnamed = failure(client.create_bucket, Bucket="two")
        assert unnamed == ("IllegalLocationConstraintException", 400)
        assert client.get_bucket_location(Bucket="one")["LocationConstraint"] == "eu-central-1"
        assert endpoint.client().list_buckets()["Buckets"][0]["Name"] == "one"  # us-east-1 is accepted
        refused = failure(endpoint.client(region_name="ap-south-1").list_buckets)
        assert refused == ("AuthorizationHeaderMalformed", 400)


def test_pages_of_buckets(client):
    for name in ("aaa", "bbb", "ccc"):
        client.create_bucket(Bucket=name)
    first = client.list_buckets(MaxBuckets=2)
    assert [bucket["Name"] for bucket in first["Buckets"]] == ["aaa", "bbb"]
    rest = client.list_buckets(MaxBuckets=2, ContinuationToken=first["ContinuationToken"])
    assert [bucket["Name"] for bucket in rest["Buckets"]] == ["ccc"]
    assert "ContinuationToken" not in rest
    assert [bucket["Name"] for bucket in client.list_buckets(Prefix="b")["Buckets"]] == ["bbb"]


@pytest.fixture
def tree(client, bucket):
    keys = ["a", "b/1", "b/2", "b/c/3", "d/4", "e"]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    return keys


@pytest.mark.parametrize("method", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages_hold_everything_once(client, bucket, tree, method, size):
    pages = client.get_paginator(method).paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
    assert [item["Key"] for page in pages for item in page.get("Contents", ())] == tree


@pytest.mark.parametrize("method", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_pages_with_a_delimiter(client, bucket, tree, method, size):
    pages = list(client.get_paginator(method).paginate(
        Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size}
    ))
    assert [item["Key"] for page in pages for item in page.get("Contents", ())] == ["a", "e"]
    assert [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ())] == ["b/", "d/"]


def test_prefix_and_start_after(client, bucket, tree):
    below = client.list_objects_v2(Bucket=bucket, Prefix="b/", Delimiter="/")
    assert [item["Key"] for item in below["Contents"]] == ["b/1", "b/2"]
    assert [item["Prefix"] for item in below["CommonPrefixes"]] == ["b/c/"]
    after = client.list_objects_v2(Bucket=bucket, StartAfter="b/2", FetchOwner=True)
    assert [item["Key"] for item in after["Contents"]] == ["b/c/3", "d/4", "e"]
    assert after["Contents"][0]["Owner"]["ID"]
    assert client.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    token = client.list_objects_v2(Bucket=bucket, MaxKeys=1)["NextContinuationToken"]
    # A token outweighs it, and S3 does not repeat what it did not look at.
    assert "StartAfter" not in client.list_objects_v2(Bucket=bucket, StartAfter="z", ContinuationToken=token)


@pytest.mark.parametrize("delimiter", ["/", "c/"])
def test_regression_a_marker_below_a_common_prefix_stands_behind_it(client, bucket, tree, delimiter):
    """Rows are ordered as they are shown: the common prefix sorts before every marker that begins with it."""
    for method, marker in (("list_objects", "Marker"), ("list_objects_v2", "StartAfter")):
        page = getattr(client, method)(Bucket=bucket, Prefix="b/", Delimiter=delimiter, **{marker: "b/c/"})
        again = getattr(client, method)(Bucket=bucket, Prefix="b/", Delimiter=delimiter, **{marker: "b/c/0"})
        assert (page.get("CommonPrefixes"), page.get("Contents")) == (None, None)
        assert (again.get("CommonPrefixes"), again.get("Contents")) == (None, None)


def test_a_foreign_token_is_refused(client, bucket):
    refused = failure(client.list_objects_v2, Bucket=bucket, ContinuationToken="bm9uc2Vuc2U")
    assert refused == ("InvalidArgument", 400)


def test_virtual_hosted_buckets(tmp_path):
    with running_endpoint(tmp_path, domains=("s3.test",)) as endpoint:
        assert send(endpoint, signed("PUT", "/", host="photos.s3.test")).status == 200
        assert send(endpoint, signed("PUT", "/a/b", b"x", host="photos.s3.test")).status == 200
        assert (tmp_path / "photos" / "a" / "b").read_bytes() == b"x"
        assert send(endpoint, signed("GET", "/a/b", host="photos.s3.test")).body == b"x"
        assert send(endpoint, signed("GET", "/photos/a/b", host="s3.test")).body == b"x"


def test_a_bucket_is_made_with_its_tags(client):
    tags = [{"Key": "team", "Value": "a b"}, {"Key": "cost", "Value": ""}]
    for _ in range(2):  # in us-east-1 it may be asked for again
        client.create_bucket(Bucket="tagged", CreateBucketConfiguration={"Tags": tags})
    assert client.get_bucket_tagging(Bucket="tagged")["TagSet"] == tags
    other = {"Tags": tags[:1]}
    refused = failure(client.create_bucket, Bucket="tagged", CreateBucketConfiguration=other)
    assert refused == ("BucketAlreadyOwnedByYou", 409)
    twice = {"Tags": [tags[0], tags[0]]}
    assert failure(client.create_bucket, Bucket="new", CreateBucketConfiguration=twice) == ("InvalidTag", 400)
    assert failure(client.head_bucket, Bucket="new") == ("404", 404)
