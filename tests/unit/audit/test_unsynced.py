"""What a power cut may take: everything written is synced when it is asked for, whatever file it went to."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.unit.audit.kit import call
from weka_mp.audit import AuditFile, Deployment, Trail, sync_and_close
from weka_mp.clock import SeededRandom, SystemClock
from weka_mp.spool import SpoolWriter
from weka_mp.supervise.auditing import sync_often

LINE = b"x" * 40_000 + b"\n"


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what was synced."""
    found: list[str] = []

    def note(fd: int) -> None:
        found.append(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))

    monkeypatch.setattr(os, "fdatasync", note)
    return found


def writer(folder: Path, *, synced: bool = True) -> SpoolWriter:
    return SpoolWriter(str(folder / "spool"), 2**20, SystemClock(), SeededRandom(1), synced=synced)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_regression_what_was_written_is_synced_once(tmp_path: Path, synced: list[str]) -> None:
    spool = writer(tmp_path)
    before = descriptors()
    assert [spool.append(LINE) for _ in range(3)] == [True] * 3  # a segment has room for one: three of them
    segments = sorted(os.listdir(tmp_path / "spool"))
    assert len(segments) == 3
    sync_and_close(spool.unsynced())
    assert sorted(set(synced)) == sorted([*segments, "spool"])  # their names, too
    synced.clear()
    sync_and_close(spool.unsynced())
    assert synced == []
    assert descriptors() == before + 1  # the one that it writes
    spool.append(b"y\n")
    spool.close()
    assert synced == [segments[-1]]
    assert descriptors() == before


def test_what_waits_to_be_synced_is_not_locked(tmp_path: Path) -> None:
    """The reader would wait with removing it."""
    spool = writer(tmp_path)
    spool.append(LINE)
    first = tmp_path / "spool" / os.listdir(tmp_path / "spool")[0]
    spool.append(LINE)
    with first.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    spool.close()


def test_nobody_who_syncs_keeps_no_descriptors(tmp_path: Path, synced: list[str]) -> None:
    spool = writer(tmp_path, synced=False)
    before = descriptors()
    for _ in range(5):
        spool.append(LINE)
    assert spool.unsynced() == []
    spool.close()
    assert (synced, descriptors()) == ([], before)


def test_descriptors_are_bounded_where_nobody_takes_them(tmp_path: Path) -> None:
    file = AuditFile(str(tmp_path / "audit"), max_size=1, keep=1, synced=True)
    before = descriptors()
    for _ in range(200):
        assert file.append(b"{}\n")
    assert descriptors() <= before + 70
    file.close()
    assert descriptors() == before


async def test_a_worker_syncs_file_and_spool_now_and_then(
    tmp_path: Path, synced: list[str], mock_clock: trio.testing.MockClock
) -> None:
    file = AuditFile(str(tmp_path / "audit.jsonl"), max_size=0, keep=1, synced=True)
    trail = Trail(Deployment("id", "name", "host"), writer(tmp_path), lambda: True, file)
    trail.look()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sync_often, trail, 5)
        trail.tell(call())
        await trio.testing.wait_all_tasks_blocked()
        assert synced == []
        mock_clock.jump(5)
        for _ in range(100_000):
            if len(synced) >= 3:
                break
            await trio.to_thread.run_sync(os.getpid)  # real time, which its thread needs
        assert {"audit.jsonl", "spool"} < set(synced)
        nursery.cancel_scope.cancel()
    await sync_often(trail, 0)  # returns: left to the kernel
    trail.close()
