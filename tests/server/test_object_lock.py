"""Object Lock through boto3: what S3 answers to who sets locks, shows them, and deletes in spite of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY, Endpoint
from tests.server.identities import Office, document, statement
from tests.server.test_objects import failure
from tests.server.test_versions import headers_of

AT = {"Bucket": "bucket", "Key": "k"}
UNTIL = datetime(2040, 1, 1, tzinfo=UTC)
GOVERNED = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL}
LOCKED = ("AccessDenied", 403)
NO_LOCK = ("InvalidRequest", 400)


@pytest.fixture
def locked(client: Any) -> Any:
    client.create_bucket(Bucket="bucket", ObjectLockEnabledForBucket=True)
    return client


def put(client: Any, body: bytes = b"one", **more: Any) -> str:
    return str(client.put_object(**AT, Body=body, **more)["VersionId"])


def governed(days: int = 1, mode: str = "GOVERNANCE") -> dict[str, Any]:
    rule = {"DefaultRetention": {"Mode": mode, "Days": days}}
    return {"ObjectLockEnabled": "Enabled", "Rule": rule}


def test_a_bucket_gets_object_lock_and_never_loses_it(client: Any) -> None:
    client.create_bucket(Bucket="bucket", ObjectLockEnabledForBucket=True)
    client.create_bucket(Bucket="bucket", ObjectLockEnabledForBucket=True)  # it is as it was asked for
    assert client.get_bucket_versioning(Bucket="bucket")["Status"] == "Enabled"
    shown = client.get_object_lock_configuration(Bucket="bucket")["ObjectLockConfiguration"]
    assert shown == {"ObjectLockEnabled": "Enabled"}
    for each in (governed(3), {"ObjectLockEnabled": "Enabled"}):
        client.put_object_lock_configuration(Bucket="bucket", ObjectLockConfiguration=each)
        shown = client.get_object_lock_configuration(Bucket="bucket")["ObjectLockConfiguration"]
        assert shown == each
    suspended = {"VersioningConfiguration": {"Status": "Suspended"}}
    assert failure(client.put_bucket_versioning, Bucket="bucket", **suspended) == ("InvalidBucketState", 409)
    client.delete_bucket(Bucket="bucket")


def test_a_bucket_with_versions_gets_object_lock_later(client: Any, bucket: str) -> None:
    plain = put_plain(client)
    asked = {"Bucket": "bucket", "ObjectLockConfiguration": governed()}
    assert failure(client.get_object_lock_configuration, Bucket="bucket") == (
        "ObjectLockConfigurationNotFoundError", 404)
    assert failure(client.put_object_lock_configuration, **asked) == ("InvalidBucketState", 409)
    assert failure(client.put_object, **AT, **GOVERNED) == NO_LOCK
    assert failure(client.get_object_retention, **AT) == NO_LOCK
    assert failure(client.put_object_legal_hold, **AT, LegalHold={"Status": "ON"}) == NO_LOCK
    assert failure(client.create_multipart_upload, **AT, **GOVERNED) == NO_LOCK
    client.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    client.put_object_lock_configuration(**asked)
    assert failure(client.get_object_retention, **AT) == ("NoSuchObjectLockConfiguration", 404)
    assert "ObjectLockMode" not in client.head_object(**AT)
    assert client.delete_object(**AT, VersionId=plain)  # what was there before has no lock
    version = put(client)
    kept = client.get_object_retention(**AT)["Retention"]
    assert kept["Mode"] == "GOVERNANCE"
    assert timedelta(hours=23) < kept["RetainUntilDate"] - datetime.now(UTC) < timedelta(hours=25)
    assert failure(client.delete_object, **AT, VersionId=version) == LOCKED


def put_plain(client: Any) -> str:
    client.put_object(**AT, Body=b"plain")
    return "null"


def test_uploads_of_each_kind_bring_locks_that_reads_show(locked: Any, endpoint: Endpoint) -> None:
    client, held = locked, {**GOVERNED, "ObjectLockLegalHoldStatus": "ON"}
    put(client, **held)
    client.copy_object(Bucket="bucket", Key="copy", CopySource=AT, **held)
    begun = client.create_multipart_upload(Bucket="bucket", Key="parts", **held)
    at = {"Bucket": "bucket", "Key": "parts", "UploadId": begun["UploadId"]}
    etag = client.upload_part(**at, PartNumber=1, Body=b"part")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    client.complete_multipart_upload(**at, MultipartUpload=parts)
    assert posted(client, endpoint, "form", {
        "x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-legal-hold": "ON",
        "x-amz-object-lock-retain-until-date": "2040-01-01T00:00:00.000Z",
    }) == 204
    for key in ("k", "copy", "parts", "form"):
        for read in (client.head_object, client.get_object):
            found = read(Bucket="bucket", Key=key)
            if "Body" in found:
                found["Body"].close()
            assert (found["ObjectLockMode"], found["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "ON")
            assert headers_of(found)["x-amz-object-lock-retain-until-date"] == "2040-01-01T00:00:00.000Z"
        hold = client.get_object_legal_hold(Bucket="bucket", Key=key)["LegalHold"]
        assert hold == {"Status": "ON"}
    client.copy_object(Bucket="bucket", Key="plain", CopySource=AT)  # locks are not copied
    assert "ObjectLockMode" not in client.head_object(Bucket="bucket", Key="plain")
    past = {**GOVERNED, "ObjectLockRetainUntilDate": datetime(2020, 1, 1, tzinfo=UTC)}
    for upload in (client.put_object, client.create_multipart_upload):
        assert failure(upload, **AT, **past) == ("InvalidArgument", 400)


def posted(client: Any, endpoint: Endpoint, key: str, fields: dict[str, str]) -> int:
    form = client.generate_presigned_post(
        "bucket", key, Fields=fields, Conditions=[["starts-with", f"${name}", ""] for name in fields])
    pieces = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {**form["fields"], "file": "by a form"}.items()
    ]
    request = Request(
        f"{endpoint.url}/bucket", "".join([*pieces, "--b--\r\n"]).encode(),
        {"Content-Type": "multipart/form-data; boundary=b"},
    )
    try:
        with urlopen(request) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_what_is_locked_is_deleted_by_who_bypasses_governance_alone(locked: Any) -> None:
    client = locked
    version = put(client, **GOVERNED)
    refused = failure_message(client.delete_object, **AT, VersionId=version)
    assert refused == "Access Denied because object protected by object lock."
    marker = client.delete_object(**AT)["VersionId"]
    one, other = {"Key": "k", "VersionId": version}, {"Key": "k", "VersionId": marker}
    rows = client.delete_objects(Bucket="bucket", Delete={"Objects": [one, other]})
    assert [(row["VersionId"], row["Code"]) for row in rows["Errors"]] == [(version, "AccessDenied")]
    assert [row["VersionId"] for row in rows["Deleted"]] == [marker]
    client.put_object_legal_hold(**AT, VersionId=version, LegalHold={"Status": "ON"})
    assert failure(client.delete_object, **AT, VersionId=version, BypassGovernanceRetention=True) == LOCKED
    client.put_object_legal_hold(**AT, VersionId=version, LegalHold={"Status": "OFF"})
    assert client.get_object_legal_hold(**AT)["LegalHold"] == {"Status": "OFF"}
    done = client.delete_objects(Bucket="bucket", BypassGovernanceRetention=True, Delete={"Objects": [one]})
    assert [row["VersionId"] for row in done["Deleted"]] == [version]
    strict = put(client, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=UNTIL)
    assert failure(client.delete_object, **AT, VersionId=strict, BypassGovernanceRetention=True) == LOCKED
    assert failure(client.rename_object, Bucket="bucket", Key="l", RenameSource="k") == LOCKED
    assert failure(client.delete_bucket, Bucket="bucket") == ("BucketNotEmpty", 409)


def failure_message(call: Any, **asked: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**asked)
    return str(refused.value.response["Error"]["Message"])


def test_retentions_change_as_their_modes_allow(locked: Any) -> None:
    client = locked
    version = put(client)
    put(client, b"two")

    def retain(mode: str | None = None, year: int = 2040, **more: Any) -> tuple[str, int] | None:
        kept = {} if mode is None else {"Mode": mode, "RetainUntilDate": datetime(year, 1, 1, tzinfo=UTC)}
        asked = {**AT, "VersionId": version, "Retention": kept, **more}
        try:
            client.put_object_retention(**asked)
        except ClientError:
            return failure(client.put_object_retention, **asked)
        return None

    assert retain("GOVERNANCE") is None and retain("GOVERNANCE", 2041) is None
    for new in ((None,), ("GOVERNANCE", 2039), ("COMPLIANCE", 2042)):
        assert retain(*new) == LOCKED
    assert retain("GOVERNANCE", 2039, BypassGovernanceRetention=True) is None
    assert retain(None, BypassGovernanceRetention=True) is None
    assert failure(client.get_object_retention, **AT, VersionId=version) == (
        "NoSuchObjectLockConfiguration", 404)
    assert retain("COMPLIANCE") is None and retain("COMPLIANCE", 2041) is None
    for new in ((None,), ("GOVERNANCE", 2042), ("COMPLIANCE", 2040)):
        assert retain(*new, BypassGovernanceRetention=True) == LOCKED
    assert retain("COMPLIANCE", 2020) == ("InvalidArgument", 400)
    kept = client.get_object_retention(**AT, VersionId=version)["Retention"]
    assert kept == {"Mode": "COMPLIANCE", "RetainUntilDate": datetime(2041, 1, 1, tzinfo=UTC)}
    marker = client.delete_object(**AT)["VersionId"]
    for call, more in (
        (client.get_object_retention, {}), (client.get_object_legal_hold, {}),
        (client.put_object_legal_hold, {"LegalHold": {"Status": "ON"}}),
    ):
        assert failure(call, **AT, VersionId=marker, **more) == ("MethodNotAllowed", 405)
        assert failure(call, **AT, VersionId="0" * 32, **more) == ("NoSuchVersion", 404)
        assert failure(call, **AT, **more) == ("NoSuchKey", 404)


def test_no_bytes_are_locked_that_nobody_vouches_for(locked: Any, endpoint: Endpoint) -> None:
    client, bare = locked, boto3.client(
        "s3", endpoint_url=endpoint.url, region_name="us-east-1", aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
    )
    bare.put_object(**AT, Body=b"free")
    assert failure(bare.put_object, **AT, Body=b"x", **GOVERNED) == ("InvalidRequest", 400)
    bare.put_object(**AT, Body=b"x", **GOVERNED, ChecksumAlgorithm="SHA256")
    client.put_object_lock_configuration(Bucket="bucket", ObjectLockConfiguration=governed())
    assert failure(bare.put_object, **AT, Body=b"x") == ("InvalidRequest", 400)


def test_locks_are_rights_of_their_own(office: Office) -> None:
    root, denied = office.endpoint.client(), ("AccessDenied", 403)
    root.create_bucket(Bucket="bucket", ObjectLockEnabledForBucket=True)
    version = put(root, **GOVERNED, ObjectLockLegalHoldStatus="ON")
    writer = office.user("writer", document(statement(
        "Allow", ["s3:GetObject*", "s3:PutObject", "s3:DeleteObject*"], "bucket/*"),
        statement("Deny", ["s3:GetObjectRetention", "s3:GetObjectLegalHold"], "bucket/*")))
    found = writer.head_object(**AT)
    assert "ObjectLockMode" not in found and "ObjectLockLegalHoldStatus" not in found
    writer.put_object(Bucket="bucket", Key="other", Body=b"x")
    for more in (GOVERNED, {"ObjectLockLegalHoldStatus": "ON"}):
        assert failure(writer.put_object, **AT, Body=b"x", **more) == denied
    assert failure(writer.get_object_retention, **AT) == denied
    assert failure(writer.put_object_legal_hold, **AT, LegalHold={"Status": "OFF"}) == denied
    assert failure(writer.delete_object, **AT, VersionId=version, BypassGovernanceRetention=True) == denied
    these = {"Bucket": "bucket", "Delete": {"Objects": [{"Key": "k", "VersionId": version}]}}
    assert failure(writer.delete_objects, **these, BypassGovernanceRetention=True) == denied
    assert [row["Code"] for row in writer.delete_objects(**these)["Errors"]] == ["AccessDenied"]
    configuration = {"Bucket": "bucket", "ObjectLockConfiguration": governed()}
    assert failure(writer.put_object_lock_configuration, **configuration) == denied
    # Conditions see what the request sets, in headers and in bodies.
    clerk = office.user("clerk", document(
        statement("Allow", ["s3:PutObject", "s3:PutObjectRetention", "s3:PutObjectLegalHold"], "bucket/*"),
        statement("Deny", "s3:PutObjectRetention", "bucket/*",
                  NumericGreaterThan={"s3:object-lock-remaining-retention-days": "10"}),
        statement("Deny", "s3:PutObjectRetention", "bucket/*",
                  StringNotEquals={"s3:object-lock-mode": "GOVERNANCE"}),
        statement("Deny", "s3:PutObjectLegalHold", "bucket/*",
                  StringEquals={"s3:object-lock-legal-hold": "OFF"})))
    soon = datetime.now(UTC) + timedelta(days=10)

    def kept(mode: str, until: datetime) -> dict[str, Any]:
        return {"Retention": {"Mode": mode, "RetainUntilDate": until}}

    at = {"Bucket": "bucket", "Key": "other"}
    clerk.put_object(**at, ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=soon)
    clerk.put_object_retention(**at, **kept("GOVERNANCE", soon))
    assert failure(clerk.put_object, **at, **GOVERNED) == denied
    for wrong in (kept("GOVERNANCE", soon + timedelta(days=1)), kept("COMPLIANCE", soon)):
        assert failure(clerk.put_object_retention, **at, **wrong) == denied
    clerk.put_object_legal_hold(**at, LegalHold={"Status": "ON"})
    assert failure(clerk.put_object_legal_hold, **at, LegalHold={"Status": "OFF"}) == denied
