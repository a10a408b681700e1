"""Publication: conditions, conflicts, what is kept of the old file, and who interferes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

import pytest

from tests.unit.namespace.kit import (
    BUCKET,
    FEWER,
    FixedClock,
    get,
    in_threads,
    keys,
    md5_of,
    memory_store,
    posix_write,
    put,
    tree,
)
from weka_mp.errors import (
    BucketMissing,
    Conflict,
    CrossDevice,
    IoFailure,
    KeyConflict,
    NotFound,
    PreconditionFailed,
)
from weka_mp.namespace import (
    ContentHeaders,
    CopyRequest,
    Namespace,
    NewObject,
    RenameRequest,
    WriteConditions,
)
from weka_mp.namespace.records.etags import mark_writer
from weka_mp.store.faulty import Fault, FaultyStore, Interference
from weka_mp.store.memory import MemoryStore
from weka_mp.values import BucketName, Change

OLD, NEW = b"old", b"new content"


def bucket_fd(namespace: Namespace) -> int:
    return namespace.store.open_dir(namespace.store.root(), b"bucket")


def watched() -> tuple[MemoryStore, FaultyStore, Namespace]:
    memory = memory_store()
    store = FaultyStore(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    return memory, store, namespace


def test_an_object_and_its_metadata_come_back(any_namespace: Namespace) -> None:
    headers = ContentHeaders("text/x", "no-store", "attachment", "gzip", "de", "never", "/there")
    published = put(
        any_namespace,
        b"a/k",
        NEW,
        headers=headers,
        user={"x": "y"},
        owner="me",
        checksums={"CRC32": "AAAAAA=="},
    )
    info = any_namespace.head_object(BUCKET, b"a/k")
    assert get(any_namespace, b"a/k") == NEW
    assert (info.etag, info.headers, info.user, info.owner) == (md5_of(NEW), headers, {"x": "y"}, "me")
    assert info.checksums == {"CRC32": "AAAAAA=="}
    assert (published.info.etag, published.info.mtime_ns) == (info.etag, info.mtime_ns)
    assert [change.name for change in published.changes] == [b"a", b"k"]
    # The directory is young: whoever comes next announces it too.
    assert [change.name for change in put(any_namespace, b"a/k", OLD).changes] == [b"a", b"k"]


def test_if_none_match(any_namespace: Namespace) -> None:
    only_new = WriteConditions(if_none_match=True)
    put(any_namespace, b"k", OLD, only_new)
    with pytest.raises(PreconditionFailed) as caught:
        put(any_namespace, b"k", NEW, only_new)
    assert caught.value.condition == "If-None-Match"
    assert get(any_namespace, b"k") == OLD


def test_if_match_and_its_companions(any_namespace: Namespace) -> None:
    info = put(any_namespace, b"k", OLD).info
    second = info.mtime_ns // 1_000_000_000
    for wrong in (
        WriteConditions(if_match="0" * 32),
        WriteConditions(if_match_size=99),
        WriteConditions(if_match_mtime=second - 1),
    ):
        with pytest.raises(PreconditionFailed):
            put(any_namespace, b"k", NEW, wrong)
        with pytest.raises(PreconditionFailed):
            any_namespace.delete_object(BUCKET, b"k", wrong)
    right = WriteConditions(md5_of(OLD), if_match_size=3, if_match_mtime=second)
    put(any_namespace, b"k", NEW, right)
    put(any_namespace, b"k", OLD, WriteConditions(if_match="*"))
    with pytest.raises(NotFound):
        put(any_namespace, b"none", NEW, WriteConditions(if_match="*"))
    assert any_namespace.delete_object(BUCKET, b"k", WriteConditions(if_match=md5_of(OLD))).existed


def test_regression_a_refused_put_leaves_no_directories(any_namespace: Namespace) -> None:
    with pytest.raises(NotFound):
        put(any_namespace, b"x/y/k", NEW, WriteConditions(if_match="*"))
    assert not [path for path in tree(any_namespace.store) if path.startswith(b"bucket/x")]


@pytest.mark.parametrize(
    ("first", "second"),
    [(b"a", b"a/b"), (b"a/b", b"a"), (b"a", b"a/"), (b"a/b/c", b"a/b"), (b"a", b"a/b/c/d")],
)
def test_regression_a_file_and_a_directory_of_one_name_conflict(
    any_namespace: Namespace, first: bytes, second: bytes
) -> None:
    put(any_namespace, first, OLD)
    for conditions in (None, WriteConditions(if_none_match=True)):
        with pytest.raises(KeyConflict):
            put(any_namespace, second, NEW, conditions)
    assert keys(any_namespace) == [first]
    assert not [path for path in tree(any_namespace.store) if path.startswith(b".weka/spool/p")]


@pytest.mark.parametrize(
    ("old", "new"), [(0o4751, 0o751), (0o6755, 0o755), (0o2640, 0o2640), (0o2750, 0o750)]
)
def test_regression_other_bytes_do_not_run_with_the_rights_of_the_old_ones(
    any_namespace: Namespace, old: int, new: int
) -> None:
    """Who may put an object over a set-user-id program would have had its owner's rights."""
    store = any_namespace.store
    posix_write(store, b"k", OLD)
    at = bucket_fd(any_namespace)
    fd = store.open_path(at, b"k")
    store.chmod(fd, old)
    store.close(fd)
    put(any_namespace, b"k", NEW)
    assert stat.S_IMODE(store.attr_at(at, b"k").mode) == new
    store.close(at)


def test_a_replaced_file_keeps_mode_and_owner(any_namespace: Namespace) -> None:
    store = any_namespace.store
    posix_write(store, b"k", OLD)
    at = bucket_fd(any_namespace)
    fd = store.open_path(at, b"k")
    store.chown(fd, 12, 34)
    store.chmod(fd, 0o1751)
    store.close(fd)
    put(any_namespace, b"k", NEW)
    attr = store.attr_at(at, b"k")
    assert (stat.S_IMODE(attr.mode), attr.uid, attr.gid) == (0o1751, 12, 34)
    with any_namespace.begin_put(BUCKET, b"new/dir/k", uid=5, gid=6) as session:
        session.publish(NewObject(md5=bytes(16)))
    directory = store.open_dir(at, b"new")
    made = [store.attr(directory), store.attr_at(directory, b"dir")]
    assert {(attr.uid, attr.gid, stat.S_IMODE(attr.mode)) for attr in made} == {(5, 6, 0o755)}
    store.close(directory)
    store.close(at)


def test_links_are_replaced_and_special_files_refused(any_namespace: Namespace) -> None:
    store, at = any_namespace.store, bucket_fd(any_namespace)
    put(any_namespace, b"target", OLD)
    store.symlink(b"target", at, b"link")
    store.symlink(b"nowhere", at, b"dangling")
    store.mknod(at, b"fifo", stat.S_IFIFO | 0o644, 0)
    put(any_namespace, b"link", NEW)
    put(any_namespace, b"dangling", NEW)
    assert (get(any_namespace, b"target"), get(any_namespace, b"link")) == (OLD, NEW)
    with pytest.raises(KeyConflict):
        put(any_namespace, b"fifo", NEW)
    assert not any_namespace.delete_object(BUCKET, b"fifo").existed
    store.close(at)


def test_an_overwrite_leaves_readers_and_hard_links_alone(any_namespace: Namespace) -> None:
    store = any_namespace.store
    put(any_namespace, b"k", OLD)
    at = bucket_fd(any_namespace)
    fd = store.open_path(at, b"k")
    store.link(fd, at, b"second")
    store.close(fd)
    with any_namespace.open_object(BUCKET, b"k") as reader:
        put(any_namespace, b"k", NEW)
        assert store.read(reader.fd, 10, 0) == OLD
        assert reader.still_same()
    assert get(any_namespace, b"second") == OLD
    assert any_namespace.head_object(BUCKET, b"second").etag == md5_of(OLD)
    store.close(at)


def test_implicit_directories_vanish_and_others_stay(any_namespace: Namespace) -> None:
    posix_write(any_namespace.store, b"mine/posix", b"x")
    put(any_namespace, b"a/b/c", OLD)
    put(any_namespace, b"mine/k", OLD)
    put(any_namespace, b"dir/", b"")
    put(any_namespace, b"dir/k", OLD)
    for key in (b"a/b/c", b"mine/k", b"mine/posix", b"dir/k"):
        any_namespace.delete_object(BUCKET, key)
    left = {path for path in tree(any_namespace.store) if path.startswith(b"bucket/")}
    assert left == {b"bucket/", b"bucket/mine/", b"bucket/dir/"}
    assert keys(any_namespace) == [b"dir/"]


def test_an_aborted_put_leaves_nothing(any_namespace: Namespace) -> None:
    before = set(tree(any_namespace.store))
    with any_namespace.begin_put(BUCKET, b"a/k", size_hint=10) as session:
        session.write(b"12345")
    session.abort()
    assert set(tree(any_namespace.store)) == before


def test_a_bucket_that_went_away_is_said_so(any_namespace: Namespace) -> None:
    session = any_namespace.begin_put(BUCKET, b"a/k")
    any_namespace.delete_bucket(BUCKET)
    with session, pytest.raises(BucketMissing):
        session.publish(NewObject(md5=bytes(16)))
    with pytest.raises(BucketMissing):
        any_namespace.begin_put(BUCKET, b"k")
    with pytest.raises(BucketMissing):
        any_namespace.begin_put(BucketName("../x"), b"k")


def test_regression_the_directory_vanishes_before_the_body_is_staged() -> None:
    memory, store, namespace = watched()
    put(namespace, b"a/k", OLD)
    with Namespace.open(memory) as other:
        store.begin(Interference("create_unnamed", 1, lambda: other.delete_object(BUCKET, b"a/k")))
        put(namespace, b"a/new", NEW)
    assert keys(namespace) == [b"a/new"]


@pytest.mark.parametrize("verb", ["link", "lock", "open_dir"])
def test_a_parent_that_vanishes_is_made_again(verb: str) -> None:
    memory, store, namespace = watched()
    put(namespace, b"a/b/k", OLD)
    with Namespace.open(memory) as other:
        session = namespace.begin_put(BUCKET, b"a/b/new")
        store.begin(
            Interference(verb, 1 if verb != "open_dir" else 3, lambda: other.delete_object(BUCKET, b"a/b/k"))
        )
        session.publish(NewObject(md5=bytes(16)))
    assert keys(namespace) == [b"a/b/new"]


@pytest.mark.parametrize("verb", ["put", "delete"])
def test_regression_a_writer_between_check_and_exchange_is_a_conflict(verb: str) -> None:
    """It opened, wrote and closed before the lease was taken: its bytes must not be lost."""
    memory, store, namespace = watched()
    put(namespace, b"k", OLD)

    def in_place() -> None:
        at = memory.open_dir(memory.root(), b"bucket")
        fd = memory.open_file(at, b"k", os.O_RDWR)
        mark_writer(memory, namespace.locks, fd)
        memory.write(fd, b"theirs", 0)
        memory.close(fd)
        memory.close(at)

    conditions = WriteConditions(if_match=md5_of(OLD))
    action: Callable[[], object] = lambda: put(namespace, b"k", NEW, conditions)  # noqa: E731
    if verb == "delete":
        action = lambda: namespace.delete_object(BUCKET, b"k", conditions)  # noqa: E731
    store.begin(Interference("try_lease", 1, in_place))
    with pytest.raises(Conflict):
        action()
    assert get(namespace, b"k") == b"theirs"


def test_regression_a_bucket_on_another_file_system() -> None:
    """The spool cannot be linked into: an overwrite stages a hidden name beside the object."""
    memory, store, namespace = watched()
    put(namespace, b"k", OLD)
    store.begin(Fault(CrossDevice, 1, "link"))
    put(namespace, b"k", NEW)
    assert get(namespace, b"k") == NEW
    assert not [path for path in tree(memory) if b".weka~" in path or path.startswith(b".weka/spool/p")]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["spool", "beside"])
def test_a_replacement_that_fails_leaves_no_staged_name(elsewhere: bool) -> None:
    """Neither in the spool nor, where that is on another file system, among the bucket's own entries."""
    memory, store, namespace = watched()
    put(namespace, b"k", OLD)
    before = tree(memory)
    refused = [Fault(CrossDevice, 1, "link")] if elsewhere else []
    store.begin(*refused, Fault(IoFailure, 1, "rename"))
    with pytest.raises(IoFailure):
        put(namespace, b"k", NEW)
    assert [call.verb for call in store.calls].count("link") == 1 + elsewhere
    assert (get(namespace, b"k"), tree(memory)) == (OLD, before)


def test_directory_objects(any_namespace: Namespace) -> None:
    put(any_namespace, b"d/", b"")
    assert (get(any_namespace, b"d/"), keys(any_namespace)) == (b"", [b"d/"])
    with pytest.raises(PreconditionFailed):
        put(any_namespace, b"d/", NEW, WriteConditions(if_none_match=True))
    put(any_namespace, b"d/", NEW, WriteConditions(if_match=md5_of(b"")), user={"a": "b"})
    info = any_namespace.head_object(BUCKET, b"d/")
    assert (get(any_namespace, b"d/"), info.etag, info.size, info.user) == (
        NEW,
        md5_of(NEW),
        len(NEW),
        {"a": "b"},
    )
    row = any_namespace.list_objects(BUCKET).items[0]
    assert (getattr(row, "etag", None), getattr(row, "size", None)) == (info.etag, info.size)
    copied = any_namespace.copy_object(CopyRequest(BUCKET, b"d/", BUCKET, b"e/")).info
    assert (copied.etag, get(any_namespace, b"e/")) == (info.etag, NEW)
    with pytest.raises(NotFound):
        any_namespace.head_object(BUCKET, b"none/")


def test_regression_a_body_replaced_by_an_empty_one_is_gone(any_namespace: Namespace) -> None:
    """The hidden file stayed, kept the directory after DELETE and the bucket from being deleted."""
    put(any_namespace, b"d/", OLD)
    put(any_namespace, b"d/", b"")
    assert get(any_namespace, b"d/") == b""
    assert any_namespace.delete_object(BUCKET, b"d/").existed
    assert not [path for path in tree(any_namespace.store) if path.startswith(b"bucket/d")]
    any_namespace.delete_bucket(BUCKET)
    any_namespace.create_bucket(BUCKET)


def test_regression_body_and_record_of_a_directory_object_never_mix() -> None:
    """Between the rename of the body and the record a reader saw new bytes under the old ETag."""
    memory, store, namespace = watched()
    put(namespace, b"d/", OLD)
    seen = []

    def look() -> None:
        with Namespace.open(memory) as other:
            seen.append((get(other, b"d/"), other.head_object(BUCKET, b"d/").etag))

    for nth in (1, 2):
        store.begin(Interference("set_xattr", nth, look))
        put(namespace, b"d/", NEW)
        put(namespace, b"d/", OLD)
    assert seen and all(etag == md5_of(data) for data, etag in seen)


def test_a_race_of_creators_has_one_winner(any_namespace: Namespace) -> None:
    only_new = WriteConditions(if_none_match=True)
    works = [lambda n=n: put(any_namespace, b"a/k", b"%d" % n, only_new) for n in range(8)]
    outcomes = in_threads(*works)
    assert sum(isinstance(outcome, PreconditionFailed) for outcome in outcomes) == 7


@pytest.mark.parametrize("fewer", ["all", "no-unnamed", "no-noreplace"])
def test_a_posix_creator_in_the_last_moment_wins_against_if_none_match(fewer: str) -> None:
    """It takes no lock of ours: giving the name must itself be what finds that somebody has it."""
    memory = memory_store(**FEWER[fewer])
    store = FaultyStore(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    naming = "rename" if fewer == "no-unnamed" else "link"
    store.begin(Interference(naming, 1, lambda: posix_write(memory, b"k", OLD)))
    with pytest.raises(PreconditionFailed):
        put(namespace, b"k", NEW, WriteConditions(if_none_match=True))
    assert get(namespace, b"k") == OLD
    assert keys(namespace) == [b"k"]


def test_regression_a_directory_that_another_request_just_made_is_announced_and_synced_too() -> None:
    """The other may not have answered: a negative entry cached before it must not outlive our answer."""
    clock = FixedClock()
    store = FaultyStore(memory_store(clock))
    with Namespace.open(store, clock=clock) as namespace:  # type: ignore[arg-type]
        info, _ = namespace.create_bucket(BUCKET)
        made = put(namespace, b"x/y/1").changes
        inner = put(namespace, b"x/y/z/3").changes
        store.begin()
        beside = put(namespace, b"x/y/2").changes
        above = {(change.parent, change.name) for change in made[:2]}
        assert (info.ino, b"x") in above
        assert above <= {(change.parent, change.name) for change in beside}
        assert above <= {(change.parent, change.name) for change in inner}
        # This process synced the entries above before; one that did not would sync them now.
        assert [call.verb for call in store.calls].count("sync_dir") == 1
        with Namespace.open(store, clock=clock) as other:  # type: ignore[arg-type]
            store.begin()
            put(other, b"x/y/5")
            assert [call.verb for call in store.calls].count("sync_dir") == 3
        clock.advance(20 * 1_000_000_000)
        assert len(put(namespace, b"x/y/4").changes) == 1


def test_regression_a_key_that_another_delete_took_is_announced_too(namespace: Namespace) -> None:
    """Its answer may come first, and nothing had told the mounts then, nor the disk."""
    put(namespace, b"a/b/k", OLD)
    put(namespace, b"a/other", OLD)
    store = namespace.store
    bucket = store.open_dir(store.root(), b"bucket")
    holder = store.open_dir(bucket, b"a")
    inner = store.open_dir(holder, b"b")
    bucket_ino, holder_ino, inner_ino = (store.attr(fd).ino for fd in (bucket, holder, inner))
    for fd in (bucket, holder, inner):
        store.close(fd)
    first = namespace.delete_object(BUCKET, b"a/b/none")
    assert first.changes == (Change(inner_ino, b"none", None),) and not first.existed
    assert namespace.delete_object(BUCKET, b"a/b/k").existed
    second = namespace.delete_object(BUCKET, b"a/b/k")
    assert second.changes == (Change(holder_ino, b"b", None),) and not second.existed
    assert namespace.delete_object(BUCKET, b"x/y/z").changes == (Change(bucket_ino, b"x", None),)


def test_regression_a_failed_sync_says_what_it_left_visible() -> None:
    """Whoever made a name visible and then fails must be able to tell the mounts."""
    store = FaultyStore(MemoryStore())
    with Namespace.open(store) as namespace:  # type: ignore[arg-type]
        namespace.create_bucket(BUCKET)
        put(namespace, b"old", b"1")
        put(namespace, b"gone", b"1")
        root = store.attr(store.root()).ino
        with namespace.context.bucket(BUCKET) as fd:
            bucket = store.attr(fd).ino
        for act, expected in (
            (lambda: put(namespace, b"dir/new", b"1"), (bucket, b"dir")),
            (lambda: put(namespace, b"old", b"2"), (bucket, b"old")),
            (lambda: namespace.delete_object(BUCKET, b"gone"), (bucket, b"gone")),
            (lambda: namespace.rename_object(RenameRequest(BUCKET, b"old", b"newer")), (bucket, b"newer")),
            (lambda: namespace.create_bucket(BucketName("another")), (root, b"another")),
            (lambda: namespace.delete_bucket(BucketName("another")), (root, b"another")),
        ):
            store.begin(Fault(IoFailure, 1, "sync_dir"))
            with pytest.raises(IoFailure) as failure:
                act()
            assert expected in [(change.parent, change.name) for change in failure.value.changes]
