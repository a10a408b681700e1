"""What is so of every bucket: asked for, confirmed, and not to be changed."""

from __future__ import annotations

import pytest

from tests.server.test_objects import failure

LACKING = {
    "get_bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "get_bucket_replication": "ReplicationConfigurationNotFoundError",
    "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
}
ENFORCED = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_what_every_bucket_is(client, bucket):
    owner = client.list_buckets()["Owner"]
    acl = client.get_bucket_acl(Bucket=bucket)
    assert acl["Owner"] == owner
    assert [(row["Grantee"]["ID"], row["Permission"]) for row in acl["Grants"]] == [
        (owner["ID"], "FULL_CONTROL")
    ]
    assert client.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == ENFORCED
    assert client.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "Status" not in client.get_bucket_versioning(Bucket=bucket)
    assert "Status" not in client.get_bucket_accelerate_configuration(Bucket=bucket)
    assert "LoggingEnabled" not in client.get_bucket_logging(Bucket=bucket)
    answer = client.get_bucket_notification_configuration(Bucket=bucket)
    assert set(answer) == {"ResponseMetadata"}
    for kind in ("analytics", "inventory", "metrics", "intelligent_tiering"):
        assert getattr(client, f"list_bucket_{kind}_configurations")(Bucket=bucket)["IsTruncated"] is False
        asked = getattr(client, f"get_bucket_{kind}_configuration")
        assert failure(asked, Bucket=bucket, Id="one") == ("NoSuchConfiguration", 404)
    for call, code in LACKING.items():
        assert failure(getattr(client, call), Bucket=bucket) == (code, 404)


def test_of_a_bucket_that_is_not_there(client):
    for call in ("get_bucket_acl", "get_bucket_versioning", "delete_bucket_encryption", *LACKING):
        assert failure(getattr(client, call), Bucket="nobody") == ("NoSuchBucket", 404)


def test_what_is_so_can_be_confirmed(client, bucket):
    client.put_bucket_request_payment(
        Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"}
    )
    client.put_bucket_accelerate_configuration(
        Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"}
    )
    client.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    client.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=ENFORCED)
    client.delete_bucket_encryption(Bucket=bucket)
    client.delete_bucket_replication(Bucket=bucket)
    test_what_every_bucket_is(client, bucket)


@pytest.mark.parametrize(("call", "arguments"), [
    ("put_bucket_request_payment", {"RequestPaymentConfiguration": {"Payer": "Requester"}}),
])  # fmt: skip
def test_what_would_change_it_says_that_it_is_not_built(client, bucket, call, arguments):
    assert failure(getattr(client, call), Bucket=bucket, **arguments) == ("NotImplemented", 501)


def test_access_control_lists(client, bucket):
    client.put_object(Bucket=bucket, Key="k", Body=b"x")
    owner = client.list_buckets()["Owner"]
    mine = client.get_object_acl(Bucket=bucket, Key="k")
    assert mine["Owner"] == owner
    policy = {"Owner": mine["Owner"], "Grants": mine["Grants"]}
    for acl in ({"AccessControlPolicy": policy}, {"ACL": "bucket-owner-full-control"}):
        client.put_bucket_acl(Bucket=bucket, **acl)
        client.put_object_acl(Bucket=bucket, Key="k", **acl)
    stranger = {"Grantee": {"Type": "CanonicalUser", "ID": "f" * 64}, "Permission": "READ"}
    everybody = {
        "Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"},
        "Permission": "READ",
    }
    refused = ("AccessControlListNotSupported", 400)
    for more in ([stranger], [*mine["Grants"], everybody], []):
        given = {"AccessControlPolicy": {"Owner": mine["Owner"], "Grants": more}}
        assert failure(client.put_object_acl, Bucket=bucket, Key="k", **given) == refused
        assert failure(client.put_bucket_acl, Bucket=bucket, **given) == refused
    for canned in ("public-read", "private"):
        assert failure(client.put_object_acl, Bucket=bucket, Key="k", ACL=canned) == refused
    for call in (client.get_object_acl, client.put_object_acl):
        more = {"ACL": "bucket-owner-full-control"} if call == client.put_object_acl else {}
        assert failure(call, Bucket=bucket, Key="missing", **more) == ("NoSuchKey", 404)


def test_every_object_is_its_only_version(client, bucket):
    keys = ["a", "b/1", "b/2", "c ä"]
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    pages = list(client.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 1}
    ))
    rows = [row for page in pages for row in page.get("Versions", ())]
    assert [row["Key"] for row in rows] == keys
    assert {(row["VersionId"], row["IsLatest"]) for row in rows} == {("null", True)}
    assert rows[0]["ETag"] == client.head_object(Bucket=bucket, Key="a")["ETag"]
    assert len(pages) == len(keys)
    folded = client.list_object_versions(Bucket=bucket, Delimiter="/")
    assert [row["Prefix"] for row in folded["CommonPrefixes"]] == ["b/"]
    found = [{"Key": row["Key"], "VersionId": row["VersionId"]} for row in rows]
    client.delete_objects(Bucket=bucket, Delete={"Objects": found})
    assert "Versions" not in client.list_object_versions(Bucket=bucket)
