"""How policies may change, and to whom they are attached. `predefined`: the names that are always there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from weka_mp.identity.errors import (
    EntityExists,
    InUse,
    LimitExceeded,
    NoSuchEntity,
    Unmodifiable,
)
from weka_mp.identity.model import MAX_ATTACHED, MAX_POLICIES, StoredPolicy, User
from weka_mp.identity.registry import Registry

__all__ = [
    "add",
    "attach_by_cli",
    "attach_to_group",
    "attach_to_user",
    "attached_to",
    "detach_by_cli",
    "detach_from_group",
    "detach_from_user",
    "names_of_user",
    "remove",
    "replace_document",
    "set_tags",
    "unshadowed",
    "within_user",
]


def unshadowed(predefined: Mapping[str, str], registry: Registry) -> Mapping[str, str]:
    """Those that count. A store may hold a custom policy of a name that was no predefined one when it was
    made: who has that one attached must not get another's rights.
    """
    if predefined.keys().isdisjoint(registry.policies):
        return predefined
    return {name: text for name, text in predefined.items() if name not in registry.policies}


def add(registry: Registry, policy: StoredPolicy, predefined: Collection[str]) -> Registry:
    """Names differ in more than case. Raises EntityExists, LimitExceeded, NoSuchEntity (its account)."""
    registry.account(policy.account)
    if any(other.lower() == policy.name.lower() for other in (*predefined, *registry.policies)):
        raise EntityExists(f"there is a policy {policy.name} already")
    if len(registry.policies) >= MAX_POLICIES:
        raise LimitExceeded(f"there are {MAX_POLICIES} policies already")
    return registry.with_policy(policy)


def replace_document(
    registry: Registry, name: str, document: str, now_ns: int, predefined: Collection[str]
) -> Registry:
    """The policy's next version. Raises NoSuchEntity, Unmodifiable, InvalidInput."""
    _check_custom(registry, name, predefined)
    old = registry.policy(name)
    new = replace(old, document=document, version=old.version + 1, changed_ns=now_ns)
    return registry.with_policy(new)


def set_tags(
    registry: Registry, name: str, step: Callable[[Mapping[str, str]], Mapping[str, str]],
    predefined: Collection[str],
) -> Registry:
    """step: makes the new ones of the old. Raises NoSuchEntity, Unmodifiable, InvalidInput."""
    _check_custom(registry, name, predefined)
    old = registry.policy(name)
    return registry.with_policy(replace(old, tags=step(old.tags)))


def remove(registry: Registry, name: str, predefined: Collection[str]) -> Registry:
    """Raises NoSuchEntity, Unmodifiable, InUse while it is attached."""
    _check_custom(registry, name, predefined)
    registry.policy(name)
    attached = attached_to(registry, name)
    if attached:
        raise InUse(f"the policy {name} is attached to {', '.join(attached[:5])}: detach it first")
    kept = {other: policy for other, policy in registry.policies.items() if other != name}
    return replace(registry, policies=kept)


def attached_to(registry: Registry, name: str) -> tuple[str, ...]:
    """``user NAME`` and ``group NAME`` of all that have the policy, sorted."""
    users = (user for user in registry.users.values() if name == user.cli_policy or name in user.policies)
    groups = (group for group in registry.groups.values() if name in group.policies)
    return tuple(
        sorted([*(f"user {user.name}" for user in users), *(f"group {group.name}" for group in groups)])
    )


def names_of_user(registry: Registry, user: User) -> tuple[str, ...]:
    """Every policy that speaks for the user, each once: the command line's, the IAM API's, its groups'."""
    of_groups = (name for group in user.groups for name in registry.group(group).policies)
    own = () if user.cli_policy is None else (user.cli_policy,)
    return tuple(dict.fromkeys((*own, *user.policies, *of_groups)))


def within_user(registry: Registry, user: User) -> tuple[tuple[str, str], ...]:
    """The policies without a name of their own that speak for the user: those kept within it, then within its
    groups; each as messages name it, and its document.
    """
    groups = [registry.group(name) for name in user.groups]
    within = [(f"user {user.name}", user.inline), *((f"group {one.name}", one.inline) for one in groups)]
    return tuple(
        (f"{name} of {whose}", document) for whose, inline in within for name, document in inline.items()
    )


def attach_by_cli(
    registry: Registry, name: str, user_name: str, predefined: Collection[str]
) -> tuple[Registry, str | None]:
    """The user's one policy of the command line; returns the former one too, None if there was none.

    Raises NoSuchEntity.
    """
    _check_exists(registry, name, predefined)
    user = registry.user(user_name)
    return registry.with_user(replace(user, cli_policy=name)), user.cli_policy


def detach_by_cli(registry: Registry, user_name: str, name: str | None = None) -> tuple[Registry, str]:
    """Returns the name of the policy that was attached. `name`: it must be this one.

    Raises NoSuchEntity, also when there is nothing to detach.
    """
    user = registry.user(user_name)
    if user.cli_policy is None:
        raise NoSuchEntity(f"no policy is attached to the user {user_name} by the command line")
    if name not in (None, user.cli_policy):
        raise NoSuchEntity(f"not {name!r}, but {user.cli_policy} is attached to the user {user_name}")
    return registry.with_user(replace(user, cli_policy=None)), user.cli_policy


def attach_to_user(registry: Registry, name: str, user_name: str, predefined: Collection[str]) -> Registry:
    """As the IAM API does: one of up to 10. Nothing changes when it is there. Raises NoSuchEntity,
    LimitExceeded.
    """
    _check_exists(registry, name, predefined)
    user = registry.user(user_name)
    return registry.with_user(replace(user, policies=_joined(user.policies, name, f"user {user_name}")))


def detach_from_user(registry: Registry, name: str, user_name: str) -> Registry:
    """Raises NoSuchEntity."""
    user = registry.user(user_name)
    return registry.with_user(replace(user, policies=_without(user.policies, name, f"user {user_name}")))


def attach_to_group(registry: Registry, name: str, group_name: str, predefined: Collection[str]) -> Registry:
    """Raises NoSuchEntity, LimitExceeded."""
    _check_exists(registry, name, predefined)
    group = registry.group(group_name)
    return registry.with_group(replace(group, policies=_joined(group.policies, name, f"group {group_name}")))


def detach_from_group(registry: Registry, name: str, group_name: str) -> Registry:
    """Raises NoSuchEntity."""
    group = registry.group(group_name)
    return registry.with_group(replace(group, policies=_without(group.policies, name, f"group {group_name}")))


def _joined(names: tuple[str, ...], name: str, whose: str) -> tuple[str, ...]:
    if name in names:
        return names
    if len(names) >= MAX_ATTACHED:
        raise LimitExceeded(f"{MAX_ATTACHED} policies are attached to the {whose} already")
    return (*names, name)


def _without(names: tuple[str, ...], name: str, whose: str) -> tuple[str, ...]:
    if name not in names:
        raise NoSuchEntity(f"the policy {name!r} is not attached to the {whose}")
    return tuple(other for other in names if other != name)


def _check_exists(registry: Registry, name: str, predefined: Collection[str]) -> None:
    if name not in predefined:
        registry.policy(name)


def _check_custom(registry: Registry, name: str, predefined: Collection[str]) -> None:
    if name in predefined and name not in registry.policies:
        raise Unmodifiable(f"the policy {name} is predefined")
