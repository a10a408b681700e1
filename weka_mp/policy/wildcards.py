"""Patterns with ``*`` (any characters, also none) and ``?`` (exactly one character), matched without
backtracking.

A pattern is kept as text in which two code points stand for the wildcards. They are lone surrogates, which
no text from UTF-8 contains: so a literal ``*``, or one that came in through a variable, is no wildcard.

A pattern is a row of parts between its ``*``. Taking each part at the first place where it fits is enough to
decide, so the work is bounded by the product of both lengths, however many ``*`` there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["MANY", "ONE", "Matcher", "compile_pattern", "encode", "overlaps_below"]

MANY: Final = "\ud800"
ONE: Final = "\ud801"

_STARS: Final = re.compile(r"\*+")

Matcher = Callable[[str], bool]


def encode(text: str) -> str:
    """A policy's text as a pattern: its ``*`` and ``?`` become wildcards; a row of ``*`` is one."""
    return _STARS.sub(MANY, text).replace("?", ONE)


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Matcher:
    """The test that an encoded `pattern` stands for; it must match the whole text.

    Those made last are kept: a pattern with a user's name in it is made anew for each of his requests.
    """
    if ONE not in pattern:
        if MANY not in pattern:
            return pattern.__eq__
        if pattern.find(MANY) == len(pattern) - 1:
            prefix = pattern[:-1]
            return lambda text: text.startswith(prefix)
    if MANY not in pattern:
        part = _Part.of(pattern)
        return lambda text: len(text) == part.length and part.stands_at(text, 0)
    return _between_stars(pattern)


class _Part(NamedTuple):
    """Text without ``*``: `length` characters, of which the `runs` (offset, literal) are given and the others
    arbitrary. `anchor` is the longest run.
    """

    length: int
    runs: tuple[tuple[int, str], ...]
    anchor: tuple[int, str]

    @classmethod
    def of(cls, pattern: str) -> _Part:
        runs = []
        offset = 0
        for run in pattern.split(ONE):
            if run:
                runs.append((offset, run))
            offset += len(run) + 1
        return cls(len(pattern), tuple(runs), max(runs, key=lambda run: len(run[1]), default=(0, "")))

    def stands_at(self, text: str, at: int) -> bool:
        return all(text.startswith(run, at + offset) for offset, run in self.runs)

    def find(self, text: str, start: int, end: int) -> int:
        """The first place in text[start:end] where the part fits whole, else -1."""
        offset, run = self.anchor
        last = end - self.length
        at = start
        while at <= last:
            found = text.find(run, at + offset, last + offset + len(run))
            if found < 0:
                return -1
            at = found - offset
            if self.stands_at(text, at):
                return at
            at += 1
        return -1


def _between_stars(pattern: str) -> Matcher:
    first, *middle, last = (_Part.of(part) for part in pattern.split(MANY))
    middle = [part for part in middle if part.length]

    def matches(text: str) -> bool:
        at, end = first.length, len(text) - last.length
        if end < at or not first.stands_at(text, 0) or not last.stands_at(text, end):
            return False
        for part in middle:
            found = part.find(text, at, end)
            if found < 0:
                return False
            at = found + part.length
        return True

    return matches


def overlaps_below(pattern: str, prefix: str) -> bool:
    """Whether an encoded `pattern` matches any text that begins with `prefix` and goes on behind it."""
    places = _past_stars(pattern, {0})
    for character in prefix:
        ahead = {
            place if pattern[place] == MANY else place + 1
            for place in places
            if place < len(pattern) and pattern[place] in (MANY, ONE, character)
        }
        places = _past_stars(pattern, ahead)
    return any(place < len(pattern) for place in places)


def _past_stars(pattern: str, places: set[int]) -> set[int]:
    """`places` in a pattern, and those that are reached by letting a ``*`` stand for nothing."""
    reached = set(places)
    for place in places:
        # Behind one that was reached before, everything has been or will be.
        while place < len(pattern) and pattern[place] == MANY and place + 1 not in reached:
            place += 1
            reached.add(place)
    return reached
