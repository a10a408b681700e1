"""Locked versions are frozen, whatever is done to them and wherever who does it dies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.namespace.dying import CHANGES as MADE
from tests.unit.namespace.dying import Died, DoomedStore
from tests.unit.namespace.kit import BUCKET, FixedClock, memory_store, put
from weka_mp.errors import Conflict, NamespaceError, ObjectLocked
from weka_mp.namespace import BucketSettings, Namespace
from weka_mp.namespace.objects.renaming import RenameRequest
from weka_mp.namespace.records.freezing import has_lock, lock_of
from weka_mp.namespace.upkeep.checking import Kind, Repairs
from weka_mp.namespace.walking import Met, walk
from weka_mp.object_lock import COMPLIANCE, GOVERNANCE, Retention, protection

DAY_NS = 86_400 * 10**9
KEY = b"a/key"


class Ground:
    """One store with a bucket that has Object Lock."""

    def __init__(self, **fewer: Any) -> None:
        self.clock = FixedClock()
        self.memory = memory_store(self.clock, **fewer)
        self.namespace = Namespace.open(self.memory, clock=self.clock)
        self.namespace.create_bucket(BUCKET)
        settings = BucketSettings(versioning="Enabled", object_lock="{}")
        self.namespace.change_bucket_settings(BUCKET, lambda _: settings)

    def until(self, days: int, mode: str = COMPLIANCE) -> Retention:
        return Retention(mode, self.clock.now_ns() + days * DAY_NS)

    def files(self) -> Iterator[tuple[bytes, Any, bytes, bool]]:
        """Path, record, bytes, and whether it is frozen."""
        for top in (b"", b".weka/versions"):
            for met in walk(self.memory, top):
                if isinstance(met, Met) and met.attr.mode & 0o100000:
                    data = self.memory.read(met.fd, 1 << 20, 0)
                    yield met.path, lock_of(self.memory, met.fd), data, self.memory.is_immutable(met.fd)

    def assert_frozen(self, count: int) -> None:
        """So many are locked, and exactly they are frozen."""
        found = list(self.files())
        assert [path for path, record, _, frozen in found if frozen != has_lock(record)] == []
        assert sum(frozen for *_, frozen in found) == count

    def bytes_of(self, version: str) -> bytes:
        with self.namespace.open_object(BUCKET, KEY, version) as found:
            return bytes(self.memory.read(found.fd, 100, 0))


@pytest.fixture
def ground() -> Ground:
    return Ground()


def test_a_version_is_frozen_from_its_put_through_its_history_to_its_end(ground: Ground) -> None:
    space = ground.namespace
    first = put(space, KEY, b"first", retention=ground.until(1)).info.version or ""
    ground.assert_frozen(1)
    put(space, KEY, b"second")
    ground.assert_frozen(1)
    space.delete_object(BUCKET, KEY)
    with pytest.raises(ObjectLocked):
        space.delete_object(BUCKET, KEY, version=first)
    space.tag_object(BUCKET, KEY, {"a": "1"}, first)
    space.locking.retain(BUCKET, KEY, first, ground.until(3), bypass=False)
    ground.assert_frozen(1)
    assert ground.bytes_of(first) == b"first"
    ground.clock.advance(4 * DAY_NS)
    assert space.delete_object(BUCKET, KEY, version=first).existed
    ground.assert_frozen(0)


def test_a_hold_freezes_and_its_end_thaws(ground: Ground) -> None:
    put(ground.namespace, KEY, b"x")
    ground.assert_frozen(0)
    for _ in range(2):
        ground.namespace.locking.hold(BUCKET, KEY, None, True)
        ground.assert_frozen(1)
    ground.namespace.locking.hold(BUCKET, KEY, None, False)
    ground.assert_frozen(0)


def test_a_locked_version_comes_back_frozen(ground: Ground) -> None:
    """When the one on top of it is deleted for good: here by who overcomes governance."""
    put(ground.namespace, KEY, b"first", legal_hold=True)
    second = put(ground.namespace, KEY, b"second", retention=ground.until(5, GOVERNANCE)).info.version or ""
    ground.assert_frozen(2)
    deletions = [deletion(second, bypass=True)]
    assert not isinstance(ground.namespace.delete_objects(BUCKET, deletions)[0][0], NamespaceError)
    assert ground.namespace.head_object(BUCKET, KEY).size == 5
    ground.assert_frozen(1)


def deletion(version: str, *, bypass: bool) -> Any:
    from weka_mp.namespace import Deletion

    return Deletion(KEY, None, version, bypass)


def test_a_directory_object_is_frozen_with_its_body(ground: Ground) -> None:
    put(ground.namespace, b"d/", b"body", legal_hold=True)
    ground.assert_frozen(1)
    put(ground.namespace, b"d/", b"other")
    ground.assert_frozen(1)
    ground.namespace.delete_object(BUCKET, b"d/")
    ground.assert_frozen(1)


def test_an_object_whose_retention_is_over_can_be_renamed(ground: Ground) -> None:
    put(ground.namespace, KEY, b"x", retention=ground.until(1))
    request = RenameRequest(BUCKET, KEY, b"other")
    with pytest.raises(ObjectLocked):
        ground.namespace.rename_object(request)
    ground.clock.advance(2 * DAY_NS)
    ground.namespace.rename_object(request)
    assert ground.namespace.head_object(BUCKET, b"other").size == 1


@pytest.mark.parametrize("flags", [{}, {"immutable": False}])
def test_no_lock_while_somebody_writes_whom_it_would_not_stop(flags: dict[str, bool]) -> None:
    ground = Ground(immutable_stops=False, **flags)
    put(ground.namespace, KEY, b"x")
    writer = ground.memory.open_file(ground.memory.root(), b"bucket/a/key", os.O_RDWR)
    for _ in range(2):
        with pytest.raises(Conflict):
            ground.namespace.locking.hold(BUCKET, KEY, None, True)
        assert not ground.namespace.head_object(BUCKET, KEY).legal_hold
    ground.memory.write(writer, b"y", 0)
    ground.memory.close(writer)
    ground.namespace.locking.hold(BUCKET, KEY, None, True)
    assert ground.namespace.head_object(BUCKET, KEY).legal_hold
    assert ground.memory.held_locks() == 0


def test_who_writes_is_stopped_where_the_flag_does_that(ground: Ground) -> None:
    put(ground.namespace, KEY, b"x")
    writer = ground.memory.open_file(ground.memory.root(), b"bucket/a/key", os.O_RDWR)
    ground.namespace.locking.hold(BUCKET, KEY, None, True)
    with pytest.raises(NamespaceError):
        ground.memory.write(writer, b"y", 0)
    ground.memory.close(writer)


def test_a_check_finds_what_is_thawed_and_what_is_frozen_for_nothing(ground: Ground) -> None:
    version = put(ground.namespace, KEY, b"x", legal_hold=True).info.version
    put(ground.namespace, KEY, b"new")
    put(ground.namespace, b"free", b"y")
    for path in [path for path, record, _, _ in ground.files() if has_lock(record) or path == b"bucket/free"]:
        fd = ground.memory.open_file(ground.memory.root(), path, os.O_RDONLY)
        ground.memory.set_immutable(fd, path == b"bucket/free")
        ground.memory.close(fd)
    kinds = [(found.kind, found.done) for found in ground.namespace.check(Repairs()).run()]
    assert kinds == [(Kind.THAWED, "")] * 2
    repaired = ground.namespace.check(Repairs(repair=True)).run()
    assert {found.done for found in repaired} == {"frozen", "made changeable"}
    assert list(ground.namespace.check(Repairs()).run()) == []
    ground.assert_frozen(1)
    assert ground.namespace.head_object(BUCKET, KEY, version).legal_hold


def _retained(ground: Ground, version: str) -> Callable[[Namespace], object]:
    until = ground.until(9)
    return lambda space: space.locking.retain(BUCKET, KEY, version, until, bypass=False)


CHANGES: dict[str, Callable[[Ground, str], Callable[[Namespace], object]]] = {
    "put over": lambda ground, version: lambda space: put(space, KEY, b"new", retention=ground.until(2)),
    "delete": lambda ground, version: lambda space: space.delete_object(BUCKET, KEY),
    "delete its version": lambda ground, version: lambda space: space.delete_object(
        BUCKET, KEY, version=version
    ),
    "extend": _retained,
    "tag": lambda ground, version: lambda space: space.tag_object(BUCKET, KEY, {"a": "b"}, version),
    "hold": lambda ground, version: lambda space: space.locking.hold(BUCKET, KEY, version, True),
    "bring back": lambda ground, version: lambda space: space.delete_object(
        BUCKET, KEY, version=_newest(space)
    ),
}


def _newest(space: Namespace) -> str:
    with contextlib.suppress(NamespaceError):
        return space.head_object(BUCKET, KEY).version or "null"
    return "0" * 32


@pytest.mark.parametrize("noncurrent", [False, True], ids=["current", "noncurrent"])
@pytest.mark.parametrize("name", CHANGES)
def test_wherever_a_process_dies_a_locked_version_stays_what_it_was(name: str, noncurrent: bool) -> None:
    """And is frozen again by the next sweep, at the latest."""
    at, ended = 0, False
    while not ended:
        at += 1
        ground = Ground()
        version = put(ground.namespace, KEY, b"locked", retention=ground.until(1)).info.version or ""
        if noncurrent:
            put(ground.namespace, KEY, b"above")
        doomed = DoomedStore(ground.memory, MADE)
        space = Namespace.open(doomed, clock=ground.clock)
        change = CHANGES[name](ground, version)
        doomed.doom(at)
        try:
            with contextlib.suppress(ObjectLocked):
                change(space)
            ended = doomed.made < at
        except Died:
            pass
        doomed.bury()
        _assert_kept(ground, version)
        with contextlib.suppress(ObjectLocked):
            change(ground.namespace)  # who repeats it finds nothing in the way
        _assert_kept(ground, version)
        ground.namespace.freeze_thawed()
        found = list(ground.files())
        now_ns = ground.namespace.context.object_locks.now_ns()
        assert [path for path, record, _, frozen in found if protection(record, now_ns) and not frozen] == []
        _assert_kept(ground, version)


def _assert_kept(ground: Ground, version: str) -> None:
    assert ground.bytes_of(version) == b"locked"
    kept = ground.namespace.head_object(BUCKET, KEY, version)
    assert protection(kept, ground.namespace.context.object_locks.now_ns()) is not None
