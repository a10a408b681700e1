"""Buckets and their policies over the administration API, asked of a desk over a store in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.control.test_desk import ROOT, Office
from tests.unit.namespace.kit import FixedClock, memory_store, put
from weka_mp.clock import SeededRandom
from weka_mp.errors import BucketMissing
from weka_mp.namespace import BucketAccess, Namespace, PublicAccessBlock
from weka_mp.policy.canned import bucket_policy_text
from weka_mp.store.memory import MemoryStore
from weka_mp.supervise.identities import open_desk
from weka_mp.values import BucketName

PHOTOS = BucketName("photos")


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace.open(MemoryStore(), clock=FixedClock(), random=SeededRandom(3)) as opened:
        yield opened


@pytest.fixture
def office(tmp_path: Path, namespace: Namespace) -> Iterator[Office]:
    made = Office(namespace, tmp_path, FixedClock())
    yield made
    made.desk.close()


def refused(office: Office, method: str, path: str, body: dict[str, object] | None = None) -> tuple[int, str]:
    done = office.ask(method, path, body, trusted=True)
    return int(done.status), str(done.content.get("code"))


def statement(bucket: str, **more: Any) -> str:
    made = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [made]})


def test_a_bucket_is_made_listed_and_destroyed(office: Office, namespace: Namespace) -> None:
    done = office.ask("POST", "/s3/buckets", {"bucket_name": "photos"}, trusted=True)
    assert (done.status, done.content["data"]) == (201, {"bucket_name": "photos"})
    assert [change.name for change in done.changes] == [b"photos"]  # the mounts are told
    assert refused(office, "POST", "/s3/buckets", {"bucket_name": "photos"}) == (409, "EntityExists")
    assert office.root("GET", "/s3/buckets") == [{
        "name": "photos", "hard": None, "used": None, "path": "/photos", "source": "s3", "versioning": "off",
        "object-lock": "off"}]
    put(namespace, b"k", bucket=PHOTOS)
    assert refused(office, "DELETE", "/s3/buckets/photos") == (409, "InUse")
    namespace.delete_object(PHOTOS, b"k")
    done = office.ask("DELETE", "/s3/buckets/photos", trusted=True)
    assert [change.name for change in done.changes] == [b"photos"]
    assert office.root("GET", "/s3/buckets") == []
    assert refused(office, "DELETE", "/s3/buckets/photos") == (404, "NoSuchEntity")


@pytest.mark.parametrize(
    "name", ["", "..", "../photos", "a/b", ".weka", "Photos", "10.0.0.1", "a\n", "x" * 64]
)
def test_names_that_are_none(office: Office, namespace: Namespace, name: str) -> None:
    assert refused(office, "POST", "/s3/buckets", {"bucket_name": name}) == (400, "InvalidInput")
    body: dict[str, object] = {"bucket_name": name, "existing_path": name}
    assert refused(office, "POST", "/s3/buckets", body)[0] in (400, 404)
    assert {entry.name for entry in namespace.store.entries(namespace.store.root())} == {b".weka"}


@pytest.mark.parametrize("path", [
    "", "/", ".", "..", "../photos", "./photos", "photos/../photos", "photos/.", "photos/below", "//photos",
    "photos//", "/etc", "/etc/passwd", ".weka", ".weka/identity", "other", "other/photos", "photos\x00",
    "photos/../../etc", "%2e%2e/photos", "..\\photos", "~", "$HOME", "photos ",
])
def test_an_existing_path_leads_nowhere_else(office: Office, namespace: Namespace, path: str) -> None:
    store = namespace.store
    for name in (b"photos", b"other"):
        store.mkdir(store.root(), name, 0o755)
    body: dict[str, object] = {"bucket_name": "photos", "existing_path": path}
    assert refused(office, "POST", "/s3/buckets", body) == (400, "InvalidInput")
    assert namespace.head_bucket(PHOTOS).owner is None  # nobody's yet


def test_a_link_is_no_existing_path(office: Office, namespace: Namespace) -> None:
    store = namespace.store
    store.symlink(b"/etc", store.root(), b"photos")
    body: dict[str, object] = {"bucket_name": "photos", "existing_path": "photos"}
    assert refused(office, "POST", "/s3/buckets", body) == (404, "NoSuchEntity")


def test_a_bucket_of_a_directory_that_is_there(office: Office, namespace: Namespace) -> None:
    store = namespace.store
    store.mkdir(store.root(), b"photos", 0o755)
    put(namespace, b"k", b"kept", bucket=PHOTOS)
    body: dict[str, object] = {"bucket_name": "photos", "existing_path": "/photos/", "policy": "Download"}
    office.root("POST", "/s3/buckets", body)
    assert namespace.head_bucket(PHOTOS).owner == "root"
    assert office.root("GET", "/s3/buckets/photos/policy")["policy"] == "download"
    assert refused(office, "POST", "/s3/buckets", body) == (409, "EntityExists")
    office.root("DELETE", "/s3/buckets/photos", {"unlink": True})
    assert office.root("GET", "/s3/buckets") == []
    with pytest.raises(BucketMissing):
        namespace.head_bucket(PHOTOS)
    assert refused(office, "GET", "/s3/buckets/photos/policy") == (404, "NoSuchEntity")
    assert refused(office, "POST", "/s3/buckets", {"bucket_name": "photos"}) == (409, "EntityExists")
    office.root("POST", "/s3/buckets", {"bucket_name": "photos", "existing_path": "photos"})
    assert office.root("GET", "/s3/buckets/photos/policy")["policy"] == "none"
    assert namespace.head_object(PHOTOS, b"k").size == 4


def test_regression_nobody_takes_the_directory_of_another_account(
    office: Office, namespace: Namespace
) -> None:
    for name, account in (("mallory", "theirs"), ("alice", "ours")):
        office.add(name, "orgadmin", account=account)
    store, body = namespace.store, {"bucket_name": "photos", "existing_path": "photos"}
    store.mkdir(store.root(), b"made", 0o755)  # over POSIX: root's
    alice = office.token("alice")
    assert office.ask("POST", "/s3/buckets", {"bucket_name": "photos"}, token=alice).status == 201
    assert office.ask("DELETE", "/s3/buckets/photos", {"unlink": True}, token=alice).status == 200
    for taken in (body, {"bucket_name": "made", "existing_path": "made"}):
        refusal = office.ask("POST", "/s3/buckets", {**taken}, token=office.token("mallory"))
        assert (refusal.status, refusal.content["code"]) == (404, "NoSuchEntity")
    assert namespace.head_bucket(BucketName("made")).owner is None
    with pytest.raises(BucketMissing):
        namespace.head_bucket(PHOTOS)
    assert office.ask("POST", "/s3/buckets", {**body}, token=alice).status == 201
    assert namespace.head_bucket(PHOTOS).owner == "ours"
    office.root("POST", "/s3/buckets", {"bucket_name": "made", "existing_path": "made"})
    assert namespace.head_bucket(BucketName("made")).owner == "root"


def test_policies_by_name_and_by_document(office: Office, namespace: Namespace) -> None:
    office.root("POST", "/s3/buckets", {"bucket_name": "photos"})
    there = "/s3/buckets/photos"
    assert office.root("GET", f"{there}/policy") == {"bucket_name": "photos", "policy": "none"}
    assert refused(office, "GET", f"{there}/policyJson") == (404, "NoSuchEntity")
    for name in ("Download", "upload", "PUBLIC"):
        office.root("PUT", f"{there}/policy", {"bucket_policy": name})
        assert office.root("GET", f"{there}/policy")["policy"] == name.lower()
        assert namespace.bucket_access(PHOTOS).policy == bucket_policy_text(name.lower(), "photos")
    office.root("PUT", f"{there}/policyJson", {"policy_file_content": statement("photos")})
    assert office.root("GET", f"{there}/policy")["policy"] == "custom"
    shown = office.root("GET", f"{there}/policyJson")
    assert shown["policy"] == statement("photos")
    assert shown["policy_content"] == json.loads(statement("photos"))
    office.root("PUT", f"{there}/policyJson", {"policy_file_content": json.loads(statement("photos"))})
    office.root("PUT", f"{there}/policy", {"bucket_policy": "none"})
    assert namespace.bucket_access(PHOTOS) == BucketAccess()
    assert refused(office, "PUT", f"{there}/policy", {"bucket_policy": "s3"}) == (400, "InvalidInput")
    bad: dict[str, object] = {"policy_file_content": statement("other")}
    assert refused(office, "PUT", f"{there}/policyJson", bad) == (400, "MalformedPolicy")
    nobody: dict[str, object] = {
        "policy_file_content": statement("photos", Principal={"AWS": "arn:aws:iam::111122223333:user/x"})}
    assert refused(office, "PUT", f"{there}/policyJson", nobody) == (400, "MalformedPolicy")


def test_a_bucket_whose_policy_is_refused_is_not_made(office: Office, namespace: Namespace) -> None:
    body: dict[str, object] = {"bucket_name": "photos", "policy_file_content": statement("other")}
    assert refused(office, "POST", "/s3/buckets", body) == (400, "MalformedPolicy")
    both: dict[str, object] = {**body, "policy_file_content": statement("photos"), "policy": "public"}
    assert refused(office, "POST", "/s3/buckets", both) == (400, "InvalidInput")
    quota: dict[str, object] = {"bucket_name": "photos", "hard_quota": "1MB"}
    assert refused(office, "POST", "/s3/buckets", quota) == (400, "InvalidInput")  # nothing is ignored
    assert namespace.list_buckets() == []
    office.root("POST", "/s3/buckets", {"bucket_name": "photos", "policy_file_content": statement("photos")})


def test_without_handles_a_bucket_with_a_policy_is_not_made(tmp_path: Path) -> None:
    with Namespace.open(memory_store(file_handles=False)) as namespace:
        desk = open_desk(namespace, "/nowhere", str(tmp_path / "state"), ROOT)
        office = Office.__new__(Office)
        office.desk = desk
        body: dict[str, object] = {"bucket_name": "photos", "policy": "public"}
        assert refused(office, "POST", "/s3/buckets", body) == (400, "InvalidInput")
        assert namespace.list_buckets() == []
        office.root("POST", "/s3/buckets", {"bucket_name": "photos"})
        assert refused(office, "DELETE", "/s3/buckets/photos", {"unlink": True}) == (400, "InvalidInput")
        desk.close()


def test_a_public_policy_is_blocked_here_too(office: Office, namespace: Namespace) -> None:
    office.root("POST", "/s3/buckets", {"bucket_name": "photos"})
    namespace.change_bucket_access(
        PHOTOS, lambda _: BucketAccess(block=PublicAccessBlock(block_public_policy=True)))
    public: dict[str, object] = {"bucket_policy": "public"}
    assert refused(office, "PUT", "/s3/buckets/photos/policy", public) == (403, "NotAllowed")
    office.root("PUT", "/s3/buckets/photos/policy", {"bucket_policy": "none"})


def test_an_orgadmin_has_the_buckets_of_its_account(office: Office, namespace: Namespace) -> None:
    office.add("boss", "orgadmin", account="acme")
    token = office.token("boss")
    namespace.create_bucket(PHOTOS, owner="root")
    namespace.create_bucket(BucketName("left"), owner="gone")
    assert office.ask("POST", "/s3/buckets", {"bucket_name": "theirs"}, token=token).status == 201
    assert namespace.head_bucket(BucketName("theirs")).owner == "acme"
    listed: Any = office.ask("GET", "/s3/buckets", token=token).content["data"]
    assert [row["name"] for row in listed] == ["theirs"]
    for method, path, body in (
        ("DELETE", "/s3/buckets/photos", {}), ("GET", "/s3/buckets/photos/policy", {}),
        ("PUT", "/s3/buckets/photos/policy", {"bucket_policy": "public"}),
        ("GET", "/s3/buckets/left/policyJson", {}),
        ("PUT", "/s3/buckets/photos/policyJson", {"policy_file_content": statement("photos")}),
        ("DELETE", "/s3/buckets/missing", {}),
    ):
        done = office.ask(method, path, dict(body), token=token)
        assert (done.status, done.content["code"]) == (404, "NoSuchEntity"), path
    assert namespace.bucket_access(PHOTOS) == BucketAccess()
    names = [row["name"] for row in office.root("GET", "/s3/buckets")]
    assert names == ["left", "photos", "theirs"]  # root sees all, and what an account left
