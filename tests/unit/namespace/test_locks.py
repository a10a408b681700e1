"""Entry locks between threads of one process and between processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.unit.namespace.kit import in_threads
from weka_mp.errors import Interrupted, IoFailure
from weka_mp.namespace import Namespace
from weka_mp.namespace.locks import EntryLocks
from weka_mp.store.faulty import Fault, FaultyStore
from weka_mp.store.memory import MemoryStore
from weka_mp.store.posix import PosixStore

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys
from weka_mp.namespace import Namespace
from weka_mp.store.posix import PosixStore
with Namespace.open(PosixStore(sys.argv[1])) as namespace, namespace.locks.hold([(1, b"x")]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_threads_exclude_each_other(any_namespace: Namespace) -> None:
    locks, count = any_namespace.locks, [0]

    def work() -> None:
        for _ in range(50):
            with locks.hold([(1, b"a"), (2, b"b")]):
                seen = count[0]
                threading.Event().wait(0)
                count[0] = seen + 1

    assert in_threads(*[work] * 4) == [None] * 4
    assert count == [200]


def test_crossed_orders_never_deadlock(any_namespace: Namespace) -> None:
    locks = any_namespace.locks

    def work(entries: list[tuple[int, bytes]]) -> None:
        for _ in range(50):
            with locks.hold(entries):
                pass

    names = [(1, b"a"), (1, b"b"), (2, b"a")]
    assert (
        in_threads(*[lambda: work(names), lambda: work(names[::-1]), lambda: work(names[1:] + names[:1])])
        == [None] * 3
    )


def test_trying_never_waits(namespace: Namespace, memory: MemoryStore) -> None:
    with Namespace.open(memory) as other, namespace.locks.hold([(1, b"a")]):
        for locks in (namespace.locks, other.locks):
            with locks.try_hold([(1, b"b"), (1, b"a")]) as held:
                assert not held
            with locks.try_hold([(1, b"b")]) as held:
                assert held
    with namespace.locks.try_hold([(1, b"a")]) as held:
        assert held


def test_an_error_inside_releases(namespace: Namespace) -> None:
    with pytest.raises(KeyError), namespace.locks.hold([(1, b"a")]):
        raise KeyError
    with namespace.locks.try_hold([(1, b"a")]) as held:
        assert held


@pytest.mark.parametrize(("verb", "error"), [("lock", Interrupted), ("unlock", IoFailure)])
def test_regression_a_failing_lock_file_blocks_nobody_for_ever(verb: str, error: type[Interrupted]) -> None:
    store = FaultyStore(MemoryStore())
    fd = store.open_file(store.root(), b"locks", os.O_RDWR | os.O_CREAT, 0o600)
    locks = EntryLocks(store, fd)  # type: ignore[arg-type]
    store.begin(Fault(error, 2, verb))
    with pytest.raises(error), locks.hold([(1, b"a"), (1, b"b")]):
        pass
    with locks.try_hold([(1, b"a"), (1, b"b")]) as held:
        assert held or verb == "unlock"
    store.close(fd)


def test_processes_exclude_each_other_and_the_dead_hold_nothing(
    posix: PosixStore, posix_namespace: Namespace, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with posix_namespace.locks.try_hold([(1, b"x")]) as held:
            assert not held
        with posix_namespace.locks.try_hold([(1, b"y")]) as held:
            assert held
        waiting = threading.Event()

        def wait() -> None:
            with posix_namespace.locks.hold([(1, b"x")]):
                waiting.set()

        thread = threading.Thread(target=wait)
        thread.start()
        assert not waiting.wait(0.02)
        holder.kill()
        assert waiting.wait(10)
        thread.join()
