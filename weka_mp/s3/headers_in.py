"""Request headers into values: object metadata, conditions, checksums; and refusal of what is not built.

Source: the header tables of the S3 API reference. Nothing that a client asks for is accepted and then
ignored: a header of S3 that is not acted upon is refused by name, unless its value says what is the case
anyway (such as ``x-amz-bucket-namespace: global``). tools/check_s3_model.py holds this against the service
model of botocore.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weka_mp.digests import DIGEST_SIZES
from weka_mp.s3.acl_requests import ACL_HEADERS, OWNERSHIP
from weka_mp.s3.checksums import MULTIPLE_CHECKSUMS, Algorithm, decode_digest
from weka_mp.s3.conditions import require_usable_write_conditions
from weka_mp.s3.dates import parse_http_date, parse_iso
from weka_mp.s3.encryption import ENCRYPTION_HEADERS, refuse_encryption
from weka_mp.s3.errors import S3Error
from weka_mp.s3.object_lock import BYPASS, ENABLED_FOR_BUCKET, LOCK_HEADERS
from weka_mp.s3.operations import (
    NO_READ_CONDITIONS,
    NO_WRITE_CONDITIONS,
    ObjectMetadata,
    ReadConditions,
    WriteConditions,
)
from weka_mp.s3.request import Headers
from weka_mp.s3.tags import TAGGING, requested_tags

__all__ = [
    "CHECKSUM_ALGORITHMS", "CONDITIONS", "HONOURED", "REFUSED", "checksum_algorithm", "checksum_type",
    "checksums", "date_header", "deciding_date", "object_metadata", "read_conditions", "refuse_conditions",
    "refuse_misplaced", "refuse_unbuilt", "size_header", "write_conditions",
]

MAX_USER_METADATA: Final = 2048  # bytes of names and values together, S3's limit
_META_PREFIX: Final = "x-amz-meta-"

CONDITIONS: Final = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
"""The conditions of RFC 9110, section 13.1, that S3 knows."""

CHECKSUM_ALGORITHMS: Final = tuple(DIGEST_SIZES)
_CHECKSUM_HEADERS: Final = tuple((name, f"x-amz-checksum-{name.lower()}") for name in CHECKSUM_ALGORITHMS)



def not_implemented(header: str) -> S3Error:
    """The refusal of a header, naming it."""
    return S3Error(
        "NotImplemented",
        f"A header you provided implies functionality that is not implemented: {header}",
        details={"Header": header},
    )


def _invalid(header: str, value: str) -> S3Error:
    return S3Error("InvalidArgument", details={"ArgumentName": header, "ArgumentValue": value})


def _refuse(header: str, value: str) -> None:
    raise not_implemented(header)


def _only(*truths: str) -> Callable[[str, str], None]:
    """A rule that accepts the values (without case) that describe what is the case anyway."""
    accepted = frozenset(truth.lower() for truth in truths)

    def rule(header: str, value: str) -> None:
        if value.strip().lower() not in accepted:
            raise not_implemented(header)

    return rule


def _storage_class(header: str, value: str) -> None:
    if value != "STANDARD":
        raise S3Error("InvalidStorageClass", details={"StorageClassRequested": value})


REFUSED: Final[dict[str, Callable[[str, str], None]]] = {
    "x-amz-storage-class": _storage_class,
    "x-amz-bucket-namespace": _only("global"),
    # Of transitions, which rules cannot ask for.
    "x-amz-transition-default-minimum-object-size": _only(
        "all_storage_classes_128K", "varies_by_storage_class"
    ),
    "x-amz-skip-destination-validation": _only("true", "false"),  # what it spares is said in the reply
    **dict.fromkeys(
        (
            "x-amz-bucket-object-lock-token", "x-amz-object-lock-event-hold",
            "x-amz-object-lock-event-hold-duration-days", "x-amz-object-lock-event-hold-duration-years",
            "x-amz-object-annotation-directive", "x-amz-object-if-match", "x-amz-mfa",
            "x-amz-write-offset-bytes", "x-amz-optional-object-attributes", "x-amz-if-match-initiated-time",
        ),
        _refuse,
    ),
}
"""Header -> rule that raises unless the value asks for nothing that is missing; `encryption` has its own."""

HONOURED: Final = frozenset({
    "cache-control", "content-disposition", "content-encoding", "content-language", "content-length",
    "content-md5", "content-type", "expires", "if-match", "if-modified-since", "if-none-match",
    "if-unmodified-since", "range", "x-amz-checksum-algorithm", "x-amz-checksum-mode",
    "x-amz-checksum-type", "x-amz-copy-source", "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since", "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since", "x-amz-copy-source-range",
    "x-amz-if-match-last-modified-time", "x-amz-if-match-size",
    "x-amz-meta-", "x-amz-metadata-directive", "x-amz-mp-object-size", "x-amz-sdk-checksum-algorithm",
    "x-amz-object-attributes", "x-amz-max-parts", "x-amz-part-number-marker",
    "x-amz-website-redirect-location", "x-amz-rename-source", "x-amz-rename-source-if-match",
    "x-amz-rename-source-if-modified-since", "x-amz-rename-source-if-none-match",
    "x-amz-rename-source-if-unmodified-since", "x-amz-client-token", TAGGING, "x-amz-tagging-directive",
    # Compared with the owner when the request is authorized.
    "x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner",
    "x-amz-confirm-remove-self-bucket-access",
    # Buckets here are never "requester pays", where S3 gives this header no effect.
    "x-amz-request-payer",
    *(header for _, header in _CHECKSUM_HEADERS),
    *ACL_HEADERS, OWNERSHIP, *LOCK_HEADERS, BYPASS, ENABLED_FOR_BUCKET,
})
"""Headers of built operations that are acted upon, here or by the payload reader."""

_PLACES: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(
        (f"x-amz-copy-source-{condition}" for condition in CONDITIONS),
        frozenset({"CopyObject", "UploadPartCopy"})),
    **dict.fromkeys(
        (f"x-amz-rename-source-{condition}" for condition in CONDITIONS), frozenset({"RenameObject"})),
    **dict.fromkeys(
        ("x-amz-if-match-size", "x-amz-if-match-last-modified-time"), frozenset({"DeleteObject"})),
    "x-amz-copy-source-range": frozenset({"UploadPartCopy"}),
    TAGGING: frozenset({"PutObject", "PostObject", "CopyObject", "CreateMultipartUpload"}),
    "x-amz-tagging-directive": frozenset({"CopyObject"}),
    "x-amz-mp-object-size": frozenset({"CompleteMultipartUpload"}),
    **dict.fromkeys(
        ACL_HEADERS,
        frozenset({
            "CreateBucket", "PutBucketAcl", "PutObjectAcl", "PutObject", "PostObject", "CopyObject",
            "CreateMultipartUpload",
        })),
    OWNERSHIP: frozenset({"CreateBucket"}),
    **dict.fromkeys(
        LOCK_HEADERS, frozenset({"PutObject", "PostObject", "CopyObject", "CreateMultipartUpload"})),
    BYPASS: frozenset({"DeleteObject", "DeleteObjects", "PutObjectRetention"}),
    ENABLED_FOR_BUCKET: frozenset({"CreateBucket"}),
}
"""Header -> the operations that act upon it: of those that say when something may be done, with what, or what
would be missing afterwards."""


def refuse_unbuilt(headers: Headers) -> None:
    """Raise the S3Error of the first header that asks for something that is not built."""
    for name, value in headers.items():
        rule = REFUSED.get(name)
        if rule is not None:
            rule(name, value)
        elif name in ENCRYPTION_HEADERS:
            refuse_encryption(headers)


def refuse_misplaced(headers: Headers, operation: str) -> None:
    """Raise NotImplemented for the first condition or check that this operation does not know.

    A copy that lost its ``x-amz-copy-source`` is a PUT without bytes, and what was to guard it must not pass
    as something that holds.
    """
    for name, _ in headers:
        places = _PLACES.get(name)
        if places is not None and operation not in places:
            raise not_implemented(name)


def _readable(value: str) -> str:
    """Header text as a person meant it: UTF-8 where the bytes are UTF-8, else latin-1, which the headers
    are in."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:  # latin-1 bytes that are no UTF-8, or text that a pre-signed query already decoded
        return value


def _user_metadata(headers: Headers) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    size = 0
    for header, value in headers.items():
        if header.startswith(_META_PREFIX):
            name = header[len(_META_PREFIX):]
            size += len(name) + len(value)
            # A repeated field means the same as one with its values joined (RFC 9110, 5.3).
            found[name] = f"{found[name]},{value}" if name in found else value
    if size > MAX_USER_METADATA:
        sizes = {"Size": str(size), "MaxSizeAllowed": str(MAX_USER_METADATA)}
        raise S3Error("MetadataTooLarge", details=sizes)
    return tuple((name, _readable(value)) for name, value in found.items())


def _content_encoding(headers: Headers) -> str | None:
    value = ", ".join(headers.get_all("content-encoding"))
    if "aws-chunked" not in value.lower():
        return value or None
    codings = (piece.strip() for piece in value.split(","))
    return ",".join(coding for coding in codings if coding and coding.lower() != "aws-chunked") or None


def _website_redirect(headers: Headers) -> str | None:
    value = headers.get("x-amz-website-redirect-location")
    if value is not None and not value.startswith(("/", "http://", "https://")):
        raise S3Error("InvalidRedirectLocation")
    return value


def _kept(headers: Headers, name: str) -> str | None:
    value = headers.get(name)
    return _readable(value) if value else None


def object_metadata(headers: Headers) -> ObjectMetadata:
    """What the headers say is to be kept with the object.

    Raises S3Error MetadataTooLarge, InvalidRedirectLocation, and what `requested_tags` raises.
    """
    return ObjectMetadata(
        content_type=_kept(headers, "content-type"),
        cache_control=_kept(headers, "cache-control"),
        content_disposition=_kept(headers, "content-disposition"),
        content_encoding=_content_encoding(headers) if "content-encoding" in headers else None,
        content_language=_kept(headers, "content-language"),
        expires=_kept(headers, "expires"),
        website_redirect=_website_redirect(headers),
        user=_user_metadata(headers),
        tags=requested_tags(headers),
    )


def date_header(headers: Headers, name: str) -> int | None:
    """Seconds since the epoch; None where the header is missing or is no date (RFC 9110: ignored)."""
    value = headers.get(name)
    if value is None:
        return None
    seconds = parse_http_date(value)
    return parse_iso(value) if seconds is None else seconds


def deciding_date(headers: Headers, name: str) -> int | None:
    """`date_header` of a condition of what cannot be taken back: a date that cannot be read is refused.

    Raises S3Error InvalidArgument.
    """
    seconds = date_header(headers, name)
    if seconds is None and name in headers:
        raise _invalid(name, headers.get(name) or "")
    return seconds


def size_header(headers: Headers, name: str) -> int | None:
    """A number of bytes, 0 to 2^63-1. Raises S3Error InvalidArgument."""
    value = headers.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 19):
        raise _invalid(name, value)
    return int(value)


def read_conditions(headers: Headers, prefix: str = "") -> ReadConditions:
    """The four conditions of a read; with prefix ``x-amz-copy-source-`` those of a copy's source."""
    conditions = ReadConditions(
        headers.get(f"{prefix}if-match"),
        headers.get(f"{prefix}if-none-match"),
        date_header(headers, f"{prefix}if-modified-since"),
        date_header(headers, f"{prefix}if-unmodified-since"),
    )
    return NO_READ_CONDITIONS if conditions == NO_READ_CONDITIONS else conditions


def write_conditions(headers: Headers) -> WriteConditions:
    """The conditions of a write. Raises S3Error NotImplemented for what S3 does not know for writes."""
    if_match, if_none_match = headers.get("if-match"), headers.get("if-none-match")
    refuse_conditions(headers, "if-modified-since", "if-unmodified-since")
    if if_match is None and if_none_match is None:
        return NO_WRITE_CONDITIONS
    conditions = WriteConditions(if_match, if_none_match)
    require_usable_write_conditions(conditions)
    return conditions


def refuse_conditions(headers: Headers, *names: str) -> None:
    """Raise NotImplemented for the first of these conditions that is there.

    An operation that does not know a condition must not do its work as if the condition held.
    """
    for name in names:
        if name in headers:
            raise not_implemented(name)


def checksum_algorithm(headers: Headers) -> str | None:
    """x-amz-checksum-algorithm in upper case. Raises InvalidRequest (unknown)."""
    value = headers.get("x-amz-checksum-algorithm")
    if value is None:
        return None
    name = value.strip().upper()
    if name not in CHECKSUM_ALGORITHMS:
        raise S3Error(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            f"[{', '.join(sorted(CHECKSUM_ALGORITHMS))}]",
        )
    return name


def checksum_type(headers: Headers) -> str | None:
    """x-amz-checksum-type. Raises InvalidRequest for a value that is no type."""
    value = headers.get("x-amz-checksum-type")
    if value is None:
        return None
    if value.upper() not in ("COMPOSITE", "FULL_OBJECT"):
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    return value.upper()


def checksums(headers: Headers) -> tuple[tuple[str, str], ...]:
    """The checksum of a whole object sent as a header: (algorithm, base64 text as sent), which may end in
    the number of parts; none or one. Raises S3Error InvalidRequest.
    """
    sent = [(name, header) for name, header in _CHECKSUM_HEADERS if header in headers]
    if len(sent) > 1:
        raise S3Error("InvalidRequest", MULTIPLE_CHECKSUMS)
    found = tuple((name, (headers.get(header) or "").strip()) for name, header in sent)
    for name, value in found:
        digest, dash, parts = value.partition("-")
        digits = parts.isascii() and parts.isdigit()
        if decode_digest(Algorithm(name), digest) is None or bool(dash) != digits:
            raise S3Error("InvalidRequest", f"Value for {Algorithm(name).header} header is invalid.")
    return found
