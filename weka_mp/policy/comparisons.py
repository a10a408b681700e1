"""What condition operators compare: each builder turns the values of a policy into a test of one value of
the request.

A builder takes the policy's values, the place to name in an error, and whether policy variables are known;
only text, ARNs and truth values may have variables in them (IAM user guide, «Policy variables»).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from weka_mp.policy import operands
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.policy.variables import Context, Template, parse_template, resolve
from weka_mp.policy.wildcards import Matcher, compile_pattern

__all__ = [
    "Builder", "Reader", "Test", "absence", "arn_like", "compared", "equals", "equals_ignoring_case", "like",
    "truth", "within",
]  # fmt: skip

T = TypeVar("T")

Test = Callable[[str, Context], bool]
"""Whether one value of the request matches one of the policy's (negation aside)."""

Builder = Callable[[Sequence[str], str, bool], Test]
"""(the policy's values, their place, whether variables are known) → the test. Raises MalformedPolicy."""

Reader = Callable[[str], Decimal | None]


def _alternatives(
    values: Sequence[str],
    place: str,
    variables: bool,
    make: Callable[[str], Matcher],
    *,
    wildcards: bool = False,
) -> Test:
    """One of `values` fits, where `make` turns the text of one into its test.

    Texts without variables are made once; the others for each request, when their variables have values.
    """
    fixed: list[Matcher] = []
    changing: list[Template] = []
    for value in values:
        template = parse_template(value, place, variables=variables, wildcards=wildcards)
        if len(template) == 1 and isinstance(template[0], str):
            fixed.append(make(template[0]))
        else:
            changing.append(template)

    def test(value: str, context: Context) -> bool:
        for fits in fixed:
            if fits(value):
                return True
        for template in changing:
            text = resolve(template, context)
            if text is not None and make(text)(value):
                return True
        return False

    return test


def equals(values: Sequence[str], place: str, variables: bool) -> Test:
    """The same text; wildcards are plain characters."""
    return _alternatives(values, place, variables, lambda text: text.__eq__)


def equals_ignoring_case(values: Sequence[str], place: str, variables: bool) -> Test:
    """The same text but for the case of its letters."""

    def make(text: str) -> Matcher:
        folded = text.casefold()
        return lambda value: value.casefold() == folded

    return _alternatives(values, place, variables, make)


def like(values: Sequence[str], place: str, variables: bool) -> Test:
    """Text that matches a pattern."""
    return _alternatives(values, place, variables, compile_pattern, wildcards=True)


_ARN_PARTS: Final = 6


def arn_like(values: Sequence[str], place: str, variables: bool) -> Test:
    """An ARN whose six parts match a pattern's six parts, each its own: a ``*`` reaches over no colon."""
    for value in values:
        if not variables or "${" not in value:
            _read(value, _arn_parts, "an ARN of six parts", place)

    def make(text: str) -> Matcher:
        patterns = [compile_pattern(part) for part in _arn_parts(text) or ()]

        def fits(value: str) -> bool:
            parts = _arn_parts(value)
            if parts is None or not patterns:
                return False
            return all(pattern(part) for pattern, part in zip(patterns, parts, strict=True))

        return fits

    return _alternatives(values, place, variables, make, wildcards=True)


def _arn_parts(text: str) -> list[str] | None:
    parts = text.split(":", _ARN_PARTS - 1)
    return parts if len(parts) == _ARN_PARTS and parts[0] == "arn" else None


def truth(values: Sequence[str], place: str, variables: bool) -> Test:
    """``true`` or ``false``, in any case."""
    for value in values:
        if not variables or "${" not in value:
            _read(value, operands.boolean, "true or false", place)

    def make(text: str) -> Matcher:
        wanted = operands.boolean(text)
        return lambda value: wanted is not None and operands.boolean(value) is wanted

    return _alternatives(values, place, variables, make)


def absence(values: Sequence[str], place: str, variables: bool) -> Test:
    """``true`` where the key is absent, ``false`` where it is there; called with the one that is the case."""
    wanted = frozenset(_read(text, operands.boolean, "true or false", place) for text in values)
    return lambda value, context: operands.boolean(value) in wanted


def compared(reader: Reader, what: str, holds: Callable[[Decimal, Decimal], bool]) -> Builder:
    """The builder of an order: `holds(the request's value, the policy's)`."""

    def build(values: Sequence[str], place: str, variables: bool) -> Test:
        wanted = [_read(text, reader, what, place) for text in values]

        def test(value: str, context: Context) -> bool:
            found = reader(value)
            return found is not None and any(holds(found, bound) for bound in wanted)

        return test

    return build


def within(values: Sequence[str], place: str, variables: bool) -> Test:
    """An address of IPv4 or IPv6 in a range."""
    ranges = [_read(text, operands.network, "an IP address or a CIDR range", place) for text in values]

    def test(value: str, context: Context) -> bool:
        source = operands.address(value)
        return source is not None and any(found.holds(source) for found in ranges)

    return test


def _read(text: str, reader: Callable[[str], T | None], what: str, place: str) -> T:
    value = reader(text)
    if value is None:
        raise MalformedPolicy(place, f"{text!r} is not {what}")
    return value
