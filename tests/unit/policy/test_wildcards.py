"""Patterns match as a table of all places says, and in time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.policy.wildcards import MANY, ONE, compile_pattern, encode, overlaps_below

_PIECES = st.sampled_from(["a", "b", "ab", "ba", "*", "*", "?", "/"])
_SMALL = st.lists(_PIECES, max_size=8).map("".join)
_TEXT = st.text("aabb/*?\n", max_size=8)


def by_expression(pattern: str, text: str) -> bool:
    """The same by a regular expression: fine for short patterns."""
    parts = {MANY: ".*", ONE: "."}
    expression = "".join(parts.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


@given(_SMALL, _TEXT)
def test_a_pattern_matches_what_the_regular_expression_matches(pattern: str, text: str) -> None:
    assert compile_pattern(encode(pattern))(text) is by_expression(encode(pattern), text)


@given(_SMALL, st.text("ab*?", max_size=4))
def test_text_is_put_into_a_pattern_literally(pattern: str, literal: str) -> None:
    whole = encode(pattern) + literal
    assert compile_pattern(whole)(literal) is by_expression(whole, literal)


@pytest.mark.parametrize("pattern", ["a*" * 500 + "b", "*a?" * 300 + "b", "*" * 1000 + "b", "?" * 500 + "*b"])
def test_many_wildcards_do_not_take_for_ever(pattern: str) -> None:
    matches = compile_pattern(encode(pattern))
    assert not matches("a" * 1100)
    assert matches("a" * 1100 + "b")


@pytest.mark.parametrize("letters", [64, 128, 256])
def test_regression_a_long_part_with_question_marks_is_sought_at_all_places_at_once(letters: int) -> None:
    matches = compile_pattern(encode("*" + "a?" * letters + "b*"))
    for tail in range(300):  # place by place it took a minute
        assert not matches("a" * (1024 - tail))
    assert matches("a" * 700 + "b" + "a" * tail)


@given(st.lists(_PIECES, max_size=30).map("".join), st.text("aabb/", max_size=30))
def test_regression_a_part_is_found_at_its_first_place(pattern: str, text: str) -> None:
    assert compile_pattern(encode(f"*{pattern}*"))(text) is by_expression(encode(f"*{pattern}*"), text)


def test_regression_a_long_prefix_is_compared_with_a_long_pattern_in_time() -> None:
    for pattern in ("*a" * 10_000, "?*" * 10_000, "*a?" * 6_000):
        assert overlaps_below(encode(pattern), "a" * 1100)
        assert not overlaps_below(encode("b" + pattern), "a" * 1100)


@pytest.mark.parametrize("pattern", ["*" * 20_000, "*a" * 10_000, "?*" * 10_000])
def test_regression_many_wildcards_in_a_resource_are_compared_with_the_bucket_in_time(pattern: str) -> None:
    assert overlaps_below(encode(pattern), "a" * 80 + "/")


@given(_SMALL, st.text("ab/", max_size=4))
def test_overlap_is_what_some_continuation_matches(pattern: str, prefix: str) -> None:
    matches = compile_pattern(encode(pattern))
    found = any(matches(prefix + tail) for tail in _tails(pattern))
    assert overlaps_below(encode(pattern), prefix) is found


def _tails(pattern: str) -> set[str]:
    """Ends of the pattern with letters for its wildcards: one of them is a continuation if there is any."""
    letters = pattern.replace("?", "a").replace("*", "a")
    short = pattern.replace("?", "a").replace("*", "")
    return {text[i:] for text in (letters, short) for i in range(len(text))} | {"a"}
