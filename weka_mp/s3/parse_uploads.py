"""Requests of multipart uploads into values. Source: the S3 API reference."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from weka_mp.s3 import operations as op
from weka_mp.s3.acl_requests import acl_in_headers
from weka_mp.s3.bodies import completed_parts
from weka_mp.s3.checksums import Algorithm, resolve_type
from weka_mp.s3.errors import S3Error
from weka_mp.s3.headers_in import (
    CONDITIONS,
    checksum_algorithm,
    checksum_type,
    checksums,
    object_metadata,
    read_conditions,
    refuse_conditions,
    size_header,
    write_conditions,
)
from weka_mp.s3.object_lock import asked_locks
from weka_mp.s3.parameters import (
    bucket_of,
    encoding_type,
    invalid,
    key_of,
    page_size,
    part_number,
    part_number_marker,
    text_bytes,
    upload_id,
)
from weka_mp.s3.parse_objects import copy_source
from weka_mp.s3.request import Address, Headers, S3Request

__all__ = ["UPLOAD_PARSERS"]

MAX_LIST_UPLOADS: Final = 1000
MAX_LIST_PARTS: Final = 1000
_SOURCE_RANGE: Final = "x-amz-copy-source-range"
_RANGE: Final = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})")
_UPLOAD_ID: Final = re.compile(r"[0-9a-f]{48}")


def _create_upload(request: S3Request, address: Address, body: bytes | None) -> op.CreateMultipartUpload:
    headers = request.headers
    # What an upload depends on is said when it is completed (S3 API).
    refuse_conditions(headers, *CONDITIONS)
    algorithm, kind = checksum_algorithm(headers), checksum_type(headers)
    if kind is not None and algorithm is None:
        raise S3Error("InvalidRequest", "The x-amz-checksum-type header can only be used with the "
                      "x-amz-checksum-algorithm header.")
    if algorithm is not None:
        resolve_type(Algorithm(algorithm), kind)
    bucket, key = bucket_of(address), key_of(address)
    return op.CreateMultipartUpload(
        bucket, key, object_metadata(headers), algorithm, kind, acl_in_headers(headers),
        asked_locks(headers),
    )


def _upload_part(request: S3Request, address: Address, body: bytes | None) -> op.UploadPart:
    refuse_conditions(request.headers, *CONDITIONS)
    number = part_number(request)
    if number is None:
        raise S3Error("InvalidArgument", details={"ArgumentName": "partNumber"})
    return op.UploadPart(bucket_of(address), key_of(address), upload_id(request), number)


def _source_range(headers: Headers) -> tuple[int, int] | None:
    """First and last byte. Unlike in Range nothing may be left out, and nothing is forgiven (S3 API)."""
    value = headers.get(_SOURCE_RANGE)
    if value is None:
        return None
    found = _RANGE.fullmatch(value)
    if found is None or int(found[1]) > int(found[2]):
        raise invalid(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
            "the zero-based offsets of the first and last bytes to copy", _SOURCE_RANGE, value,
        )
    return int(found[1]), int(found[2])


def _upload_part_copy(request: S3Request, address: Address, body: bytes | None) -> op.UploadPartCopy:
    headers = request.headers
    part = _upload_part(request, address, body)
    source_bucket, source_key, source_version = copy_source(headers)
    return op.UploadPartCopy(
        part.bucket, part.key, part.upload_id, part.part_number, source_bucket, source_key,
        read_conditions(headers, "x-amz-copy-source-"), _source_range(headers), source_version,
    )


def _list_parts(request: S3Request, address: Address, body: bytes | None) -> op.ListParts:
    return op.ListParts(
        bucket_of(address), key_of(address), upload_id(request),
        page_size(request, "max-parts", 0, MAX_LIST_PARTS), part_number_marker(request),
    )


def _id_marker(request: S3Request) -> str:
    value = request.query_value("upload-id-marker") or ""
    if not request.query_value("key-marker"):
        return ""
    if value and not _UPLOAD_ID.fullmatch(value):
        raise invalid("Invalid uploadId marker", "upload-id-marker", value)
    return value


def _list_uploads(request: S3Request, address: Address, body: bytes | None) -> op.ListMultipartUploads:
    return op.ListMultipartUploads(
        bucket_of(address), text_bytes(request, "prefix"), text_bytes(request, "delimiter"),
        text_bytes(request, "key-marker"), _id_marker(request),
        page_size(request, "max-uploads", 0, MAX_LIST_UPLOADS), encoding_type(request),
    )


def _object_size(headers: Headers) -> int | None:
    try:
        return size_header(headers, "x-amz-mp-object-size")
    except S3Error as error:
        message = "Value for x-amz-mp-object-size header is invalid."
        raise S3Error("InvalidRequest", message) from error


def _complete_upload(request: S3Request, address: Address, body: bytes | None) -> op.CompleteMultipartUpload:
    headers = request.headers
    return op.CompleteMultipartUpload(
        bucket_of(address), key_of(address), upload_id(request), completed_parts(body),
        write_conditions(headers), checksums(headers), checksum_type(headers),
        _object_size(headers),
    )


def _abort_upload(request: S3Request, address: Address, body: bytes | None) -> op.AbortMultipartUpload:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.AbortMultipartUpload(bucket_of(address), key_of(address), upload_id(request))


UPLOAD_PARSERS: Final[dict[str, Callable[[S3Request, Address, bytes | None], op.Operation]]] = {
    "CreateMultipartUpload": _create_upload,
    "UploadPart": _upload_part,
    "UploadPartCopy": _upload_part_copy,
    "ListParts": _list_parts,
    "ListMultipartUploads": _list_uploads,
    "CompleteMultipartUpload": _complete_upload,
    "AbortMultipartUpload": _abort_upload,
}
