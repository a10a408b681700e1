"""docs/POLICIES.md lists exactly what is understood."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from weka_mp.policy import canned
from weka_mp.policy.actions import ACTIONS, Level
from weka_mp.policy.condition_keys import CONDITION_KEYS
from weka_mp.policy.operators import OPERATORS
from weka_mp.s3 import operations

TEXT = (Path(__file__).parents[3] / "docs" / "POLICIES.md").read_text("utf-8")


def _section(title: str) -> str:
    return TEXT.split(f"## {title}\n")[1].split("\n## ")[0]


def _quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


@pytest.mark.parametrize(
    ("beginning", "level"),
    [
        ("On the account:", Level.ACCOUNT),
        ("On a bucket:", Level.BUCKET),
        ("On an object:", Level.OBJECT),
        ("Known, but", Level.ELSEWHERE),
        ("Of IAM and STS,", Level.IDENTITY),
    ],
)
def test_the_actions_are_listed_by_what_they_act_on(beginning: str, level: Level) -> None:
    paragraph = next(part for part in _section("Actions").split("\n\n") if part.startswith(beginning))
    assert _quoted(paragraph) == {name.removeprefix("s3:") for name, of in ACTIONS.items() if of is level}


def test_the_condition_keys_are_listed_by_kind() -> None:
    rows = [row.split("|")[1:3] for row in _section("Condition keys").splitlines() if row.startswith("| ")]
    listed = {name: kind.strip() for kind, names in rows[1:] for name in _quoted(names)}
    tags = {name for name in listed if "/" in name}
    assert tags == {"s3:ExistingObjectTag/<tag key>", "s3:RequestObjectTag/<tag key>"}
    assert set(listed) - tags == {key.name for key in CONDITION_KEYS.values()}
    for key in CONDITION_KEYS.values():
        assert ("several" in listed[key.name]) is key.many


def test_the_operators_are_listed() -> None:
    rows = [row.split("|")[1] for row in _section("Condition operators").splitlines() if row.startswith("| ")]
    assert {name for row in rows for name in _quoted(row)} == set(OPERATORS)


def test_the_named_policies_are_listed() -> None:
    rows = [row.split("|")[1] for row in _section("Named policies").splitlines() if row.startswith("| `")]
    named = {name for row in rows for name in _quoted(row)}
    assert named == {
        *canned.IDENTITY_POLICIES, *canned.AWS_POLICIES, *canned.BUCKET_POLICIES, canned.NONE,
    }


def test_every_operation_asks_for_an_action_that_exists() -> None:
    asked = {operation.permission for operation in operations.Operation.__args__}
    assert asked
    assert asked <= set(ACTIONS)
