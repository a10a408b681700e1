"""Signature Version 4: credential scopes, signatures, and requests signed in the Authorization header.

Source: "Authenticating Requests: Using the Authorization Header" and "Signature Calculations" of the S3 API
reference; the messages are the ones S3 answers with.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from weka_mp.s3.canonical import canonical_headers, canonical_path, canonical_query, split_signed_headers
from weka_mp.s3.credentials import (
    AccessKeyId,
    Authentication,
    AuthKind,
    ChunkSigning,
    PayloadMode,
    SecretKey,
    SecretLookup,
    SigningKeyCache,
    check_session_token,
    find_secret,
)
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import S3Request
from weka_mp.s3.signing_time import MAX_SKEW, basic_iso, extended_iso, parse_basic_iso, parse_date_header

__all__ = [
    "ALGORITHM", "S3_ALONE", "SERVICE", "Regions", "Scope", "ScopeError", "Signed", "authenticate_header",
    "build_authentication", "check_skew", "parse_header", "parse_payload_mode", "parse_scope",
    "require_signed_headers", "signature_mismatch", "verify_signature",
]

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SERVICE: Final = "s3"
S3_ALONE: Final = frozenset({SERVICE})

_TERMINATOR: Final = "aws4_request"
_USUAL_HEADER: Final = re.compile(
    ALGORITHM + r" Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([^,\s]+)"
)
_SHA256_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}")
_NAMED_MODES: Final = {mode.value: mode for mode in PayloadMode if mode.value.isupper()}
_DEFAULT_PORTS: Final = {True: ":443", False: ":80"}


class Regions(NamedTuple):
    """The region the endpoint is in and the ones it lets clients sign for; accepted None accepts any."""

    own: str
    accepted: frozenset[str] | None

    def accepts(self, region: str) -> bool:
        """Whether a client may sign for the region."""
        return self.accepted is None or region == self.own or region in self.accepted


@dataclass(frozen=True, slots=True)
class Scope:
    """A parsed Credential. date: YYYYMMDD; text: date/region/service/aws4_request."""

    access_key: str
    date: str
    region: str
    service: str
    text: str


class ScopeError(Exception):
    """A Credential that is not valid; the text says why in S3's words. Callers wrap it in their own code."""

    def __init__(self, reason: str, region: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.region = region


class Signed(NamedTuple):
    """What a signature has to be checked against, wherever it was carried.

    payload_hash: as it was sent, empty when nothing was. A tuple, as Regions: one is made for every request,
    and a frozen dataclass costs three times as much.
    """

    scope: Scope
    timestamp: str
    names: tuple[str, ...]
    payload_hash: str
    signature: str


def parse_scope(credential: str, regions: Regions, services: frozenset[str] = S3_ALONE) -> Scope:
    """Split ``AKID/YYYYMMDD/REGION/SERVICE/aws4_request``; the access key may itself hold slashes.

    services: those that the request may be signed for. Raises ScopeError.
    """
    return _parse_scope(credential, regions.own, regions.accepted, services)


@lru_cache(maxsize=256)  # a client repeats its credential for a day
def _parse_scope(
    credential: str, own: str, accepted: frozenset[str] | None, services: frozenset[str]
) -> Scope:
    regions = Regions(own, accepted)
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or not parts[0]:
        raise ScopeError(
            'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        )
    access_key, date, region, service, terminator = parts
    if parse_basic_iso(f"{date}T000000Z") is None:
        raise ScopeError(
            f'incorrect date format "{date}". This date in the credential must be in the format "yyyyMMdd".'
        )
    if not regions.accepts(region):
        raise ScopeError(f"the region '{region}' is wrong; expecting '{regions.own}'", regions.own)
    if service not in services:
        belongs = '" or "'.join(sorted(services))
        raise ScopeError(f'incorrect service "{service}". This endpoint belongs to "{belongs}".')
    if terminator != _TERMINATOR:
        raise ScopeError(f'incorrect terminal "{terminator}". This endpoint uses "{_TERMINATOR}".')
    return Scope(access_key, date, region, service, f"{date}/{region}/{service}/{terminator}")


def parse_payload_mode(value: str) -> tuple[PayloadMode, str | None]:
    """The mode an ``x-amz-content-sha256`` value names and, for a hash, its lower-case hex.

    Raises S3Error InvalidArgument, or NotImplemented for the ECDSA variants (SigV4A).
    """
    mode = _NAMED_MODES.get(value)
    if mode is None:
        if _SHA256_HEX.fullmatch(value):
            return PayloadMode.SIGNED, value.lower()
        allowed = ", ".join(_NAMED_MODES)
        raise S3Error(
            "InvalidArgument",
            f"x-amz-content-sha256 must be {allowed} or a valid sha256 value.",
            details={"ArgumentName": "x-amz-content-sha256", "ArgumentValue": value},
        )
    if mode in (PayloadMode.STREAMING_ECDSA, PayloadMode.STREAMING_ECDSA_TRAILER):
        raise S3Error("NotImplemented", f"The chunk encoding algorithm {value} is not supported.")
    return mode, None


def require_signed_headers(request: S3Request, names: Sequence[str], exempt: Iterable[str] = ()) -> None:
    """Refuse a request whose Host or any x-amz-* header is not signed. Raises S3Error AccessDenied."""
    missing = [] if "host" in names else ["host"]
    for name, _ in request.headers.items():
        if name.startswith("x-amz-") and name not in names and name not in exempt and name not in missing:
            missing.append(name)
    if missing:
        raise S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            details={"HeadersNotSigned": ", ".join(sorted(missing))},
        )


def signature_mismatch(
    access_key: str, provided: str, string_to_sign: bytes, canonical: bytes | None = None
) -> S3Error:
    """SignatureDoesNotMatch with what S3 computed, so that a client's author can compare."""
    details = {
        "AWSAccessKeyId": access_key,
        "StringToSign": string_to_sign.decode("utf-8", "backslashreplace"),
        "SignatureProvided": provided,
        "StringToSignBytes": string_to_sign.hex(" "),
    }
    if canonical is not None:
        details["CanonicalRequest"] = canonical.decode("utf-8", "backslashreplace")
        details["CanonicalRequestBytes"] = canonical.hex(" ")
    return S3Error("SignatureDoesNotMatch", details=details)


def _string_to_sign(signed: Signed, canonical: bytes) -> bytes:
    digest = hashlib.sha256(canonical).hexdigest()
    text = f"{ALGORITHM}\n{signed.timestamp}\n{signed.scope.text}\n{digest}"
    return text.encode("utf-8", "surrogateescape")


def _alternative_hosts(request: S3Request, secure: bool) -> list[str]:
    """Other spellings of Host that may have been signed: libraries add or drop the scheme's default port."""
    host = request.headers.get("host")
    if host is None:
        return [request.authority] if request.authority else []
    port = _DEFAULT_PORTS[secure]
    if host.endswith(port):
        return [host.removesuffix(port)]
    return [] if re.search(r":[0-9]+$", host) else [host + port]


def verify_signature(
    request: S3Request, signed: Signed, secret: SecretKey, keys: SigningKeyCache, *, query: str, secure: bool
) -> bytes:
    """Check the signature in constant time and return the signing key. query: the canonical query.

    What does not match is tried again in the spellings that HTTP programs are known to sign: Host with
    or without the default port, and (in the header) the target as sent, which curl before 8 signs. Each is as
    exact as the canonical form: the signed text has one meaning only.
    Raises S3Error SignatureDoesNotMatch.
    """
    key = keys.get(secret, signed.scope.date, signed.scope.region, signed.scope.service)
    target = f"{canonical_path(request.raw_path)}\n{query}"
    tail = f"\n{';'.join(signed.names)}\n{signed.payload_hash}"
    provided = signed.signature.encode("utf-8", "surrogateescape")

    def matches(target: str, host: str | None) -> tuple[bool, bytes, bytes]:
        lines = canonical_headers(request.headers, signed.names, host)
        canonical = f"{request.method}\n{target}\n{lines}{tail}".encode("latin-1", "backslashreplace")
        to_sign = _string_to_sign(signed, canonical)
        expected = hmac.digest(key, to_sign, "sha256").hex().encode()
        return hmac.compare_digest(expected, provided), to_sign, canonical

    found, to_sign, canonical = matches(target, None)
    if found:
        return key
    alternatives: list[tuple[str, str | None]] = [
        (target, host) for host in _alternative_hosts(request, secure)
    ]
    if "authorization" in request.headers:
        alternatives.append(((request.raw_path + b"\n" + request.raw_query).decode("latin-1"), None))
    if not any(matches(*alternative)[0] for alternative in alternatives):
        raise signature_mismatch(signed.scope.access_key, signed.signature, to_sign, canonical)
    return key


def _malformed(reason: str, region: str | None = None) -> S3Error:
    details = {"Region": region} if region is not None else None
    return S3Error(
        "AuthorizationHeaderMalformed", f"The authorization header is malformed; {reason}", details=details
    )


def _parse_components(authorization: str) -> tuple[str, str, str]:
    """Credential, SignedHeaders and Signature of an AWS4-HMAC-SHA256 header, in any order."""
    usual = _USUAL_HEADER.fullmatch(authorization)
    if usual is not None:
        return usual.group(1), usual.group(2), usual.group(3)
    components: dict[str, str] = {}
    for piece in authorization[len(ALGORITHM):].split(","):
        name, equals, value = piece.strip().partition("=")
        if not equals:
            raise _malformed(
                "the authorization header requires three components: "
                "Credential, SignedHeaders, and Signature."
            )
        components[name] = value
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not components.get(name):
            raise _malformed(f"missing {name}.")
    return components["Credential"], components["SignedHeaders"], components["Signature"]


def _request_time(request: S3Request) -> tuple[str, int]:
    """The time stamp to sign and its epoch seconds: x-amz-date, else Date."""
    text = request.headers.get("x-amz-date")
    if text is None:
        text = request.headers.get("date") or ""
    moment = parse_basic_iso(text)
    if moment is not None:
        return text, moment
    moment = parse_date_header(text)
    if moment is not None:
        return basic_iso(moment), moment
    raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")


def check_skew(moment: float, now: float) -> None:
    """Refuse a request signed more than 15 minutes from now. Raises S3Error RequestTimeTooSkewed."""
    if abs(now - moment) > MAX_SKEW:
        raise S3Error(
            "RequestTimeTooSkewed",
            details={
                "RequestTime": basic_iso(moment),
                "ServerTime": extended_iso(now),
                "MaxAllowedSkewMilliseconds": str(MAX_SKEW * 1000),
            },
        )


def parse_header(
    request: S3Request, authorization: str, regions: Regions, services: frozenset[str] = S3_ALONE
) -> tuple[Signed, int]:
    """What an ``Authorization: AWS4-HMAC-SHA256`` header says, unchecked, and its epoch seconds.

    Raises S3Error AuthorizationHeaderMalformed, AccessDenied (no date).
    """
    credential, signed_headers, signature = _parse_components(authorization)
    try:
        scope = parse_scope(credential, regions, services)
    except ScopeError as error:
        raise _malformed(error.reason, error.region) from error
    timestamp, moment = _request_time(request)
    if timestamp[:8] != scope.date:
        raise _malformed(
            f'Invalid credential date "{scope.date}". '
            f'This date is not the same as X-Amz-Date: "{timestamp[:8]}".'
        )
    payload_hash = request.headers.get("x-amz-content-sha256") or ""
    return Signed(scope, timestamp, split_signed_headers(signed_headers), payload_hash, signature), moment


def authenticate_header(
    request: S3Request,
    authorization: str,
    *,
    now: float,
    lookup: SecretLookup,
    regions: Regions,
    keys: SigningKeyCache,
    secure: bool,
) -> Authentication:
    """Check an ``Authorization: AWS4-HMAC-SHA256`` header.

    Raises S3Error AuthorizationHeaderMalformed, AccessDenied, InvalidRequest, InvalidArgument,
    RequestTimeTooSkewed, InvalidAccessKeyId, InvalidToken, SignatureDoesNotMatch or NotImplemented.
    """
    signed, moment = parse_header(request, authorization, regions)
    if "x-amz-content-sha256" not in request.headers:
        raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    check_skew(moment, now)
    mode, payload_sha256 = parse_payload_mode(signed.payload_hash)
    secret = find_secret(lookup, signed.scope.access_key)
    require_signed_headers(request, signed.names)
    key = verify_signature(
        request, signed, secret, keys, query=canonical_query(request.raw_query), secure=secure
    )
    token = request.headers.get("x-amz-security-token")
    check_session_token(secret, token)
    return build_authentication(
        AuthKind.HEADER_V4, signed, key, mode, payload_sha256, token=token, age=now - moment, secure=secure
    )


def build_authentication(
    kind: AuthKind,
    signed: Signed,
    key: bytes,
    mode: PayloadMode,
    payload_sha256: str | None,
    *,
    token: str | None,
    age: float,
    secure: bool,
) -> Authentication:
    """The Authentication of a verified SigV4 request."""
    chunks = None
    if mode is not PayloadMode.SIGNED and mode.signs_chunks:
        chunks = ChunkSigning(key, signed.signature, signed.timestamp, signed.scope.text)
    return Authentication(
        AccessKeyId(signed.scope.access_key), kind, mode, payload_sha256, chunks, frozenset(signed.names),
        token, age, secure,
    )
