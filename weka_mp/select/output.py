"""Rows of the engine as CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from weka_mp.s3.select_request import CsvOutput, JsonOutput
from weka_mp.select.dialect import Column
from weka_mp.select.fragments import Type

__all__ = ["writer"]

Row = Sequence[Any]
Writer = Callable[[Sequence[Row]], str]
_WHOLE: Final = 1 << 53  # a float below has no fraction that it cannot show
_STRINGS: Final = frozenset({Type.ANY, Type.TEXT})
_quoted: Final = json.encoder.encode_basestring


def writer(result: CsvOutput | JsonOutput, columns: Sequence[Column], *, of_json: bool) -> Writer:
    """What writes rows. of_json: there is one column, a whole JSON record."""
    if isinstance(result, CsvOutput):
        return _csv_writer(result, columns, of_json=of_json)
    if not of_json:
        return _json_writer(result, columns)
    end = result.end

    def write(rows: Sequence[Row]) -> str:
        return "".join((text if text.startswith("{") else f'{{"_1":{text}}}') + end for (text,) in rows)

    return write


def _csv_writer(result: CsvOutput, columns: Sequence[Column], *, of_json: bool) -> Writer:
    same = result.escape == result.quote
    # A line whose end is no end of a line is for nobody's quotes but ours.
    options: dict[str, Any] = {
        "delimiter": result.delimiter, "quotechar": result.quote, "doublequote": same,
        "escapechar": None if same else result.escape, "lineterminator": result.end,
        "quoting": csv.QUOTE_ALL if result.always else csv.QUOTE_MINIMAL,
    }  # fmt: skip
    strings = all(column.type in _STRINGS for column in columns)
    whole = all(column.type is Type.ANY for column in columns)

    def write(rows: Sequence[Row]) -> str:
        made = io.StringIO(newline="")
        out = csv.writer(made, **options)
        for row in rows:
            texts: Sequence[str | None] = row
            if of_json:
                texts = _values(row[0])
            elif not strings:
                texts = [_text(value, column.type) for value, column in zip(row, columns, strict=True)]
            elif whole and row[-1] is None:
                texts = _shortened(row)
            if len(texts) == 1 and not texts[0] and not result.always:
                made.write(result.end)  # not two quotes
            else:
                out.writerow(texts)
        return made.getvalue()

    return write


def _shortened(row: Row) -> Row:
    """A record that was shorter than others stays so."""
    end = len(row)
    while end > 1 and row[end - 1] is None:
        end -= 1
    return row[:end]


def _values(record: str) -> list[str | None]:
    value = json.loads(record)
    each = value.values() if isinstance(value, dict) else [value]
    return [one if isinstance(one, str) else _scalar(one) for one in each]


def _scalar(value: Any) -> str | None:
    if value is None:
        return None
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _text(value: Any, kind: Type) -> str | None:
    if value is None or isinstance(value, str):
        if kind is not Type.JSON or value is None:
            return value
        if not value.startswith('"'):
            return None if value == "null" else value
        return str(json.loads(value))
    return _plain(value)


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < _WHOLE:
            return str(int(value))
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.isoformat() + "Z"
        case _:
            return str(value)


def _json_writer(result: JsonOutput, columns: Sequence[Column]) -> Writer:
    names = [_quoted(column.name) + ":" for column in columns]
    kinds = [column.type for column in columns]

    def one(row: Row) -> str:
        parts = [
            name + (_quoted(value) if kind in _STRINGS and value is not None else _json(value, kind))
            for name, value, kind in zip(names, row, kinds, strict=True)
            # What a record does not have, its result has not, either.
            if value is not None or kind not in (Type.ANY, Type.JSON)
        ]
        return "{" + ",".join(parts) + "}" + result.end

    return lambda rows: "".join(map(one, rows))


def _json(value: Any, kind: Type) -> str:
    if kind is Type.JSON:
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, str | datetime):
        return _quoted(value if isinstance(value, str) else _plain(value))
    shown = _plain(value)
    return shown if shown not in ("nan", "inf", "-inf") else "null"
