"""Writes the generated case files, with the answers of the second evaluator.

    python -m tests.unit.policy.write_cases

The files are data from then on: a change of an answer shows in their diff, and somebody must mean it.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from tests.unit.policy import naive
from tests.unit.policy.case_files import FOLDER, HOME, Case, complete, save
from tests.unit.policy.random_cases import random_case

_RANDOM_CASES = 120
_READ_ALL = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}

_FAMILIES: dict[str, tuple[str, list[Any], dict[str, list[str]]]] = {
    # operators: the key, the policy's values, and the request's values by what they are meant to show
    "StringEquals StringNotEquals": (
        "s3:prefix", ["home/*", "docs"],
        {"same": ["docs"], "literal star": ["home/*"], "case": ["DOCS"], "empty": [""]},
    ),
    "StringEqualsIgnoreCase StringNotEqualsIgnoreCase": (
        "s3:prefix", ["Docs"], {"case": ["dOCS"], "longer": ["docs/"]},
    ),
    "StringLike StringNotLike": (
        "s3:prefix", ["home/?/*", "docs*"],
        {"many": ["docs/a/b"], "one": ["home/a/"], "two for ?": ["home/ab/"], "case": ["Docs"]},
    ),
    "NumericEquals NumericNotEquals NumericLessThan NumericLessThanEquals NumericGreaterThan "
    "NumericGreaterThanEquals": (
        "s3:max-keys", [10], {"below": ["9"], "same": ["10"], "decimal": ["10.00"], "above": ["10.5"]},
    ),
    "DateEquals DateNotEquals DateLessThan DateLessThanEquals DateGreaterThan DateGreaterThanEquals": (
        "aws:CurrentTime", ["2024-03-01T00:00:00Z"],
        {"before": ["2024-02-29T23:59:59Z"], "same elsewhere": ["2024-03-01T02:00:00+02:00"],
         "after": ["2025"]},
    ),
    "Bool": ("aws:SecureTransport", [True], {"true": ["true"], "false": ["false"], "no truth": ["yes"]}),
    "IpAddress NotIpAddress": (
        "aws:SourceIp", ["203.0.113.0/24", "2001:DB8:1234:5678::/64"],
        {"inside": ["203.0.113.255"], "beside": ["203.0.114.0"], "six": ["2001:db8:1234:5678::1"],
         "four in six": ["::ffff:203.0.113.7"]},
    ),
    "ArnEquals ArnNotEquals ArnLike ArnNotLike": (
        "aws:PrincipalArn", ["arn:aws:iam::*:user/div*"],
        {"inside": [f"arn:aws:iam::{HOME}:user/division/dora"], "other": [f"arn:aws:iam::{HOME}:user/alice"],
         "a colon more": ["arn:aws:iam::1:2:user/div"]},
    ),
}  # fmt: skip

_SETS: dict[str, dict[str, list[str]]] = {
    "none": {}, "all inside": {"s3:RequestObjectTagKeys": ["Team", "Owner"]},
    "one inside": {"s3:RequestObjectTagKeys": ["Team", "Cost"]},
    "all outside": {"s3:RequestObjectTagKeys": ["Cost"]}, "empty text": {"s3:RequestObjectTagKeys": [""]},
    "no values": {"s3:RequestObjectTagKeys": []},
}  # fmt: skip


def _case(name: str, operator: str, key: str, values: list[Any], context: dict[str, list[str]]) -> Case:
    """A Deny for what is negated, as policies have it; an Allow for the rest."""
    negated = "Not" in operator
    statement = {
        "Effect": "Deny" if negated else "Allow",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": {operator: {key: values}},
    }
    document = {"Version": "2012-10-17", "Statement": statement}
    reason = f"{operator} {key}: the request has {context.get(key, 'no such key')}"
    return {
        "name": name,
        "reason": reason,
        "identity": [_READ_ALL, document] if negated else [document],
        "who": "alice",
        "action": "s3:ListBucket",
        "arn": "arn:aws:s3:::b",
        "context": context,
    }


def operator_cases() -> Iterator[Case]:
    """Every operator with every suffix and qualifier against each kind of value, and none."""
    for names, (key, values, states) in _FAMILIES.items():
        for name in names.split():
            for suffix in ("", "IfExists"):
                operator = name + suffix
                yield _case(f"{operator}, absent", operator, key, values, {})
                for state, have in states.items():
                    if not suffix or state == next(iter(states)):
                        yield _case(f"{operator}, {state}", operator, key, values, {key: have})
            for over in ("ForAllValues:", "ForAnyValue:"):
                operator = over + name
                yield _case(f"{operator}, absent", operator, key, values, {})
                for state, have in list(states.items())[:2]:
                    yield _case(f"{operator}, {state}", operator, key, values, {key: have})
    for name in ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike"):
        for over in ("ForAllValues:", "ForAnyValue:"):
            for suffix in ("", "IfExists"):
                operator = f"{over}{name}{suffix}"
                for state, context in _SETS.items():
                    yield _case(
                        f"{operator} tags, {state}",
                        operator,
                        "s3:RequestObjectTagKeys",
                        ["Team", "Owner"],
                        context,
                    )
    for wanted in ("true", "false"):
        for state, context in _SETS.items():
            yield _case(f"Null {wanted}, {state}", "Null", "s3:RequestObjectTagKeys", [wanted], context)


def random_cases() -> Iterator[Case]:
    """As many cases by chance of either answer, half of them."""
    wanted = {True: _RANDOM_CASES // 2, False: _RANDOM_CASES // 2}
    seed = 0
    while any(wanted.values()):
        seed += 1
        case = random_case(Random(seed))
        answer = naive.allowed(complete(case))
        if wanted[answer]:
            wanted[answer] -= 1
            yield {"name": f"seed {seed}", "reason": "both evaluators say so", **case}


def _answered(case: Case) -> Case:
    """With its answer, and without what is empty."""
    answer = naive.allowed(complete(case))
    kept = {key: value for key, value in case.items() if value or key == "who"}
    return {**kept, "allowed": answer}


def main() -> None:
    save(FOLDER / "operators.json", [_answered(case) for case in operator_cases()])
    save(FOLDER / "random.json", [_answered(case) for case in random_cases()])


if __name__ == "__main__":
    main()
