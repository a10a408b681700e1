"""Requests that nobody signed: what a bucket's policy lets everybody do, and nothing else."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from tests.server.endpoint import Endpoint
from tests.server.identities import Office, document, running_office, statement
from tests.server.raw_http import presigned, send, signed
from tests.server.test_authorization import curl, request_of
from tests.server.test_objects import failure
from weka_mp.policy.canned import bucket_policy_text
from weka_mp.s3.routing import ROUTES, Scope

pytestmark = pytest.mark.slow

DENIED = ("AccessDenied", 403)
NOBODY = 65534


@pytest.fixture
def office(office: Office) -> Office:
    client = office.endpoint.client()
    client.create_bucket(Bucket="bucket")
    client.create_bucket(Bucket="private")
    client.put_object(Bucket="bucket", Key="a/k", Body=b"of a", ContentType="text/plain")
    client.put_object(Bucket="private", Key="k", Body=b"secret")
    return office


@pytest.fixture
def endpoint(office: Office) -> Endpoint:
    return office.endpoint


@pytest.fixture
def nobody(endpoint: Endpoint) -> Any:
    return boto3.client("s3", endpoint_url=endpoint.url, region_name="us-east-1", config=Config(
        signature_version=UNSIGNED, s3={"addressing_style": "path"}, retries={"max_attempts": 0}))


def said(effect: str, actions: str | list[str], *resources: str, **condition: Any) -> dict[str, Any]:
    return {**statement(effect, actions, *resources, **condition), "Principal": "*"}


def put(client: Any, *statements: dict[str, Any], bucket: str = "bucket") -> None:
    client.put_bucket_policy(Bucket=bucket, Policy=document(*statements))


def canned(client: Any, name: str) -> None:
    client.put_bucket_policy(Bucket="bucket", Policy=bucket_policy_text(name, "bucket"))


def plain(method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
    fields = {"Host": "s3.example", "Content-Length": str(len(body)),
              **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


# ---- the named policies, each with what it must not allow
def test_download(client, nobody):
    for call in (nobody.list_objects_v2, nobody.get_bucket_location, nobody.head_bucket):
        assert failure(call, Bucket="bucket")[1] == 403
    canned(client, "download")
    assert nobody.get_object(Bucket="bucket", Key="a/k")["Body"].read() == b"of a"
    assert nobody.head_object(Bucket="bucket", Key="a/k")["ContentType"] == "text/plain"
    assert [row["Key"] for row in nobody.list_objects_v2(Bucket="bucket")["Contents"]] == ["a/k"]
    nobody.head_bucket(Bucket="bucket")
    nobody.get_bucket_location(Bucket="bucket")
    assert failure(nobody.put_object, Bucket="bucket", Key="n", Body=b"x") == DENIED
    assert failure(nobody.delete_object, Bucket="bucket", Key="a/k") == DENIED
    assert failure(nobody.get_object, Bucket="private", Key="k") == DENIED
    assert failure(nobody.list_buckets) == DENIED
    client.delete_bucket_policy(Bucket="bucket")
    assert failure(nobody.get_object, Bucket="bucket", Key="a/k") == DENIED  # at once


def test_upload(client, nobody, endpoint):
    canned(client, "upload")
    nobody.put_object(Bucket="bucket", Key="new/deep/n", Body=b"anonymous", Metadata={"a": "b"})
    for path in ("new", "new/deep", "new/deep/n"):
        made = os.stat(endpoint.root / "bucket" / path)
        assert (made.st_uid, made.st_gid) == (NOBODY, NOBODY)
    upload = nobody.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
    part = {"Bucket": "bucket", "Key": "parts", "UploadId": upload}
    tag = nobody.upload_part(**part, PartNumber=1, Body=b"part")["ETag"]
    assert len(nobody.list_parts(**part)["Parts"]) == 1
    assert len(nobody.list_multipart_uploads(Bucket="bucket")["Uploads"]) == 1
    nobody.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]})
    assert os.stat(endpoint.root / "bucket" / "parts").st_uid == NOBODY
    nobody.delete_object(Bucket="bucket", Key="new/deep/n")
    assert failure(nobody.get_object, Bucket="bucket", Key="parts") == DENIED
    assert failure(nobody.list_objects_v2, Bucket="bucket") == DENIED
    source = {"Bucket": "private", "Key": "k"}
    assert failure(nobody.copy_object, Bucket="bucket", Key="stolen", CopySource=source) == DENIED
    assert failure(nobody.put_bucket_policy, Bucket="bucket", Policy="{}") == DENIED
    assert client.get_object(Bucket="bucket", Key="parts")["Body"].read() == b"part"


def test_public(client, nobody, endpoint):
    canned(client, "public")
    nobody.put_object(Bucket="bucket", Key="n", Body=b"x")
    assert nobody.get_object(Bucket="bucket", Key="n")["Body"].read() == b"x"
    nobody.copy_object(Bucket="bucket", Key="c", CopySource={"Bucket": "bucket", "Key": "a/k"})
    assert os.stat(endpoint.root / "bucket" / "c").st_uid == NOBODY
    for call in (nobody.get_bucket_policy, nobody.delete_bucket_policy, nobody.delete_bucket):
        assert failure(call, Bucket="bucket") == DENIED
    assert failure(nobody.create_bucket, Bucket="another") == DENIED


# ---- nothing else
def test_even_a_policy_for_everything_gives_no_more_than_it_names(client, endpoint):
    put(client, said("Allow", "s3:*", "bucket", "bucket/*"))
    for route in ROUTES:
        if route.scope is Scope.SERVICE:
            answer = send(endpoint, request_of(route))
            assert (answer.status, answer.code) == (403, "AccessDenied"), route
    answer = send(endpoint, plain("GET", "/bucket?policy"))
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")  # the owner's account alone
    assert send(endpoint, plain("PUT", "/another")).code == "AccessDenied"
    assert send(endpoint, plain("GET", "/private/k")).code == "AccessDenied"
    assert send(endpoint, plain("GET", "/bucket/../private/k")).status in (403, 404)
    assert send(endpoint, plain("GET", "/bucket/%2e%2e/private/k")).status in (400, 403, 404)


def test_who_is_named_is_not_everybody(office, client, nobody):
    office.user("bob")
    number = client.list_buckets()["Owner"]["ID"][-12:]
    named = {"AWS": [number, f"arn:aws:iam::{number}:user/bob"]}
    allow = said("Allow", "s3:GetObject", "bucket/*")
    spared = {**statement("Deny", "s3:GetObject", "bucket/*"), "NotPrincipal": named}
    for statements in ([{**allow, "Principal": named}], [allow, spared]):
        put(client, *statements)
        assert failure(nobody.get_object, Bucket="bucket", Key="a/k") == DENIED
    put(client, allow)
    assert nobody.get_object(Bucket="bucket", Key="a/k")["Body"].read() == b"of a"


def test_a_denial_wins(client, nobody):
    put(client, said("Allow", "s3:GetObject", "bucket/*"), said("Deny", "s3:GetObject", "bucket/a/*"))
    assert failure(nobody.get_object, Bucket="bucket", Key="a/k") == DENIED
    client.put_object(Bucket="bucket", Key="b", Body=b"x")
    assert nobody.get_object(Bucket="bucket", Key="b")["Body"].read() == b"x"


def test_no_spelling_of_a_path_leads_past_a_policy(client, endpoint):
    """What is denied is the object, however its address is written."""
    put(client, said("Allow", ["s3:GetObject", "s3:PutObject"], "bucket/*"),
        said("Deny", "s3:GetObject", "bucket/a/*"))
    for path in ("a/k", "a%2Fk", "%61/k", "a%2fk", "./a/k", "b/../a/k", "%2e/a/k", "b/%2e%2e/a/k", "/a/k",
                 "a//k", "a/./k", "a/k/", "a/k%00", "a/k?x=1", "a/k?versionId=null", "a/k#x", "A/k"):
        for method in ("GET", "HEAD"):
            answer = send(endpoint, plain(method, f"/bucket/{path}"))
            assert answer.status != 200, (method, path)
            assert b"of a" not in answer.body
    for source in ("bucket/a/k", "/bucket/a/k", "bucket/a%2Fk", "bucket%2Fa%2Fk", "%2Fbucket%2Fa%2Fk",
                   "bucket/a/k?versionId=null", "bucket/../private/k", "bucket/%2e%2e/private/k",
                   "private/k"):
        answer = send(endpoint, plain("PUT", "/bucket/stolen", x_amz_copy_source=source))
        assert answer.status in (400, 403, 404), (source, answer)
    assert not (endpoint.root / "bucket" / "stolen").exists()
    answer = send(endpoint, plain("PUT", "/bucket/%2e%2e/private/k", b"spoilt"))
    assert client.get_object(Bucket="private", Key="k")["Body"].read() == b"secret", answer


def test_who_may_not_list_is_not_told_what_is_missing(client, nobody):
    put(client, said("Allow", "s3:GetObject", "bucket/*"))
    assert failure(nobody.get_object, Bucket="bucket", Key="missing") == DENIED
    canned(client, "download")
    assert failure(nobody.get_object, Bucket="bucket", Key="missing") == ("NoSuchKey", 404)


def test_regression_everybody_is_told_that_there_is_no_such_bucket(office, client, nobody):
    """As S3 tells it: a client that was to make the bucket took 403 for somebody else's."""
    stranger = office.user("stranger")
    client.delete_object(Bucket="private", Key="k")
    client.delete_bucket(Bucket="private")
    missing = ("NoSuchBucket", 404)
    for one in (nobody, stranger):
        for name in ("private", "never"):
            assert failure(one.get_object, Bucket=name, Key="k") == missing
            assert failure(one.put_object, Bucket=name, Key="k", Body=b"x") == missing
            assert failure(one.delete_object, Bucket=name, Key="k") == missing
            assert failure(one.delete_objects, Bucket=name, Delete={"Objects": [{"Key": "k"}]}) == missing
            assert failure(one.list_objects_v2, Bucket=name) == missing
            assert failure(one.head_bucket, Bucket=name) == ("404", 404)
            assert failure(one.get_bucket_policy, Bucket=name) == missing
        source = {"Bucket": "never", "Key": "k"}
        assert failure(one.copy_object, Bucket="never", Key="k", CopySource=source) == missing
        assert failure(one.get_object, Bucket="bucket", Key="a/k") == DENIED  # which is there
        assert failure(one.create_bucket, Bucket="never") == DENIED
        assert failure(one.get_object, Bucket=".weka", Key="k")[1] in (400, 403)


@pytest.mark.parametrize("effect", ["silent", "Deny"])
def test_regression_who_may_list_learns_that_a_key_is_missing_which_it_may_not_read(
    client, nobody, effect
):
    """S3 API, GetObject, «Permissions»: 404 depends on s3:ListBucket alone; clients that look whether they
    wrote something already took 403 for a failure.
    """
    denial = [said("Deny", "s3:GetObject", "bucket/*")] if effect == "Deny" else []
    put(client, said("Allow", ["s3:ListBucket", "s3:PutObject"], "bucket", "bucket/*"), *denial)
    assert failure(nobody.get_object, Bucket="bucket", Key="missing") == ("NoSuchKey", 404)
    assert failure(nobody.head_object, Bucket="bucket", Key="missing") == ("404", 404)
    attributes = {"Bucket": "bucket", "ObjectAttributes": ["ETag"]}
    assert failure(nobody.get_object_attributes, Key="missing", **attributes) == ("NoSuchKey", 404)
    assert failure(nobody.get_object, Bucket="bucket", Key="a/k") == DENIED
    assert failure(nobody.get_object_attributes, Key="a/k", **attributes) == DENIED
    assert failure(nobody.get_object, Bucket="bucket", Key="a/k", VersionId="null") == DENIED
    assert failure(nobody.get_object_tagging, Bucket="bucket", Key="missing") == DENIED
    put(client, said("Allow", "s3:PutObject", "bucket/*"), *denial)
    assert failure(nobody.get_object, Bucket="bucket", Key="missing") == DENIED


def test_deletions_are_judged_entry_by_entry(client, nobody):
    client.put_object(Bucket="bucket", Key="b", Body=b"x")
    objects = {"Objects": [{"Key": "a/k"}, {"Key": "b"}]}
    put(client, said("Allow", "s3:DeleteObject", "bucket/a/*"))
    done = nobody.delete_objects(Bucket="bucket", Delete=objects)
    assert [row["Key"] for row in done["Deleted"]] == ["a/k"]
    assert [(row["Key"], row["Code"]) for row in done["Errors"]] == [("b", "AccessDenied")]
    client.delete_bucket_policy(Bucket="bucket")
    assert failure(nobody.delete_objects, Bucket="bucket", Delete=objects) == DENIED


def test_a_copy_needs_the_source_to_be_public_too(client, nobody):
    put(client, said("Allow", "s3:PutObject", "bucket/*"))
    copy = {"Bucket": "bucket", "Key": "c", "CopySource": {"Bucket": "private", "Key": "k"}}
    assert failure(nobody.copy_object, **copy) == DENIED
    put(client, said("Allow", "s3:GetObject", "private/k"), bucket="private")
    nobody.copy_object(**copy)
    client.delete_bucket_policy(Bucket="bucket")
    assert failure(nobody.copy_object, **copy) == DENIED


# ---- conditions that speak of who asks
CONDITIONS = [
    ({"StringEquals": {"aws:PrincipalType": "Anonymous"}}, True),
    ({"StringEquals": {"aws:userid": "anonymous"}}, True),
    ({"Null": {"aws:username": "true"}}, True),
    ({"Null": {"s3:authType": "true"}}, True),
    ({"IpAddress": {"aws:SourceIp": "127.0.0.1"}}, True),
    ({"StringLike": {"aws:Referer": "http://example.com/*"}}, True),
    ({"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}, False),
    ({"StringEquals": {"s3:authType": "REST-HEADER"}}, False),
    ({"NotIpAddress": {"aws:SourceIp": "127.0.0.1"}}, False),
    ({"StringLike": {"aws:PrincipalArn": "*"}}, False),
    ({"Bool": {"aws:SecureTransport": "true"}}, False),
]


def test_conditions(client, endpoint):
    for condition, expected in CONDITIONS:
        put(client, said("Allow", "s3:GetObject", "bucket/*", **condition))
        answer = send(endpoint, plain("GET", "/bucket/a/k", Referer="http://example.com/page"))
        assert (answer.status == 200) is expected, (condition, answer)
        assert expected or answer.code == "AccessDenied"


# ---- what signed requests alone may do, and what is no signature
def test_response_headers_are_for_signed_requests(client, endpoint):
    canned(client, "public")
    answer = send(endpoint, plain("GET", "/bucket/a/k?response-content-type=text/html"))
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert send(endpoint, plain("GET", "/bucket/a/k")).body == b"of a"


def test_what_claims_to_be_signed_is_never_anonymous(client, endpoint):
    canned(client, "public")
    assert send(endpoint, plain("GET", "/bucket/a/k?x-id=GetObject")).status == 200
    for mark in ("X-Amz-Signature=00", "X-Amz-Credential=a", "X-Amz-Algorithm=AWS4-HMAC-SHA256",
                 "Signature=00", "AWSAccessKeyId=a"):
        assert send(endpoint, plain("GET", f"/bucket/a/k?{mark}")).status in (400, 403), mark
    for header in ("", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ", "Bearer x", "AWS a:b"):
        answer = send(endpoint, plain("GET", "/bucket/a/k", Authorization=header))
        assert answer.status in (400, 403), header


def test_a_wrong_or_unknown_signature_is_never_anonymous(client, endpoint):
    canned(client, "public")
    get = {"Bucket": "bucket", "Key": "a/k"}
    assert failure(endpoint.client(secret_key="wrong").get_object, **get)[0] == "SignatureDoesNotMatch"
    assert failure(endpoint.client(access_key="NOBODY").get_object, **get)[0] == "InvalidAccessKeyId"
    spoilt = signed("GET", "/bucket/a/k").replace(b"Signature=", b"Signature=0")
    assert send(endpoint, spoilt).status in (400, 403)


def test_a_stripped_signature_leaves_nothing(client, endpoint):
    """What a signed request may, it may not once its signature is taken away; where everybody may, it is."""
    url = presigned(
        endpoint, "get_object", {"Bucket": "private", "Key": "k"}, signature_version="s3v4")
    assert curl(url) == (200, "secret")
    assert curl(url.split("?")[0])[0] == 403
    kept = "&".join(part for part in urlsplit(url).query.split("&") if not part.startswith("X-Amz-Signature"))
    assert curl(f"{url.split('?')[0]}?{kept}")[0] in (400, 403)


def test_who_is_signed_in_is_judged_as_itself(office, client):
    """A denial of one user holds where everybody else, nobody included, may."""
    bob = office.user("bob")
    number = client.list_buckets()["Owner"]["ID"][-12:]
    put(client, said("Allow", "s3:GetObject", "bucket/*"), {
        **statement("Deny", "s3:GetObject", "bucket/*"),
        "Principal": {"AWS": f"arn:aws:iam::{number}:user/bob"}})
    assert failure(bob.get_object, Bucket="bucket", Key="a/k") == DENIED


# ---- the public access block
def test_the_block(client, nobody):
    canned(client, "download")
    get = {"Bucket": "bucket", "Key": "a/k"}
    for setting in ("IgnorePublicAcls", "BlockPublicPolicy", "BlockPublicAcls"):  # none is about this
        client.put_public_access_block(Bucket="bucket", PublicAccessBlockConfiguration={setting: True})
        assert nobody.get_object(**get)["Body"].read() == b"of a"
    client.put_public_access_block(
        Bucket="bucket", PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert failure(nobody.get_object, **get) == DENIED
    client.delete_public_access_block(Bucket="bucket")
    assert nobody.get_object(**get)["Body"].read() == b"of a"


# ---- bodies and forms
def test_every_way_to_send_a_body(client, endpoint):
    canned(client, "public")
    put_it = plain("PUT", "/bucket/n", b"plain")
    assert send(endpoint, put_it).status == 200
    sha = plain("PUT", "/bucket/n", b"plain", x_amz_content_sha256="0" * 64)
    assert send(endpoint, sha).code == "XAmzContentSHA256Mismatch"
    chunks = plain(
        "PUT", "/bucket/n", b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n",
        x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER", Content_Encoding="aws-chunked",
        x_amz_decoded_content_length="3", x_amz_trailer="x-amz-checksum-crc32",
    )
    assert send(endpoint, chunks).status == 200
    assert client.get_object(Bucket="bucket", Key="n")["Body"].read() == b"abc"
    fake = plain("PUT", "/bucket/n", b"", x_amz_content_sha256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                 x_amz_decoded_content_length="0")
    assert send(endpoint, fake).code == "InvalidRequest"


def form(endpoint: Endpoint, fields: dict[str, str], data: bytes = b"by a form") -> Any:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
             for name, value in fields.items()]
    parts.append(b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n')
    return send(endpoint, plain("POST", "/bucket", b"".join([*parts, data, b"\r\n--b--\r\n"]),
                                Content_Type="multipart/form-data; boundary=b"))


def test_a_form_that_nobody_signed(client, endpoint):
    assert form(endpoint, {"key": "formed"}).code == "AccessDenied"
    assert not (endpoint.root / "bucket" / "formed").exists()
    put(client, said("Allow", "s3:PutObject", "bucket/formed"))
    assert form(endpoint, {"key": "formed"}).status == 204
    made = os.stat(endpoint.root / "bucket" / "formed")
    assert (made.st_uid, made.st_gid) == (NOBODY, NOBODY)
    assert form(endpoint, {"key": "other"}).code == "AccessDenied"
    # One that claims a policy or a signature is held to it.
    for claim in ({"policy": "e30="}, {"x-amz-signature": "00"}, {"AWSAccessKeyId": "a"}, {"signature": "0"}):
        assert form(endpoint, {"key": "formed", **claim}).status in (400, 403)


def test_a_service_that_can_give_nothing_away(tmp_path):
    """As another user than root (worker_child) what nobody made is its own."""
    root = tmp_path / "store"
    root.mkdir()
    with running_office(root, anonymous=(0, 0)) as office:
        client = office.endpoint.client()
        client.create_bucket(Bucket="bucket")
        canned(client, "upload")
        assert send(office.endpoint, plain("PUT", "/bucket/k", b"x")).status == 200
        assert os.stat(root / "bucket" / "k").st_uid == os.geteuid()


def test_several_accounts(office, client, nobody, endpoint):
    """Whose bucket it is is found for nobody too."""
    office.admin.add_account("other")
    eve = office.user("eve", "readwrite", account="other")
    eve.create_bucket(Bucket="theirs")
    eve.put_object(Bucket="theirs", Key="k", Body=b"of eve")
    put(eve, said("Allow", "s3:GetObject", "theirs/*"), bucket="theirs")
    get = {"Bucket": "theirs", "Key": "k"}
    assert nobody.get_object(**get)["Body"].read() == b"of eve"
    owner = eve.list_buckets()["Owner"]["ID"]
    nobody.get_object(**get, ExpectedBucketOwner=owner[-12:])["Body"].read()
    roots = client.list_buckets()["Owner"]["ID"]
    assert failure(nobody.get_object, **get, ExpectedBucketOwner=roots[-12:]) == DENIED


def test_damaged_identities_stop_nobody_too(office, client, nobody, endpoint):
    canned(client, "download")
    record = endpoint.root / ".weka" / "identity" / "registry"
    record.write_bytes(record.read_bytes()[:-5])
    assert failure(nobody.get_object, Bucket="bucket", Key="a/k") == ("ServiceUnavailable", 503)
