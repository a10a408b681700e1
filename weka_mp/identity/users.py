"""How users and their access keys may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from weka_mp.identity.errors import EntityExists, InUse, LimitExceeded, NoSuchEntity
from weka_mp.identity.model import (
    MAX_ACCESS_KEYS,
    MAX_S3_USERS,
    MAX_USERS,
    AccessKey,
    PosixIdentity,
    Role,
    User,
)
from weka_mp.identity.naming import ROOT
from weka_mp.identity.registry import Registry

__all__ = [
    "add", "add_key", "remove", "remove_key", "rename", "revoke", "set_key_active", "set_secret", "set_tags",
    "update",
]  # fmt: skip


def add(registry: Registry, user: User) -> Registry:
    """Names differ in more than case, as IAM's do; none is the access key of somebody else.

    Raises EntityExists, LimitExceeded, NoSuchEntity (its account).
    """
    registry.account(user.account)
    for other in registry.users.values():
        if other.name.lower() == user.name.lower() or any(key.key_id == user.name for key in other.keys):
            raise EntityExists(f"there is a user or access key {user.name} already")
    if len(registry.users) >= MAX_USERS:
        raise LimitExceeded(f"there are {MAX_USERS} users already")
    if user.role is Role.S3:
        _check_s3_users(registry)
    return registry.with_user(user)


def update(
    registry: Registry,
    name: str,
    *,
    generation: int,
    role: Role | None = None,
    posix: PosixIdentity | None = None,
) -> Registry:
    """None leaves one as it is. A new role makes the user a new one to everything that it made: `generation`
    is its then; uid and gid go with the role `S3`.

    Raises NoSuchEntity, InvalidInput, LimitExceeded.
    """  # fmt: skip
    user = registry.user(name)
    if role is not None and role is not user.role:
        if role is Role.S3:
            _check_s3_users(registry)
        user = replace(
            user, role=role, generation=generation, session=generation,
            posix=user.posix if role is Role.S3 else PosixIdentity(),
        )  # fmt: skip
    if posix is not None:
        user = replace(user, posix=posix)
    return registry.with_user(user)


def set_secret(registry: Registry, name: str, sealed: str, session: int) -> Registry:
    """Another password; `session` ends what was given out under the old one. Raises NoSuchEntity."""
    return registry.with_user(replace(registry.user(name), sealed=sealed, session=session))


def revoke(registry: Registry, name: str, session: int) -> Registry:
    """End the user's tokens and temporary credentials. Raises NoSuchEntity."""
    if name == ROOT:
        return replace(registry, root_session=session)
    return registry.with_user(replace(registry.user(name), session=session))


def remove(registry: Registry, name: str, *, only_bare: bool = False) -> Registry:
    """With all its keys. `only_bare`: as IAM's DeleteUser, InUse while something is attached to the user.

    Raises NoSuchEntity, InUse.
    """
    user = registry.user(name)
    if only_bare and (user.keys or user.policies or user.groups or user.cli_policy or user.inline):
        raise InUse(f"the user {name} still has access keys, policies or groups")
    return replace(registry, users={other: kept for other, kept in registry.users.items() if other != name})


def rename(registry: Registry, name: str, renamed: User) -> Registry:
    """`renamed`: the user under its new name, with secrets that are sealed for it. What it gave out under the
    old one is nobody's any more. Raises NoSuchEntity, EntityExists.
    """
    registry.user(name)
    kept = {other: user for other, user in registry.users.items() if other != name}
    return add(replace(registry, users=kept), renamed)


def set_tags(registry: Registry, name: str, tags: Mapping[str, str]) -> Registry:
    """Raises NoSuchEntity, InvalidInput."""
    return registry.with_user(replace(registry.user(name), tags=tags))


def add_key(registry: Registry, name: str, key: AccessKey) -> Registry:
    """Raises NoSuchEntity, LimitExceeded, EntityExists."""
    user = registry.user(name)
    if len(user.keys) >= MAX_ACCESS_KEYS:
        raise LimitExceeded(f"the user {name} has {MAX_ACCESS_KEYS} access keys already")
    taken = {key.key_id for other in registry.users.values() for key in other.keys}
    if key.key_id in taken or key.key_id in registry.users:
        raise EntityExists(f"the access key {key.key_id} is taken")
    return registry.with_user(replace(user, keys=(*user.keys, key)))


def set_key_active(registry: Registry, name: str, key_id: str, active: bool) -> Registry:
    """Raises NoSuchEntity."""
    user, key = registry.user(name), _key(registry.user(name), key_id)
    keys = tuple(replace(key, active=active) if other is key else other for other in user.keys)
    return registry.with_user(replace(user, keys=keys))


def remove_key(registry: Registry, name: str, key_id: str) -> Registry:
    """Raises NoSuchEntity."""
    user, key = registry.user(name), _key(registry.user(name), key_id)
    return registry.with_user(replace(user, keys=tuple(other for other in user.keys if other is not key)))


def _key(user: User, key_id: str) -> AccessKey:
    for key in user.keys:
        if key.key_id == key_id:
            return key
    raise NoSuchEntity(f"the user {user.name} has no access key {key_id!r}")


def _check_s3_users(registry: Registry) -> None:
    if sum(user.role is Role.S3 for user in registry.users.values()) >= MAX_S3_USERS:
        raise LimitExceeded(f"there are {MAX_S3_USERS} users with role {Role.S3.value} already")
