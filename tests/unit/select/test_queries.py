"""The dialect and its engine, in this process: what queries answer, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from weka_mp.s3.errors import S3Error
from weka_mp.s3.select_request import CsvInput, CsvOutput, JsonInput, JsonOutput, ScanRange, SelectRequest
from weka_mp.select.dialect import check
from weka_mp.select.engine import Query
from weka_mp.select.plan import decode, encode

CSV = b'name,age,city\nann,30,"New, York"\nbob,5,Rome\n#c,1,2\ncid,40\n"d""e",1,a#b\n'
LINES = b'{"a":1,"b":{"c":[1,2]},"s":"x"}\n{"a":10,"s":null}\n{"b":{"c":[]}}\n'
USE = CsvInput("USE")
NONE = CsvInput()
OF_LINES = JsonInput(True)
DOCUMENT = JsonInput(False)
AS_JSON = JsonOutput()
OBJECTS = {
    "csv": CSV, "gz": gzip.compress(CSV) + gzip.compress(b"eve,1,x\n"), "bz": bz2.compress(CSV),
    "cut.gz": gzip.compress(CSV)[:-12], "lines": LINES, "document": b'{"p":[{"n":1},\n{"n":2}]} {"p":[]}',
    "empty": b"", "wide": b"a,b\n1,2,3,4\n5\n", "latin": b"a,\xff\n", "broken": b'{"a":1}\nno json\n',
    "long": b"x" * 3_000_000, "many": b"".join(b"%d,abc\n" % n for n in range(60_000)), "zeros": b"\0" * 9,
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for key, body in OBJECTS.items():
        (tmp_path / key).write_bytes(body)
    return tmp_path


def selected(
    place: Path, key: str, expression: str, source: Any, result: Any = None, compression: str = "NONE",
    scan: ScanRange | None = None,
) -> str:
    request = SelectRequest(expression, source, result or CsvOutput(), compression, False, scan)
    fd = os.open(place / key, os.O_RDONLY)
    try:
        line = encode(fd, os.fstat(fd).st_size, request)
        assert decode(line) == (fd, os.fstat(fd).st_size, request)
        return "".join(Query(*decode(line)).texts())
    finally:
        os.close(fd)


def refused(*arguments: Any, **more: Any) -> str:
    with pytest.raises(S3Error) as caught:
        selected(*arguments, **more)
    return caught.value.code


def test_whole_records(place: Path) -> None:
    """One that is shorter stays so, a comment is none, and what looks like one in a field is text."""
    wanted = 'name,age,city\nann,30,"New, York"\nbob,5,Rome\ncid,40\n"d""e",1,a#b\n'
    assert selected(place, "csv", "SELECT * FROM S3Object", NONE) == wanted
    assert selected(place, "csv", "SELECT s.* FROM S3Object s LIMIT 1", USE) == 'ann,30,"New, York"\n'
    as_json = selected(place, "csv", "select * from s3object where age = 40", USE, AS_JSON)
    assert json.loads(as_json) == {"name": "cid", "age": "40"}
    assert selected(place, "wide", "SELECT * FROM S3Object", NONE) == "a,b\n1,2,3,4\n5\n"
    assert selected(place, "empty", "SELECT * FROM S3Object", NONE) == ""
    assert selected(place, "lines", "SELECT * FROM S3Object[*] s", OF_LINES, AS_JSON) == LINES.decode()


@pytest.mark.parametrize(("expression", "wanted"), [
    ("count(*)", "4"), ("sum(cast(age as int)), avg(age), min(age), max(age)", "76,19,1,40"),
    ("count(city)", "3"), ("max(cast(name as string))", "d\"e"),
])
def test_aggregates(place: Path, expression: str, wanted: str) -> None:
    shown = wanted.replace('d"e', '"d""e"')
    assert selected(place, "csv", f"SELECT {expression} FROM S3Object", USE) == shown + "\n"


@pytest.mark.parametrize(("where", "names"), [
    ("age > 9", "ann cid"), ("cast(age as int) between 5 and 30", "ann bob"), ("name like '_i%'", "cid"),
    ("name not like 'a%' and age >= 5", "bob cid"), ("city is null", "cid"), ("city = 'New, York'", "ann"),
    ("name in ('ann', 'cid')", "ann cid"), ("not (age < 30)", "ann cid"), ("s._1 = 'bob'", "bob"),
    ("lower(upper(name)) || 'x' = 'bobx'", "bob"), ("s.\"name\" = 'bob'", "bob"), ("NAME = 'bob'", "bob"),
    ("age * 2 + 1 = 11", "bob"), ("age % 2 = 1", "bob d\"e"), ("-age < -30", "cid"),
    ("name > 'b'", "bob cid d\"e"),
    ("char_length(city) = 4", "bob"), ("substring(name, 2, 1) = 'o'", "bob"), ("age = 5.0", "bob"),
    ("trim(leading 'a' from name) = 'nn'", "ann"), ("nullif(name, 'bob') is null", "bob"),
    ("coalesce(city, 'none') = 'none'", "cid"), ("name like '%''%' or name = 'bob'", "bob"),
    ("case when age > 9 then 'o' else 'y' end = 'y'", "bob d\"e"),
    ("to_timestamp('2020-02T') < to_timestamp('2020-03-01T00:00:00Z') and age = 5", "bob"),
    ("extract(year from date_add(month, 1, to_timestamp('2019-12-31T'))) = 2020 and age = 5", "bob"),
    ("date_diff(day, to_timestamp('2020-02-28T'), to_timestamp('2020-03-01T')) = 2 and age = 5", "bob"),
    ("utcnow() > to_timestamp('2020T') and age = 5", "bob"), ("name = '''; drop table x; --'", ""),
])
def test_conditions(place: Path, where: str, names: str) -> None:
    found = selected(place, "csv", f"SELECT name FROM S3Object s WHERE {where}", USE, AS_JSON)
    assert [json.loads(line)["name"] for line in found.splitlines()] == names.split()


def test_json(place: Path) -> None:
    paths = "SELECT s.a, s.b.c[1] AS x, s['s'] FROM S3Object s"
    assert selected(place, "lines", paths, OF_LINES, AS_JSON) == (
        '{"a":1,"x":2,"s":"x"}\n{"a":10,"s":null}\n{}\n'
    )
    assert selected(place, "lines", "SELECT s.a, s.b.c FROM S3Object s", OF_LINES) == '1,"[1,2]"\n10,\n,[]\n'
    assert selected(place, "lines", "SELECT a FROM S3Object WHERE a > 2", OF_LINES) == "10\n"
    missing = "SELECT COUNT(*) FROM S3Object s WHERE s.s IS {}"
    assert selected(place, "lines", missing.format("MISSING"), OF_LINES) == "1\n"
    assert selected(place, "lines", missing.format("NULL"), OF_LINES) == "2\n"
    of_parts = "SELECT p.n FROM S3Object[*].p[*] p"
    assert selected(place, "document", of_parts, DOCUMENT, AS_JSON) == '{"n":1}\n{"n":2}\n'


def test_compression_and_ranges(place: Path) -> None:
    first = "SELECT _1 FROM S3Object"
    assert selected(place, "gz", first, NONE, compression="GZIP").endswith("eve\n")
    assert selected(place, "bz", first, NONE, compression="BZIP2").startswith("name\nann\n")
    assert refused(place, "csv", first, NONE, compression="GZIP") == "InvalidCompressionFormat"
    assert refused(place, "cut.gz", first, NONE, compression="GZIP") == "TruncatedInput"
    lines = OBJECTS["many"].decode().splitlines()
    for start, end in ((0, 0), (0, 6), (1, 5), (1, 6), (100, 5000), (7, 7)):
        offsets, at = [], 0
        for line in lines[:2000]:
            offsets.append(at)
            at += len(line) + 1
        wanted = [line.split(",")[0] for line, at in zip(lines, offsets, strict=False) if start <= at <= end]
        got = selected(place, "many", first, NONE, scan=ScanRange(start, end))
        assert got.split() == wanted, (start, end)
    assert refused(place, "csv", first, NONE, scan=ScanRange(10_000, None)) == "InvalidScanRange"


def test_output(place: Path) -> None:
    written = CsvOutput(True, ";", "|", "'", "\\")
    quoted = selected(place, "csv", "SELECT _1, 'it''s' FROM S3Object LIMIT 1", NONE, written)
    assert quoted == "'name';'it\\'s'|"
    assert selected(place, "many", "SELECT * FROM S3Object", NONE).encode() == OBJECTS["many"]


@pytest.mark.parametrize(("key", "expression", "source", "code"), [
    ("csv", "SELECT nope FROM S3Object", USE, "MissingHeaders"),
    ("csv", "SELECT nope FROM S3Object", NONE, "InvalidColumnIndex"),
    ("csv", "SELECT CAST(name AS INT) FROM S3Object", USE, "CastFailed"),
    ("latin", "SELECT * FROM S3Object", NONE, "InvalidTextEncoding"),
    ("broken", "SELECT * FROM S3Object", OF_LINES, "JSONParsingError"),
    ("long", "SELECT * FROM S3Object", NONE, "OverMaxRecordSize"),
])
def test_objects_that_are_not_what_was_said(
    place: Path, key: str, expression: str, source: Any, code: str
) -> None:
    assert refused(place, key, expression, source) == code


@pytest.mark.parametrize(
    ("key", "source"), [("zeros", NONE), ("zeros", OF_LINES), ("csv", OF_LINES), ("gz", NONE)]
)
def test_nonsense_is_an_error_or_an_answer(place: Path, key: str, source: Any) -> None:
    try:
        selected(place, key, "SELECT * FROM S3Object", source)
    except S3Error as error:
        assert error.code in ("InvalidTextEncoding", "JSONParsingError", "CSVParsingError")


@pytest.mark.parametrize(("expression", "code"), [
    ("SELECT * FROM read_csv('/etc/passwd')", "ParseUnsupportedSyntax"),
    ("SELECT * FROM '/etc/passwd'", "ParseUnexpectedToken"),
    ("SELECT read_text('/etc/passwd') FROM S3Object", "UnsupportedFunction"),
    ("SELECT getenv('HOME') FROM S3Object", "UnsupportedFunction"),
    ("SELECT * FROM S3Object; ATTACH 'x'", "ParseUnexpectedToken"),
    ("ATTACH 'x' AS y", "UnsupportedSqlOperation"),
    ("COPY (SELECT 1) TO '/tmp/x'", "UnsupportedSqlOperation"),
    ("INSTALL httpfs", "UnsupportedSqlOperation"), ("SET memory_limit = '9GB'", "UnsupportedSqlOperation"),
    ("PRAGMA database_list", "UnsupportedSqlOperation"), ("DROP TABLE x", "UnsupportedSqlOperation"),
    ("SELECT * FROM S3Object, S3Object", "UnsupportedSqlStructure"),
    ("SELECT * FROM S3Object JOIN S3Object b", "UnsupportedSqlStructure"),
    ("SELECT * FROM (SELECT * FROM S3Object)", "UnsupportedSqlStructure"),
    ("SELECT (SELECT 1 FROM S3Object) FROM S3Object", "UnsupportedSqlStructure"),
    ("SELECT * FROM S3Object s WHERE s._1 IN (SELECT 1)", "UnsupportedSqlStructure"),
    ("SELECT * FROM S3Object ORDER BY _1", "UnsupportedSqlStructure"),
    ("SELECT _1 FROM S3Object GROUP BY _1", "UnsupportedSqlStructure"),
    ("SELECT _1, COUNT(*) FROM S3Object", "UnsupportedSqlStructure"),
    ("SELECT * FROM S3Object WHERE COUNT(*) > 1", "UnsupportedSqlStructure"),
    ("SELECT SUM(SUM(_1)) FROM S3Object", "UnsupportedSqlStructure"),
    ("SELECT COUNT(DISTINCT _1) FROM S3Object", "UnsupportedSqlOperation"),
    ("SELECT FROM S3Object", "ParseEmptySelect"),
    ("SELECT 1", "ParseSelectMissingFrom"),
    ("", "ParseUnexpectedToken"),
    ("SELECT 'x FROM S3Object", "LexerInvalidLiteral"), ("SELECT \u00e4 FROM S3Object", "LexerInvalidChar"),
    ("SELECT * FROM S3Object -- x", "ParseUnexpectedToken"),
    ("SELECT * FROM S3Object /* x */", "ParseUnexpectedToken"),
    ("SELECT * FROM S3Object LIMIT x", "ParseExpectedNumber"),
    ("SELECT CAST(1 AS BLOB) FROM S3Object", "ParseExpectedTypeName"),
    ("SELECT " + "(" * 5000 + "1" + ")" * 5000 + " FROM S3Object", "ParseUnsupportedSyntax"),
    ("SELECT * FROM S3Object WHERE " + "NOT " * 5000 + "TRUE", "ParseUnsupportedSyntax"),
    ("SELECT " + "-" * 5000 + "1 FROM S3Object", "ParseUnsupportedSyntax"),
])
def test_what_is_no_query_of_s3_reaches_no_engine(expression: str, code: str) -> None:
    with pytest.raises(S3Error) as caught:
        check(expression)
    assert caught.value.code == code


@pytest.mark.parametrize("statement", [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "ATTACH '/tmp/weka_mp_select_attack.db'",
    "COPY (SELECT 1) TO '/tmp/weka_mp_select_attack'",
    "INSTALL httpfs",
    "LOAD httpfs", "SELECT * FROM read_csv('http://127.0.0.1:1/x')", "SET enable_external_access = true",
    "SET memory_limit = '9GB'",
    "SET lock_configuration = false",
    "EXPORT DATABASE '/tmp/weka_mp_select_attack'",
])
def test_the_engine_itself_opens_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """As if the dialect let everything through."""
    monkeypatch.setattr("weka_mp.select.dialect.Statement.sql", lambda *_: statement)
    with pytest.raises(S3Error):
        selected(place, "csv", "SELECT * FROM S3Object", NONE)
    assert not list(Path("/tmp").glob("weka_mp_select_attack*"))


@pytest.mark.parametrize("expression", [
    "TO_TIMESTAMP(" * 12 + "'2007T'" + ")" * 12,
    "(" * 40 + "1" + " IN (1, 2))" * 40,
    "(" * 40 + "1" + " BETWEEN 1 AND 2)" * 40,
    "CASE " * 30 + "1" + " WHEN 1 THEN 2 WHEN 2 THEN 3 END" * 30,
    ", ".join(["TO_TIMESTAMP(" * 5 + "'2007T'" + ")" * 5] * 100),
    " OR ".join(["1"] * 20_000), " AND ".join(["1"] * 20_000), "1" + "+1" * 20_000, "1" + "*1" * 20_000,
])
def test_regression_a_short_expression_becomes_no_long_one(expression: str) -> None:
    """What an operand is said twice for doubled with each level, in the memory of the worker."""
    with pytest.raises(S3Error) as caught:
        check(f"SELECT {expression} FROM S3Object")
    assert caught.value.code == "ParseUnsupportedSyntax"


def test_regression_a_name_that_is_a_wildcard_to_the_engine(place: Path) -> None:
    for expression in ("s.\"*\" FROM S3Object s", "s['*'] FROM S3Object s", "* FROM S3Object[*].\"*\" s"):
        assert refused(place, "lines", f"SELECT {expression}", OF_LINES) == "ParseUnsupportedSyntax"


def test_regression_what_a_record_holds_is_no_internal_error(place: Path) -> None:
    (place / "deep").write_bytes(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}\n")
    assert refused(place, "deep", "SELECT * FROM S3Object", OF_LINES) == "JSONParsingError"
    (place / "zero").write_bytes(b"7,0\n7,2\n")
    remainder = "SELECT CAST(_1 AS INT) % CAST(_2 AS INT) FROM S3Object"
    assert selected(place, "zero", remainder, NONE) == "\n1\n"
