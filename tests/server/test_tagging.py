"""Tags through boto3: at every operation that takes them, and what policies make of them."""

from __future__ import annotations

import os
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.server.endpoint import Endpoint
from tests.server.identities import PASSWORD, Office, document, statement
from tests.server.raw_http import send, signed
from tests.server.test_objects import failure

PART = bytes(5 << 20)


def tags_of(client: Any, key: str, bucket: str = "bucket") -> dict[str, str]:
    found = client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


def tag_set(**tags: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def uploaded(client: Any, key: str, **more: Any) -> None:
    begun = client.create_multipart_upload(Bucket="bucket", Key=key, **more)
    at = {"Bucket": "bucket", "Key": key, "UploadId": begun["UploadId"]}
    part = client.upload_part(**at, PartNumber=1, Body=b"x")
    client.complete_multipart_upload(
        **at, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    )


def posted(client: Any, endpoint: Endpoint, key: str, tagging: str) -> int:
    form = client.generate_presigned_post(
        "bucket", key, Fields={"tagging": tagging}, Conditions=[["starts-with", "$tagging", ""]]
    )
    pieces = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {**form["fields"], "file": "by a form"}.items()
    ]
    request = urllib.request.Request(
        f"{endpoint.url}/bucket", "".join([*pieces, "--b--\r\n"]).encode(),
        {"Content-Type": "multipart/form-data; boundary=b"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_tags_of_an_object_are_put_shown_counted_and_removed(client, bucket, tmp_path: Path):
    for key in ("k", "d/"):
        client.put_object(Bucket=bucket, Key=key, Body=b"body")
        before = client.head_object(Bucket=bucket, Key=key)
        assert tags_of(client, key) == {}
        assert "TagCount" not in client.get_object(Bucket=bucket, Key=key)
        file = tmp_path / "store" / "bucket" / ("k" if key == "k" else "d/.weka~body")
        status = os.stat(file)
        client.put_object_tagging(Bucket=bucket, Key=key, Tagging=tag_set(a="1", b=""))
        client.put_object_tagging(Bucket=bucket, Key=key, Tagging=tag_set(c="3 ä", d="4"))
        assert tags_of(client, key) == {"c": "3 ä", "d": "4"}
        now = os.stat(file)
        assert (now.st_mtime_ns, now.st_ino) == (status.st_mtime_ns, status.st_ino)
        got = client.get_object(Bucket=bucket, Key=key)
        headers = client.head_object(Bucket=bucket, Key=key)["ResponseMetadata"]["HTTPHeaders"]
        assert (got["TagCount"], headers["x-amz-tagging-count"], got["Body"].read()) == (2, "2", b"body")
        assert (got["ETag"], got["LastModified"]) == (before["ETag"], before["LastModified"])
        gone = client.delete_object_tagging(Bucket=bucket, Key=key)
        assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert tags_of(client, key) == {}
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == b"body"
    client.put_object(Bucket=bucket, Key="e/", Body=b"")
    client.put_object_tagging(Bucket=bucket, Key="e/", Tagging=tag_set(a="1"))
    assert tags_of(client, "e/") == {"a": "1"}


def test_every_upload_takes_tags(client, bucket, endpoint):
    client.put_object(Bucket=bucket, Key="put", Body=b"x", Tagging="a=1&b%2F=2+3")
    assert tags_of(client, "put") == {"a": "1", "b/": "2 3"}
    client.put_object(Bucket=bucket, Key="put", Body=b"y")
    assert tags_of(client, "put") == {}
    uploaded(client, "parts", Tagging="in=parts")
    assert tags_of(client, "parts") == {"in": "parts"}
    tagging = "<Tagging><TagSet><Tag><Key>by</Key><Value>form&amp;</Value></Tag></TagSet></Tagging>"
    assert posted(client, endpoint, "form", tagging.replace("&amp;", "")) == 204
    assert tags_of(client, "form") == {"by": "form"}
    assert posted(client, endpoint, "none", tagging) == 400  # no tag has an ampersand
    assert posted(client, endpoint, "none", "<Tagging>") == 400
    assert failure(client.head_object, Bucket=bucket, Key="none")[1] == 404


def test_copies_keep_tags_or_get_others(client, bucket):
    client.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1")
    source = {"Bucket": bucket, "Key": "k"}
    client.copy_object(Bucket=bucket, Key="kept", CopySource=source)
    client.copy_object(
        Bucket=bucket, Key="new", CopySource=source, Tagging="b=2", TaggingDirective="REPLACE"
    )
    client.copy_object(Bucket=bucket, Key="bare", CopySource=source, TaggingDirective="REPLACE")
    assert [tags_of(client, key) for key in ("kept", "new", "bare")] == [{"a": "1"}, {"b": "2"}, {}]
    itself = {"Bucket": bucket, "Key": "k", "CopySource": source, "MetadataDirective": "REPLACE"}
    client.copy_object(**itself)
    assert tags_of(client, "k") == {"a": "1"}
    client.copy_object(**itself, Tagging="c=3", TaggingDirective="REPLACE")
    assert tags_of(client, "k") == {"c": "3"}
    code, status = failure(client.copy_object, Bucket=bucket, Key="x", CopySource=source, Tagging="d=4")
    assert (code, status) == ("InvalidArgument", 400)


def test_what_is_not_there_has_no_tags(client, bucket):
    for call in (client.get_object_tagging, client.delete_object_tagging):
        assert failure(call, Bucket=bucket, Key="missing") == ("NoSuchKey", 404)
        assert failure(call, Bucket=bucket, Key="missing/") == ("NoSuchKey", 404)
        assert failure(call, Bucket="missing", Key="k") == ("NoSuchBucket", 404)
    for call in (client.get_bucket_tagging, client.delete_bucket_tagging):
        assert failure(call, Bucket="missing") == ("NoSuchBucket", 404)


def test_tags_of_a_bucket(client, bucket, tmp_path: Path):
    assert failure(client.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    many = [{"Key": f"key {number}", "Value": "v" * 256} for number in range(50)]
    done = client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": many})
    assert done["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.get_bucket_tagging(Bucket=bucket)["TagSet"] == many
    (tmp_path / "store" / bucket).rename(tmp_path / "store" / "renamed")
    assert client.get_bucket_tagging(Bucket="renamed")["TagSet"] == many
    client.delete_bucket_tagging(Bucket="renamed")
    assert failure(client.get_bucket_tagging, Bucket="renamed") == ("NoSuchTagSet", 404)


# ---- policies
@pytest.fixture
def tagged(office: Office) -> Office:
    client = office.endpoint.client()
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="open", Body=b"o", Tagging="class=open")
    client.put_object(Bucket="bucket", Key="secret", Body=b"s", Tagging="class=secret")
    return office


DENIED = ("AccessDenied", 403)
OPEN = {"StringEquals": {"s3:ExistingObjectTag/class": "open"}}


@pytest.mark.slow
def test_what_an_object_is_tagged_with_decides(tagged):
    bob = tagged.user("bob", document(statement(
        "Allow", ["s3:GetObject", "s3:PutObjectTagging", "s3:GetObjectTagging", "s3:DeleteObjectTagging"],
        "bucket/*", **OPEN,
    ), statement("Allow", "s3:PutObject", "bucket/copy")))
    assert bob.get_object(Bucket="bucket", Key="open")["Body"].read() == b"o"
    assert bob.head_object(Bucket="bucket", Key="open")["ResponseMetadata"]["HTTPHeaders"][
        "x-amz-tagging-count"
    ] == "1"
    at = {"Bucket": "bucket", "Key": "secret"}
    assert failure(bob.get_object, **at) == DENIED
    assert failure(bob.get_object_tagging, **at) == DENIED
    assert failure(bob.delete_object_tagging, **at) == DENIED
    assert failure(bob.put_object_tagging, **at, Tagging=tag_set(**{"class": "open"})) == DENIED
    assert failure(bob.copy_object, Bucket="bucket", Key="copy", CopySource=at) == DENIED
    bob.put_object_tagging(Bucket="bucket", Key="open", Tagging=tag_set(**{"class": "secret"}))
    assert failure(bob.get_object, Bucket="bucket", Key="open") == DENIED


def test_regression_tags_do_not_decide_of_replacing_and_deleting(tagged):
    """As in S3: an Allow of this kind lets nobody, and a Deny keeps nobody from it."""
    bob = tagged.user("bob", document(
        statement("Allow", ["s3:PutObject", "s3:DeleteObject"], "bucket/*", **OPEN)))
    assert failure(bob.put_object, Bucket="bucket", Key="open", Body=b"") == DENIED
    assert failure(bob.delete_object, Bucket="bucket", Key="open") == DENIED
    eve = tagged.user("eve", document(
        statement("Allow", "s3:*", "bucket/*"), statement("Deny", "s3:*", "bucket/*", **OPEN)))
    assert failure(eve.get_object, Bucket="bucket", Key="open") == DENIED
    assert failure(eve.put_object, Bucket="bucket", Key="open", Body=b"", Tagging="a=b") == DENIED
    eve.put_object(Bucket="bucket", Key="open", Body=b"")
    tagged.endpoint.client().put_object(Bucket="bucket", Key="open", Body=b"o", Tagging="class=open")
    eve.delete_object(Bucket="bucket", Key="open")


@pytest.mark.slow
def test_what_an_object_is_to_be_tagged_with_decides_at_every_way_in(tagged):
    endpoint = tagged.endpoint
    wanted = {"StringEquals": {"s3:RequestObjectTag/class": "open"},
              "ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["class"]}}
    bob = tagged.user("bob", document(
        statement("Allow", ["s3:PutObject", "s3:PutObjectTagging"], "bucket/new/*", **wanted),
        statement("Allow", ["s3:GetObject", "s3:GetObjectTagging"], "bucket/*"),
    ))
    good, other, more = "class=open", "class=secret", "class=open&x=y"
    xml = "<Tagging><TagSet>{}</TagSet></Tagging>"
    for tagging in (good, other, more):
        allowed = tagging is good
        pairs = urllib.parse.parse_qsl(tagging)
        form = xml.format("".join(f"<Tag><Key>{k}</Key><Value>{v}</Value></Tag>" for k, v in pairs))
        calls = {
            "put": lambda t=tagging: bob.put_object(Bucket="bucket", Key="new/put", Body=b"x", Tagging=t),
            "parts": lambda t=tagging: uploaded(bob, "new/parts", Tagging=t),
            "copy": lambda t=tagging: bob.copy_object(
                Bucket="bucket", Key="new/copy", CopySource={"Bucket": "bucket", "Key": "open"}, Tagging=t,
                TaggingDirective="REPLACE"),
        }
        for name, call in calls.items():
            if allowed:
                call()
            else:
                assert failure(call) == DENIED, (name, tagging)
        assert posted(bob, endpoint, "new/form", form) == (204 if allowed else 403)
        set_tags = {"Bucket": "bucket", "Key": "new/put", "Tagging": tag_set(**dict(pairs))}
        if allowed:
            bob.put_object_tagging(**set_tags)
        else:
            assert failure(bob.put_object_tagging, **set_tags) == DENIED
    assert failure(bob.put_object, Bucket="bucket", Key="new/put", Body=b"x") == DENIED


@pytest.mark.slow
def test_to_tag_is_a_right_of_its_own(tagged):
    """Also where the tag is called ``false``, and where a copy takes the source's tags along."""
    endpoint = tagged.endpoint
    bob = tagged.user("bob", document(
        statement("Allow", ["s3:PutObject", "s3:GetObject"], "bucket/*"),
        statement("Allow", "s3:GetObjectTagging", "bucket/seen*"),
    ))
    for key in ("bare", "seen"):
        endpoint.client().put_object(Bucket="bucket", Key=key, Body=b"x")
    endpoint.client().put_object_tagging(Bucket="bucket", Key="seen", Tagging=tag_set(a="1"))
    bob.put_object(Bucket="bucket", Key="k", Body=b"x")
    for tagging in ("a=1", "false", "FALSE="):
        assert failure(bob.put_object, Bucket="bucket", Key="k", Body=b"x", Tagging=tagging) == DENIED
        assert failure(bob.create_multipart_upload, Bucket="bucket", Key="k", Tagging=tagging) == DENIED
    xml = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"
    assert posted(bob, endpoint, "k", xml) == 403
    assert posted(bob, endpoint, "k", "<Tagging><TagSet/></Tagging>") == 204
    assert failure(bob.put_object_tagging, Bucket="bucket", Key="k", Tagging=tag_set(a="1")) == DENIED
    assert "TagCount" not in bob.get_object(Bucket="bucket", Key="open")
    assert bob.get_object(Bucket="bucket", Key="seen")["TagCount"] == 1
    for source in ("open", "seen"):  # whose tags it may not see; which it may, but not set
        copy = {"Bucket": "bucket", "Key": "k", "CopySource": {"Bucket": "bucket", "Key": source}}
        assert failure(bob.copy_object, **copy) == DENIED
        bob.copy_object(**copy, TaggingDirective="REPLACE")
    bob.copy_object(Bucket="bucket", Key="k", CopySource={"Bucket": "bucket", "Key": "bare"})


@pytest.mark.slow
def test_tags_that_a_copy_takes_along_are_asked_for(tagged):
    denying = {"StringEquals": {"s3:RequestObjectTag/class": "open"}}
    bob = tagged.user("bob", document(
        statement("Allow", "s3:*", "bucket", "bucket/*"),
        statement("Deny", "s3:PutObjectTagging", "bucket/*", **denying),
    ))
    copy = {"Bucket": "bucket", "Key": "k", "CopySource": {"Bucket": "bucket", "Key": "open"}}
    assert failure(bob.copy_object, **copy) == DENIED
    bob.copy_object(**{**copy, "CopySource": {"Bucket": "bucket", "Key": "secret"}})


@pytest.mark.slow
def test_tags_of_buckets_are_for_whom_they_are_allowed(tagged):
    bob = tagged.user("bob", document(statement("Allow", "s3:GetBucketTagging", "bucket")))
    assert failure(bob.get_bucket_tagging, Bucket="bucket") == ("NoSuchTagSet", 404)
    assert failure(bob.put_bucket_tagging, Bucket="bucket", Tagging=tag_set(a="1")) == DENIED
    assert failure(bob.delete_bucket_tagging, Bucket="bucket") == DENIED


@pytest.mark.slow
def test_tags_are_decided_on_again_when_the_body_is_whole(tagged):
    """What the object is tagged with may change while a body is on its way."""
    from tests.server.test_slow_bodies import held

    tagged.user("bob", document(statement("Allow", "s3:PutObjectTagging", "bucket/*", **OPEN)))
    body = b"<Tagging><TagSet><Tag><Key>x</Key><Value>1</Value></Tag></TagSet></Tagging>"
    put = signed("PUT", "/bucket/open?tagging", body, access_key="bob", secret=PASSWORD)
    with held(tagged, put) as request:
        tagged.endpoint.client().put_object_tagging(
            Bucket="bucket", Key="open", Tagging=tag_set(**{"class": "secret"})
        )
        assert request.finish().status == 403
    assert send(tagged.endpoint, put).status == 403
