"""Processes that die at any call: it is noticed, counted anew, and what was acknowledged is there."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress

import msgpack
import pytest

from tests.unit.namespace.dying import Died, DoomedStore
from tests.unit.namespace.kit import BUCKET, memory_store
from tests.unit.namespace.quota_truth import Doors
from weka_mp.errors import NamespaceError, NotFound
from weka_mp.namespace import Namespace, RenameRequest
from weka_mp.store.memory import MemoryStore
from weka_mp.values import Fd

Act = Callable[[Doors], object]
MIB = 1 << 20
DEATHS = int(os.environ.get("WEKA_MP_QUOTA_DEATHS", "24"))

ACTS: dict[str, Act] = {
    "put": lambda doors: doors.put("new", 30),
    "put-over": lambda doors: doors.put("a", 15),
    "put-over-more": lambda doors: doors.put("a", 35),
    "put-directory": lambda doors: doors.put("d/", 30),
    "delete": lambda doors: doors.delete("a"),
    "rename": lambda doors: doors.namespace.rename_object(RenameRequest(BUCKET, b"a", b"b")),
    "part-and-abort": lambda doors: doors.namespace.abort_upload(BUCKET, b"m", doors.upload("m", [30])[0]),
    "complete": lambda doors: doors.complete("m", doors.upload("m", [30])),
    "complete-over": lambda doors: doors.complete("a", doors.upload("a", [30])),
    "complete-directory": lambda doors: doors.complete("d/", doors.upload("d/", [30])),
    "write": lambda doors: doors.write("bucket/a", 30),
    "unlink": lambda doors: doors.unlink("bucket/a"),
    "mount-rename": lambda doors: doors.rename("bucket/a", "bucket/b"),
    "recount": lambda doors: doors.namespace.quotas.maintain(),
}


class Scene:
    """One store of two processes: one that lives, and one that is going to die."""

    def __init__(self) -> None:
        self.memory = memory_store()
        self.namespace = Namespace.open(self.memory)
        self.namespace.create_bucket(BUCKET)
        self.namespace.quotas.set(BUCKET, 100)
        self.living = Doors(self.namespace)
        self.living.put("a", 20)
        self.living.put("b", 10)
        self.doomed = DoomedStore(self.memory)
        self.dying = Doors(Namespace.open(self.doomed))
        self.dying.number("bucket/a")
        self.dying.number("bucket/b")

    def run(self, act: Act, at: int | None) -> bool:
        """Whether it was done, and acknowledged, before it came to that call."""
        self.doomed.doom(at)
        try:
            act(self.dying)
        except Died:
            return False
        return True

    def heal(self) -> None:
        """What the background process does when it looks the next time."""
        self.doomed.bury()
        self.namespace.quotas.maintain(all_of_them=False)
        assert self.living.used() == self.truth()

    def truth(self) -> int:
        return self.living.truth(parts=sum(parts_of(self.namespace, self.memory)))

    def end(self) -> None:
        self.living.close()
        self.namespace.close()


def parts_of(namespace: Namespace, store: MemoryStore) -> list[int]:
    """Sizes of the parts on record in every upload that has not become an object."""
    found: list[int] = []
    top = store.open_dir(store.root(), b".weka/uploads")
    for entry in store.entries(top):
        if not entry.name.startswith(b"."):
            upload = store.open_dir(top, entry.name)
            if not is_published(namespace, store, upload):
                names = [inner.name for inner in store.entries(upload)]
                found += [
                    msgpack.unpackb(content(store, upload, name))[0]
                    for name in names
                    if name.startswith(b"part-")
                ]
            store.close(upload)
    store.close(top)
    return found


def is_published(namespace: Namespace, store: MemoryStore, upload: Fd) -> bool:
    """By docs/STORAGE_FORMAT.md: its answer is recorded, and what it names is not there any more; where it
    names nothing, the object has the tag that was answered.
    """
    try:
        _, key, _, etag, *_, staged = msgpack.unpackb(content(store, upload, b"result"))
        if not staged:
            return namespace.head_object(BUCKET, key).etag == etag
    except NotFound:
        return False
    try:
        return store.attr_at(upload, staged).nlink > 1
    except NotFound:
        return True


def content(store: MemoryStore, at: Fd, name: bytes) -> bytes:
    fd = store.open_file(at, name, os.O_RDONLY)
    try:
        return store.read(fd, MIB, 0)
    finally:
        store.close(fd)


def calls_of(act: Act) -> int:
    scene = Scene()
    assert scene.run(act, None)
    count = scene.doomed.made
    scene.doomed.bury()
    scene.end()
    return count


def die(act: Act, at: int) -> None:
    scene = Scene()
    scene.run(act, at)
    scene.heal()
    scene.living.put("more", 100 - scene.living.used())  # nothing is held by nobody
    scene.end()


@pytest.mark.parametrize("name", ACTS)
def test_whoever_dies_is_noticed_and_counted_anew(name: str) -> None:
    calls = range(1, calls_of(ACTS[name]) + 1, 7)
    assert len(calls) > 5
    for at in calls:
        die(ACTS[name], at)


@pytest.mark.soak
@pytest.mark.parametrize("name", ACTS)
def test_whoever_dies_at_any_call_is_noticed(name: str) -> None:
    for at in range(1, calls_of(ACTS[name]) + 1):
        die(ACTS[name], at)


@pytest.mark.parametrize("first", range(0, DEATHS, DEATHS // 4))
def test_nothing_acknowledged_is_lost_by_deaths(first: int) -> None:
    for seed in range(first, first + DEATHS // 4):
        draw = random.Random(seed)
        scene, there = Scene(), {"a": 20, "b": 10}
        scene.doomed.doom(draw.randrange(200, 900))
        try:
            for _ in range(40):
                key, kind, size = draw.choice("abcd"), draw.randrange(5), draw.randrange(1, 40)
                with suppress(NamespaceError):
                    _acknowledged(scene.dying, kind, key, size, there)
        except Died:
            there.pop(key, None)  # nobody was told what became of it
        scene.heal()
        for name, size in there.items():
            assert scene.namespace.head_object(BUCKET, name.encode()).size == size
        scene.end()


def _acknowledged(doors: Doors, kind: int, key: str, size: int, there: dict[str, int]) -> None:
    """One operation, and what is there when it was acknowledged."""
    path = f"bucket/{key}"
    if kind == 0:
        doors.put(key, size)
    elif kind == 1:
        doors.write(path, size)
    elif kind == 2:
        doors.complete(key, doors.upload(key, [size]))
    else:
        (doors.delete if kind == 3 else doors.unlink)(key if kind == 3 else path)
        there.pop(key, None)
        return
    there[key] = size
