"""What is said of a policy without a whole question errs on the safe side."""

from __future__ import annotations

import json

import pytest

from weka_mp.policy.coverage import allows_below, always_allows, may_allow
from weka_mp.policy.documents import Kind, Policy, parse
from weka_mp.policy.principals import Principal
from weka_mp.policy.statements import Question

WHO = Principal("123456789012", "0" * 52 + "123456789012", "bob")


def policy(*statements: dict[str, object]) -> Policy:
    made = [{"Effect": "Allow", "Action": "s3:GetObject", **statement} for statement in statements]
    return parse(json.dumps({"Version": "2012-10-17", "Statement": made}), Kind.IDENTITY)


def on(*names: str, **more: object) -> dict[str, object]:
    return {"Resource": [f"arn:aws:s3:::{name}" for name in names], **more}


def below(*policies: Policy, bounds: tuple[Policy, ...] = (), prefix: str = "b/d/") -> bool:
    context = {"aws:username": ("bob",)}
    asked = Question(WHO, "s3:GetObject", f"arn:aws:s3:::{prefix}", context)
    return allows_below(asked, identity=policies, resource=None, bounds=bounds)


@pytest.mark.parametrize("statement", [
    on("*"), on("b/*"), on("b/d/*"), on("b/d*"), on("b*"), on("b/*/*"),
    {"NotResource": "arn:aws:s3:::b/e/*"},
    on("b/*", Condition={"StringEquals": {"aws:username": "bob"}}),
])  # fmt: skip
def test_everything_below_is_allowed(statement: dict[str, object]) -> None:
    assert below(policy(statement))


@pytest.mark.parametrize("statement", [
    on("b/d/"), on("b/d/?"), on("b/d/*x"), on("b/d/e/*"), on("b/${aws:username}/*"),
    {"NotResource": "arn:aws:s3:::b/d/secret"},
    on("b/*", Condition={"StringEquals": {"aws:username": "tom"}}),
    on("b/*", Condition={"StringEquals": {"s3:ExistingObjectTag/a": "b"}}),
    on("b/*", Condition={"StringNotEquals": {"s3:ExistingObjectTag/a": "b"}}),
])  # fmt: skip
def test_not_everything_below_is_allowed(statement: dict[str, object]) -> None:
    assert not below(policy(statement))


@pytest.mark.parametrize("denied", [
    on("b/d/secret/*"), on("*/x"), on("b/?/k"), {"NotResource": "arn:aws:s3:::b/e/*"},
    on("b/d/k", Condition={"StringEquals": {"aws:username": "tom"}}),
])  # fmt: skip
def test_a_denial_of_anything_below_ends_it(denied: dict[str, object]) -> None:
    assert not below(policy(on("*"), {**denied, "Effect": "Deny"}))
    assert not below(policy(on("*")), bounds=(policy(on("*"), {**denied, "Effect": "Deny"}),))


def test_a_denial_elsewhere_does_not() -> None:
    assert below(policy(on("*"), on("b/e/*", Effect="Deny")))


def test_every_bound_must_cover_it() -> None:
    assert below(policy(on("*")), bounds=(policy(on("b/*")),))
    assert not below(policy(on("*")), bounds=(policy(on("b/*")), policy(on("b/d/e/*"))))


def test_what_may_be_allowed() -> None:
    bucket = "arn:aws:s3:::b/"
    assert may_allow([policy(on("b/x"))], "s3:GetObject", bucket, below=True)
    assert may_allow([policy({"NotResource": "*"})], "s3:GetObject", bucket, below=True)
    assert not may_allow([policy(on("c/*"))], "s3:GetObject", bucket, below=True)
    assert not may_allow([policy(on("b/x"))], "s3:PutObject", bucket, below=True)
    assert may_allow([policy(on("b*"))], "s3:GetObject", "arn:aws:s3:::b", below=False)
    assert not may_allow([policy(on("b/*"))], "s3:GetObject", "arn:aws:s3:::b", below=False)


@pytest.mark.parametrize(("statements", "always"), [
    ([on("*")], True),
    ([{"Resource": "*"}], True),
    ([on("b/*"), on("*")], True),
    ([on("b/*")], False),
    ([{"NotResource": "arn:aws:s3:::b/*"}], False),
    ([on("*", Condition={"Bool": {"aws:SecureTransport": "false"}})], False),
    ([on("*"), on("c/*", Effect="Deny")], False),
    ([on("*"), on("c/*", Effect="Deny", Condition={"Null": {"aws:username": "true"}})], False),
    ([on("*"), on("c/*", Effect="Deny", Action="s3:PutObject")], True),
    ([], False),
])  # fmt: skip
def test_what_is_always_allowed(statements: list[dict[str, object]], always: bool) -> None:
    found = [policy(statement) for statement in statements]
    assert always_allows("s3:GetObject", identity=found, bounds=()) is always
    bound = policy(on("*"))
    assert always_allows("s3:GetObject", identity=found, bounds=(bound,)) is always
    assert not always_allows("s3:GetObject", identity=found, bounds=(bound, policy(on("b/*"))))
    assert not always_allows("s3:DeleteObject", identity=found, bounds=())
