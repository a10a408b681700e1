"""What the beginning of a CSV object tells: the names in its header, and how many columns records have."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from weka_mp.s3.errors import S3Error
from weka_mp.s3.select_request import CsvInput

__all__ = ["Head", "look"]

_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Head:
    """names: of the first record. skipped: bytes up to the first one that is data. columns: as many as any
    record of the beginning has.
    """

    names: tuple[str, ...]
    skipped: int
    columns: int


def look(sample: bytes, dialect: CsvInput, *, whole: bool) -> Head:
    """sample: the beginning; whole: it is everything. Raises S3Error OverMaxRecordSize."""
    start = len(_MARK) if sample.startswith(_MARK) else 0
    begin, end = _first(sample, start, dialect, whole=whole)
    names = next(_rows(sample[begin:end], dialect), [])
    if dialect.header == "NONE":
        end = start
    cut = len(sample) if whole else sample.rfind(b"\n") + 1
    widths = (len(row) for row in _rows(sample[start:cut], dialect))
    return Head(tuple(names), end, max(widths, default=0))


def _first(sample: bytes, start: int, dialect: CsvInput, *, whole: bool) -> tuple[int, int]:
    """Where the first record begins and ends."""
    last = start
    for begin, end in _records(sample, start, dialect):
        if not _is_comment(sample, begin, dialect):
            return begin, end
        last = end
    if not whole:
        raise S3Error("OverMaxRecordSize")
    return last, len(sample)


def _is_comment(sample: bytes, begin: int, dialect: CsvInput) -> bool:
    first = sample[begin : begin + 1]
    return first in (b"\n", b"\r") or (dialect.comments != "" and first == dialect.comments.encode())


def _records(sample: bytes, start: int, dialect: CsvInput) -> Iterator[tuple[int, int]]:
    """Where each begins and ends, the end of its line included; one that does not end is left out."""
    quote, escape = dialect.quote.encode(), dialect.escape.encode()
    begin = at = start
    while (newline := sample.find(b"\n", at)) >= 0:
        at = newline + 1
        line = sample[begin:newline]
        marks = line.count(quote)
        if escape != quote:
            marks -= line.count(escape + quote)
        if marks % 2 == 0 or _is_comment(sample, begin, dialect):
            yield begin, at
            begin = at


def _rows(data: bytes, dialect: CsvInput) -> Iterator[list[str]]:
    same = dialect.escape == dialect.quote
    options: dict[str, Any] = {
        "delimiter": dialect.delimiter, "quotechar": dialect.quote, "doublequote": same,
        "escapechar": None if same else dialect.escape,
    }  # fmt: skip
    try:
        yield from csv.reader(io.StringIO(data.decode("utf-8", "replace"), newline=""), **options)
    except csv.Error:
        return  # the engine says what is wrong with it, should it come so far
