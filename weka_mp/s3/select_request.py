"""The SelectObjectContentRequest document into values.

Source: the S3 API reference (SelectObjectContent) and its list of SELECT error codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final
from xml.etree.ElementTree import Element

from weka_mp.s3.errors import S3Error
from weka_mp.s3.xml_read import children, document, number, text
from weka_mp.values import BucketName, ObjectKey

__all__ = [
    "MAX_EXPRESSION_BYTES", "MAX_SELECT_BYTES", "CsvInput", "CsvOutput", "JsonInput", "JsonOutput",
    "ScanRange", "SelectObjectContent", "SelectRequest", "select_request",
]  # fmt: skip

MAX_EXPRESSION_BYTES: Final = 256 * 1024  # S3 user guide, «Requirements and limits» of S3 Select
MAX_SELECT_BYTES: Final = 2 * 1024 * 1024  # every character of an expression may need a reference
_LINE_ENDS: Final = ("\n", "\r\n")


@dataclass(frozen=True, slots=True)
class CsvInput:
    """header: NONE, USE (it names the columns) or IGNORE. Signs are one character each; comments may be
    empty.
    """

    header: str = "NONE"
    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    comments: str = "#"


@dataclass(frozen=True, slots=True)
class JsonInput:
    """lines: one value a line; else whatever white space lies between them."""

    lines: bool


@dataclass(frozen=True, slots=True)
class CsvOutput:
    """always: every field is quoted, else those that need it."""

    always: bool = False
    delimiter: str = ","
    end: str = "\n"
    quote: str = '"'
    escape: str = '"'


@dataclass(frozen=True, slots=True)
class JsonOutput:
    """end: what stands behind each record."""

    end: str = "\n"


@dataclass(frozen=True, slots=True)
class ScanRange:
    """Of bytes, end inclusive; records that begin in it. first None: the last `last` bytes."""

    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True)
class SelectRequest:
    """compression: NONE, GZIP or BZIP2."""

    expression: str
    source: CsvInput | JsonInput
    result: CsvOutput | JsonOutput
    compression: str = "NONE"
    progress: bool = False
    scan: ScanRange | None = None


@dataclass(frozen=True, slots=True)
class SelectObjectContent:
    """POST /bucket/key?select&select-type=2."""

    permission: ClassVar[str] = "s3:GetObject"
    bucket: BucketName
    key: ObjectKey
    request: SelectRequest


_Found = dict[str, Element]


def _fields(element: Element, *names: str) -> _Found:
    found = children(element, frozenset(names))
    if len({name for name, _ in found}) != len(found):
        raise S3Error("MalformedXML")
    return dict(found)


def _missing(name: str) -> S3Error:
    return S3Error(
        "MissingRequiredParameter",
        f"The SelectRequest entity is missing a required parameter: {name}.",
    )


def _text(found: _Found, name: str, default: str) -> str:
    return text(found[name]) if name in found else default


def _one_of(found: _Found, name: str, default: str, words: tuple[str, ...], code: str) -> str:
    word = _text(found, name, default)
    if word.upper() not in words:
        raise S3Error(code)
    return word.upper()


def select_request(body: bytes | None) -> SelectRequest:
    """Raises S3Error: MalformedXML, and what S3 calls each parameter that is missing or wrong."""
    if not body:
        raise S3Error("EmptyRequestBody")
    found = _fields(
        document(body, "SelectObjectContentRequest", MAX_SELECT_BYTES), "Expression", "ExpressionType",
        "InputSerialization", "OutputSerialization", "RequestProgress", "ScanRange",
    )  # fmt: skip
    for name in ("Expression", "ExpressionType", "InputSerialization", "OutputSerialization"):
        if name not in found:
            raise _missing(name)
    expression = text(found["Expression"])
    if len(expression.encode()) > MAX_EXPRESSION_BYTES:
        raise S3Error("ExpressionTooLong")
    _one_of(found, "ExpressionType", "", ("SQL",), "InvalidExpressionType")
    source, compression = _input(found["InputSerialization"])
    scan = _scan(found["ScanRange"]) if "ScanRange" in found else None
    document_of_json = isinstance(source, JsonInput) and not source.lines
    if scan is not None and (compression != "NONE" or document_of_json):
        raise S3Error(
            "UnsupportedScanRangeInput", "Scan range queries are for uncompressed CSV and JSON lines alone."
        )
    return SelectRequest(
        expression, source, _output(found["OutputSerialization"]), compression,
        "RequestProgress" in found and _progress(found["RequestProgress"]), scan,
    )


def _input(element: Element) -> tuple[CsvInput | JsonInput, str]:
    found = _fields(element, "CSV", "CompressionType", "JSON", "Parquet")
    compression = _one_of(
        found, "CompressionType", "NONE", ("NONE", "GZIP", "BZIP2"), "InvalidCompressionFormat"
    )
    kinds = [name for name in ("CSV", "JSON", "Parquet") if name in found]
    if len(kinds) != 1:
        raise S3Error("InvalidDataSource" if kinds else "MissingRequiredParameter")
    if kinds[0] == "Parquet":
        raise S3Error("NotImplemented", "Parquet is not implemented: CSV and JSON can be selected from.")
    if kinds[0] == "JSON":
        of_json = _fields(found["JSON"], "Type")
        kind = _one_of(of_json, "Type", "", ("DOCUMENT", "LINES"), "InvalidJsonType")
        return JsonInput(kind == "LINES"), compression
    return _csv_input(found["CSV"]), compression


def _sign(found: _Found, name: str, default: str) -> str:
    sign = _text(found, name, default)
    if len(sign) != 1 or not sign.isascii() or sign in "\r\n\0":
        raise S3Error("InvalidRequestParameter", f"{name} must be one character: {sign[:16]!r}.")
    return sign


def _csv_input(element: Element) -> CsvInput:
    found = _fields(
        element, "AllowQuotedRecordDelimiter", "Comments", "FieldDelimiter", "FileHeaderInfo",
        "QuoteCharacter", "QuoteEscapeCharacter", "RecordDelimiter",
    )  # fmt: skip
    header = _one_of(found, "FileHeaderInfo", "NONE", ("USE", "IGNORE", "NONE"), "InvalidFileHeaderInfo")
    if _text(found, "RecordDelimiter", "\n") not in _LINE_ENDS:
        raise S3Error("NotImplemented", "A RecordDelimiter other than the end of a line is not implemented.")
    _one_of(found, "AllowQuotedRecordDelimiter", "FALSE", ("TRUE", "FALSE"), "InvalidRequestParameter")
    quote = _sign(found, "QuoteCharacter", '"')
    signs = (_sign(found, "FieldDelimiter", ","), quote, _sign(found, "QuoteEscapeCharacter", quote))
    comments = _text(found, "Comments", "#")
    if signs[0] in (*signs[1:], comments) or comments == quote:
        raise S3Error("InvalidRequestParameter", "Delimiter, quotes and comments must differ.")
    return CsvInput(header, *signs, _sign(found, "Comments", "#") if comments else "")


def _output(element: Element) -> CsvOutput | JsonOutput:
    found = _fields(element, "CSV", "JSON")
    if len(found) != 1:
        raise _missing("OutputSerialization")
    if "JSON" in found:
        return JsonOutput(_text(_fields(found["JSON"], "RecordDelimiter"), "RecordDelimiter", "\n"))
    of_csv = _fields(
        found["CSV"], "FieldDelimiter", "QuoteCharacter", "QuoteEscapeCharacter", "QuoteFields",
        "RecordDelimiter",
    )  # fmt: skip
    fields = _one_of(of_csv, "QuoteFields", "ASNEEDED", ("ALWAYS", "ASNEEDED"), "InvalidQuoteFields")
    quote = _sign(of_csv, "QuoteCharacter", '"')
    return CsvOutput(
        fields == "ALWAYS", _sign(of_csv, "FieldDelimiter", ","), _text(of_csv, "RecordDelimiter", "\n"),
        quote, _sign(of_csv, "QuoteEscapeCharacter", quote),
    )


def _progress(element: Element) -> bool:
    found = _fields(element, "Enabled")
    return _one_of(found, "Enabled", "FALSE", ("TRUE", "FALSE"), "InvalidRequestParameter") == "TRUE"


def _scan(element: Element) -> ScanRange:
    found = _fields(element, "End", "Start")
    first = number(found["Start"]) if "Start" in found else None
    last = number(found["End"]) if "End" in found else None
    if (first is None and last is None) or (first is not None and last is not None and first > last):
        raise S3Error("InvalidScanRange")
    return ScanRange(first, last)
