"""Expressions of the dialect into the engine's SQL.

Nothing of what a client wrote reaches the engine but literals and names that are quoted anew: whatever the
engine could do besides, no expression says it. Source: «Operators», «Conditional functions» and «Aggregate
functions» of S3 Select's SQL reference.
"""

from __future__ import annotations

from typing import Final

from weka_mp.s3.errors import S3Error
from weka_mp.select.cursor import Cursor, unexpected
from weka_mp.select.fragments import Fragment, Type, compared, literal, too_complex
from weka_mp.select.functions import FUNCTIONS
from weka_mp.select.sources import Source, Step
from weka_mp.select.tokens import Kind

__all__ = ["AGGREGATES", "RESERVED", "Expressions"]

AGGREGATES: Final = frozenset({"AVG", "COUNT", "MAX", "MIN", "SUM"})
RESERVED: Final = frozenset({
    "ALL", "AND", "AS", "ASC", "BETWEEN", "BY", "CASE", "CROSS", "DELETE", "DESC", "DISTINCT", "DROP",
    "ELSE", "END", "ESCAPE", "EXISTS", "EXCEPT", "FROM", "FULL", "GROUP", "HAVING", "IN", "INNER",
    "INSERT", "INTERSECT", "INTO", "IS", "JOIN", "LEFT", "LIKE", "LIMIT", "MISSING", "NATURAL", "NOT",
    "NULL", "OFFSET", "ON", "OR", "ORDER", "OUTER", "RIGHT", "SELECT", "THEN", "UNION", "UPDATE", "USING",
    "VALUES", "WHEN", "WHERE", "WITH",
})
"""Words that are no names unless they stand in quotes."""

_COMPARISONS: Final = {"=": "=", "!=": "<>", "<>": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_MOST_MADE: Final = 16 * 1024 * 1024  # characters, with those that are parts of others
_PLAIN_DIGITS: Final = 18  # of a number that any integer type holds


class Expressions:
    """Reads expressions at a cursor. names: of the one table there is, in lower case.

    aggregated: whether an aggregate was read, plain: whether a value of a record outside of one.
    """

    def __init__(self, cursor: Cursor, source: Source, names: frozenset[str]) -> None:
        self.cursor = cursor
        self._source = source
        self._names = names
        self.aggregated = False
        self.plain = False
        self._inside = False
        self._no_aggregates = False
        self._made = 0

    def condition(self) -> str:
        """Of WHERE."""
        self._no_aggregates = True
        return self.expression().truth

    def expression(self) -> Fragment:
        """Raises S3Error."""
        self.cursor.deeper()
        found = self._and()
        while self.cursor.accept("OR"):
            found = self._counted(Fragment(f"({found.truth} OR {self._and().truth})", Type.BOOL))
        self.cursor.back()
        return self._counted(found)

    def _counted(self, made: Fragment) -> Fragment:
        """All that is made takes a bounded time and room. Raises S3Error."""
        self._made += len(made.sql)
        if self._made > _MOST_MADE:
            raise too_complex()
        return made

    def _and(self) -> Fragment:
        found = self._not()
        while self.cursor.accept("AND"):
            found = self._counted(Fragment(f"({found.truth} AND {self._not().truth})", Type.BOOL))
        return found

    def _not(self) -> Fragment:
        if self.cursor.accept("NOT"):
            self.cursor.deeper()
            found = Fragment(f"(NOT {self._not().truth})", Type.BOOL)
            self.cursor.back()
            return found
        return self._comparison()

    def _comparison(self) -> Fragment:
        one = self._sum()
        sign = self.cursor.accept(*_COMPARISONS)
        if sign is not None:
            return Fragment(compared(one, _COMPARISONS[sign], self._sum()), Type.BOOL)
        if self.cursor.accept("IS"):
            return self._is(one)
        no = "NOT " if self.cursor.accept("NOT") else ""
        word = self.cursor.accept("LIKE", "BETWEEN", "IN")
        if word is None:
            if no:
                raise unexpected(self.cursor.next)
            return one
        made = {"LIKE": self._like, "BETWEEN": self._between, "IN": self._in}[word](one)
        return Fragment(f"({no}{made})", Type.BOOL)

    def _is(self, one: Fragment) -> Fragment:
        no = "NOT " if self.cursor.accept("NOT") else ""
        if self.cursor.accept("MISSING"):
            return Fragment(f"({one.sql} IS {no}NULL)", Type.BOOL)
        self.cursor.expect("NULL")
        given = one.text if one.unknown else one.sql
        return Fragment(f"({given} IS {no}NULL)", Type.BOOL)

    def _like(self, one: Fragment) -> str:
        pattern = self._sum().text
        if not self.cursor.accept("ESCAPE"):
            return f"({one.text} LIKE {pattern})"
        token = self.cursor.take()
        if token.kind is not Kind.TEXT or len(token.value) != 1:
            raise unexpected(token)
        return f"({one.text} LIKE {pattern} ESCAPE {literal(token.value)})"

    def _between(self, one: Fragment) -> str:
        low = self._sum()
        self.cursor.expect("AND")
        return f"({compared(one, '>=', low)} AND {compared(one, '<=', self._sum())})"

    def _in(self, one: Fragment) -> str:
        self.cursor.expect("(")
        if self.cursor.next.upper == "SELECT":
            raise S3Error("UnsupportedSqlStructure")
        each = [self._equal(one)]
        while self.cursor.accept(","):
            each.append(self._equal(one))
        self.cursor.expect(")")
        return f"({' OR '.join(each)})"

    def _equal(self, one: Fragment) -> str:
        return self._counted(Fragment(compared(one, "=", self.expression()), Type.BOOL)).sql

    def _sum(self) -> Fragment:
        found = self._product()
        while (sign := self.cursor.accept("+", "-", "||")) is not None:
            other = self._product()
            if sign == "||":
                found = Fragment(f"({found.text} || {other.text})", Type.TEXT)
            else:
                found = Fragment(f"({found.number} {sign} {other.number})", Type.NUMBER)
            self._counted(found)
        return found

    def _product(self) -> Fragment:
        found = self._signed()
        while (sign := self.cursor.accept("*", "/", "%")) is not None:
            by = self._signed().number
            # NULL, as of values of records: one record with a zero is no reason to end the query.
            by = f"nullif({by}, 0)" if sign == "%" else by
            found = self._counted(Fragment(f"({found.number} {sign} {by})", Type.NUMBER))
        return found

    def _signed(self) -> Fragment:
        sign = self.cursor.accept("-", "+")
        if sign is None:
            return self._primary()
        self.cursor.deeper()
        found = Fragment(f"({sign}{self._signed().number})", Type.NUMBER)
        self.cursor.back()
        return found

    # ---- what cannot be taken apart
    def _primary(self) -> Fragment:
        token = self.cursor.next
        match token.kind:
            case Kind.TEXT:
                self.cursor.take()
                return Fragment(literal(token.value), Type.TEXT)
            case Kind.NUMBER:
                self.cursor.take()
                return Fragment(_number(token.value), Type.NUMBER)
            case Kind.NAME:
                return self._path()
            case Kind.WORD:
                return self._word(token.upper)
        if self.cursor.accept("("):
            if self.cursor.next.upper == "SELECT":
                raise S3Error("UnsupportedSqlStructure")
            found = self.expression()
            self.cursor.expect(")")
            return found
        raise unexpected(token)

    def _word(self, word: str) -> Fragment:
        if word in ("TRUE", "FALSE"):
            self.cursor.take()
            return Fragment(word, Type.BOOL)
        if word in ("NULL", "MISSING"):
            self.cursor.take()
            return Fragment("NULL", Type.TEXT)
        if word == "CASE":
            self.cursor.take()
            return self._case()
        if word in RESERVED:
            raise unexpected(self.cursor.next)
        at = self.cursor.at
        self.cursor.take()
        if not self.cursor.accept("("):
            self.cursor.at = at
            return self._path()
        if word in AGGREGATES:
            return self._aggregate(word)
        if word not in FUNCTIONS:
            raise S3Error("UnsupportedFunction", f"Unsupported function: {word[:64]}.")
        self.cursor.deeper()
        found = FUNCTIONS[word](self)
        self.cursor.expect(")")
        self.cursor.back()
        return found

    def _aggregate(self, word: str) -> Fragment:
        if self._inside or self._no_aggregates:
            raise S3Error("UnsupportedSqlStructure", "An aggregate function cannot stand there.")
        self.aggregated = self._inside = True
        if self.cursor.accept("DISTINCT", "ALL"):
            raise S3Error("UnsupportedSqlOperation", "Aggregates of distinct values are not supported.")
        if word == "COUNT" and self.cursor.accept("*"):
            made = Fragment("COUNT(*)", Type.NUMBER)
        else:
            made = _over(word, self.expression())
        self.cursor.expect(")")
        self._inside = False
        return made

    def _case(self) -> Fragment:
        self.cursor.deeper()
        subject = None if self.cursor.next.upper == "WHEN" else self.expression()
        parts: list[str] = []
        while self.cursor.accept("WHEN"):
            test = self.expression().truth if subject is None else self._equal(subject)
            self.cursor.expect("THEN")
            parts.append(f"WHEN {test} THEN {self.expression().text}")
        if not parts:
            raise unexpected(self.cursor.next)
        if self.cursor.accept("ELSE"):
            parts.append(f"ELSE {self.expression().text}")
        self.cursor.expect("END")
        self.cursor.back()
        return Fragment(f"(CASE {' '.join(parts)} END)", Type.TEXT)

    def _path(self) -> Fragment:
        steps = path(self.cursor)
        if len(steps) > 1 and steps[0].name.lower() in self._names and steps[1].index is None:
            steps = steps[1:]
        if any(step.index is not None and step.index < 0 for step in steps):
            raise S3Error("ParseUnsupportedSyntax", "A wildcard can stand in the FROM clause alone.")
        self.plain = self.plain or not self._inside
        return self._source.value(steps)


def path(cursor: Cursor) -> list[Step]:
    """``a.b[0]."c"[*]``; of a wildcard the index is -1. Raises S3Error."""
    steps = [_name(cursor)]
    while (sign := cursor.accept(".", "[")) is not None:
        if sign == ".":
            steps.append(_name(cursor))
            continue
        token = cursor.take()
        if token.kind is Kind.NUMBER and token.value.isdigit() and len(token.value) <= 9:
            steps.append(Step(steps[-1].name, index=int(token.value)))
        elif token.kind is Kind.TEXT:
            steps.append(Step(token.value, exact=True))
        elif token.upper == "*":
            steps.append(Step(steps[-1].name, index=-1))
        else:
            raise unexpected(token)
        cursor.expect("]")
    return steps


def _name(cursor: Cursor) -> Step:
    token = cursor.take()
    if token.kind is Kind.NAME and token.value:
        return Step(token.value, exact=True)
    if token.kind is Kind.WORD and token.upper not in RESERVED:
        return Step(token.value)
    raise unexpected(token)


def _number(text: str) -> str:
    if text.isdigit() and len(text) <= _PLAIN_DIGITS:
        return text
    if len(text) > 64:
        raise S3Error("LexerInvalidLiteral")
    return f"CAST('{text}' AS DOUBLE)"


def _over(word: str, value: Fragment) -> Fragment:
    if word == "COUNT":
        return Fragment(f"COUNT({value.text if value.unknown else value.sql})", Type.NUMBER)
    if word in ("MIN", "MAX") and value.type in (Type.TEXT, Type.TIME):
        return Fragment(f"{word}({value.sql})", value.type)
    return Fragment(f"{word}({value.number})", Type.NUMBER)
