"""One state of the registry with what is worked out from it once: whose a key is, secrets, policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from weka_mp.identity import naming
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.identity.key_file import KeyFile
from weka_mp.identity.model import AccessKey, Role, User
from weka_mp.identity.parsed_policies import ParsedPolicies
from weka_mp.identity.policies import names_of_user, within_user
from weka_mp.identity.principal import AttachedPolicy, CredentialKind, PolicyUse, Principal
from weka_mp.identity.registry import Registry
from weka_mp.identity.sealing import sealed_under

__all__ = ["ACCESS_KEY", "PASSWORD", "Holder", "Snapshot", "access_key_owner", "password_owner"]

P = TypeVar("P")

PASSWORD: Final = "password"
ACCESS_KEY: Final = "access key"
"""What secrets are sealed for (`KeyRing.seal`)."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The user of a key; `key` is None where it is name and password."""

    user: User
    key: AccessKey | None


def password_owner(user: str) -> str:
    """What a sealed password belongs to (`KeyRing.seal`)."""
    return f"user {user}"


def access_key_owner(user: str, key_id: str) -> str:
    """What the sealed secret of an access key belongs to."""
    return f"access key {key_id} of {user}"


class Snapshot(Generic[P]):
    """Immutable but for its caches; threads that fill them at once write the same."""

    def __init__(
        self,
        registry: Registry,
        store_id: str,
        keys: KeyFile,
        parsed: ParsedPolicies[P],
        predefined: Mapping[str, str],
    ) -> None:
        self.registry = registry
        self._store_id = store_id
        self._keys = keys
        self._parsed = parsed
        self._predefined = predefined
        self._holders: dict[str, Holder] = {}
        for user in registry.users.values():
            self._holders.update((key.key_id, Holder(user, key)) for key in user.keys)
        self._holders.update((user.name, Holder(user, None)) for user in registry.users.values())
        self._secrets: dict[str, str] = {}
        self._principals: dict[str, Principal[P]] = {}

    def holder(self, access_key: str) -> Holder | None:
        """Whose a key is. None: nobody's, or one that is no key to S3: inactive, without a password, or the
        password of an administrator, which must not be guessed by signatures.
        """
        found = self._holders.get(access_key)
        if found is None:
            return None
        if found.key is None:
            return found if found.user.role is Role.S3 and found.user.sealed is not None else None
        return found if found.key.active else None

    def is_taken(self, access_key: str) -> bool:
        """Whether it is a user's name or key, usable or not."""
        return access_key in self._holders

    def secret(self, holder: Holder) -> str:
        """Raises IdentityUnusable."""
        name = holder.user.name if holder.key is None else holder.key.key_id
        found = self._secrets.get(name)
        if found is None:
            found = self._secrets[name] = self._open(holder)
        return found

    def _open(self, holder: Holder) -> str:
        user, key = holder.user, holder.key
        if key is None:
            purpose, owner, sealed = PASSWORD, password_owner(user.name), user.sealed or ""
        else:
            purpose, owner, sealed = ACCESS_KEY, access_key_owner(user.name, key.key_id), key.sealed
        return self._keys.ring(needed=sealed_under(sealed)).open(purpose, owner, sealed)

    def principal(self, user: User) -> Principal[P]:
        """The user by name and password. Raises IdentityUnusable: a policy that is missing might deny; and
        what the parser raises of one that it took once.
        """
        found = self._principals.get(user.name)
        if found is None:
            found = self._principals[user.name] = self._principal(user)
        return found

    def _principal(self, user: User) -> Principal[P]:
        account = self.registry.account(user.account)
        canonical = naming.canonical_id(self._store_id, account.name)
        arn = naming.entity_arn(naming.account_number(canonical), "user", user.qualified)
        speaking = self._speaking(user) if user.role is Role.S3 else ()
        return Principal(
            user.name, CredentialKind.USER, account.name, canonical, account.display_name, user.name, arn,
            naming.unique_id("AIDA", user.generation), user.role, user.posix,
            speaking, (),
        )  # fmt: skip

    def _speaking(self, user: User) -> tuple[AttachedPolicy[P], ...]:
        """Every policy that counts: those with a name, then those within the user and its groups."""
        return (
            *(self._policy(name) for name in names_of_user(self.registry, user)),
            *(
                self._parsed.attached(name, document, PolicyUse.IDENTITY)
                for name, document in within_user(self.registry, user)
            ),
        )

    def _policy(self, name: str) -> AttachedPolicy[P]:
        document = self._predefined.get(name)
        if document is None:
            if name not in self.registry.policies:
                raise IdentityUnusable(f"the policy {name} is attached, but is not there")
            document = self.registry.policies[name].document
        return self._parsed.attached(name, document, PolicyUse.IDENTITY)
