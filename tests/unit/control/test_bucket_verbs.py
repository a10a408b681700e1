"""Buckets and their policies over the administration API, asked of a desk over a store in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.control.test_desk import ROOT, Office
from tests.unit.namespace.kit import FixedClock, memory_store, put
from weka_mp.clock import SeededRandom
from weka_mp.control.capacities import parse_capacity
from weka_mp.errors import BucketMissing, QuotaExceeded
from weka_mp.identity.errors import InvalidInput
from weka_mp.namespace import BucketAccess, Namespace, PublicAccessBlock
from weka_mp.object_lock import ObjectLock, encode
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


def test_a_bucket_with_object_lock_is_shown_as_such(office: Office, namespace: Namespace) -> None:
    namespace.create_bucket(PHOTOS)
    namespace.change_bucket_settings(
        PHOTOS, lambda old: replace(old, versioning="Enabled", object_lock=encode(ObjectLock()))
    )
    (shown,) = office.root("GET", "/s3/buckets")
    assert (shown["versioning"], shown["object-lock"]) == ("on", "on")


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
    for wrong in ({"hard_quota": "1 mile"}, {"hard_quota": "0B"}, {"soft_quota": "1MB"}):  # none is ignored
        made: dict[str, object] = {"bucket_name": "photos", **wrong}
        assert refused(office, "POST", "/s3/buckets", made) == (400, "InvalidInput")
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


def test_a_quota_is_set_changed_shown_and_unset(office: Office, namespace: Namespace) -> None:
    office.root("POST", "/s3/buckets", {"bucket_name": "photos", "hard_quota": "1KB"})
    put(namespace, b"k", b"x" * 600, bucket=PHOTOS)
    (row,) = office.root("GET", "/s3/buckets")
    assert (row["hard"], row["used"]) == (1000, 600)
    with pytest.raises(QuotaExceeded):
        put(namespace, b"l", b"x" * 401, bucket=PHOTOS)
    there = "/s3/buckets/photos/quota"
    assert office.root("PUT", there, {"hard_quota": "1KiB"}) == {"bucket_name": "photos", "hard_quota": 1024}
    put(namespace, b"l", b"x" * 424, bucket=PHOTOS)
    office.root("PUT", there, {"hard_quota": "5b"})  # below what is used
    assert [(row["hard"], row["used"]) for row in office.root("GET", "/s3/buckets")] == [(5, 1024)]
    for _ in range(2):  # one without a quota is no error
        assert office.root("DELETE", there) == {"bucket_name": "photos"}
    assert [(row["hard"], row["used"]) for row in office.root("GET", "/s3/buckets")] == [(None, None)]
    put(namespace, b"l", b"x" * 5000, bucket=PHOTOS)
    assert refused(office, "PUT", there, {"hard_quota": "1TB"}) == (409, "InUse")  # not the first, not empty
    for none in ("PUT", "DELETE"):
        body: dict[str, object] = {"hard_quota": "1TB"} if none == "PUT" else {}
        assert refused(office, none, "/s3/buckets/nothing/quota", body) == (404, "NoSuchEntity")


def test_an_existing_path_that_holds_something_gets_no_quota(office: Office, namespace: Namespace) -> None:
    office.root("POST", "/s3/buckets", {"bucket_name": "photos"})
    put(namespace, b"k", b"x", bucket=PHOTOS)
    namespace.unlink_bucket(PHOTOS)
    body: dict[str, object] = {"bucket_name": "photos", "existing_path": "photos", "hard_quota": "1MB"}
    assert refused(office, "POST", "/s3/buckets", body) == (409, "InUse")
    with pytest.raises(BucketMissing):
        namespace.head_bucket(PHOTOS)
    office.root("POST", "/s3/buckets", {**body, "hard_quota": None})
    namespace.delete_object(PHOTOS, b"k")
    namespace.unlink_bucket(PHOTOS)
    office.root("POST", "/s3/buckets", body)
    assert [row["hard"] for row in office.root("GET", "/s3/buckets")] == [1_000_000]


def test_without_handles_a_bucket_with_a_quota_is_not_made(tmp_path: Path) -> None:
    with Namespace.open(memory_store(file_handles=False)) as namespace:
        office = Office(namespace, tmp_path, FixedClock())
        body: dict[str, object] = {"bucket_name": "photos", "hard_quota": "1MB"}
        assert refused(office, "POST", "/s3/buckets", body) == (400, "InvalidInput")
        assert namespace.list_buckets() == []
        office.desk.close()


@pytest.mark.parametrize(
    ("text", "size"),
    [("1B", 1), ("1KB", 1000), ("1kib", 1024), ("20 GiB", 20 << 30), ("1.5TB", 1_500_000_000_000),
     ("1EB", 10**18), ("1EiB", 1 << 60), ("0.5KiB", 512)],
)  # fmt: skip
def test_capacities(text: str, size: int) -> None:
    assert parse_capacity(text) == size


@pytest.mark.parametrize("text", ["", "1", "B", "-1B", "0B", "0.5B", "9EiB", "1ZB", "1,5GB", "\u0661B"])
def test_what_is_no_capacity(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_capacity(text)
