"""Changing the key under which secrets are sealed, while everything goes on.

`rotate` puts a new key in front of the file and seals everything anew, record by record; killed anywhere, all
still opens, since the old key stays. `retire` takes old keys away that nothing needs any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from weka_mp.identity.child_credentials import Child, ChildKind, open_child, seal_child
from weka_mp.identity.children import is_of_parent
from weka_mp.identity.model import AccessKey, User
from weka_mp.identity.registry import Registry
from weka_mp.identity.sealing import sealed_under
from weka_mp.identity.snapshot import ACCESS_KEY, PASSWORD, Holder, Snapshot, access_key_owner, password_owner
from weka_mp.identity.store import IdentityStore
from weka_mp.identity.tokens import TokenKind

__all__ = ["KeyRotation", "SealedElsewhere"]

P = TypeVar("P")


class SealedElsewhere(Protocol):
    """A record that is sealed under the same keys and lies in no registry."""

    def reseal(self) -> None:
        """Under the current key. Raises IdentityUnusable."""

    def needed_keys(self) -> frozenset[str]:
        """The ids of the keys that it needs. Raises IdentityUnusable."""


class KeyRotation(Generic[P]):
    """Of one store's key file. others: what else is sealed under its keys; all of it, or it is lost."""

    def __init__(self, identities: IdentityStore[P], others: Sequence[SealedElsewhere]) -> None:
        self._identities = identities
        self._others = others

    def rotate(self) -> str:
        """The new key's id. Raises IdentityUnusable (something does not open: then it stays as it is)."""
        with self._identities.exclusive():
            self._identities.keys.add_key()
        self.reseal()
        return self._identities.keys.ring().current

    def reseal(self) -> int:
        """Seal under the current key what is not; how many children. Completes a `rotate` cut off."""
        self._identities.change(self._resealed)
        for other in self._others:
            other.reseal()
        return sum(self._reseal_child(kind, name) for kind in ChildKind for name in self._names(kind))

    def retire(self) -> tuple[str, ...]:
        """Drop the keys that no secret and no living session token needs; their ids. Tokens of administration
        that were signed under them end. Raises IdentityUnusable.
        """
        identities = self._identities
        with identities.exclusive() as registry:
            needed = {
                sealed_under(user.sealed) for user in registry.users.values() if user.sealed is not None
            }
            needed |= {sealed_under(key.sealed) for user in registry.users.values() for key in user.keys}
            for other in self._others:
                needed |= other.needed_keys()
            for kind in ChildKind:
                for name in self._names(kind):
                    child = identities.children.files[kind].read(name)
                    if child is not None and is_of_parent(child, registry):
                        needed |= self._needed(child)
            return identities.keys.retire(frozenset(needed))

    def _needed(self, child: Child) -> set[str]:
        """Session tokens keep their signature: clients hold them."""
        found = {sealed_under(child.sealed)}
        token = open_child(child, self._identities.keys).token
        if token is not None:
            found.add(self._identities.tokens.verify_signature(TokenKind.TEMPORARY, token).key_id)
        return found

    def _names(self, kind: ChildKind) -> list[str]:
        return self._identities.children.files[kind].names()

    def _resealed(self, registry: Registry) -> Registry:
        snapshot, current = self._identities.snapshot(), self._identities.keys.ring(fresh=True).current
        for user in registry.users.values():
            keys = tuple(self._resealed_key(snapshot, user, key, current) for key in user.keys)
            changed = replace(self._resealed_password(snapshot, user, current), keys=keys)
            if changed != user:
                registry = registry.with_user(changed)
        return registry

    def _resealed_password(self, snapshot: Snapshot[P], user: User, current: str) -> User:
        if user.sealed is None or sealed_under(user.sealed) == current:
            return user
        secret = snapshot.secret(Holder(user, None))
        return replace(user, sealed=self._identities.seal(PASSWORD, password_owner(user.name), secret))

    def _resealed_key(self, snapshot: Snapshot[P], user: User, key: AccessKey, current: str) -> AccessKey:
        if sealed_under(key.sealed) == current:
            return key
        secret = snapshot.secret(Holder(user, key))
        owner = access_key_owner(user.name, key.key_id)
        return replace(key, sealed=self._identities.seal(ACCESS_KEY, owner, secret))

    def _reseal_child(self, kind: ChildKind, access_key: str) -> bool:
        identities = self._identities
        with identities.exclusive():
            child = identities.children.files[kind].read(access_key)
            if child is None or sealed_under(child.sealed) == identities.keys.ring().current:
                return False
            secret = open_child(child, identities.keys)
            identities.children.files[kind].rewrite(
                seal_child(child, secret, identities.keys, identities.random)
            )
            return True
