"""Cases by chance, from a small world in which policies and questions meet often."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.unit.policy.case_files import AWAY, CANONICAL, HOME, PEOPLE, Case

_ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:GetBucketPolicy"]
_ACTION_PATTERNS = [
    *_ACTIONS,
    "s3:*",
    "*",
    "s3:Get*",
    "s3:*Object",
    "s3:?etObject",
    "S3:GETOBJECT",
    "s3:*Bucket*",
]
_KEYS = ["logs/2024.txt", "home/alice/a", "home/Bob/b", "home/*", "a", "home/division/dora/x:y/z"]
_RESOURCES = [
    "*", "arn:aws:s3:::*", "arn:aws:s3:::b", "arn:aws:s3:::b/*", "arn:aws:s3:::b*", "arn:aws:s3:::b/home/*",
    "arn:aws:s3:::b/home/${aws:username}/*", "arn:aws:s3:::?/logs/????.txt", "arn:aws:s3:::b/home/${*}",
    "arn:aws:s3:::b/home/${aws:userid, 'alice'}/?", "arn:aws:s3:::b/*/b", "arn:aws:s3:*:*:b/*a*",
    "arn:*:s3:::b/*${aws:Referer}*", "arn:aws:s3:::other/*",
]  # fmt: skip
_ALICE = f"arn:aws:iam::{HOME}:user/alice"
_PRINCIPALS: list[Any] = [
    "*",
    {"AWS": "*"},
    {"AWS": HOME},
    {"AWS": f"arn:aws:iam::{AWAY}:root"},
    {"AWS": _ALICE},
    {"AWS": [f"arn:aws:iam::{HOME}:user/Bob", f"arn:aws:iam::{HOME}:root"]},
    {"CanonicalUser": CANONICAL[AWAY]},
    {"AWS": [f"arn:aws:iam::{AWAY}:user/mallory", HOME]},
    {"AWS": f"arn:aws:iam::{CANONICAL[HOME].upper()}:user/alice"},
    {"AWS": f"arn:aws:iam::{HOME}:user/division/dora"},
]

_VALUES: dict[str, list[str]] = {
    "s3:prefix": ["", "home/", "home/alice/", "*", "a"],
    "aws:username": ["alice", "Bob", "ALICE", "a*e"],
    "aws:userid": ["AIDA1", "alice"],
    "aws:Referer": ["home", "http://example.com/x", ""],
    "s3:max-keys": ["0", "10", "10.0", "1000"],
    "s3:ExistingObjectTag/Team": ["red", "blue", "alice", "7"],
    "s3:RequestObjectTagKeys": ["Team", "Owner", "team"],
    "aws:CurrentTime": ["2024-02-29T12:00:00Z", "2024-03-01T00:00:00+01:00", "2023"],
    "aws:EpochTime": ["1709208000", "1709208000.5"],
    "aws:SecureTransport": ["true", "false", "True"],
    "aws:SourceIp": ["10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3"],
    "aws:PrincipalArn": [_ALICE, f"arn:aws:iam::{AWAY}:user/mallory"],
}
_WANTED: dict[str, list[str]] = {
    **_VALUES,
    "s3:prefix": ["", "home/*", "home/${aws:username}/*", "${aws:username, 'a'}", "${*}", "?"],
    "aws:username": ["alice", "a*", "??b", "*", "${s3:ExistingObjectTag/Team}"],
    "s3:max-keys": ["10", "99.5", "-1", "0"],
    "aws:SourceIp": ["10.0.0.0/8", "192.0.2.7", "2001:DB8::/32", "0.0.0.0/0", "10.1.2.9/30"],
    "aws:PrincipalArn": [f"arn:aws:iam::{HOME}:user/*", "arn:aws:iam::*:user/mallory", "arn:*:*:*:*:*",
                         f"arn:aws:iam::{HOME}:user/${{aws:username}}"],
}  # fmt: skip
_STRING = ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase",
           "StringLike", "StringNotLike", "Null"]  # fmt: skip
_ORDER = ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"]
_OPERATORS: dict[str, list[str]] = {
    "s3:max-keys": [f"Numeric{name}" for name in _ORDER],
    "aws:CurrentTime": [f"Date{name}" for name in _ORDER],
    "aws:EpochTime": [f"{family}{name}" for name in _ORDER for family in ("Date", "Numeric")],
    "aws:SecureTransport": ["Bool", "Null"],
    "aws:SourceIp": ["IpAddress", "NotIpAddress"],
    "aws:PrincipalArn": ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", *_STRING],
}


def _some(chance: Random, values: list[Any], most: int) -> Any:
    """One of `values`, or a list of a few of them."""
    found = [chance.choice(values) for _ in range(chance.randint(1, most))]
    return found[0] if len(found) == 1 and chance.random() < 0.7 else found


def _condition(chance: Random) -> Any:
    found: dict[str, dict[str, Any]] = {}
    for _ in range(chance.choice([1, 1, 2])):
        key = chance.choice(sorted(_VALUES))
        operator = chance.choice(_OPERATORS.get(key, _STRING))
        wanted = _WANTED[key]
        if operator == "Null":
            wanted = ["true", "false"]
        else:
            many = key == "s3:RequestObjectTagKeys"
            quantifiers = (
                ["ForAllValues:", "ForAnyValue:"] if many else ["", "", "", "ForAllValues:", "ForAnyValue:"]
            )
            operator = chance.choice(quantifiers) + operator + chance.choice(["", "", "IfExists"])
        found.setdefault(operator, {})[key] = _some(chance, wanted, 2)
    return found


def _statement(chance: Random, *, in_bucket: bool) -> Any:
    effect = chance.choice(["Allow", "Allow", "Deny"])
    statement: dict[str, Any] = {"Effect": effect}
    if in_bucket:
        negative = effect == "Deny" and chance.random() < 0.3
        statement["NotPrincipal" if negative else "Principal"] = chance.choice(_PRINCIPALS)
    statement[chance.choice(["Action", "Action", "Action", "NotAction"])] = _some(chance, _ACTION_PATTERNS, 3)
    statement[chance.choice(["Resource", "Resource", "Resource", "NotResource"])] = _some(
        chance, _RESOURCES, 3
    )
    if chance.random() < 0.5:
        statement["Condition"] = _condition(chance)
    return statement


def _document(chance: Random, *, in_bucket: bool = False) -> Any:
    version = {"Version": chance.choice(["2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17"])}
    statements = [_statement(chance, in_bucket=in_bucket) for _ in range(chance.randint(1, 3))]
    return {**version, "Statement": statements[0] if len(statements) == 1 else statements}


def random_case(chance: Random) -> Case:
    """A case without its answer, name and reason; `who` is a name of PEOPLE or None."""
    who = chance.choice([*sorted(PEOPLE), "alice", "alice", None])
    action = chance.choice(_ACTIONS)
    arn = "arn:aws:s3:::b" if "Bucket" in action else f"arn:aws:s3:::b/{chance.choice(_KEYS)}"
    context = {key: [chance.choice(values)] for key, values in _VALUES.items() if chance.random() < 0.6}
    if "s3:RequestObjectTagKeys" in context:
        context["s3:RequestObjectTagKeys"] += chance.sample(
            _VALUES["s3:RequestObjectTagKeys"], chance.randint(0, 1)
        )
    return {
        "identity": [_document(chance) for _ in range(chance.choice([0, 1, 1, 2]))] if who else [],
        "resource": chance.choice([None, _document(chance, in_bucket=True)]),
        "bounds": [_document(chance) for _ in range(chance.choice([0, 0, 0, 1]))] if who else [],
        "who": who,
        "owner": chance.choice([HOME, HOME, AWAY, CANONICAL[HOME]]),
        "action": action,
        "arn": arn,
        "context": context,
    }
