"""Each call of the store fails once: the old object or the new one stands, nothing is held or left over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.scenarios import NEW, OTHER, PART, SCENARIOS, Ground, Scenario, seen, tidy
from tests.faults.upkeep_scenarios import UPKEEP
from tests.unit.namespace.kit import BUCKET, FEWER, get, put, tree
from weka_mp.errors import (
    BucketMissing,
    Interrupted,
    IoFailure,
    NamespaceError,
    NoSpace,
    QuotaExceeded,
    ReadOnly,
)
from weka_mp.namespace import Namespace
from weka_mp.namespace.uploads import multipart
from weka_mp.store.faulty import Effect, Fault, FaultyStore
from weka_mp.store.memory import MemoryStore
from weka_mp.store.memory_inodes import ALL_PRIMITIVES

ERRORS = (NoSpace, QuotaExceeded, ReadOnly, IoFailure, Interrupted)
DONE_BEFORE = {"NotFound", "PreconditionFailed", "UploadMissing", "BucketExists", "BucketMissing"}
ALL = {**SCENARIOS, **UPKEEP}
LONG = {"check", "fill-paths", "list-prefixes"}  # much like others: for the soak
SHORT = sorted({*ALL} - LONG)


def faults_at(nth: int, verb: str, fewer: str, *, every: bool = False) -> list[Fault]:
    """How the call fails: before anything, half-way where there is a half, or only in its reply.

    The errors take turns by the place of the call, unless `every` one is wanted.
    """
    faults = [Fault(IoFailure, nth, None, Effect.WHOLE)]
    if fewer == "all":
        errors = ERRORS if every else (ERRORS[nth % len(ERRORS)],)
        faults += [Fault(error, nth, None, Effect.NOTHING) for error in errors]
    if verb in {"write", "copy"}:
        faults.append(Fault(NoSpace, nth, None, Effect.HALF))
    return faults


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", len(PART))


def prepared(scenario: Scenario, fewer: str) -> tuple[MemoryStore, FaultyStore, Ground]:
    memory = MemoryStore(replace(ALL_PRIMITIVES, **FEWER[fewer]))
    store = FaultyStore(memory)
    ground = Ground(Namespace.open(store))  # type: ignore[arg-type]
    ground.namespace.create_bucket(BUCKET)
    scenario.prepare(ground)
    return memory, store, ground


def held(memory: MemoryStore, ground: Ground) -> tuple[int, int, int]:
    return memory.open_descriptors(), memory.held_locks(), len(ground.namespace.locks._held)


def verbs_of(scenario: Scenario, fewer: str) -> list[str]:
    _, store, ground = prepared(scenario, fewer)
    store.begin()
    scenario.act(ground)
    verbs = [call.verb for call in store.calls]
    assert {key: seen(ground.namespace, key) for key in scenario.after} == scenario.after
    return verbs


FALLBACKS = [
    ("no-unnamed", name)
    for name in ("put-new", "put-over", "put-directory-body", "put-directory-emptier", "complete-assembled")
] + [("no-noreplace", "put-new"), ("no-leases", "put-if-match")]


@pytest.mark.parametrize(("fewer", "name"), [("all", name) for name in SHORT] + FALLBACKS)
def test_one_failing_call(name: str, fewer: str) -> None:
    scenario = ALL[name]
    for nth, verb in enumerate(verbs_of(scenario, fewer), 1):
        if verb != "close":  # it never fails
            for fault in faults_at(nth, verb, fewer):
                one_failure(scenario, fewer, fault)


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(ALL))
def test_one_failing_call_with_every_error(name: str) -> None:
    for nth, verb in enumerate(verbs_of(ALL[name], "all"), 1):
        if verb != "close":
            for fault in faults_at(nth, verb, "all", every=True):
                one_failure(ALL[name], "all", fault)


def one_failure(scenario: Scenario, fewer: str, fault: Fault) -> None:
    memory, store, ground = prepared(scenario, fewer)
    before = held(memory, ground)
    store.begin(fault)
    failed = None
    try:
        scenario.act(ground)
    except NamespaceError as error:
        failed = error
    verb = store.calls[fault.nth - 1].verb
    where = f"{fault} at {verb}: {failed!r}"
    store.begin()
    assert failed is None or isinstance(failed, fault.error), where
    assert held(memory, ground) == before, where
    present = {key: seen(ground.namespace, key) for key in scenario.after}
    assert present in ((scenario.before, scenario.after) if failed else (scenario.after,)), where
    listed = [getattr(row, "key", None) for row in ground.namespace.list_objects(BUCKET).items]
    assert listed == sorted(key for key, data in present.items() if data is not None), where
    still_works(scenario, ground, where)
    nothing_is_left(memory, ground, scenario.leaves, where)


def still_works(scenario: Scenario, ground: Ground, where: str) -> None:
    """The same again succeeds, unless the first had its effect all the same."""
    try:
        scenario.act(ground)
    except NamespaceError as error:
        assert type(error).__name__ in DONE_BEFORE, (where, repr(error))
    assert {key: seen(ground.namespace, key) for key in scenario.after} == scenario.after, where
    scenario.settled(ground)
    put(ground.namespace, b"later/k", NEW)
    assert get(ground.namespace, b"later/k") == NEW


def nothing_is_left(memory: MemoryStore, ground: Ground, leaves: tuple[bytes, ...], where: str) -> None:
    """After deletion of all objects and a sweep: the empty bucket and the bare control area."""
    tidy(ground)
    far_future = 1 << 62
    ground.namespace.sweep(far_future)
    ground.namespace.expire_uploads(far_future)
    ground.namespace.forget_completed(far_future)
    left = set(tree(memory))
    lasting = (b".weka/longnames/", b".weka/buckets/", b".weka/renames/", *leaves)
    kept = {path for path in left if path.startswith(lasting)}
    assert not [path for path in kept if b"new-" in path], where
    # An empty directory is no object and keeps no bucket; it may stay where taking it away was what failed.
    empty = {path for path in left if path.startswith(b"bucket/") and path.endswith(b"/")}
    assert left - kept - empty | {b"bucket/"} == {
        b"bucket/",
        b".weka/",
        b".weka/broken/",
        b".weka/format",
        b".weka/locks/",
        b".weka/locks/entries",
        b".weka/moving/",
        b".weka/overflow/",
        b".weka/quotas/",
        b".weka/quotas/generation",
        b".weka/quotas/locks",
        b".weka/versions/",
        b".weka/spool/",
        b".weka/uploads/",
        b".weka/completed/",
    } - {*leaves}, where
    ground.namespace.delete_bucket(BUCKET)
    with pytest.raises(BucketMissing):
        ground.namespace.head_bucket(OTHER)
