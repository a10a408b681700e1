"""Buckets: directories whichever door made them, the registry beside them, and their deletion."""

from __future__ import annotations

import threading

import msgpack
import pytest

from tests.unit.namespace.kit import BUCKET, get, keys, md5_of, posix_write, put, tree
from weka_mp.bucket_names import is_bucket_name
from weka_mp.errors import (
    BucketExists,
    BucketMissing,
    BucketNotEmpty,
    InvalidName,
    PreconditionFailed,
    StoreUnusable,
)
from weka_mp.namespace import CopyRequest, Namespace, NewMetadata, WriteConditions
from weka_mp.store.faulty import FaultyStore, Interference
from weka_mp.store.memory import MemoryStore
from weka_mp.values import Attr, BucketName, Fd

OTHER = BucketName("other")


def test_a_bucket_is_made_once(any_namespace: Namespace) -> None:
    info, changes = any_namespace.create_bucket(OTHER, uid=3, gid=4, owner="me")
    assert (info.name, info.source, info.owner) == (OTHER, "s3", "me")
    assert [change.name for change in changes] == [b"other"]
    assert any_namespace.head_bucket(OTHER) == info
    with pytest.raises(BucketExists):
        any_namespace.create_bucket(OTHER)
    assert any_namespace.store.attr_at(any_namespace.store.root(), b"other").uid == 3
    assert [found.name for found in any_namespace.list_buckets()] == ["bucket", "other"]


@pytest.mark.parametrize("name", ["abc", "a" * 63, "1.a", "a-b.c", "amzn-s3-demo-bucket"])
def test_names_that_are_some(namespace: Namespace, name: str) -> None:
    namespace.create_bucket(BucketName(name))
    assert namespace.head_bucket(BucketName(name)).name == name


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "Upper", "a_b", "-ab", "ab-", "a..b", "1.2.3.4", "", ".weka", "a/b", "a\n", "äöü",
     "xn--ab", "sthree-ab", "ab-s3alias", "ab--ol-s3", "ab.mrap", "ab--x-s3", "ab--table-s3"],
)
def test_names_that_are_none(namespace: Namespace, name: str) -> None:
    assert not is_bucket_name(name)
    with pytest.raises(InvalidName):
        namespace.create_bucket(BucketName(name))
    for call in (namespace.head_bucket, namespace.delete_bucket, namespace.list_objects):
        with pytest.raises(BucketMissing):
            call(BucketName(name))


def test_a_directory_made_over_posix_is_a_bucket(any_namespace: Namespace) -> None:
    store = any_namespace.store
    for name in (b"made", b"Not_One", b".hidden"):
        store.mkdir(store.root(), name, 0o755)
    store.symlink(b"made", store.root(), b"alink")
    fd = store.open_file(store.root(), b"afile", 0o102, 0o644)
    store.close(fd)
    assert [found.name for found in any_namespace.list_buckets()] == ["bucket", "made"]
    info = any_namespace.head_bucket(BucketName("made"))
    assert info.source == "posix"
    posix_write(store, b"k", b"x", BucketName("made"))
    assert any_namespace.head_bucket(BucketName("made")).created_ns == info.created_ns
    with pytest.raises(BucketExists):
        any_namespace.create_bucket(BucketName("afile"))


def test_a_rename_keeps_what_is_registered(any_namespace: Namespace) -> None:
    info, _ = any_namespace.create_bucket(OTHER, owner="me")
    root = any_namespace.store.root()
    any_namespace.store.rename(root, b"other", root, b"renamed")
    renamed = any_namespace.head_bucket(BucketName("renamed"))
    assert (renamed.owner, renamed.created_ns, renamed.source) == ("me", info.created_ns, "s3")


def test_a_reused_inode_number_inherits_nothing() -> None:
    store = MemoryStore(reuse_inode_numbers=True)
    with Namespace.open(store) as namespace:
        info, _ = namespace.create_bucket(OTHER, owner="me")
        store.rmdir(store.root(), b"other")
        for attempt in range(100):
            name = b"next%d" % attempt
            store.mkdir(store.root(), name, 0o755)
            if store.attr_at(store.root(), name).ino == info.ino:
                break
        found = namespace.head_bucket(BucketName(name.decode()))
        assert (found.ino, found.owner, found.source) == (info.ino, None, "posix")


def test_regression_whoever_looks_while_a_bucket_is_made_takes_it_from_nobody(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, unregistered = [], namespace._buckets._registered

    def slow(fd: Fd, attr: Attr) -> dict[int, object] | None:
        found = unregistered(fd, attr)
        if not looked:  # not registered yet; it is when this is told
            assert found is None
            looked.append(attr.ino)
            namespace._buckets._register(fd, attr, 1, "s3", "me")
        return found

    namespace.store.mkdir(namespace.store.root(), b"other", 0o755)
    monkeypatch.setattr(namespace._buckets, "_registered", slow)
    assert [namespace.head_bucket(OTHER).owner for _ in range(2)] == ["me", "me"]
    assert looked


def test_regression_a_deletion_forgets_no_bucket_that_got_its_inode_number(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, _ = namespace.create_bucket(OTHER, owner="me")
    registry, remove = namespace._buckets._registry, namespace.store.rmdir
    name = b"%d" % info.ino
    of_next = msgpack.packb({1: 5, 2: "you", 3: "s3", 4: b"another handle"})

    def reused(directory: Fd, entry: bytes) -> None:
        remove(directory, entry)
        if entry == b"other":
            registry.write(name, of_next)

    monkeypatch.setattr(namespace.store, "rmdir", reused)
    namespace.delete_bucket(OTHER)
    assert registry.read(name) == of_next


def test_deletion_takes_empty_directories_and_nothing_else(any_namespace: Namespace) -> None:
    store = any_namespace.store
    put(any_namespace, b"a/b/c", b"x")
    with pytest.raises(BucketNotEmpty):
        any_namespace.delete_bucket(BUCKET)
    any_namespace.delete_object(BUCKET, b"a/b/c")
    at = store.open_dir(store.root(), b"bucket")
    store.mkdir(at, b"empty", 0o755)
    inner = store.open_dir(at, b"empty")
    store.mkdir(inner, b"inner", 0o755)
    store.symlink(b"nowhere", inner, b"dangling")
    with pytest.raises(BucketNotEmpty):
        any_namespace.delete_bucket(BUCKET)
    store.unlink(inner, b"dangling")
    store.close(inner)
    store.close(at)
    changes = any_namespace.delete_bucket(BUCKET)
    assert [change.name for change in changes] == [b"bucket"]
    with pytest.raises(BucketMissing):
        any_namespace.delete_bucket(BUCKET)
    assert not [path for path in tree(store) if path.startswith(b".weka/buckets/")][1:]
    any_namespace.create_bucket(BUCKET)


def test_regression_a_refused_deletion_keeps_empty_directories() -> None:
    """The directories went before something that is no object was found behind them."""
    with Namespace.open(memory := MemoryStore()) as namespace:
        namespace.create_bucket(BUCKET)
        at = memory.open_dir(memory.root(), BUCKET.encode())
        for name in (b"a", b"c"):
            memory.mkdir(at, name, 0o755)
        memory.symlink(b"nowhere", at, b"b")
        before = tree(memory)
        with pytest.raises(BucketNotEmpty):
            namespace.delete_bucket(BUCKET)
        assert tree(memory) == before
        memory.close(at)


def test_regression_a_directory_object_made_meanwhile_keeps_its_bucket() -> None:
    """It is made in two steps, and the deletion looked for objects before it took the directories away."""
    memory = MemoryStore()
    store = FaultyStore(memory)
    with Namespace.open(store) as namespace, Namespace.open(memory) as other:  # type: ignore[arg-type]
        namespace.create_bucket(BUCKET)
        for nth in range(1, 4):
            store.begin(Interference("entries", nth, lambda: put(other, b"d/", b"")))
            with pytest.raises(BucketNotEmpty):
                namespace.delete_bucket(BUCKET)
            assert keys(other) == [b"d/"]
            other.delete_object(BUCKET, b"d/")
            posix_write(memory, b"x/y", b"")
            other.delete_object(BUCKET, b"x/y")


def test_copies(any_namespace: Namespace) -> None:
    any_namespace.create_bucket(OTHER)
    source = put(
        any_namespace,
        b"a/k",
        b"data",
        user={"x": "1"},
        checksums={"CRC32": "rfMzYw=="},
        checksum_type="FULL_OBJECT",
    ).info
    copied = any_namespace.copy_object(CopyRequest(BUCKET, b"a/k", OTHER, b"b/k", owner="you")).info
    assert get(any_namespace, b"b/k", OTHER) == b"data"
    assert (copied.etag, copied.user, copied.checksums, copied.owner) == (
        source.etag,
        {"x": "1"},
        {"CRC32": "rfMzYw=="},
        "you",
    )
    replaced = any_namespace.copy_object(CopyRequest(
        BUCKET, b"a/k", BUCKET, b"a/k", replace=NewMetadata(user={"y": "2"})
    )).info
    assert (replaced.etag, replaced.user, replaced.stamp) == (source.etag, {"y": "2"}, source.stamp)
    assert replaced.mtime_ns > source.mtime_ns
    posix_write(any_namespace.store, b"plain", b"posix")
    assert any_namespace.copy_object(CopyRequest(BUCKET, b"plain", BUCKET, b"c")).info.etag == md5_of(
        b"posix"
    )
    with pytest.raises(PreconditionFailed):
        any_namespace.copy_object(CopyRequest(
            BUCKET, b"a/k", OTHER, b"b/k", conditions=WriteConditions(if_none_match=True)
        ))


def test_regression_new_metadata_is_not_lost_to_the_filler(namespace: Namespace) -> None:
    """Both read the record, change their part and write it; the filler does so under a lease."""
    posix_write(namespace.store, b"k", b"posix")
    memory = namespace.store
    copied = threading.Event()

    def rewrite() -> None:
        with Namespace.open(memory) as other:
            other.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"k", replace=NewMetadata(user={"x": "1"})))
        copied.set()

    thread = threading.Thread(target=rewrite)

    def start() -> None:
        thread.start()
        copied.wait(0.05)  # it cannot get through while the filler has its lease

    store = FaultyStore(memory, Interference("set_xattr", 1, start))
    with Namespace.open(store) as filler:  # type: ignore[arg-type]
        filler.fill(BUCKET)
    thread.join()
    assert copied.is_set()
    assert namespace.head_object(BUCKET, b"k").user == {"x": "1"}


def test_a_store_is_opened_again_and_a_newer_one_refused(memory: MemoryStore) -> None:
    with Namespace.open(memory) as first, Namespace.open(memory) as second:
        assert first.store_id == second.store_id
        assert len(first.store_id) == 32
    control = memory.open_dir(memory.root(), b".weka")
    fd = memory.open_file(control, b"format", 0o1001)
    for text in (b'{"format": 2, "store_id": "x"}', b"junk", b"[]", b"{}"):
        memory.truncate(fd, 0)
        memory.write(fd, text, 0)
        with pytest.raises(StoreUnusable):
            Namespace.open(memory)
    memory.close(fd)
    memory.close(control)
    assert memory.open_descriptors() == 0
