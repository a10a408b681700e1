"""Users, their keys and their policies at the endpoint: who may what, at once, and by no other way round."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import Any

import pytest

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY, Endpoint, running_endpoint
from tests.server.identities import (
    PASSWORD,
    Office,
    allowing,
    document,
    running_office,
    statement,
    two_objects,
)
from tests.server.raw_http import presigned, send, signed
from tests.server.test_authorization import request_of
from tests.server.test_objects import failure
from weka_mp.identity import PosixIdentity, Role
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.namespace import NewObject
from weka_mp.s3.routing import ROUTES

DENIED = ("AccessDenied", 403)
HEAD_DENIED = ("403", 403)


@pytest.fixture
def office(office: Office) -> Office:
    return two_objects(office)


@pytest.fixture
def endpoint(office: Office) -> Endpoint:
    return office.endpoint


def text(client: Any, key: str, bucket: str = "bucket") -> bytes:
    body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def keys(client: Any, bucket: str = "bucket", **arguments: Any) -> list[str]:
    return [row["Key"] for row in client.list_objects_v2(Bucket=bucket, **arguments).get("Contents", [])]


# ---- who has no policy, and who has a named one
def test_a_user_without_a_policy_may_do_nothing(office, endpoint):
    office.user("bob")
    for route in ROUTES:
        request = request_of(route)
        target = request.split(b" ")[1].decode()
        marks = [mark.partition(":")[2] for mark in route.marks if mark.startswith("header:")]
        answer = send(endpoint, signed(
            route.method, target, headers=dict.fromkeys(marks, "bucket/other"), access_key="bob",
            secret=PASSWORD,
        ))
        if route.name == "PostObject":
            assert answer.status in (400, 403, 412), route
            continue
        if route.name == "CORSPreflight":  # nobody signs it: it is answered by the rules of the bucket alone
            assert answer.status == 400
            continue
        assert answer.status == 403, route
        assert route.method == "HEAD" or answer.code == "AccessDenied", route


def test_the_named_policies(office, client):
    reader, writer = office.user("reader", "readonly"), office.user("writer", "writeonly")
    both = office.user("both", "readwrite")
    assert text(reader, "a/k") == b"of a"
    assert keys(reader) == ["a/k", "b/k"]
    assert [row["Name"] for row in reader.list_buckets()["Buckets"]] == ["bucket"]
    assert failure(reader.put_object, Bucket="bucket", Key="a/k", Body=b"x") == DENIED
    assert failure(reader.delete_object, Bucket="bucket", Key="a/k") == DENIED
    assert failure(reader.create_bucket, Bucket="other-bucket") == DENIED
    writer.put_object(Bucket="bucket", Key="w", Body=b"written")
    assert failure(writer.get_object, Bucket="bucket", Key="w") == DENIED
    assert failure(writer.list_objects_v2, Bucket="bucket") == DENIED
    assert failure(writer.list_buckets) == DENIED
    assert text(both, "w") == b"written"
    both.delete_object(Bucket="bucket", Key="w")
    both.create_bucket(Bucket="other-bucket")
    both.delete_bucket(Bucket="other-bucket")
    assert failure(both.get_bucket_policy, Bucket="bucket") == ("NoSuchBucketPolicy", 404)
    assert failure(both.get_bucket_cors, Bucket="bucket") == ("NoSuchCORSConfiguration", 404)
    assert failure(reader.put_bucket_policy, Bucket="bucket", Policy="{}") == DENIED


def test_a_denial_wins_over_everything(office):
    bob = office.user("bob", "readwrite", document(statement("Deny", "s3:GetObject", "bucket/b/*")))
    assert text(bob, "a/k") == b"of a"
    assert failure(bob.get_object, Bucket="bucket", Key="b/k") == DENIED
    assert failure(bob.head_object, Bucket="bucket", Key="b/k") == HEAD_DENIED
    copy = {"Bucket": "bucket", "Key": "a/copy", "CopySource": "bucket/b/k"}
    assert failure(bob.copy_object, **copy) == DENIED


# ---- prefixes and ways round them
HOME = document(
    statement("Allow", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "bucket/${aws:username}/*"),
    statement("Allow", "s3:ListBucket", "bucket", StringLike={"s3:prefix": "${aws:username}/*"}),
)


def test_a_user_with_a_home(office):
    home = office.user("a", HOME)
    assert text(home, "a/k") == b"of a"
    assert keys(home, Prefix="a/") == ["a/k"]
    assert failure(home.list_objects_v2, Bucket="bucket") == DENIED
    assert failure(home.list_objects_v2, Bucket="bucket", Prefix="b/") == DENIED
    assert failure(home.head_bucket, Bucket="bucket") == HEAD_DENIED
    assert failure(home.get_object, Bucket="bucket", Key="b/k") == DENIED
    # The bucket may be listed below a/ only, so that is where it is told which keys there are not.
    assert failure(home.get_object, Bucket="bucket", Key="b/none") == DENIED
    assert failure(home.head_object, Bucket="bucket", Key="b/none") == HEAD_DENIED
    assert failure(home.get_object, Bucket="bucket", Key="a/none") == ("NoSuchKey", 404)
    assert failure(home.head_object, Bucket="bucket", Key="a/none") == ("404", 404)


def test_who_may_list_is_told_that_a_key_is_missing(office):
    lists = office.user("lists", allowing(["s3:GetObject", "s3:ListBucket"], "bucket", "bucket/*"))
    assert failure(lists.get_object, Bucket="bucket", Key="none") == ("NoSuchKey", 404)
    assert failure(lists.head_object, Bucket="bucket", Key="none") == ("404", 404)
    gets = office.user("gets", allowing("s3:GetObject", "*"))
    assert failure(gets.get_object, Bucket="bucket", Key="none") == DENIED
    assert failure(gets.get_object, Bucket="no-bucket", Key="none") == ("NoSuchBucket", 404)


ODD_PATHS = (
    "a/../b/k", "a/%2e%2e/b/k", "a/%2E./b/k", "a/..%2fb/k", "a//../b/k", "%61/../b/k", "./b/k", "%2e/b/k",
    "/b/k", "%2Fb/k", "b%2Fk", "b%2fk", "%62/k", "b//k", "a/.%2e/../bucket/b/k",
)  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_no_spelling_of_a_path_leads_out_of_the_home(office, endpoint, client, method):
    office.user("a", HOME)
    body = b"intruder" if method == "PUT" else b""
    for path in ODD_PATHS:
        answer = send(endpoint, signed(method, f"/bucket/{path}", body, access_key="a", secret=PASSWORD))
        assert b"of b" not in answer.body, path
        assert text(client, "b/k") == b"of b", path
        if not path.startswith(("a/", "%61/")):  # what begins with a/ is a key of its own below the home
            assert answer.status == 403, path


ODD_QUERIES = (
    "list-type=2&prefix=a/&prefix=b/", "list-type=2&prefix=b/&prefix=a/", "prefix=b/&Prefix=a/",
    "prefix=b%2F", "prefix=", "list-type=2&prefix=a%2F..%2Fb/", "prefix=%61/&delimiter=x&marker=b",
)  # fmt: skip


def test_no_spelling_of_a_prefix_shows_more(office, endpoint):
    office.user("a", HOME)
    for query in ODD_QUERIES:
        answer = send(endpoint, signed("GET", f"/bucket?{query}", access_key="a", secret=PASSWORD))
        assert b"b/k" not in answer.body, query


def test_copies_with_rights_on_one_side(office, endpoint, client):
    client.create_bucket(Bucket="secret-bucket")
    client.put_object(Bucket="secret-bucket", Key="k", Body=b"secret")
    bob = office.user("bob", allowing("s3:*", "bucket", "bucket/*"))
    source = {"Bucket": "secret-bucket", "Key": "k"}
    assert failure(bob.copy_object, Bucket="bucket", Key="c", CopySource=source) == DENIED
    for spelling in ("/secret-bucket/k", "secret-bucket%2Fk", "secret-bucket/k?versionId=null"):
        answer = send(endpoint, signed(
            "PUT", "/bucket/c", headers={"x-amz-copy-source": spelling}, access_key="bob", secret=PASSWORD,
        ))
        assert (answer.status, answer.code) == (403, "AccessDenied")
    upload = bob.create_multipart_upload(Bucket="bucket", Key="c")["UploadId"]
    part = {"Bucket": "bucket", "Key": "c", "UploadId": upload, "PartNumber": 1}
    assert failure(bob.upload_part_copy, **part, CopySource=source) == DENIED
    out = {"Bucket": "secret-bucket", "Key": "c", "CopySource": "bucket/a/k"}
    assert failure(bob.copy_object, **out) == DENIED
    # Nor is it told which keys the other bucket lacks.
    assert failure(bob.copy_object, Bucket="bucket", Key="c", CopySource="secret-bucket/none") == DENIED
    bob.copy_object(Bucket="bucket", Key="c", CopySource="bucket/a/k")
    bob.upload_part_copy(**part, CopySource="bucket/a/k")


def rename(endpoint: Endpoint, source: str, target: str, user: str) -> int:
    return send(endpoint, signed(
        "PUT", f"/bucket/{target}?renameObject", headers={"x-amz-rename-source": source}, access_key=user,
        secret=PASSWORD,
    )).status


def test_renames(office, endpoint, client):
    office.user("a", HOME)
    assert rename(endpoint, "b/k", "a/stolen", "a") == 403
    assert rename(endpoint, "a/k", "b/k2", "a") == 403
    assert rename(endpoint, "b/", "a/b/", "a") == 403
    assert rename(endpoint, "a/k", "a/k2", "a") == 200
    assert rename(endpoint, "a/none", "a/k3", "a") == 404  # it may list that prefix
    client.put_object(Bucket="bucket", Key="a/d/1", Body=b"1")
    assert rename(endpoint, "a/d/", "a/e/", "a") == 200
    assert text(client, "a/e/1") == b"1"


def test_a_prefix_is_not_renamed_over_a_denial_below_it(office, endpoint, client):
    client.put_object(Bucket="bucket", Key="d/secret/1", Body=b"1")
    office.user("bob", "readwrite", document(statement("Deny", "s3:GetObject", "bucket/d/secret/*")))
    assert rename(endpoint, "d/", "open/", "bob") == 403
    assert rename(endpoint, "a/", "moved/", "bob") == 200


def test_deletions_are_judged_one_by_one(office, client):
    bob = office.user("bob", allowing("s3:DeleteObject", "bucket/a/*"))
    objects = [{"Key": "a/k"}, {"Key": "b/k"}, {"Key": "a/none"}, {"Key": "a/x", "ETag": "e"}]
    done = bob.delete_objects(Bucket="bucket", Delete={"Objects": objects})
    assert [row["Key"] for row in done["Deleted"]] == ["a/k", "a/none"]
    assert [(row["Key"], row["Code"]) for row in done["Errors"]] == [
        ("b/k", "AccessDenied"), ("a/x", "AccessDenied"),
    ]  # fmt: skip
    assert keys(client) == ["b/k"]
    reads = office.user("reads", allowing(["s3:DeleteObject", "s3:GetObject"], "bucket/*"))
    done = reads.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "none", "ETag": "e"}]})
    assert [row["Code"] for row in done["Errors"]] == ["AccessDenied"]  # it may not list
    assert failure(bob.delete_object, Bucket="bucket", Key="b/k") == DENIED
    nobody = office.user("nobody", allowing("s3:DeleteObject", "other/*"))
    assert failure(nobody.delete_objects, Bucket="bucket", Delete={"Objects": objects}) == DENIED


def test_conditions_on_an_object_need_the_right_to_read_it(office):
    bob = office.user("bob", allowing(["s3:PutObject", "s3:DeleteObject"], "bucket/*"))
    bob.put_object(Bucket="bucket", Key="new", Body=b"x", IfNoneMatch="*")
    assert failure(bob.put_object, Bucket="bucket", Key="a/k", Body=b"x", IfMatch='"e"') == DENIED
    assert failure(bob.delete_object, Bucket="bucket", Key="a/k", IfMatch='"e"') == DENIED


def test_an_upload_in_parts(office):
    writer = office.user("writer", "writeonly")
    upload = writer.create_multipart_upload(Bucket="bucket", Key="m")["UploadId"]
    part = {"Bucket": "bucket", "Key": "m", "UploadId": upload}
    tag = writer.upload_part(**part, PartNumber=1, Body=b"part")["ETag"]
    assert failure(writer.list_parts, **part) == DENIED
    assert failure(writer.abort_multipart_upload, **part) == DENIED
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    other = office.user("other", allowing("s3:PutObject", "bucket/o/*"))
    assert failure(other.complete_multipart_upload, **part, MultipartUpload=parts) == DENIED
    stolen = {**part, "Key": "o/m"}
    assert failure(other.complete_multipart_upload, **stolen, MultipartUpload=parts)[0] == "NoSuchUpload"
    writer.complete_multipart_upload(**part, MultipartUpload=parts)


# ---- conditions
CONDITIONS = (
    ("IpAddress", "aws:SourceIp", "127.0.0.0/8"),
    ("Bool", "aws:SecureTransport", "false"),
    ("StringEquals", "aws:username", "bob"),
    ("StringLike", "aws:userid", "AIDA*"),
    ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::000000000001:user/bob"),
    ("StringEquals", "s3:authType", "REST-HEADER"),
    ("StringEquals", "s3:signatureversion", "AWS4-HMAC-SHA256"),
    ("NumericLessThan", "s3:signatureAge", "600000"),
    ("StringLike", "aws:UserAgent", "Boto3/*"),
    ("DateGreaterThan", "aws:CurrentTime", "2020-01-01T00:00:00Z"),
    ("NumericGreaterThan", "aws:EpochTime", "1577836800"),
    ("StringEquals", "s3:ExistingObjectTag/kind", "open"),
    ("StringEquals", "aws:RequestedRegion", "us-east-1"),
)


def test_conditions_that_hold(office, endpoint):
    with endpoint.namespace.begin_put("bucket", b"tagged") as session:
        session.write(b"x")
        session.publish(NewObject(md5=hashlib.md5(b"x").digest(), tags={"kind": "open"}))
    bob = office.user("bob", NARROW)
    for operator, key, value in CONDITIONS:
        office.admin.replace_policy(
            "bob-0", allowing("s3:GetObject", "bucket/*", **{operator: {key: value}}))
        assert text(bob, "tagged") == b"x", key
        negated = document(
            statement("Allow", "s3:GetObject", "bucket/*"),
            statement("Deny", "s3:GetObject", "bucket/*", **{operator: {key: value}}),
        )
        office.admin.replace_policy("bob-0", negated)
        assert failure(bob.get_object, Bucket="bucket", Key="tagged") == DENIED, key


def test_conditions_on_what_is_listed(office):
    limits = {"NumericLessThanEquals": {"s3:max-keys": "1"}, "StringEquals": {"s3:delimiter": "/"}}
    bob = office.user("bob", allowing("s3:ListBucket", "bucket", **limits))
    assert bob.list_objects_v2(Bucket="bucket", MaxKeys=1, Delimiter="/")["KeyCount"] == 1
    assert failure(bob.list_objects_v2, Bucket="bucket", Delimiter="/") == DENIED
    assert failure(bob.list_objects_v2, Bucket="bucket", MaxKeys=2, Delimiter="/") == DENIED
    assert failure(bob.list_objects_v2, Bucket="bucket", MaxKeys=1) == DENIED


def test_the_region_of_a_new_bucket(office, tmp_path):
    root = tmp_path / "far"
    root.mkdir()
    with running_office(root, region="eu-1") as far:
        far.user("bob", allowing("s3:CreateBucket", "*", StringEquals={"s3:LocationConstraint": "eu-1"}))
        far.user("tom", allowing("s3:CreateBucket", "*", StringEquals={"s3:LocationConstraint": "us-1"}))
        bob, tom = (
            far.endpoint.client(access_key=name, secret_key=PASSWORD, region_name="eu-1")
            for name in ("bob", "tom")
        )
        wanted = {"Bucket": "made", "CreateBucketConfiguration": {"LocationConstraint": "eu-1"}}
        assert failure(tom.create_bucket, **wanted) == DENIED
        bob.create_bucket(**wanted)


def test_only_presigned_urls(office, endpoint):
    bob = office.user("bob", allowing(
        "s3:GetObject", "bucket/*", StringEquals={"s3:authType": "REST-QUERY-STRING"}))
    assert failure(bob.get_object, Bucket="bucket", Key="a/k") == DENIED
    url = presigned(
        endpoint, "get_object", {"Bucket": "bucket", "Key": "a/k"}, access_key="bob", secret_key=PASSWORD,
        signature_version="s3v4",
    )
    done = subprocess.run(["curl", "-sS", "--max-time", "20", url], capture_output=True, check=True)
    assert done.stdout == b"of a"


def test_header_and_query_signature_together(office, endpoint):
    """Whose rights would count? Nobody's."""
    office.user("bob")
    url = presigned(endpoint, "get_object", {"Bucket": "bucket", "Key": "a/k"}, signature_version="s3v4")
    target = url.removeprefix(endpoint.url)
    answer = send(endpoint, signed("GET", target, access_key="bob", secret=PASSWORD))
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def test_forms_are_judged_by_their_signer(office, client, tmp_path):
    bob = office.user("bob", allowing("s3:PutObject", "bucket/up/*", StringEquals={"s3:authType": "POST"}))
    source = tmp_path / "page.txt"
    source.write_bytes(b"from a browser")

    def post(key: str) -> str:
        form = bob.generate_presigned_post("bucket", key)
        fields = [part for name, value in form["fields"].items() for part in ("-F", f"{name}={value}")]
        command = ["curl", "-sS", "--max-time", "20", *fields, "-F", f"file=@{source}", form["url"]]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert post("up/1") == ""
    assert "AccessDenied" in post("down/1")
    assert failure(bob.put_object, Bucket="bucket", Key="up/2", Body=b"x") == DENIED
    assert keys(client, Prefix="up/") == ["up/1"]
    assert keys(client, Prefix="down/") == []


# ---- keys that were given out
NARROW = allowing("s3:GetObject", "bucket/a/*")


def test_service_accounts(office):
    office.user("bob", allowing("s3:*Object", "bucket/*"))
    narrow = office.client_of(office.issuer.add_service_account("bob", NARROW))
    same = office.client_of(office.issuer.add_service_account("bob"))
    wide = office.client_of(office.issuer.add_service_account("bob", allowing("s3:*", "*")))
    assert text(narrow, "a/k") == text(same, "a/k") == text(wide, "a/k") == b"of a"
    assert failure(narrow.get_object, Bucket="bucket", Key="b/k") == DENIED
    assert failure(narrow.put_object, Bucket="bucket", Key="a/k", Body=b"x") == DENIED
    assert failure(wide.list_objects_v2, Bucket="bucket") == DENIED
    same.put_object(Bucket="bucket", Key="b/k", Body=b"of b")
    assert failure(narrow.delete_objects, Bucket="bucket", Delete={"Objects": [{"Key": "a/k"}]}) == DENIED


def test_temporary_credentials(office):
    office.user("bob", allowing("s3:*Object", "bucket/*"))
    issued = office.issuer.assume_role("bob", 900, NARROW)
    session = office.client_of(issued)
    assert text(session, "a/k") == b"of a"
    assert failure(session.get_object, Bucket="bucket", Key="b/k") == DENIED
    another = office.issuer.assume_role("bob", 900)
    get = {"Bucket": "bucket", "Key": "a/k"}
    assert failure(office.client_of(issued, token=another.token).get_object, **get) == ("InvalidToken", 400)
    assert failure(office.client_of(issued, token="x").get_object, **get) == ("InvalidToken", 400)
    assert failure(office.client_of(issued, token="").get_object, **get) == ("InvalidAccessKeyId", 403)
    assert failure(office.client_of(issued, secret=another.secret).get_object, **get) == (
        "SignatureDoesNotMatch", 403,
    )  # fmt: skip


def test_temporary_credentials_of_root_are_narrowed_too(office):
    narrow = office.client_of(office.issuer.assume_role(ACCESS_KEY, 900, NARROW))
    assert text(narrow, "a/k") == b"of a"
    assert failure(narrow.get_object, Bucket="bucket", Key="b/k") == DENIED
    assert failure(narrow.list_buckets) == DENIED
    whole = office.client_of(office.issuer.assume_role(ACCESS_KEY, 900))
    assert text(whole, "b/k") == b"of b"


def test_expired_credentials(office, monkeypatch):
    office.user("bob", "readonly")
    real = office.identities.clock.now_ns
    monkeypatch.setattr(office.identities, "clock", type("Past", (), {
        "now_ns": staticmethod(lambda: real() - 901 * 10**9)}))
    monkeypatch.setattr(office.identities.tokens, "_clock", office.identities.clock)
    session = office.client_of(office.issuer.assume_role("bob", 900))
    assert failure(session.get_object, Bucket="bucket", Key="a/k") == ("ExpiredToken", 400)


def test_a_change_is_in_force_at_once_in_all_workers(office, client):
    bob = office.user("bob", "readonly")
    with running_endpoint(office.endpoint.root, identity_keys=office.keys) as second:
        again = second.client(access_key="bob", secret_key=PASSWORD)
        session, service = office.issuer.assume_role("bob", 900), office.issuer.add_service_account("bob")
        clients = [
            bob, again,
            *(office.client_of(issued, at) for issued in (session, service) for at in (None, second)),
        ]  # fmt: skip
        for _ in range(3):
            assert {text(one, "a/k") for one in clients} == {b"of a"}
            office.admin.detach_from_user("readonly", "bob")
            for one in clients:
                assert failure(one.get_object, Bucket="bucket", Key="a/k") == DENIED
            office.admin.attach_to_user("readonly", "bob")
        office.admin.set_password("bob", "Another-Horse-9")
        for one in (bob, again):
            assert failure(one.get_object, Bucket="bucket", Key="a/k") == ("SignatureDoesNotMatch", 403)
        office.admin.remove_user("bob")
        office.admin.add_user("bob", Role.S3, PASSWORD)
        office.admin.attach_to_user("readonly", "bob")
        for one in clients[:2]:
            assert text(one, "a/k") == b"of a"
        for one in clients[2:]:  # those of the former bob stay dead
            assert failure(one.get_object, Bucket="bucket", Key="a/k") == ("InvalidAccessKeyId", 403)


def test_an_access_key_that_is_switched_off(office):
    office.user("bob", "readonly")
    issued = office.admin.add_access_key("bob")
    by_key = office.client_of(issued)
    assert text(by_key, "a/k") == b"of a"
    office.admin.set_access_key_active("bob", issued.access_key, False)
    assert failure(by_key.get_object, Bucket="bucket", Key="a/k") == ("InvalidAccessKeyId", 403)


@pytest.mark.parametrize("role", [Role.CLUSTER_ADMIN, Role.ORG_ADMIN, Role.REGULAR, Role.READ_ONLY])
def test_administrators_have_no_data(office, role):
    office.admin.add_user("boss", role, PASSWORD)
    by_name = office.endpoint.client(access_key="boss", secret_key=PASSWORD)
    assert failure(by_name.list_buckets) == ("InvalidAccessKeyId", 403)
    by_key = office.client_of(office.admin.add_access_key("boss"))
    assert failure(by_key.list_buckets) == DENIED
    assert failure(by_key.get_object, Bucket="bucket", Key="a/k") == DENIED


# ---- accounts and owners
def test_accounts_do_not_see_each_other(office, client):
    office.admin.add_account("acme", display_name="Acme Inc.")
    eve = office.user("eve", "readwrite", account="acme")
    assert eve.list_buckets()["Buckets"] == []
    assert eve.list_buckets()["Owner"]["ID"] != client.list_buckets()["Owner"]["ID"]
    assert failure(eve.get_object, Bucket="bucket", Key="a/k") == DENIED
    assert failure(eve.list_objects_v2, Bucket="bucket") == DENIED
    assert failure(eve.put_object, Bucket="bucket", Key="a/k", Body=b"x") == DENIED
    assert failure(eve.delete_bucket, Bucket="bucket") == DENIED
    delete = {"Objects": [{"Key": "a/k"}]}
    assert [row["Code"] for row in eve.delete_objects(Bucket="bucket", Delete=delete)["Errors"]] == [
        "AccessDenied",
    ]  # fmt: skip
    assert failure(eve.create_bucket, Bucket="bucket") == ("BucketAlreadyExists", 409)
    eve.create_bucket(Bucket="of-acme")
    eve.put_object(Bucket="of-acme", Key="k", Body=b"acme")
    assert text(eve, "k", "of-acme") == b"acme"
    copy = {"Bucket": "of-acme", "Key": "c", "CopySource": "bucket/a/k"}
    assert failure(eve.copy_object, **copy) == DENIED
    assert failure(client.get_object, Bucket="of-acme", Key="k") == DENIED
    assert [row["Name"] for row in client.list_buckets()["Buckets"]] == ["bucket"]
    assert [row["Name"] for row in eve.list_buckets()["Buckets"]] == ["of-acme"]
    bob = office.user("bob", "readwrite")
    assert failure(bob.get_object, Bucket="of-acme", Key="k") == DENIED
    assert text(bob, "a/k") == b"of a"
    row = eve.list_objects_v2(Bucket="of-acme", FetchOwner=True)["Contents"][0]
    assert row["Owner"] == eve.list_buckets()["Owner"]
    assert row["Owner"].get("DisplayName", "Acme Inc.") == "Acme Inc."
    owner = eve.list_buckets()["Owner"]["ID"]
    eve.get_object(Bucket="of-acme", Key="k", ExpectedBucketOwner=owner)
    wrong = client.list_buckets()["Owner"]["ID"]
    assert failure(eve.get_object, Bucket="of-acme", Key="k", ExpectedBucketOwner=wrong) == DENIED


def test_files_belong_to_whom_the_user_is(office, endpoint, client):
    bob = office.user("bob", "readwrite", posix=PosixIdentity(1234, 2345))
    bob.create_bucket(Bucket="of-bob")
    bob.put_object(Bucket="of-bob", Key="d/k", Body=b"x")
    bob.copy_object(Bucket="of-bob", Key="copy", CopySource="of-bob/d/k")
    upload = bob.create_multipart_upload(Bucket="of-bob", Key="m")["UploadId"]
    part = {"Bucket": "of-bob", "Key": "m", "UploadId": upload}
    tag = bob.upload_part(**part, PartNumber=1, Body=b"part")["ETag"]
    client.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    for path in ("of-bob", "of-bob/d", "of-bob/d/k", "of-bob/copy", "of-bob/m"):
        found = os.stat(endpoint.root / path)
        assert (found.st_uid, found.st_gid) == (1234, 2345), path


# ---- what cannot be relied upon, and what is told
def test_a_damaged_record_lets_nobody_in(office, endpoint, client):
    bob = office.user("bob", "readonly")
    assert text(bob, "a/k") == b"of a"
    record = endpoint.root / ".weka" / "identity" / "registry"
    good = record.read_bytes()
    record.write_bytes(good.replace(b"readonly", b"readwrit"))
    for one in (bob, client):
        assert failure(one.get_object, Bucket="bucket", Key="a/k") == ("ServiceUnavailable", 503)
    with pytest.raises(IdentityUnusable):
        office.admin.add_user("eve", Role.S3, PASSWORD)
    record.write_bytes(good)
    assert text(bob, "a/k") == text(client, "a/k") == b"of a"


def test_the_log_says_who_was_refused_what_and_why(office, endpoint, caplog):
    deny = {**statement("Deny", "s3:GetObject", "bucket/b/*"), "Sid": "NotB"}
    bob = office.user("bob", "readonly", document(deny))
    caplog.set_level("INFO", "weka_mp.access")
    failure(bob.get_object, Bucket="bucket", Key="b/k")
    failure(bob.put_object, Bucket="bucket", Key="b/k\nuser=root", Body=b"x")
    bob.list_buckets()  # what came before on this connection is logged by now
    records = [record for record in caplog.records if record.name == "weka_mp.access"]
    first, second = records[0].fields, records[1].fields
    assert first["user"] == "arn:aws:iam::000000000001:user/bob"
    assert first["action"] == "s3:GetObject"
    assert first["resource"] == "arn:aws:s3:::bucket/b/k"
    assert first["statement"] == "identity bob-1 statement 0 (NotB)"
    assert first["why"] == "a statement denies it"
    assert (second["action"], second["why"]) == ("s3:PutObject", "no policy allows it")
    assert "statement" not in second
    told = json.dumps([record.fields for record in records]) + caplog.text
    assert PASSWORD not in told
    assert SECRET_KEY not in told
