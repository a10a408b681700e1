"""Bucket policies at the endpoint: who may what by them, at once, and that what they deny is denied."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.server.endpoint import ACCESS_KEY, Endpoint, running_endpoint
from tests.server.identities import PASSWORD, Office, allowing, document, statement, two_objects
from tests.server.raw_http import send, signed
from tests.server.test_objects import failure
from weka_mp.events import EventLog, Wanted
from weka_mp.gateway.identities import canonical_id
from weka_mp.identity import Role
from weka_mp.identity.iam_changes import IamChanges

pytestmark = pytest.mark.slow

DENIED = ("AccessDenied", 403)
EVERYBODY = "*"


@pytest.fixture
def office(office: Office) -> Office:
    return two_objects(office)


@pytest.fixture
def endpoint(office: Office) -> Endpoint:
    return office.endpoint


def number(office: Office, account: str = "root") -> str:
    return canonical_id(office.identities.store_id, account)[-12:]


def arn(office: Office, user: str, account: str = "root") -> str:
    return f"arn:aws:iam::{number(office, account)}:user/{user}"


def said(effect: str, actions: str | list[str], *resources: str, who: Any = EVERYBODY, **more: Any) -> Any:
    """A statement of a bucket policy. who: the Principal, or the ARN of one."""
    principal = who if who == EVERYBODY or isinstance(who, dict) else {"AWS": who}
    return {**statement(effect, actions, *resources, **more), "Principal": principal}


def put(client: Any, *statements: Any, bucket: str = "bucket", **more: Any) -> None:
    client.put_bucket_policy(Bucket=bucket, Policy=document(*statements), **more)


def text(client: Any, key: str = "a/k", bucket: str = "bucket") -> bytes:
    body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


# ---- the documents themselves
def test_a_policy_is_put_shown_and_removed(client):
    assert failure(client.get_bucket_policy, Bucket="bucket") == ("NoSuchBucketPolicy", 404)
    assert client.get_bucket_policy_status(Bucket="bucket")["PolicyStatus"] == {"IsPublic": False}
    written = document(said("Allow", "s3:GetObject", "bucket/*")) + " \n"
    done = client.put_bucket_policy(Bucket="bucket", Policy=written)
    assert done["ResponseMetadata"]["HTTPStatusCode"] == 204
    shown = client.get_bucket_policy(Bucket="bucket")
    assert shown["Policy"] == written
    assert shown["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "application/json"
    assert client.get_bucket_policy_status(Bucket="bucket")["PolicyStatus"] == {"IsPublic": True}
    put(client, said("Allow", "s3:GetObject", "bucket/*", IpAddress={"aws:SourceIp": "127.0.0.1"}))
    assert client.get_bucket_policy_status(Bucket="bucket")["PolicyStatus"] == {"IsPublic": False}
    for _ in range(2):
        gone = client.delete_bucket_policy(Bucket="bucket")
        assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert failure(client.get_bucket_policy, Bucket="bucket") == ("NoSuchBucketPolicy", 404)


def test_what_is_no_bucket_has_no_policy(client):
    for call in (client.get_bucket_policy, client.delete_bucket_policy, client.get_bucket_policy_status,
                 client.get_public_access_block, client.delete_public_access_block):
        assert failure(call, Bucket="missing") == ("NoSuchBucket", 404)


ALL = "arn:aws:s3:::bucket/*"
MALFORMED = [
    "{}", "{", '{"Statement": []}', "{" + " " * 20_480 + "}",
    json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:Fly", "Resource": ALL}]}),
    json.dumps({"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": ALL}]}),
    json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                               "Resource": "arn:aws:s3:::other/*"}]}),
    json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:ListBucket",
                               "Resource": ALL}]}),
    json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                               "Action": "s3:GetObject", "Resource": ALL}]}),
    json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
                               "Action": "s3:GetObject", "Resource": ALL}]}),
]


def test_what_is_not_understood_is_refused(client):
    put(client, said("Allow", "s3:GetObject", "bucket/a/*"))
    for policy in MALFORMED:
        refused = failure(client.put_bucket_policy, Bucket="bucket", Policy=policy)
        assert refused == ("MalformedPolicy", 400), policy
    assert "bucket/a/*" in client.get_bucket_policy(Bucket="bucket")["Policy"]  # the old one stays


def test_a_policy_names_those_only_who_exist(office, client):
    office.user("bob")
    for who in (arn(office, "nobody"), f"arn:aws:iam::{number(office)}:user/root", "111122223333", "f" * 64):
        policy = document(said("Allow", "s3:GetObject", "bucket/*", who=who))
        assert failure(client.put_bucket_policy, Bucket="bucket", Policy=policy) == ("MalformedPolicy", 400)
    office.admin.add_account("other")
    office.user("eve", account="other")
    for who in (arn(office, "bob", "other"), arn(office, "eve")):  # each is of the other account
        policy = document(said("Allow", "s3:GetObject", "bucket/*", who=who))
        assert failure(client.put_bucket_policy, Bucket="bucket", Policy=policy) == ("MalformedPolicy", 400)
    put(client, said("Allow", "s3:GetObject", "bucket/*",
                     who=[arn(office, "bob"), arn(office, "eve", "other"), number(office, "other")]))


def test_the_largest_policy(client):
    put(client, {**said("Allow", "s3:GetObject", "bucket/*"), "Sid": "x" * 20_000})
    too_long = document({**said("Allow", "s3:GetObject", "bucket/*"), "Sid": "x" * 20_480})
    assert failure(client.put_bucket_policy, Bucket="bucket", Policy=too_long) == ("MalformedPolicy", 400)
    absurd = "{" + " " * 200_000
    assert failure(client.put_bucket_policy, Bucket="bucket", Policy=absurd)[1] == 400


# ---- within one account: identity or resource
def test_one_allow_is_enough_within_the_account(office, client):
    bob = office.user("bob")
    eve = office.user("eve", allowing("s3:GetObject", "bucket/b/*"))
    assert failure(bob.get_object, Bucket="bucket", Key="a/k") == DENIED
    put(client, said("Allow", "s3:GetObject", "bucket/a/*", who=arn(office, "bob")))
    assert text(bob) == b"of a"  # at once
    assert failure(bob.get_object, Bucket="bucket", Key="b/k") == DENIED
    assert failure(eve.get_object, Bucket="bucket", Key="a/k") == DENIED
    assert text(eve, "b/k") == b"of b"
    client.delete_bucket_policy(Bucket="bucket")
    assert failure(bob.get_object, Bucket="bucket", Key="a/k") == DENIED  # at once


def test_to_name_the_account_grants_its_users_nothing(office, client):
    bob = office.user("bob")
    put(client, said("Allow", "s3:GetObject", "bucket/*", who=number(office)))
    assert failure(bob.get_object, Bucket="bucket", Key="a/k") == DENIED
    put(client, said("Allow", "s3:GetObject", "bucket/*"))
    assert text(bob) == b"of a"


def test_a_denial_wins_over_a_user_who_may_everything(office, client):
    bob = office.user("bob", "readwrite")
    for named in (arn(office, "bob"), EVERYBODY, number(office)):
        assert text(bob) == b"of a"
        put(client, said("Deny", "s3:GetObject", "bucket/a/*", who=named))
        assert failure(bob.get_object, Bucket="bucket", Key="a/k") == DENIED, named
        assert text(bob, "b/k") == b"of b"
        bob.put_object(Bucket="bucket", Key="a/k", Body=b"of a")
        client.delete_bucket_policy(Bucket="bucket")


def test_a_denial_holds_for_root_too(client):
    put(client, said("Deny", ["s3:GetObject", "s3:DeleteObject"], "bucket/a/*"))
    assert failure(client.get_object, Bucket="bucket", Key="a/k") == DENIED
    assert text(client, "b/k") == b"of b"
    done = client.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "a/k"}, {"Key": "b/k"}]})
    assert [row["Key"] for row in done["Deleted"]] == ["b/k"]
    assert [(row["Key"], row["Code"]) for row in done["Errors"]] == [("a/k", "AccessDenied")]
    assert failure(client.rename_object, Bucket="bucket", Key="c/k", RenameSource="a/k") == DENIED
    assert failure(client.rename_object, Bucket="bucket", Key="c/", RenameSource="a/") == DENIED


def test_root_is_never_locked_out(client):
    put(client, said("Deny", "*", "bucket", "bucket/*"))
    assert failure(client.list_objects_v2, Bucket="bucket") == DENIED
    assert failure(client.get_bucket_policy_status, Bucket="bucket") == DENIED
    assert "Deny" in client.get_bucket_policy(Bucket="bucket")["Policy"]
    put(client, said("Deny", "s3:*", "bucket", "bucket/*"))
    client.delete_bucket_policy(Bucket="bucket")
    assert text(client) == b"of a"


def test_a_user_locks_itself_out_only_when_it_says_so(office, client):
    bob = office.user("bob", "readwrite")
    mine = said("Deny", ["s3:PutBucketPolicy", "s3:DeleteBucketPolicy"], "bucket", who=arn(office, "bob"))
    assert failure(bob.put_bucket_policy, Bucket="bucket", Policy=document(mine)) == DENIED
    assert failure(client.get_bucket_policy, Bucket="bucket")[0] == "NoSuchBucketPolicy"
    put(bob, mine, ConfirmRemoveSelfBucketAccess=True)
    for call in (lambda: put(bob, mine), lambda: bob.delete_bucket_policy(Bucket="bucket")):
        assert failure(call) == DENIED
    client.delete_bucket_policy(Bucket="bucket")
    eve = office.user("eve")
    put(client, said("Allow", "s3:PutBucketPolicy", "bucket", who=arn(office, "eve")))
    other = said("Allow", "s3:GetObject", "bucket/*", who=arn(office, "eve"))
    assert failure(eve.put_bucket_policy, Bucket="bucket", Policy=document(other)) == DENIED
    put(eve, other, ConfirmRemoveSelfBucketAccess=True)
    assert text(eve) == b"of a"


def test_a_later_user_of_the_name_inherits_nothing(office, client):
    office.user("bob")
    put(client, said("Allow", "s3:GetObject", "bucket/a/*", who=arn(office, "bob")),
        {**said("Deny", "s3:GetObject", "bucket/b/*"), "Sid": "b",
         "Principal": {"AWS": arn(office, "bob")}})
    office.admin.remove_user("bob")
    bob = office.user("bob", allowing("s3:GetObject", "bucket/b/*"))
    assert failure(bob.get_object, Bucket="bucket", Key="a/k") == DENIED
    assert text(bob, "b/k") == b"of b"
    policy = client.get_bucket_policy(Bucket="bucket")["Policy"]
    client.put_bucket_policy(Bucket="bucket", Policy=policy)  # now it means this one
    assert text(bob) == b"of a"


def test_who_is_called_otherwise_keeps_rights_and_denials(office, client, endpoint):
    office.user("bob", allowing("s3:GetObject", "bucket/b/*"))
    put(client, said("Allow", "s3:GetObject", "bucket/a/*", who=arn(office, "bob")),
        {**said("Deny", "s3:GetObject", "bucket/b/*", who=arn(office, "bob")), "Sid": "b"})
    IamChanges(office.identities).rename_user("bob", "rob", "/division/")
    rob = endpoint.client(access_key="rob", secret_key=PASSWORD)
    assert text(rob) == b"of a"
    assert failure(rob.get_object, Bucket="bucket", Key="b/k") == DENIED
    bob = office.user("bobby")
    IamChanges(office.identities).rename_user("bobby", "bob")
    bob = endpoint.client(access_key="bob", secret_key=PASSWORD)
    assert failure(bob.get_object, Bucket="bucket", Key="a/k") == DENIED  # the name alone gives nothing


def test_a_service_account_and_a_session_stay_narrow(office, client):
    office.user("bob")
    put(client, said("Allow", ["s3:GetObject", "s3:PutObject"], "bucket/*", who=arn(office, "bob")))
    narrow = allowing("s3:GetObject", "bucket/a/*")
    service = office.client_of(office.issuer.add_service_account("bob", narrow))
    session = office.client_of(office.issuer.assume_role("bob", 900, narrow))
    for one in (service, session):
        assert text(one) == b"of a"
        assert failure(one.get_object, Bucket="bucket", Key="b/k") == DENIED
        assert failure(one.put_object, Bucket="bucket", Key="a/k", Body=b"x") == DENIED
    wide = office.client_of(office.issuer.add_service_account("bob", None))
    assert text(wide, "b/k") == b"of b"


# ---- across accounts: both
@pytest.fixture
def stranger(office: Office) -> Any:
    office.admin.add_account("other")
    return office.user("eve", "readwrite", account="other")


def test_across_accounts_both_must_allow(office, client, stranger):
    assert failure(stranger.get_object, Bucket="bucket", Key="a/k") == DENIED
    for who in (arn(office, "eve", "other"), number(office, "other"), EVERYBODY):
        put(client, said("Allow", "s3:GetObject", "bucket/a/*", who=who))
        assert text(stranger) == b"of a"
        assert failure(stranger.get_object, Bucket="bucket", Key="b/k") == DENIED
    poor = office.user("poor", account="other")
    assert failure(poor.get_object, Bucket="bucket", Key="a/k") == DENIED  # the bucket alone is not enough
    put(client, said("Deny", "s3:GetObject", "bucket/a/*", who=number(office, "other")),
        {**said("Allow", "s3:GetObject", "bucket/*"), "Sid": "2"})
    assert failure(stranger.get_object, Bucket="bucket", Key="a/k") == DENIED


def test_regression_what_strangers_change_is_told_to_the_owners_account(office, client, stranger):
    put(client, said("Allow", "s3:PutBucketCORS", "bucket", who=arn(office, "eve", "other")))
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
    stranger.put_bucket_cors(Bucket="bucket", CORSConfiguration={"CORSRules": [rule]})
    for account in ("root", "other"):
        event = EventLog(office.endpoint.namespace).read(Wanted(account=account))[-1]
        assert (event.type.name, event.user, event.account) == ("S3SetBucketOptionEvent", "eve", "other")
        assert event.owner == "root"


def test_the_policy_is_the_owners_business_alone(office, client, stranger):
    actions = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"]
    assert failure(stranger.get_bucket_policy, Bucket="bucket") == DENIED
    put(client, said("Allow", actions, "bucket", who=arn(office, "eve", "other")))
    for call in (stranger.get_bucket_policy, stranger.delete_bucket_policy):
        assert failure(call, Bucket="bucket") == ("MethodNotAllowed", 405)
    assert failure(lambda: put(stranger, said("Allow", "s3:*", "bucket/*"))) == ("MethodNotAllowed", 405)


def test_buckets_of_others_are_not_listed_for_what_their_policy_grants(office, client, stranger):
    put(client, said("Allow", "s3:ListBucket", "bucket"))
    assert stranger.list_buckets()["Buckets"] == []
    assert len(stranger.list_objects_v2(Bucket="bucket")["Contents"]) == 2


# ---- copies and deletions
def test_a_copy_needs_rights_on_both_sides(office, client):
    client.create_bucket(Bucket="other")
    bob = office.user("bob")
    copy = {"Bucket": "other", "Key": "k", "CopySource": {"Bucket": "bucket", "Key": "a/k"}}
    put(client, said("Allow", "s3:GetObject", "bucket/*", who=arn(office, "bob")))
    assert failure(bob.copy_object, **copy) == DENIED
    put(client, said("Allow", "s3:PutObject", "other/*", who=arn(office, "bob")), bucket="other")
    bob.copy_object(**copy)
    started = bob.create_multipart_upload(Bucket="other", Key="p")["UploadId"]
    part = {**copy, "Key": "p", "UploadId": started, "PartNumber": 1}
    bob.upload_part_copy(**part)
    client.delete_bucket_policy(Bucket="bucket")
    assert failure(bob.copy_object, **copy) == DENIED
    assert failure(bob.upload_part_copy, **part) == DENIED
    bob.put_object(Bucket="other", Key="direct", Body=b"x")


def test_a_denial_on_the_source_holds_for_root(client):
    client.create_bucket(Bucket="other")
    put(client, said("Deny", "s3:GetObject", "bucket/a/*"))
    copy = {"Bucket": "other", "Key": "k"}
    source = {"Bucket": "bucket", "Key": "a/k"}
    assert failure(client.copy_object, **copy, CopySource=source) == DENIED
    upload = client.create_multipart_upload(**copy)["UploadId"]
    part = {**copy, "UploadId": upload, "PartNumber": 1, "CopySource": source}
    assert failure(client.upload_part_copy, **part) == DENIED
    client.copy_object(**copy, CopySource={**source, "Key": "b/k"})


def test_deletions_are_judged_entry_by_entry(office, client):
    bob = office.user("bob")
    objects = {"Objects": [{"Key": "a/k"}, {"Key": "b/k"}]}
    assert failure(bob.delete_objects, Bucket="bucket", Delete=objects) == DENIED
    put(client, said("Allow", "s3:DeleteObject", "bucket/a/*", who=arn(office, "bob")))
    done = bob.delete_objects(Bucket="bucket", Delete=objects)
    assert [row["Key"] for row in done["Deleted"]] == ["a/k"]
    assert [(row["Key"], row["Code"]) for row in done["Errors"]] == [("b/k", "AccessDenied")]


def test_a_prefix_is_renamed_by_who_may_all_below_it(office, client):
    bob = office.user("bob")
    rename = {"Bucket": "bucket", "Key": "c/", "RenameSource": "a/"}
    allowed = said("Allow", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "bucket/*",
                   who=arn(office, "bob"))
    put(client, allowed, {**said("Deny", "s3:DeleteObject", "bucket/a/secret"), "Sid": "x"})
    assert failure(bob.rename_object, **rename) == DENIED
    put(client, {**allowed, "Principal": {"AWS": number(office)}})
    assert failure(bob.rename_object, **rename) == DENIED  # the account was named, not its users
    put(client, allowed, {**said("Deny", "s3:DeleteObject", "bucket/a/*", who=number(office), StringEquals={
        "aws:username": "somebody else"}), "Sid": "x"})
    assert failure(bob.rename_object, **rename) == DENIED  # conditions of a denial are not looked into
    put(client, allowed)
    bob.rename_object(**rename)
    assert text(client, "c/k") == b"of a"


# ---- conditions
def test_conditions_of_a_bucket_policy(office, client):
    bob = office.user("bob", "readwrite")
    standard = {"s3:x-amz-storage-class": "STANDARD"}
    put(client, said("Deny", "s3:PutObject", "bucket/*", StringNotEquals=standard),
        {**said("Deny", "s3:ListBucket", "bucket", StringNotLike={"s3:prefix": "a/*"}), "Sid": "list"},
        {**said("Deny", "s3:GetObject", "bucket/*", NotIpAddress={"aws:SourceIp": "127.0.0.0/8"},
                StringEquals={"aws:username": "bob"}), "Sid": "address"})
    assert failure(bob.put_object, Bucket="bucket", Key="k", Body=b"x") == DENIED
    bob.put_object(Bucket="bucket", Key="k", Body=b"x", StorageClass="STANDARD")
    assert failure(bob.list_objects_v2, Bucket="bucket") == DENIED
    assert bob.list_objects_v2(Bucket="bucket", Prefix="a/")["KeyCount"] == 1
    assert text(bob) == b"of a"


# ---- the public access block
def block(**settings: bool) -> dict[str, bool]:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return {name: settings.get(name, False) for name in names}


def test_the_block_is_put_shown_and_removed(client):
    missing = ("NoSuchPublicAccessBlockConfiguration", 404)
    assert failure(client.get_public_access_block, Bucket="bucket") == missing
    for settings in (block(BlockPublicPolicy=True), block(IgnorePublicAcls=True, RestrictPublicBuckets=True)):
        client.put_public_access_block(Bucket="bucket", PublicAccessBlockConfiguration=settings)
        shown = client.get_public_access_block(Bucket="bucket")
        assert shown["PublicAccessBlockConfiguration"] == settings
    for _ in range(2):
        done = client.delete_public_access_block(Bucket="bucket")
        assert done["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert failure(client.get_public_access_block, Bucket="bucket") == missing


def test_a_public_policy_is_blocked(client):
    public = said("Allow", "s3:GetObject", "bucket/*")
    put(client, public)
    client.put_public_access_block(
        Bucket="bucket", PublicAccessBlockConfiguration=block(BlockPublicPolicy=True))
    assert "Allow" in client.get_bucket_policy(Bucket="bucket")["Policy"]  # one that is there stays
    assert failure(lambda: put(client, public)) == DENIED
    put(client, said("Allow", "s3:GetObject", "bucket/*", IpAddress={"aws:SourceIp": "10.0.0.0/8"}))
    put(client, said("Deny", "s3:GetObject", "bucket/x"))
    client.delete_public_access_block(Bucket="bucket")
    put(client, public)


def test_a_public_bucket_is_restricted_to_its_account(office, client, stranger):
    bob = office.user("bob")
    put(client, said("Allow", "s3:GetObject", "bucket/*"),
        {**said("Allow", "s3:PutObject", "bucket/*", who=arn(office, "eve", "other")), "Sid": "2"})
    assert text(stranger) == b"of a"
    client.put_public_access_block(
        Bucket="bucket", PublicAccessBlockConfiguration=block(RestrictPublicBuckets=True))
    assert text(bob) == b"of a"
    assert failure(stranger.get_object, Bucket="bucket", Key="a/k") == DENIED
    assert failure(stranger.put_object, Bucket="bucket", Key="x", Body=b"x") == DENIED  # it is not alone
    put(client, said("Allow", "s3:PutObject", "bucket/*", who=arn(office, "eve", "other")))
    stranger.put_object(Bucket="bucket", Key="x", Body=b"x")  # this policy is not public


def test_public_acls_are_blocked(client):
    write = {"Bucket": "bucket", "Key": "k", "Body": b"x"}
    assert failure(client.put_object, **write, ACL="public-read")[0] == "AccessControlListNotSupported"
    client.put_public_access_block(
        Bucket="bucket", PublicAccessBlockConfiguration=block(BlockPublicAcls=True))
    for acl in ("public-read", "public-read-write", "authenticated-read"):
        assert failure(client.put_object, **write, ACL=acl) == DENIED
    group = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    assert failure(client.put_object, **write, GrantRead=group) == DENIED
    client.put_object(**write, ACL="bucket-owner-full-control")


# ---- whom it belongs to
def test_a_bucket_made_again_has_no_policy(office, client):
    put(client, said("Allow", "s3:GetObject", "bucket/*"))
    for key in ("a/k", "b/k"):
        client.delete_object(Bucket="bucket", Key=key)
    client.delete_bucket(Bucket="bucket")
    client.create_bucket(Bucket="bucket")
    assert failure(client.get_bucket_policy, Bucket="bucket") == ("NoSuchBucketPolicy", 404)


def test_a_copied_directory_grants_nothing(office, client, endpoint):
    bob = office.user("bob")
    put(client, said("Allow", "s3:*", "*", who=arn(office, "bob")))
    assert text(bob) == b"of a"
    subprocess.run(["cp", "-a", endpoint.root / "bucket", endpoint.root / "copied"], check=True)
    assert failure(bob.get_object, Bucket="copied", Key="a/k") == DENIED
    assert text(client, bucket="copied") == b"of a"
    shutil.move(endpoint.root / "bucket", endpoint.root / "aside")
    shutil.move(endpoint.root / "copied", endpoint.root / "bucket")
    assert failure(bob.get_object, Bucket="bucket", Key="a/k") == DENIED  # nor is the name enough


def test_a_policy_that_cannot_be_read_stops_the_bucket(office, client, endpoint):
    put(client, said("Allow", "s3:GetObject", "bucket/*"))
    record = endpoint.root / ".weka" / "buckets" / "bucket.access"
    record.write_bytes(record.read_bytes()[:-1])
    assert failure(client.get_object, Bucket="bucket", Key="a/k") == ("ServiceUnavailable", 503)
    record.unlink()
    assert text(client) == b"of a"


def test_by_root_alone_without_users(tmp_path):
    """An endpoint that knows nobody but root has policies all the same."""
    root = tmp_path / "store"
    root.mkdir()
    with running_endpoint(root) as endpoint:
        client = endpoint.client()
        client.create_bucket(Bucket="bucket")
        put(client, said("Deny", "s3:PutObject", "bucket/*", who="000000000001"))
        assert failure(client.put_object, Bucket="bucket", Key="k", Body=b"x") == DENIED
        client.delete_bucket_policy(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="k", Body=b"x")


def test_a_directory_that_was_unlinked_is_no_bucket(office, client, endpoint):
    bob = office.user("bob", "readwrite")
    client.create_bucket(Bucket="other")
    endpoint.namespace.unlink_bucket("bucket")
    missing = ("NoSuchBucket", 404)
    for one in (client, bob):
        assert [row["Name"] for row in one.list_buckets()["Buckets"]] == ["other"]
        assert failure(one.get_object, Bucket="bucket", Key="a/k") == missing
        assert failure(one.put_object, Bucket="bucket", Key="new", Body=b"x") == missing
        assert failure(one.list_objects_v2, Bucket="bucket") == missing
        assert failure(one.delete_bucket, Bucket="bucket") == missing
        assert failure(one.create_bucket, Bucket="bucket") == ("BucketAlreadyExists", 409)
        source = {"Bucket": "bucket", "Key": "a/k"}
        assert failure(one.copy_object, Bucket="other", Key="k", CopySource=source) == missing
        assert failure(lambda one=one: put(one, said("Allow", "s3:GetObject", "bucket/*"))) == missing
        assert failure(one.delete_objects, Bucket="bucket", Delete={"Objects": [{"Key": "a/k"}]}) == missing
    assert (endpoint.root / "bucket" / "a" / "k").read_bytes() == b"of a"
    assert send(endpoint, signed("OPTIONS", "/bucket/a/k")).status in (400, 403)


def test_a_role_without_data_gets_none_by_a_policy(office, client, endpoint):
    office.admin.add_user("admin", Role.CLUSTER_ADMIN, PASSWORD)
    put(client, said("Allow", "s3:GetObject", "bucket/*"))
    assert failure(
        endpoint.client(access_key="admin", secret_key=PASSWORD).get_object, Bucket="bucket", Key="a/k"
    ) == ("InvalidAccessKeyId", 403)
    assert ACCESS_KEY not in client.get_bucket_policy(Bucket="bucket")["Policy"]
