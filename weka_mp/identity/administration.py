"""What administrators do, each in one step: the registry's verbs, with secrets sealed and policies parsed.

Whether somebody may do it is decided by whoever calls. All raise IdentityUnusable when the record is damaged,
Conflict and NamespaceError when it cannot be written, besides what they say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Final, Generic, TypeVar

from weka_mp.errors import NamespaceError
from weka_mp.identity import accounts, groups, naming, policies, users
from weka_mp.identity.errors import EntityExists, IdentityError, Unmodifiable
from weka_mp.identity.issuing import CredentialIssuer, Issued
from weka_mp.identity.model import (
    AccessKey,
    Account,
    Group,
    LockOutRule,
    PosixIdentity,
    Role,
    StoredPolicy,
    User,
    check_document,
)
from weka_mp.identity.passwords import check_password
from weka_mp.identity.principal import PolicyUse
from weka_mp.identity.registry import Registry
from weka_mp.identity.snapshot import ACCESS_KEY, PASSWORD, access_key_owner, password_owner
from weka_mp.identity.store import IdentityStore

__all__ = ["Administration"]

P = TypeVar("P")

_NOBODY: Final = PosixIdentity()
_NO_TAGS: Final[Mapping[str, str]] = {}
_log = logging.getLogger(__name__)


class Administration(Generic[P]):
    """Changes of the identities of one store."""

    def __init__(self, identities: IdentityStore[P]) -> None:
        self._identities = identities
        self._children = CredentialIssuer(identities)

    # ---- accounts
    def add_account(self, name: str, *, display_name: str | None = None, email: str | None = None) -> Account:
        """Raises EntityExists, LimitExceeded, InvalidInput."""
        account = Account(name, display_name or name, email, self._now_ns())
        self._change(lambda registry: accounts.add(registry, account))
        return account

    def update_account(self, name: str, *, display_name: str | None = None, email: str | None = None) -> None:
        """An empty `email` takes it away. Raises NoSuchEntity, EntityExists, InvalidInput."""
        self._change(lambda registry: accounts.update(registry, name, display_name=display_name, email=email))

    def remove_account(self, name: str) -> None:
        """The caller has seen to it that it owns no buckets. Raises NoSuchEntity, InUse, Unmodifiable."""
        self._change(lambda registry: accounts.remove(registry, name))

    # ---- users
    def add_user(
        self,
        name: str,
        role: Role,
        password: str | None,
        *,
        account: str = naming.ROOT,
        posix: PosixIdentity = _NOBODY,
        tags: Mapping[str, str] = _NO_TAGS,
        path: str = "/",
    ) -> User:
        """password: None for one who has access keys only, or is to get one later.

        Raises InvalidInput (the name, the password's rule, ids without role S3), EntityExists, LimitExceeded,
        NoSuchEntity (the account).
        """
        random = self._identities.random
        generation, session = naming.new_serial(random), naming.new_serial(random)
        user = User(
            name, role, account, generation, session, self._now_ns(), posix=posix, tags=tags, path=path
        )
        if password is not None:
            check_password(password)

        def step(registry: Registry) -> Registry:
            if self._identities.is_access_key(name):
                raise EntityExists(f"there is a user or access key {name} already")
            sealed = None if password is None else self._sealed(name, password)
            return users.add(registry, replace(user, sealed=sealed))

        return self._change(step).user(name)

    def update_user(self, name: str, *, role: Role | None = None, posix: PosixIdentity | None = None) -> User:
        """A new role ends all that the user gave out. Raises NoSuchEntity, InvalidInput, LimitExceeded,
        Unmodifiable.
        """
        _check_not_root(name)
        generation = naming.new_serial(self._identities.random)
        changed = self._change(
            lambda registry: users.update(registry, name, generation=generation, role=role, posix=posix)
        )
        self._sweep_children()
        return changed.user(name)

    def set_password(self, name: str, password: str) -> None:
        """Ends the user's tokens and temporary credentials, too; service accounts stay.

        Raises NoSuchEntity, InvalidInput, Unmodifiable.
        """
        _check_not_root(name)
        check_password(password)
        session = naming.new_serial(self._identities.random)
        self._change(lambda registry: users.set_secret(registry, name, self._sealed(name, password), session))
        self._sweep_children()

    def revoke(self, name: str) -> None:
        """End the tokens and temporary credentials of a user, or of root. Raises NoSuchEntity."""
        session = naming.new_serial(self._identities.random)
        self._change(lambda registry: users.revoke(registry, name, session))
        self._sweep_children()

    def remove_user(self, name: str, *, only_bare: bool = False) -> None:
        """With everything that the user has and gave out; one of the same name gets none of it.

        only_bare: as IAM's DeleteUser, InUse while something is attached. Raises NoSuchEntity, Unmodifiable.
        """
        _check_not_root(name)
        self._change(lambda registry: users.remove(registry, name, only_bare=only_bare))
        self._sweep_children()

    # ---- access keys of the IAM API
    def add_access_key(self, user: str) -> Issued:
        """Raises NoSuchEntity, LimitExceeded."""
        secret = naming.new_secret(self._identities.random)
        made: list[str] = []

        def step(registry: Registry) -> Registry:
            key_id = self._identities.new_access_key(naming.SERVICE_PREFIX)
            made[:] = [key_id]
            owner = access_key_owner(user, key_id)
            sealed = self._identities.seal(ACCESS_KEY, owner, secret)
            return users.add_key(registry, user, AccessKey(key_id, sealed, True, self._now_ns()))

        self._change(step)
        return Issued(made[0], secret)

    def set_access_key_active(self, user: str, key_id: str, active: bool) -> None:
        """An inactive one is nobody's to S3. Raises NoSuchEntity."""
        self._change(lambda registry: users.set_key_active(registry, user, key_id, active))

    def remove_access_key(self, user: str, key_id: str) -> None:
        """Raises NoSuchEntity."""
        self._change(lambda registry: users.remove_key(registry, user, key_id))

    # ---- policies
    def add_policy(
        self,
        name: str,
        document: str,
        *,
        account: str = naming.ROOT,
        description: str = "",
        tags: Mapping[str, str] = _NO_TAGS,
        path: str = "/",
    ) -> StoredPolicy:
        """Raises InvalidInput (name, length, tags), what the parser raises, EntityExists, LimitExceeded,
        NoSuchEntity (the account).
        """
        serial, now_ns = naming.new_serial(self._identities.random), self._now_ns()
        policy = StoredPolicy(name, account, document, serial, 1, now_ns, now_ns, description, tags, path)
        self._identities.parse(document, PolicyUse.IDENTITY, name)
        self._change(lambda registry: policies.add(registry, policy, self._predefined))
        return policy

    def replace_policy(self, name: str, document: str) -> StoredPolicy:
        """Its next version. Raises InvalidInput, what the parser raises, NoSuchEntity, Unmodifiable."""
        check_document(document)
        self._identities.parse(document, PolicyUse.IDENTITY, name)
        now_ns = self._now_ns()
        return self._change(
            lambda registry: policies.replace_document(registry, name, document, now_ns, self._predefined)
        ).policy(name)

    def remove_policy(self, name: str) -> None:
        """Raises NoSuchEntity, Unmodifiable (predefined), InUse (attached)."""
        self._change(lambda registry: policies.remove(registry, name, self._predefined))

    def attach_by_cli(self, policy: str, user: str) -> str | None:
        """The user's one policy of the command line; returns the former. Raises NoSuchEntity."""
        former: list[str | None] = [None]

        def step(registry: Registry) -> Registry:
            changed, former[0] = policies.attach_by_cli(registry, policy, user, self._predefined)
            return changed

        self._change(step)
        return former[0]

    def detach_by_cli(self, user: str, policy: str | None = None) -> str:
        """policy: it must be this one. Returns which it was. Raises NoSuchEntity."""
        former = [""]

        def step(registry: Registry) -> Registry:
            changed, former[0] = policies.detach_by_cli(registry, user, policy)
            return changed

        self._change(step)
        return former[0]

    def attach_to_user(self, policy: str, user: str) -> None:
        """As the IAM API does. Raises NoSuchEntity, LimitExceeded."""
        self._change(lambda registry: policies.attach_to_user(registry, policy, user, self._predefined))

    def detach_from_user(self, policy: str, user: str) -> None:
        """Raises NoSuchEntity."""
        self._change(lambda registry: policies.detach_from_user(registry, policy, user))

    # ---- groups
    def add_group(self, name: str, *, account: str = naming.ROOT, path: str = "/") -> Group:
        """Raises InvalidInput, EntityExists, LimitExceeded, NoSuchEntity (the account)."""
        group = Group(name, account, naming.new_serial(self._identities.random), self._now_ns(), path=path)
        self._change(lambda registry: groups.add(registry, group))
        return group

    def remove_group(self, name: str) -> None:
        """Raises NoSuchEntity, InUse."""
        self._change(lambda registry: groups.remove(registry, name))

    def join_group(self, name: str, user: str) -> None:
        """Raises NoSuchEntity, LimitExceeded."""
        self._change(lambda registry: groups.join(registry, name, user))

    def leave_group(self, name: str, user: str) -> None:
        """Raises NoSuchEntity."""
        self._change(lambda registry: groups.leave(registry, name, user))

    def attach_to_group(self, policy: str, group: str) -> None:
        """Raises NoSuchEntity, LimitExceeded."""
        self._change(lambda registry: policies.attach_to_group(registry, policy, group, self._predefined))

    def detach_from_group(self, policy: str, group: str) -> None:
        """Raises NoSuchEntity."""
        self._change(lambda registry: policies.detach_from_group(registry, policy, group))

    # ---- lock-out
    def set_lock_out(self, rule: LockOutRule) -> None:
        """How failed logins lock a user out; `LockOutRule()` is the default."""
        self._change(lambda registry: replace(registry, lock_out=rule))

    # ---- what they share
    @property
    def _predefined(self) -> Collection[str]:
        return self._identities.built_in.keys()

    def _change(self, step: Callable[[Registry], Registry]) -> Registry:
        return self._identities.change(step)

    def _now_ns(self) -> int:
        return self._identities.clock.now_ns()

    def _sealed(self, user: str, password: str) -> str:
        return self._identities.seal(PASSWORD, password_owner(user), password)

    def _sweep_children(self) -> None:
        """What the change ended is dead already; its records go now if they can."""
        try:
            self._children.sweep()
        except (NamespaceError, IdentityError) as error:
            _log.warning("dead access keys were not removed: %s", error)


def _check_not_root(name: str) -> None:
    if name == naming.ROOT:
        raise Unmodifiable(f"the user {naming.ROOT} is built in; its keys lie outside the store")
