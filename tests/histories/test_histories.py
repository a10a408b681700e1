"""Both doors at once, several workers, processes killed in the middle: every history has an explanation."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.histories.rounds import KILLS, Battlefield

pytestmark = [pytest.mark.mount, pytest.mark.slow, pytest.mark.alone]

ROUND_SECONDS = 8.0
SOAK_SECONDS = 30 * 60.0


UNDECIDED = 1 / 50
"""Of the histories: how many the search may give up, rounded down."""


def fight(folder: Path, seed: int, seconds: float) -> None:
    """Rounds one after the other, each with another process to be killed, for about that many seconds."""
    field, rounds, operations = Battlefield(folder, seed), 0, 0
    histories = undecided = 0
    try:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            kill = KILLS[rounds % len(KILLS)]
            verdict = field.fight(ROUND_SECONDS, kill)
            assert verdict.problems == [], f"seed {seed}, round {rounds}, killed: {kill}\n" + "\n".join(
                verdict.problems
            )
            rounds, operations = rounds + 1, operations + verdict.operations
            histories, undecided = histories + verdict.histories, undecided + verdict.undecided
    finally:
        field.close()
    assert operations > 100 * rounds
    assert undecided <= int(histories * UNDECIDED)


@pytest.mark.timeout(240)
def test_every_history_of_a_minute_is_explained(tmp_path: Path, model_seed: int) -> None:
    fight(tmp_path, model_seed, 45)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_every_history_of_half_an_hour_is_explained(tmp_path: Path, model_seed: int) -> None:
    fight(tmp_path, model_seed, SOAK_SECONDS)
