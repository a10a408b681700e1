"""A store on a full or read-only file system says so clearly and serves reads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.unit.namespace.kit import BUCKET, get, keys, put
from weka_mp.clock import SystemClock
from weka_mp.errors import UNWRITABLE, IoFailure, NamespaceError, ReadOnly
from weka_mp.namespace import Namespace
from weka_mp.namespace.records import attribute as records
from weka_mp.namespace.tree.facade import Tree
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.store import probe
from weka_mp.store.byte_locks import ByteLocks
from weka_mp.store.faulty import Fault, FaultyStore
from weka_mp.store.memory import MemoryStore
from weka_mp.store.posix import PosixStore
from weka_mp.values import Fd


@pytest.mark.mount
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_file_system_fills_up_and_becomes_read_only(tmp_path: Path) -> None:
    """Blocks, inodes and the right to write run out under a service, and before it starts."""
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-m", "tests.faults.full_and_read_only", str(tmp_path)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=280,
    )
    assert (done.stdout, done.returncode) == ("ok\n", 0), done.stderr


@pytest.fixture
def faulty() -> FaultyStore:
    return FaultyStore(MemoryStore())


@pytest.fixture
def namespace(faulty: FaultyStore) -> Namespace:
    opened = Namespace.open(faulty)
    opened.create_bucket(BUCKET)
    return opened


@pytest.mark.parametrize("error", UNWRITABLE)
def test_regression_an_object_is_served_although_its_mark_cannot_be_lifted(
    faulty: FaultyStore, namespace: Namespace, error: type[NamespaceError]
) -> None:
    put(namespace, b"k", b"bytes")
    fd = faulty.open_file(faulty.root(), b"bucket/k", os.O_RDWR)
    faulty.set_xattr(fd, records.WRITER_XATTR, b"2")
    faulty.close(fd)
    faulty.begin(*(Fault(error, 1, verb="set_xattr") for _ in range(8)))
    assert get(namespace, b"k") == b"bytes"
    info = namespace.head_object(BUCKET, b"k")
    assert not info.etag_is_true and "-" in info.etag
    assert keys(namespace) == [b"k"]


@pytest.mark.parametrize("error", [*UNWRITABLE, IoFailure])
def test_regression_a_directory_is_listed_that_cannot_be_changed(
    error: type[NamespaceError], namespace: Namespace, faulty: FaultyStore
) -> None:
    """opendir(3) failed with EROFS, and kept its descriptor."""
    put(namespace, b"made/k", b"bytes")
    tree = Tree(namespace.store, namespace.locks, SystemClock())
    bucket = tree.lookup(ROOT, b"bucket").number
    made = tree.lookup(bucket, b"made").number
    inner = faulty.inner
    assert isinstance(inner, MemoryStore)
    before = inner.open_descriptors()
    faulty.begin(Fault(error, 1, verb="remove_xattr"))
    handle = tree.directories.open(made)
    assert next(tree.directories.read(handle, 0)).name == b"."
    tree.directories.release(handle)
    assert inner.open_descriptors() == before
    tree.close()


@pytest.mark.parametrize("error", UNWRITABLE)
def test_regression_a_bucket_made_over_posix_is_listed_though_it_cannot_be_registered(
    faulty: FaultyStore, namespace: Namespace, error: type[NamespaceError]
) -> None:
    faulty.mkdir(faulty.root(), b"by-posix", 0o755)
    faulty.begin(Fault(error, 1, verb="write"))
    assert [info.name for info in namespace.list_buckets()] == [BUCKET, "by-posix"]
    faulty.begin()
    assert [info.source for info in namespace.list_buckets()] == ["s3", "posix"]


def test_filling_a_read_only_store_stops_after_one_file(faulty: FaultyStore, namespace: Namespace) -> None:
    """It read all bytes of all files, with every scan, for nothing."""
    for name in (b"a", b"b", b"c"):
        fd = faulty.open_file(faulty.root(), b"bucket/" + name, os.O_RDWR | os.O_CREAT, 0o644)
        faulty.write(fd, b"bytes", 0)
        faulty.utimens(fd, 1, 1)
        faulty.close(fd)
    faulty.begin(Fault(ReadOnly, 1, verb="set_xattr"))
    report = namespace.fill(BUCKET)
    assert (report.filled, report.failed) == (0, 1)
    faulty.begin()
    assert namespace.fill(BUCKET).filled == 3


def test_a_lock_file_that_was_opened_read_only_is_made_writable_once(tmp_path: Path) -> None:
    """Exchanging it again would drop the locks that are held by it."""
    path = tmp_path / "locks"
    path.touch()
    fd = Fd(os.open(path, os.O_RDONLY))
    other = Fd(os.open(path, os.O_RDWR))
    locks = ByteLocks()
    takes = [partial(locks.lock, fd, byte, wait=True) for byte in range(8)]
    threads = [threading.Thread(target=take) for take in takes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ByteLocks().lock(other, byte, wait=False) for byte in range(9)] == [False] * 8 + [True]
    for byte in range(8):
        locks.unlock(fd, byte)
    assert ByteLocks().lock(other, 0, wait=False)
    os.close(fd)
    os.close(other)


def test_a_store_that_could_not_be_probed_is_probed_with_the_first_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = PosixStore(str(tmp_path))
    Namespace.open(before).close()
    monkeypatch.setattr("weka_mp.store.posix.probe", lambda root: None)
    store = PosixStore(str(tmp_path))
    assert store.primitives == probe.assumed(store.root())
    assert (store.primitives.xattrs, store.primitives.leases) == (True, before.primitives.leases)
    monkeypatch.undo()
    with Namespace.open(store):  # opens the lock file for writing
        assert store.primitives == before.primitives
    for made in (store, before):
        made.shutdown()
