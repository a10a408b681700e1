"""Patterns with ``*`` (any characters, also none) and ``?`` (exactly one character), matched without
backtracking.

A pattern is kept as text in which two code points stand for the wildcards. They are lone surrogates, which
no text from UTF-8 contains: so a literal ``*``, or one that came in through a variable, is no wildcard.

A pattern is a row of parts between its ``*``. Taking each part at the first place where it fits is enough to
decide. Where a part fits is found for all places of the text at once, so a character of the pattern costs one
operation on a number of as many bits as the text has characters, whatever the pattern and the text are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["MANY", "ONE", "Matcher", "compile_pattern", "encode", "overlaps_below"]

MANY: Final = "\ud800"
ONE: Final = "\ud801"

_STARS: Final = re.compile(r"\*+")
_ROW: Final = re.compile(f"{MANY}+")

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
        last = end - self.length
        if last < start:
            return -1
        offset, run = self.anchor
        found = text.find(run, start + offset, last + offset + len(run))
        if found < 0 or len(self.runs) <= 1:
            return max(found - offset, -1)
        fits = (1 << last + 1) - (1 << start)
        places = _places_kept(text)
        for offset, run in self.runs:
            for at, character in enumerate(run, offset):
                fits &= places.get(character, 0) >> at
            if not fits:
                return -1
        return (fits & -fits).bit_length() - 1


def _places(text: str) -> Mapping[str, int]:
    """Where each character stands, as the bits of a number: so many places are compared at once."""
    places: dict[str, int] = {}
    for at, character in enumerate(text):
        places[character] = places.get(character, 0) | 1 << at
    return places


_places_kept: Final = lru_cache(maxsize=16)(_places)
"""One resource is compared with many patterns."""


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
    pattern = _ROW.sub(MANY, pattern)
    meant = _places(pattern)
    many, one = meant.get(MANY, 0), meant.get(ONE, 0)
    # The places in the pattern that may be the next to be matched, as bits; a * may stand for nothing.
    places = 1 | (many & 1) << 1
    for character in prefix:
        places = places & many | (places & (one | meant.get(character, 0))) << 1
        places |= (places & many) << 1
    return bool(places & (1 << len(pattern)) - 1)
