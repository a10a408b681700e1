"""The way back from numbers to file handles across restarts."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from weka_mp.namespace.tree import handle_index
from weka_mp.namespace.tree.handle_index import HandleIndex
from weka_mp.store.posix import PosixStore

# docs/STORAGE_FORMAT.md, "Handles": number 0x0102, the handle 000102…0f.
_GOLDEN = "0201000000000000" + "10" + "000102030405060708090a0b0c0d0e0f" + "00" * 35 + "1cf371d4"


class _Rig:
    def __init__(self, folder: Path) -> None:
        (folder / ".weka").mkdir()
        self.path = folder / ".weka/handles"
        self.store = PosixStore(str(folder))
        self.index = self.open()

    def open(self) -> HandleIndex:
        index = HandleIndex.open(self.store)
        assert index is not None
        return index


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Rig]:
    monkeypatch.setattr(handle_index, "_FIRST", 2)  # levels are begun after 16 records at most
    made = _Rig(tmp_path)
    yield made
    made.index.close()
    made.store.shutdown()


def _handle(number: int) -> bytes:
    return random.Random(number).randbytes(number % 51 + 1)


def test_everything_recorded_is_found_again_by_the_next_process(rig: _Rig) -> None:
    numbers = [*range(2, 300), (1 << 62) + 5, (1 << 40) + 1]
    for number in numbers:
        rig.index.record(number, _handle(number))
    other = rig.open()
    for number in numbers:
        assert other.find(number) == rig.index.find(number) == _handle(number)
    assert other.find(300) is None
    other.close()


def test_what_is_recorded_again_replaces_or_is_left(rig: _Rig) -> None:
    for number in range(2, 200):
        rig.index.record(number, _handle(number))
    size, written = rig.path.stat().st_size, rig.path.stat().st_mtime_ns
    for number in range(2, 200):
        rig.index.record(number, _handle(number))
    assert (rig.path.stat().st_size, rig.path.stat().st_mtime_ns) == (size, written)
    for number in range(2, 200):
        rig.index.record(number, b"another")
    assert rig.path.stat().st_size == size
    assert all(rig.index.find(number) == b"another" for number in range(2, 200))


def test_a_damaged_record_is_none(rig: _Rig) -> None:
    rig.index.record(7, b"handle")
    data = bytearray(rig.path.read_bytes())
    data[data.index(b"handle")] ^= 1
    rig.path.write_bytes(bytes(data))
    assert rig.index.find(7) is None
    rig.index.record(7, b"handle")
    assert rig.index.find(7) == b"handle"
    os.truncate(rig.path, 3)
    assert rig.index.find(7) is None


def test_it_is_bounded(rig: _Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle_index, "_LEVELS", 2)
    for number in range(2, 1000):
        rig.index.record(number, _handle(number))
        assert rig.index.find(number) == _handle(number), "the newest is there"
    assert rig.path.stat().st_size <= 6 * 512


def test_a_handle_of_128_bytes_is_not_kept(rig: _Rig) -> None:
    rig.index.record(9, b"x" * 128)
    assert rig.index.find(9) is None


def test_without_a_control_area_there_is_none(tmp_path: Path) -> None:
    store = PosixStore(str(tmp_path))
    assert HandleIndex.open(store) is None
    store.shutdown()


def test_golden_bytes(tmp_path: Path) -> None:
    rig = _Rig(tmp_path)
    rig.index.record(0x0102, bytes(range(16)))
    data = rig.path.read_bytes()
    start = data.index(bytes.fromhex(_GOLDEN))
    assert start % 64 == 0 and start // 512 == 0x0102 * 0x9E3779B97F4A7C15 % (1 << 64) * 1024 >> 64
    assert data[start : start + 64].hex() == _GOLDEN
    rig.index.close()
    rig.store.shutdown()
