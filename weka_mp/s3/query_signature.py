"""Signatures of requests in AWS's query protocol (STS, IAM), which come to the same address as S3's.

Version 4 only. As S3's, with two differences: the scope names another service, and the body, which is small
and read before, is always signed, whether a header says its digest or not ("Create a signed AWS API request",
IAM user guide). So there are two steps: `claim` as soon as the head is there, `verify` with the body.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from weka_mp.s3 import presign, sigv4
from weka_mp.s3.canonical import canonical_query
from weka_mp.s3.credentials import (
    AccessKeyId,
    SecretKey,
    SecretLookup,
    SigningKeyCache,
    check_session_token,
    find_secret,
)
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import S3Request

__all__ = ["SERVICES", "Claim", "claim", "verify"]

IAM: Final = "iam"
STS: Final = "sts"
SERVICES: Final = frozenset({IAM, STS, sigv4.SERVICE})
"""What the scope may name. `s3`: clients that know one service of the endpoint sign for it."""

_LONGEST: Final = 900  # seconds that a pre-signed query is good for, whatever it says: as at STS
_TOKEN: Final = "x-amz-security-token"
_DIGEST: Final = "x-amz-content-sha256"
_KEYS: Final = SigningKeyCache()


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose a request says it is. Nothing is proved before `verify`."""

    signed: sigv4.Signed = field(repr=False)
    secret: SecretKey
    token: str | None = field(repr=False)
    query: str = field(repr=False)

    @property
    def access_key(self) -> AccessKeyId:
        return AccessKeyId(self.signed.scope.access_key)

    @property
    def service(self) -> str:
        """Of SERVICES."""
        return self.signed.scope.service


def claim(request: S3Request, *, now: float, lookup: SecretLookup, regions: sigv4.Regions) -> Claim:
    """What the head says, refused where it is malformed, too old, or of a key that nobody has.

    now: epoch seconds. Raises S3Error: as `sigv4` and `presign` say; AccessDenied where nobody signed it.
    """
    parameters = dict(reversed(request.query))
    authorizations = request.headers.get_all("authorization")
    in_query = presign.carries_v4(parameters)
    if presign.carries_v2(parameters) or any(not _is_v4(value) for value in authorizations):
        raise S3Error("AuthorizationHeaderMalformed", f"Sign with {sigv4.ALGORITHM}.")
    if len(authorizations) + in_query > 1:
        raise S3Error("AuthorizationHeaderMalformed", "Sign in the Authorization header or the query, once.")
    if in_query:
        signed, _ = presign.parse_v4(parameters, regions, now, SERVICES, _LONGEST)
        token = parameters.get("X-Amz-Security-Token")
        query = canonical_query(request.raw_query, without="X-Amz-Signature")
    elif authorizations:
        signed, moment = sigv4.parse_header(request, authorizations[0], regions, SERVICES)
        sigv4.check_skew(moment, now)
        token = request.headers.get(_TOKEN)
        query = canonical_query(request.raw_query)
    else:
        raise S3Error("MissingAuthenticationToken")
    sigv4.require_signed_headers(request, signed.names)
    return Claim(signed, find_secret(lookup, signed.scope.access_key), token, query)


def verify(request: S3Request, claimed: Claim, body: bytes, *, secure: bool = False) -> None:
    """Return when the request with this body was signed with the key that it claims, and its session token,
    if it has one, is the key's. Raises S3Error SignatureDoesNotMatch, InvalidToken, InvalidAccessKeyId,
    XAmzContentSHA256Mismatch.
    """
    digest = hashlib.sha256(body).hexdigest()
    if any(value != digest for value in request.headers.get_all(_DIGEST)):
        raise S3Error("XAmzContentSHA256Mismatch")
    signed = claimed.signed._replace(payload_hash=digest)
    sigv4.verify_signature(request, signed, claimed.secret, _KEYS, query=claimed.query, secure=secure)
    check_session_token(claimed.secret, claimed.token)


def _is_v4(authorization: str) -> bool:
    return authorization.partition(" ")[0] == sigv4.ALGORITHM
