"""Copies onto themselves, whose record alone changes, and of sources that change while they are copied."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.namespace.kit import BUCKET, FixedClock, get, keys, md5_of, memory_store, posix_write, put
from weka_mp.errors import BucketMissing, ObjectChanged
from weka_mp.namespace import ContentHeaders, CopyRequest, Namespace, NewMetadata
from weka_mp.namespace.records.etags import mark_overwriter, mark_writer, retimed
from weka_mp.store.faulty import FaultyStore, Interference
from weka_mp.store.memory import MemoryStore
from weka_mp.values import BucketName

OLD, NEW = b"old", b"new content"
SECOND = 1_000_000_000


class Sha256:
    """What the gateway passes for x-amz-checksum-algorithm."""

    name = "SHA256"

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.update = self._hash.update

    def shown(self) -> str:
        return self._hash.hexdigest()


def aged() -> tuple[MemoryStore, FixedClock, Namespace]:
    clock = FixedClock()
    memory = memory_store(clock)
    namespace = Namespace.open(memory, clock=clock)
    namespace.create_bucket(BUCKET)
    return memory, clock, namespace


def overwrite(memory: MemoryStore, namespace: Namespace, path: bytes, data: bytes) -> None:
    fd = memory.open_file(memory.root(), path, 2)
    mark_writer(memory, namespace.locks, fd)
    mark_overwriter(memory, namespace.locks, fd)
    memory.write(fd, data, 0)
    memory.close(fd)


def test_new_metadata_moves_last_modified_and_nothing_else() -> None:
    memory, clock, namespace = aged()
    put(namespace, b"d/k", NEW, user={"old": "1"}, checksums={"CRC32": "AAAAAA=="})
    before = namespace.head_object(BUCKET, b"d/k")
    clock.advance(60 * SECOND)
    store = FaultyStore(memory)
    with Namespace.open(store, clock=clock) as other:  # type: ignore[arg-type]
        store.begin()
        headers = ContentHeaders("text/new")
        done = other.copy_object(
            CopyRequest(BUCKET, b"d/k", BUCKET, b"d/k", replace=NewMetadata(headers, {"new": "2"}))
        )
        assert not {"copy", "write", "read", "utimens"} & {call.verb for call in store.calls}
    after = namespace.head_object(BUCKET, b"d/k")
    assert (after.headers, after.user) == (headers, {"new": "2"})
    assert (after.etag, after.checksums, after.ino, after.stamp) == (
        before.etag, before.checksums, before.ino, before.stamp
    )
    assert after.mtime_ns == done.info.mtime_ns == clock.now_ns()
    assert namespace.list_objects(BUCKET).items[0].mtime_ns == after.mtime_ns  # type: ignore[union-attr]
    namespace.close()


def test_last_modified_is_that_of_what_came_last() -> None:
    memory, clock, namespace = aged()
    put(namespace, b"k", OLD)
    clock.advance(60 * SECOND)
    namespace.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"k", replace=NewMetadata()))
    copied = clock.now_ns()
    clock.advance(60 * SECOND)
    overwrite(memory, namespace, b"bucket/k", b"XX")
    assert namespace.head_object(BUCKET, b"k").mtime_ns >= clock.now_ns() > copied
    fd = memory.open_file(memory.root(), b"bucket/k", 2)
    with retimed(memory, namespace.locks, fd):
        memory.utimens(fd, 5 * SECOND, 5 * SECOND)
    memory.close(fd)
    assert namespace.head_object(BUCKET, b"k").mtime_ns == 5 * SECOND  # who sets a time means it
    namespace.close()


def test_a_redirect_alone_changes_the_record_alone(any_namespace: Namespace) -> None:
    before = put(any_namespace, b"k", NEW, user={"a": "1"}, headers=ContentHeaders("text/a")).info
    any_namespace.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"k", website_redirect="/there"))
    after = any_namespace.head_object(BUCKET, b"k")
    assert (after.ino, after.user, after.headers) == (
        before.ino, {"a": "1"}, ContentHeaders("text/a", website_redirect="/there")
    )


def test_a_checksum_is_computed_and_the_bytes_stay(any_namespace: Namespace) -> None:
    before = put(any_namespace, b"k", NEW).info
    any_namespace.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"k", replace=NewMetadata(), digest=Sha256))
    after = any_namespace.head_object(BUCKET, b"k")
    assert (after.ino, after.etag) == (before.ino, before.etag)
    assert after.checksums == {"SHA256": hashlib.sha256(NEW).hexdigest()}
    posix_write(any_namespace.store, b"posix", OLD)
    any_namespace.copy_object(
        CopyRequest(BUCKET, b"posix", BUCKET, b"posix", replace=NewMetadata(), digest=Sha256)
    )
    copied = any_namespace.head_object(BUCKET, b"posix")
    assert copied.checksums == {"SHA256": hashlib.sha256(OLD).hexdigest()}
    assert (copied.etag, get(any_namespace, b"posix")) == (md5_of(OLD), OLD)


def test_a_checksum_is_never_of_bytes_that_changed() -> None:
    memory, _, namespace = aged()
    put(namespace, b"k", b"0123456789")
    writer = Interference("read", 1, lambda: overwrite(memory, namespace, b"bucket/k", b"XX"))
    store = FaultyStore(memory, writer)
    with Namespace.open(store) as other:  # type: ignore[arg-type]
        other.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"k", replace=NewMetadata(), digest=Sha256))
    after = namespace.head_object(BUCKET, b"k")
    assert get(namespace, b"k") == b"XX23456789"
    assert after.checksums in ({}, {"SHA256": hashlib.sha256(b"XX23456789").hexdigest()})
    namespace.close()


def test_regression_a_directory_object_gets_new_metadata_too(any_namespace: Namespace) -> None:
    """A copy of `d/` onto itself answered that there was no such object."""
    put(any_namespace, b"d/", b"body", user={"a": "1"})
    put(any_namespace, b"d/below", OLD)
    any_namespace.copy_object(CopyRequest(BUCKET, b"d/", BUCKET, b"d/", replace=NewMetadata(user={"b": "2"})))
    assert any_namespace.head_object(BUCKET, b"d/").user == {"b": "2"}
    assert (get(any_namespace, b"d/"), keys(any_namespace)) == (b"body", [b"d/", b"d/below"])


@pytest.mark.parametrize("times", [1, 3, 4])
def test_a_source_that_changes_is_copied_again(times: int) -> None:
    memory, _, namespace = aged()
    put(namespace, b"k", b"0123456789")
    writes = [
        Interference("copy", number, lambda: overwrite(memory, namespace, b"bucket/k", b"XX"))
        for number in range(1, times + 1)
    ]
    store = FaultyStore(memory, *writes)
    with Namespace.open(store) as other:  # type: ignore[arg-type]
        if times < 4:
            other.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"copy"))
            assert get(namespace, b"copy") == b"XX23456789"
        else:
            with pytest.raises(ObjectChanged, match="kept changing"):
                other.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"copy"))
            assert keys(namespace) == [b"k"]
    namespace.close()


def test_regression_a_copy_puts_nothing_into_the_next_bucket_of_the_name(namespace: Namespace) -> None:
    target = BucketName("target")
    put(namespace, b"k", OLD)
    namespace.create_bucket(target)

    def change_hands(info: object) -> None:
        namespace.delete_bucket(target)
        namespace.create_bucket(target, owner="somebody else")

    with pytest.raises(BucketMissing):
        namespace.copy_object(CopyRequest(BUCKET, b"k", target, b"k", source_check=change_hands))
    assert keys(namespace, target) == []
    namespace.copy_object(CopyRequest(BUCKET, b"k", target, b"k"))
    assert keys(namespace, target) == [b"k"]
