"""Who signed a request and what that proves about its body: the values every signature scheme shares.

``sigv4``, ``sigv2``, ``presign`` and ``post_policy`` fill these in, ``payload`` reads them.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from threading import Lock
from typing import Final, NewType

from weka_mp.s3.errors import S3Error

__all__ = [
    "AccessKeyId", "AuthKind", "Authentication", "ChunkSigning", "PayloadMode", "SecretKey", "SecretLookup",
    "SigningKeyCache", "check_session_token", "find_secret",
]

AccessKeyId = NewType("AccessKeyId", str)

# One key per (secret, day, region): 512 serve as many users in one region; a key is 32 bytes plus its name.
_DEFAULT_CACHED_KEYS: Final = 512


class AuthKind(Enum):
    """How a request proved who sent it."""

    ANONYMOUS = "anonymous"
    HEADER_V4 = "header-v4"
    QUERY_V4 = "query-v4"
    HEADER_V2 = "header-v2"
    QUERY_V2 = "query-v2"
    POST_V4 = "post-v4"
    POST_V2 = "post-v2"


class PayloadMode(Enum):
    """What ``x-amz-content-sha256`` announced about the body ("Authenticating Requests", S3 API)."""

    PLAIN = ""  # no such header: anonymous and SigV2
    UNSIGNED = "UNSIGNED-PAYLOAD"
    SIGNED = "sha256"  # the header holds the SHA-256 of the whole body
    STREAMING_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    STREAMING_SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    STREAMING_UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    STREAMING_ECDSA = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
    STREAMING_ECDSA_TRAILER = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"

    @property
    def is_streaming(self) -> bool:
        """Whether the body is framed as aws-chunked."""
        return self.value.startswith("STREAMING-")

    @property
    def signs_chunks(self) -> bool:
        """Whether every chunk carries a signature of its own."""
        return self.value.startswith("STREAMING-AWS4-")

    @property
    def has_trailer(self) -> bool:
        """Whether trailing headers may follow the last chunk."""
        return self.value.endswith("-TRAILER")


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A secret access key. secret_id names it in caches.

    session_token: what a request with this temporary key must carry; None for a permanent key.
    """

    secret_id: str
    secret: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


SecretLookup = Callable[[str], SecretKey | None]


@dataclass(frozen=True, slots=True)
class ChunkSigning:
    """What the first chunk's signature continues.

    timestamp: YYYYMMDDTHHMMSSZ; scope: date/region/s3/aws4_request.
    """

    signing_key: bytes = field(repr=False)
    seed_signature: str
    timestamp: str
    scope: str


@dataclass(frozen=True, slots=True)
class Authentication:
    """The outcome of a successful signature check.

    access_key:      None for anonymous requests.
    payload_sha256:  lower-case hex the body must have; only with PayloadMode.SIGNED.
    chunk_signing:   only when payload_mode signs chunks.
    signed_headers:  lower-case names the signature covers.
    session_token:   the temporary credentials' token, already compared with the key's.
    age:             seconds since the request was signed (s3:signatureAge in seconds); 0 if unknown.
    secure:          whether the request came over TLS (aws:SecureTransport).
    """

    access_key: AccessKeyId | None
    kind: AuthKind
    payload_mode: PayloadMode = PayloadMode.PLAIN
    payload_sha256: str | None = None
    chunk_signing: ChunkSigning | None = None
    signed_headers: frozenset[str] = frozenset()
    session_token: str | None = field(default=None, repr=False)
    age: float = 0.0
    secure: bool = False


def find_secret(lookup: SecretLookup, access_key: str) -> SecretKey:
    """The secret of an access key. Raises S3Error InvalidAccessKeyId."""
    secret = lookup(access_key)
    if secret is None:
        raise S3Error("InvalidAccessKeyId", details={"AWSAccessKeyId": access_key})
    return secret


def check_session_token(secret: SecretKey, token: str | None) -> None:
    """Refuse a temporary key without its token and a permanent one with any. Raises S3Error InvalidToken.

    A temporary key whose token is missing is unknown on its own: InvalidAccessKeyId, as S3 answers.
    """
    if secret.session_token is None and token is None:
        return
    if token is None:
        raise S3Error("InvalidAccessKeyId")
    expected = (secret.session_token or "").encode()
    # Both sides are compared even when the key is permanent, so that timing does not tell which it is.
    if not hmac.compare_digest(expected, token.encode("utf-8", "surrogateescape")):
        raise S3Error("InvalidToken")


class SigningKeyCache:
    """Bounded, thread-safe LRU of SigV4 signing keys by (secret_id, date, region, service)."""

    def __init__(self, capacity: int = _DEFAULT_CACHED_KEYS) -> None:
        self._capacity = capacity
        self._keys: OrderedDict[tuple[str, str, str, str], tuple[str, bytes]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, secret: SecretKey, date: str, region: str, service: str) -> bytes:
        """The 32-byte signing key ("Deriving a signing key", SigV4). date: YYYYMMDD."""
        name = (secret.secret_id, date, region, service)
        with self._lock:
            known = self._keys.get(name)
            # The secret is compared as well: a rotated one under the old id must not find the old key.
            if known is not None and known[0] == secret.secret:
                self._keys.move_to_end(name)
                return known[1]
        key = _derive(secret.secret, date, region, service)
        with self._lock:
            self._keys[name] = (secret.secret, key)
            if len(self._keys) > self._capacity:
                self._keys.popitem(last=False)
        return key


def _derive(secret: str, *scope: str) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
