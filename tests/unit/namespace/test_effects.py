"""What a request leaves to be done: nothing of it leaks, nothing of it is forgotten."""

from __future__ import annotations

import pytest

from tests.unit.namespace.kit import BUCKET, keys, put
from weka_mp.clock import SystemClock
from weka_mp.errors import IoFailure
from weka_mp.namespace import Namespace
from weka_mp.namespace.effects import Durability, Effects, Settled
from weka_mp.store.faulty import Effect, Fault, FaultyStore
from weka_mp.store.memory import MemoryStore
from weka_mp.values import Change, InodeNo


def test_regression_a_failing_close_keeps_no_other_descriptor() -> None:
    memory = MemoryStore()
    store = FaultyStore(memory)
    for name in (b"a", b"b", b"c"):
        memory.mkdir(memory.root(), name, 0o755)
    before = memory.open_descriptors()
    effects = Effects(store, Durability.COMMIT, Settled(), SystemClock())  # type: ignore[arg-type]
    for name in (b"a", b"b", b"c"):
        directory = memory.open_dir(memory.root(), name)
        effects.add(directory)
        memory.close(directory)
    store.begin(Fault(IoFailure, 1, "close", Effect.WHOLE))
    with pytest.raises(IoFailure):
        effects.close()
    assert memory.open_descriptors() == before


def test_a_failure_carries_what_was_noted_once() -> None:
    effects = Effects(MemoryStore(), Durability.RELAXED, Settled(), SystemClock())
    first, second = Change(InodeNo(1), b"a", None), Change(InodeNo(1), b"b", InodeNo(7))
    error = IoFailure()
    error.changes = (second,)
    with pytest.raises(IoFailure) as failure, effects.told_if_it_fails():
        effects.tell(first)
        effects.tell(first)
        effects.tell(second)
        raise error
    assert failure.value.changes == (first, second) == effects.told


def test_regression_deleting_one_of_many_keys_does_not_list_the_others() -> None:
    store = FaultyStore(MemoryStore())
    with Namespace.open(store) as namespace:  # type: ignore[arg-type]
        namespace.create_bucket(BUCKET)
        for number in range(5):
            put(namespace, b"many/%d" % number)
        store.begin()
        namespace.delete_object(BUCKET, b"many/3")
        assert "entries" not in [call.verb for call in store.calls]
        assert keys(namespace) == [b"many/0", b"many/1", b"many/2", b"many/4"]
