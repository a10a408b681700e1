"""Messages of AWS's event stream, as SelectObjectContent answers.

Source: "Appendix: SelectObjectContent Response" of the S3 API reference: a prelude of two lengths and their
CRC32, headers, payload, and the CRC32 of it all.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from weka_mp.s3.xml_elements import DECLARATION

__all__ = ["CONTINUATION", "END", "MAX_RECORDS_BYTES", "counts", "error", "records"]

MAX_RECORDS_BYTES: Final = 64 * 1024
_PRELUDE: Final = struct.Struct(">II")
_CRC: Final = struct.Struct(">I")
_TEXT: Final = 7  # type of a header's value
_MAX_TEXT: Final = 1024  # of an error's words


def _header(name: str, value: str) -> bytes:
    raw_name, raw = name.encode("ascii"), value.encode("utf-8", "replace")
    return bytes([len(raw_name)]) + raw_name + struct.pack(">BH", _TEXT, len(raw)) + raw


def _message(fields: dict[str, str], payload: bytes = b"") -> bytes:
    headers = b"".join(_header(name, value) for name, value in fields.items())
    overhead = _PRELUDE.size + 2 * _CRC.size
    prelude = _PRELUDE.pack(overhead + len(headers) + len(payload), len(headers))
    data = prelude + _CRC.pack(zlib.crc32(prelude)) + headers + payload
    return data + _CRC.pack(zlib.crc32(data))


def _event(kind: str, content_type: str | None = None, payload: bytes = b"") -> bytes:
    fields = {":message-type": "event", ":event-type": kind}
    return _message(fields if content_type is None else {**fields, ":content-type": content_type}, payload)


CONTINUATION: Final = _event("Cont")
END: Final = _event("End")


def records(payload: bytes) -> bytes:
    """Some bytes of the result, which need not end with a record."""
    return _event("Records", "application/octet-stream", payload)


def counts(kind: str, scanned: int, processed: int, returned: int) -> bytes:
    """kind: Progress or Stats. Bytes of the object that were read, of it without compression, and sent."""
    document = (
        f"{DECLARATION}<{kind}><BytesScanned>{scanned}</BytesScanned><BytesProcessed>{processed}"
        f"</BytesProcessed><BytesReturned>{returned}</BytesReturned></{kind}>"
    )
    return _event(kind, "text/xml", document.encode("ascii"))


def error(code: str, message: str) -> bytes:
    """The end of a result that is not whole."""
    return _message(
        {":message-type": "error", ":error-code": code, ":error-message": message[:_MAX_TEXT]}
    )
