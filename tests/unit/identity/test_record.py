"""The record: seen at once by everybody, changed by one at a time, never overwritten when damaged."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.identity.kit import PASSWORD, Bench, key_path, overwrite, record_of
from tests.unit.namespace.kit import FixedClock
from weka_mp.clock import SystemRandom
from weka_mp.errors import Conflict, IoFailure, ReadOnly
from weka_mp.identity.envelope import wrap
from weka_mp.identity.errors import EntityExists, IdentityUnusable
from weka_mp.identity.model import LockOutRule, Role
from weka_mp.identity.registry import Registry
from weka_mp.identity.registry_codec import encode
from weka_mp.namespace.control import ControlFiles
from weka_mp.store.faulty import Effect, Fault, FaultyStore, Interference
from weka_mp.store.memory import MemoryStore
from weka_mp.store.memory_inodes import ALL_PRIMITIVES
from weka_mp.store.posix import PosixStore

REGISTRY = b".weka/identity/registry"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Bench, Bench]]:
    """Two processes' views of one store whose times stand still and whose inode numbers come back at once."""
    clock = FixedClock()
    coarse = replace(ALL_PRIMITIVES, change_grain_ns=10**9)
    store = MemoryStore(coarse, clock=clock, reuse_inode_numbers=True)
    benches = [Bench(store, key_path(tmp_path), clock, SystemRandom()) for _ in range(2)]
    yield benches[0], benches[1]
    for bench in benches:
        bench.close()
    assert store.open_descriptors() == 0


def lock_out(bench: Bench, attempts: int) -> None:
    bench.admin.set_lock_out(LockOutRule(attempts, 60))


def test_a_change_is_seen_at_once_by_everybody(two: tuple[Bench, Bench]) -> None:
    one, other = two
    one.add("bob")
    assert other.secret("bob") == PASSWORD
    other.admin.remove_user("bob")
    assert one.store.secret("bob") is None and one.store.principal("bob") is None


def test_regression_a_changed_record_of_the_same_size_time_and_number_is_seen(
    two: tuple[Bench, Bench],
) -> None:
    """Two replacements bring the inode number back; the reader keeps the one it knows from being reused."""
    one, other = two
    for attempts in range(100, 116, 2):
        lock_out(one, attempts)
        lock_out(one, attempts + 1)
        assert other.store.registry.lock_out.attempts == attempts + 1


def test_nothing_is_read_or_written_while_nothing_changes(tmp_path: Path) -> None:
    faulty = FaultyStore(MemoryStore())
    bench = Bench(faulty, key_path(tmp_path))
    bench.add()
    bench.store.secret("bob")
    faulty.begin()
    bench.store.secret("bob")
    bench.store.principal("bob")
    assert [call.verb for call in faulty.calls] == ["attr_at", "attr_at"]
    lock_out(bench, 5)
    faulty.begin()
    bench.admin.set_lock_out(LockOutRule(5, 60))
    assert not {"write", "rename"} & {call.verb for call in faulty.calls}
    bench.close()


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 300, b"{}\n", encode(Registry())[:-1], encode(Registry()) + b"x"]
)
def test_a_damaged_record_refuses_everything_and_is_not_overwritten(bench: Bench, data: bytes) -> None:
    bench.add()
    overwrite(bench, REGISTRY, data)
    for ask in (
        lambda: bench.store.secret("bob"),
        lambda: bench.store.secret("WEKAROOTKEY"),
        lambda: bench.store.principal("bob"),
        lambda: bench.store.principal("WEKAROOTKEY"),
        lambda: bench.add("ann"),
        lambda: bench.admin.remove_user("bob"),
        lambda: bench.issuer.assume_role("WEKAROOTKEY"),
        lambda: bench.issuer.sweep(),
    ):
        with pytest.raises(IdentityUnusable, match="damaged"):
            ask()
    assert _bytes(bench) == data


def test_a_new_process_finds_the_damage_too(bench: Bench, tmp_path: Path) -> None:
    bench.add()
    good = _bytes(bench)
    overwrite(bench, REGISTRY, good[:-5])
    other = Bench(bench.namespace.store, key_path(tmp_path), bench.clock, SystemRandom())
    with pytest.raises(IdentityUnusable):
        other.store.secret("bob")
    assert _bytes(bench) == good[:-5]
    overwrite(bench, REGISTRY, good)
    assert other.secret("bob") == PASSWORD == bench.secret("bob")
    other.close()


def test_a_lost_record_is_not_an_empty_one(bench: Bench, tmp_path: Path) -> None:
    bench.add()
    bench.issuer.add_service_account("bob")
    store = bench.namespace.store
    directory = store.open_dir(store.root(), b".weka/identity")
    store.unlink(directory, b"registry")
    store.close(directory)
    other = Bench(store, key_path(tmp_path), bench.clock, SystemRandom())
    for either in (bench, other):
        with pytest.raises(IdentityUnusable, match="gone"):
            either.store.secret("bob")
        with pytest.raises(IdentityUnusable, match="gone"):
            either.add("ann")
    other.close()


def test_a_newer_version_is_left_alone(bench: Bench) -> None:
    data = wrap({"version": 3})
    overwrite(bench, REGISTRY, data)
    with pytest.raises(IdentityUnusable, match="version 3"):
        bench.add()
    assert _bytes(bench) == data


def test_a_step_that_refuses_changes_nothing(bench: Bench) -> None:
    bench.add()
    before = record_of(bench)
    with pytest.raises(EntityExists):
        bench.add()
    assert record_of(bench) == before


def test_what_is_acknowledged_is_on_the_disk(tmp_path: Path) -> None:
    """Directories that this process made or found, the record before its name, the name before the answer."""
    inner = MemoryStore()
    for _ in ("makes them", "finds them, whoever made them may have died before they were synced"):
        faulty = FaultyStore(inner)
        bench = Bench(faulty, key_path(tmp_path), random=SystemRandom())
        bench.admin.set_lock_out(
            LockOutRule(len(bench.store.registry.users) + 7, bench.store.registry.revision + 9)
        )
        store = bench.namespace.store
        folders = [
            store.attr_at(store.root(), b".weka").ino,
            _inode(bench, b".weka", b"identity"),
        ]
        synced = [call.ino for call in faulty.calls if call.verb == "sync_dir"]
        assert set(folders) <= set(synced)
        verbs = [
            call.verb for call in faulty.calls if call.verb in ("write", "sync_file", "rename", "sync_dir")
        ]
        assert verbs[-4:] == ["write", "sync_file", "rename", "sync_dir"]
        assert synced[-1] == folders[1]
        bench.close()


def _inode(bench: Bench, folder: bytes, name: bytes) -> int:
    store = bench.namespace.store
    fd = store.open_dir(store.root(), folder)
    try:
        return store.attr_at(fd, name).ino
    finally:
        store.close(fd)


def test_revisions_count_changes(bench: Bench) -> None:
    start = bench.store.registry.revision
    bench.add()
    lock_out(bench, 7)
    lock_out(bench, 7)
    assert bench.store.registry.revision == start + 2


def test_somebody_without_the_lock_is_not_overwritten(tmp_path: Path) -> None:
    """Another node whose locks do not reach us: our change is worked out anew from what it wrote."""
    faulty = FaultyStore(MemoryStore())
    bench = Bench(faulty, key_path(tmp_path))
    once: list[int] = []

    def step(registry: Registry) -> Registry:
        if not once:
            once.append(1)
            theirs = replace(registry, lock_out=LockOutRule(9, 9), revision=registry.revision + 1)
            _write(bench, encode(theirs))
        return replace(registry, root_session=77)

    found = bench.store.change(step)
    assert (found.root_session, found.lock_out) == (77, LockOutRule(9, 9))

    def always(registry: Registry) -> Registry:
        _write(bench, encode(replace(registry, revision=registry.revision + 1)))
        return replace(registry, root_session=registry.root_session + 1)

    with pytest.raises(Conflict):
        bench.store.change(always)
    bench.close()


def _write(bench: Bench, data: bytes) -> None:
    store = bench.namespace.store
    directory = store.open_dir(store.root(), b".weka/identity")
    ControlFiles(store, directory, SystemRandom()).write(b"registry", data)
    store.close(directory)


@pytest.mark.parametrize("error", [IoFailure, ReadOnly])
@pytest.mark.parametrize("effect", list(Effect))
def test_a_failing_call_leaves_the_old_record_or_the_new_one(
    tmp_path: Path, error: type[IoFailure], effect: Effect
) -> None:
    verbs = (
        "attr_at",
        "open_file",
        "write",
        "sync_file",
        "rename",
        "sync_dir",
        "close",
        "lock",
        "attr",
        "read",
    )
    for verb in verbs:
        for nth in (1, 2):
            faulty = FaultyStore(MemoryStore())
            bench = Bench(faulty, str(tmp_path / f"{verb}{nth}" / "keys"))
            faulty.begin(Fault(error, nth, verb, effect))
            try:
                bench.add("ann")
                failed = False
            except (IoFailure, ReadOnly):
                failed = True
            faulty.begin()
            there = bench.store.secret("ann") is not None
            assert there or failed, (verb, nth)
            other = Bench(faulty, str(tmp_path / f"{verb}{nth}" / "keys"))
            assert (other.store.secret("ann") is not None) == there
            other.close()
            bench.admin.add_user("eve", Role.S3, PASSWORD)
            bench.close()
            assert faulty.inner.open_descriptors() == 0  # type: ignore[attr-defined]


def test_a_store_that_cannot_be_written_serves_root(tmp_path: Path) -> None:
    inner = MemoryStore()
    Bench(inner, key_path(tmp_path)).close()
    store = _ReadOnlyBelow(MemoryStore())
    bench = Bench(store, str(tmp_path / "other" / "keys"))
    assert bench.secret("WEKAROOTKEY") is not None
    assert bench.store.secret("bob") is None
    with pytest.raises(ReadOnly):
        bench.add()
    store.writable = True
    bench.add()
    assert bench.secret("bob") == PASSWORD
    bench.close()


class _ReadOnlyBelow(FaultyStore):
    """No identity can be made in it until it is `writable`."""

    writable = False

    def __getattr__(self, verb: str) -> object:
        call = super().__getattr__(verb)

        def refuse(at: int, name: bytes, *rest: object) -> object:
            if name == b"identity" and not self.writable:
                raise ReadOnly
            return call(at, name, *rest)

        return refuse if verb == "mkdir" else call


def test_threads_change_one_after_another(bench: Bench) -> None:
    threads = [threading.Thread(target=bench.add, args=(f"u{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(bench.store.registry.users) == {f"u{n}" for n in range(8)}


def test_processes_change_one_after_another(tmp_path: Path) -> None:
    """As two commands on a stopped store do. Each adds users and gives out keys; none of them is lost."""
    folder = tmp_path / "store"
    folder.mkdir()
    _open(folder, tmp_path).close()
    children = []
    for name in "abc":
        child = os.fork()
        if child == 0:
            _add_some(folder, tmp_path, name)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    bench = _open(folder, tmp_path)
    assert set(bench.store.registry.users) == {f"{name}{n}" for name in "abc" for n in range(5)}
    assert sum(len(bench.issuer.service_accounts(user)) for user in bench.store.registry.users) == 15
    assert all(bench.secret(user) == PASSWORD for user in bench.store.registry.users)
    bench.close()


def _open(folder: Path, keys: Path) -> Bench:
    return Bench(PosixStore(str(folder)), key_path(keys), random=SystemRandom())


def _add_some(folder: Path, keys: Path, name: str) -> None:
    status = 1
    try:
        bench = _open(folder, keys)
        for n in range(5):
            bench.add(f"{name}{n}")
            bench.issuer.add_service_account(f"{name}{n}")
        status = 0
    finally:
        os._exit(status)


@pytest.mark.parametrize("changes", [1, 2, 3, 4])
def test_a_slow_thread_does_not_see_an_old_state(tmp_path: Path, changes: int) -> None:
    """It looked at the record, was overtaken by two changes and a reload, and compares numbers only then."""
    clock = FixedClock()
    coarse = replace(ALL_PRIMITIVES, change_grain_ns=10**9)
    inner = MemoryStore(coarse, clock=clock, reuse_inode_numbers=True)
    faulty = FaultyStore(inner)
    slow = Bench(faulty, key_path(tmp_path), clock, SystemRandom())
    writer = Bench(inner, key_path(tmp_path), clock, SystemRandom())
    lock_out(writer, 100)
    assert slow.store.registry.lock_out.attempts == 100
    steps = iter(range(101, 101 + changes))

    def overtake() -> None:
        for attempts in steps:
            lock_out(writer, attempts)
            assert slow.store.registry.lock_out.attempts == attempts

    faulty.begin(Interference("attr_at", 1, overtake))
    assert slow.store.registry.lock_out.attempts == 100 + changes
    slow.close()
    writer.close()


def _bytes(bench: Bench) -> bytes:
    store = bench.namespace.store
    fd = store.open_file(store.root(), REGISTRY, os.O_RDONLY)
    try:
        return store.read(fd, store.attr(fd).size, 0)
    finally:
        store.close(fd)
