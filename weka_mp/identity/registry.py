"""All accounts, users, groups and policies of a store as one immutable value.

How it may change: `accounts`, `users`, `groups`, `policies`; each verb returns another registry or raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from weka_mp.identity.errors import NoSuchEntity
from weka_mp.identity.model import Account, Group, LockOutRule, StoredPolicy, User
from weka_mp.identity.naming import ROOT

__all__ = ["Registry", "root_account"]

Entity = TypeVar("Entity", Account, User, Group, StoredPolicy)


def root_account() -> Account:
    """The account that is always there."""
    return Account(ROOT, ROOT, None, 0)


def _only_root() -> Mapping[str, Account]:
    return {ROOT: root_account()}


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything by name. `revision` counts changes. `root_session`: the root user's `User.session`."""

    revision: int = 0
    root_session: int = 1
    lock_out: LockOutRule = field(default_factory=LockOutRule)
    accounts: Mapping[str, Account] = field(default_factory=_only_root)
    users: Mapping[str, User] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    policies: Mapping[str, StoredPolicy] = field(default_factory=dict)

    def account(self, name: str) -> Account:
        """Raises NoSuchEntity, as the next three do."""
        return _found(self.accounts, "account", name)

    def user(self, name: str) -> User:
        return _found(self.users, "user", name)

    def group(self, name: str) -> Group:
        return _found(self.groups, "group", name)

    def policy(self, name: str) -> StoredPolicy:
        return _found(self.policies, "policy", name)

    def members(self, group: str) -> tuple[User, ...]:
        """The users in a group, by name."""
        return tuple(user for _, user in sorted(self.users.items()) if group in user.groups)

    def with_account(self, account: Account) -> Registry:
        """The account added or replaced, unchecked as the next three: for the verbs."""
        return replace(self, accounts={**self.accounts, account.name: account})

    def with_user(self, user: User) -> Registry:
        return replace(self, users={**self.users, user.name: user})

    def with_group(self, group: Group) -> Registry:
        return replace(self, groups={**self.groups, group.name: group})

    def with_policy(self, policy: StoredPolicy) -> Registry:
        return replace(self, policies={**self.policies, policy.name: policy})


def _found(entities: Mapping[str, Entity], kind: str, name: str) -> Entity:
    try:
        return entities[name]
    except KeyError:
        raise NoSuchEntity(f"no {kind} {name!r}") from None
