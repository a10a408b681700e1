"""The engine: DuckDB in memory, which is given one pipe and may open nothing else.

Imported by the process of one query alone (`child`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb

from weka_mp.s3.errors import S3Error
from weka_mp.s3.select_request import CsvInput, SelectRequest
from weka_mp.select.csv_head import look
from weka_mp.select.dialect import Column, Statement, translate
from weka_mp.select.feed import MAX_RECORD_BYTES, Feed
from weka_mp.select.fragments import Type, literal
from weka_mp.select.output import writer
from weka_mp.select.sources import MAX_COLUMNS, RECORD, CsvColumns, JsonRecords

__all__ = ["Query"]

_ROWS: Final = 1024  # that are fetched at once
_MEMORY: Final = "256MB"
_NO_VALUE: Final = "\x01\x02none\x03"  # text for which a field is no value, which none is
_SETTINGS: Final = (
    "SET allowed_paths=[{path}]", "SET autoinstall_known_extensions=false",
    "SET autoload_known_extensions=false", "SET allow_community_extensions=false", "SET temp_directory=''",
    "SET threads=1", f"SET memory_limit='{_MEMORY}'", "SET TimeZone='UTC'",
    "SET enable_external_access=false", "SET lock_configuration=true",
)  # fmt: skip
"""In this order: what comes behind a lock is refused."""


class Query:
    """One, over the object of one descriptor. Used once."""

    def __init__(self, fd: int, size: int, request: SelectRequest) -> None:
        self.feed = Feed(fd, size, request)
        self._request = request
        self._read, self._write = os.pipe()
        self._skipped = 0

    def texts(self) -> Iterator[str]:
        """Pieces of the result. Raises S3Error."""
        plan = self._plan()
        feeder = threading.Thread(target=self.feed.run, args=(self._write, self._skipped), daemon=True)
        feeder.start()
        try:
            yield from self._results(*plan)
        except duckdb.Error as error:
            raise self.feed.error or _spelt(error) from error
        except RecursionError as error:
            raise S3Error("JSONParsingError", "A JSON value is nested too deeply.") from error
        finally:
            os.close(self._read)
        feeder.join()
        if self.feed.error is not None:
            raise self.feed.error

    def _results(self, sql: str, columns: Sequence[Column], of_json: bool) -> Iterator[str]:
        write = writer(self._request.result, columns, of_json=of_json)
        with duckdb.connect(":memory:") as connection:
            for setting in _SETTINGS:
                connection.execute(setting.format(path=literal(self._path)))
            cursor = connection.execute(sql)
            while rows := cursor.fetchmany(_ROWS):
                yield write(rows)

    @property
    def _path(self) -> str:
        return f"/dev/fd/{self._read}"

    def _plan(self) -> tuple[str, Sequence[Column], bool]:
        """The engine's SQL, the columns of its result, and whether these are whole JSON records."""
        source = self._request.source
        if isinstance(source, CsvInput):
            return self._plan_csv(source)
        statement = translate(self._request.expression, JsonRecords(), json=True)
        layout = "newline_delimited" if source.lines else "unstructured"
        options = f"maximum_object_size={MAX_RECORD_BYTES}, format='{layout}'"
        relation = f"(SELECT json AS {RECORD} FROM read_json_objects({literal(self._path)}, {options}))"
        if statement.within is not None:
            relation = _within(relation, statement.within)
        columns = statement.columns
        return (
            statement.sql(relation, f"CAST(json_extract({RECORD}, '$') AS VARCHAR)"), columns or (),
            columns is None,
        )

    def _plan_csv(self, source: CsvInput) -> tuple[str, Sequence[Column], bool]:
        sample, whole = self.feed.sample()
        head = look(sample, source, whole=whole)
        self._skipped = head.skipped
        names = head.names if source.header == "USE" else None
        columns = CsvColumns(names)
        statement = translate(self._request.expression, columns, json=False)
        width = max(1, head.columns, columns.highest)
        if width > MAX_COLUMNS:
            raise S3Error("CSVParsingError", f"Records have more than {MAX_COLUMNS} columns.")
        return self._csv_sql(statement, source, width), _shown(statement, names, width), False

    def _csv_sql(self, statement: Statement, source: CsvInput, width: int) -> str:
        types = ", ".join(f"'_{number}': 'VARCHAR'" for number in range(1, width + 1))
        relation = (
            f"read_csv({literal(self._path)}, auto_detect=false, header=false, columns={{{types}}}, "
            f"delim={literal(source.delimiter)}, quote={literal(source.quote)}, "
            f"escape={literal(source.escape)}, null_padding=true, parallel=false, "
            f"nullstr={literal(_NO_VALUE)}, max_line_size={MAX_RECORD_BYTES})"
        )
        return statement.sql(relation, "*")


def _within(relation: str, path: str) -> str:
    """What lies at a path of each record is a record; with a wildcard each of those."""
    found = f"json_extract({RECORD}, {literal(path)})"
    if "[*]" in path:
        found = f"unnest({found})"
    return f"(SELECT {RECORD} FROM (SELECT {found} AS {RECORD} FROM {relation}) WHERE {RECORD} IS NOT NULL)"


def _shown(statement: Statement, names: Sequence[str] | None, width: int) -> Sequence[Column]:
    if statement.columns is not None:
        return statement.columns
    known = list(names or ())
    return [
        Column(known[at] if at < len(known) else f"_{at + 1}", Type.ANY) for at in range(width)
    ]


_WORDS: Final = (
    ("maximum line size", "OverMaxRecordSize"), ("max_line_size", "OverMaxRecordSize"),
    ("maximum_object_size", "OverMaxRecordSize"), ("unicode", "InvalidTextEncoding"),
    ("utf", "InvalidTextEncoding"), ("csv", "CSVParsingError"), ("json", "JSONParsingError"),
)  # fmt: skip
_KINDS: Final[tuple[tuple[Any, str], ...]] = (
    (duckdb.ConversionException, "CastFailed"), (duckdb.OutOfRangeException, "CastFailed"),
    (duckdb.OutOfMemoryException, "Busy"), (duckdb.BinderException, "ParseUnsupportedSyntax"),
)


def _spelt(error: duckdb.Error) -> S3Error:
    """In S3's words; the engine's own tell of a statement that the client did not write."""
    for kind, code in _KINDS:
        if isinstance(error, kind):
            return S3Error(code)
    text = str(error).lower()
    return S3Error(next((code for word, code in _WORDS if word in text), "InternalError"))
