"""A whole S3 SELECT expression, ``SELECT … FROM S3Object … [WHERE …] [LIMIT …]``, into one of the engine.

Source: «SELECT command» of S3 Select's SQL reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from weka_mp.s3.errors import S3Error
from weka_mp.select.cursor import Cursor, unexpected
from weka_mp.select.expressions import RESERVED, Expressions, path
from weka_mp.select.fragments import Type
from weka_mp.select.sources import Source, Unknown, json_path
from weka_mp.select.tokens import Kind, Token, tokens

__all__ = ["Column", "Statement", "check", "translate"]

_TABLE: Final = "s3object"
_STRUCTURES: Final = frozenset({
    "CROSS", "EXCEPT", "FULL", "GROUP", "HAVING", "INNER", "INTERSECT", "JOIN", "LEFT", "NATURAL", "OFFSET",
    "ORDER", "OUTER", "RIGHT", "UNION", "USING", "WITH",
})
_OPERATIONS: Final = frozenset({
    "ALTER", "ATTACH", "CALL", "COPY", "CREATE", "DELETE", "DROP", "EXECUTE", "EXPLAIN", "EXPORT", "IMPORT",
    "INSERT", "INSTALL", "LOAD", "PRAGMA", "SET", "TRUNCATE", "UPDATE", "USE", "WITH",
})
_MOST_COLUMNS: Final = 4096


@dataclass(frozen=True, slots=True)
class Column:
    """Of the result. name: by which JSON has it."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Statement:
    """columns: None: whole records. select, where: of the engine's SELECT; limit: of its records.

    within: path in a JSON record to what is a record here.
    """

    columns: tuple[Column, ...] | None
    select: tuple[str, ...]
    where: str | None
    limit: int | None
    within: str | None

    def sql(self, relation: str, whole: str) -> str:
        """relation: to read from. whole: the select list for whole records."""
        chosen = whole if self.columns is None else ", ".join(self.select)
        where = "" if self.where is None else f" WHERE {self.where}"
        limit = "" if self.limit is None else f" LIMIT {self.limit}"
        return f"SELECT {chosen} FROM {relation}{where}{limit}"


def check(expression: str) -> None:
    """What can be said before the object was looked at. Raises S3Error."""
    translate(expression, Unknown(), json=True)


def translate(expression: str, source: Source, *, json: bool) -> Statement:
    """json: of JSON records, whose table can be a part of them. Raises S3Error."""
    found = tokens(expression)
    if len(found) > 1 and found[-2].upper == ";":
        found = [*found[:-2], found[-1]]
    first = found[0].upper
    if first != "SELECT":
        raise S3Error("UnsupportedSqlOperation") if first in _OPERATIONS else unexpected(found[0])
    start = _from(found)
    cursor = Cursor(found, start + 1)
    names, within = _table(cursor, json=json)
    reading = Expressions(Cursor(found, 1), source, names)
    columns, select = _projection(reading, names, start)
    if reading.aggregated and reading.plain:
        raise S3Error(
            "UnsupportedSqlStructure", "Aggregate functions and values of records cannot stand side by side."
        )
    where = Expressions(cursor, source, names).condition() if cursor.accept("WHERE") else None
    limit = _limit(cursor.take()) if cursor.accept("LIMIT") else None
    if cursor.next.upper in _STRUCTURES:
        raise S3Error("UnsupportedSqlStructure")
    if cursor.next.kind is not Kind.END:
        raise unexpected(cursor.next)
    if reading.aggregated and limit == 0:
        limit = None  # it is a limit of records, and there is one result of any number
    return Statement(columns, select, where, limit, within)


def _from(found: list[Token]) -> int:
    depth = 0
    for at, token in enumerate(found):
        depth += {"(": 1, ")": -1}.get(token.upper, 0)
        if depth == 0 and token.upper == "FROM":
            return at
    raise S3Error("ParseSelectMissingFrom")


def _table(cursor: Cursor, *, json: bool) -> tuple[frozenset[str], str | None]:
    """By which names it goes, and the path to its records."""
    if cursor.next.upper == "(":
        raise S3Error("UnsupportedSqlStructure")
    steps = path(cursor)
    if steps[0].name.lower() != _TABLE:
        raise S3Error("ParseUnsupportedSyntax", "The FROM clause must name S3Object.")
    rest = steps[1:]
    if rest and rest[0].index is not None and rest[0].index < 0:
        rest = rest[1:]  # S3Object[*] is each record
    if rest and not json:
        raise S3Error("ParseUnsupportedSyntax", "A record of CSV has no parts.")
    names, given = {_TABLE}, cursor.accept("AS") is not None
    token = cursor.next
    if token.kind is Kind.NAME or (token.kind is Kind.WORD and token.upper not in RESERVED):
        cursor.take()
        names.add(token.value.lower())
    elif given:
        raise S3Error("InvalidTableAlias")
    if cursor.next.upper == ",":
        raise S3Error("UnsupportedSqlStructure")
    return frozenset(names), json_path(rest) if rest else None


def _projection(
    reading: Expressions, names: frozenset[str], end: int
) -> tuple[tuple[Column, ...] | None, tuple[str, ...]]:
    cursor = reading.cursor
    if cursor.at == end:
        raise S3Error("ParseEmptySelect")
    if cursor.accept("DISTINCT", "ALL"):
        raise S3Error("UnsupportedSqlStructure")
    if _is_all(cursor, names):
        if cursor.at != end:
            raise unexpected(cursor.next)
        return None, ()
    columns: list[Column] = []
    select: list[str] = []
    while True:
        value = reading.expression()
        name = _alias(cursor) or value.name or f"_{len(columns) + 1}"
        columns.append(Column(name, value.type))
        select.append(value.sql)
        if len(columns) > _MOST_COLUMNS:
            raise S3Error("ParseUnsupportedSyntax", "The SELECT clause is too long.")
        if not cursor.accept(","):
            break
    if cursor.at != end:
        raise unexpected(cursor.next)
    return tuple(columns), tuple(select)


def _is_all(cursor: Cursor, names: frozenset[str]) -> bool:
    """``*`` or ``s.*``, which is taken then."""
    if cursor.accept("*"):
        return True
    at = cursor.at
    if cursor.take().value.lower() in names and cursor.accept(".") and cursor.accept("*"):
        return True
    cursor.at = at
    return False


def _alias(cursor: Cursor) -> str | None:
    given = cursor.accept("AS") is not None
    token = cursor.next
    if token.kind is Kind.NAME or (token.kind is Kind.WORD and token.upper not in RESERVED):
        return cursor.take().value
    if given:
        raise unexpected(token)
    return None


def _limit(token: Token) -> int:
    if token.kind is not Kind.NUMBER or not token.value.isdigit() or len(token.value) > 18:
        raise S3Error("ParseExpectedNumber")
    return int(token.value)
