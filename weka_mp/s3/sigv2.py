"""Signature Version 2: the string to sign, and requests that carry the signature in the Authorization header.

Source: "Signing and authenticating REST requests (AWS signature version 2)" of the S3 user guide.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

from weka_mp.s3.canonical import canonical_header_value
from weka_mp.s3.credentials import (
    AccessKeyId,
    Authentication,
    AuthKind,
    PayloadMode,
    SecretKey,
    SecretLookup,
    check_session_token,
    find_secret,
)
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers, S3Request
from weka_mp.s3.signing_time import parse_basic_iso, parse_date_header
from weka_mp.s3.sigv4 import check_skew, parse_payload_mode, signature_mismatch

__all__ = [
    "SUBRESOURCES", "authenticate_header", "check_signature", "declared_payload", "sign", "string_to_sign",
]

# Query parameters that name what is operated on; any other parameter stays outside the signature. The list of
# the user guide and the additions that current SDKs sign.
SUBRESOURCES: Final = frozenset({
    "accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle",
    "location", "logging", "metrics", "notification", "object-lock", "partNumber", "policy",
    "replication", "requestPayment", "response-cache-control", "response-content-disposition",
    "response-content-encoding", "response-content-language", "response-content-type", "response-expires",
    "restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads",
    "versionId", "versioning", "versions", "website",
})


_AMBIGUOUS: Final = "The request could be signed for another: sign it with version 4."


def _amz_header_lines(headers: Headers, hoisted: Sequence[tuple[str, str]]) -> str:
    values: dict[str, list[str]] = {}
    for name, value in (*headers.items(), *hoisted):
        if name.startswith("x-amz-"):
            values.setdefault(name, []).append(canonical_header_value(value))
    return "".join([f"{name}:{','.join(values[name])}\n" for name in sorted(values)])


def _names_another(value: bytes) -> bool:
    """Whether a decoded value reads as if more of what is signed stood in it."""
    return any(
        piece.partition(b"=")[0].decode("latin-1") in SUBRESOURCES for piece in value.split(b"&")[1:]
    )


def _canonical_resource(request: S3Request, virtual_bucket: str | None) -> bytes:
    """Bucket and path as sent (not decoded), then the subresources, sorted, their values decoded."""
    resource = request.raw_path or b"/"
    if virtual_bucket is not None:
        resource = b"/" + virtual_bucket.encode() + resource
    pairs = []
    for piece in request.raw_query.split(b"&"):
        name, equals, value = piece.partition(b"=")
        name = unquote_to_bytes(name)  # as whoever acts upon it reads it
        if name.decode("latin-1") in SUBRESOURCES:
            pairs.append((name, equals + unquote_to_bytes(value.replace(b"+", b" "))))
    if not pairs:
        return resource
    pairs.sort(key=lambda pair: pair[0])
    if any(_names_another(value) for _, value in pairs):
        raise S3Error("AccessDenied", _AMBIGUOUS)
    return resource + b"?" + b"&".join([name + value for name, value in pairs])


def string_to_sign(
    request: S3Request,
    *,
    date: str,
    virtual_bucket: str | None,
    hoisted: Sequence[tuple[str, str]] = (),
) -> bytes:
    """The bytes that the signature covers.

    date:     the Date line: Date header, "" when x-amz-date is there, or Expires of a pre-signed query.
    hoisted:  (lower-case name, value) of headers that a pre-signed query carries as parameters, as latin-1.

    Values are signed decoded, so that ``a=1%26b=2`` signs as ``a=1&b=2`` does: what could be two requests is
    refused. Raises S3Error AccessDenied.
    """
    moved = dict(hoisted)
    lines = [request.method]
    for name in ("content-md5", "content-type"):
        sent = request.headers.get(name)
        lines.append((sent if sent is not None else moved.get(name, "")).strip())
    lines.append(date)
    text = "\n".join(lines) + "\n" + _amz_header_lines(request.headers, hoisted)
    return text.encode("latin-1", "backslashreplace") + _canonical_resource(request, virtual_bucket)


def sign(secret: SecretKey, text: bytes) -> str:
    """Base64 of HMAC-SHA1."""
    return base64.b64encode(hmac.digest(secret.secret.encode(), text, "sha1")).decode()


def other_spelling(request: S3Request, text: bytes) -> bytes | None:
    """The string to sign of a client that takes ``/bucket`` for ``/bucket/``; None where there is no bucket
    alone.

    Clients that follow the rule for virtual hosts in path style too (botocore's hmacv1) sign a slash that
    they do not send; both address the bucket.
    """
    resource = request.raw_path
    if len(resource) < 2 or b"/" in resource[1:]:
        return None
    head, separator, tail = text.rpartition(b"\n" + resource)
    return head + separator + b"/" + tail if separator and tail[:1] in (b"", b"?") else None


def check_signature(
    access_key: str, secret: SecretKey, provided: str, text: bytes, other: bytes | None = None
) -> None:
    """Compare in constant time, with `other` too where there is one. Raises S3Error SignatureDoesNotMatch."""
    sent = provided.encode("utf-8", "surrogateescape")
    if hmac.compare_digest(sign(secret, text).encode(), sent):
        return
    if other is None or not hmac.compare_digest(sign(secret, other).encode(), sent):
        raise signature_mismatch(access_key, provided, text)


def declared_payload(headers: Headers) -> tuple[PayloadMode, str | None]:
    """Payload mode and hash of a request whose scheme has no seed for chunk signatures (V2 and anonymous).

    Raises S3Error InvalidArgument, NotImplemented or InvalidRequest (signed chunks).
    """
    value = headers.get("x-amz-content-sha256")
    if value is None:
        return PayloadMode.PLAIN, None
    mode, payload_sha256 = parse_payload_mode(value)
    if mode.signs_chunks:
        raise S3Error(
            "InvalidRequest",
            "Anonymous requests don't support this x-amz-content-sha256 value. "
            "Please use UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER.",
        )
    return mode, payload_sha256


def _request_time(request: S3Request) -> tuple[str, int]:
    """The Date line of the string to sign and the epoch seconds the request claims."""
    stamp = request.headers.get("x-amz-date")
    date = request.headers.get("date")
    text = stamp if stamp is not None else date
    if text is not None:
        moment = parse_date_header(text)
        if moment is None:
            moment = parse_basic_iso(text.strip())
        if moment is not None and moment >= 0:  # a time before the epoch is no clock that is wrong
            return ("" if stamp is not None else text.strip()), moment
    raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")


def authenticate_header(
    request: S3Request,
    authorization: str,
    *,
    now: float,
    lookup: SecretLookup,
    virtual_bucket: str | None,
    secure: bool,
) -> Authentication:
    """Check an ``Authorization: AWS AKID:signature`` header.

    Raises S3Error InvalidArgument, AccessDenied, RequestTimeTooSkewed, InvalidAccessKeyId, InvalidToken,
    SignatureDoesNotMatch or InvalidRequest.
    """
    access_key, colon, provided = authorization.removeprefix("AWS ").strip().rpartition(":")
    if not colon or not access_key:
        raise S3Error(
            "InvalidArgument",
            "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
            details={"ArgumentName": "Authorization", "ArgumentValue": authorization},
        )
    date, moment = _request_time(request)
    check_skew(moment, now)
    secret = find_secret(lookup, access_key)
    text = string_to_sign(request, date=date, virtual_bucket=virtual_bucket)
    check_signature(access_key, secret, provided, text, other_spelling(request, text))
    token = request.headers.get("x-amz-security-token")
    check_session_token(secret, token)
    mode, payload_sha256 = declared_payload(request.headers)
    return Authentication(
        AccessKeyId(access_key), AuthKind.HEADER_V2, mode, payload_sha256, session_token=token,
        age=now - moment, secure=secure,
    )
