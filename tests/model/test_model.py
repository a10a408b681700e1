"""Random programs for both doors of the running service: after each step it shows what the truth says.

`--model-seed N` runs the programs of a seed again; a failing one is printed as a short program.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.model.both import Both, Disagreement
from tests.model.play import Played, play, report
from tests.model.programs import Step, generate, shrink
from tests.system.service import Service

pytestmark = [pytest.mark.mount, pytest.mark.slow]

LENGTH = 90
PROGRAMS = 24  # about 2,000 operations: some steps find nothing to do
SOAK_SECONDS = 20 * 60.0


def run(service: Service, seed: str, tally: Counter[str]) -> None:
    """Counts the operations that it did; the shortest failing program in the AssertionError."""
    program = generate(seed, LENGTH)
    played = play(service, program)
    if played.problem is not None:
        shortest = report(service, program, played)
        pytest.fail(f"program {seed}: {played.problem}\nthe shortest found: {shortest}", pytrace=False)
    tally.update(call.method for call in played.calls)


@pytest.mark.timeout(900)
def test_both_doors_show_the_truth(service: Service, model_seed: int) -> None:
    tally: Counter[str] = Counter()
    for number in range(PROGRAMS):
        run(service, f"{model_seed}/{number}", tally)
    while tally.total() < 2_000:
        run(service, f"{model_seed}/more/{tally.total()}", tally)
    assert len(tally) > 40, f"operations that never came: {tally}"
    assert service.complaints() == []


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_both_doors_show_the_truth_for_long(service: Service, model_seed: int) -> None:
    deadline, tally, number = time.monotonic() + SOAK_SECONDS, Counter[str](), PROGRAMS
    while time.monotonic() < deadline:
        run(service, f"{model_seed}/{number}", tally)
        number += 1
    assert tally.total() > 10_000


def test_a_lie_is_noticed(both: Both) -> None:
    """The comparison itself: bytes, metadata, ETags, names and modes that differ are all told."""
    both.put(b"a/b", b"one", 2)
    both.after()
    content = both.truth.object("one", b"a/b")
    assert content is not None
    for name, lie in (("data", b"two"), ("user", {}), ("tag", "0" * 32), ("mode", 0o600), ("nlink", 2)):
        true = getattr(content, name)
        setattr(content, name, lie)
        with pytest.raises(Disagreement):
            both.check()
        setattr(content, name, true)
    both.truth.bucket("one").entries.clear()
    with pytest.raises(Disagreement):
        both.check()


def test_a_failing_program_is_made_short() -> None:
    program = generate(1, 200)
    wanted = {program[17], program[120]}
    tried: list[list[Step]] = []

    def fails(candidate: list[Step]) -> bool:
        tried.append(candidate)
        return wanted <= set(candidate)

    assert shrink(program, fails, tries=200) == [program[17], program[120]]
    assert len(tried) <= 200
    assert generate(1, 200) == program
    assert Played().problem is None
