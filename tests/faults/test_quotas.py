"""Each call of the store failing once in what a quota counts: a recount is right, nobody holds anything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.unit.namespace.kit import BUCKET, memory_store
from tests.unit.namespace.quota_truth import Doors
from weka_mp.errors import IoFailure, NamespaceError
from weka_mp.namespace import Namespace, RenameRequest
from weka_mp.store.faulty import Effect, Fault, FaultyStore

Act = Callable[[Doors], object]

OPERATIONS: dict[str, Act] = {
    "put": lambda doors: doors.put("new", 30),
    "put-over": lambda doors: doors.put("a", 30),
    "put-directory": lambda doors: doors.put("d/", 30),
    "delete": lambda doors: doors.delete("a"),
    "rename": lambda doors: doors.namespace.rename_object(RenameRequest(BUCKET, b"a", b"b")),
    "part-and-abort": lambda doors: doors.namespace.abort_upload(BUCKET, b"m", doors.upload("m", [30])[0]),
    "complete": lambda doors: doors.complete("m", doors.upload("m", [30])),
    "write": lambda doors: doors.write("bucket/a", 30),
    "unlink": lambda doors: doors.unlink("bucket/a"),
    "mount-rename": lambda doors: doors.rename("bucket/a", "bucket/b"),
    "recount": lambda doors: doors.namespace.quotas.maintain(),
}


def ground(store: FaultyStore) -> tuple[Namespace, Doors]:
    namespace = Namespace.open(store)
    namespace.create_bucket(BUCKET)
    namespace.quotas.set(BUCKET, 100)
    doors = Doors(namespace)
    doors.put("a", 20)
    doors.put("b", 10)
    doors.number("bucket/a")
    doors.number("bucket/b")
    return namespace, doors


def calls_of(act: Act) -> int:
    store = FaultyStore(memory_store())
    namespace, doors = ground(store)
    store.begin()
    act(doors)
    count = len(store.calls)
    doors.close()
    namespace.close()
    return count


@pytest.mark.parametrize("name", OPERATIONS)
def test_one_failing_call_leaves_a_count_that_heals(name: str) -> None:
    fail_at(name, Effect.NOTHING, range(1, calls_of(OPERATIONS[name]) + 1, 4))


@pytest.mark.soak
@pytest.mark.parametrize("effect", [Effect.NOTHING, Effect.WHOLE], ids=["nothing", "whole"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_each_failing_call_leaves_a_count_that_heals(name: str, effect: Effect) -> None:
    fail_at(name, effect, range(1, calls_of(OPERATIONS[name]) + 1))


def fail_at(name: str, effect: Effect, calls: range) -> None:
    assert len(calls) > 5
    for nth in calls:
        store = FaultyStore(memory_store())
        namespace, doors = ground(store)
        store.begin(Fault(IoFailure, nth, effect=effect))
        with suppress(NamespaceError):
            OPERATIONS[name](doors)
        store.begin()
        namespace.expire_uploads(1 << 62)
        assert namespace.quotas.maintain() == 1, nth
        assert doors.used() == doors.truth(), nth
        doors.put("more", 100 - doors.used())  # nothing is held by nobody
        doors.close()
        namespace.close()
