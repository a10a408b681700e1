"""The decision cases kept as data: how they are read, and how they are put to weka_mp.policy.

A case of cases/*.json: `name`, `reason`, `identity`, `resource` and `bounds` (policy documents), `who` (a
name of PEOPLE, or null: anonymous), `owner` (an account's id), `action`, `arn`, `context` (condition keys as
documented → values) and `allowed`. What is left out is empty, the owner then is Alice's account.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from weka_mp.policy import condition_keys
from weka_mp.policy.decision import Decision, Question, decide
from weka_mp.policy.documents import Kind, Policy, parse
from weka_mp.policy.principals import Principal

FOLDER = Path(__file__).parent / "cases"
HOME, AWAY = "111122223333", "444455556666"
CANONICAL = {HOME: "a1" * 32, AWAY: "b2" * 32}

Case = dict[str, Any]


def _person(account: str, user: str, *, root: bool = False) -> dict[str, Any]:
    return {"account": account, "canonical": CANONICAL[account], "user": user, "root": root}


PEOPLE = {
    "alice": _person(HOME, "alice"),
    "Bob": _person(HOME, "Bob"),
    "dora": _person(HOME, "division/dora"),
    "root": _person(HOME, "", root=True),
    "mallory": _person(AWAY, "mallory"),
    "away-bob": _person(AWAY, "Bob"),
    "away-root": _person(AWAY, "", root=True),
}


def complete(case: Case) -> Case:
    """The case with what it leaves out, and its person in full."""
    blank = {"identity": [], "resource": None, "bounds": [], "owner": HOME, "context": {}}
    return {**blank, **case, "who": PEOPLE[case["who"]] if case["who"] else None}


def load() -> dict[str, Case]:
    """Every case by file and name."""
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        for case in json.loads(path.read_text("utf-8")):
            name = f"{path.stem}: {case['name']}"
            assert name not in found, f"{name} stands twice"
            found[name] = complete(case)
    return found


def save(path: Path, cases: list[Case]) -> None:
    """One case a line."""
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    path.write_text(f"[\n{lines}\n]\n", "utf-8")


def policies(documents: list[Any], kind: Kind) -> list[Policy]:
    return [parse(json.dumps(document), kind, name=f"p{i}") for i, document in enumerate(documents)]


def decision(case: Case) -> Decision:
    """What weka_mp.policy says to a complete case."""
    who = case["who"]
    principal = None
    if who is not None:
        principal = Principal(who["account"], who["canonical"], who["user"], who["root"])
    context = {condition_keys.lookup_name(key): tuple(values) for key, values in case["context"].items()}
    resource = policies([case["resource"]], Kind.RESOURCE)[0] if case["resource"] else None
    return decide(
        Question(principal, case["action"], case["arn"], context),
        identity=policies(case["identity"], Kind.IDENTITY),
        resource=resource,
        bounds=policies(case["bounds"], Kind.SESSION),
        owner_account=case["owner"],
    )
