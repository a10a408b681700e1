"""Object Lock: wherever a request fails or its process dies, every locked version is there, and locked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.test_versions import KEY, Died, MortalStore
from tests.unit.namespace.kit import BUCKET, FEWER, memory_store, put
from weka_mp.errors import IoFailure, NamespaceError, ObjectLocked
from weka_mp.namespace import CopyRequest, Namespace, RenameRequest
from weka_mp.object_lock import COMPLIANCE, Retention
from weka_mp.store.faulty import Effect, Fault, FaultyStore

FAR = Retention(COMPLIANCE, 1 << 63)
FARTHER = Retention(COMPLIANCE, (1 << 63) + 1)
Ids = list[str]
STEPS: dict[str, Callable[[Namespace, Ids], object]] = {
    "put": lambda namespace, ids: put(namespace, KEY, b"new"),
    "delete": lambda namespace, ids: namespace.delete_object(BUCKET, KEY),
    "copy-over": lambda namespace, ids: namespace.copy_object(CopyRequest(BUCKET, b"other", BUCKET, KEY)),
    "rename-over": lambda namespace, ids: namespace.rename_object(RenameRequest(BUCKET, b"other", KEY)),
    "delete-current": lambda namespace, ids: namespace.delete_object(BUCKET, KEY, version=ids[2]),
    "delete-locked": lambda namespace, ids: namespace.delete_object(BUCKET, KEY, version=ids[0]),
    "longer": lambda namespace, ids: namespace.locking.retain(BUCKET, KEY, ids[0], FARTHER, bypass=False),
    "lock": lambda namespace, ids: namespace.locking.retain(BUCKET, KEY, ids[2], FAR, bypass=False),
    "hold": lambda namespace, ids: namespace.locking.hold(BUCKET, KEY, ids[2], True),
}
"""The last three give a lock that holds once they are answered."""


def prepared(store: Any) -> Ids:
    """The version null and another are locked, the current one is not."""
    with Namespace.open(store) as namespace:
        namespace.create_bucket(BUCKET)
        put(namespace, KEY, b"null")
        namespace.change_bucket_settings(
            BUCKET, lambda before: replace(before, versioning="Enabled", object_lock="{}"))
        put(namespace, b"other", b"other")
        namespace.locking.retain(BUCKET, KEY, "null", FAR, bypass=False)
        one = put(namespace, KEY, b"one", retention=FAR).info.version or ""
        return ["null", one, put(namespace, KEY, b"two").info.version or ""]


def judge(store: Any, name: str, ids: Ids, *, done: bool) -> None:
    with Namespace.open(store) as namespace:
        locked = ids if done and name in ("lock", "hold") else ids[:2]
        for version, data in zip(locked, (b"null", b"one", b"two"), strict=False):
            with namespace.open_object(BUCKET, KEY, version) as found:
                assert namespace.store.read(found.fd, found.size, 0) == data
                kept = found.info.retention
            if version in ids[:2]:
                wanted = FARTHER if done and name == "longer" and version == ids[0] else FAR
                assert kept == wanted or (name == "longer" and kept == FARTHER)
            with pytest.raises(ObjectLocked):
                namespace.delete_object(BUCKET, KEY, version=version)


def attempt(namespace: Namespace, name: str, ids: Ids) -> bool:
    """Whether it was answered as done."""
    with suppress(ObjectLocked):
        STEPS[name](namespace, ids)
        assert name != "delete-locked"
        return True
    assert name == "delete-locked"
    return False


def short(*names: str) -> list[Any]:
    """All steps; the others for the soak."""
    return [name if name in names else pytest.param(name, marks=pytest.mark.soak) for name in STEPS]


@pytest.mark.parametrize("name", short("lock", "delete-locked"))
@pytest.mark.parametrize("fewer", ["all", pytest.param("no-leases", marks=pytest.mark.soak)])
def test_a_death_at_any_call_unlocks_nothing(name: str, fewer: str) -> None:
    last = 1
    while True:
        memory = memory_store(**FEWER[fewer])
        ids = prepared(memory)
        mortal = MortalStore(memory)
        namespace = Namespace.open(mortal)  # type: ignore[arg-type]
        mortal.calls, mortal.last, done = 0, last, False
        try:
            done = attempt(namespace, name, ids)
        except Died:
            judge(memory, name, ids, done=False)
            last += 1
            continue
        judge(memory, name, ids, done=done)
        assert last > 1
        return


@pytest.mark.parametrize("name", short("longer"))
def test_a_failure_of_any_call_unlocks_nothing(name: str) -> None:
    nth = 1
    while True:
        store = FaultyStore(memory_store())
        ids = prepared(store)
        with Namespace.open(store) as namespace:  # type: ignore[arg-type]
            store.begin(Fault(IoFailure, nth, None, Effect.NOTHING if nth % 2 else Effect.WHOLE))
            done = False
            try:
                done = attempt(namespace, name, ids)
            except NamespaceError as error:
                assert isinstance(error, IoFailure)
            met = len(store.calls) >= nth
            store.begin()
        judge(store, name, ids, done=done)
        if not met:
            return
        nth += 1
