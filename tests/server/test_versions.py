"""Versions through boto3: kept, named, listed, copied, deleted by id; and what policies make of them."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.server.endpoint import Endpoint
from tests.server.identities import Office, document, statement
from tests.server.test_objects import failure
from tests.server.test_tagging import posted

UNKNOWN = "0" * 31 + "1"
PART = bytes(5 << 20)


def set_versioning(client: Any, status: str = "Enabled", bucket: str = "bucket") -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def put(client: Any, key: str, body: bytes) -> str:
    """The id; ``null`` where none is told."""
    return str(client.put_object(Bucket="bucket", Key=key, Body=body).get("VersionId", "null"))


def got(client: Any, key: str, **named: str) -> dict[str, Any]:
    found = client.get_object(Bucket="bucket", Key=key, **named)
    return {**found, "Body": found["Body"].read()}


def read(client: Any, key: str, version: str | None = None) -> bytes:
    if version is None:
        return bytes(got(client, key)["Body"])
    found = got(client, key, VersionId=version)
    assert found["VersionId"] == version
    return bytes(found["Body"])


def listed(client: Any, **options: Any) -> list[tuple[str, str, bool, str]]:
    """Key, id, whether it is the latest, and its tag or ``marker``: each key's newest first."""
    pages = client.get_paginator("list_object_versions").paginate(Bucket="bucket", **options)
    rows = []
    for page in pages:
        rows += [
            (row["LastModified"], row["Key"], row["VersionId"], row["IsLatest"], row.get("ETag", "marker"))
            for row in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]
    return [row[1:] for row in rows]


def headers_of(answer: dict[str, Any]) -> dict[str, str]:
    return dict(answer["ResponseMetadata"]["HTTPHeaders"])


@pytest.fixture
def versioned(client: Any, bucket: str) -> Any:
    set_versioning(client)
    return client


def test_versioning_is_set_shown_and_refused(client: Any, bucket: str) -> None:
    assert "Status" not in client.get_bucket_versioning(Bucket=bucket)
    for status in ("Enabled", "Suspended", "Enabled"):
        set_versioning(client, status)
        assert client.get_bucket_versioning(Bucket=bucket)["Status"] == status
    second = {"Status": "Enabled", "MFADelete": "Enabled"}
    assert failure(client.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=second) == (
        "NotImplemented", 501)
    assert failure(client.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={}) == (
        "IllegalVersioningConfigurationException", 400)
    assert failure(client.get_bucket_versioning, Bucket="none") == ("NoSuchBucket", 404)


def test_nothing_is_said_of_versions_where_they_were_never_set(client: Any, bucket: str) -> None:
    answers = [
        client.put_object(Bucket=bucket, Key="k", Body=b"x"), client.head_object(Bucket=bucket, Key="k"),
        got(client, "k", VersionId="null"),
        client.get_object_tagging(Bucket=bucket, Key="k"),
        client.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k?versionId=null"),
        client.delete_object(Bucket=bucket, Key="k", VersionId="null"),
        client.delete_object(Bucket=bucket, Key="c"),
    ]
    for answer in answers:
        assert not [name for name in headers_of(answer) if "version" in name or "marker" in name]
    assert failure(client.get_object, Bucket=bucket, Key="k", VersionId=UNKNOWN) == ("NoSuchVersion", 404)
    with pytest.raises(ClientError) as refused:
        client.get_object(Bucket=bucket, Key="k", VersionId=UNKNOWN)
    assert refused.value.response["Error"]["VersionId"] == UNKNOWN
    assert failure(client.get_object, Bucket=bucket, Key="k", VersionId="v") == ("InvalidArgument", 400)


@pytest.mark.parametrize("key", ["k", "d/", "d/e/f"])
def test_what_is_overwritten_and_deleted_stays_until_its_version_is_deleted(versioned: Any, key: str) -> None:
    client = versioned
    one, two = put(client, key, b"one"), put(client, key, b"two!")
    marker = client.delete_object(Bucket="bucket", Key=key)
    assert marker["DeleteMarker"] is True
    assert [row[1] for row in listed(client) if row[2]] == [marker["VersionId"]]
    assert {row[1] for row in listed(client)} == {one, two, marker["VersionId"]}
    assert (read(client, key, one), read(client, key, two)) == (b"one", b"two!")
    assert "Contents" not in client.list_objects_v2(Bucket="bucket")
    with pytest.raises(client.exceptions.ClientError) as met:
        client.get_object(Bucket="bucket", Key=key)
    shown = headers_of(met.value.response)
    assert (met.value.response["Error"]["Code"], shown["x-amz-delete-marker"]) == ("NoSuchKey", "true")
    assert shown["x-amz-version-id"] == marker["VersionId"]
    with pytest.raises(client.exceptions.ClientError) as met:
        client.head_object(Bucket="bucket", Key=key, VersionId=marker["VersionId"])
    shown = headers_of(met.value.response)
    assert met.value.response["ResponseMetadata"]["HTTPStatusCode"] == 405
    assert (shown["allow"], shown["x-amz-delete-marker"]) == ("DELETE", "true") and shown["last-modified"]
    undone = client.delete_object(Bucket="bucket", Key=key, VersionId=marker["VersionId"])
    assert (undone["DeleteMarker"], undone["VersionId"]) == (True, marker["VersionId"])
    assert read(client, key) == b"two!"
    gone = client.delete_object(Bucket="bucket", Key=key, VersionId=two)
    assert (gone.get("DeleteMarker"), gone["VersionId"]) == (None, two)
    assert (read(client, key), client.head_object(Bucket="bucket", Key=key)["VersionId"]) == (b"one", one)
    assert failure(client.get_object, Bucket="bucket", Key=key, VersionId=two) == ("NoSuchVersion", 404)
    again = client.delete_object(Bucket="bucket", Key=key, VersionId=two)
    assert headers_of(again)["x-amz-version-id"] == two
    client.delete_object(Bucket="bucket", Key=key, VersionId=one)
    assert listed(client) == []
    client.delete_bucket(Bucket="bucket")


def test_suspended_versions_are_null(client: Any, bucket: str) -> None:
    client.put_object(Bucket=bucket, Key="k", Body=b"before")
    set_versioning(client)
    assert client.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    kept = put(client, "k", b"kept")
    set_versioning(client, "Suspended")
    assert put(client, "k", b"after") == "null"  # in the place of what was there before
    assert client.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    copied = client.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")
    assert (copied["VersionId"], copied["CopySourceVersionId"]) == ("null", "null")
    client.delete_object(Bucket=bucket, Key="c", VersionId="null")
    assert (read(client, "k"), read(client, "k", "null"), read(client, "k", kept)) == (
        b"after", b"after", b"kept")
    marker = client.delete_object(Bucket=bucket, Key="k")
    assert (marker["DeleteMarker"], marker["VersionId"]) == (True, "null")
    assert {row[1]: row[3] == "marker" for row in listed(client)} == {"null": True, kept: False}
    assert failure(client.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    assert put(client, "k", b"again") == "null"
    assert {row[1]: row[3] == "marker" for row in listed(client)} == {"null": False, kept: False}
    client.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert read(client, "k") == b"kept"


def test_deletions_of_many_name_their_markers(versioned: Any) -> None:
    client = versioned
    versions = {key: put(client, key, key.encode()) for key in ("a", "b")}
    wanted = [
        {"Key": "a"}, {"Key": "b", "VersionId": versions["b"]}, {"Key": "a", "VersionId": UNKNOWN},
        {"Key": "none"}, {"Key": "a", "VersionId": "no id"},
    ]
    done = client.delete_objects(Bucket="bucket", Delete={"Objects": wanted})
    rows = done["Deleted"]
    marker = rows[0]["DeleteMarkerVersionId"]
    assert rows[0] == {"Key": "a", "DeleteMarker": True, "DeleteMarkerVersionId": marker}
    assert rows[1] == {"Key": "b", "VersionId": versions["b"]}
    assert rows[2] == {"Key": "a", "VersionId": UNKNOWN}
    assert rows[3]["DeleteMarker"] is True  # S3 makes one for a key that was never there, too
    assert [(row["Key"], row["Code"]) for row in done["Errors"]] == [("a", "NoSuchVersion")]
    undone = client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "a", "VersionId": marker}]})
    assert undone["Deleted"] == [{
        "Key": "a", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker}]
    assert read(client, "a") == b"a"


@pytest.mark.parametrize("key", ["k", "d/"])
def test_conditions_of_a_deletion_are_about_the_version_that_it_names(versioned: Any, key: str) -> None:
    client, at = versioned, {"Bucket": "bucket", "Key": key}
    old, new = put(client, key, b"old"), put(client, key, b"newer")
    tags = {version: client.head_object(**at, VersionId=version)["ETag"] for version in (old, new)}
    refused = ("PreconditionFailed", 412)
    for version, other in ((old, new), (new, old)):
        assert failure(client.delete_object, **at, VersionId=version, IfMatch=tags[other]) == refused
        assert failure(client.delete_object, **at, VersionId=version, IfMatchSize=1) == refused
        wanted = [{"Key": key, "VersionId": version, "ETag": tags[other]}]
        done = client.delete_objects(Bucket="bucket", Delete={"Objects": wanted})
        assert [row["Code"] for row in done["Errors"]] == ["PreconditionFailed"]
    assert len(listed(client)) == 2
    marker = client.delete_object(**at, IfMatch=tags[new])["VersionId"]
    assert failure(client.delete_object, **at, VersionId=marker, IfMatch="*") == refused
    # Nor does a marker on top have what a condition names, and there is none to be put on it.
    for condition in ({"IfMatch": tags[new]}, {"IfMatchSize": 5}):
        assert failure(client.delete_object, **at, **condition) == refused
    assert len(listed(client)) == 3
    client.delete_object(**at, VersionId=marker)
    client.delete_object(**at, VersionId=new, IfMatch=tags[new])
    assert read(client, key) == b"old"
    client.delete_object(**at, VersionId=new, IfMatch=tags[old])  # one that is gone is no error
    client.delete_object(**at, VersionId=old, IfMatch="*", IfMatchSize=3)
    assert listed(client) == []


def test_pages_name_each_version_once(versioned: Any) -> None:
    client = versioned
    made = {key: [put(client, key, b"%d" % n) for n in range(3)] for key in ("a", "b/1", "b/2", "c +ä", "d/")}
    for key in ("b/1", "c +ä"):
        made[key].append(client.delete_object(Bucket="bucket", Key=key)["VersionId"])
    whole = client.list_object_versions(Bucket="bucket")
    both = [*whole["Versions"], *whole["DeleteMarkers"]]
    assert {(row["Key"], row["VersionId"]) for row in both} == {(k, v) for k in made for v in made[k]}
    assert {row["Key"]: row["VersionId"] for row in both if row["IsLatest"]} == {
        key: versions[-1] for key, versions in made.items()}
    newest = {key: list(reversed(versions)) for key, versions in made.items()}
    for size in (1, 2, 4):
        rows = listed(client, PaginationConfig={"PageSize": size})
        assert sorted(rows) == sorted(listed(client))
        assert len(rows) == len(both)
        plain = [row for row in rows if row[3] != "marker"]
        for key, versions in newest.items():
            here = [row[1] for row in plain if row[0] == key]
            assert here == [version for version in versions if version in here]
    folded = client.list_object_versions(Bucket="bucket", Delimiter="/", EncodingType="url")
    assert [row["Prefix"] for row in folded["CommonPrefixes"]] == ["b/", "d/"]
    assert {row[0] for row in listed(client, Prefix="b/")} == {"b/1", "b/2"}
    behind = client.list_object_versions(
        Bucket="bucket", KeyMarker="a", VersionIdMarker=made["a"][1], MaxKeys=2)
    assert [(row["Key"], row["VersionId"]) for row in behind["Versions"]] == [("a", made["a"][0])]
    assert [(row["Key"], row["VersionId"]) for row in behind["DeleteMarkers"]] == [("b/1", made["b/1"][3])]
    assert behind["IsTruncated"]
    assert client.list_object_versions(Bucket="bucket", KeyMarker="c +ä")["Versions"][0]["Key"] == "d/"


def test_pages_go_on_while_what_they_named_is_deleted(versioned: Any) -> None:
    client = versioned
    made = {(key, put(client, key, b"%d" % n)) for key in ("a", "b") for n in range(5)}
    seen, marker = [], {}
    while True:
        page = client.list_object_versions(Bucket="bucket", MaxKeys=2, **marker)
        named = [{"Key": row["Key"], "VersionId": row["VersionId"]} for row in page.get("Versions", ())]
        seen += [(row["Key"], row["VersionId"]) for row in named]
        if named:
            client.delete_objects(Bucket="bucket", Delete={"Objects": named})
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert sorted(seen) == sorted(made)
    assert listed(client) == []
    client.delete_bucket(Bucket="bucket")


def test_copies_and_uploads_name_their_versions(versioned: Any, endpoint: Endpoint) -> None:
    client = versioned
    old, new = put(client, "k", b"old"), put(client, "k", b"newer")
    copied = client.copy_object(
        Bucket="bucket", Key="c", CopySource={"Bucket": "bucket", "Key": "k", "VersionId": old})
    assert copied["CopySourceVersionId"] == old
    assert read(client, "c", copied["VersionId"]) == b"old"
    restored = client.copy_object(Bucket="bucket", Key="k", CopySource=f"bucket/k?versionId={old}")
    assert (read(client, "k"), restored["CopySourceVersionId"]) == (b"old", old)
    assert read(client, "k", new) == b"newer"
    plain = client.copy_object(Bucket="bucket", Key="c", CopySource="bucket/k")
    assert plain["CopySourceVersionId"] == restored["VersionId"]
    begun = client.create_multipart_upload(Bucket="bucket", Key="m")
    at = {"Bucket": "bucket", "Key": "m", "UploadId": begun["UploadId"]}
    part = client.upload_part_copy(**at, PartNumber=1, CopySource=f"bucket/k?versionId={new}")
    assert part["CopySourceVersionId"] == new
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
    done = client.complete_multipart_upload(**at, MultipartUpload=parts)
    assert client.complete_multipart_upload(**at, MultipartUpload=parts)["VersionId"] == done["VersionId"]
    assert read(client, "m", done["VersionId"]) == b"newer"
    assert [row[1] for row in listed(client, Prefix="m")] == [done["VersionId"]]
    first = put(client, "f", b"by a put")
    assert posted(client, endpoint, "f", "<Tagging><TagSet/></Tagging>") == 204
    assert read(client, "f") == b"by a form" and read(client, "f", first) == b"by a put"
    marker = client.delete_object(Bucket="bucket", Key="k")["VersionId"]
    for source, refused in (
        ("bucket/k", ("NoSuchKey", 404)), (f"bucket/k?versionId={marker}", ("InvalidRequest", 400)),
        (f"bucket/k?versionId={UNKNOWN}", ("NoSuchVersion", 404)),
    ):
        assert failure(client.copy_object, Bucket="bucket", Key="x", CopySource=source) == refused


def test_tags_and_attributes_are_those_of_a_version(versioned: Any) -> None:
    client = versioned
    at = {"Bucket": "bucket", "Key": "k"}
    old, new = put(client, "k", b"old"), put(client, "k", b"newer")

    def tags(**named: str) -> list[dict[str, str]]:
        found = client.get_object_tagging(**at, **named)
        assert found["VersionId"] == named.get("VersionId", new)
        return list(found["TagSet"])

    one, two = [{"Key": "v", "Value": "1"}], [{"Key": "v", "Value": "2"}]
    assert client.put_object_tagging(**at, VersionId=old, Tagging={"TagSet": one})["VersionId"] == old
    assert client.put_object_tagging(**at, Tagging={"TagSet": two})["VersionId"] == new
    assert (tags(), tags(VersionId=old), tags(VersionId=new)) == (two, one, two)
    assert got(client, "k", VersionId=old)["TagCount"] == 1
    assert client.delete_object_tagging(**at, VersionId=old)["VersionId"] == old
    assert (tags(VersionId=old), tags()) == ([], two)
    assert len(listed(client)) == 2  # tags make no version
    shown = client.get_object_attributes(**at, VersionId=old, ObjectAttributes=["ObjectSize"])
    assert (shown["ObjectSize"], shown["VersionId"]) == (3, old)
    assert client.head_object(**at, VersionId=old)["ETag"] == got(client, "k", VersionId=old)["ETag"]
    assert read(client, "k", old) == b"old"
    client.delete_object(**at)
    assert failure(client.get_object_tagging, **at) == ("MethodNotAllowed", 405)
    assert failure(client.put_object_tagging, **at, Tagging={"TagSet": one}) == ("NoSuchKey", 404)
    marker = next(row for row in listed(client) if row[3] == "marker")[1]
    for call, more in (
        (client.get_object_tagging, {}), (client.delete_object_tagging, {}), (client.get_object_acl, {}),
        (client.put_object_tagging, {"Tagging": {"TagSet": one}}),
        (client.get_object_attributes, {"ObjectAttributes": ["ETag"]}),
    ):
        assert failure(call, **at, VersionId=marker, **more) == ("MethodNotAllowed", 405)
        assert failure(call, **at, VersionId=UNKNOWN, **more) == ("NoSuchVersion", 404)


def test_every_put_that_was_acknowledged_is_one_version(versioned: Any, endpoint: Endpoint) -> None:
    acknowledged: list[tuple[str, bytes]] = []

    def writer(number: int) -> None:
        own = endpoint.client()
        for turn in range(8):
            body = b"%d-%d" % (number, turn)
            acknowledged.append((put(own, "k", body), body))
            if turn % 4 == 3:
                own.delete_object(Bucket="bucket", Key="k")

    threads = [threading.Thread(target=writer, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(acknowledged) == 32
    client = versioned
    rows = listed(client)
    assert sorted(row[1] for row in rows if row[3] != "marker") == sorted(v for v, _ in acknowledged)
    assert sum(row[3] == "marker" for row in rows) == 8
    assert sum(row[2] for row in rows) == 1
    for version, body in acknowledged:
        assert read(client, "k", version) == body


def test_policies_tell_versions_apart(office: Office) -> None:
    root = office.endpoint.client()
    root.create_bucket(Bucket="bucket")
    set_versioning(root)
    old, new = put(root, "k", b"old"), put(root, "k", b"new")
    root.put_object_tagging(
        Bucket="bucket", Key="k", VersionId=old, Tagging={"TagSet": [{"Key": "who", "Value": "ann"}]})
    denied, at = ("AccessDenied", 403), {"Bucket": "bucket", "Key": "k"}
    current = office.user("current", document(
        statement("Allow", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "bucket/*")))
    assert read(current, "k") == b"new"
    for named in (old, new, "null"):  # the current one, too, is another right by its id
        assert failure(current.get_object, **at, VersionId=named) == denied
        assert failure(current.delete_object, **at, VersionId=named) == denied
        source = {"CopySource": {**at, "VersionId": named}}
        assert failure(current.copy_object, Bucket="bucket", Key="c", **source) == denied
    rows = current.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "k", "VersionId": old}]})
    assert [row["Code"] for row in rows["Errors"]] == ["AccessDenied"]
    assert failure(current.list_object_versions, Bucket="bucket") == denied
    assert failure(current.get_bucket_versioning, Bucket="bucket") == denied
    status = {"VersioningConfiguration": {"Status": "Suspended"}}
    assert failure(current.put_bucket_versioning, Bucket="bucket", **status) == denied
    one = office.user("one", document(
        statement("Allow", ["s3:GetObjectVersion", "s3:DeleteObjectVersion"], "bucket/*",
                  StringEquals={"s3:VersionId": old}),
        statement("Allow", "s3:PutObject", "bucket/copied")))
    assert read(one, "k", old) == b"old"
    assert failure(one.get_object, **at, VersionId=new) == denied
    target = {"Bucket": "bucket", "Key": "copied", "TaggingDirective": "REPLACE"}
    one.copy_object(**target, CopySource={**at, "VersionId": old})
    assert failure(one.copy_object, **target, CopySource={**at, "VersionId": new}) == denied
    tagged = office.user("tagged", document(statement(
        "Allow", "s3:GetObjectVersion", "bucket/*", StringEquals={"s3:ExistingObjectTag/who": "ann"})))
    assert read(tagged, "k", old) == b"old"
    assert failure(tagged.get_object, **at, VersionId=new) == denied
    wanted = [{"Key": "k", "VersionId": version} for version in (old, new)]
    rows = one.delete_objects(Bucket="bucket", Delete={"Objects": wanted})
    assert [row["VersionId"] for row in rows["Deleted"]] == [old]
    assert [(row["VersionId"], row["Code"]) for row in rows["Errors"]] == [(new, "AccessDenied")]
