"""Range and If-Range: which bytes of an object a GET means. Pure.

Rules: RFC 9110 sections 14.1.2, 14.2, 13.1.5; "GetObject" of the S3 API reference (one range a request: a
request for several gets the whole object).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from weka_mp.s3.conditions import etag_matches
from weka_mp.s3.dates import parse_http_date
from weka_mp.s3.errors import S3Error

__all__ = ["ByteRange", "if_range_holds", "resolve"]

# A hundred digits are more than any size; int() of megabytes of digits would be an attack.
_SINGLE_RANGE: Final = re.compile(
    r"\s*bytes=([0-9]{0,100})-([0-9]{0,100})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """First and last byte, both included; 0 <= start <= end < size."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Bytes in the range, at least 1."""
        return self.end - self.start + 1

    def content_range(self, size: int) -> str:
        """The value of Content-Range for an object of `size` bytes."""
        return f"bytes {self.start}-{self.end}/{size}"


def _not_satisfiable(range_header: str, size: int) -> S3Error:
    return S3Error(
        "InvalidRange",
        details={"RangeRequested": range_header.strip(), "ActualObjectSize": str(size)},
        headers={"Content-Range": f"bytes */{size}"},
    )


def resolve(range_header: str | None, size: int) -> ByteRange | None:
    """The bytes that a Range header selects of an object of `size` bytes; None means the whole object.

    A malformed header, another unit or several ranges are ignored, as RFC 9110 allows and S3 does.
    Raises S3Error InvalidRange (416) when the range selects no byte.
    """
    if range_header is None:
        return None
    found = _SINGLE_RANGE.fullmatch(range_header)
    if found is None:
        return None
    first, last = found.groups()
    if not first:
        if not last:
            return None
        suffix = int(last)
        if suffix == 0:
            raise _not_satisfiable(range_header, size)
        if size == 0:
            return None  # a suffix of some length can be satisfied by what has none (RFC 9110, 14.1.2)
        return ByteRange(max(size - suffix, 0), size - 1)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise _not_satisfiable(range_header, size)
    return ByteRange(start, min(int(last), size - 1) if last else size - 1)


def if_range_holds(if_range: str | None, etags: Collection[str], last_modified: int) -> bool:
    """Whether a Range may be honoured: no If-Range, or it names the object as it is now.

    etags: unquoted tags the object answers to. last_modified: seconds since the epoch.
    """
    if if_range is None:
        return True
    date = parse_http_date(if_range)
    if date is not None:
        return date == last_modified
    return if_range.strip() != "*" and etag_matches(if_range, etags, weak=False)
