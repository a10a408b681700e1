"""Condition operators: their names, and the rules for absent keys and for several values.

Sources: IAM user guide, «Condition operators» and «Conditions with multiple context keys or values».

- A key that the request lacks: the condition is false, of a negated operator or with ``…IfExists`` true. Of
  a set operator only that counts: ``ForAllValues:`` is true, ``ForAnyValue:`` false, with IfExists or not.
- Several values in the policy are alternatives; of a negated operator none of them may match.
- A set operator asks each value of the request; an empty string alone is an empty set to it.
- A key of one value that comes with several matches no condition without a set operator.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from weka_mp.policy import comparisons, operands
from weka_mp.policy.comparisons import Builder, Test
from weka_mp.policy.condition_keys import ConditionKey, Kind
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.policy.variables import Context

__all__ = ["OPERATORS", "Condition", "Operator", "SetOperator", "build"]


class SetOperator(Enum):
    """The qualifier before an operator's name."""

    NONE = ""
    ALL = "ForAllValues:"
    ANY = "ForAnyValue:"


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator by its documented `name`, without qualifier and suffix; the `kinds` of keys it takes."""

    name: str
    kinds: frozenset[Kind]
    build: Builder
    negated: bool = False


_ANY_KIND: Final = frozenset(Kind)
_NUMBERS: Final = frozenset({Kind.NUMERIC, Kind.EPOCH, Kind.FREE})
_DATES: Final = frozenset({Kind.DATE, Kind.EPOCH, Kind.FREE})
_ORDERS: Final = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}


def _with_opposite(name: str, opposite: str, kinds: frozenset[Kind], builder: Builder) -> list[Operator]:
    return [Operator(name, kinds, builder), Operator(opposite, kinds, builder, negated=True)]


def _ordered(stem: str, kinds: frozenset[Kind], reader: comparisons.Reader, what: str) -> list[Operator]:
    found = [
        Operator(f"{stem}{name}", kinds, comparisons.compared(reader, what, holds))
        for name, holds in _ORDERS.items()
    ]
    equal = comparisons.compared(reader, what, operator.eq)
    return [*found, Operator(f"{stem}NotEquals", kinds, equal, negated=True)]


_ABSENCE: Final = Operator("Null", _ANY_KIND, comparisons.absence)
_ARNS: Final = frozenset({Kind.ARN, Kind.FREE})

OPERATORS: Final[dict[str, Operator]] = {
    found.name: found
    for found in [
        *_with_opposite("StringEquals", "StringNotEquals", _ANY_KIND, comparisons.equals),
        *_with_opposite(
            "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", _ANY_KIND, comparisons.equals_ignoring_case
        ),
        *_with_opposite("StringLike", "StringNotLike", _ANY_KIND, comparisons.like),
        *_ordered("Numeric", _NUMBERS, operands.number, "a number"),
        *_ordered("Date", _DATES, operands.date, "a date or seconds since 1970"),
        Operator("Bool", frozenset({Kind.BOOL, Kind.FREE}), comparisons.truth),
        *_with_opposite("IpAddress", "NotIpAddress", frozenset({Kind.IP, Kind.FREE}), comparisons.within),
        *_with_opposite("ArnEquals", "ArnNotEquals", _ARNS, comparisons.arn_like),
        *_with_opposite("ArnLike", "ArnNotLike", _ARNS, comparisons.arn_like),
        _ABSENCE,
    ]
}
"""Every operator by its documented name."""

_BY_LOWER_NAME: Final = {name.lower(): found for name, found in OPERATORS.items()}
_IF_EXISTS: Final = "IfExists"


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator, one key and the policy's `values` for it. `operator` is spelled in full."""

    operator: str
    key: ConditionKey
    values: tuple[str, ...]
    negated: bool
    if_exists: bool
    over: SetOperator
    asks_absence: bool
    """Of Null: the test gets "true" where the key is absent."""
    test: Test = field(compare=False)

    def holds(self, context: Context) -> bool:
        """Whether the request meets the condition."""
        values = context.get(self.key.lookup)
        if self.asks_absence:
            return self.test("false" if values else "true", context)
        if not values:
            if self.over is SetOperator.NONE:
                return self.negated or self.if_exists
            return self.over is SetOperator.ALL
        if self.over is SetOperator.NONE:
            return len(values) == 1 and self.test(values[0], context) is not self.negated
        if values == ("",):
            return self.over is SetOperator.ALL
        hits = (self.test(value, context) is not self.negated for value in values)
        return all(hits) if self.over is SetOperator.ALL else any(hits)


def build(name: str, key: ConditionKey, values: Sequence[str], place: str, *, variables: bool) -> Condition:
    """The condition ``{name: {key: values}}`` of a policy; an operator's name may be in any case.

    Raises MalformedPolicy: an unknown operator, one that is not for this key, a value that it cannot take.
    """
    over, stem, if_exists = _dissected(name)
    found = _BY_LOWER_NAME.get(stem.lower())
    if found is None or (found is _ABSENCE and (if_exists or over is not SetOperator.NONE)):
        raise MalformedPolicy(place, f"unknown condition operator {name!r}")
    if key.kind not in found.kinds:
        raise MalformedPolicy(place, f"{found.name} does not compare {key.name}: that is {key.kind.value}")
    if key.many and over is SetOperator.NONE and found is not _ABSENCE:
        problem = f"{key.name} may hold several values: put ForAllValues: or ForAnyValue: before the operator"
        raise MalformedPolicy(place, problem)
    return Condition(
        operator=f"{over.value}{found.name}{_IF_EXISTS if if_exists else ''}",
        key=key,
        values=tuple(values),
        negated=found.negated,
        if_exists=if_exists,
        over=over,
        asks_absence=found is _ABSENCE,
        test=found.build(values, place, variables),
    )


def _dissected(name: str) -> tuple[SetOperator, str, bool]:
    """The qualifier, the operator's own name, and whether IfExists stands behind it."""
    qualified = (over for over in (SetOperator.ALL, SetOperator.ANY) if _begins(name, over))
    over = next(qualified, SetOperator.NONE)
    name = name[len(over.value) :]
    if_exists = name.lower().endswith(_IF_EXISTS.lower())
    return over, name[: -len(_IF_EXISTS)] if if_exists else name, if_exists


def _begins(name: str, over: SetOperator) -> bool:
    return name.lower().startswith(over.value.lower())
