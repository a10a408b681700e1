"""Requests to an object into values. Source: the S3 API reference."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeVar

from weka_mp.bucket_names import is_bucket_name
from weka_mp.s3 import operations as op
from weka_mp.s3.acl_requests import acl_in_headers
from weka_mp.s3.conditions import require_usable_write_conditions
from weka_mp.s3.errors import S3Error
from weka_mp.s3.headers_in import (
    CONDITIONS,
    checksum_algorithm,
    deciding_date,
    object_metadata,
    read_conditions,
    refuse_conditions,
    size_header,
    write_conditions,
)
from weka_mp.s3.object_lock import asked_locks, bypasses
from weka_mp.s3.parameters import bucket_of, invalid, key_of, part_number, version_id
from weka_mp.s3.request import Address, Headers, S3Request, decode_key
from weka_mp.s3.select_request import SelectObjectContent, select_request
from weka_mp.s3.tags import TAGGING, object_tags
from weka_mp.values import BucketName, ObjectKey

__all__ = ["OBJECT_PARSERS", "copy_source", "refuse_unsigned_overrides"]

_OVERRIDES: Final = tuple(
    (f"response-{header.lower()}", header)
    for header in (
        "Content-Type", "Content-Language", "Expires", "Cache-Control", "Content-Disposition",
        "Content-Encoding",
    )
)

_ATTRIBUTES: Final = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})
_MAX_LISTED_PARTS: Final = 1000
_INT32_MAX: Final = 2**31 - 1

_NO_ATTRIBUTES: Final = (
    "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty"
)
_SELF_COPY: Final = (
    "This copy request is illegal because it is trying to copy an object to itself without changing the "
    "object's metadata, storage class, website redirect location or encryption attributes."
)


_TOKEN: Final = re.compile(r"[!-~]{1,64}")
_Read = TypeVar("_Read", bound=op.ReadObject)


def _refuse_other_uploads(request: S3Request) -> None:
    """Refuse what would replace the object where the client meant to add to it: a part that names no upload
    (the uploadId of an UploadPart was lost), and the append of other stores."""
    number = request.query_value("partNumber")
    if number is not None:
        raise invalid("A part number needs the uploadId of an upload", "partNumber", number)
    if request.has_query("append"):
        raise S3Error("NotImplemented", "Appending is not implemented.", details={"Parameter": "append"})


def _put_object(request: S3Request, address: Address, body: bytes | None) -> op.PutObject:
    headers = request.headers
    if request.query:
        _refuse_other_uploads(request)
    if "x-amz-rename-source" in headers:
        raise S3Error("InvalidRequest", "A rename needs the query parameter renameObject.")
    bucket, key = bucket_of(address), key_of(address)
    return op.PutObject(
        bucket, key, object_metadata(headers), write_conditions(headers), acl_in_headers(headers),
        asked_locks(headers),
    )


def _override(parameter: str, value: str) -> str:
    # The decoded value goes into a response header: a line break in it would begin a header of the client's
    # own.
    if any((character < " " and character != "\t") or character == "\x7f" for character in value):
        raise invalid("Header value cannot be represented using ISO-8859-1.", parameter, value)
    return value


def _overrides(request: S3Request) -> tuple[tuple[str, str], ...]:
    if not request.query:
        return ()
    return tuple(
        (header, _override(parameter, value))
        for parameter, header in _OVERRIDES
        if (value := request.query_value(parameter)) is not None
    )


def refuse_unsigned_overrides(request: S3Request) -> None:
    """A read that nobody signed may not choose the headers of its answer (S3 API, GetObject).

    Said before anything else of such a request is decided. Raises S3Error InvalidRequest.
    """
    if any(request.has_query(parameter) for parameter, _ in _OVERRIDES):
        message = "Request specific response headers cannot be used for anonymous GET requests."
        raise S3Error("InvalidRequest", message)


def _checksum_mode(headers: Headers) -> bool:
    value = headers.get("x-amz-checksum-mode")
    if value is not None and value.upper() != "ENABLED":
        raise invalid(None, "x-amz-checksum-mode", value)
    return value is not None


def _read_object(kind: type[_Read], request: S3Request, address: Address) -> _Read:
    headers = request.headers
    part = version = None
    if request.query:
        version = version_id(request.query_value("versionId"))
        part = part_number(request)
    byte_range = headers.get("range")
    if part is not None and byte_range is not None:
        raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    return kind(
        bucket_of(address), key_of(address), byte_range, headers.get("if-range"),
        read_conditions(headers), part, _checksum_mode(headers), _overrides(request), version,
    )


def _get_object(request: S3Request, address: Address, body: bytes | None) -> op.GetObject:
    return _read_object(op.GetObject, request, address)


def _head_object(request: S3Request, address: Address, body: bytes | None) -> op.HeadObject:
    return _read_object(op.HeadObject, request, address)


def _attributes(headers: Headers) -> tuple[str, ...]:
    """The attributes that are asked for, in the order sent, over however many headers."""
    sent = headers.get_all("x-amz-object-attributes")
    wanted = [name.strip() for value in sent for name in value.split(",")]
    names = tuple(dict.fromkeys(name for name in wanted if name))
    if not names:
        raise S3Error("InvalidRequest", _NO_ATTRIBUTES)
    if not _ATTRIBUTES.issuperset(names):
        raise invalid("Invalid attribute name specified.", "x-amz-object-attributes", ",".join(sent))
    return names


def _header_number(headers: Headers, name: str, most: int) -> int | None:
    value = headers.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= _INT32_MAX):
        raise invalid(f"Provided {name} not an integer or within integer range", name, value)
    return min(int(value), most)


def _object_attributes(request: S3Request, address: Address, body: bytes | None) -> op.GetObjectAttributes:
    headers = request.headers
    version = version_id(request.query_value("versionId"))
    # Conditions are no part of this operation: none may pass as one that holds.
    refuse_conditions(headers, *CONDITIONS)
    most = _header_number(headers, "x-amz-max-parts", _MAX_LISTED_PARTS)
    marker = _header_number(headers, "x-amz-part-number-marker", _INT32_MAX)
    return op.GetObjectAttributes(
        bucket_of(address), key_of(address), _attributes(headers),
        _MAX_LISTED_PARTS if most is None else most, marker or 0, version,
    )


def _delete_object(request: S3Request, address: Address, body: bytes | None) -> op.DeleteObject:
    version = version_id(request.query_value("versionId"))
    headers = request.headers
    refuse_conditions(headers, "if-none-match", "if-modified-since", "if-unmodified-since")
    return op.DeleteObject(
        bucket_of(address), key_of(address), headers.get("if-match"),
        size_header(headers, "x-amz-if-match-size"),
        deciding_date(headers, "x-amz-if-match-last-modified-time"), version, bypasses(headers),
    )


def header_bytes(sent: str) -> bytes:
    """The bytes of a header that holds a percent-encoded key."""
    try:
        return sent.encode("latin-1")
    except UnicodeEncodeError:  # from a pre-signed query, where it was text already
        return sent.encode("utf-8")


def copy_source(headers: Headers) -> tuple[BucketName, ObjectKey, str | None]:
    """Bucket, key and version of x-amz-copy-source: ``[/]bucket/key[?versionId=id]``, percent-encoded.

    A bare ``+`` is a space, as S3 reads it (aws-sdk-php #236, aws-sdk-js #1821): clients in Go encode so.
    """
    sent = headers.get("x-amz-copy-source") or ""
    path, named, of_version = header_bytes(sent).partition(b"?versionId=")
    path = path.replace(b"+", b" ")
    version = version_id(of_version.decode("latin-1")) if named else None
    path = path.removeprefix(b"/")
    if b"/" not in path:  # some clients encode the slashes too
        path = path.replace(b"%2F", b"/").replace(b"%2f", b"/").removeprefix(b"/")
    raw_bucket, _, raw_key = path.partition(b"/")
    bucket, key = _decoded_source(raw_bucket, sent), _decoded_source(raw_key, sent)
    if not key or raw_bucket.startswith(b"arn:"):
        raise invalid("Invalid copy source object key", "x-amz-copy-source", sent)
    named_bucket = bucket.decode("utf-8")
    if not is_bucket_name(named_bucket):
        raise invalid("Invalid copy source bucket name", "x-amz-copy-source", sent)
    return BucketName(named_bucket), key, version


def _decoded_source(raw: bytes, sent: str) -> ObjectKey:
    """Raises S3Error InvalidArgument, KeyTooLongError."""
    try:
        return decode_key(raw)
    except S3Error as error:
        if error.code != "InvalidURI":
            raise
        raise invalid("Invalid copy source encoding", "x-amz-copy-source", sent) from error


def _replaces(headers: Headers, what: str) -> bool:
    header = f"x-amz-{what}-directive"
    directive = headers.get(header)
    if directive is not None and directive not in ("COPY", "REPLACE"):
        raise invalid(f"Unknown {what} directive.", header, directive)
    return directive == "REPLACE"


def _replaces_tags(headers: Headers) -> bool:
    """Raises S3Error also for tags that a copy of the source's would take no notice of."""
    replaces = _replaces(headers, "tagging")
    value = headers.get(TAGGING)
    if value and not replaces:
        message = "Tags are only given to a copy whose x-amz-tagging-directive is REPLACE."
        raise invalid(message, TAGGING, value)
    return replaces


def _copy_object(request: S3Request, address: Address, body: bytes | None) -> op.CopyObject:
    headers = request.headers
    bucket, key = bucket_of(address), key_of(address)
    source_bucket, source_key, source_version = copy_source(headers)
    replaces = _replaces(headers, "metadata")
    # A storage class that is named counts as another one for S3, whichever it is. A version that is named may
    # be another one than the current (S3 user guide, "Restoring previous versions").
    changes = source_version is not None or any(
        name in headers for name in ("x-amz-website-redirect-location", "x-amz-storage-class")
    )
    operation = op.CopyObject(
        bucket, key, source_bucket, source_key, read_conditions(headers, "x-amz-copy-source-"), replaces,
        object_metadata(headers), write_conditions(headers), checksum_algorithm(headers),
        _replaces_tags(headers), source_version=source_version, acl=acl_in_headers(headers),
        locks=asked_locks(headers),
    )
    if (source_bucket, source_key) == (bucket, key) and not (replaces or changes):
        raise S3Error("InvalidRequest", _SELF_COPY)
    return operation


def _get_object_tagging(request: S3Request, address: Address, body: bytes | None) -> op.GetObjectTagging:
    refuse_conditions(request.headers, *CONDITIONS)
    version = version_id(request.query_value("versionId"))
    return op.GetObjectTagging(bucket_of(address), key_of(address), version)


def _put_object_tagging(request: S3Request, address: Address, body: bytes | None) -> op.PutObjectTagging:
    refuse_conditions(request.headers, *CONDITIONS)
    version = version_id(request.query_value("versionId"))
    return op.PutObjectTagging(bucket_of(address), key_of(address), object_tags(body), version)


def _delete_object_tagging(
    request: S3Request, address: Address, body: bytes | None
) -> op.DeleteObjectTagging:
    refuse_conditions(request.headers, *CONDITIONS)
    version = version_id(request.query_value("versionId"))
    return op.DeleteObjectTagging(bucket_of(address), key_of(address), version)


def _rename_source(headers: Headers) -> ObjectKey:
    """The key in x-amz-rename-source, percent-encoded; a bucket is not named, since a rename stays in it."""
    sent = headers.get("x-amz-rename-source")
    if not sent:
        raise invalid("A rename needs the key to rename.", "x-amz-rename-source", sent or "")
    return decode_key(header_bytes(sent))


def _client_token(headers: Headers) -> str | None:
    token = headers.get("x-amz-client-token")
    if token is not None and _TOKEN.fullmatch(token) is None:
        raise invalid("A client token has 1 to 64 visible ASCII characters.", "x-amz-client-token", token)
    return token


def _rename_object(request: S3Request, address: Address, body: bytes | None) -> op.RenameObject:
    headers, prefix = request.headers, "x-amz-rename-source-"
    bucket, key, source = bucket_of(address), key_of(address), _rename_source(headers)
    conditions = op.WriteConditions(headers.get("if-match"), headers.get("if-none-match"))
    require_usable_write_conditions(conditions)
    return op.RenameObject(
        bucket, key, source,
        op.ReadConditions(
            headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match"),
            deciding_date(headers, f"{prefix}if-modified-since"),
            deciding_date(headers, f"{prefix}if-unmodified-since"),
        ),
        conditions, deciding_date(headers, "if-modified-since"),
        deciding_date(headers, "if-unmodified-since"), _client_token(headers),
    )


def _select_object_content(
    request: S3Request, address: Address, body: bytes | None
) -> SelectObjectContent:
    refuse_conditions(request.headers, *CONDITIONS)
    return SelectObjectContent(bucket_of(address), key_of(address), select_request(body))


OBJECT_PARSERS: Final[dict[str, Callable[[S3Request, Address, bytes | None], op.Operation]]] = {
    "PutObject": _put_object,
    "GetObject": _get_object,
    "HeadObject": _head_object,
    "GetObjectAttributes": _object_attributes,
    "DeleteObject": _delete_object,
    "CopyObject": _copy_object,
    "RenameObject": _rename_object,
    "GetObjectTagging": _get_object_tagging,
    "PutObjectTagging": _put_object_tagging,
    "DeleteObjectTagging": _delete_object_tagging,
    "SelectObjectContent": _select_object_content,
}
