"""RenameObject: one rename(2) of a file or of a prefix's directory, its conditions, and who interferes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.unit.namespace.kit import (
    BUCKET,
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
    Conflict,
    CrossDevice,
    InvalidArgument,
    IoFailure,
    KeyConflict,
    NamespaceError,
    NameTooLong,
    NotFound,
    NotSupported,
    PreconditionFailed,
    TokenReused,
)
from weka_mp.namespace import Namespace, NewUpload, ObjectInfo, RenameRequest, WriteConditions
from weka_mp.namespace.locks import _SHARES
from weka_mp.namespace.objects import renaming
from weka_mp.namespace.objects.idempotency import Attempt
from weka_mp.store.crashpoints import CrashPoint
from weka_mp.store.faulty import Effect, Fault, FaultyStore, Interference
from weka_mp.values import Change

OLD, NEW = b"old", b"new content"


def rename(namespace: Namespace, source: bytes, key: bytes, **options: Any) -> tuple[Change, ...]:
    return namespace.rename_object(RenameRequest(BUCKET, source, key, **options)).changes


def names(namespace: Namespace) -> set[bytes]:
    return {path for path in tree(namespace.store) if path.startswith(b"bucket/")} - {b"bucket/"}


def ino_of(namespace: Namespace, path: bytes) -> int:
    parent, _, name = path.rpartition(b"/")
    directory = namespace.store.open_dir(namespace.store.root(), b"bucket/" + parent if parent else b"bucket")
    try:
        return namespace.store.attr_at(directory, name).ino
    finally:
        namespace.store.close(directory)


def test_everything_but_the_name_stays(any_namespace: Namespace) -> None:
    put(any_namespace, b"a/b/from", NEW, user={"x": "y"}, checksums={"CRC32": "AAAAAA=="}, owner="me")
    before = any_namespace.head_object(BUCKET, b"a/b/from")
    source, above = ino_of(any_namespace, b"a/b"), ino_of(any_namespace, b"a")
    changes = rename(any_namespace, b"a/b/from", b"c/to")
    after = any_namespace.head_object(BUCKET, b"c/to")
    assert get(any_namespace, b"c/to") == NEW
    assert (after.etag, after.mtime_ns, after.user, after.checksums, after.owner, after.ino, after.stamp) == (
        before.etag, before.mtime_ns, before.user, before.checksums, before.owner, before.ino, before.stamp
    )
    assert keys(any_namespace) == [b"c/to"]
    assert names(any_namespace) == {b"bucket/c/", b"bucket/c/to"}  # the directories of `a/b/from` went
    said = [(change.name, change.old) for change in changes]
    assert said == [(b"c", None), (b"from", before.ino), (b"to", None), (b"b", source), (b"a", above)]


def test_an_object_takes_the_place_of_another(any_namespace: Namespace) -> None:
    put(any_namespace, b"from", NEW)
    put(any_namespace, b"d/to", OLD)
    replaced = ino_of(any_namespace, b"d/to")
    changes = rename(any_namespace, b"from", b"d/to")
    assert (get(any_namespace, b"d/to"), keys(any_namespace)) == (NEW, [b"d/to"])
    assert (b"to", replaced) in [(change.name, change.old) for change in changes]


def test_what_is_not_there(any_namespace: Namespace) -> None:
    put(any_namespace, b"a/b", OLD)
    for source in (b"none", b"none/none", b"a", b"a/b/c"):
        with pytest.raises(NotFound) as caught:
            rename(any_namespace, source, b"x/y/to")
        assert caught.value.subject == source
    assert names(any_namespace) == {b"bucket/a/", b"bucket/a/b"}


@pytest.mark.parametrize(
    ("source", "key"), [(b"a/b", b"a/b"), (b"a/", b"a/"), (b"a/", b"c"), (b"a/b", b"c/"), (b"a/", b"a/b/")]
)
def test_what_makes_no_sense(namespace: Namespace, source: bytes, key: bytes) -> None:
    put(namespace, b"a/b", OLD)
    with pytest.raises(InvalidArgument):
        rename(namespace, source, key)
    assert keys(namespace) == [b"a/b"]


@pytest.mark.parametrize("key", [b"d", b"f/below", b"fifo"])
def test_names_that_are_taken_by_something_else(namespace: Namespace, key: bytes) -> None:
    put(namespace, b"from", NEW)
    put(namespace, b"d/k", OLD)
    put(namespace, b"f", OLD)
    bucket = namespace.store.open_dir(namespace.store.root(), b"bucket")
    namespace.store.mknod(bucket, b"fifo", 0o010644, 0)
    namespace.store.close(bucket)
    before = tree(namespace.store)
    with pytest.raises(KeyConflict):
        rename(namespace, b"from", key)
    assert tree(namespace.store) == before


def test_conditions_on_what_stands_there(any_namespace: Namespace) -> None:
    put(any_namespace, b"from", NEW)
    second = put(any_namespace, b"to", OLD).info.mtime_ns // 1_000_000_000
    for wrong in (
        WriteConditions(if_none_match=True),
        WriteConditions(if_match=md5_of(NEW)),
        WriteConditions(if_modified_since=second),
        WriteConditions(if_unmodified_since=second - 1),
    ):
        with pytest.raises(PreconditionFailed):
            rename(any_namespace, b"from", b"to", conditions=wrong)
    with pytest.raises(NotFound) as caught:
        rename(any_namespace, b"from", b"other", conditions=WriteConditions(if_match="*"))
    assert caught.value.subject == b"other"
    with pytest.raises(PreconditionFailed):
        rename(any_namespace, b"from", b"other", conditions=WriteConditions(if_modified_since=0))
    assert (get(any_namespace, b"from"), get(any_namespace, b"to")) == (NEW, OLD)
    right = WriteConditions(
        if_match=md5_of(OLD), if_modified_since=second - 1, if_unmodified_since=second
    )
    rename(any_namespace, b"from", b"to", conditions=right)
    only_new = WriteConditions(if_none_match=True, if_unmodified_since=0)
    rename(any_namespace, b"to", b"new", conditions=only_new)
    assert (get(any_namespace, b"new"), keys(any_namespace)) == (NEW, [b"new"])


def test_the_source_is_checked_before_anything_is_made(namespace: Namespace) -> None:
    put(namespace, b"from", NEW)
    seen: list[ObjectInfo | None] = []

    def refuse(info: ObjectInfo | None) -> None:
        seen.append(info)
        raise PreconditionFailed("x-amz-rename-source-If-Match")

    with pytest.raises(PreconditionFailed):
        rename(namespace, b"from", b"x/y/to", source_check=refuse)
    assert seen[0] is not None and seen[0].etag == md5_of(NEW)
    assert names(namespace) == {b"bucket/from"}


def test_a_writer_of_the_source_that_was_named_is_a_conflict() -> None:
    memory = memory_store()
    store = FaultyStore(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    put(namespace, b"from", NEW)
    directory = memory.open_dir(memory.root(), b"bucket")
    opened: list[Any] = []
    writer = Interference("try_lease", 1, lambda: opened.append(memory.open_file(directory, b"from", 1)))
    store.begin(writer)
    with pytest.raises(Conflict):
        rename(namespace, b"from", b"to", source_pinned=True)
    assert opened and keys(namespace) == [b"from"]
    memory.close(opened[0])
    rename(namespace, b"from", b"to", source_pinned=True)


def test_regression_what_takes_the_sources_name_meanwhile_is_synced_before_it_moves() -> None:
    """The file that was synced and the file whose identity was noted were not always the same."""
    memory = memory_store()
    store = FaultyStore(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    put(namespace, b"from", OLD)
    posix_write(memory, b"loose", NEW)
    loose = ino_of(namespace, b"loose")
    directory = memory.open_dir(memory.root(), b"bucket")
    swap = Interference("sync_file", 1, lambda: memory.rename(directory, b"loose", directory, b"from"))
    store.begin(swap)
    rename(namespace, b"from", b"to")
    assert (get(namespace, b"to"), ino_of(namespace, b"to")) == (NEW, loose)
    verbs = [(call.verb, call.ino) for call in store.calls]
    moved = max(at for at, (verb, _) in enumerate(verbs) if verb == "rename")
    assert ("sync_file", loose) in verbs[:moved]
    memory.close(directory)


def test_a_directory_that_takes_the_prefixs_name_meanwhile_is_looked_at() -> None:
    """Between the look at what is below and the lock of its name: an empty one is no prefix."""
    memory = memory_store()
    store = FaultyStore(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    put(namespace, b"a/k", OLD)
    directory = memory.open_dir(memory.root(), b"bucket")

    def swap() -> None:
        memory.rename(directory, b"a", directory, b"kept")
        memory.mkdir(directory, b"a", 0o755)

    store.begin(Interference("lock", _SHARES + 1, swap))  # the first lock of an entry
    with pytest.raises(NotFound):
        rename(namespace, b"a/", b"b/")
    assert keys(namespace) == [b"kept/k"]
    memory.close(directory)


def test_two_names_of_one_inode(any_namespace: Namespace) -> None:
    """rename(2) would do nothing and report success: the old name would stay."""
    store = any_namespace.store
    put(any_namespace, b"a/from", NEW)
    put(any_namespace, b"b/other", OLD)
    source, target = (store.open_dir(store.root(), b"bucket/" + name) for name in (b"a", b"b"))
    fd = store.open_path(source, b"from")
    store.link(fd, target, b"to")
    for opened in (fd, source, target):
        store.close(opened)
    rename(any_namespace, b"a/from", b"b/to")
    assert (keys(any_namespace), get(any_namespace, b"b/to")) == ([b"b/other", b"b/to"], NEW)


def test_symbolic_links(namespace: Namespace) -> None:
    put(namespace, b"d/f", NEW)
    directory = namespace.store.open_dir(namespace.store.root(), b"bucket/d")
    namespace.store.symlink(b"f", directory, b"l")
    namespace.store.close(directory)
    with pytest.raises(NotSupported):
        rename(namespace, b"d/l", b"l")
    rename(namespace, b"d/l", b"d/m", token="t", parameters=b"p")
    assert keys(namespace) == [b"d/f", b"d/m"]
    assert get(namespace, b"d/m") == NEW


def test_odd_and_long_names(any_namespace: Namespace) -> None:
    put(any_namespace, b"from", NEW)
    at = b"from"
    for key in (b"../x//.weka", b"n\0ul/" + b"x" * 300, b"/lead", b"\xc3\xa4" * 200 + b"/k", b"to"):
        rename(any_namespace, at, key)
        assert (keys(any_namespace), get(any_namespace, key)) == ([key], NEW)
        at = key


def test_other_file_systems_are_refused() -> None:
    store = FaultyStore(memory_store())
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    put(namespace, b"d/from", NEW)
    for source, key in ((b"d/from", b"to"), (b"d/", b"e/")):
        store.begin(Fault(CrossDevice, 1, "rename"))
        with pytest.raises(NotSupported):
            rename(namespace, source, key)
    assert keys(namespace) == [b"d/from"]


# ---- client tokens
def test_a_request_that_is_repeated_is_done_once(any_namespace: Namespace) -> None:
    again = {"token": "token-1", "parameters": b"p"}
    put(any_namespace, b"from", NEW)
    rename(any_namespace, b"from", b"to", **again)
    put(any_namespace, b"from", OLD)
    changes = rename(any_namespace, b"from", b"to", **again)
    assert {change.name for change in changes} == {b"from", b"to"}  # told again: the first may not have been
    assert (get(any_namespace, b"from"), get(any_namespace, b"to")) == (OLD, NEW)
    any_namespace.delete_object(BUCKET, b"to")
    rename(any_namespace, b"from", b"to", **again)
    assert keys(any_namespace) == [b"from"]
    with pytest.raises(TokenReused):
        rename(any_namespace, b"from", b"to", token="token-1", parameters=b"other")
    rename(any_namespace, b"from", b"to", token="token-2", parameters=b"p")
    assert keys(any_namespace) == [b"to"]


def test_a_token_of_a_request_that_failed_is_free(namespace: Namespace) -> None:
    with pytest.raises(NotFound):
        rename(namespace, b"from", b"to", token="t", parameters=b"p")
    put(namespace, b"from", NEW)
    put(namespace, b"to", OLD)
    with pytest.raises(PreconditionFailed):
        rename(
            namespace, b"from", b"to", token="t", parameters=b"p",
            conditions=WriteConditions(if_none_match=True),
        )
    rename(namespace, b"from", b"to", token="t", parameters=b"other")
    assert keys(namespace) == [b"to"]


def test_tokens_are_forgotten_after_a_day() -> None:
    clock = FixedClock()
    namespace = Namespace.open(memory_store(clock), clock=clock)
    namespace.create_bucket(BUCKET)
    put(namespace, b"from", NEW)
    rename(namespace, b"from", b"to", token="t", parameters=b"p")
    for hours, raised in ((23, TokenReused), (2, NotFound)):
        clock.advance(hours * 3_600 * 1_000_000_000)
        namespace.sweep(clock.now_ns())
        with pytest.raises(raised):
            rename(namespace, b"from", b"to", token="t", parameters=b"other")
    namespace.close()


@pytest.mark.parametrize("source", [b"from", b"d/"])
@pytest.mark.parametrize("verb", ["rename", "sync_dir"])
def test_a_rename_that_was_done_and_not_answered_is_found_to_be_done(source: bytes, verb: str) -> None:
    """The answer was lost after the name had moved: the same request finds its inode at the new name."""
    memory = memory_store()
    store = FaultyStore(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    put(namespace, b"d/from" if source == b"d/" else b"from", NEW)
    key = b"e/" if source == b"d/" else b"to"
    nth = {"rename": 2, "sync_dir": 2}[verb]  # the first of each is the note of the token
    store.begin(Fault(IoFailure, nth, verb, Effect.WHOLE))
    with pytest.raises(IoFailure):
        rename(namespace, source, key, token="t", parameters=b"p")
    store.begin()
    rename(namespace, source, key, token="t", parameters=b"p")
    assert keys(namespace) == [b"e/from" if source == b"d/" else b"to"]
    rename(namespace, source, key, token="t", parameters=b"p")


@pytest.mark.parametrize("source", [b"from", b"d/"])
def test_what_stands_where_it_was_to_go_is_answered_whoever_moved_it(
    namespace: Namespace, source: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process dies before it renames anything, and somebody else does: nothing is left to do."""
    key, below = (b"e/", b"x") if source == b"d/" else (b"to", b"")
    put(namespace, source + below, NEW)

    class Died(BaseException):
        pass

    def die(point: CrashPoint) -> None:
        if point is CrashPoint.RENAME_BEGUN:
            raise Died

    with monkeypatch.context() as death:
        death.setattr(renaming, "reach", die)
        death.setattr(Attempt, "forget", lambda attempt: None)  # no process, no last deed
        with pytest.raises(Died):
            rename(namespace, source, key, token="t", parameters=b"p")
    assert keys(namespace) == [source + below]
    rename(namespace, source, key, token="of somebody else", parameters=b"p")
    put(namespace, source + below, OLD)
    rename(namespace, source, key, token="t", parameters=b"p")
    assert (get(namespace, source + below), get(namespace, key + below)) == (OLD, NEW)


def dead_rename(
    store: Any, source: bytes, key: bytes, *, moved: bool, clock: FixedClock | None = None
) -> None:
    """By another process, which dies just before the name moves, or just after."""

    def die() -> None:
        raise KeyboardInterrupt

    dying = FaultyStore(store)
    namespace = Namespace.open(dying, clock=clock)  # type: ignore[arg-type]
    last = Interference("sync_dir" if moved else "rename", 2, die)  # the first of each is the note's
    # The dead put nothing back.
    dying.begin(last, *(Interference("unlink", nth, die) for nth in range(1, 9)))
    with pytest.raises(KeyboardInterrupt):
        rename(namespace, source, key, token="t", parameters=b"p")
    namespace.close()


MEANWHILE: dict[str, Any] = {
    "replaced": lambda namespace: put(namespace, b"e/to", OLD),
    "deleted": lambda namespace: namespace.delete_object(BUCKET, b"e/to"),
    "renamed": lambda namespace: rename(namespace, b"e/to", b"elsewhere"),
    "renamed back": lambda namespace: rename(namespace, b"e/to", b"d/from"),
    "taken along": lambda namespace: rename(namespace, b"e/", b"elsewhere/"),
}


@pytest.mark.parametrize("deed", MEANWHILE)
def test_regression_a_rename_is_known_again_whatever_became_of_its_object(deed: str) -> None:
    """Its process had died, and with the object all that told of the rename went: the repetition was 404."""
    memory = memory_store()
    with Namespace.open(memory) as namespace:
        namespace.create_bucket(BUCKET)
        put(namespace, b"d/from", NEW)
        dead_rename(memory, b"d/from", b"e/to", moved=True)
        MEANWHILE[deed](namespace)
        before = keys(namespace), [get(namespace, key) for key in keys(namespace)]
        rename(namespace, b"d/from", b"e/to", token="t", parameters=b"p")
        assert (keys(namespace), [get(namespace, key) for key in keys(namespace)]) == before
        assert not [path for path in tree(memory) if path.startswith(b".weka/moving/")][1:]


@pytest.mark.parametrize("deed", ["replaced", "source replaced", "source gone"])
def test_a_rename_that_was_not_done_is_not_taken_for_done(deed: str) -> None:
    memory = memory_store()
    with Namespace.open(memory) as namespace:
        namespace.create_bucket(BUCKET)
        put(namespace, b"d/from", NEW)
        put(namespace, b"e/to", b"before")
        dead_rename(memory, b"d/from", b"e/to", moved=False)
        if deed == "replaced":
            put(namespace, b"e/to", OLD)
        elif deed == "source replaced":
            put(namespace, b"d/from", b"newer")
        else:
            namespace.delete_object(BUCKET, b"d/from")
        if deed == "source gone":
            with pytest.raises(NotFound):
                rename(namespace, b"d/from", b"e/to", token="t", parameters=b"p")
            assert get(namespace, b"e/to") == b"before"
            return
        rename(namespace, b"d/from", b"e/to", token="t", parameters=b"p")
        assert keys(namespace) == [b"e/to"]
        assert get(namespace, b"e/to") == (NEW if deed == "replaced" else b"newer")


def test_what_a_dead_rename_left_is_forgotten_with_its_token() -> None:
    clock = FixedClock()
    memory = memory_store(clock)
    with Namespace.open(memory, clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        put(namespace, b"from", NEW)
        dead_rename(memory, b"from", b"to", moved=False, clock=clock)
        clock.advance(25 * 3_600 * 1_000_000_000)
        rename(namespace, b"from", b"to", token="other", parameters=b"p")  # over what nobody looks at now
        assert keys(namespace) == [b"to"]
        dead_rename(memory, b"to", b"from", moved=False, clock=clock)
        clock.advance(25 * 3_600 * 1_000_000_000)
        namespace.sweep(clock.now_ns())
        kept = (b".weka/moving/", b".weka/renames/")
        assert not [path for path in tree(memory) if path.startswith(kept)][2:]


def test_what_a_dead_rename_left_is_on_the_disk_before_it_is_noted() -> None:
    """Else the note could outlive, over a power cut, what it speaks of."""
    memory = memory_store()
    store = FaultyStore(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    put(namespace, b"d/from", NEW)
    put(namespace, b"d/stays", NEW)
    dead_rename(memory, b"d/from", b"e/f/to", moved=True)
    wanted = {ino_of(namespace, path) for path in (b"d", b"e", b"e/f")}
    store.begin()
    namespace.delete_object(BUCKET, b"e/f/to")
    noted = next(at for at, call in enumerate(store.calls) if call.verb == "rename")
    assert wanted <= {call.ino for call in store.calls[:noted] if call.verb == "sync_dir"}
    namespace.close()


def test_who_may_not_wait_does_not_settle_what_a_dead_rename_left() -> None:
    """The mount's event loop: it has a thread do it."""
    memory = memory_store()
    with Namespace.open(memory) as namespace:
        namespace.create_bucket(BUCKET)
        put(namespace, b"from", NEW)
        dead_rename(memory, b"from", b"to", moved=True)
        bucket = namespace.store.attr_at(namespace.store.root(), b"bucket").ino
        with namespace.locks.try_hold([(bucket, b"other")]) as held:
            assert held
        for _ in range(2):
            with namespace.locks.try_hold([(bucket, b"to")]) as held:
                assert not held
            with namespace.locks.hold_trees([bucket], wait=False) as trees:
                assert not trees
        with namespace.locks.hold([(bucket, b"to")]):
            pass
        with namespace.locks.try_hold([(bucket, b"to")]) as held:
            assert held
        with namespace.locks.hold_trees([bucket], wait=False) as trees:
            assert trees


# ---- prefixes
def test_all_keys_below_a_prefix(any_namespace: Namespace) -> None:
    put(any_namespace, b"a/b/1", b"1")
    put(any_namespace, b"a/b/c/2", b"2")
    put(any_namespace, b"a/b/..//x" + b"y" * 300, b"3")
    put(any_namespace, b"a/b/dir/", b"body")
    posix_write(any_namespace.store, b"a/b/posix", b"4")
    upload = any_namespace.create_upload(BUCKET, b"a/b/upload", NewUpload())
    moved = ino_of(any_namespace, b"a/b")
    changes = rename(any_namespace, b"a/b/", b"new/z/")
    assert keys(any_namespace) == [
        b"new/z/..//x" + b"y" * 300, b"new/z/1", b"new/z/c/2", b"new/z/dir/", b"new/z/posix"
    ]
    assert get(any_namespace, b"new/z/dir/") == b"body"
    told = [(change.name, change.old) for change in changes]
    assert told[:3] == [(b"new", None), (b"b", moved), (b"z", None)]
    assert any_namespace.upload_info(BUCKET, b"a/b/upload", upload).key == b"a/b/upload"  # goes on as it was
    for key in keys(any_namespace):
        any_namespace.delete_object(BUCKET, key)
    assert names(any_namespace) == set()  # directories that only keys had made still go with their last key


def test_a_prefix_that_is_an_object_keeps_its_record(any_namespace: Namespace) -> None:
    put(any_namespace, b"d/", b"body", user={"x": "y"})
    before = any_namespace.head_object(BUCKET, b"d/")
    rename(any_namespace, b"d/", b"e/f/")
    after = any_namespace.head_object(BUCKET, b"e/f/")
    assert (after.etag, after.user, after.mtime_ns) == (before.etag, before.user, before.mtime_ns)
    assert (keys(any_namespace), get(any_namespace, b"e/f/")) == ([b"e/f/"], b"body")


def test_prefixes_that_cannot_be_renamed(any_namespace: Namespace) -> None:
    store = any_namespace.store
    put(any_namespace, b"a/k", NEW)
    put(any_namespace, b"full/k", OLD)
    put(any_namespace, b"marker/", b"with a body")
    put(any_namespace, b"file", OLD)
    bucket = store.open_dir(store.root(), b"bucket")
    store.mkdir(bucket, b"empty", 0o755)
    store.close(bucket)
    before = tree(store)
    for source, key, error in (
        (b"a/", b"full/", KeyConflict),
        (b"a/", b"marker/", KeyConflict),
        (b"a/", b"file/", KeyConflict),
        (b"a/", b"file/x/", KeyConflict),
        (b"full/k/", b"x/", NotFound),
        (b"none/", b"x/", NotFound),
        (b"empty/", b"x/", NotFound),
        (b"file/", b"x/", NotFound),
    ):
        with pytest.raises(error):
            rename(any_namespace, source, key)
        assert tree(store) == before


def test_an_empty_directory_gives_way(any_namespace: Namespace) -> None:
    store = any_namespace.store
    bucket = store.open_dir(store.root(), b"bucket")
    store.mkdir(bucket, b"made", 0o755)
    store.close(bucket)
    put(any_namespace, b"marker/", b"")
    for number, key in enumerate((b"made/", b"marker/")):
        put(any_namespace, b"a/k%d" % number, NEW)
        with pytest.raises(PreconditionFailed):
            rename(any_namespace, b"a/", b"marker/", conditions=WriteConditions(if_none_match=True))
        rename(any_namespace, b"a/", key)
    assert keys(any_namespace) == [b"made/k0", b"marker/k1"]
    any_namespace.delete_object(BUCKET, b"made/k0")
    assert b"bucket/made/" in names(any_namespace)  # a POSIX caller had wanted it


def test_no_key_becomes_longer_than_a_key_can_be(any_namespace: Namespace) -> None:
    long = b"a/" + b"x" * 250 + b"/" + b"y" * 250 + b"/" + b"z" * 500
    put(any_namespace, long, NEW)
    room = 1024 - len(long) + 2
    with pytest.raises(NameTooLong):
        rename(any_namespace, b"a/", b"b" * room + b"/")
    assert keys(any_namespace) == [long]
    rename(any_namespace, b"a/", b"b" * (room - 1) + b"/")
    (key,) = keys(any_namespace)
    assert (len(key), get(any_namespace, key)) == (1024, NEW)
    rename(any_namespace, b"b" * (room - 1) + b"/", b"a/")
    assert keys(any_namespace) == [long]


def test_regression_no_put_lands_below_a_prefix_that_moved_away() -> None:
    """A PUT found its parent, the directory was renamed, and the object appeared below the new prefix."""
    memory = memory_store()
    store = FaultyStore(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    put(namespace, b"a/b/first", OLD)
    mover = threading.Thread(target=lambda: rename(namespace, b"a/", b"z/"))
    moved_meanwhile: list[bool] = []

    def move() -> None:
        mover.start()
        mover.join(0.3)
        moved_meanwhile.append(not mover.is_alive())

    store.begin(Interference("link", 1, move))
    put(namespace, b"a/b/second", NEW)
    mover.join()
    assert moved_meanwhile == [False]
    assert keys(namespace) == [b"z/b/first", b"z/b/second"]  # the PUT was first: it moved along, not past it
    assert get(namespace, b"z/b/second") == NEW


def test_whoever_relies_on_a_prefix_that_just_moved_announces_it(namespace: Namespace) -> None:
    clock = FixedClock()
    with Namespace.open(memory_store(clock), clock=clock) as aged:
        aged.create_bucket(BUCKET)
        put(aged, b"a/b/c/first", OLD)
        clock.advance(60_000_000_000)
        assert [change.name for change in put(aged, b"a/b/c/second", NEW).changes] == [b"second"]
        rename(aged, b"a/", b"z/")
        assert [change.name for change in put(aged, b"z/b/c/third", NEW).changes] == [b"z", b"third"]
        clock.advance(60_000_000_000)
        assert [change.name for change in put(aged, b"z/b/c/fourth", NEW).changes] == [b"fourth"]


def test_many_at_once(any_namespace: Namespace) -> None:
    """Renames of files and prefixes against PUTs and DELETEs: nothing is lost, doubled or torn."""
    for number in range(4):
        put(any_namespace, b"p/%d" % number, b"%d" % number)

    def back_and_forth() -> None:
        for source, key in ((b"p/", b"q/"), (b"q/", b"p/")) * 8:
            rename(any_namespace, source, key)

    def single(number: int) -> None:
        for turn in range(8):
            for prefix in (b"p/", b"q/"):
                try:
                    rename(any_namespace, prefix + b"%d" % number, prefix + b"%d-%d" % (number, turn))
                    rename(any_namespace, prefix + b"%d-%d" % (number, turn), prefix + b"%d" % number)
                except NotFound:
                    continue  # the prefix is elsewhere just now

    results = in_threads(back_and_forth, lambda: single(0), lambda: single(1))
    assert not [found for found in results if isinstance(found, NamespaceError)]
    found = keys(any_namespace)
    assert len(found) == 4
    assert sorted(get(any_namespace, key) for key in found) == [b"0", b"1", b"2", b"3"]
