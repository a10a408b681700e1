"""Signed tokens: JSON Web Tokens (RFC 7519), HS512 and nothing else, each kind under a key of its own.

As RFC 8725 asks: the algorithm is fixed here and never taken from the token, each kind says in its header
what it is (`typ`) and in `aud` whom it is for, and the header may hold nothing that leads to another key.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from weka_mp.clock import Clock
from weka_mp.identity.errors import CredentialExpired, IdentityUnusable, TokenRefused
from weka_mp.identity.key_file import KeyFile

__all__ = ["Token", "TokenKind", "Tokens"]

_ALGORITHM: Final = "HS512"
_KEY_BYTES: Final = 64  # as long as the hash: RFC 7518, 3.2
_HEADER: Final = {"alg", "typ", "kid"}
_MAX_CHARACTERS: Final = 4_096
_MAX_LIFE_S: Final = 366 * 86_400
_SECOND: Final = 1_000_000_000
_SKEW_S: Final = 300  # how far another node's clock may be ahead


class TokenKind(enum.Enum):
    """(typ, whom it is for). No token passes as one of another kind."""

    TEMPORARY = ("weka-sts+jwt", "s3")
    ACCESS = ("weka-access+jwt", "admin")
    REFRESH = ("weka-refresh+jwt", "admin")


@dataclass(frozen=True, slots=True)
class Token:
    """What a good token says. `key_id`: of the master key behind it; `expires_s`: seconds since the epoch."""

    claims: Mapping[str, Any]
    key_id: str
    expires_s: int


class Tokens:
    """Makes and verifies the tokens of one store."""

    def __init__(self, keys: KeyFile, store_id: str, clock: Clock) -> None:
        self._keys = keys
        self._store_id = store_id
        self._clock = clock

    def issue(self, kind: TokenKind, claims: Mapping[str, object], expires_s: int) -> str:
        """A token that is good until then, in seconds since the epoch. Raises IdentityUnusable."""
        ring = self._keys.ring()
        now = self._clock.now_ns() // _SECOND
        content = {**claims, "aud": self._audience(kind), "iat": now, "exp": expires_s}
        key = ring.derive(ring.current, f"token {kind.name}", _KEY_BYTES)
        return jwt.encode(content, key, _ALGORITHM, {"typ": kind.value[0], "kid": ring.current})

    def verify(self, kind: TokenKind, token: str) -> Token:
        """Raises TokenRefused, CredentialExpired, IdentityUnusable (no keys)."""
        found = self.verify_signature(kind, token)
        if found.expires_s <= self._clock.now_ns() // _SECOND:
            raise CredentialExpired("the token has expired")
        return found

    def verify_signature(self, kind: TokenKind, token: str) -> Token:
        """As `verify`, without looking at the time."""
        if len(token) > _MAX_CHARACTERS:
            raise TokenRefused("no token is that long")
        try:
            key_id = _checked_header(kind, jwt.get_unverified_header(token))
            key = self._key(kind, key_id)
            claims = jwt.decode(
                token, key, algorithms=[_ALGORITHM], audience=self._audience(kind),
                options={
                    "require": ["aud", "iat", "exp"], "strict_aud": True,
                    "verify_exp": False, "verify_iat": False, "verify_nbf": False,
                },
            )  # fmt: skip
        except (jwt.PyJWTError, ValueError, RecursionError):
            # Its cause may quote the token.
            raise TokenRefused from None
        return Token(claims, key_id, self._checked_times(claims))

    def _audience(self, kind: TokenKind) -> str:
        return f"weka_mp:{self._store_id}:{kind.value[1]}"

    def _key(self, kind: TokenKind, key_id: str) -> bytes:
        ring = self._keys.ring()
        if key_id not in ring.ids:
            try:
                ring = self._keys.ring(needed=key_id)
            except IdentityUnusable:
                raise TokenRefused from None
        return ring.derive(key_id, f"token {kind.name}", _KEY_BYTES)

    def _checked_times(self, claims: Mapping[str, Any]) -> int:
        """exp, in seconds. One that was written in another unit, or far ahead, is no good token."""
        issued, expires = claims["iat"], claims["exp"]
        if type(issued) is not int or type(expires) is not int or not 0 < expires - issued <= _MAX_LIFE_S:
            raise TokenRefused
        if issued > self._clock.now_ns() // _SECOND + _SKEW_S:
            raise TokenRefused("the token comes from the future: are the clocks right?")
        return expires


def _checked_header(kind: TokenKind, header: Mapping[str, object]) -> str:
    """The key's id."""
    key_id = header.get("kid")
    if header.keys() != _HEADER or header["alg"] != _ALGORITHM or header["typ"] != kind.value[0]:
        raise TokenRefused
    if not isinstance(key_id, str):
        raise TokenRefused
    return key_id
