"""Targets take turns, what they made is removed also after a failure, and figures are medians of rounds."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.unit.bench.fixed import FixedClock
from weka_mp.bench.directory import Directory
from weka_mp.bench.report import Machine, as_json, as_table, plot, rows_of
from weka_mp.bench.runner import Cell, Window, run
from weka_mp.bench.targets import Operation, TargetFailed
from weka_mp.bench.work import MODES, Mode, Parameters, Verb
from weka_mp.clock import SystemRandom

PARAMETERS = Parameters(count=5, size=3, big=7, lanes=2, rounds=2, page=2, seed=1)


class Recording:
    """A target that notes what it was asked in a diary shared with others."""

    kind = "directory"

    def __init__(self, name: str, diary: list[str], failing: bool = False) -> None:
        self.name, self._diary, self._failing = name, diary, failing

    def verbs(self) -> frozenset[Verb]:
        return frozenset({Verb.PUT, Verb.GET})

    def prepare(self) -> None:
        self._diary.append(f"{self.name} prepare")

    def clean(self) -> None:
        self._diary.append(f"{self.name} clean")

    def pids(self) -> frozenset[int]:
        return frozenset()

    def operations(self, verb: Verb, parameters: Parameters, lane: int) -> Iterable[Operation]:
        if lane == 0:
            self._diary.append(f"{self.name} {verb.value}")
        return [self._operation] * len(parameters.share(lane))

    def _operation(self) -> int:
        if self._failing:
            raise TargetFailed("broken")
        return 3


def test_targets_take_turns_and_each_round_begins_with_another() -> None:
    diary: list[str] = []
    windows: list[None] = []
    mode = Mode((Verb.PUT, Verb.GET, Verb.RENAME), endpoints=True, directories=True)
    targets = [Recording("a", diary), Recording("b", diary)]
    cells = run(mode, targets, PARAMETERS, lambda: windows.append(None))
    assert diary == [
        "a prepare", "b prepare",
        "a put", "b put", "a get", "b get",
        "b put", "a put", "b get", "a get",
        "b clean", "a clean",
    ]  # fmt: skip
    assert len(windows) == 8
    assert [(cell.target, cell.verb) for cell in cells] == [
        ("a", Verb.PUT), ("b", Verb.PUT), ("a", Verb.GET), ("b", Verb.GET)
    ]  # fmt: skip
    assert all(len(window.latencies) == 5 and window.moved == 15 for cell in cells for window in cell.windows)


def test_a_failing_target_ends_the_run_and_all_are_cleaned() -> None:
    diary: list[str] = []
    with pytest.raises(TargetFailed, match="broken"):
        targets = [Recording("a", diary), Recording("b", diary, failing=True)]
        run(MODES["mount"], targets, PARAMETERS, lambda: None)
    assert diary[-2:] == ["b clean", "a clean"]


def test_a_directory_does_all_verbs_and_is_empty_afterwards(tmp_path: Path) -> None:
    cells = run(MODES["mount"], [Directory("here", str(tmp_path), SystemRandom())], PARAMETERS, lambda: None)
    moved = {cell.verb: cell.windows[0].moved for cell in cells}
    assert moved[Verb.PUT] == moved[Verb.GET] == 15
    assert moved[Verb.PUT_BIG] == moved[Verb.GET_BIG] == 14
    assert set(moved) == set(MODES["mount"].verbs)
    run(MODES["mixed"], [Directory("here", str(tmp_path), SystemRandom())], PARAMETERS, lambda: None)
    assert list(tmp_path.iterdir()) == []


def _cells() -> list[Cell]:
    def window(seconds: float, cpu: float | None) -> Window:
        return Window(seconds, cpu, 0.1, array("q", range(1000, 101_000, 1000)), 100 << 20)

    cell = Cell("a", "endpoint", Verb.GET, [window(1, 0.01), window(2, 0.02), window(4, 0.03)], 5 << 20)
    return [cell, Cell("b", "floor", Verb.GET, [window(1, None)])]


def test_rows_are_medians() -> None:
    known, unknown = rows_of(_cells())
    assert (known.operations, known.per_second, known.mib_per_second) == (100, 50.0, 50.0)
    assert (known.p50_us, known.p90_us, known.p99_us) == (51.0, 91.0, 100.0)
    assert (known.server_cpu_us, known.memory_mib) == (200.0, 5.0)
    assert (unknown.server_cpu_us, unknown.memory_mib) == (None, None)


def test_the_table_json_and_picture_show_the_same_rows(tmp_path: Path) -> None:
    rows, machine = rows_of(_cells()), Machine.here(FixedClock(0))
    table = as_table(machine, "s3", PARAMETERS, rows)
    assert table.startswith("1970-01-01")
    assert "| get | a | 50.0 | 50.0 | 51.0 | 91.0 | 100 | 200 | 1000 | 5.0 |" in table
    assert "| get | b |" in table
    figures = json.loads(json.dumps(as_json(machine, "s3", PARAMETERS, rows)))
    assert figures["rows"][0]["server_cpu_us"] == 200.0
    plot(rows, "title", tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").read_bytes().count(b"<g ") > 50
