"""Logging in to administration: name and password for bearer tokens, and what a token is good for.

Nothing is kept of a login: a token is good until it expires, its user's tokens are revoked, or the user gets
another password or role, or goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from weka_mp.identity import naming
from weka_mp.identity.children import root_generation
from weka_mp.identity.errors import IdentityUnusable, InvalidInput, LoginRefused, TokenRefused
from weka_mp.identity.lock_out import LockOut
from weka_mp.identity.model import Role
from weka_mp.identity.passwords import same_secret
from weka_mp.identity.registry import Registry
from weka_mp.identity.snapshot import Holder, Snapshot
from weka_mp.identity.store import IdentityStore
from weka_mp.identity.tokens import Token, TokenKind

__all__ = ["ACCESS_SECONDS", "GENERATED_SECONDS", "REFRESH_SECONDS", "AdminLogins", "Caller", "TokenPair"]

P = TypeVar("P")

ACCESS_SECONDS: Final = 300
REFRESH_SECONDS: Final = 365 * 86_400
GENERATED_SECONDS: Final = 30 * 86_400
"""Of `generate_token` when nothing is said."""

_SECOND: Final = 1_000_000_000
_NO_PASSWORD: Final = "\0" * 16  # what is compared where there is none


@dataclass(frozen=True, slots=True)
class TokenPair:
    """access_token: for `Authorization: Bearer`, expires_in seconds; refresh_token: for another pair."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int = ACCESS_SECONDS


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as a token says. expires_s: seconds since the epoch."""

    user: str
    account: str
    role: Role
    expires_s: int


class AdminLogins(Generic[P]):
    """Of one store. `lock_out` belongs to the process that takes logins."""

    def __init__(self, identities: IdentityStore[P], lock_out: LockOut) -> None:
        self._identities = identities
        self._lock_out = lock_out

    def login(self, user: str, password: str, source: str) -> TokenPair:
        """source: the client's address. Root may give its access key for its name.

        Raises LockedOut, LoginRefused, IdentityUnusable.
        """
        snapshot = self._identities.snapshot()
        return self._pair(self._checked(snapshot, user, password, source), snapshot.registry)

    def check_password(self, user: str, password: str, source: str) -> None:
        """As `login`, without tokens: for a command that is given keys (assume-role). Raises as it does."""
        self._checked(self._identities.snapshot(), user, password, source)

    def refresh(self, refresh_token: str) -> TokenPair:
        """Raises TokenRefused, CredentialExpired, IdentityUnusable."""
        registry = self._identities.registry
        token = self._identities.tokens.verify(TokenKind.REFRESH, refresh_token)
        return self._pair(self._caller(token, registry).user, registry)

    def authenticate(self, access_token: str) -> Caller:
        """Raises TokenRefused, CredentialExpired, IdentityUnusable."""
        registry = self._identities.registry
        return self._caller(self._identities.tokens.verify(TokenKind.ACCESS, access_token), registry)

    def generate_token(self, user: str, seconds: int = GENERATED_SECONDS) -> str:
        """An access token of that life, a year at most, for a user whose caller was authenticated.

        Raises InvalidInput, NoSuchEntity, IdentityUnusable.
        """
        if not 1 <= seconds <= REFRESH_SECONDS:
            raise InvalidInput(f"a token lives from 1 to {REFRESH_SECONDS} s")
        return self._token(TokenKind.ACCESS, user, self._identities.registry, seconds)

    def _checked(self, snapshot: Snapshot[P], user: str, password: str, source: str) -> str:
        """The user's name."""
        root = self._identities.root
        name = naming.ROOT if root is not None and user == root.access_key else user
        self._lock_out.attempt(name, source, snapshot.registry.lock_out)
        if not self._is_password(snapshot, name, password):
            raise LoginRefused
        self._lock_out.succeeded(name, source)
        return name

    def _is_password(self, snapshot: Snapshot[P], name: str, password: str) -> bool:
        """Something is always compared, so that time does not tell who is there."""
        wanted = self._password(snapshot, name)
        return same_secret(_NO_PASSWORD if wanted is None else wanted, password) and wanted is not None

    def _password(self, snapshot: Snapshot[P], name: str) -> str | None:
        root = self._identities.root
        if name == naming.ROOT:
            return None if root is None else root.secret
        user = snapshot.registry.users.get(name)
        if user is None or user.sealed is None:
            return None
        return snapshot.secret(Holder(user, None))

    def _pair(self, name: str, registry: Registry) -> TokenPair:
        return TokenPair(
            self._token(TokenKind.ACCESS, name, registry, ACCESS_SECONDS),
            self._token(TokenKind.REFRESH, name, registry, REFRESH_SECONDS),
        )

    def _token(self, kind: TokenKind, name: str, registry: Registry, seconds: int) -> str:
        expires_s = self._identities.clock.now_ns() // _SECOND + seconds
        key_id = self._identities.keys.ring(fresh=True).current
        return self._identities.tokens.issue(kind, self._claims(name, registry, key_id), expires_s)

    def _claims(self, name: str, registry: Registry, key_id: str) -> dict[str, object]:
        if name == naming.ROOT:
            if self._identities.root is None:
                raise IdentityUnusable("root's keys are not known here")
            generation = root_generation(self._identities.keys, self._identities.root, key_id)
            return {"sub": name, "gen": generation, "ses": registry.root_session}
        user = registry.user(name)
        return {"sub": name, "gen": user.generation, "ses": user.session}

    def _caller(self, token: Token, registry: Registry) -> Caller:
        name = token.claims.get("sub")
        if not isinstance(name, str) or not (name == naming.ROOT or name in registry.users):
            raise TokenRefused("the token's user is gone")
        self._check_current(token.claims, self._claims(name, registry, token.key_id))
        if name == naming.ROOT:
            return Caller(name, naming.ROOT, Role.CLUSTER_ADMIN, token.expires_s)
        user = registry.user(name)
        return Caller(name, user.account, user.role, token.expires_s)

    @staticmethod
    def _check_current(claims: Mapping[str, object], wanted: Mapping[str, object]) -> None:
        if any(claims.get(name) != value for name, value in wanted.items()):
            raise TokenRefused("the token was revoked")
