"""What a power cut needs: data and record synced before the name, changed directories before the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.scenarios import SCENARIOS, Ground
from tests.unit.namespace.kit import BUCKET, memory_store, put
from weka_mp.errors import IoFailure
from weka_mp.namespace import Durability, Namespace, RenameRequest
from weka_mp.namespace.uploads import multipart
from weka_mp.store.faulty import Call, Effect, Fault, FaultyStore

CHANGES = ("put-new", "put-over", "put-odd-key", "put-directory", "put-directory-body", "put-directory-over")
CHANGES += ("rename", "rename-over", "rename-prefix", "delete", "delete-directory", "copy")
CHANGES += ("complete-in-place", "complete-assembled", "create-bucket")
NAMING = {"link": (1,), "rename": (0, 2), "mkdir": (0,), "unlink": (0,), "rmdir": (0,)}
"""verb → which arguments are the directories that it changes."""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", 1000)


class Recording(FaultyStore):
    """Also notes the inode of the directory a call changes, and of the file that is given a name."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.changed: list[tuple[int, str, int]] = []
        self.named: list[tuple[int, int]] = []

    def __getattr__(self, verb: str) -> Any:
        call = super().__getattr__(verb)
        if verb not in NAMING:
            return call

        def noted(*arguments: Any) -> Any:
            directories = {self.inner.attr(arguments[at]).ino for at in NAMING[verb]}
            if verb in {"link", "rename"}:
                moved = (
                    self.inner.attr(arguments[0]) if verb == "link" else self.inner.attr_at(*arguments[:2])
                )
                self.named.append((len(self.calls), moved.ino))
            self.changed += [(len(self.calls), verb, directory) for directory in directories]
            return call(*arguments)

        return noted


def record(name: str, durability: Durability) -> tuple[Recording, set[int]]:
    memory = memory_store()
    store = Recording(memory)
    ground = Ground(Namespace.open(store, durability=durability))  # type: ignore[arg-type]
    ground.namespace.create_bucket(BUCKET)
    SCENARIOS[name].prepare(ground)
    store.begin()
    store.changed.clear()
    store.named.clear()
    SCENARIOS[name].act(ground)
    return store, control_inodes(memory)


def control_inodes(memory: Any) -> set[int]:
    """Directories of which nothing promised depends: the spool, uploads and tokens, which are swept."""
    found = set()
    control = memory.open_dir(memory.root(), b".weka")
    for name in (b"spool", b"uploads", b"completed", b"renames", b"moving"):
        fd = memory.open_dir(control, name)
        found.add(memory.attr(fd).ino)
        found |= {entry.ino for entry in memory.entries(fd)}
        memory.close(fd)
    memory.close(control)
    return found


def positions(calls: list[Call], verbs: set[str], ino: int) -> Iterator[int]:
    return (at for at, call in enumerate(calls) if call.verb in verbs and call.ino == ino)


@pytest.mark.parametrize("name", CHANGES)
def test_data_and_record_are_synced_before_the_name(name: str) -> None:
    store, _ = record(name, Durability.COMMIT)
    changing = {"write", "truncate", "copy", "set_xattr", "remove_xattr", "chown", "chmod", "utimens"}
    for at, ino in store.named:
        last_change = max((seen for seen in positions(store.calls, changing, ino) if seen < at), default=-1)
        syncs = positions(store.calls, {"sync_file", "sync_dir"}, ino)
        synced = [seen for seen in syncs if last_change < seen < at]
        assert synced or last_change < 0, (name, store.calls[at])


@pytest.mark.parametrize("name", CHANGES)
def test_every_changed_directory_is_synced_before_the_answer(name: str) -> None:
    store, swept = record(name, Durability.COMMIT)
    removed = {call.ino for call in store.calls if call.ino not in store.inner._inodes.live}  # type: ignore[attr-defined]
    for at, verb, ino in store.changed:
        synced = any(seen >= at for seen in positions(store.calls, {"sync_dir"}, ino))
        assert synced or ino in swept or ino in removed, (name, verb, store.calls[at])


def test_the_directory_that_a_rename_leaves_is_synced_where_it_stays() -> None:
    """Else the object could be there under both names."""
    memory = memory_store()
    store = Recording(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    for key in (b"a/k", b"a/stays"):
        put(namespace, key, b"x")
    store.begin()
    store.changed.clear()
    namespace.rename_object(RenameRequest(BUCKET, b"a/k", b"x/n"))
    left = [(at, ino) for at, verb, ino in store.changed if verb == "rename"]
    assert len(left) == 2
    for at, ino in left:
        assert any(seen > at for seen in positions(store.calls, {"sync_dir"}, ino))


@pytest.mark.parametrize(("key", "holder"), [(b"a/none", b"a"), (b"a/b/c/none", b"a"), (b"x/y/none", b"")])
def test_an_absence_that_is_answered_is_on_the_disk(key: bytes, holder: bytes) -> None:
    """Whoever took it away may not have answered, and not synced, yet: the directory left over is synced."""
    memory = memory_store()
    store = Recording(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    put(namespace, b"a/k", b"x")
    directory = memory.open_dir(memory.root(), BUCKET.encode() + (b"/" + holder if holder else b""))
    left = memory.attr(directory).ino
    memory.close(directory)
    store.begin()
    assert not namespace.delete_object(BUCKET, key).existed
    assert positions(store.calls, {"sync_dir"}, left)


def test_records_of_directories_are_synced_too() -> None:
    for name in ("put-directory", "delete-directory"):
        store, _ = record(name, Durability.COMMIT)
        for at, call in enumerate(store.calls):
            if call.verb in {"set_xattr", "remove_xattr"} and store.inner._inodes.live.get(call.ino):  # type: ignore[attr-defined]
                assert any(
                    seen > at for seen in positions(store.calls, {"sync_dir", "sync_file"}, call.ino or 0)
                )


@pytest.mark.parametrize("act", ["put-new", "put-over", "delete"])
def test_relaxed_durability_waits_for_no_disk(act: str) -> None:
    store, _ = record(act, Durability.RELAXED)
    assert not [call for call in store.calls if call.verb.startswith("sync")]


def test_a_failed_sync_fails_the_request() -> None:
    for verb, make in (("sync_file", "put-new"), ("sync_dir", "put-new"), ("sync_dir", "delete")):
        store = FaultyStore(memory_store())
        ground = Ground(Namespace.open(store))  # type: ignore[arg-type]
        ground.namespace.create_bucket(BUCKET)
        SCENARIOS[make].prepare(ground)
        store.begin(Fault(IoFailure, 1, verb, Effect.WHOLE))
        act: Callable[[Ground], object] = SCENARIOS[make].act
        with pytest.raises(IoFailure):
            act(ground)
