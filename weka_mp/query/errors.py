"""What a caller of STS or IAM is told when something goes wrong: codes and statuses of AWS.

Sources: "Common errors" of the STS and IAM API references, and the errors of their operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weka_mp.errors import NamespaceError
from weka_mp.identity import errors as trouble
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.s3.errors import S3Error

__all__ = ["CATALOGUE", "QueryError", "shown", "to_query_error"]

CATALOGUE: Final[Mapping[str, int]] = {
    "AccessDenied": 403,
    "DeleteConflict": 409,
    "EntityAlreadyExists": 409,
    "ExpiredToken": 403,
    "IncompleteSignature": 400,
    "InvalidAction": 400,
    "InvalidClientTokenId": 403,
    "LimitExceeded": 409,
    "MalformedPolicyDocument": 400,
    "MalformedQueryString": 400,
    "MissingAuthenticationToken": 403,
    "MissingContentLength": 411,
    "NoSuchEntity": 404,
    "NotImplemented": 501,
    "PackedPolicyTooLarge": 400,
    "RequestEntityTooLarge": 413,
    "ServiceFailure": 500,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "Throttling": 503,
    "UnmodifiableEntity": 400,
    "ValidationError": 400,
}
"""code → HTTP status."""


class QueryError(Exception):
    """On its way to the caller; `code` is one of CATALOGUE."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = shown(message)
        self.status = CATALOGUE[code]

    @property
    def fault(self) -> str:
        """Whose it is, in AWS's words."""
        return "Sender" if self.status < 500 else "Receiver"


def shown(text: str) -> str:
    """One line without what XML 1.0 cannot carry: it may hold what a caller sent."""
    return "".join(character if character.isprintable() else "?" for character in text)[:1_000]


_BAD_TOKEN: Final = "The security token included in the request is invalid."
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
    "Access Key and signing method. Consult the service documentation for details."
)
_AGAIN: Final = "Users and policies cannot be read or changed now. Please try again."

_OF_SIGNATURES: Final[Mapping[str, tuple[str, str | None]]] = {
    "AccessDenied": ("AccessDenied", None),
    "AuthorizationHeaderMalformed": ("IncompleteSignature", None),
    "AuthorizationQueryParametersError": ("IncompleteSignature", None),
    "EntityTooLarge": ("RequestEntityTooLarge", None),
    "ExpiredToken": ("ExpiredToken", "The security token included in the request is expired"),
    "InvalidAccessKeyId": ("InvalidClientTokenId", _BAD_TOKEN),
    "InvalidToken": ("InvalidClientTokenId", _BAD_TOKEN),
    "MissingAuthenticationToken": ("MissingAuthenticationToken", "Request is missing Authentication Token"),
    "MissingContentLength": ("MissingContentLength", None),
    "RequestTimeTooSkewed": ("SignatureDoesNotMatch", "Signature expired, or not yet current."),
    "ServiceUnavailable": ("ServiceUnavailable", None),
    "SignatureDoesNotMatch": ("SignatureDoesNotMatch", _MISMATCH),
    "SlowDown": ("Throttling", None),
    "XAmzContentSHA256Mismatch": ("SignatureDoesNotMatch", _MISMATCH),
}
"""What S3's code of a refused request is here, and the message where it is another."""

_OF_IDENTITIES: Final[Mapping[type[trouble.IdentityError], str]] = {
    trouble.CredentialExpired: "ExpiredToken",
    trouble.EntityExists: "EntityAlreadyExists",
    trouble.IdentityUnusable: "ServiceUnavailable",
    trouble.InUse: "DeleteConflict",
    trouble.InvalidInput: "ValidationError",
    trouble.LimitExceeded: "LimitExceeded",
    trouble.LockedOut: "AccessDenied",
    trouble.LoginRefused: "AccessDenied",
    trouble.NoSuchEntity: "NoSuchEntity",
    trouble.NotAllowed: "AccessDenied",
    trouble.TokenRefused: "InvalidClientTokenId",
    trouble.Unmodifiable: "UnmodifiableEntity",
}


def to_query_error(error: Exception) -> QueryError | None:
    """What an error of any room below is here; None: it is nobody's but ours."""
    match error:
        case QueryError():
            return error
        case S3Error():
            return _of_signature(error)
        case MalformedPolicy():
            return QueryError("MalformedPolicyDocument", str(error))
        case trouble.IdentityUnusable() | NamespaceError():
            return QueryError("ServiceUnavailable", _AGAIN)
        case trouble.IdentityError():
            code = next(_OF_IDENTITIES[kind] for kind in type(error).__mro__ if kind in _OF_IDENTITIES)
            return QueryError(code, str(error))
    return None


def _of_signature(error: S3Error) -> QueryError:
    code, message = _OF_SIGNATURES.get(error.code, (None, None))
    if code is None:
        code = "ValidationError" if error.status < 500 else "ServiceFailure"
    return QueryError(code, message or error.message)
