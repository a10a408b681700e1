"""Modes bind S3 users at the endpoint: as whom each is judged, and what a client is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from tests.server.endpoint import ACCESS_KEY
from tests.server.identities import Office, running_office
from tests.server.test_objects import failure
from tests.server.test_users import keys, text
from weka_mp.identity import PosixIdentity
from weka_mp.namespace import BucketSettings
from weka_mp.policy.canned import bucket_policy_text
from weka_mp.store import syscalls
from weka_mp.values import BucketName

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others"),
]

DENIED = ("AccessDenied", 403)
STRANGER = 65534


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    root = tmp_path_factory.mktemp("posix") / "store"
    root.mkdir(mode=0o755)
    with running_office(root, posix_permissions=True) as running:
        client = running.endpoint.client()
        client.create_bucket(Bucket="bucket")
        (root / "bucket").chmod(0o777)
        for name, owner, mode in (
            ("secret", (0, 0), 0o600), ("ann/k", (1001, 2001), 0o600), ("team/k", (0, 3001), 0o640),
            ("all/k", (0, 0), 0o644), ("stranger", (STRANGER, STRANGER), 0o600),
        ):
            client.put_object(Bucket="bucket", Key=name, Body=name.encode())
            os.chown(root / "bucket" / name, *owner)
            os.chmod(root / "bucket" / name, mode)
        yield running


@pytest.fixture(scope="module")
def ann(office: Office) -> Any:
    return office.user("ann", "readwrite", posix=PosixIdentity(1001, 2001, (3001,)))


HERS = ["all/k", "ann/k", "team/k"]


def test_each_is_judged_by_its_own_uid_gid_and_groups(office: Office, ann: Any) -> None:
    bob = office.user("bob", "readwrite", posix=PosixIdentity(1002, 3001))
    assert keys(ann) == HERS and keys(bob) == ["all/k", "team/k"]
    assert text(ann, "ann/k") == b"ann/k" and text(bob, "team/k") == b"team/k"
    assert failure(bob.get_object, Bucket="bucket", Key="ann/k") == DENIED
    assert failure(bob.head_object, Bucket="bucket", Key="ann/k") == ("403", 403)
    assert failure(bob.delete_object, Bucket="bucket", Key="all/k") == DENIED
    deleted = bob.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "all/k"}, {"Key": "none"}]})
    assert [row["Code"] for row in deleted["Errors"]] == ["AccessDenied"]
    assert keys(office.endpoint.client()) == [*HERS[:2], "secret", "stranger", "team/k"]


def test_what_a_user_gave_out_is_judged_as_the_user(office: Office, ann: Any) -> None:
    for issued in (office.issuer.add_service_account("ann"), office.issuer.assume_role("ann", 900)):
        client = office.client_of(issued)
        assert keys(client) == HERS
        assert failure(client.get_object, Bucket="bucket", Key="secret") == DENIED
        client.put_object(Bucket="bucket", Key="given/k", Body=b"")
        made = os.stat(office.endpoint.root / "bucket/given/k")
        assert (made.st_uid, made.st_gid) == (1001, 2001)
        client.delete_object(Bucket="bucket", Key="given/k")


@pytest.mark.parametrize("posix", [PosixIdentity(), PosixIdentity(0, 2001, (3001,))])
def test_who_has_no_uid_is_a_stranger_and_never_root(office: Office, posix: PosixIdentity) -> None:
    client = office.user(f"carl{posix.gid}", "readwrite", posix=posix)
    assert keys(client) == ["all/k", "stranger"]
    for key in ("secret", "team/k", "ann/k"):
        assert failure(client.get_object, Bucket="bucket", Key=key) == DENIED
    client.put_object(Bucket="bucket", Key="strange", Body=b"")
    made = os.stat(office.endpoint.root / "bucket/strange")
    assert (made.st_uid, made.st_gid) == (STRANGER, STRANGER)
    client.delete_object(Bucket="bucket", Key="strange")


def test_gid_0_is_no_users_group(office: Office) -> None:
    path = office.endpoint.root / "bucket/of-wheel"
    path.write_bytes(b"")
    path.chmod(0o640)
    client = office.user("dora", "readwrite", posix=PosixIdentity(1004, 0))
    assert failure(client.get_object, Bucket="bucket", Key="of-wheel") == DENIED
    path.unlink()


def test_nobody_is_the_stranger_whatever_the_bucket_allows(office: Office) -> None:
    client = office.endpoint.client()
    client.put_bucket_policy(Bucket="bucket", Policy=bucket_policy_text("public", "bucket"))
    nobody = boto3.client(
        "s3", endpoint_url=office.endpoint.url, region_name="us-east-1",
        config=Config(
            signature_version=UNSIGNED, s3={"addressing_style": "path"}, retries={"max_attempts": 0}
        ),
    )
    assert keys(nobody) == ["all/k", "stranger"]
    assert failure(nobody.get_object, Bucket="bucket", Key="secret") == DENIED
    client.delete_bucket_policy(Bucket="bucket")


def test_modes_give_nothing_that_policies_do_not(office: Office) -> None:
    client = office.user("eve", posix=PosixIdentity(1001, 2001))
    assert failure(client.get_object, Bucket="bucket", Key="ann/k") == DENIED


def test_root_is_root(office: Office) -> None:
    client = office.client_of(office.issuer.assume_role(ACCESS_KEY, 900))
    assert text(client, "secret") == text(office.endpoint.client(), "secret") == b"secret"


def test_a_users_new_bucket_is_the_users(office: Office, ann: Any) -> None:
    ann.create_bucket(Bucket="of-ann")
    ann.put_object(Bucket="of-ann", Key="k", Body=b"")
    assert os.stat(office.endpoint.root / "of-ann").st_uid == 1001
    ann.delete_object(Bucket="of-ann", Key="k")
    ann.delete_bucket(Bucket="of-ann")


def test_a_bucket_in_which_modes_bind_nobody(office: Office, ann: Any) -> None:
    namespace = office.endpoint.namespace
    namespace.change_bucket_settings(BucketName("bucket"), lambda _: BucketSettings(posix=False))
    assert text(ann, "secret") == b"secret"
    namespace.change_bucket_settings(BucketName("bucket"), lambda _: BucketSettings())
    assert failure(ann.get_object, Bucket="bucket", Key="secret") == DENIED


def test_the_log_says_that_modes_decided(
    office: Office, ann: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "weka_mp.access")
    failure(ann.get_object, Bucket="bucket", Key="secret")
    keys(ann)  # the line is written once the client has its answer
    lines = [vars(record)["fields"] for record in caplog.records if record.name == "weka_mp.access"]
    fields = next(line for line in lines if "why" in line)
    assert fields["action"] == "s3:GetObject" and "modes or ACLs" in fields["why"]
    assert fields["explain"] == "weka-mp s3 explain ann s3:GetObject bucket/secret --source-ip 127.0.0.1"


def test_requests_of_many_users_at_once_leave_no_thread_as_another(office: Office, ann: Any) -> None:
    root = office.endpoint.client()
    for _ in range(5):
        assert keys(ann) == HERS
        assert failure(ann.put_object, Bucket="bucket", Key="all/k", Body=b"") == DENIED
        assert text(root, "secret") == b"secret"
        root.put_object(Bucket="bucket", Key="of-root", Body=b"")
        assert os.stat(office.endpoint.root / "bucket/of-root").st_uid == 0
        root.delete_object(Bucket="bucket", Key="of-root")
    assert syscalls.fs_identity() == (0, 0)
