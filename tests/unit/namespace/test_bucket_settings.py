"""What is set of buckets: whose the record is, what it looks like, and that a change is seen at once."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest

from tests.unit.namespace.kit import BUCKET, memory_store
from weka_mp.errors import BucketMissing, NotSupported, StoreUnusable
from weka_mp.namespace import BucketSettings, Namespace
from weka_mp.namespace.bucket_identity import bucket_identity
from weka_mp.namespace.buckets.settings import NO_SETTINGS, decode, encode
from weka_mp.store.posix import PosixStore
from weka_mp.values import BucketName

SOME = BucketSettings(quota=5)


def change(namespace: Namespace, settings: BucketSettings = SOME, bucket: BucketName = BUCKET) -> None:
    assert namespace.change_bucket_settings(bucket, lambda _: settings) == settings


def name_of(namespace: Namespace, bucket: BucketName = BUCKET) -> bytes:
    with namespace.context.bucket(bucket) as fd:
        return b"%d.settings" % bucket_identity(namespace.store, fd)


def test_the_record_as_documented() -> None:
    settings = BucketSettings(1 << 40, True, (("team", "blue"),), "<rules/>")
    data = encode(b"\x01\x00\x00\x00ino+gen", settings)
    assert data.hex() == (
        "574b5331df95c3be371c1346c4d6bb2c732d296070c2f0cbb64413ef58d3b24056b8c3088501c40b01000000696e6f2b"
        "67656e02cf000001000000000003c3049192a47465616da4626c756505a83c72756c65732f3e"
    )
    assert decode(data) == (b"\x01\x00\x00\x00ino+gen", settings)
    assert decode(encode(b"h", NO_SETTINGS)) == (b"h", NO_SETTINGS)
    locked = BucketSettings(object_lock='{"mode": "COMPLIANCE", "days": 1}')
    assert encode(b"h", locked)[36:] == msgpack.packb({1: b"h", 8: '{"mode": "COMPLIANCE", "days": 1}'})
    website = BucketSettings(website="{}")
    assert encode(b"h", website)[36:] == msgpack.packb({1: b"h", 13: "{}"})
    assert decode(encode(b"h", website)) == (b"h", website)
    logged = BucketSettings(logging="{}")
    assert encode(b"h", logged)[36:] == msgpack.packb({1: b"h", 20: "{}"})


def test_a_later_version_is_not_half_understood() -> None:
    body = msgpack.packb({1: b"h", 99: "only on Sundays"})
    with pytest.raises(StoreUnusable):
        decode(b"WKS1" + hashlib.sha256(body).digest() + body)


@pytest.mark.parametrize("at", [0, 5, 40, -1])
def test_damage_is_no_freedom(namespace: Namespace, at: int) -> None:
    change(namespace)
    registry, name = namespace._buckets._registry, name_of(namespace)
    data = bytearray(registry.read(name) or b"")
    data[at] ^= 1
    registry.write(name, bytes(data))
    with pytest.raises(StoreUnusable):
        namespace.bucket_settings(BUCKET)
    with pytest.raises(StoreUnusable):
        change(namespace, NO_SETTINGS)
    assert registry.read(name) == bytes(data)


def test_what_is_set_is_seen_by_others_at_once(tmp_path: Path) -> None:
    with Namespace.open(PosixStore(str(tmp_path))) as one, Namespace.open(PosixStore(str(tmp_path))) as other:
        one.create_bucket(BUCKET)
        assert other.bucket_settings(BUCKET) == NO_SETTINGS
        for number in range(100):  # many within one tick of the file system's clock, all of one length
            change(one, BucketSettings(quota=number % 10))
            assert other.bucket_settings(BUCKET).quota == number % 10
            assert other.bucket_settings(BUCKET) is other.bucket_settings(BUCKET)  # not read again
        change(one, NO_SETTINGS)
        assert other.bucket_settings(BUCKET) == NO_SETTINGS
        assert one._buckets._registry.read(name_of(one)) is None


def test_a_renamed_bucket_keeps_its_settings_and_the_next_one_has_none(namespace: Namespace) -> None:
    change(namespace)
    store = namespace.store
    store.rename(store.root(), b"bucket", store.root(), b"renamed")
    assert namespace.bucket_settings(BucketName("renamed")) == SOME
    namespace.create_bucket(BUCKET)
    assert namespace.bucket_settings(BUCKET) == NO_SETTINGS


@pytest.mark.parametrize("door", ["s3", "posix"])
def test_a_bucket_made_again_inherits_nothing(namespace: Namespace, door: str) -> None:
    change(namespace)
    name, store = name_of(namespace), namespace.store
    if door == "s3":
        namespace.delete_bucket(BUCKET)
        assert namespace._buckets._registry.read(name) is None
        namespace.create_bucket(BUCKET)
    else:
        store.rmdir(store.root(), BUCKET.encode())
        store.mkdir(store.root(), BUCKET.encode(), 0o755)
    assert namespace.bucket_settings(BUCKET) == NO_SETTINGS


def test_an_unlinked_bucket_is_adopted_without_settings(namespace: Namespace) -> None:
    change(namespace)
    namespace.unlink_bucket(BUCKET)
    namespace.adopt_bucket(BUCKET, "me")
    assert namespace.bucket_settings(BUCKET) == NO_SETTINGS


def test_a_change_keeps_what_it_does_not_name(namespace: Namespace) -> None:
    change(namespace, BucketSettings(quota=5, posix=False))
    namespace.change_bucket_settings(BUCKET, lambda before: replace(before, lifecycle="[]"))
    assert namespace.bucket_settings(BUCKET) == BucketSettings(quota=5, posix=False, lifecycle="[]")


def test_without_handles_nothing_can_be_set() -> None:
    with Namespace.open(memory_store(file_handles=False)) as namespace:
        namespace.create_bucket(BUCKET)
        with pytest.raises(NotSupported):
            change(namespace)
        assert namespace.bucket_settings(BUCKET) == NO_SETTINGS


@pytest.mark.parametrize("name", ["", "..", "a/b", "bucket/../bucket", ".weka", "BUCKET", "nobody"])
def test_what_is_no_bucket_has_no_settings(namespace: Namespace, name: str) -> None:
    with pytest.raises(BucketMissing):
        namespace.bucket_settings(BucketName(name))
    with pytest.raises(BucketMissing):
        change(namespace, bucket=BucketName(name))
