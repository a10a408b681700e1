"""Calls that do less than they were asked for, or stop in the middle: the rest is done, or the error told."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.scenarios import PART, SCENARIOS, Ground, seen
from tests.unit.namespace.kit import BUCKET
from weka_mp.errors import IoFailure, NamespaceError, NoSpace, ObjectChanged, QuotaExceeded
from weka_mp.namespace import Namespace
from weka_mp.namespace.uploads import multipart
from weka_mp.store.posix import PosixStore
from weka_mp.store.transmit import transmit
from weka_mp.values import Fd

BYTES = bytes(range(256)) * 4
STEP = 7  # bytes at a time


@dataclass
class Pieces:
    """The three calls, each doing `STEP` bytes at most; copy_file_range(2) does `copies` of them and then
    what `ending` says.
    """

    copies: int = 1 << 30
    ending: Callable[[], int] = lambda: 0
    calls: int = 0

    def use(self, patch: pytest.MonkeyPatch) -> None:
        read, write, copy = os.pread, os.pwrite, os.copy_file_range

        def copied(source: int, target: int, size: int, here: int, there: int) -> int:
            self.calls += 1
            if self.calls > self.copies:
                return self.ending()
            return copy(source, target, min(size, STEP), here, there)

        patch.setattr(os, "pread", lambda fd, size, at: read(fd, min(size, STEP), at))
        patch.setattr(os, "pwrite", lambda fd, data, at: write(fd, memoryview(data)[:STEP], at))
        patch.setattr(os, "copy_file_range", copied)


def failing(number: int) -> Callable[[], int]:
    def fail() -> int:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PosixStore]:
    made = PosixStore(str(tmp_path))
    yield made
    made.shutdown()


@pytest.fixture
def files(store: PosixStore) -> Iterator[tuple[Fd, Fd]]:
    """One with BYTES and an empty one."""
    source, target = (store.create_unnamed(store.root(), 0o600) for _ in range(2))
    store.write(source, BYTES, 0)
    yield source, target
    store.close(source)
    store.close(target)


def test_reads_and_writes_are_whole(
    store: PosixStore, files: tuple[Fd, Fd], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = files
    Pieces().use(monkeypatch)
    assert store.read(source, len(BYTES), 0) == BYTES
    assert store.read(source, len(BYTES), 1000) == BYTES[1000:]  # to the end of the file
    assert store.read(source, 1, len(BYTES)) == b""
    for kind in (bytes, bytearray, memoryview):
        store.truncate(target, 0)
        store.write(target, kind(BYTES), 3)
        assert store.read(target, 2000, 3) == BYTES


def test_a_write_that_takes_nothing_fails(
    store: PosixStore, files: tuple[Fd, Fd], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is not tried for ever."""
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: 0)
    with pytest.raises(IoFailure, match="no more bytes"):
        store.write(files[1], BYTES, 0)


@pytest.mark.parametrize(("number", "told"), [
    (errno.ENOSPC, NoSpace), (errno.EDQUOT, QuotaExceeded), (errno.EIO, IoFailure),
])
def test_a_write_that_stops_in_the_middle_tells(
    number: int, told: type[NamespaceError], store: PosixStore, files: tuple[Fd, Fd],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, stop = os.pwrite, failing(number)
    monkeypatch.setattr(
        os, "pwrite", lambda fd, data, at: real(fd, memoryview(data)[:STEP], at) if at < 500 else stop()
    )
    with pytest.raises(told):
        store.write(files[1], BYTES, 0)


@pytest.mark.parametrize("ending", [
    lambda: 0, *(failing(number) for number in (errno.EXDEV, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)),
])
@pytest.mark.parametrize("copies", [0, 5])
def test_a_copy_that_the_kernel_gives_up_is_finished_by_reading(
    copies: int, ending: Callable[[], int], store: PosixStore, files: tuple[Fd, Fd],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At once or in the middle; some file systems answer 0 where they cannot, and not at the end only."""
    source, target = files
    pieces = Pieces(copies, ending)
    pieces.use(monkeypatch)
    store.copy(source, 10, target, 20, 900)
    assert store.read(target, 2000, 0) == bytes(20) + BYTES[10:910]
    assert pieces.calls == copies + 1  # it is not asked again


@pytest.mark.parametrize(("number", "told"), [
    (errno.ENOSPC, NoSpace), (errno.EDQUOT, QuotaExceeded), (errno.EIO, IoFailure),
])
def test_a_copy_that_fails_in_the_middle_tells(
    number: int, told: type[NamespaceError], store: PosixStore, files: tuple[Fd, Fd],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Pieces(5, failing(number)).use(monkeypatch)
    with pytest.raises(told):
        store.copy(*(files[0], 0), *(files[1], 0), 1000)


@pytest.mark.parametrize("copies", [0, 1 << 30])
def test_a_source_that_ends_early_is_told(
    copies: int, store: PosixStore, files: tuple[Fd, Fd], monkeypatch: pytest.MonkeyPatch
) -> None:
    Pieces(copies, failing(errno.EXDEV)).use(monkeypatch)
    with pytest.raises(ObjectChanged):
        store.copy(files[0], 100, files[1], 0, len(BYTES))


def test_a_short_read_is_no_end_of_what_is_sent(
    files: tuple[Fd, Fd], monkeypatch: pytest.MonkeyPatch
) -> None:
    Pieces().use(monkeypatch)
    reading, writing = os.pipe()
    at = 0
    while step := transmit(files[0], writing, at, len(BYTES) - at):
        at += step
    assert os.read(reading, 2000) == BYTES
    os.close(reading)
    os.close(writing)


def test_operations_know_nothing_of_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", len(PART))
    for name, scenario in SCENARIOS.items():
        (tmp_path / name).mkdir()
        with Namespace.open(PosixStore(str(tmp_path / name))) as namespace, monkeypatch.context() as patch:
            Pieces(copies=3).use(patch)
            ground = Ground(namespace)
            namespace.create_bucket(BUCKET)
            scenario.prepare(ground)
            scenario.act(ground)
            assert {key: seen(namespace, key) for key in scenario.after} == scenario.after, name
