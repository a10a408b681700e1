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
    assert len(answers) >= 1000
    assert min(answers.count(True), answers.count(False)) >= 450
    assert all(case["reason"] for case in CASES.values())


@pytest.mark.parametrize("name", CASES)
def test_both_evaluators_decide_as_the_file_says(name: str) -> None:
    case = CASES[name]
    decision = case_files.decision(case)
    assert decision.allowed is case["allowed"], (case["reason"], decision)
    assert naive.allowed(case) is case["allowed"], case["reason"]


@given(st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_evaluators_agree_on_any_policies(chance: Random) -> None:
    case = case_files.complete(random_case(chance))
    decision = case_files.decision(case)
    assert decision.allowed is naive.allowed(case), (case, decision)


_NARROW = {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "s3:Get*", "Resource": "*"}}


@given(st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_further_bound_never_widens(chance: Random) -> None:
    case = case_files.complete(random_case(chance))
    bound = {**case, "bounds": [*case["bounds"], *random_case(chance)["identity"]]}
    assert case_files.decision(case).allowed or not case_files.decision(bound).allowed


@given(st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_further_deny_never_widens(chance: Random) -> None:
    case = case_files.complete(random_case(chance))
    narrowed = case_files.decision({**case, "identity": [*case["identity"], _NARROW]})
    assert case_files.decision(case).allowed or not narrowed.allowed
    assert not (case["action"].startswith("s3:Get") and narrowed.allowed)


@given(st.text("*?${}ab/:", max_size=6), st.text("*?${}ab/:", max_size=6))
def test_what_a_request_brings_is_taken_literally(brought: str, key: str) -> None:
    """A user's own folder is his, whatever characters he is called by."""
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:username}/x"}
    case = {
        "identity": [{"Version": "2012-10-17", "Statement": statement}],
        "who": "alice",
        "action": "s3:GetObject",
        "arn": f"arn:aws:s3:::b/{key}/x",
        "context": {"aws:username": [brought]},
    }
    assert case_files.decision(case_files.complete(case)).allowed is (brought == key)
