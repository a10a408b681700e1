"""The functions of the dialect, but aggregates: each reads its arguments and says them in the engine's SQL.

Source: «Functions» of S3 Select's SQL reference. Dates are UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from weka_mp.s3.errors import S3Error
from weka_mp.select.cursor import unexpected
from weka_mp.select.fragments import Fragment, Type, compared
from weka_mp.select.tokens import Kind

if TYPE_CHECKING:
    from weka_mp.select.expressions import Expressions

__all__ = ["FUNCTIONS", "cast"]

_PARTS: Final = {
    "YEAR": "to_years", "MONTH": "to_months", "DAY": "to_days", "HOUR": "to_hours", "MINUTE": "to_minutes",
    "SECOND": "to_seconds",
}  # fmt: skip
_TYPES: Final = {
    "BOOL": ("BOOLEAN", Type.BOOL), "BOOLEAN": ("BOOLEAN", Type.BOOL), "INT": ("BIGINT", Type.NUMBER),
    "INTEGER": ("BIGINT", Type.NUMBER), "STRING": ("VARCHAR", Type.TEXT), "FLOAT": ("DOUBLE", Type.NUMBER),
    "DECIMAL": ("DECIMAL", Type.NUMBER), "NUMERIC": ("DECIMAL", Type.NUMBER),
    "TIMESTAMP": ("TIMESTAMP", Type.TIME),
}  # fmt: skip
_MAX_DIGITS: Final = 38


def cast(of: Expressions) -> Fragment:
    """CAST(x AS type); what cannot be converted ends the query with CastFailed."""
    value = of.expression()
    of.cursor.expect("AS")
    token = of.cursor.take()
    if token.upper not in _TYPES:
        raise S3Error("ParseExpectedTypeName")
    name, kind = _TYPES[token.upper]
    if name == "DECIMAL":
        name = f"DECIMAL{_digits(of)}"
    given = value.text if value.unknown else value.sql
    return Fragment(f"CAST({given} AS {name})", kind, name=value.name)


def _digits(of: Expressions) -> str:
    """Precision and scale."""
    numbers = []
    if of.cursor.accept("("):
        while True:
            numbers.append(_integer(of))
            if not of.cursor.accept(","):
                break
        of.cursor.expect(")")
    precision, scale = (*numbers, 0)[:2] if numbers else (_MAX_DIGITS, 10)
    if len(numbers) > 2 or not 1 <= precision <= _MAX_DIGITS or scale > precision:
        raise S3Error("ParseInvalidTypeParam")
    return f"({precision}, {scale})"


def _integer(of: Expressions) -> int:
    token = of.cursor.take()
    if token.kind is not Kind.NUMBER or not token.value.isdigit() or len(token.value) > 9:
        raise S3Error("ParseExpectedNumber")
    return int(token.value)


def _of_text(sql: str, kind: Type) -> Callable[[Expressions], Fragment]:
    return lambda of: Fragment(sql.format(of.expression().text), kind)


def _coalesce(of: Expressions) -> Fragment:
    found = _list(of)
    return Fragment(f"COALESCE({', '.join(_alike(found))})", _common(found))


def _list(of: Expressions) -> list[Fragment]:
    found = [of.expression()]
    while of.cursor.accept(","):
        found.append(of.expression())
    return found


def _common(found: list[Fragment]) -> Type:
    types = {each.type for each in found if each.sql != "NULL"}
    return types.pop() if len(types) == 1 and not types & {Type.ANY, Type.JSON} else Type.TEXT


def _alike(found: list[Fragment]) -> list[str]:
    if _common(found) is Type.TEXT:
        return [each.text for each in found]
    return [each.sql for each in found]


def _nullif(of: Expressions) -> Fragment:
    one = of.expression()
    of.cursor.expect(",")
    same = compared(one, "=", of.expression())
    return Fragment(f"(CASE WHEN {same} THEN NULL ELSE {one.sql} END)", one.type, _unless(same, one))


def _unless(same: str, one: Fragment) -> str | None:
    return None if one.as_text is None else f"(CASE WHEN {same} THEN NULL ELSE {one.as_text} END)"


def _substring(of: Expressions) -> Fragment:
    text = of.expression().text
    if not of.cursor.accept("FROM", ","):
        raise unexpected(of.cursor.next)
    start = f"CAST({of.expression().number} AS BIGINT)"
    if not of.cursor.accept("FOR", ","):
        return Fragment(f"substring({text}, greatest({start}, 1))", Type.TEXT)
    size = f"CAST({of.expression().number} AS BIGINT)"
    left = f"greatest({size} + least({start}, 1) - 1, 0)"
    return Fragment(f"substring({text}, greatest({start}, 1), {left})", Type.TEXT)


def _trim(of: Expressions) -> Fragment:
    side = of.cursor.accept("LEADING", "TRAILING", "BOTH")
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(side or "", "trim")
    if of.cursor.accept("FROM"):
        return Fragment(f"{name}({of.expression().text})", Type.TEXT)
    first = of.expression()
    if of.cursor.accept("FROM"):
        return Fragment(f"{name}({of.expression().text}, {first.text})", Type.TEXT)
    return Fragment(f"{name}({first.text})", Type.TEXT)


def _part(of: Expressions) -> str:
    token = of.cursor.take()
    if token.upper not in _PARTS:
        raise S3Error("ParseUnsupportedSyntax", f"Unsupported date part: {token.value[:32]!r}.")
    return token.upper


def _extract(of: Expressions) -> Fragment:
    part = _part(of)
    of.cursor.expect("FROM")
    return Fragment(f"EXTRACT({part} FROM {of.expression().time})", Type.NUMBER)


def _date_add(of: Expressions) -> Fragment:
    part = _part(of)
    of.cursor.expect(",")
    count = f"CAST({of.expression().number} AS INTEGER)"
    of.cursor.expect(",")
    return Fragment(f"({of.expression().time} + {_PARTS[part]}({count}))", Type.TIME)


def _date_diff(of: Expressions) -> Fragment:
    part = _part(of)
    of.cursor.expect(",")
    first = of.expression().time
    of.cursor.expect(",")
    return Fragment(f"date_sub('{part}', {first}, {of.expression().time})", Type.NUMBER)


def _to_timestamp(of: Expressions) -> Fragment:
    given = of.expression().text
    # A month or a year is a time, too: ``2007T``, ``2007-02T`` (S3 Select, «TIMESTAMP»).
    whole = (
        f"(CASE WHEN regexp_matches({given}, '^[0-9]{{4}}T$') THEN replace({given}, 'T', '-01-01') "
        f"WHEN regexp_matches({given}, '^[0-9]{{4}}-[0-9]{{2}}T$') THEN replace({given}, 'T', '-01') "
        f"WHEN regexp_matches({given}, '^[0-9-]+T$') THEN replace({given}, 'T', '') ELSE {given} END)"
    )
    return Fragment(f"CAST({whole} AS TIMESTAMP)", Type.TIME)


def _utcnow(of: Expressions) -> Fragment:
    return Fragment("make_timestamp(epoch_us(get_current_timestamp()))", Type.TIME)


FUNCTIONS: Final[dict[str, Callable[[Expressions], Fragment]]] = {
    "CAST": cast,
    "CHAR_LENGTH": _of_text("length({})", Type.NUMBER),
    "CHARACTER_LENGTH": _of_text("length({})", Type.NUMBER),
    "COALESCE": _coalesce,
    "DATE_ADD": _date_add,
    "DATE_DIFF": _date_diff,
    "EXTRACT": _extract,
    "LOWER": _of_text("lower({})", Type.TEXT),
    "NULLIF": _nullif,
    "SUBSTRING": _substring,
    "TO_TIMESTAMP": _to_timestamp,
    "TRIM": _trim,
    "UPPER": _of_text("upper({})", Type.TEXT),
    "UTCNOW": _utcnow,
}
"""Name → what reads what stands between its brackets."""
