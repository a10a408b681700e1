"""The parameters of a request in the query protocol: from its form or query, each read by name and type.

What an operation does not know is refused, not ignored: a parameter that narrows would else be lost.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from weka_mp.query.errors import QueryError, shown

__all__ = ["FORM", "MAX_BODY_BYTES", "Parameters", "parse"]

FORM: Final = "application/x-www-form-urlencoded"
MAX_BODY_BYTES: Final = 128 * 1024  # the longest document that is kept, percent-encoded, fits twice

_MAX_PAIRS: Final = 1_000
_BAD_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_INTEGER: Final = re.compile(r"-?[0-9]{1,10}", re.ASCII)
_MEMBER: Final = re.compile(r"\w+\.member\.(?P<number>[1-9][0-9]{0,2})(?:\.(?P<part>\w+))?", re.ASCII)
_BOOLEANS: Final = {"true": True, "false": False}
_COMMON: Final = frozenset({"Action", "Version"})
_OF_SIGNATURES: Final = "x-amz-"


def parse(query: Iterable[tuple[str, str]], form: bytes) -> Parameters:
    """query: decoded pairs of the target, without those of a signature; form: the body.

    Raises QueryError: not a form, or one name twice.
    """
    found: dict[str, str] = {}
    pairs = [(name, value) for name, value in query if not name.lower().startswith(_OF_SIGNATURES)]
    pairs += _decoded(form)
    if len(pairs) > _MAX_PAIRS:
        raise QueryError("MalformedQueryString", f"more than {_MAX_PAIRS} parameters")
    for name, value in pairs:
        if name in found:
            raise QueryError("MalformedQueryString", f"the parameter {shown(name)[:64]} is given twice")
        found[name] = value
    return Parameters(found)


def _decoded(form: bytes) -> list[tuple[str, str]]:
    pairs = []
    for piece in form.split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            pairs.append((_text(name), _text(value)))
    return pairs


def _text(raw: bytes) -> str:
    if _BAD_PERCENT.search(raw):
        raise QueryError("MalformedQueryString", "a percent sign is not followed by two hex digits")
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise QueryError("MalformedQueryString", "the parameters are not UTF-8") from None


def invalid(name: str, value: str, constraint: str) -> QueryError:
    """What AWS says of a value that breaks a rule."""
    member = name[:1].lower() + name[1:]
    return QueryError(
        "ValidationError",
        f"1 validation error detected: Value '{shown(value)[:128]}' at '{member}' failed to satisfy "
        f"constraint: {constraint}",
    )


class Parameters:
    """Those of one request. All getters raise QueryError ValidationError."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    @property
    def action(self) -> str:
        return self._values.get("Action", "")

    @property
    def version(self) -> str:
        return self._values.get("Version", "")

    def check_known(self, known: Collection[str]) -> None:
        """Raises QueryError NotImplemented for the first that is not known."""
        for name in self._values:
            if name.partition(".")[0] not in known and name not in _COMMON:
                raise QueryError(
                    "NotImplemented",
                    f"The parameter {shown(name)[:64]} of {self.action} is not implemented.",
                )

    def text(self, name: str) -> str:
        """One that must be there."""
        value = self.text_or_none(name)
        if value is None:
            raise QueryError(
                "ValidationError",
                f"1 validation error detected: Value null at '{name[:1].lower()}{name[1:]}' failed to "
                "satisfy constraint: Member must not be null",
            )
        return value

    def text_or_none(self, name: str) -> str | None:
        """None where it is absent."""
        return self._values.get(name)

    def choice_or_none(self, name: str, choices: Collection[str]) -> str | None:
        """One of the choices; None where it is absent."""
        value = self._values.get(name)
        if value is not None and value not in choices:
            raise invalid(name, value, f"Member must satisfy enum value set: [{', '.join(choices)}]")
        return value

    def flag(self, name: str) -> bool:
        """False where it is absent."""
        value = self._values.get(name)
        if value is None:
            return False
        if value.lower() not in _BOOLEANS:
            raise invalid(name, value, "Member must be true or false")
        return _BOOLEANS[value.lower()]

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Within the bounds."""
        text = self._values.get(name)
        if text is None:
            return default
        if _INTEGER.fullmatch(text) is None:
            raise invalid(name, text, "Member must be a whole number")
        value = int(text)
        if value < least:
            raise invalid(name, text, f"Member must have value greater than or equal to {least}")
        if value > most:
            raise invalid(name, text, f"Member must have value less than or equal to {most}")
        return value

    def texts(self, name: str) -> list[str]:
        """``name.member.1``, ``.2`` and so on."""
        return [parts[""] for parts in self._members(name, frozenset({""}))]

    def pairs(self, name: str) -> dict[str, str]:
        """``name.member.1.Key`` and ``.Value``, and so on: tags."""
        found: dict[str, str] = {}
        for parts in self._members(name, frozenset({"Key", "Value"})):
            if parts["Key"] in found:
                raise invalid(name, parts["Key"], "Member must have unique keys")
            found[parts["Key"]] = parts["Value"]
        return found

    def _members(self, name: str, wanted: frozenset[str]) -> list[dict[str, str]]:
        """Numbered from 1 without gaps, each with exactly the wanted parts."""
        found: dict[int, dict[str, str]] = {}
        for key, value in self._values.items():
            if key.partition(".")[0] != name:
                continue
            match = _MEMBER.fullmatch(key)
            if match is None:
                raise QueryError("ValidationError", f"{shown(key)[:64]} is no member of {name}")
            found.setdefault(int(match["number"]), {})[match["part"] or ""] = value
        if sorted(found) != list(range(1, len(found) + 1)):
            raise QueryError("ValidationError", f"the members of {name} are not numbered from 1")
        if any(parts.keys() != wanted for parts in found.values()):
            raise QueryError("ValidationError", f"a member of {name} lacks a part, or has one too many")
        return [found[number] for number in sorted(found)]
