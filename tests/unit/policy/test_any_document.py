"""Whatever is put as a policy: it is a policy, or it is refused as malformed; and it can be asked."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.policy import case_files
from tests.unit.policy.random_cases import random_case
from weka_mp.policy.arns import object_arn
from weka_mp.policy.decision import Question, Why, decide
from weka_mp.policy.documents import Kind, parse
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.policy.principals import Principal
from weka_mp.policy.statements import Effect

_ODD: list[Any] = [
    *(None, True, 0, -1.5, 1e400, [], {}, [[]], [None], {"": ""}, {"AWS": {}}),
    {"StringLike": {"aws:username": ["*"]}},
    *("", "*", "é", "\x00", "\ud800", "::/0", "9" * 50, "2024-13-01"),
    *(
        "${",
        "${}",
        "${*}",
        "${aws:username",
        "${aws:userid, '",
        "arn:aws:s3:::",
        "arn:aws:s3:::${*}${?}",
        "s3:*",
    ),
    *("ForAllValues:", "IfExists", "ForAnyValue:NullIfExists"),
]
_TEXTS = [odd for odd in _ODD if isinstance(odd, str)]
_ALICE = Principal(case_files.HOME, case_files.CANONICAL[case_files.HOME], "alice")


def _bent(value: Any, chance: Random) -> Any:
    """`value` with some of its parts replaced, renamed or dropped."""
    if chance.random() < 0.03:
        return chance.choice(_ODD)
    if isinstance(value, dict):
        names = {name: chance.choice(_ODD[5:25]) if chance.random() < 0.04 else name for name in value}
        return {
            str(names[name]): _bent(part, chance) for name, part in value.items() if chance.random() < 0.97
        }
    if isinstance(value, list):
        return [_bent(part, chance) for part in value]
    if isinstance(value, str) and chance.random() < 0.03:
        at = chance.randint(0, len(value))
        return value[:at] + chance.choice(_TEXTS) + value[at:]
    return value


@given(st.randoms(use_true_random=False), st.sampled_from(Kind), st.sampled_from(["b", None]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_document_is_a_policy_or_malformed(chance: Random, kind: Kind, bucket: str | None) -> None:
    case = random_case(chance)
    document = _bent(case["resource"] or (case["identity"] or [{}])[0], chance)
    try:
        policy = parse(json.dumps(document), kind, bucket=bucket)
    except MalformedPolicy as error:
        assert error.problem
        return
    context = {key.lower(): tuple(values) for key, values in case["context"].items()}
    question = Question(_ALICE, case["action"], object_arn("b", "k"), context)
    decision = decide(
        question,
        identity=(policy,) if kind is Kind.IDENTITY else (),
        resource=policy if kind is Kind.RESOURCE else None,
        bounds=(policy,) if kind is Kind.SESSION else (),
        owner_account=case_files.HOME,
    )
    applying = {statement.effect for statement in policy.statements if not statement.mismatch(question)}
    assert decision.allowed <= (applying == {Effect.ALLOW})
    assert (decision.why is Why.EXPLICIT_DENY) is (Effect.DENY in applying)


@given(st.text(max_size=60))
def test_any_text_is_a_policy_or_malformed(text: str) -> None:
    for whole in (text, f'{{"Statement": {text}}}', f'{{"Statement": [{{"Sid": "{text}"}}]}}'):
        try:
            parse(whole, Kind.RESOURCE)
        except MalformedPolicy as error:
            assert str(error)
        else:
            raise AssertionError(f"a policy without an effect: {whole}")
