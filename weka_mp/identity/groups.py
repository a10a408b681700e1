"""How groups and who is in them may change."""

from __future__ import annotations

from dataclasses import replace

from weka_mp.identity.errors import EntityExists, InUse, LimitExceeded, NoSuchEntity
from weka_mp.identity.model import MAX_GROUPS, MAX_GROUPS_OF_USER, Group
from weka_mp.identity.registry import Registry

__all__ = ["add", "join", "leave", "remove", "rename"]


def add(registry: Registry, group: Group) -> Registry:
    """Names differ in more than case. Raises EntityExists, LimitExceeded, NoSuchEntity (its account)."""
    registry.account(group.account)
    if any(other.lower() == group.name.lower() for other in registry.groups):
        raise EntityExists(f"there is a group {group.name} already")
    if len(registry.groups) >= MAX_GROUPS:
        raise LimitExceeded(f"there are {MAX_GROUPS} groups already")
    return registry.with_group(group)


def remove(registry: Registry, name: str) -> Registry:
    """Raises NoSuchEntity, InUse while it has members or policies (IAM, DeleteGroup)."""
    group = registry.group(name)
    if group.policies or group.inline or registry.members(name):
        raise InUse(f"the group {name} still has members or policies")
    return replace(registry, groups={other: kept for other, kept in registry.groups.items() if other != name})


def rename(registry: Registry, name: str, new: str) -> Registry:
    """With its members and policies. Raises NoSuchEntity, EntityExists, InvalidInput."""
    group = registry.group(name)
    members = registry.members(name)
    kept = {other: kept for other, kept in registry.groups.items() if other != name}
    registry = add(replace(registry, groups=kept), replace(group, name=new))
    for user in members:
        own = tuple(new if other == name else other for other in user.groups)
        registry = registry.with_user(replace(user, groups=own))
    return registry


def join(registry: Registry, name: str, user_name: str) -> Registry:
    """Nothing changes for who is in it already. Raises NoSuchEntity (a group of another account, too),
    LimitExceeded.
    """
    group, user = registry.group(name), registry.user(user_name)
    if group.account != user.account:
        raise NoSuchEntity(f"no group {name!r} in the account {user.account}")
    if name in user.groups:
        return registry
    if len(user.groups) >= MAX_GROUPS_OF_USER:
        raise LimitExceeded(f"the user {user_name} is in {MAX_GROUPS_OF_USER} groups already")
    return registry.with_user(replace(user, groups=(*user.groups, name)))


def leave(registry: Registry, name: str, user_name: str) -> Registry:
    """Raises NoSuchEntity, also when the user is not in the group."""
    user = registry.user(user_name)
    if name not in user.groups:
        raise NoSuchEntity(f"the user {user_name} is not in the group {name!r}")
    return registry.with_user(replace(user, groups=tuple(group for group in user.groups if group != name)))
