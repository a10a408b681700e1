"""Incremental reader of browser uploads: a multipart/form-data body whose last part is the file.

Sources: RFC 7578 and RFC 2046 section 5.1 (the format), "POST Object" of the S3 API reference (field names
compare without case, at most 20 KB of fields, everything after the file is ignored).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from weka_mp.s3.errors import S3Error

__all__ = ["MAX_FIELDS_BYTES", "FileData", "FormFields", "PostFormReader", "form_boundary"]

Buffer = bytes | bytearray | memoryview

MAX_FIELDS_BYTES: Final = 20 * 1024  # names and values together, S3's limit

# Everything before the file's data with its part headers and boundaries: against unbounded buffering.
_MAX_PREAMBLE: Final = 64 * 1024
_MAX_PART_HEADERS: Final = 8 * 1024
_MAX_BOUNDARY: Final = 70  # RFC 2046, 5.1.1

_PARAMETER: Final = re.compile(r';\s*([^=;\s"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))', re.DOTALL)
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]*[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
_PADDED_LINE_END: Final = re.compile(rb"[ \t]*\r\n")


@dataclass(frozen=True, slots=True)
class FormFields:
    """What comes before the file's data: lower-case name -> value, and what the file part says of itself."""

    fields: Mapping[str, str]
    file_name: str
    file_content_type: str | None


@dataclass(frozen=True, slots=True)
class FileData:
    """The next bytes of the file."""

    data: memoryview


class _State(Enum):
    PREAMBLE = auto()
    BOUNDARY_END = auto()
    PART_HEADERS = auto()
    FIELD = auto()
    FILE = auto()
    FILE_END = auto()
    EPILOGUE = auto()
    FAILED = auto()


def form_boundary(content_type: str | None) -> bytes:
    """The boundary of a multipart/form-data Content-Type.

    Raises S3Error PreconditionFailed (another type) or MalformedPOSTRequest (no usable boundary).
    """
    media_type, _, _ = (content_type or "").partition(";")
    if media_type.strip().lower() != "multipart/form-data":
        raise S3Error(
            "PreconditionFailed",
            details={"Condition": "Bucket POST must be of the enclosure-type multipart/form-data"},
        )
    boundary = _parameters(content_type or "").get("boundary", "")
    if len(boundary) > _MAX_BOUNDARY or _BOUNDARY.fullmatch(boundary) is None:
        raise S3Error("MalformedPOSTRequest")
    return boundary.encode("ascii")


def _parameters(text: str) -> dict[str, str]:
    """The parameters of a header value. Only quotes are unescaped: browsers send paths with backslashes."""
    found: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(text):
        found.setdefault(name.lower(), quoted.replace('\\"', '"') if quoted else token.strip())
    return found


class PostFormReader:
    """Turns body bytes into one FormFields, then FileData pieces.

    Memory is bounded by the form fields; file data is handed out as it comes. After an S3Error the reader
    stays failed.
    """

    def __init__(self, content_type: str | None) -> None:
        """Raises S3Error as ``form_boundary`` does."""
        self._delimiter = b"\r\n--" + form_boundary(content_type)
        # The first boundary may open the body; with this it looks like the others.
        self._buffer = bytearray(b"\r\n")
        self._state = _State.PREAMBLE
        self._fields: dict[str, str] = {}
        self._fields_size = 0
        self._before_file = 0
        self._field_name = ""
        self._steps: dict[_State, Callable[[], list[FormFields | FileData] | None]] = {
            _State.PREAMBLE: self._skip_preamble,
            _State.BOUNDARY_END: self._read_boundary_end,
            _State.PART_HEADERS: self._read_part_headers,
            _State.FIELD: self._read_field,
            _State.FILE: self._read_file,
            _State.FILE_END: self._read_file_end,
            _State.EPILOGUE: self._skip_epilogue,
        }

    def feed(self, data: Buffer) -> list[FormFields | FileData]:
        """What the next bytes of the body hold.

        Raises S3Error MalformedPOSTRequest, MaxPostPreDataLengthExceededError or InvalidArgument.
        """
        if self._state is _State.FAILED:
            raise S3Error("MalformedPOSTRequest")
        self._buffer += data
        events: list[FormFields | FileData] = []
        try:
            self._bound_preamble(len(data))
            while (found := self._steps[self._state]()) is not None:
                events += found
        except S3Error:
            self._state = _State.FAILED
            raise
        return events

    def finish(self) -> None:
        """State that no byte follows. Raises S3Error MalformedPOSTRequest when the file did not end."""
        if self._state is not _State.EPILOGUE:
            self._state = _State.FAILED
            raise S3Error("MalformedPOSTRequest")

    def _bound_preamble(self, arrived: int) -> None:
        """What is buffered ahead of the file may be large only if the file itself has begun in it."""
        if self._state in (_State.FILE, _State.FILE_END, _State.EPILOGUE):
            return
        consumed = self._before_file + len(self._buffer) - arrived
        if consumed > _MAX_PREAMBLE:
            raise self._fields_too_large()

    @staticmethod
    def _fields_too_large() -> S3Error:
        return S3Error(
            "MaxPostPreDataLengthExceededError",
            details={"MaxPostPreDataLengthBytes": str(MAX_FIELDS_BYTES)},
        )

    def _consume(self, size: int) -> None:
        del self._buffer[:size]
        self._before_file += size

    def _skip_preamble(self) -> list[FormFields | FileData] | None:
        at = self._buffer.find(self._delimiter)
        if at < 0:
            if len(self._buffer) > _MAX_PART_HEADERS:
                raise S3Error("MalformedPOSTRequest")
            return None
        self._consume(at + len(self._delimiter))
        self._state = _State.BOUNDARY_END
        return []

    def _read_boundary_end(self) -> list[FormFields | FileData] | None:
        if len(self._buffer) < 2:
            return None
        if self._buffer.startswith(b"--"):
            raise S3Error(
                "InvalidArgument",
                "POST requires exactly one file upload per request.",
                details={"ArgumentName": "file", "ArgumentValue": "0"},
            )
        found = _PADDED_LINE_END.match(self._buffer)
        if found is None:
            if self._buffer.strip(b" \t\r") or len(self._buffer) > _MAX_BOUNDARY:
                raise S3Error("MalformedPOSTRequest")
            return None
        # The line end stays: part headers may be empty, and end at the first empty line.
        self._consume(found.end() - 2)
        self._state = _State.PART_HEADERS
        return []

    def _read_part_headers(self) -> list[FormFields | FileData] | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end > _MAX_PART_HEADERS or (end < 0 and len(self._buffer) > _MAX_PART_HEADERS):
            raise S3Error("MalformedPOSTRequest")
        if end < 0:
            return None
        headers = _part_headers(bytes(self._buffer[:end]))
        self._consume(end + 4)
        disposition = headers.get("content-disposition", "")
        parameters = _parameters(disposition)
        if disposition.partition(";")[0].strip().lower() != "form-data" or not parameters.get("name"):
            raise S3Error("MalformedPOSTRequest")
        self._field_name = parameters["name"].lower()
        if self._field_name != "file":
            self._state = _State.FIELD
            return []
        self._state = _State.FILE
        fields = MappingProxyType(dict(self._fields))
        return [FormFields(fields, parameters.get("filename", ""), headers.get("content-type"))]

    def _read_field(self) -> list[FormFields | FileData] | None:
        at = self._buffer.find(self._delimiter)
        size = at if at >= 0 else len(self._buffer) - len(self._delimiter)
        if self._fields_size + len(self._field_name) + size > MAX_FIELDS_BYTES:
            raise self._fields_too_large()
        if at < 0:
            return None
        value = _text(bytes(self._buffer[:at]))
        if self._field_name in self._fields:
            raise S3Error(
                "InvalidArgument",
                "POST requires at most one value for each form field.",
                details={"ArgumentName": self._field_name, "ArgumentValue": value},
            )
        self._fields[self._field_name] = value
        self._fields_size += len(self._field_name) + size
        self._consume(at + len(self._delimiter))
        self._state = _State.BOUNDARY_END
        return []

    def _read_file(self) -> list[FormFields | FileData] | None:
        at = self._buffer.find(self._delimiter)
        if at >= 0:
            self._state = _State.FILE_END
            kept = at + len(self._delimiter)
        else:
            at = kept = len(self._buffer) - self._possible_delimiter()
        if not kept:
            return None
        with memoryview(self._buffer) as view:
            data = bytes(view[:at])
        del self._buffer[:kept]
        return [FileData(memoryview(data))] if data else []

    def _possible_delimiter(self) -> int:
        """Bytes at the end of the buffer that may be the start of a delimiter."""
        tail = bytes(self._buffer[-(len(self._delimiter) - 1):])
        at = tail.find(b"\r")
        while at >= 0:
            if self._delimiter.startswith(tail[at:]):
                return len(tail) - at
            at = tail.find(b"\r", at + 1)
        return 0

    def _read_file_end(self) -> list[FormFields | FileData] | None:
        if len(self._buffer) < 2:
            return None
        if not self._buffer.startswith(b"--") and _PADDED_LINE_END.match(self._buffer) is None:
            if self._buffer.strip(b" \t\r") or len(self._buffer) > _MAX_BOUNDARY:
                raise S3Error("MalformedPOSTRequest")
            return None
        self._state = _State.EPILOGUE
        return []

    def _skip_epilogue(self) -> list[FormFields | FileData] | None:
        self._buffer.clear()
        return None


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise S3Error("MalformedPOSTRequest") from error


def _part_headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in _text(block).split("\r\n"):
        if not line:
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise S3Error("MalformedPOSTRequest")
        headers.setdefault(name.strip().lower(), value.strip())
    return headers
