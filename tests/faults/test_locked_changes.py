"""Whatever changes a name in a bucket does so while it holds the lock of that entry (docs/CONCURRENCY.md).

Races that are run find a missing lock now and then; this looks at each change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.scenarios import PART, SCENARIOS, Ground
from tests.unit.namespace.kit import BUCKET, get, md5_of, memory_store, put
from weka_mp.errors import PreconditionFailed
from weka_mp.namespace import Namespace, WriteConditions
from weka_mp.namespace.names.keys import visible
from weka_mp.namespace.uploads import multipart
from weka_mp.store.faulty import FaultyStore, Interference

NAMED: dict[str, tuple[tuple[int, int], ...]] = {
    "link": ((1, 2),), "rename": ((0, 1), (2, 3)), "unlink": ((0, 1),), "rmdir": ((0, 1),),
}
"""verb → positions of (directory, name) among its arguments. Directories are made without their lock: nobody
has anything below them yet."""

UNCHANGING = {"copy-in-place", "upload-part", "upload-part-again", "upload-part-copy", "complete-again"}
UNCHANGING |= {"put-directory", "put-directory-body", "put-directory-over", "put-directory-emptier"}
UNCHANGING |= {"create-bucket", "policy", "settings", "tags"}


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", len(PART))


class Watching(FaultyStore):
    """Asks for the lock of every entry that a call changes: it must be taken already."""

    ground: Ground | None = None

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.changes: list[tuple[str, bytes]] = []
        self.unlocked: list[tuple[str, bytes]] = []

    def __getattr__(self, verb: str) -> Any:
        call = super().__getattr__(verb)
        if verb not in NAMED or self.ground is None:
            return call

        def watched(*arguments: Any) -> Any:
            for directory, name in self._entries(verb, arguments):
                self.changes.append((verb, name))
                with self.ground.namespace.locks.try_hold([(directory, name)]) as free:  # type: ignore[union-attr]
                    if free:
                        self.unlocked.append((verb, name))
            return call(*arguments)

        return watched

    def _entries(self, verb: str, arguments: tuple[Any, ...]) -> Iterator[tuple[int, bytes]]:
        control = control_directories(self.inner)
        for directory, name in NAMED[verb]:
            ino, entry = self.inner.attr(arguments[directory]).ino, arguments[name]
            if ino not in control and visible(entry):
                yield ino, entry


def control_directories(store: Any) -> set[int]:
    """Their names are random or have locks of their own."""
    found, ahead = set(), [store.open_dir(store.root(), b".weka")]
    while ahead:
        fd = ahead.pop()
        found.add(store.attr(fd).ino)
        ahead += [store.open_dir(fd, entry.name) for entry in store.entries(fd) if entry.type & 0o040000]
        store.close(fd)
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_change_of_a_name_holds_its_lock(name: str) -> None:
    store = Watching(memory_store())
    ground = Ground(Namespace.open(store))  # type: ignore[arg-type]
    ground.namespace.create_bucket(BUCKET)
    SCENARIOS[name].prepare(ground)
    store.ground = ground
    SCENARIOS[name].act(ground)
    assert store.unlocked == []
    assert bool(store.changes) == (name not in UNCHANGING)


@pytest.mark.parametrize("verb", ["put", "delete"])
def test_conditions_are_asked_under_the_lock(verb: str) -> None:
    """Somebody replaces the object while we still wait for the first of our locks."""
    memory = memory_store()
    store = FaultyStore(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    other = Namespace.open(memory)
    namespace.create_bucket(BUCKET)
    put(namespace, b"k", b"old")
    store.begin(Interference("lock", 1, lambda: put(other, b"k", b"faster")))
    with pytest.raises(PreconditionFailed):
        if verb == "put":
            put(namespace, b"k", b"new", WriteConditions(if_match=md5_of(b"old")))
        else:
            namespace.delete_object(BUCKET, b"k", WriteConditions(if_match=md5_of(b"old")))
    assert get(namespace, b"k") == b"faster"
