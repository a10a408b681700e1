"""A store that fails while it is opened keeps nothing open, and can be opened afterwards."""

from __future__ import annotations

import pytest

from tests.unit.namespace.kit import BUCKET, keys, put
from weka_mp.errors import IoFailure, NamespaceError, OutOfResources
from weka_mp.namespace import Namespace
from weka_mp.store.faulty import Fault, FaultyStore
from weka_mp.store.memory import MemoryStore


def _calls_of_opening(memory: MemoryStore) -> int:
    counting = FaultyStore(memory)
    Namespace.open(counting, sweep=True).close()  # type: ignore[arg-type]
    return len(counting.calls)


@pytest.mark.parametrize("error", [IoFailure, OutOfResources])
def test_regression_opening_fails_at_every_call_and_keeps_no_descriptor(error: type[NamespaceError]) -> None:
    """What followed the control area's opening left its ten descriptors behind."""
    memory = MemoryStore()
    with Namespace.open(memory) as namespace:
        namespace.create_bucket(BUCKET)
        put(namespace, b"k", b"bytes")
    before = memory.open_descriptors()
    failures = 0
    for nth in range(1, _calls_of_opening(memory) + 1):
        try:
            Namespace.open(FaultyStore(memory, Fault(error, nth)), sweep=True).close()  # type: ignore[arg-type]
        except NamespaceError:
            failures += 1
        assert memory.open_descriptors() == before, nth
    assert failures > 10
    with Namespace.open(memory) as namespace:
        assert keys(namespace) == [b"k"]
