"""Giving out service accounts and temporary credentials, listing and taking back the former.

The secret is in what is returned, and never shown again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from weka_mp.errors import NamespaceError
from weka_mp.identity import naming
from weka_mp.identity.child_credentials import Child, ChildKind, ChildSecret, seal_child
from weka_mp.identity.children import is_of_parent, root_generation, token_claims
from weka_mp.identity.credential_files import CredentialFiles
from weka_mp.identity.errors import EntityExists, InvalidInput, LimitExceeded, NoSuchEntity, NotAllowed
from weka_mp.identity.model import Role, check_document
from weka_mp.identity.principal import CredentialKind, PolicyUse
from weka_mp.identity.registry import Registry
from weka_mp.identity.store import IdentityStore
from weka_mp.identity.tokens import TokenKind

__all__ = [
    "MAX_SERVICE_ACCOUNTS",
    "MAX_SERVICE_ACCOUNTS_OF_USER",
    "MAX_TEMPORARY",
    "MIN_SECONDS",
    "WEEK_SECONDS",
    "CredentialIssuer",
    "Issued",
    "ServiceAccount",
]

P = TypeVar("P")

MAX_SERVICE_ACCOUNTS: Final = 5_000
MAX_SERVICE_ACCOUNTS_OF_USER: Final = 100
MAX_TEMPORARY: Final = 5_000
MIN_SECONDS: Final = 900  # STS, AssumeRole
HOUR_SECONDS: Final = 3_600  # what AssumeRole takes when nothing is said
WEEK_SECONDS: Final = 7 * 86_400

_LONGEST_SECONDS: Final = (52 * 7 + 1) * 86_400
_TOLD_SECONDS: Final = 3_600  # so long an expired key is told that it expired, then it is unknown
_SECOND: Final = 1_000_000_000
_PARENTS: Final = {CredentialKind.USER, CredentialKind.ACCESS_KEY}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Issued:
    """token, expires_s (seconds since the epoch): of temporary credentials, else None."""

    access_key: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_s: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """implied_policy: it has its parent's rights; else policy narrows them."""

    access_key: str
    parent: str
    implied_policy: bool
    policy: str | None
    created_ns: int


class CredentialIssuer(Generic[P]):
    """max_seconds: the longest life of temporary credentials, at most 52 weeks and a day."""

    def __init__(self, identities: IdentityStore[P], *, max_seconds: int = WEEK_SECONDS) -> None:
        if not MIN_SECONDS <= max_seconds <= _LONGEST_SECONDS:
            raise InvalidInput(f"temporary credentials live {MIN_SECONDS} to {_LONGEST_SECONDS} s at most")
        self._identities = identities
        self._max_seconds = max_seconds

    # ---- temporary credentials
    def assume_role(self, access_key: str, seconds: int = HOUR_SECONDS, policy: str | None = None) -> Issued:
        """Temporary credentials of an S3 user or of root, for whoever holds this key of theirs; a policy
        narrows them. A service account's key and a temporary one get none.

        Raises InvalidInput (seconds, length of the policy), what the parser raises, NotAllowed,
        LimitExceeded, IdentityUnusable, NamespaceError.
        """
        if not MIN_SECONDS <= seconds <= self._max_seconds:
            raise InvalidInput(f"temporary credentials live {MIN_SECONDS} to {self._max_seconds} s")
        self._check_policy(policy)
        with self._identities.exclusive() as registry:
            parent, generation, session = self._parent(access_key, registry, root_too=True)
            self._make_room(ChildKind.TEMPORARY, registry, MAX_TEMPORARY)
            expires_s = self._identities.clock.now_ns() // _SECOND + seconds
            return self._issue(ChildKind.TEMPORARY, parent, generation, session, expires_s, policy)

    # ---- service accounts
    def add_service_account(self, access_key: str, policy: str | None = None) -> Issued:
        """One more of the S3 user who holds this key. Raises as `assume_role` does."""
        self._check_policy(policy)
        with self._identities.exclusive() as registry:
            parent, generation, _ = self._parent(access_key, registry, root_too=False)
            live = self._make_room(ChildKind.SERVICE_ACCOUNT, registry, MAX_SERVICE_ACCOUNTS)
            if sum(child.parent == parent for child in live) >= MAX_SERVICE_ACCOUNTS_OF_USER:
                raise LimitExceeded(
                    f"the user {parent} has {MAX_SERVICE_ACCOUNTS_OF_USER} service accounts already"
                )
            return self._issue(ChildKind.SERVICE_ACCOUNT, parent, generation, None, None, policy)

    def service_accounts(self, user: str) -> tuple[str, ...]:
        """The access keys of a user's, sorted. Raises IdentityUnusable."""
        registry = self._identities.registry
        heads, _ = self._files(ChildKind.SERVICE_ACCOUNT).heads()
        return tuple(
            head.access_key for head in heads if head.parent == user and is_of_parent(head, registry)
        )

    def service_account(self, user: str, access_key: str) -> ServiceAccount:
        """Raises NoSuchEntity, also when it is another user's; IdentityUnusable."""
        child = self._files(ChildKind.SERVICE_ACCOUNT).read(access_key)
        if child is None or child.parent != user or not is_of_parent(child, self._identities.registry):
            raise NoSuchEntity(f"the user {user!r} has no service account {access_key!r}")
        return ServiceAccount(access_key, user, child.policy is None, child.policy, child.created_ns)

    def remove_service_account(self, user: str, access_key: str) -> None:
        """It is good for nothing when this returns. Raises NoSuchEntity, also when it is another user's."""
        with self._identities.exclusive():
            self.service_account(user, access_key)
            self._files(ChildKind.SERVICE_ACCOUNT).remove(access_key)

    # ---- housekeeping
    def sweep(self) -> int:
        """Remove records of what is dead: its parent is gone, or it expired an hour ago. Returns how many."""
        with self._identities.exclusive() as registry:
            return sum(self._sweep(kind, registry) for kind in ChildKind)

    def _sweep(self, kind: ChildKind, registry: Registry) -> int:
        told = self._identities.clock.now_ns() // _SECOND - _TOLD_SECONDS
        heads, damaged = self._files(kind).heads()
        if damaged:
            _log.error("records of access keys are damaged and were left alone: %s", ", ".join(damaged[:10]))
        dead = [
            head.access_key for head in heads
            if not is_of_parent(head, registry) or (head.expires_s is not None and head.expires_s <= told)
        ]  # fmt: skip
        self._files(kind).discard(dead)
        return len(dead)

    def _make_room(self, kind: ChildKind, registry: Registry, limit: int) -> list[Child]:
        """Those that are good now. Raises LimitExceeded; a damaged record counts."""
        now_s = self._identities.clock.now_ns() // _SECOND
        heads, damaged = self._files(kind).heads()
        live = [
            head for head in heads
            if is_of_parent(head, registry) and (head.expires_s is None or head.expires_s > now_s)
        ]  # fmt: skip
        if len(live) + len(damaged) >= limit:
            raise LimitExceeded(f"there are {limit} already")
        if len(heads) >= limit:
            try:
                self._sweep(kind, registry)
            except NamespaceError as error:
                _log.warning("dead access keys cannot be removed: %s", error)
        return live

    # ---- one
    def _files(self, kind: ChildKind) -> CredentialFiles:
        return self._identities.children.files[kind]

    def _check_policy(self, policy: str | None) -> None:
        if policy is not None:
            check_document(policy)
            self._identities.parse(policy, PolicyUse.SESSION, "")

    def _parent(self, access_key: str, registry: Registry, *, root_too: bool) -> tuple[str, int, int]:
        """(name, generation, session) of the user whose own key it is. Raises NotAllowed."""
        identities = self._identities
        caller = identities.principal(access_key)
        if (
            caller is not None
            and caller.kind is CredentialKind.ROOT
            and root_too
            and identities.root is not None
        ):
            ring = identities.keys.ring(fresh=True)
            generation = root_generation(identities.keys, identities.root, ring.current)
            return naming.ROOT, generation, registry.root_session
        if caller is None or caller.kind not in _PARENTS or caller.role is not Role.S3:
            raise NotAllowed("only an S3 user can have this, with keys of its own")
        user = registry.user(caller.user)
        return user.name, user.generation, user.session

    def _issue(
        self,
        kind: ChildKind,
        parent: str,
        generation: int,
        session: int | None,
        expires_s: int | None,
        policy: str | None,
    ) -> Issued:
        identities = self._identities
        access_key = identities.new_access_key(kind.value)
        now_ns = identities.clock.now_ns()
        child = Child(access_key, kind, parent, generation, session, now_ns, expires_s, policy, "")
        token = None
        if expires_s is not None:
            token = identities.tokens.issue(TokenKind.TEMPORARY, token_claims(child), expires_s)
        secret = ChildSecret(naming.new_secret(identities.random), token)
        sealed = seal_child(child, secret, identities.keys, identities.random)
        if not self._files(kind).add(sealed):  # somebody works here without the lock
            raise EntityExists(f"the access key {access_key} is taken")
        return Issued(access_key, secret.secret, token, expires_s)
