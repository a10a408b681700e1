"""Pre-signed requests: the signature, and sometimes headers, travel in the query.

Source: "Authenticating Requests: Using Query Parameters" (version 4) and "Query string request authentication
alternative" (version 2) of the S3 documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from weka_mp.s3 import sigv2
from weka_mp.s3.canonical import canonical_query, split_signed_headers
from weka_mp.s3.checksums import Algorithm, encode_digest, new_hasher
from weka_mp.s3.credentials import (
    AccessKeyId,
    Authentication,
    AuthKind,
    PayloadMode,
    SecretLookup,
    SigningKeyCache,
    check_session_token,
    find_secret,
)
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers, S3Request, require_header
from weka_mp.s3.routing import SUBRESOURCES
from weka_mp.s3.signing_time import MAX_SKEW, extended_iso, parse_basic_iso
from weka_mp.s3.sigv2 import check_signature, declared_payload, other_spelling, string_to_sign
from weka_mp.s3.sigv4 import (
    ALGORITHM,
    S3_ALONE,
    Regions,
    Scope,
    ScopeError,
    Signed,
    build_authentication,
    parse_payload_mode,
    parse_scope,
    require_signed_headers,
    verify_signature,
)

__all__ = [
    "MAX_EXPIRES", "authenticate_v2", "authenticate_v4", "carries_v2", "carries_v4", "effective_headers",
    "parse_v4", "with_moved_headers",
]

MAX_EXPIRES: Final = 604_800  # seconds; a signing key lives no longer than its week

_V4_MARKS: Final = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature")
_V4_REQUIRED: Final = (*_V4_MARKS, "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires")
_V2_MARKS: Final = ("AWSAccessKeyId", "Signature")
_V2_REQUIRED: Final = (*_V2_MARKS, "Expires")
# Parameters of the signature itself: these never stand for headers.
_V4_OWN: Final = frozenset({name.lower() for name in (*_V4_REQUIRED, "X-Amz-Security-Token")})
_V2_HOISTED: Final = ("content-md5", "content-type")
_OF_NOTHING: Final = frozenset(
    (algorithm.header, encode_digest(new_hasher(algorithm).digest())) for algorithm in Algorithm
)
_NAMED_BY_SDKS: Final = "x-amz-sdk-checksum-algorithm"
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def carries_v4(parameters: Mapping[str, str]) -> bool:
    """Whether the query claims a version 4 signature."""
    return any(name in parameters for name in _V4_MARKS)


def carries_v2(parameters: Mapping[str, str]) -> bool:
    """Whether the query claims a version 2 signature."""
    return any(name in parameters for name in _V2_MARKS)


def _latin1(text: str) -> str:
    """A decoded parameter as a header value: one character a byte."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _hoisted(request: S3Request, kind: AuthKind) -> list[tuple[str, str]]:
    """Raises S3Error InvalidArgument for a parameter that cannot be a header, whether one outweighs it or
    not: a line break in it could be signed for the line of another.
    """
    moved = []
    for name, value in request.query:
        lowered = name.lower()
        if lowered.startswith("x-amz-"):
            if kind is AuthKind.QUERY_V2 or lowered not in _V4_OWN:
                moved.append((lowered, _latin1(value)))
        elif kind is AuthKind.QUERY_V2 and lowered in _V2_HOISTED:
            moved.append((lowered, _latin1(value)))
    for lowered, value in moved:
        require_header(lowered, value)
    return moved


def effective_headers(request: S3Request, kind: AuthKind) -> Headers:
    """The headers of a request and, when it is pre-signed, the ``x-amz-*`` headers moved to the query.

    SDKs that pre-sign move headers such as x-amz-acl or x-amz-checksum-crc32 there; the signature covers them
    in either place. A header that was really sent outweighs the parameter. Raises S3Error InvalidArgument for
    a parameter that cannot be a header.

    A checksum of nothing says nothing: the JavaScript SDK v3 signs one into every URL of an upload, before
    there is a body, and S3 takes whatever comes.
    """
    if kind not in (AuthKind.QUERY_V4, AuthKind.QUERY_V2):
        return request.headers
    moved = [pair for pair in _hoisted(request, kind) if pair[0] not in request.headers]
    if any(pair in _OF_NOTHING for pair in moved):
        moved = [pair for pair in moved if pair not in _OF_NOTHING and pair[0] != _NAMED_BY_SDKS]
    return Headers((*request.headers.items(), *moved)) if moved else request.headers


def _malformed(reason: str) -> S3Error:
    return S3Error("AuthorizationQueryParametersError", reason)


def _required(parameters: Mapping[str, str]) -> None:
    if any(not parameters.get(name) for name in _V4_REQUIRED):
        raise _malformed(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )


def _lifetime(text: str) -> int:
    if _INTEGER.fullmatch(text) is None:
        raise _malformed("X-Amz-Expires should be a number")
    seconds = int(text)
    if seconds < 0:
        raise _malformed("X-Amz-Expires must be non-negative")
    if seconds > MAX_EXPIRES:
        raise _malformed(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be "
            f"less than {MAX_EXPIRES} seconds"
        )
    return seconds


def _check_window(moment: int, lifetime: int, now: float) -> None:
    if now > moment + lifetime:
        raise S3Error(
            "AccessDenied",
            "Request has expired",
            details={
                "X-Amz-Expires": str(lifetime),
                "Expires": extended_iso(moment + lifetime),
                "ServerTime": extended_iso(now),
            },
        )
    if moment > now + MAX_SKEW:
        raise S3Error("AccessDenied", "Request is not valid yet", details={"ServerTime": extended_iso(now)})


def _scope_and_time(
    parameters: Mapping[str, str], regions: Regions, services: frozenset[str]
) -> tuple[Scope, int]:
    if parameters["X-Amz-Algorithm"] != ALGORITHM:
        raise _malformed(f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    try:
        scope = parse_scope(parameters["X-Amz-Credential"], regions, services)
    except ScopeError as error:
        raise _malformed(f"Error parsing the X-Amz-Credential parameter; {error.reason}") from error
    stamp = parameters["X-Amz-Date"]
    moment = parse_basic_iso(stamp)
    if moment is None:
        raise _malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    if stamp[:8] != scope.date:
        raise _malformed(
            f'Invalid credential date "{scope.date}". This date is not the same as X-Amz-Date: "{stamp[:8]}".'
        )
    return scope, moment


def _payload_hash(request: S3Request, parameters: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The last line of the canonical request: UNSIGNED-PAYLOAD unless the signer fixed the body."""
    for name, value in parameters.items():
        if name.lower() == "x-amz-content-sha256":
            return value
    header = request.headers.get("x-amz-content-sha256")
    return header if header is not None and "x-amz-content-sha256" in names else PayloadMode.UNSIGNED.value


def parse_v4(
    parameters: Mapping[str, str], regions: Regions, now: float,
    services: frozenset[str] = S3_ALONE, longest: int = MAX_EXPIRES,
) -> tuple[Signed, int]:
    """What a version 4 pre-signed query says, and the epoch seconds it was signed at; of this only the times
    are checked. The payload hash is left empty. longest: seconds that it is good for at most.

    Raises S3Error AuthorizationQueryParametersError, AccessDenied (expired, not yet valid).
    """
    _required(parameters)
    scope, moment = _scope_and_time(parameters, regions, services)
    _check_window(moment, min(_lifetime(parameters["X-Amz-Expires"]), longest), now)
    names = split_signed_headers(parameters["X-Amz-SignedHeaders"])
    return Signed(scope, parameters["X-Amz-Date"], names, "", parameters["X-Amz-Signature"]), moment


def authenticate_v4(
    request: S3Request,
    parameters: Mapping[str, str],
    *,
    now: float,
    lookup: SecretLookup,
    regions: Regions,
    keys: SigningKeyCache,
    secure: bool,
) -> Authentication:
    """Check a version 4 pre-signed request. parameters: the decoded query, first value of each name.

    Raises S3Error AuthorizationQueryParametersError, AccessDenied (expired, not yet valid, unsigned headers),
    InvalidAccessKeyId, InvalidToken, InvalidArgument, NotImplemented or SignatureDoesNotMatch.
    """
    signed, moment = parse_v4(parameters, regions, now)
    scope, names = signed.scope, signed.names
    payload_hash = _payload_hash(request, parameters, names)
    mode, payload_sha256 = parse_payload_mode(payload_hash)
    secret = find_secret(lookup, scope.access_key)
    # Saying that the body is unsigned adds nothing to what the signature says anyway; some SDKs send it.
    harmless = request.headers.get("x-amz-content-sha256") == PayloadMode.UNSIGNED.value
    require_signed_headers(request, names, exempt=("x-amz-content-sha256",) if harmless else ())
    signed = signed._replace(payload_hash=payload_hash)
    query = canonical_query(request.raw_query, without="X-Amz-Signature")
    key = verify_signature(request, signed, secret, keys, query=query, secure=secure)
    token = parameters.get("X-Amz-Security-Token")
    check_session_token(secret, token)
    return build_authentication(
        AuthKind.QUERY_V4, signed, key, mode, payload_sha256, token=token, age=now - moment, secure=secure
    )


def _expiry(text: str, now: float) -> None:
    if _INTEGER.fullmatch(text) is None:
        raise S3Error("AccessDenied", f"Invalid date (should be seconds since epoch): {text}")
    if now > int(text):
        raise S3Error(
            "AccessDenied",
            "Request has expired",
            details={"Expires": extended_iso(int(text)), "ServerTime": extended_iso(now)},
        )


def _refuse_unsigned_subresource(parameters: Mapping[str, str]) -> None:
    """Version 2 signs a fixed list of sub-resources. Whoever got a URL could add any other, and so make
    another operation of it. Raises S3Error AccessDenied.
    """
    unsigned = sorted((SUBRESOURCES & parameters.keys()) - sigv2.SUBRESOURCES)
    if unsigned:
        raise S3Error(
            "AccessDenied",
            f"A version 2 signature does not cover the parameter {unsigned[0]}: sign with version 4.",
        )


def authenticate_v2(
    request: S3Request,
    parameters: Mapping[str, str],
    *,
    now: float,
    lookup: SecretLookup,
    virtual_bucket: str | None,
    secure: bool,
) -> Authentication:
    """Check a version 2 pre-signed request. parameters: the decoded query, first value of each name.

    Raises S3Error AccessDenied (missing parameter, expired), InvalidAccessKeyId, InvalidToken,
    SignatureDoesNotMatch, InvalidArgument or InvalidRequest.
    """
    if any(not parameters.get(name) for name in _V2_REQUIRED):
        raise S3Error(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        )
    _expiry(parameters["Expires"], now)
    _refuse_unsigned_subresource(parameters)
    access_key = parameters["AWSAccessKeyId"]
    secret = find_secret(lookup, access_key)
    # Who uses the URL may send a header that stands in it as well: it was signed once.
    moved = [
        (name, value) for name, value in _hoisted(request, AuthKind.QUERY_V2)
        if request.headers.get(name) != value
    ]
    text = string_to_sign(
        request, date=parameters["Expires"], virtual_bucket=virtual_bucket, hoisted=moved
    )
    check_signature(access_key, secret, parameters["Signature"], text, other_spelling(request, text))
    headers = effective_headers(request, AuthKind.QUERY_V2)
    token = headers.get("x-amz-security-token")
    check_session_token(secret, token)
    mode, payload_sha256 = declared_payload(headers)
    return Authentication(
        AccessKeyId(access_key), AuthKind.QUERY_V2, mode, payload_sha256, session_token=token, secure=secure
    )


def with_moved_headers(request: S3Request, authentication: Authentication) -> S3Request:
    """A pre-signed request may carry x-amz-* headers in its query; they mean the same there."""
    headers = effective_headers(request, authentication.kind)
    return request if headers is request.headers else replace(request, headers=headers)
