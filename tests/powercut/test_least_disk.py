"""A disk that keeps no more than it must: everything promised is there, and each single sync is needed."""

from __future__ import annotations

import ast
import itertools
import random
from pathlib import Path

import pytest

from tests.powercut.history import History, Step
from tests.powercut.judging import Broken, judge
from tests.powercut.least import LeastDisk
from tests.powercut.workload import SLOT, Workload, run
from weka_mp.namespace.uploads import multipart

pytestmark = pytest.mark.slow

SEED = 20_261_122


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", SLOT)


class Trial:
    """One run of the workload, judged at every answer and, if asked, before every sync."""

    def __init__(
        self,
        *,
        skip: int = -1,
        skip_caller: str = "",
        chances: int = 0,
        every_sync: bool = False,
        judging: bool = True,
        leases: bool = True,
    ) -> None:
        self.disk = LeastDisk(leases=leases)
        self.disk.skip = self.left_out
        self.skip = skip
        self.skip_caller = skip_caller
        self.leaves_out = skip >= 0 or bool(skip_caller)
        self.judging = judging
        self.at = ""  # the step whose sync was left out
        self.clock = 0
        self.history = History(self.position)
        self.history.when_done = lambda step: self.cut(chances)
        self.disk.before_sync = lambda: self.cut(chances if every_sync or self.is_at() else None)
        self.rng = random.Random(SEED)

    def left_out(self, nth: int, caller: str) -> bool:
        skipped = nth == self.skip or caller == self.skip_caller
        if skipped and self.history.current is not None:
            self.at = self.history.current.name
        return skipped

    def position(self) -> int:
        self.clock += 1
        return self.clock

    def is_at(self) -> bool:
        """Whether the step is under way, or has just ended, whose sync was left out."""
        step = self.history.current or self.history.steps[-1]
        return bool(self.at) and step.name == self.at

    def cut(self, chances: int | None) -> None:
        if self.is_at() and chances is not None:
            chances *= 20
        if not self.judging or chances is None or (self.leaves_out and not self.at):
            return  # no sync was left out yet
        steps: list[Step] = list(self.history.steps)
        if self.history.current is not None:
            steps.append(self.history.current)
        for rng in [None] + [self.rng] * chances:
            judge(self.disk.cut(rng), steps, self.clock)

    def is_broken(self) -> bool:
        try:
            self.run()
        except Broken:
            return True
        return False

    def run(self) -> None:
        workload = Workload(self.disk, self.history)
        run(workload)
        workload.close()


@pytest.mark.parametrize("leases", [True, False], ids=["leases", "no leases"])
def test_every_promise_outlives_a_power_cut(leases: bool) -> None:
    trial = Trial(chances=2, every_sync=leases, leases=leases)
    trial.run()
    assert len(trial.history.steps) > 60
    assert len(trial.disk.syncs) > 160


_SOURCE = "S3 has synced the source when it was put; whether a POSIX writer did nobody knows"
_SLOTS = "the slot size's directory, which the part's record syncs again"
NEEDLESS = {
    ("control.open_control", "open the store"): "the format file's sync comes after it on a first start",
    ("publishing.publish_file", "put b'dir/'"): "the directory above the key's, where the key's was there",
    ("publishing.publish_file", "put b'empty/'"): "the same; and no bytes, where there was no body before",
    ("renaming._make_ready", "rename b'from/here' to b'to/there'"): _SOURCE,
    ("renaming._make_ready", "rename b'from/there' to b'to/there'"): _SOURCE,
    ("renaming._make_ready", "rename b'keeps/here' to b'to/kept'"): _SOURCE,
    ("renaming._make_ready", "rename b'once', and die"): _SOURCE,
    ("naming.reaffirm", "rename b'once' again"): "one directory, synced for the old name and for the new one",
    ("naming.reaffirm", "complete b'up/f'"): "the bucket, where the key's directory was there",
    ("control.write", "upload part 1 of b'up/a'"): _SLOTS,
    ("control.write", "upload part 2 of b'up/b'"): _SLOTS + "; no other part fits into slots of this size",
    ("control.write", "upload part 1 of b'up/c'"): _SLOTS,
    ("control.write", "upload part 1 of b'up/d'"): _SLOTS,
    ("control.write", "copy a part of b'up/e'"): _SLOTS,
    ("control.write", "upload part 1 of b'up/f'"): _SLOTS,
    ("assembling.assembled", "complete b'up/b'"): "publication syncs again; here no lock is held meanwhile",
    ("etags.fill_file", "fill b'inplace'"): "of the other files, which were synced by their writers",
}
"""Syncs that are asked for where another one does as well: (caller, step) and the reason."""


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_each_single_sync_is_needed() -> None:
    needless = set()
    for nth in itertools.count():
        trial = Trial(skip=nth, chances=2)
        if not trial.is_broken():
            if nth >= len(trial.disk.syncs):
                break
            needless.add((trial.disk.syncs[nth], trial.at))
    assert needless - set(NEEDLESS) == set()


def places_in_the_code() -> set[str]:
    """``module.function`` of every call of a sync in the namespace, but that in the list of directories."""
    found = set()
    for path in (Path(__file__).parents[2] / "weka_mp" / "namespace").glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef) and path.stem != "effects":
                nested = {
                    call
                    for inner in ast.walk(function)
                    if isinstance(inner, ast.FunctionDef) and inner is not function
                    for call in ast.walk(inner)
                }
                if any(_is_sync(call) for call in ast.walk(function) if call not in nested):
                    found.add(f"{path.stem}.{function.name}")
    return found


def _is_sync(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    if node.func.attr == "flush":
        return isinstance(node.func.value, ast.Name) and node.func.value.id == "effects"
    return node.func.attr in {"sync_file", "sync_data", "sync_dir", "sync_all"}


NOT_FOR_POWER_CUTS = {
    "etags.alone": "without leases: bytes get their time when they come to a network file system's server",
}
"""Places whose syncs are for something else; no promise is lost with the power where they are left out."""


def test_the_workload_comes_to_every_place_that_syncs() -> None:
    assert places_in_the_code() - set(callers()) == set()


def callers() -> list[str]:
    """Who asks for syncs, with and without leases."""
    found = set()
    for leases in (True, False):
        trial = Trial(judging=False, leases=leases)
        trial.run()
        found |= set(trial.disk.syncs)
    return sorted(found)


@pytest.mark.timeout(300)
def test_each_place_that_syncs_is_needed() -> None:
    tried = [caller for caller in callers() if caller not in NOT_FOR_POWER_CUTS]
    assert [caller for caller in tried if not Trial(skip_caller=caller, chances=2).is_broken()] == []
