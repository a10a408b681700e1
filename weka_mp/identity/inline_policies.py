"""How policies within users and groups may change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from weka_mp.identity.errors import LimitExceeded, NoSuchEntity
from weka_mp.identity.model import MAX_DOCUMENT_BYTES, MAX_INLINE
from weka_mp.identity.registry import Registry

__all__ = ["of_group", "of_user", "put_in_group", "put_in_user", "remove_from_group", "remove_from_user"]


def of_user(registry: Registry, user: str, name: str) -> str:
    """The document. Raises NoSuchEntity."""
    return _found(registry.user(user).inline, name, f"user {user}")


def of_group(registry: Registry, group: str, name: str) -> str:
    """The document. Raises NoSuchEntity."""
    return _found(registry.group(group).inline, name, f"group {group}")


def put_in_user(registry: Registry, user: str, name: str, document: str) -> Registry:
    """Added or replaced. Raises NoSuchEntity, LimitExceeded, InvalidInput (the name)."""
    found = registry.user(user)
    return registry.with_user(replace(found, inline=_with(found.inline, name, document, f"user {user}")))


def put_in_group(registry: Registry, group: str, name: str, document: str) -> Registry:
    """As `put_in_user`."""
    found = registry.group(group)
    return registry.with_group(replace(found, inline=_with(found.inline, name, document, f"group {group}")))


def remove_from_user(registry: Registry, user: str, name: str) -> Registry:
    """Raises NoSuchEntity."""
    found = registry.user(user)
    return registry.with_user(replace(found, inline=_without(found.inline, name, f"user {user}")))


def remove_from_group(registry: Registry, group: str, name: str) -> Registry:
    """Raises NoSuchEntity."""
    found = registry.group(group)
    return registry.with_group(replace(found, inline=_without(found.inline, name, f"group {group}")))


def _with(inline: Mapping[str, str], name: str, document: str, whose: str) -> Mapping[str, str]:
    changed = {**inline, name: document}
    if len(changed) > MAX_INLINE:
        raise LimitExceeded(f"{MAX_INLINE} policies are kept in the {whose} already")
    if sum(len(text.encode()) for text in changed.values()) > MAX_DOCUMENT_BYTES:
        raise LimitExceeded(f"the policies in the {whose} have {MAX_DOCUMENT_BYTES} bytes at most together")
    return changed


def _without(inline: Mapping[str, str], name: str, whose: str) -> Mapping[str, str]:
    _found(inline, name, whose)
    return {other: document for other, document in inline.items() if other != name}


def _found(inline: Mapping[str, str], name: str, whose: str) -> str:
    try:
        return inline[name]
    except KeyError:
        raise NoSuchEntity(f"the {whose} has no policy {name!r} within") from None
