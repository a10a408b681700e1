"""Parameters that several operations share: bucket, key, page sizes, part numbers, version and upload ids.

Source: the request syntaxes and error texts of the S3 API reference.
"""

from __future__ import annotations

import re
from typing import Final

from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Address, S3Request
from weka_mp.values import BucketName, ObjectKey, UploadId

__all__ = [
    "bucket_of", "encoding_type", "invalid", "key_of", "page_size", "part_number", "part_number_marker",
    "text_bytes", "upload_id", "version_id", "well_formed_version",
]

MAX_PART_NUMBER: Final = 10_000
_INT32_MAX: Final = 2**31 - 1
_VERSION_ID: Final = re.compile(r"null|[0-9a-f]{32}")


def invalid(message: str | None, name: str, value: str) -> S3Error:
    return S3Error("InvalidArgument", message, details={"ArgumentName": name, "ArgumentValue": value})


def bucket_of(address: Address) -> BucketName:
    if address.bucket is None:
        raise S3Error("InvalidBucketName", details={"BucketName": ""})
    return address.bucket


def key_of(address: Address) -> ObjectKey:
    if address.key is None:
        raise S3Error("UserKeyMustBeSpecified")
    return address.key


def page_size(request: S3Request, name: str, least: int, most: int) -> int:
    """A page size: `most` where it is missing, empty or larger. Raises InvalidArgument."""
    return min(_integer(request, name, least, most), most)


def part_number_marker(request: S3Request) -> int:
    """The number behind which a list of parts goes on; 0 where it is missing. Raises InvalidArgument."""
    return _integer(request, "part-number-marker", 0, 0)


def _integer(request: S3Request, name: str, least: int, default: int) -> int:
    value = request.query_value(name)
    if not value:
        return default
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        raise invalid(f"Provided {name} not an integer or within integer range", name, value)
    count = int(value)
    if not least <= count <= _INT32_MAX:
        raise invalid(f"Argument {name} must be an integer between {least} and {_INT32_MAX}", name, value)
    return count


def text_bytes(request: S3Request, name: str) -> bytes:
    return (request.query_value(name) or "").encode("utf-8")


def encoding_type(request: S3Request) -> str | None:
    value = request.query_value("encoding-type")
    if value is not None and value != "url":
        raise invalid("Invalid Encoding Method specified in Request", "encoding-type", value)
    return value


def part_number(request: S3Request) -> int | None:
    value = request.query_value("partNumber")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 5 and 1 <= int(value) <= MAX_PART_NUMBER):
        message = f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive"
        raise invalid(message, "partNumber", value)
    return int(value)


def well_formed_version(text: str) -> bool:
    """Whether a version can be called so: ``null``, or 32 lower-case hex digits."""
    return _VERSION_ID.fullmatch(text) is not None


def version_id(sent: str | None, name: str = "versionId") -> str | None:
    """The version that is meant. Raises S3Error InvalidArgument for what no version can be called; one that
    there is not is well formed.
    """
    if sent is None or well_formed_version(sent):
        return sent
    message = "Invalid version id specified" if sent else "Version id cannot be the empty string"
    raise invalid(message, name, sent)


def upload_id(request: S3Request) -> UploadId:
    value = request.query_value("uploadId")
    if not value:
        raise S3Error("NoSuchUpload", details={"UploadId": ""})
    return UploadId(value)
