"""The record ``.weka/identity/registry``: everything but service accounts and temporary credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from weka_mp.identity.envelope import Damaged, open_envelope, plain, typed, wrap
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.identity.model import (
    AccessKey,
    Account,
    Group,
    LockOutRule,
    PosixIdentity,
    Role,
    StoredPolicy,
    User,
)
from weka_mp.identity.naming import ROOT
from weka_mp.identity.registry import Registry

__all__ = ["decode", "encode", "exactly", "optional"]

_VERSION: Final = 2
_FIRST_VERSION: Final = 1
_WHAT: Final = "the record of users and policies"


def encode(registry: Registry) -> bytes:
    """The record's bytes."""
    content = plain(registry)
    assert isinstance(content, dict)
    return wrap({"version": _VERSION, **content})


def decode(data: bytes) -> Registry:
    """Raises IdentityUnusable: damaged, or of a newer version."""
    content = open_envelope(data, _WHAT)
    version = content.pop("version", None)
    if version == _FIRST_VERSION and type(version) is int:
        _add_what_is_new(content)
    elif version != _VERSION:
        raise IdentityUnusable(f"{_WHAT} has version {version!r}, this weka_mp knows {_VERSION}")
    registry = typed(Registry, content, _READERS, _WHAT)
    for user in registry.users.values():
        if user.account not in registry.accounts or not registry.groups.keys() >= set(user.groups):
            raise Damaged(f"{_WHAT} is damaged: an account or group is missing")
    if ROOT not in registry.accounts:
        raise Damaged(f"{_WHAT} is damaged: the account {ROOT} is missing")
    return registry


_SINCE_2: Final[Mapping[str, Mapping[str, object]]] = {
    "users": {"inline": {}, "tags": {}, "path": "/"},
    "groups": {"inline": {}, "path": "/"},
    "policies": {"description": "", "tags": {}, "path": "/"},
}
"""Fields that version 1 had not."""


def _add_what_is_new(content: dict[str, Any]) -> None:
    """Of a record of version 1: what its entities have here. One that has it already is damaged."""
    for kind, fields in _SINCE_2.items():
        entities = content.get(kind)
        for entity in entities.values() if isinstance(entities, dict) else ():
            if not isinstance(entity, dict) or entity.keys() & fields.keys():
                raise Damaged(f"{_WHAT} is damaged: these are not its fields")
            entity.update(fields)


def exactly(kind: type) -> Callable[[Any], Any]:
    """Of this type and no other: a bool is no int."""

    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError
        return value

    return read


def optional(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else reader(value)


def _many(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: tuple(reader(value) for value in exactly(list)(values))


def _of(kind: type) -> Callable[[Any], Any]:
    return lambda value: typed(kind, value, _READERS, _WHAT)


def _by_name(kind: type) -> Callable[[Any], Any]:
    def read(values: Any) -> dict[str, Any]:
        found = {name: _of(kind)(value) for name, value in exactly(dict)(values).items()}
        if any(entity.name != name for name, entity in found.items()):
            raise ValueError
        return found

    return read


def _texts(values: Any) -> dict[str, str]:
    read = exactly(str)
    return {read(name): read(value) for name, value in exactly(dict)(values).items()}


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "str": exactly(str),
    "str | None": optional(exactly(str)),
    "int": exactly(int),
    "bool": exactly(bool),
    "tuple[int, ...]": _many(exactly(int)),
    "tuple[str, ...]": _many(exactly(str)),
    "Role": Role,
    "PosixIdentity": _of(PosixIdentity),
    "LockOutRule": _of(LockOutRule),
    "tuple[AccessKey, ...]": _many(_of(AccessKey)),
    "Mapping[str, str]": _texts,
    "Mapping[str, Account]": _by_name(Account),
    "Mapping[str, User]": _by_name(User),
    "Mapping[str, Group]": _by_name(Group),
    "Mapping[str, StoredPolicy]": _by_name(StoredPolicy),
}
