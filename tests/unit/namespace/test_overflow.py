"""Records that do not fit into an inode's attributes, and records that cannot be read."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.namespace.kit import BUCKET, FixedClock, get, keys, memory_store, posix_write, put, tree
from weka_mp.clock import Clock
from weka_mp.errors import IoFailure, NoSpace
from weka_mp.namespace import CopyRequest, Namespace, NewMetadata
from weka_mp.namespace.records import overflow
from weka_mp.namespace.records.attribute import (
    BROKEN,
    RECORD_XATTR,
    decode,
    load,
    make_room,
    read_record,
    write_record,
)
from weka_mp.namespace.records.etags import mark_overwriter, mark_writer
from weka_mp.namespace.records.values import ContentHeaders, PartSizes, Record
from weka_mp.namespace.tree.facade import AttrChange, Tree
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.namespace.upkeep.checking import Repairs
from weka_mp.store.faulty import Fault, FaultyStore, Interference
from weka_mp.store.memory import MemoryStore
from weka_mp.store.memory_inodes import ALL_PRIMITIVES
from weka_mp.values import Fd, InodeNo, Stamp

LARGE = {"large": "x" * 900}
PARTS = PartSizes.of([5 << 20 | number for number in range(10_000)])


class TightStore(MemoryStore):
    """As ext4: so many bytes for the names and values of all attributes of an inode together."""

    room = 700

    def set_xattr(self, fd: Fd, name: str, value: bytes, flags: int = 0) -> None:
        others = (other for other in self.list_xattr(fd) if other != name)
        taken = sum(len(other) + len(self.get_xattr(fd, other)) for other in others)
        if taken + len(name) + len(value) > self.room:
            raise NoSpace(subject=name)
        super().set_xattr(fd, name, value, flags)


def tight(clock: Clock | None = None) -> TightStore:
    return TightStore(replace(ALL_PRIMITIVES), clock=clock)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def namespace(clock: FixedClock) -> Iterator[Namespace]:
    store = tight(clock)
    with Namespace.open(store, clock=clock) as opened:
        opened.create_bucket(BUCKET)
        yield opened
    assert (store.open_descriptors(), store.held_locks()) == (0, 0)


def attribute(namespace: Namespace, name: bytes = b"k") -> bytes:
    fd = namespace.store.open_file(namespace.store.root(), b"bucket/" + name, os.O_RDONLY)
    try:
        return namespace.store.get_xattr(fd, RECORD_XATTR)
    finally:
        namespace.store.close(fd)


def overflow_files(namespace: Namespace) -> dict[bytes, bytes | None]:
    prefix = b".weka/overflow/"
    found = tree(namespace.store).items()
    return {path[len(prefix) :]: data for path, data in found if path.startswith(prefix) and path != prefix}


def test_golden_bytes(namespace: Namespace) -> None:
    """As docs/STORAGE_FORMAT.md shows them."""
    metadata = bytes.fromhex("574b4f31820881") + b"\x01\xaatext/plain" + b"\x09\x81\xa1a\xd9\x78" + b"x" * 120
    digest = hashlib.sha256(metadata).digest()
    inline = b"WKO1\x85\x01\x05\x02\x06\x03\x07\x04\xc4\x10" + bytes(16) + b"\x11\xc4\x20" + digest
    record = Record(
        stamp=Stamp(5, 6, InodeNo(7)),
        etag="0" * 32,
        headers=ContentHeaders(content_type="text/plain"),
        user={"a": "x" * 120},
    )
    posix_write(namespace.store, b"k", b"")
    fd = namespace.store.open_file(namespace.store.root(), b"bucket/k", os.O_RDONLY)
    namespace.store.set_xattr(fd, "user.other", b"x" * 550)
    write_record(namespace.store, fd, record)
    assert attribute(namespace) == inline
    assert overflow_files(namespace) == {digest.hex().encode(): metadata}
    assert digest.hex().startswith("d6c4e61c")
    assert read_record(namespace.store, fd) == record
    namespace.store.close(fd)


def test_what_does_not_fit_lies_in_files_of_its_own(namespace: Namespace) -> None:
    headers = ContentHeaders(content_type="a/b", cache_control="c" * 2000, content_disposition="d" * 2000)
    put(namespace, b"k", b"body", headers=headers, user=LARGE, tags={"t": "v"}, part_sizes=PARTS, owner="me")
    info = namespace.head_object(BUCKET, b"k")
    assert (info.headers, info.user, info.tags, info.part_sizes) == (headers, LARGE, {"t": "v"}, PARTS)
    assert info.owner == "me" and info.etag_is_true
    assert len(attribute(namespace)) < 150
    assert len(overflow_files(namespace)) == 2
    for name, data in overflow_files(namespace).items():
        assert hashlib.sha256(data or b"").hexdigest().encode() == name


def test_equal_metadata_share_one_file(namespace: Namespace) -> None:
    for key in (b"a", b"b", b"c"):
        put(namespace, key, key, user=LARGE)
    assert len(overflow_files(namespace)) == 1
    assert all(namespace.head_object(BUCKET, key).user == LARGE for key in (b"a", b"b", b"c"))


def test_writers_and_the_filler_carry_metadata_and_void_parts(
    namespace: Namespace, clock: FixedClock
) -> None:
    put(namespace, b"k", b"body", user=LARGE, part_sizes=PARTS)
    store = namespace.store
    fd = store.open_file(store.root(), b"bucket/k", os.O_RDWR)
    mark_writer(store, namespace.locks, fd)
    store.write(fd, b"more", 4)
    store.close(fd)
    clock.advance(10**10)
    assert namespace.fill(BUCKET).filled == 1
    info = namespace.head_object(BUCKET, b"k")
    assert (info.user, info.part_sizes, info.etag_is_true) == (LARGE, None, True)
    assert not decode(attribute(namespace)).overflow.content


def test_metadata_that_became_small_comes_back_inline(namespace: Namespace) -> None:
    put(namespace, b"k", b"body", user=LARGE)
    namespace.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"k", replace=NewMetadata(user={"a": "b"})))
    assert namespace.head_object(BUCKET, b"k").user == {"a": "b"}
    assert not any(decode(attribute(namespace)).overflow)


def test_it_is_on_the_disk_before_a_record_names_it() -> None:
    store = FaultyStore(tight())
    with Namespace.open(store) as namespace:  # type: ignore[arg-type]
        namespace.create_bucket(BUCKET)
        for key in (b"first", b"second"):  # made, and found to be there
            store.begin()
            put(namespace, key, b"x", user=LARGE)
            calls = [(call.verb, call.ino) for call in store.calls]
            directory = namespace.store.attr(namespace._area.overflow).ino
            named = max(at for at, (verb, _) in enumerate(calls) if verb == "set_xattr")
            synced = calls.index(("sync_dir", directory))
            assert any(verb == "sync_file" for verb, _ in calls[:synced]) and synced < named, key


def test_without_any_room_the_old_record_stays_whole(namespace: Namespace) -> None:
    put(namespace, b"k", b"body", user={"a": "b" * 120})
    store = namespace.store
    fd = store.open_file(store.root(), b"bucket/k", os.O_RDONLY)
    taken = len(RECORD_XATTR) + len(attribute(namespace)) + len("user.mine")
    store.set_xattr(fd, "user.mine", b"x" * (TightStore.room - taken))
    before = attribute(namespace)
    with pytest.raises(NoSpace):
        write_record(store, fd, Record(owner="o" * 300))
    assert attribute(namespace) == before
    assert make_room(store, fd)
    assert not make_room(store, fd)
    store.set_xattr(fd, "user.mine2", b"x" * 20)
    store.close(fd)
    assert namespace.head_object(BUCKET, b"k").user == {"a": "b" * 120}


def test_marks_find_room_in_a_full_inode(namespace: Namespace) -> None:
    put(namespace, b"k", b"body", user={"a": "b"})
    store = namespace.store
    fd = store.open_file(store.root(), b"bucket/k", os.O_RDWR)
    taken = len(RECORD_XATTR) + len(attribute(namespace)) + len("user.mine")
    store.set_xattr(fd, "user.mine", b"x" * (TightStore.room - taken))
    mark_writer(store, namespace.locks, fd)
    mark_overwriter(store, namespace.locks, fd)
    store.close(fd)
    info = namespace.head_object(BUCKET, b"k")
    assert (info.etag_is_true, info.user) == (False, {"a": "b"})


def test_a_full_disk_is_said_and_leaves_the_old_object() -> None:
    store = FaultyStore(tight())
    with Namespace.open(store) as namespace:  # type: ignore[arg-type]
        namespace.create_bucket(BUCKET)
        put(namespace, b"k", b"old", user={"a": "b"})
        for verb, error in (("set_xattr", NoSpace), ("sync_file", IoFailure), ("sync_dir", IoFailure)):
            store.begin(Fault(error, 1 if verb != "set_xattr" else 2, verb))
            with pytest.raises(error):
                put(namespace, b"k", b"new", user=LARGE)
            store.begin()
            assert get(namespace, b"k") == b"old" and namespace.head_object(BUCKET, b"k").user == {"a": "b"}
        left = [path for path in tree(namespace.store) if b".new-" in path or b"spool/" in path]
        assert left == [b".weka/spool/"]


# ---- what cannot be read


def damage(namespace: Namespace, how: str) -> None:
    store = namespace.store
    (name,) = overflow_files(namespace)
    directory = namespace._area.overflow
    if how == "missing":
        store.unlink(directory, name)
        return
    fd = store.open_file(directory, name, os.O_RDWR)
    if how == "truncated":
        store.truncate(fd, 10)
    elif how == "longer":
        store.write(fd, b"more", 2000)
    else:
        store.write(fd, b"X", 20)
    store.close(fd)


@pytest.mark.parametrize("how", ["missing", "truncated", "longer", "flipped"])
def test_a_damaged_overflow_file_breaks_the_record_only(
    namespace: Namespace, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(namespace, b"k", b"body", user=LARGE)
    put(namespace, b"l", b"other")
    before, count = attribute(namespace), BROKEN.count
    damage(namespace, how)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            info = namespace.head_object(BUCKET, b"k")
            assert keys(namespace) == [b"k", b"l"]
    assert (info.user, info.etag_is_true) == ({}, False)
    assert get(namespace, b"k") == b"body"
    assert BROKEN.count == count + 1  # reported once
    assert sum("taken as absent" in message for message in caplog.messages) == 1
    assert attribute(namespace) == before


def test_a_damaged_overflow_file_is_made_again_by_who_needs_it(namespace: Namespace) -> None:
    put(namespace, b"k", b"body", user=LARGE)
    damage(namespace, "flipped")
    put(namespace, b"l", b"body", user=LARGE)
    assert namespace.head_object(BUCKET, b"k").user == LARGE  # the record is whole again, too


def test_what_overwrites_a_broken_record_keeps_its_bytes(namespace: Namespace, clock: FixedClock) -> None:
    put(namespace, b"k", b"body")
    store = namespace.store
    fd = store.open_file(store.root(), b"bucket/k", os.O_RDONLY)
    store.set_xattr(fd, RECORD_XATTR, b"WKO1 nonsense")
    store.close(fd)
    clock.advance(10**10)
    assert namespace.fill(BUCKET).filled == 1
    assert namespace.head_object(BUCKET, b"k").etag_is_true
    kept = {path: data for path, data in tree(store).items() if path.startswith(b".weka/broken/")}
    assert [data for data in kept.values() if data is not None] == [b"WKO1 nonsense"]


def test_bytes_that_cannot_be_kept_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    store = FaultyStore(tight())
    with Namespace.open(store) as namespace:  # type: ignore[arg-type]
        namespace.create_bucket(BUCKET)
        put(namespace, b"k", b"body")
        fd = store.open_file(store.root(), b"bucket/k", os.O_RDONLY)
        store.set_xattr(fd, RECORD_XATTR, b"broken")
        store.begin(Fault(NoSpace, 1, "write"))
        write_record(store, fd, Record(owner="me"))  # type: ignore[arg-type]
        assert load(store, store.get_xattr(fd, RECORD_XATTR)).owner == "me"  # type: ignore[arg-type]
        store.begin()
        store.close(fd)
    assert any(b"broken".hex() in message for message in caplog.messages)


# ---- mark and sweep


def grow_old(clock: FixedClock) -> None:
    clock.advance(overflow.GRACE_NS + 1_000_000)


def test_what_no_record_names_goes_after_two_looks(namespace: Namespace, clock: FixedClock) -> None:
    put(namespace, b"k", b"body", user=LARGE)
    put(namespace, b"k", b"body")
    assert namespace.sweep_overflow() == 0 and len(overflow_files(namespace)) == 1
    grow_old(clock)
    assert namespace.sweep_overflow() == 0 and len(overflow_files(namespace)) == 1  # the first look
    assert namespace.sweep_overflow() == 0
    grow_old(clock)
    assert namespace.sweep_overflow() == 1 and overflow_files(namespace) == {}


def test_what_a_record_names_stays_wherever_the_record_is(namespace: Namespace, clock: FixedClock) -> None:
    """Copied by a program that knows nothing of it, below a name that no view shows, outside of buckets."""
    put(namespace, b"k", b"body", user=LARGE)
    data = attribute(namespace)
    namespace.delete_object(BUCKET, b"k")
    store = namespace.store
    for path in (b".weka~hidden", b"Not-A-Bucket"):
        fd = store.open_file(store.root(), path, os.O_RDWR | os.O_CREAT)
        store.set_xattr(fd, RECORD_XATTR, data)
        store.close(fd)
        for _ in range(3):
            grow_old(clock)
            assert namespace.sweep_overflow() == 0
        assert len(overflow_files(namespace)) == 1
        store.unlink(store.root(), path)


def test_a_file_wanted_again_is_acquitted(namespace: Namespace, clock: FixedClock) -> None:
    put(namespace, b"k", b"body", user=LARGE)
    put(namespace, b"k", b"body")
    grow_old(clock)
    namespace.sweep_overflow()
    put(namespace, b"k", b"body", user=LARGE)
    put(namespace, b"k", b"body")
    grow_old(clock)
    assert namespace.sweep_overflow() == 0  # it takes two looks again
    assert len(overflow_files(namespace)) == 1


def test_a_sweep_that_did_not_see_everything_takes_nothing(namespace: Namespace, clock: FixedClock) -> None:
    put(namespace, b"k", b"body", user=LARGE)
    put(namespace, b"k", b"body")
    for _ in range(3):
        grow_old(clock)
        assert namespace.sweep_overflow(stop=lambda: True) == 0
    store = FaultyStore(namespace.store)
    with Namespace.open(store, clock=clock) as other:  # type: ignore[arg-type]
        for _ in range(3):
            grow_old(clock)
            store.begin(Fault(IoFailure, 2, "entries"))
            assert other.sweep_overflow() == 0
        store.begin()
    assert len(overflow_files(namespace)) == 1


def test_regression_a_sweep_and_a_put_that_wants_the_file(clock: FixedClock) -> None:
    """Whoever comes between the look at all records and the removal has its metadata afterwards."""
    memory = tight(clock)
    store = FaultyStore(memory)
    with (
        Namespace.open(store, clock=clock) as sweeper,  # type: ignore[arg-type]
        Namespace.open(memory, clock=clock) as other,
    ):
        other.create_bucket(BUCKET)
        put(other, b"k", b"body", user=LARGE)
        put(other, b"k", b"body")
        grow_old(clock)
        sweeper.sweep_overflow()
        grow_old(clock)
        store.begin(Interference("lock", 1, lambda: put(other, b"k", b"body", user=LARGE)))
        assert sweeper.sweep_overflow() == 0
        store.begin()
        assert other.head_object(BUCKET, b"k").user == LARGE


RECORDS = (
    st.binary(max_size=60)
    | st.binary(max_size=60).map(lambda data: b"WKO1" + data)
    | st.dictionaries(
        st.integers(0, 20),
        st.none() | st.integers(-(1 << 63), 1 << 63) | st.text(max_size=5) | st.binary(max_size=33)
        | st.lists(st.integers(-2, 5) | st.lists(st.integers(-2, 5), max_size=3), max_size=3)
        | st.dictionaries(st.integers(0, 9) | st.text(max_size=3), st.integers(0, 3) | st.text(max_size=9)),
        max_size=8,
    ).map(lambda fields: b"WKO1" + msgpack.packb(fields))
)  # fmt: skip


@given(RECORDS)
def test_no_record_breaks_a_view(data: bytes) -> None:
    """On files, directories and their bodies: listed, read, copied, filled, retimed, checked, deleted."""
    store = memory_store()
    with Namespace.open(store) as namespace:
        namespace.create_bucket(BUCKET)
        put(namespace, b"dir/file", b"content")
        put(namespace, b"object/", b"body")
        for path in (b"dir", b"dir/file", b"object", b"object/.weka~body"):
            fd = store.open_path(store.open_dir(store.root(), b"bucket/" + path.rpartition(b"/")[0]),
                                 path.rpartition(b"/")[2])  # fmt: skip
            store.set_xattr(fd, RECORD_XATTR, data)
        assert b"dir/file" in keys(namespace)
        assert get(namespace, b"dir/file") == b"content"
        tree = Tree(store, namespace.locks, namespace.clock)
        bucket = tree.lookup(ROOT, b"bucket").number
        number = tree.lookup(tree.lookup(bucket, b"dir").number, b"file").number
        for name in tree.xattrs.list(number, 0):
            tree.xattrs.get(number, name, 0)
        tree.xattrs.get(number, b"user.s3.etag", 0, wait=True)
        tree.change(number, AttrChange(mtime_ns=5))
        namespace.fill(BUCKET)
        namespace.copy_object(CopyRequest(BUCKET, b"dir/file", BUCKET, b"copy"))
        tree.xattrs.set(number, b"user.s3.content-type", b"a/b", (0, 0, ()), wait=True)
        assert namespace.head_object(BUCKET, b"dir/file").headers.content_type == "a/b"
        list(namespace.check(Repairs(restamp=True, verify=True, repair=True)).run())
        tree.close()
        for key in (b"dir/file", b"object/", b"dir/"):
            namespace.delete_object(BUCKET, key)
        assert get(namespace, b"copy") == b"content" and b"dir/file" not in keys(namespace)
