"""Policies and questions as data: the decisions are those of the file, by two evaluators."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.policy import case_files, naive
from tests.unit.policy.random_cases import random_case

CASES = case_files.load()


def test_there_are_enough_cases_of_either_answer() -> None:
    answers = [case["allowed"] for case in CASES.values()]
    assert len(answers) >= 400
    assert min(answers.count(True), answers.count(False)) >= 150
    assert all(case["reason"] for case in CASES.values())


@pytest.mark.parametrize("name", CASES)
def test_both_evaluators_decide_as_the_file_says(name: str) -> None:
    case = CASES[name]
    decision = case_files.decision(case)
    assert decision.allowed is case["allowed"], (case["reason"], decision)
    assert naive.allowed(case) is case["allowed"], case["reason"]


@given(st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_evaluators_agree_on_any_policies(chance: Random) -> None:
    case = case_files.complete(random_case(chance))
    decision = case_files.decision(case)
    assert decision.allowed is naive.allowed(case), (case, decision)
