"""The health of a service's parts."""

from __future__ import annotations

import pytest

from weka_mp.errors import IoFailure, NoSpace
from weka_mp.namespace import Namespace
from weka_mp.store.faulty import Fault, FaultyStore
from weka_mp.store.memory import MemoryStore
from weka_mp.supervise.service import write_probe


def _probed(*script: Fault) -> tuple[str, FaultyStore]:
    store = FaultyStore(MemoryStore(), *script)
    with Namespace.open(store) as namespace:
        return write_probe(namespace), store


def test_a_writable_store_is_ok_and_nothing_is_left() -> None:
    answer, store = _probed()
    assert answer == "ok"
    assert [entry.name for entry in store.entries(store.root())] == [b".weka"]


@pytest.mark.parametrize(
    ("verb", "error"), [("write", NoSpace), ("sync_file", IoFailure), ("create_unnamed", IoFailure)]
)
def test_what_fails_is_said(verb: str, error: type[NoSpace] | type[IoFailure]) -> None:
    calls = FaultyStore(MemoryStore())
    with Namespace.open(calls):
        before = sum(call.verb == verb for call in calls.calls)
    answer, _ = _probed(Fault(error, nth=before + 1, verb=verb))
    assert answer == f"scripted: {verb}"
