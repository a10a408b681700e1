"""The one question asked of every request head: who sent it? Chooses the signature scheme and checks it."""

from __future__ import annotations

from weka_mp.s3 import presign, sigv2, sigv4
from weka_mp.s3.credentials import Authentication, AuthKind, SecretLookup, SigningKeyCache
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import S3Request

__all__ = ["authenticate"]

_SHARED_KEYS = SigningKeyCache()


def _too_many_mechanisms(authorization: str) -> S3Error:
    return S3Error(
        "InvalidArgument",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
        "parameter or the Authorization header should be specified",
        details={"ArgumentName": "Authorization", "ArgumentValue": authorization},
    )


def _unsupported(authorization: str, space: bool) -> S3Error:
    message = "Unsupported Authorization Type"
    if not space:
        message = "Authorization header is invalid -- one and only one ' ' (space) required"
    return S3Error(
        "InvalidArgument", message, details={"ArgumentName": "Authorization", "ArgumentValue": authorization}
    )


def authenticate(
    request: S3Request,
    *,
    now: float,
    lookup: SecretLookup,
    region: str,
    regions: frozenset[str] | None = None,
    allow_header_sigv2: bool = False,
    virtual_bucket: str | None = None,
    secure: bool = False,
    keys: SigningKeyCache = _SHARED_KEYS,
) -> Authentication:
    """Find out who signed the request, or that nobody did (AuthKind.ANONYMOUS: authorization decides then).

    now:                 epoch seconds.
    region, regions:     our region, and further ones clients may sign for; None accepts whichever they name.
    allow_header_sigv2:  whether ``Authorization: AWS …`` is honoured; pre-signed V2 queries always are.
    virtual_bucket:      the bucket that the Host named; version 2 signs it as part of the path.
    secure:              whether the request came over TLS.
    keys:                where derived signing keys are kept.

    Raises S3Error; see ``sigv4``, ``sigv2`` and ``presign`` for the codes of each scheme.
    """
    parameters = dict(reversed(request.query)) if request.query else {}
    authorization = request.headers.get("authorization")
    query_v4 = bool(parameters) and presign.carries_v4(parameters)
    query_v2 = bool(parameters) and presign.carries_v2(parameters)
    # Whoever stands between may go by the other one of two headers.
    sent = 0 if authorization is None else len(request.headers.get_all("authorization"))
    if sent + query_v4 + query_v2 > 1:
        raise _too_many_mechanisms(authorization or "")
    accepted = sigv4.Regions(region, regions)
    if authorization is not None:
        scheme, space, _ = authorization.partition(" ")
        if scheme == sigv4.ALGORITHM:
            return sigv4.authenticate_header(
                request, authorization, now=now, lookup=lookup, regions=accepted, keys=keys, secure=secure
            )
        if scheme != "AWS":
            raise _unsupported(authorization, bool(space))
        if not allow_header_sigv2:
            raise S3Error(
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. "
                "Please use AWS4-HMAC-SHA256.",
            )
        return sigv2.authenticate_header(
            request, authorization, now=now, lookup=lookup, virtual_bucket=virtual_bucket, secure=secure
        )
    if query_v4:
        return presign.authenticate_v4(
            request, parameters, now=now, lookup=lookup, regions=accepted, keys=keys, secure=secure
        )
    if query_v2:
        return presign.authenticate_v2(
            request, parameters, now=now, lookup=lookup, virtual_bucket=virtual_bucket, secure=secure
        )
    mode, payload_sha256 = sigv2.declared_payload(request.headers)
    return Authentication(None, AuthKind.ANONYMOUS, mode, payload_sha256, secure=secure)
