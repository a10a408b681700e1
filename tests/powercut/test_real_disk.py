"""Power cuts below ext4 and XFS: what was answered is there when they come back, whatever was lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.powercut.alone import with_own_mounts
from tests.powercut.device import Record
from tests.powercut.disk import FILE_SYSTEMS, LoggedDisk, Replay, cuts, missing, replayed
from tests.powercut.history import History, Step
from tests.powercut.judging import Broken, judge
from tests.powercut.skipping import SkippingStore
from tests.powercut.workload import SLOT, Workload, run, run_on_journal
from weka_mp.namespace.uploads import multipart
from weka_mp.store.posix import PosixStore

SEED = 20_261_122
CHECK_EVERY = 16  # recoveries after one of which the whole file system is looked at


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", SLOT)


class Recorded:
    """One run of the workload on a logged disk."""

    def __init__(
        self, disk: LoggedDisk, skip: Callable[[str, str], bool] = lambda verb, caller: False
    ) -> None:
        self.disk = disk
        posix = PosixStore(str(disk.store))
        store = SkippingStore(posix, skip)
        history = History(disk.position)
        workload = Workload(store, history)  # type: ignore[arg-type]
        run(workload)
        run_on_journal(workload)
        workload.close()
        posix.shutdown()
        self.steps: Sequence[Step] = history.steps
        self.callers = store.callers
        self.log: list[Record] = disk.unplug()

    def judge_all(self, chance: float, subsets: int = 1) -> int:
        """Cut the power after every flush, and with this chance in `subsets` ways while more is written.

        How many times. Raises Broken.
        """
        replay, count, rng = Replay(self.disk, self.log), 0, random.Random(SEED)
        for cut in cuts(self.log, rng, subsets):
            if cut.kept and rng.random() >= chance:
                continue
            count += 1
            with replayed(replay, cut, check=count % CHECK_EVERY == 0) as mounted:
                store = PosixStore(str(mounted))
                try:
                    judge(store, self.steps, cut.until)
                except Broken as broken:
                    raise Broken(f"{cut}: {broken}") from broken
                finally:
                    store.shutdown()
        return count


def needs(name: str) -> None:
    reason = missing(FILE_SYSTEMS[name])
    if reason:
        pytest.skip(reason)


@pytest.mark.mount
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FILE_SYSTEMS)
@with_own_mounts
def test_every_promise_outlives_a_power_cut(name: str, powercut_folder: Path) -> None:
    needs(name)
    with LoggedDisk(FILE_SYSTEMS[name], powercut_folder / name) as disk:
        recorded = Recorded(disk)
        assert recorded.judge_all(0.05) > 100


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", FILE_SYSTEMS)
@with_own_mounts
def test_every_promise_outlives_many_power_cuts(name: str, powercut_folder: Path) -> None:
    needs(name)
    with LoggedDisk(FILE_SYSTEMS[name], powercut_folder / name) as disk:
        assert Recorded(disk).judge_all(1.0, 8) > 500


MISSED = (
    "deleting.delete_objects",
    "publishing.publish_file",
    "tree.sync",
    "uploads._record",
)
"""Places whose syncs no journal makes up for: the last before an answer, and those that bring bytes there.

Of the others the next commit takes care, whoever asks for it; `test_least_disk.py` misses each of them.
"""


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", MISSED)
@pytest.mark.parametrize("name", FILE_SYSTEMS)
@with_own_mounts
def test_a_sync_that_no_journal_makes_up_for_is_missed(
    name: str, place: str, powercut_folder: Path
) -> None:
    needs(name)
    with LoggedDisk(FILE_SYSTEMS[name], powercut_folder / name) as disk:
        recorded = Recorded(disk, lambda verb, caller: caller == place)
        with pytest.raises(Broken):
            recorded.judge_all(1.0, 4)
