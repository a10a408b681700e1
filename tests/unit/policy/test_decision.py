"""A decision tells what decided, and a statement why it does not apply."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from weka_mp.policy import canned
from weka_mp.policy.arns import ACCOUNT_RESOURCE, object_arn
from weka_mp.policy.decision import Decision, Question, Reference, Source, Why, decide
from weka_mp.policy.documents import Kind, Policy, parse
from weka_mp.policy.principals import Principal
from weka_mp.policy.statements import Element
from weka_mp.policy.wildcards import MANY, ONE

HOME, AWAY = "111122223333", "444455556666"
ALICE = Principal(HOME, "a" * 64, "alice")
ROOT = Principal(HOME, "a" * 64, is_root=True)
MALLORY = Principal(AWAY, "b" * 64, "mallory")


def policy(kind: Kind, name: str, *statements: dict[str, Any]) -> Policy:
    filled = [{"Effect": "Allow", "Action": "s3:*", "Resource": "*", **statement} for statement in statements]
    return parse(json.dumps({"Version": "2012-10-17", "Statement": filled}), kind, name=name)


def get(who: Principal | None, context: Mapping[str, tuple[str, ...]] | None = None) -> Question:
    return Question(who, "s3:GetObject", object_arn("b", "k"), {} if context is None else context)


def answer(
    question: Question,
    *identity: Policy,
    resource: Policy | None = None,
    bounds: tuple[Policy, ...] = (),
    owner: str = HOME,
) -> Decision:
    return decide(question, identity=identity, resource=resource, bounds=bounds, owner_account=owner)


MINE = policy(Kind.IDENTITY, "mine", {"Action": "s3:ListBucket"}, {"Sid": "Read"})
OPEN = policy(Kind.RESOURCE, "of b", {"Principal": "*", "Sid": "All"})
BOUND = policy(Kind.SESSION, "bound", {"Action": "s3:GetObject"})
SHUT = policy(Kind.SESSION, "shut", {"Action": "s3:PutObject"})
READ = Reference(Source.IDENTITY, "mine", 1, "Read")
ALL = Reference(Source.RESOURCE, "of b", 0, "All")


def test_what_allowed_is_named() -> None:
    assert answer(get(ALICE), MINE) == Decision(True, Why.IDENTITY_ALLOWS, READ)
    assert answer(get(ALICE), MINE, resource=OPEN) == Decision(True, Why.IDENTITY_ALLOWS, READ)
    assert answer(get(ALICE), resource=OPEN) == Decision(True, Why.RESOURCE_ALLOWS, ALL)
    assert answer(get(None), resource=OPEN) == Decision(True, Why.RESOURCE_ALLOWS, ALL)
    assert answer(get(MALLORY), MINE, resource=OPEN) == Decision(True, Why.BOTH_ALLOW, READ, (ALL,))
    assert answer(get(ROOT)) == Decision(True, Why.ROOT)
    bound = Reference(Source.BOUND, "bound", 0, "")
    assert answer(get(ALICE), MINE, bounds=(BOUND,)) == Decision(True, Why.IDENTITY_ALLOWS, READ, (bound,))
    both = answer(get(MALLORY), MINE, resource=OPEN, bounds=(BOUND,))
    assert both == Decision(True, Why.BOTH_ALLOW, READ, (ALL, bound))


def test_what_was_missing_is_named() -> None:
    assert answer(get(ALICE)) == Decision(False, Why.NOTHING_ALLOWS)
    assert answer(get(None)) == Decision(False, Why.NOTHING_ALLOWS)
    assert answer(get(MALLORY)) == Decision(False, Why.NOTHING_ALLOWS)
    assert answer(get(MALLORY), MINE) == Decision(False, Why.RESOURCE_SILENT)
    assert answer(get(ROOT), owner=AWAY) == Decision(False, Why.RESOURCE_SILENT)
    assert answer(get(MALLORY), resource=OPEN) == Decision(False, Why.IDENTITY_SILENT)
    silent = answer(get(ALICE), MINE, bounds=(BOUND, SHUT))
    assert silent == Decision(False, Why.BOUND_SILENT, silent="shut")


@pytest.mark.parametrize(
    ("layer", "kind"),
    [(Source.IDENTITY, Kind.IDENTITY), (Source.RESOURCE, Kind.RESOURCE), (Source.BOUND, Kind.SESSION)],
)
def test_the_deny_is_named(layer: Source, kind: Kind) -> None:
    principal = {"Principal": "*"} if kind is Kind.RESOURCE else {}
    no = policy(kind, "no", {**principal}, {"Effect": "Deny", "Sid": "Never", **principal})
    found = answer(
        get(ALICE),
        *([MINE, no] if layer is Source.IDENTITY else [MINE]),
        resource=no if layer is Source.RESOURCE else OPEN,
        bounds=(BOUND, no) if layer is Source.BOUND else (BOUND,),
    )
    assert found == Decision(False, Why.EXPLICIT_DENY, Reference(layer, "no", 1, "Never"))


def test_a_direct_grant_is_preferred_to_one_of_the_account() -> None:
    both = policy(
        Kind.RESOURCE,
        "both",
        {"Principal": {"AWS": HOME}, "Sid": "Account"},
        {"Principal": {"AWS": ALICE.arn}, "Sid": "User"},
    )
    assert answer(get(ALICE), resource=both).statement == Reference(Source.RESOURCE, "both", 1, "User")


def test_an_action_that_does_not_exist_is_a_mistake_of_the_caller() -> None:
    question = Question(ALICE, "s3:HeadObject", object_arn("b", "k"), {})
    with pytest.raises(ValueError, match="HeadObject"):
        answer(question, canned.IDENTITY_POLICIES["readwrite"])


class Recorded(Mapping[str, tuple[str, ...]]):
    """A context that remembers what it was asked for."""

    def __init__(self, **values: str) -> None:
        self.values_of = {name.replace("_", ":"): (value,) for name, value in values.items()}
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> tuple[str, ...]:
        self.asked.append(name)
        return self.values_of[name]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("a context is not gone through")

    def __len__(self) -> int:
        raise AssertionError("a context is not counted")


def test_a_key_is_asked_for_only_where_a_statement_needs_it() -> None:
    guarded = policy(
        Kind.IDENTITY,
        "guarded",
        {"Resource": "arn:aws:s3:::other/*", "Condition": {"StringEquals": {"aws:Referer": "x"}}},
        {"Action": "s3:PutObject", "Condition": {"StringEquals": {"aws:userid": "x"}}},
        {"Condition": {"StringEquals": {"aws:username": "alice"}, "IpAddress": {"aws:SourceIp": "::/0"}}},
    )
    context = Recorded(aws_username="bob", aws_sourceip="::1")
    assert not answer(get(ALICE, context), guarded).allowed
    assert context.asked == ["aws:username"]


def test_a_statement_tells_why_it_does_not_apply() -> None:
    of_b = policy(
        Kind.RESOURCE,
        "of b",
        {"Principal": "*", "Action": "s3:PutObject"},
        {"Principal": {"AWS": MALLORY.arn}},
        {"Principal": "*", "Resource": "arn:aws:s3:::b/other"},
        {
            "Principal": "*",
            "Condition": {"Null": {"aws:Referer": "true"}, "Bool": {"aws:SecureTransport": "true"}},
        },
        {"Principal": "*"},
    )
    found = [statement.mismatch(get(ALICE)) for statement in of_b.statements]
    assert [mismatch and mismatch.element for mismatch in found] == [
        Element.ACTION,
        Element.PRINCIPAL,
        Element.RESOURCE,
        Element.CONDITION,
        None,
    ]
    failed = found[3]
    assert failed is not None
    assert failed.condition is not None
    assert (failed.condition.operator, failed.condition.key.name) == ("Bool", "aws:SecureTransport")
    assert failed.condition.values == ("true",)


@pytest.mark.parametrize("name", [MANY, ONE, f"a{MANY}"])
def test_what_stands_for_a_wildcard_inside_cannot_be_brought_in(name: str) -> None:
    own = policy(Kind.IDENTITY, "own", {"Resource": "arn:aws:s3:::b/${aws:username}/x"})
    for key in ("a/x", "alice/x"):
        question = Question(ALICE, "s3:GetObject", object_arn("b", key), {"aws:username": (name,)})
        assert not answer(question, own).allowed


def test_the_arn_of_a_user_has_its_path_and_root_has_none() -> None:
    assert Principal(HOME, "a" * 64, "division/dora").arn == f"arn:aws:iam::{HOME}:user/division/dora"
    assert ROOT.arn == f"arn:aws:iam::{HOME}:root"


@pytest.mark.parametrize(
    ("name", "action", "resource", "allowed"),
    [
        ("readonly", "s3:GetObject", object_arn("b", "k"), True),
        ("readonly", "s3:PutObject", object_arn("b", "k"), False),
        ("readonly", "s3:ListAllMyBuckets", ACCOUNT_RESOURCE, True),
        ("writeonly", "s3:PutObject", object_arn("b", "k"), True),
        ("writeonly", "s3:GetObject", object_arn("b", "k"), False),
        ("writeonly", "s3:DeleteObject", object_arn("b", "k"), False),
        ("readwrite", "s3:PutBucketPolicy", "arn:aws:s3:::b", True),
        ("readwrite", "s3:ListAllMyBuckets", ACCOUNT_RESOURCE, True),
    ],
)
def test_the_named_policies_of_users(name: str, action: str, resource: str, allowed: bool) -> None:
    question = Question(ALICE, action, resource, {})
    assert answer(question, canned.IDENTITY_POLICIES[name]).allowed is allowed


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("download", {"GetObject", "ListBucket", "GetBucketLocation"}),
        ("upload", {"PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts",
                    "GetBucketLocation", "ListBucketMultipartUploads"}),
        ("public", {"GetObject", "ListBucket", "GetBucketLocation", "PutObject", "DeleteObject",
                    "AbortMultipartUpload", "ListMultipartUploadParts", "ListBucketMultipartUploads"}),
    ],
)  # fmt: skip
def test_the_named_policies_of_buckets(name: str, allowed: set[str]) -> None:
    of_b = parse(canned.bucket_policy_text(name, "b"), Kind.RESOURCE, bucket="b")
    asked = {"s3:GetObject", "s3:GetObjectTagging", "s3:PutBucketPolicy", *(f"s3:{name}" for name in allowed)}
    found = set()
    for action in asked:
        for resource in ("arn:aws:s3:::b", object_arn("b", "k")):
            if answer(Question(None, action, resource, {}), resource=of_b).allowed:
                found.add(action.removeprefix("s3:"))
        assert not answer(Question(None, action, object_arn("bb", "k"), {}), resource=of_b).allowed
    assert found == allowed
    assert canned.bucket_policy_name(of_b, "b") == name
    assert canned.bucket_policy_name(of_b, "c") == canned.CUSTOM


def test_a_bucket_without_a_policy_has_the_one_called_none() -> None:
    assert canned.bucket_policy_name(None, "b") == canned.NONE
    assert canned.bucket_policy_name(OPEN, "b") == canned.CUSTOM
