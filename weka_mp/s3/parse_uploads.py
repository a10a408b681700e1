"""Requests of multipart uploads into values. Source: the S3 API reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weka_mp.s3 import operations as op
from weka_mp.s3.bodies import completed_parts
from weka_mp.s3.errors import S3Error
from weka_mp.s3.headers_in import (
    checksum_algorithm,
    checksum_type,
    checksums,
    object_metadata,
    refuse_conditions,
    size_header,
    write_conditions,
)
from weka_mp.s3.parameters import bucket_of, key_of, part_number, upload_id
from weka_mp.s3.request import Address, S3Request

__all__ = ["UPLOAD_PARSERS"]

# What an upload depends on is said when it is completed (S3 API): before, there is nothing to depend on it.
_CONDITIONS: Final = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def _create_upload(request: S3Request, address: Address, body: bytes | None) -> op.CreateMultipartUpload:
    headers = request.headers
    refuse_conditions(headers, *_CONDITIONS)
    algorithm, kind = checksum_algorithm(headers), checksum_type(headers)
    if kind is not None and algorithm is None:
        raise S3Error("InvalidRequest", "The x-amz-checksum-type header can only be used with the "
                      "x-amz-checksum-algorithm header.")
    if (algorithm, kind) in {("CRC64NVME", "COMPOSITE"), ("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT")}:
        message = f"The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."
        raise S3Error("InvalidRequest", message)
    bucket, key = bucket_of(address), key_of(address)
    return op.CreateMultipartUpload(bucket, key, object_metadata(headers), algorithm, kind)


def _upload_part(request: S3Request, address: Address, body: bytes | None) -> op.UploadPart:
    refuse_conditions(request.headers, *_CONDITIONS)
    number = part_number(request)
    if number is None:
        raise S3Error("InvalidArgument", details={"ArgumentName": "partNumber"})
    return op.UploadPart(bucket_of(address), key_of(address), upload_id(request), number)


def _complete_upload(request: S3Request, address: Address, body: bytes | None) -> op.CompleteMultipartUpload:
    headers = request.headers
    return op.CompleteMultipartUpload(
        bucket_of(address), key_of(address), upload_id(request), completed_parts(body),
        write_conditions(headers), checksums(headers), checksum_type(headers),
        size_header(headers, "x-amz-mp-object-size"),
    )


def _abort_upload(request: S3Request, address: Address, body: bytes | None) -> op.AbortMultipartUpload:
    return op.AbortMultipartUpload(bucket_of(address), key_of(address), upload_id(request))


UPLOAD_PARSERS: Final[dict[str, Callable[[S3Request, Address, bytes | None], op.Operation]]] = {
    "CreateMultipartUpload": _create_upload,
    "UploadPart": _upload_part,
    "CompleteMultipartUpload": _complete_upload,
    "AbortMultipartUpload": _abort_upload,
}
