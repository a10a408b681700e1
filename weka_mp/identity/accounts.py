"""How accounts may change."""

from __future__ import annotations

from dataclasses import replace

from weka_mp.identity.errors import EntityExists, InUse, LimitExceeded, Unmodifiable
from weka_mp.identity.model import MAX_ACCOUNTS, Account
from weka_mp.identity.naming import ROOT
from weka_mp.identity.registry import Registry

__all__ = ["add", "remove", "update"]


def add(registry: Registry, account: Account) -> Registry:
    """Raises EntityExists (names differ in more than case, e-mail addresses too), LimitExceeded."""
    if any(other.lower() == account.name.lower() for other in registry.accounts):
        raise EntityExists(f"there is an account {account.name} already")
    if len(registry.accounts) >= MAX_ACCOUNTS:
        raise LimitExceeded(f"there are {MAX_ACCOUNTS} accounts already")
    _check_email(registry, account)
    return registry.with_account(account)


def update(
    registry: Registry, name: str, *, display_name: str | None = None, email: str | None = None
) -> Registry:
    """None leaves one as it is; an empty `email` takes it away. Raises NoSuchEntity, InvalidInput,
    EntityExists.
    """
    account = registry.account(name)
    if display_name is not None:
        account = replace(account, display_name=display_name)
    if email is not None:
        account = replace(account, email=email or None)
    _check_email(registry, account)
    return registry.with_account(account)


def remove(registry: Registry, name: str) -> Registry:
    """Whether it still owns buckets is for the caller to look at: a later one of its name would own them.

    Raises NoSuchEntity, InUse, Unmodifiable.
    """
    registry.account(name)
    if name == ROOT:
        raise Unmodifiable(f"the account {ROOT} is built in")
    for kind, entities in (
        ("users", registry.users), ("groups", registry.groups), ("policies", registry.policies),
    ):  # fmt: skip
        if any(entity.account == name for entity in entities.values()):
            raise InUse(f"the account {name} still has {kind}")
    accounts = {other: account for other, account in registry.accounts.items() if other != name}
    return replace(registry, accounts=accounts)


def _check_email(registry: Registry, account: Account) -> None:
    for other in registry.accounts.values():
        same = account.email is not None and (other.email or "").lower() == account.email.lower()
        if same and other.name != account.name:
            raise EntityExists(f"the account {other.name} has this e-mail address")
