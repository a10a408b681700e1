"""Lifecycle rules through boto3: put, shown as they were put, told with each object that they concern."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from tests.server.identities import document, statement
from tests.server.test_objects import failure
from tests.server.test_tagging import tag_set

RULES = [
    {"ID": "one day", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}},
    {"ID": "tagged", "Status": "Enabled", "Filter": {"And": {
        "Prefix": "", "Tags": [{"Key": "a", "Value": "1"}], "ObjectSizeGreaterThan": 1}},
     "Expiration": {"Date": datetime(2030, 1, 1, tzinfo=UTC)}},
    {"ID": "versions", "Status": "Disabled", "Filter": {},
     "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2}},
    {"ID": "uploads", "Status": "Enabled", "Filter": {"Prefix": "tmp/"},
     "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
]  # fmt: skip


def put(client: Any, rules: Any, bucket: str = "bucket") -> Any:
    return client.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": rules}
    )


def told(answer: Any) -> tuple[datetime, str] | None:
    """When, and by which rule."""
    header = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-expiration")
    if header is None:
        return None
    _, date, _, rule, _ = header.split('"')
    return parsedate_to_datetime(date), rule


def test_rules_are_shown_as_they_were_put(client, bucket):
    get = client.get_bucket_lifecycle_configuration
    assert failure(get, Bucket=bucket) == ("NoSuchLifecycleConfiguration", 404)
    put(client, RULES)
    assert get(Bucket=bucket)["Rules"] == RULES
    legacy = [{"ID": "old", "Prefix": "p", "Status": "Enabled", "Expiration": {"Days": 2}}]
    put(client, legacy)
    assert get(Bucket=bucket)["Rules"] == legacy
    nameless = {**RULES[0]}
    del nameless["ID"]
    put(client, [nameless, {**nameless, "Filter": {"Prefix": "other/"}}])
    names = {rule["ID"] for rule in get(Bucket=bucket)["Rules"]}
    assert len(names) == 2
    assert all(names)
    colder = [{**RULES[0], "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}]
    assert failure(lambda: put(client, colder)) == ("NotImplemented", 501)
    colder[0]["Transitions"] = [{"Date": datetime(2022, 9, 27, 1, tzinfo=UTC), "StorageClass": "GLACIER"}]
    assert failure(lambda: put(client, colder)) == ("InvalidArgument", 400)
    gone = client.delete_bucket_lifecycle(Bucket=bucket)
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert failure(get, Bucket=bucket) == ("NoSuchLifecycleConfiguration", 404)
    for call in (get, client.delete_bucket_lifecycle):
        assert failure(call, Bucket="nowhere") == ("NoSuchBucket", 404)


def test_every_answer_about_an_object_tells_its_end(client, bucket, tmp_path: Path):
    put(client, RULES)
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    ends = {midnight + timedelta(days=2), midnight + timedelta(days=3)}  # the test may run over a midnight
    answers = [client.put_object(Bucket=bucket, Key="tmp/k", Body=b"body")]
    answers.append(client.copy_object(
        Bucket=bucket, Key="tmp/c", CopySource={"Bucket": bucket, "Key": "tmp/k"}))
    begun = client.create_multipart_upload(Bucket=bucket, Key="tmp/u")
    assert begun["AbortRuleId"] == "uploads"
    assert timedelta(days=7) < begun["AbortDate"] - now <= timedelta(days=8, minutes=5)
    at = {"Bucket": bucket, "Key": "tmp/u", "UploadId": begun["UploadId"]}
    part = client.upload_part(**at, PartNumber=1, Body=b"x")
    assert client.list_parts(**at)["AbortDate"] == begun["AbortDate"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    answers.append(client.complete_multipart_upload(**at, MultipartUpload=parts))
    answers += [client.get_object(Bucket=bucket, Key="tmp/k"), client.head_object(Bucket=bucket, Key="tmp/u")]
    for answer in answers:
        found = told(answer)
        assert found is not None
        assert (found[0] in ends, found[1]) == (True, "one%20day")
    assert told(client.put_object(Bucket=bucket, Key="k", Body=b"body")) is None
    client.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(a="1"))
    assert told(client.head_object(Bucket=bucket, Key="k")) == (datetime(2030, 1, 1, tzinfo=UTC), "tagged")
    # A file that was copied here with its old times is as young as the copy.
    old = tmp_path / "store" / bucket / "tmp" / "old"
    old.write_bytes(b"x")
    os.utime(old, (1, 1))
    found = told(client.head_object(Bucket=bucket, Key="tmp/old"))
    assert found is not None
    assert found[0] in ends
    put(client, [RULES[2]])
    assert told(client.head_object(Bucket=bucket, Key="tmp/k")) is None


def test_regression_an_end_beyond_all_dates_is_not_told(client, bucket):
    """AWS allows so many days; no date of HTTP has five digits for its year."""
    most = 2**31 - 1
    put(client, [{"ID": "never", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": most},
                  "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": most}}])
    assert told(client.put_object(Bucket=bucket, Key="k", Body=b"body")) is None
    assert told(client.get_object(Bucket=bucket, Key="k")) is None
    begun = client.create_multipart_upload(Bucket=bucket, Key="u")
    assert "AbortDate" not in begun
    assert "AbortDate" not in client.list_parts(Bucket=bucket, Key="u", UploadId=begun["UploadId"])


def test_who_may_not_set_rules_cannot(office):
    root = office.endpoint.client()
    root.create_bucket(Bucket="bucket")
    bob = office.user("bob", document(
        statement("Allow", "s3:GetLifecycleConfiguration", "bucket"),
        statement("Allow", "s3:PutObject", "bucket/*"),
    ))
    assert failure(bob.get_bucket_lifecycle_configuration, Bucket="bucket") == (
        "NoSuchLifecycleConfiguration", 404)
    assert failure(lambda: put(bob, RULES)) == ("AccessDenied", 403)
    assert failure(bob.delete_bucket_lifecycle, Bucket="bucket") == ("AccessDenied", 403)
    put(root, RULES)
    assert told(bob.put_object(Bucket="bucket", Key="tmp/k", Body=b"x")) is not None
