"""What buckets grant: whose the record is, what it looks like, and that a change is seen at once."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest

from tests.unit.namespace.kit import BUCKET, memory_store, put
from weka_mp.acl import LOG_DELIVERY, OWNER, Acl, Grant
from weka_mp.errors import BucketExists, BucketMissing, InvalidName, NotSupported, StoreUnusable
from weka_mp.namespace import BucketAccess, Namespace, PublicAccessBlock
from weka_mp.namespace.buckets.access import NO_ACCESS, decode, encode
from weka_mp.store.posix import PosixStore
from weka_mp.values import BucketName

RECORD = b"bucket.access"
POLICY = BucketAccess(policy="{}")


def grant(namespace: Namespace, access: BucketAccess = POLICY, bucket: BucketName = BUCKET) -> None:
    assert namespace.change_bucket_access(bucket, lambda _: access) == access


def record_of(namespace: Namespace) -> bytes | None:
    return namespace._buckets._registry.read(RECORD)


def test_the_record_as_documented() -> None:
    access = BucketAccess(
        '{"Version": "2012-10-17"}', (("111122223333/ann", "AIDA2222222222222222A"),),
        PublicAccessBlock(True, False, True, False), unlinked=True,
    )
    data = encode(b"\x01\x00\x00\x00ino+gen", access)
    assert data.hex() == (
        "574b4131577b0caef204a5d9f929b283f418bbd88007c766a3a1ab8019c7744e4dbabc9f"
        "8501c40b01000000696e6f2b67656e02b97b2256657273696f6e223a2022323031322d31302d3137227d03"
        "9192b03131313132323232333333332f616e6eb54149444132323232323232323232323232323232410494c3c2c3c205c3"
    )
    assert decode(data) == (b"\x01\x00\x00\x00ino+gen", access)
    assert decode(encode(b"h", NO_ACCESS)) == (b"h", NO_ACCESS)


def test_the_record_of_a_bucket_with_an_acl_as_documented() -> None:
    acl = Acl(None, (Grant(OWNER, "FULL_CONTROL"), Grant(LOG_DELIVERY, "WRITE")))
    access = BucketAccess(ownership="ObjectWriter", acl=acl)
    data = encode(b"\x01\x00\x00\x00ino+gen", access)
    assert data.hex() == (
        "574b41310ca9fe742bfee1dec289d22d10a02eb0ecbee2f5c31ef6e37c520cc780699ad08301c40b01000000696e6f2b"
        "67656e06ac4f626a6563745772697465720792c092920000920302"
    )
    assert decode(data) == (b"\x01\x00\x00\x00ino+gen", access)


@pytest.mark.parametrize(
    "fields", [{6: "Everybody"}, {6: 1}, {7: []}, {7: [None, [[9, 0]]]}, {7: [None, [[0, 5]]]}]
)
def test_an_acl_that_is_not_understood_is_no_permission(fields: dict[int, object]) -> None:
    body = msgpack.packb({1: b"h", **fields})
    with pytest.raises(StoreUnusable):
        decode(b"WKA1" + hashlib.sha256(body).digest() + body)


@pytest.mark.parametrize("at", [0, 5, 40, -1])
def test_damage_is_no_permission(namespace: Namespace, at: int) -> None:
    grant(namespace)
    data = bytearray(record_of(namespace) or b"")
    data[at] ^= 1
    namespace._buckets._registry.write(RECORD, bytes(data))
    for call in (namespace.bucket_access, namespace.head_bucket):
        with pytest.raises(StoreUnusable):
            call(BUCKET)
    with pytest.raises(StoreUnusable):
        namespace.change_bucket_access(BUCKET, lambda _: NO_ACCESS)
    assert record_of(namespace) == bytes(data)


def test_a_later_version_is_not_half_understood() -> None:
    body = msgpack.packb({1: b"h", 9: "only on Sundays"})
    with pytest.raises(StoreUnusable):
        decode(b"WKA1" + hashlib.sha256(body).digest() + body)


def test_what_is_granted_is_seen_by_others_at_once(tmp_path: Path) -> None:
    with Namespace.open(PosixStore(str(tmp_path))) as one, Namespace.open(PosixStore(str(tmp_path))) as other:
        one.create_bucket(BUCKET)
        assert other.bucket_access(BUCKET) == NO_ACCESS
        for number in range(300):  # many within one tick of the file system's clock, all of one length
            grant(one, BucketAccess(policy=f'{{"n": {number % 10}}}'))
            assert other.bucket_access(BUCKET).policy == f'{{"n": {number % 10}}}'
            assert other.bucket_access(BUCKET) is other.bucket_access(BUCKET)  # not read again
        grant(one, NO_ACCESS)
        assert other.bucket_access(BUCKET) == NO_ACCESS
        assert record_of(one) is None


def test_records_beyond_those_that_are_kept_are_read_again(namespace: Namespace) -> None:
    names = [BucketName(f"bucket-{number}") for number in range(70)]
    for name in names:
        namespace.create_bucket(name)
        grant(namespace, BucketAccess(policy=name), name)
    for _ in range(2):
        assert [namespace.bucket_access(name).policy for name in names] == names


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    def held() -> int:
        return sum(os.readlink(entry).endswith(".access") for entry in Path("/proc/self/fd").iterdir()
                   if entry.is_symlink() and os.path.exists(entry))

    with Namespace.open(PosixStore(str(tmp_path))) as namespace:
        namespace.create_bucket(BUCKET)
        grant(namespace)
        namespace.bucket_access(BUCKET)
        assert held() == 1
    assert held() == 0


@pytest.mark.parametrize("door", ["s3", "posix"])
def test_a_bucket_made_again_inherits_nothing(namespace: Namespace, door: str) -> None:
    grant(namespace, BucketAccess("{}", block=PublicAccessBlock(True)))
    store = namespace.store
    if door == "s3":
        namespace.delete_bucket(BUCKET)
        assert record_of(namespace) is None
        namespace.create_bucket(BUCKET)
    else:
        store.rmdir(store.root(), BUCKET.encode())
        store.mkdir(store.root(), BUCKET.encode(), 0o755)
        assert record_of(namespace) is not None  # of the one that is gone
    assert namespace.bucket_access(BUCKET) == NO_ACCESS
    grant(namespace, BucketAccess(policy="[]"))
    assert namespace.bucket_access(BUCKET).policy == "[]"


def test_another_directory_under_the_name_has_none_of_it(namespace: Namespace) -> None:
    grant(namespace)
    other = BucketName("other")
    namespace.create_bucket(other)
    store = namespace.store
    root = store.root()
    store.rename(root, b"bucket", root, b"former")
    store.rename(root, b"other", root, b"bucket")
    assert namespace.bucket_access(BUCKET) == NO_ACCESS
    assert namespace.bucket_access(BucketName("former")) == NO_ACCESS  # it speaks of another name
    store.rename(root, b"bucket", root, b"other")
    store.rename(root, b"former", root, b"bucket")
    assert namespace.bucket_access(BUCKET) == POLICY


def test_the_end_of_a_bucket_does_not_take_the_next_ones_policy(namespace: Namespace) -> None:
    """What a deletion removes late, after the name was given anew, is the former one's only."""
    grant(namespace, BucketAccess(policy="new"))
    namespace._access.forget(BUCKET, b"handle of the former one")
    assert namespace.bucket_access(BUCKET).policy == "new"


def test_changes_at_once_lose_none(namespace: Namespace) -> None:
    def add(number: int) -> None:
        namespace.change_bucket_access(
            BUCKET, lambda before: replace(before, named=(*before.named, (str(number), "x")))
        )

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(who for who, _ in namespace.bucket_access(BUCKET).named) == [str(n) for n in range(8)]


def test_what_a_step_raises_changes_nothing(namespace: Namespace) -> None:
    grant(namespace)

    def refuse(before: BucketAccess) -> BucketAccess:
        raise KeyError

    with pytest.raises(KeyError):
        namespace.change_bucket_access(BUCKET, refuse)
    assert namespace.bucket_access(BUCKET) == POLICY


def test_without_handles_nothing_can_be_granted() -> None:
    with Namespace.open(memory_store(file_handles=False)) as namespace:
        namespace.create_bucket(BUCKET)
        with pytest.raises(NotSupported):
            grant(namespace)
        assert namespace.bucket_access(BUCKET) == NO_ACCESS


@pytest.mark.parametrize("name", ["", "..", "a/b", "bucket/../bucket", ".weka", "BUCKET", "nobody"])
def test_what_is_no_bucket_has_nothing_to_say(namespace: Namespace, name: str) -> None:
    assert namespace.bucket_access(BucketName(name)) == NO_ACCESS
    with pytest.raises(BucketMissing):
        grant(namespace, bucket=BucketName(name))


def test_an_unlinked_bucket_is_none_until_it_is_adopted(namespace: Namespace) -> None:
    put(namespace, b"k")
    made = namespace.head_bucket(BUCKET).created_ns
    grant(namespace)
    namespace.unlink_bucket(BUCKET)
    for call in (namespace.head_bucket, namespace.delete_bucket, namespace.unlink_bucket):
        with pytest.raises(BucketMissing):
            call(BUCKET)
    assert namespace.list_buckets() == []
    with pytest.raises(BucketExists):
        namespace.create_bucket(BUCKET)
    info = namespace.adopt_bucket(BUCKET, "me")
    assert (info.owner, info.created_ns) == ("me", made)
    assert namespace.bucket_access(BUCKET) == NO_ACCESS  # what was granted ended with it
    assert [found.name for found in namespace.list_buckets()] == [BUCKET]
    with pytest.raises(BucketExists):
        namespace.adopt_bucket(BUCKET, "you")


def test_what_posix_made_can_be_adopted_once(namespace: Namespace) -> None:
    store = namespace.store
    store.mkdir(store.root(), b"made", 0o755)
    assert namespace.adopt_bucket(BucketName("made"), "me").owner == "me"
    with pytest.raises(BucketExists):
        namespace.adopt_bucket(BucketName("made"), "you")
    with pytest.raises(BucketMissing):
        namespace.adopt_bucket(BucketName("missing"), "me")
    with pytest.raises(InvalidName):
        namespace.adopt_bucket(BucketName("../made"), "me")
    store.symlink(b"made", store.root(), b"link")
    with pytest.raises(BucketMissing):
        namespace.adopt_bucket(BucketName("link"), "me")


def test_a_directory_made_in_the_place_of_an_unlinked_one_is_a_bucket(namespace: Namespace) -> None:
    namespace.unlink_bucket(BUCKET)
    store = namespace.store
    store.rmdir(store.root(), BUCKET.encode())
    store.mkdir(store.root(), BUCKET.encode(), 0o755)
    assert namespace.head_bucket(BUCKET).source == "posix"
