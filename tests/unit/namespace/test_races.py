"""Several processes and threads on one store at once: no update is lost, no object is torn."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.namespace.kit import BUCKET, get, in_threads, keys, md5_of, put
from weka_mp.errors import Conflict, NamespaceError, PreconditionFailed
from weka_mp.namespace import CopyRequest, Durability, Namespace, NewMetadata, WriteConditions
from weka_mp.namespace.records.etags import mark_writer
from weka_mp.namespace.tree.facade import AttrChange, Tree
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.store.posix import PosixStore

ROUNDS = 25
CONTEXT = multiprocessing.get_context("fork")


def opened(path: str) -> Namespace:
    return Namespace.open(PosixStore(path), durability=Durability.RELAXED)


@pytest.fixture
def store(tmp_path: Path) -> str:
    with opened(str(tmp_path)) as namespace:
        namespace.create_bucket(BUCKET)
    return str(tmp_path)


def _child(
    work: Callable[[Namespace, int], object], path: str, number: int, start: object, results: object
) -> None:
    with opened(path) as namespace:
        start.wait()  # type: ignore[attr-defined]
        results.put(work(namespace, number))  # type: ignore[attr-defined]


def in_processes(store: str, *works: Callable[[Namespace, int], object]) -> list[object]:
    start, results = CONTEXT.Barrier(len(works)), CONTEXT.SimpleQueue()
    processes = [
        CONTEXT.Process(target=_child, args=(work, store, number, start, results))
        for number, work in enumerate(works)
    ]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    return found


def create(namespace: Namespace, number: int) -> list[int]:
    won = []
    for turn in range(ROUNDS):
        try:
            put(namespace, b"d/%d" % turn, b"%d" % number, WriteConditions(if_none_match=True))
        except (PreconditionFailed, Conflict):
            continue
        won.append(turn)
    return won


def test_exactly_one_creator_wins(store: str) -> None:
    won = in_processes(store, create, create, create)
    assert sorted(turn for turns in won for turn in turns) == list(range(ROUNDS))  # type: ignore[attr-defined]


def increment(namespace: Namespace, number: int) -> int:
    done = 0
    while done < ROUNDS:
        value = int(get(namespace, b"counter"))
        info = namespace.head_object(BUCKET, b"counter")
        if info.etag != md5_of(b"%d" % value):
            continue
        try:
            put(namespace, b"counter", b"%d" % (value + 1), WriteConditions(if_match=info.etag))
        except (PreconditionFailed, Conflict):
            continue
        done += 1
    return done


def test_compare_and_swap_loses_no_update(store: str) -> None:
    with opened(store) as namespace:
        put(namespace, b"counter", b"0")
        in_processes(store, *[increment] * 4)
        assert int(get(namespace, b"counter")) == 4 * ROUNDS


def come_and_go(namespace: Namespace, number: int) -> int:
    """The directory vanishes with its last child, again and again, while others put into it."""
    for turn in range(ROUNDS * 2):
        key = b"shared/deep/%d" % number
        data = b"%d" % turn
        put(namespace, key, data)
        assert get(namespace, key) == data
        assert key in keys(namespace, prefix=b"shared/")
        assert namespace.delete_object(BUCKET, key).existed
        assert key not in keys(namespace)
    return 1


def test_no_put_is_lost_to_a_delete_of_the_last_child(store: str) -> None:
    assert in_processes(store, come_and_go, come_and_go, come_and_go) == [1, 1, 1]
    assert os.listdir(f"{store}/bucket") == []


def test_threads_of_one_process_too(store: str) -> None:
    with opened(store) as namespace:
        works = [lambda n=n: come_and_go(namespace, n) for n in range(4)]
        assert in_threads(*works) == [1] * 4
    assert os.listdir(f"{store}/bucket") == []


def overwrite(namespace: Namespace, number: int) -> int:
    for turn in range(ROUNDS * 2):
        put(namespace, b"big", bytes([65 + (turn + number) % 26]) * 200_000)
    return 0


def read(namespace: Namespace, number: int) -> int:
    """Never a mixture, and always the ETag of what was read."""
    for _ in range(ROUNDS * 2):
        with namespace.open_object(BUCKET, b"big") as found:
            data = namespace.store.read(found.fd, found.size, 0)
            assert found.still_same()
            assert len(set(data)) == 1 and md5_of(data) == found.info.etag
    return 0


def test_readers_see_one_version_or_the_other(store: str) -> None:
    with opened(store) as namespace:
        put(namespace, b"big", b"A" * 200_000)
    in_processes(store, overwrite, overwrite, read)


def write_in_place(namespace: Namespace, number: int) -> int:
    """A program on the mount: open for writing, mark, add one to the count in the file, close."""
    store = namespace.store
    for _ in range(ROUNDS):
        with namespace.locks.hold([(0, b"posix writers take turns")]):
            at = store.open_dir(store.root(), b"bucket")
            whole = store.open_path(at, b"shared")
            fd = store.reopen(whole, os.O_RDWR)
            mark_writer(store, namespace.locks, fd)
            value = int(store.read(fd, 20, 0))
            store.write(fd, b"%010d" % (value + 1), 0)
            for each in (fd, whole, at):
                store.close(each)
    return ROUNDS


def swap(namespace: Namespace, number: int) -> int:
    done = 0
    for _ in range(ROUNDS * 4):
        try:
            with namespace.open_object(BUCKET, b"shared") as found:
                value = int(namespace.store.read(found.fd, 20, 0))
                if not found.still_same():
                    continue
                tag = found.info.etag
            put(namespace, b"shared", b"%010d" % (value + 1), WriteConditions(if_match=tag))
        except NamespaceError:
            continue
        done += 1
    return done


def test_a_conditional_put_never_buries_what_a_posix_writer_had_finished(store: str) -> None:
    """One that opened before the exchange may write into the orphan (SEMANTICS, 4); nothing else is lost."""
    with opened(store) as namespace:
        put(namespace, b"shared", b"%010d" % 0)
        swapped = in_processes(store, swap, swap)
        assert int(get(namespace, b"shared")) == sum(swapped)  # type: ignore[arg-type]
        before = int(get(namespace, b"shared"))
        written = in_processes(store, write_in_place, write_in_place)
        assert int(get(namespace, b"shared")) == before + sum(written)  # type: ignore[arg-type]
        in_processes(store, swap, write_in_place)
        info = namespace.head_object(BUCKET, b"shared")
        assert not info.etag_is_true or info.etag == md5_of(get(namespace, b"shared"))


def list_after_write(namespace: Namespace, number: int) -> int:
    for turn in range(ROUNDS):
        key = b"l/%d/%d" % (number, turn)
        put(namespace, key, b"x")
        page = namespace.list_objects(BUCKET, prefix=b"l/%d/" % number)
        assert key in [getattr(row, "key", None) for row in page.items]
        assert b"l/%d/" % number in keys(namespace, prefix=b"l/", delimiter=b"/")
    return 0


def test_what_was_written_is_listed(store: str) -> None:
    in_processes(store, *[list_after_write] * 3)
    with opened(store) as namespace:
        assert len(keys(namespace)) == 3 * ROUNDS


def new_metadata(namespace: Namespace, number: int) -> int:
    """How often what was stored was not there any more."""
    lost = 0
    for turn in range(ROUNDS * 8):
        user = {"turn": str(turn)}
        namespace.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"k", replace=NewMetadata(user=user)))
        lost += namespace.head_object(BUCKET, b"k").user != user
    return lost


def touch(namespace: Namespace, number: int) -> int:
    """utimens on the mount, which rewrites the record to keep the ETag true."""
    tree = Tree(namespace.store, namespace.locks, namespace.clock)
    node = tree.lookup(tree.lookup(ROOT, b"bucket").number, b"k").number
    for turn in range(ROUNDS * 40):
        tree.change(node, AttrChange(mtime_ns=10**18 + turn))
    tree.close()
    return 0


def test_regression_setting_times_loses_no_metadata(store: str) -> None:
    with opened(store) as namespace:
        put(namespace, b"k", b"content")
    assert in_processes(store, new_metadata, touch, touch) == [0] * 3
    with opened(store) as namespace:
        assert namespace.head_object(BUCKET, b"k").etag == md5_of(b"content")
