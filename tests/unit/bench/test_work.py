"""The order of the mixed mode: the same for every target, and nothing is read that is not there."""

from __future__ import annotations

import pytest

from weka_mp.bench.work import Parameters, Verb, mixed_steps


def _parameters(count: int, lanes: int, seed: int = 1) -> Parameters:
    return Parameters(count, size=1, big=1, lanes=lanes, rounds=1, page=1, seed=seed)


@pytest.mark.parametrize(("count", "lanes"), [(1, 1), (2, 1), (500, 1), (500, 7), (3, 5)])
def test_mixed_steps_touch_what_is_there_and_leave_everything_there(count: int, lanes: int) -> None:
    parameters = _parameters(count, lanes)
    for lane in range(lanes):
        there, gone = set(parameters.share(lane)), set[int]()
        for step in mixed_steps(parameters, lane):
            if step.verb is Verb.PUT:
                gone.discard(step.number)
                there.add(step.number)
                continue
            assert step.number in there
            if step.verb is Verb.DELETE:
                there.remove(step.number)
                gone.add(step.number)
        assert there == set(parameters.share(lane))
        assert not gone


def test_mixed_steps_repeat_with_the_seed_and_mix_four_verbs() -> None:
    steps = list(mixed_steps(_parameters(2000, 1), 0))
    assert steps == list(mixed_steps(_parameters(2000, 1), 0))
    assert steps != list(mixed_steps(_parameters(2000, 1, seed=2), 0))
    shares = {verb: sum(step.verb is verb for step in steps) / len(steps) for verb in Verb}
    assert shares[Verb.GET] > shares[Verb.HEAD] > shares[Verb.PUT] > shares[Verb.DELETE] > 0.05


def test_lanes_share_all_objects_without_overlap() -> None:
    parameters = _parameters(100, 7)
    numbers = [number for lane in range(7) for number in parameters.share(lane)]
    assert sorted(numbers) == list(range(100))
