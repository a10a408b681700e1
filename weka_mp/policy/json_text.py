"""Strict JSON for policies: no name twice, numbers as they are written, bounded in size."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

from weka_mp.policy.errors import MalformedPolicy

__all__ = ["Document", "Written", "load"]

Document = Mapping[str, object]

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"]+')
"""A string, or a run of other characters, of a JSON text."""


@dataclass(frozen=True, slots=True)
class Written:
    """A number, by the text that stands for it."""

    text: str


def load(text: str, most_bytes: int, most_characters: int | None) -> Document:
    """The object that `text` is; `most_characters` do not count white space between JSON's words.

    Raises MalformedPolicy.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise MalformedPolicy("", "is not text") from None
    if size > most_bytes:
        raise MalformedPolicy("", f"has {size} bytes, the limit is {most_bytes}")
    document = _parsed(text)
    characters = sum(len(token) for token in _TOKEN.findall(text))
    if most_characters is not None and characters > most_characters:
        raise MalformedPolicy("", f"has {characters} characters, the limit is {most_characters}")
    return document


def _parsed(text: str) -> Document:
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=Written,
            parse_float=Written,
            parse_constant=_no_constant,
        )
        # An escape may smuggle in half of a surrogate pair, which no name, key or header can have.
        json.dumps(document, ensure_ascii=False, default=str).encode()
    except json.JSONDecodeError as error:
        raise MalformedPolicy("", f"is not JSON: {error}") from None
    except RecursionError:
        raise MalformedPolicy("", "is nested too deeply") from None
    except UnicodeEncodeError:
        raise MalformedPolicy("", "is not text: half of a surrogate pair") from None
    if not isinstance(document, dict):
        raise MalformedPolicy("", "must be an object")
    return document


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise MalformedPolicy(name, "stands twice in one object")
        found[name] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise MalformedPolicy("", f"is not JSON: {name}")
