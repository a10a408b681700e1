"""Buckets with versions: wherever a request fails or its process dies, every version is there once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.unit.namespace.kit import BUCKET, FEWER, md5_of, memory_store, put
from weka_mp.errors import DeleteMarkerMet, IoFailure, NamespaceError, NotFound
from weka_mp.namespace import Namespace, RenameRequest, VersionRow
from weka_mp.store.faulty import Effect, Fault, FaultyStore

KEY = b"d/k"
FREED = frozenset({"unlock", "drop_lease", "close"})
"""What the kernel does for a process that died."""


class Died(BaseException):
    """Nothing that comes after it reaches the store."""


class MortalStore:
    """Passes calls on until the process dies before the call of a number (from 1)."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.calls = 0
        self.last = 0  # 0: it lives

    def __getattr__(self, verb: str) -> Any:
        call = getattr(self.inner, verb)
        if not callable(call) or verb in FREED:
            return call

        def counted(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            if self.last and self.calls >= self.last:
                raise Died
            return call(*arguments, **named)

        return counted


@dataclass(frozen=True)
class Step:
    """What is done to the key; which of its former versions it takes away for good, what it adds."""

    act: Callable[[Namespace, list[str]], object]
    gone: tuple[int, ...] = ()
    suspended: bool = False


def overwrite(namespace: Namespace, ids: list[str]) -> None:
    put(namespace, KEY, b"new")


def copy_over(namespace: Namespace, ids: list[str]) -> None:
    namespace.rename_object(RenameRequest(BUCKET, b"other", KEY))


STEPS = {
    "put": Step(overwrite),
    "put-suspended": Step(overwrite, suspended=True),
    "delete": Step(lambda namespace, ids: namespace.delete_object(BUCKET, KEY)),
    "delete-suspended": Step(lambda namespace, ids: namespace.delete_object(BUCKET, KEY), suspended=True),
    "delete-current": Step(
        lambda namespace, ids: namespace.delete_object(BUCKET, KEY, version=ids[-1]), (2,)
    ),
    "delete-oldest": Step(lambda namespace, ids: namespace.delete_object(BUCKET, KEY, version=ids[0]), (0,)),
    "rename-over": Step(copy_over),
    "tag": Step(lambda namespace, ids: namespace.tag_object(BUCKET, KEY, {"a": "b"}, ids[0])),
}
BODIES = (b"null", b"one1", b"two22")


def prepared(store: Any, step: Step) -> list[str]:
    """A key with the version null and two others; the ids, oldest first."""
    with Namespace.open(store) as namespace:
        namespace.create_bucket(BUCKET)
        put(namespace, b"other", b"other")
        put(namespace, KEY, BODIES[0])
        enable(namespace, "Enabled")
        ids = ["null", *(put(namespace, KEY, data).info.version or "" for data in BODIES[1:])]
        if step.suspended:
            enable(namespace, "Suspended")
    return ids


def enable(namespace: Namespace, state: str) -> None:
    namespace.change_bucket_settings(BUCKET, lambda before: replace(before, versioning=state))


def shown(namespace: Namespace) -> dict[str, bytes | None]:
    """Version id → bytes, None for a delete marker; what is listed can be read, and is listed once."""
    found: dict[str, bytes | None] = {}
    for row in namespace.list_versions(BUCKET, prefix=KEY).items:
        assert isinstance(row, VersionRow)
        assert row.version not in found, "listed twice"
        found[row.version] = None
        try:
            with namespace.open_object(BUCKET, KEY, row.version) as opened:
                data = namespace.store.read(opened.fd, opened.size, 0)
                assert opened.info.etag == md5_of(data)
                found[row.version] = data
        except DeleteMarkerMet:
            assert row.marker
    return found


def judge(store: Any, step: Step, ids: list[str], *, done: bool) -> None:
    with Namespace.open(store) as namespace:
        before = dict(zip(ids, BODIES, strict=True))
        found = check_kept(namespace, step, before, done=done)
        newest = next(iter(found))  # of which a dead process may have left a second name
        namespace.delete_object(BUCKET, KEY, version=newest)
        assert newest not in shown(namespace)
        before.pop(newest, None)
        # Whoever comes next finds nothing in the way, and takes what a dead process left.
        enable(namespace, "Enabled")
        put(namespace, KEY, b"after")
        after = check_kept(namespace, step, before, done=done)
        assert b"after" in after.values()
        for version in list(after):
            namespace.delete_object(BUCKET, KEY, version=version)
        assert shown(namespace) == {}
        with pytest.raises(NotFound):
            namespace.head_object(BUCKET, KEY)


def check_kept(
    namespace: Namespace, step: Step, before: dict[str, bytes], *, done: bool
) -> dict[str, bytes | None]:
    found = shown(namespace)
    for version, data in before.items():
        at = BODIES.index(data)
        may_go = at in step.gone or (step.suspended and version == "null")
        if done and at in step.gone:
            assert version not in found
        elif not may_go:
            assert found.get(version) == data, "an acknowledged version is lost"
    return found


@pytest.mark.parametrize(
    ("name", "fewer"),
    [*((name, "all") for name in sorted(STEPS)), ("put", "no-noreplace"), ("delete-current", "no-noreplace")],
)
def test_every_version_is_there_wherever_a_process_dies(name: str, fewer: str) -> None:
    step, last = STEPS[name], 0
    while True:
        last += 1
        memory = memory_store(**FEWER[fewer])
        ids = prepared(memory, step)
        store = MortalStore(memory)
        namespace = Namespace.open(store)  # type: ignore[arg-type]
        store.calls, store.last = 0, last
        try:
            step.act(namespace, ids)
        except Died:
            judge(memory, step, ids, done=False)
            continue
        judge(memory, step, ids, done=True)
        assert last > 5, "it was tried nowhere"
        return


@pytest.mark.parametrize("name", ["put", "delete", "delete-current"])
def test_every_version_is_there_whatever_fails(name: str) -> None:
    step, nth = STEPS[name], 0
    while True:
        nth += 1
        memory = memory_store()
        ids = prepared(memory, step)
        store = FaultyStore(memory)
        namespace = Namespace.open(store)  # type: ignore[arg-type]
        store.begin(Fault(IoFailure, nth, None, Effect.WHOLE if nth % 3 == 0 else Effect.NOTHING))
        done = True
        try:
            step.act(namespace, ids)
        except NamespaceError:
            done = False
        met = len(store.calls)
        store.begin()
        judge(memory, step, ids, done=done)
        if met < nth:
            assert nth > 5
            return
