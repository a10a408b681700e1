"""Pieces of the engine's SQL and what is known of their values.

What a record holds has no type until it meets something that has one: beside a number it is compared as a
number, beside text as text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from weka_mp.s3.errors import S3Error

__all__ = ["Fragment", "Type", "compared", "literal", "quoted_name", "too_complex"]

_MOST_SQL: Final = 1024 * 1024  # characters of one piece, four times the longest expression


class Type(Enum):
    """Of a value, as far as it is known before any record was read."""

    ANY = "ANY"  # of a record: text (CSV)
    JSON = "JSON"  # of a record: a JSON value
    TEXT = "TEXT"
    NUMBER = "NUMBER"
    BOOL = "BOOL"
    TIME = "TIME"


_NUMBERS: Final = "('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT')"


def too_complex() -> S3Error:
    """Of an expression that would become far longer than it was."""
    return S3Error("ParseUnsupportedSyntax", "The SQL expression is too complex.")


def literal(text: str) -> str:
    """As a string of the engine's SQL."""
    return "'" + text.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """As an identifier of the engine's SQL."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Fragment:
    """sql: an expression in brackets, a literal or a call. as_text: the same of a JSON value without its
    quotes; None: of no JSON value. name: under which it is put out, where it has one.
    """

    sql: str
    type: Type
    as_text: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        """Some operands are said several times, and those in them again. Raises S3Error."""
        if len(self.sql) > _MOST_SQL:
            raise too_complex()

    @property
    def unknown(self) -> bool:
        return self.type in (Type.ANY, Type.JSON)

    @property
    def text(self) -> str:
        """As VARCHAR."""
        if self.as_text is not None:
            return self.as_text
        return self.sql if self.type in (Type.TEXT, Type.ANY) else f"CAST({self.sql} AS VARCHAR)"

    @property
    def number(self) -> str:
        """As a number; NULL for what is none."""
        return self.sql if self.type is Type.NUMBER else f"TRY_CAST({self.text} AS DOUBLE)"

    @property
    def time(self) -> str:
        return self.sql if self.type is Type.TIME else f"TRY_CAST({self.text} AS TIMESTAMP)"

    @property
    def truth(self) -> str:
        return self.sql if self.type is Type.BOOL else f"TRY_CAST({self.text} AS BOOLEAN)"


def _pair(one: Fragment, other: Fragment) -> tuple[str, str]:
    types = {one.type, other.type}
    if Type.NUMBER in types:
        return one.number, other.number
    if Type.TIME in types:
        return one.time, other.time
    if Type.BOOL in types:
        return one.truth, other.truth
    return one.text, other.text


def compared(one: Fragment, sign: str, other: Fragment) -> str:
    """A comparison of both by what is known of either."""
    if one.type is Type.JSON and other.type is Type.JSON:
        both = f"json_type({one.sql}) IN {_NUMBERS} AND json_type({other.sql}) IN {_NUMBERS}"
        return (
            f"(CASE WHEN {both} THEN {one.number} {sign} {other.number} "
            f"ELSE {one.text} {sign} {other.text} END)"
        )
    left, right = _pair(one, other)
    return f"({left} {sign} {right})"
