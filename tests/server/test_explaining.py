"""What is explained is what a request gets: the same operations, asked of both, over a random table."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.server.identities import Office, document, running_office, statement
from weka_mp.gateway.context import Site
from weka_mp.gateway.explaining import Asked, Step, actions_named, explain, find_principal
from weka_mp.gateway.posix_users import PosixUsers
from weka_mp.identity import PosixIdentity
from weka_mp.policy import condition_keys
from weka_mp.values import BucketName, ObjectKey

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others"),
]

KEYS = ("open", "closed", "d/open", "d/closed", "shut/k", "to-open", "to-closed", "to-shut", "missing",
        "d/missing", "shut/missing", "missing/k")  # fmt: skip
ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetObjectTagging",
           "s3:PutObjectTagging")  # fmt: skip
CHANGES = ("PutObject", "DeleteObject", "CopyObject", "RenameObject")
RESOURCES = ("bucket", "bucket/*", "bucket/d/*", "bucket/open", "bucket/shut/*", "bucket/to-*", "*")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    root = tmp_path_factory.mktemp("explaining") / "store"
    root.mkdir(mode=0o755)
    with running_office(root, posix_permissions=True) as running:
        running.endpoint.client().create_bucket(Bucket="bucket")
        yield running


def lay_out(office: Office) -> None:
    """As each request is to find it."""
    client, bucket = office.endpoint.client(), office.endpoint.root / "bucket"
    for path in ("d", "shut"):
        if (bucket / path).exists():
            (bucket / path).chmod(0o755)
    for key in KEYS:
        if "missing" in key:
            client.delete_object(Bucket="bucket", Key=key)
        elif not key.startswith("to-"):
            client.put_object(Bucket="bucket", Key=key, Body=b"x")
            (bucket / key).chmod(0o600 if "closed" in key else 0o666)
        elif not (bucket / key).is_symlink():
            (bucket / key).unlink(missing_ok=True)
            target = {"to-open": "open", "to-closed": "d/closed", "to-shut": "shut/k"}[key]
            (bucket / key).symlink_to(target)
    bucket.chmod(0o777)
    (bucket / "d").chmod(0o755)
    (bucket / "shut").chmod(0o700)


def policy(chance: random.Random) -> str:
    return document(*(
        statement("Allow" if number or chance.random() < 0.7 else "Deny",
                  chance.sample(ACTIONS, chance.randrange(1, 4)),
                  *chance.sample(RESOURCES, chance.randrange(1, 3)))
        for number in range(3)
    ))  # fmt: skip


def requests(client: Any, key: str, other: str) -> dict[str, Callable[[], Any]]:
    at = {"Bucket": "bucket", "Key": key}
    return {
        "GetObject": lambda: client.get_object(**at)["Body"].read(),
        "HeadObject": lambda: client.head_object(**at),
        "PutObject": lambda: client.put_object(**at, Body=b"y"),
        "DeleteObject": lambda: client.delete_object(**at),
        "GetObjectTagging": lambda: client.get_object_tagging(**at),
        "PutObjectTagging": lambda: client.put_object_tagging(**at, Tagging={"TagSet": []}),
        "CopyObject": lambda: client.copy_object(**at, CopySource={"Bucket": "bucket", "Key": other}),
        "RenameObject": lambda: client.rename_object(**at, RenameSource=f"/bucket/{other}"),
        "ListObjectsV2": lambda: client.list_objects_v2(Bucket="bucket", Prefix=key),
    }


def answered(call: Callable[[], Any]) -> str:
    try:
        call()
    except ClientError as error:
        code = str(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return {"403": "refused", "404": "missing"}.get(code, error.response["Error"]["Code"])
    return "allowed"


def explained(site: Site, office: Office, name: str, operation: str, key: str, other: str) -> list[Step]:
    principal = find_principal(office.identities, name)
    assert principal is not None
    bucket, lists = BucketName("bucket"), operation == "ListObjectsV2"
    asked = Asked(
        *actions_named(operation), bucket, None if lists else ObjectKey(key.encode()),
        given={condition_keys.lookup_name("s3:prefix"): (key,)} if lists else {},
        source=(bucket, ObjectKey(other.encode())) if operation in ("CopyObject", "RenameObject") else None,
    )
    return explain(site, principal, asked, office.endpoint.namespace.clock.now_ns() / 1e9)


def foretold(steps: list[Step]) -> str:
    told = next((step.why for step in steps if step.step == "key"), "")
    return "missing" if "NoSuchKey" in told else steps[-1].answer


def test_a_request_gets_what_was_explained(office: Office) -> None:
    chance = random.Random(20261122)
    namespace = office.endpoint.namespace
    site = Site(namespace, "us-east-1", "", office.identities, PosixUsers(namespace, by_default=True))
    seen: dict[str, int] = {}
    lay_out(office)
    for number in range(6):
        name = f"user{number}"
        client = office.user(name, policy(chance), posix=PosixIdentity(1001 + number % 2, 2001))
        for _ in range(12):
            key, other = chance.sample(KEYS, 2)
            operation, call = chance.choice(list(requests(client, key, other).items()))
            steps = explained(site, office, name, operation, key, other)
            got = answered(call)
            if got == "allowed" and operation in CHANGES:
                lay_out(office)
            if operation in ("CopyObject", "RenameObject") and "missing" in other:
                continue  # of the source only who may is told
            assert foretold(steps) == got, (operation, key, other, steps)
            seen[got] = seen.get(got, 0) + 1
    assert set(seen) == {"allowed", "refused", "missing"}, seen


def test_a_lock_that_decides_is_named(office: Office) -> None:
    client, namespace = office.endpoint.client(), office.endpoint.namespace
    client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    until = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime(2040, 1, 1, tzinfo=UTC)}
    client.put_object(Bucket="locked", Key="k", Body=b"x", **until)
    client.put_object(Bucket="locked", Key="k", Body=b"y")
    newer, older = (row["VersionId"] for row in client.list_object_versions(Bucket="locked")["Versions"])
    site = Site(namespace, "us-east-1", "", office.identities, PosixUsers(namespace, by_default=True))
    root = find_principal(office.identities, "root")
    assert root is not None

    def last(version: str) -> Step:
        asked = Asked(
            *actions_named("s3:DeleteObjectVersion"), BucketName("locked"), ObjectKey(b"k"),
            given={condition_keys.lookup_name("s3:versionid"): (version,)})
        return explain(site, root, asked, namespace.clock.now_ns() / 1e9)[-1]

    assert last(newer).answer == "allowed"
    assert last(older).answer == "refused"
    assert last(older).decided_by == "GOVERNANCE until 2040-01-01T00:00:00.000Z"
    client.put_object_legal_hold(Bucket="locked", Key="k", VersionId=older, LegalHold={"Status": "ON"})
    assert last(older).decided_by == "LEGAL_HOLD"
