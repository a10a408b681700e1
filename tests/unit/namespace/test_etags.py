"""No stale ETag (docs/SEMANTICS.md, 3): stamps, marks, leases, derived tags, and the filler."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.unit.namespace.kit import BUCKET, FixedClock, get, md5_of, memory_store, posix_write, put
from weka_mp import kernels
from weka_mp.digests import new_hasher
from weka_mp.errors import NoSpace, PreconditionFailed, ReadOnly, WouldBlock
from weka_mp.namespace import CopyRequest, Namespace, NewMetadata, WriteConditions
from weka_mp.namespace.records.content_hash import ContentDigests
from weka_mp.namespace.records.etags import (
    adopt_hash,
    is_marked,
    mark_overwriter,
    mark_writer,
    retimed,
    sync_overwriter,
    unmark,
)
from weka_mp.store.faulty import Fault, FaultyStore, Interference
from weka_mp.values import Fd

OLD, NEW = b"old content", b"new content"


@contextmanager
def opened(namespace: Namespace, flags: int, name: bytes = b"k") -> Iterator[Fd]:
    """As the mount opens a file: descriptor first, then the mark."""
    store = namespace.store
    fd = store.open_file(store.root(), b"bucket/" + name, flags)
    try:
        if flags & os.O_ACCMODE:
            mark_writer(store, namespace.locks, fd)
        yield fd
    finally:
        store.close(fd)


def etag(namespace: Namespace, key: bytes = b"k") -> str:
    return namespace.head_object(BUCKET, key).etag


def accepted(namespace: Namespace, tag: str, key: bytes = b"k") -> bool:
    return tag in namespace.head_object(BUCKET, key).accepted_etags


def dashed(tag: str) -> bool:
    return len(tag) == 34 and tag.endswith("-0")


def test_a_put_has_the_md5_and_a_posix_file_a_derived_tag(any_namespace: Namespace) -> None:
    put(any_namespace, b"k", OLD)
    posix_write(any_namespace.store, b"p", OLD)
    assert etag(any_namespace) == md5_of(OLD)
    assert dashed(etag(any_namespace, b"p"))


def test_a_derived_tag_is_stable_and_changes_with_the_content(namespace: Namespace) -> None:
    posix_write(namespace.store, b"k", OLD)
    first = etag(namespace)
    assert etag(namespace) == first
    posix_write(namespace.store, b"k", NEW)
    assert etag(namespace) != first and not accepted(namespace, first)


def test_while_a_writer_exists_the_tag_matches_nothing(namespace: Namespace) -> None:
    put(namespace, b"k", OLD)
    with opened(namespace, os.O_RDWR):
        tags = {etag(namespace) for _ in range(3)}
        assert len(tags) == 3 and all(map(dashed, tags))
        with pytest.raises(PreconditionFailed):
            put(namespace, b"k", NEW, WriteConditions(if_match=md5_of(OLD)))
        with pytest.raises(PreconditionFailed):
            put(namespace, b"k", NEW, WriteConditions(if_match=tags.pop()))
    assert dashed(etag(namespace)) and etag(namespace) == etag(namespace)


def test_a_mark_takes_the_old_tag_with_it_even_when_nothing_was_written(namespace: Namespace) -> None:
    put(namespace, b"k", OLD)
    with opened(namespace, os.O_RDWR) as fd:
        assert is_marked(namespace.store, fd)
    assert not accepted(namespace, md5_of(OLD))
    with opened(namespace, os.O_RDONLY) as fd:
        assert not is_marked(namespace.store, fd)


def test_setting_the_time_back_does_not_bring_the_tag_back(namespace: Namespace) -> None:
    put(namespace, b"k", OLD)
    before = namespace.head_object(BUCKET, b"k")
    with opened(namespace, os.O_RDWR) as fd:
        namespace.store.write(fd, NEW, 0)
        with retimed(namespace.store, namespace.locks, fd):
            namespace.store.utimens(fd, 0, before.mtime_ns)
    after = namespace.head_object(BUCKET, b"k")
    assert after.stamp == before.stamp
    assert not accepted(namespace, md5_of(OLD)) and not before.accepted_etags & after.accepted_etags


def test_setting_the_time_back_does_not_bring_a_derived_tag_back(namespace: Namespace) -> None:
    posix_write(namespace.store, b"k", OLD)
    before = namespace.head_object(BUCKET, b"k")
    with opened(namespace, os.O_RDWR) as fd:
        namespace.store.write(fd, NEW, 0)
        with retimed(namespace.store, namespace.locks, fd):
            namespace.store.utimens(fd, 0, before.mtime_ns)
    after = namespace.head_object(BUCKET, b"k")
    assert after.stamp == before.stamp and not accepted(namespace, before.etag)


def test_a_true_tag_stays_true_when_only_the_time_is_set(any_namespace: Namespace) -> None:
    put(any_namespace, b"k", OLD)
    with opened(any_namespace, os.O_RDONLY) as fd, retimed(any_namespace.store, any_namespace.locks, fd):
        any_namespace.store.utimens(fd, 0, 1_000_000_000)
    assert etag(any_namespace) == md5_of(OLD)
    assert any_namespace.head_object(BUCKET, b"k").mtime_ns == 1_000_000_000


def test_chmod_rename_and_link_keep_the_tag(any_namespace: Namespace) -> None:
    put(any_namespace, b"k", OLD)
    store = any_namespace.store
    at = store.open_dir(store.root(), b"bucket")
    with opened(any_namespace, os.O_RDONLY) as fd:
        store.chmod(fd, 0o600)
        store.link(fd, at, b"l")
    store.rename(at, b"k", at, b"m")
    store.close(at)
    assert etag(any_namespace, b"l") == etag(any_namespace, b"m") == md5_of(OLD)


def test_a_record_that_was_copied_by_a_backup_tool_is_void(namespace: Namespace) -> None:
    put(namespace, b"k", OLD, user={"kept": "yes"})
    posix_write(namespace.store, b"copy", OLD)
    info = namespace.head_object(BUCKET, b"k")
    with opened(namespace, os.O_RDONLY) as source, opened(namespace, os.O_RDONLY, b"copy") as target:
        record = namespace.store.get_xattr(source, "user.weka.object")
        namespace.store.set_xattr(target, "user.weka.object", record)
        namespace.store.utimens(target, 0, info.mtime_ns)
    copied = namespace.head_object(BUCKET, b"copy")
    assert dashed(copied.etag) and copied.user == {"kept": "yes"} and not copied.checksums


def test_the_filler_makes_the_tag_true_and_the_derived_one_stays_accepted(namespace: Namespace) -> None:
    posix_write(namespace.store, b"k", OLD)
    before = namespace.head_object(BUCKET, b"k")
    assert namespace.fill(BUCKET).filled == 1
    after = namespace.head_object(BUCKET, b"k")
    assert (after.etag, after.mtime_ns) == (md5_of(OLD), before.mtime_ns)
    assert {before.etag, md5_of(OLD)} <= after.accepted_etags
    put(namespace, b"k", NEW, WriteConditions(if_match=before.etag))
    assert namespace.fill(BUCKET).already == 1


@pytest.mark.parametrize("native", [True, False])
def test_the_filler_keeps_the_checksum_that_s3_computes_of_what_brings_none(
    namespace: Namespace, native: bool
) -> None:
    """Without the native kernels it would cost more than all the rest, and none is kept."""
    crc = new_hasher("CRC64NVME")
    crc.update(OLD)
    posix_write(namespace.store, b"k", OLD)
    if kernels.use_native(native).native != native:
        pytest.skip("the native kernels are not built")
    try:
        assert namespace.fill(BUCKET).filled == 1
    finally:
        kernels.use_native(True)
    found = namespace.head_object(BUCKET, b"k")
    kept = {"CRC64NVME": base64.b64encode(crc.digest()).decode()} if native else {}
    assert (found.checksums, found.checksum_type) == (kept, "FULL_OBJECT" if native else None)
    posix_write(namespace.store, b"k", NEW)
    assert not namespace.head_object(BUCKET, b"k").checksums


def test_a_fill_after_a_lifted_mark_accepts_no_older_derived_tag(namespace: Namespace) -> None:
    put(namespace, b"k", OLD)
    (derived,) = namespace.head_object(BUCKET, b"k").accepted_etags - {md5_of(OLD)}
    with opened(namespace, os.O_RDWR):
        assert namespace.fill(BUCKET).busy == 1
    assert namespace.fill(BUCKET).filled == 1
    assert etag(namespace) == md5_of(OLD) and not accepted(namespace, derived)


def test_the_filler_yields_to_a_writer(namespace: Namespace) -> None:
    posix_write(namespace.store, b"k", b"x" * (3 << 20))
    memory = namespace.store
    path = memory.open_path(memory.root(), b"bucket/k")

    def write() -> None:
        for fd in memory_writers(namespace, path):
            memory.write(fd, b"y", 0)

    store = FaultyStore(memory, Interference("read", 2, write))
    with Namespace.open(store) as filler:  # type: ignore[arg-type]
        report = filler.fill(BUCKET)
    memory.close(path)
    assert (report.filled, report.busy) == (0, 1)
    assert dashed(etag(namespace))


def test_bytes_written_after_the_fillers_sync_are_not_vouched_for(namespace: Namespace) -> None:
    """They are not on the disk: after a power cut their MD5 would stand over the former ones."""
    posix_write(namespace.store, b"k", OLD)

    def write() -> None:
        fd = namespace.store.open_file(namespace.store.root(), b"bucket/k", os.O_WRONLY)
        namespace.store.write(fd, NEW, 0)
        namespace.store.close(fd)

    store = FaultyStore(namespace.store, Interference("try_lease", 1, write))
    with Namespace.open(store) as filler:  # type: ignore[arg-type]
        report = filler.fill(BUCKET)
    assert (report.filled, report.busy) == (0, 1)


def test_a_mark_that_was_lifted_while_it_was_synced_does_not_come_back(namespace: Namespace) -> None:
    """Without leases it can be; what came back would say of the disk what is not so."""
    put(namespace, b"k", OLD)
    with opened(namespace, os.O_RDWR) as fd:
        mark_overwriter(namespace.store, namespace.locks, fd)
        lifted = Interference("sync_file", 1, lambda: unmark(namespace.store, namespace.locks, fd))
        store = FaultyStore(namespace.store, lifted)
        sync_overwriter(store, fd)  # type: ignore[arg-type]
        assert not is_marked(namespace.store, fd)


def memory_writers(namespace: Namespace, path: Fd) -> Iterator[Fd]:
    """Ask for the lease to be broken without waiting for it, as O_NONBLOCK does."""
    try:
        fd = namespace.store.reopen(path, os.O_RDWR | os.O_NONBLOCK)
    except WouldBlock:
        return
    yield fd
    namespace.store.close(fd)


def test_a_stopped_filler_leaves_the_file_as_it_was(namespace: Namespace) -> None:
    posix_write(namespace.store, b"k", OLD)
    before = etag(namespace)
    calls = iter([False, True, True])
    assert namespace.fill(BUCKET, stop=lambda: next(calls, True)).filled == 0
    assert etag(namespace) == before


def test_the_filler_goes_by_prefix_and_by_path(namespace: Namespace) -> None:
    for path in (b"a/one", b"a/two", b"b/three", b"four"):
        posix_write(namespace.store, path, OLD)
    assert namespace.fill(BUCKET, b"a/t").filled == 1
    assert namespace.fill(BUCKET, b"none/").filled == 0
    assert namespace.fill_paths([b"bucket/b/three", b"bucket/gone", b"none/x"]).filled == 1
    assert namespace.fill(BUCKET).filled == 2


def test_a_hash_made_while_writing_is_adopted_only_when_nothing_came_between(namespace: Namespace) -> None:
    posix_write(namespace.store, b"k", OLD)
    store, clock = namespace.store, namespace.clock
    md5 = ContentDigests(bytes.fromhex(md5_of(OLD)))
    with opened(namespace, os.O_RDONLY) as fd:
        attr = store.attr(fd)
        assert not adopt_hash(store, namespace.locks, fd, md5, attr.size + 1, attr.mtime_ns, clock)
        assert not adopt_hash(store, namespace.locks, fd, md5, attr.size, attr.mtime_ns + 1, clock)
        with opened(namespace, os.O_RDWR):
            assert not adopt_hash(store, namespace.locks, fd, md5, attr.size, attr.mtime_ns, clock)
        assert adopt_hash(store, namespace.locks, fd, md5, attr.size, attr.mtime_ns, clock)
    assert etag(namespace) == md5_of(OLD)


def test_without_leases_two_quiet_seconds_count_as_closed() -> None:
    clock = FixedClock()
    store = memory_store(clock, leases=False)
    with Namespace.open(store, clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        posix_write(store, b"k", OLD)
        assert len({etag(namespace), etag(namespace)}) == 2
        assert namespace.fill(BUCKET).busy == 1
        clock.advance(1_900_000_000)
        assert len({etag(namespace), etag(namespace)}) == 2
        clock.advance(200_000_000)
        first = etag(namespace)
        assert etag(namespace) == first
        assert namespace.fill(BUCKET).filled == 1
        assert etag(namespace) == md5_of(OLD) and accepted(namespace, first)


def test_coarse_times_hide_no_second_change_in_one_tick() -> None:
    clock = FixedClock()
    store = memory_store(clock, change_grain_ns=10_000_000)
    with Namespace.open(store, clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        posix_write(store, b"k", OLD)
        first = etag(namespace)
        posix_write(store, b"k", NEW)
        assert etag(namespace) != first and not accepted(namespace, first)
        assert namespace.fill(BUCKET).busy == 1
        clock.advance(20_000_000)
        assert etag(namespace) == etag(namespace)
        assert namespace.fill(BUCKET).filled == 1
        published = [put(namespace, b"p", data).info for data in (OLD, NEW)]
        assert published[0].mtime_ns <= clock.now_ns()
        assert published[0].stamp != published[1].stamp


def test_a_reader_tells_growth_from_an_overwrite(namespace: Namespace) -> None:
    store = namespace.store
    put(namespace, b"k", OLD)
    with opened(namespace, os.O_RDWR) as fd, namespace.open_object(BUCKET, b"k") as reader:
        assert reader.still_same()
        store.write(fd, b"more", len(OLD))
        assert reader.still_same()
        mark_overwriter(store, namespace.locks, fd)
        store.write(fd, b"X", 0)
        assert not reader.still_same()


def test_a_reader_notices_an_overwrite_whose_time_was_set_back(namespace: Namespace) -> None:
    posix_write(namespace.store, b"k", OLD)
    with namespace.open_object(BUCKET, b"k") as reader:
        with opened(namespace, os.O_RDWR) as fd:
            namespace.store.write(fd, NEW, 0)
            with retimed(namespace.store, namespace.locks, fd):
                namespace.store.utimens(fd, 0, reader.info.mtime_ns)
        assert namespace.head_object(BUCKET, b"k").stamp == reader.info.stamp  # all that a stamp can tell
        assert not reader.still_same()


def test_a_reader_notices_truncation_and_writers_on_true_tags(namespace: Namespace) -> None:
    put(namespace, b"k", OLD)
    with namespace.open_object(BUCKET, b"k") as reader:
        with opened(namespace, os.O_RDWR) as fd:
            namespace.store.truncate(fd, 2)
        assert not reader.still_same()
    put(namespace, b"k", OLD)
    with namespace.open_object(BUCKET, b"k") as reader:
        with opened(namespace, os.O_RDWR):
            assert not reader.still_same()
        assert get(namespace, b"k") == OLD


def test_a_mark_without_room_is_said_in_the_record_itself(namespace: Namespace) -> None:
    put(namespace, b"k", OLD, user={"a": "b"})
    store = FaultyStore(namespace.store, Fault(NoSpace, 1, "set_xattr"))
    fd = namespace.store.open_file(namespace.store.root(), b"bucket/k", os.O_RDWR)
    mark_writer(store, namespace.locks, fd)  # type: ignore[arg-type]
    namespace.store.close(fd)
    info = namespace.head_object(BUCKET, b"k")
    assert dashed(info.etag) and info.user == {"a": "b"}


def test_regression_lifting_a_mark_keeps_metadata_that_came_meanwhile(namespace: Namespace) -> None:
    put(namespace, b"k", OLD)
    memory = namespace.store
    with opened(namespace, os.O_RDWR):
        pass

    def rewrite() -> None:
        with Namespace.open(memory) as other:  # type: ignore[arg-type]
            other.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"k", replace=NewMetadata(user={"x": "1"})))

    store = FaultyStore(memory, Interference("try_lease", 1, rewrite))
    with Namespace.open(store) as slower:  # type: ignore[arg-type]
        assert slower.head_object(BUCKET, b"k").user == {"x": "1"}
    assert namespace.head_object(BUCKET, b"k").user == {"x": "1"}


def test_regression_two_workers_lift_one_mark(namespace: Namespace) -> None:
    """Read leases are shared: the other was faster, which failed the request of the slower one."""
    put(namespace, b"k", OLD)
    memory = namespace.store
    with opened(namespace, os.O_RDWR) as fd:
        assert is_marked(memory, fd)

    def other() -> None:
        with Namespace.open(memory) as faster:  # type: ignore[arg-type]
            assert dashed(etag(faster))

    store = FaultyStore(memory, Interference("remove_xattr", 1, other))
    with Namespace.open(store) as slower:  # type: ignore[arg-type]
        assert dashed(etag(slower))
    with opened(namespace, os.O_RDONLY) as fd:
        assert not is_marked(memory, fd)


def test_regression_a_reader_of_a_coarse_clock_notices_a_write_in_the_tick_it_was_opened_in() -> None:
    clock = FixedClock()
    store = memory_store(clock, change_grain_ns=10_000_000)
    with Namespace.open(store, clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        put(namespace, b"k", OLD)
        with namespace.open_object(BUCKET, b"k") as reader:
            before = store.attr(reader.fd)
            with opened(namespace, os.O_WRONLY) as fd:
                store.write(fd, NEW, 0)
            assert store.attr(reader.fd).ctime_ns == before.ctime_ns
            assert not reader.still_same()


def test_regression_a_second_overwrite_in_one_tick_of_a_coarse_clock_is_never_read_as_none() -> None:
    """The mark stood already and no time moved: a reader between the two took the mixture for one content."""
    clock = FixedClock()
    store = memory_store(clock, change_grain_ns=10_000_000)
    with Namespace.open(store, clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        posix_write(store, b"k", OLD)
        with opened(namespace, os.O_RDWR) as fd:
            mark_overwriter(store, namespace.locks, fd)
            store.write(fd, b"1", 0)
            with namespace.open_object(BUCKET, b"k") as reader:
                assert not reader.settled
                store.write(fd, b"2", 0)
                assert not reader.still_same()
            clock.advance(20_000_000)
            with namespace.open_object(BUCKET, b"k") as reader:
                assert reader.settled and reader.still_same()
                store.write(fd, b"3", 0)
                assert not reader.still_same()


def test_regression_a_tag_pinned_before_the_fill_stays_accepted_in_spite_of_a_mark(
    namespace: Namespace,
) -> None:
    """A file written out of order has a mark and no record: its download by ranges got 412 after the fill."""
    posix_write(namespace.store, b"k", OLD)
    fd = namespace.store.open_file(namespace.store.root(), b"bucket/k", os.O_RDWR)
    mark_overwriter(namespace.store, namespace.locks, fd)
    namespace.store.close(fd)
    pinned = etag(namespace)
    assert dashed(pinned)
    assert namespace.fill(BUCKET).filled == 1
    assert etag(namespace) == md5_of(OLD)
    assert accepted(namespace, pinned)


def test_regression_two_who_lift_one_mark_hand_out_the_same_tag() -> None:
    """Read leases are shared: the second voids what the first voided, and a client may hold either's tag."""
    tags = set()
    # Not between reading the record and writing it: that is done under its lock.
    steps = (("find_xattr", 1), ("find_xattr", 2), ("try_lease", 1), ("remove_xattr", 1), ("drop_lease", 1))
    for verb, nth in steps:
        store = FaultyStore(memory_store())
        with Namespace.open(store) as namespace:  # type: ignore[arg-type]
            namespace.create_bucket(BUCKET)
            put(namespace, b"k", b"old")
            with namespace.open_object(BUCKET, b"k") as found:
                writing = store.reopen(found.fd, os.O_WRONLY)
                mark_writer(store, namespace.locks, writing)  # type: ignore[arg-type]
                store.write(writing, b"new", 0)
                store.close(writing)
            other: list[str] = []
            store.begin(
                Interference(
                    verb,
                    nth,
                    lambda found=other, of=namespace: found.append(of.head_object(BUCKET, b"k").etag),
                )
            )
            own = namespace.head_object(BUCKET, b"k").etag
            store.begin()
            later = namespace.head_object(BUCKET, b"k").etag
            tags = {own, later, *other}
            assert len(tags) == 1, (verb, nth, tags)
            assert own.endswith("-0")


@pytest.mark.parametrize("mark", [mark_writer, mark_overwriter])
def test_regression_a_mark_without_room_rewrites_the_record_under_its_lock(
    namespace: Namespace, mark: Callable[..., None]
) -> None:
    """Metadata that another process stored between the reading and the writing was lost."""
    put(namespace, b"k", OLD)
    store = FaultyStore(namespace.store)
    with Namespace.open(store) as other:  # type: ignore[arg-type]
        fd = store.open_file(store.root(), b"bucket/k", os.O_RDWR)
        store.begin(Fault(NoSpace, 1, "set_xattr"))
        mark(store, other.locks, fd)
        verbs = [
            call.verb for call in store.calls if call.verb in ("lock", "unlock", "find_xattr", "set_xattr")
        ]
        store.begin()
        store.close(fd)
    failed = verbs.index("set_xattr")
    locked = verbs.index("lock")
    assert failed < locked < verbs.index("find_xattr", locked) < verbs.index("set_xattr", locked)
    assert verbs.index("unlock") > verbs.index("set_xattr", locked)


def test_regression_a_marked_file_is_read_from_a_read_only_store() -> None:
    """Lifting the mark failed, and the GET with it."""
    memory = memory_store()
    store = FaultyStore(memory)
    with Namespace.open(store) as namespace:  # type: ignore[arg-type]
        namespace.create_bucket(BUCKET)
        put(namespace, b"k", b"content")
        at = memory.open_dir(memory.root(), b"bucket")
        fd = memory.open_file(at, b"k", os.O_RDWR)
        mark_writer(memory, namespace.locks, fd)
        memory.close(fd)
        memory.close(at)
        store.begin(Fault(ReadOnly, 1, "set_xattr"))
        with namespace.open_object(BUCKET, b"k") as found:
            assert store.read(found.fd, 100, 0) == b"content"
            assert (found.info.etag_is_true, found.info.accepted_etags) == (False, frozenset())
        assert get(namespace, b"k") == b"content"


def test_regression_a_deleted_file_is_not_read_to_its_end(namespace: Namespace) -> None:
    """A filler that went on held the file, and all the room it takes, for as long as reading lasts."""
    posix_write(namespace.store, b"k", bytes(5 << 20))
    looks = []

    def stop() -> bool:
        looks.append(1)  # before the file, then after each MiB
        if len(looks) == 2:
            namespace.delete_object(BUCKET, b"k")
        return False

    report = namespace.fill(BUCKET, stop=stop)
    assert (report.filled, report.busy, len(looks)) == (0, 1, 2)
