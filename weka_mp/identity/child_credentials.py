"""Service accounts and temporary credentials: keys that a user gave out, each in a small file of its own.

They are good while their parent is the user who made them: `generation` is the parent's, and of temporary
ones `session` too. Nothing about them can be changed; the whole record is authenticated by its seal.
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass, field, fields, replace
from typing import Final

from weka_mp.clock import RandomSource
from weka_mp.identity import naming
from weka_mp.identity.envelope import Damaged, open_envelope, plain, typed, wrap
from weka_mp.identity.errors import IdentityUnusable, InvalidInput
from weka_mp.identity.key_file import KeyFile
from weka_mp.identity.model import check_document
from weka_mp.identity.registry_codec import exactly, optional
from weka_mp.identity.sealing import sealed_under

__all__ = ["Child", "ChildKind", "ChildSecret", "decode", "encode", "open_child", "seal_child"]

_VERSION: Final = 1
_PURPOSE: Final = "child"


class ChildKind(enum.Enum):
    """The prefix of their access keys."""

    SERVICE_ACCOUNT = naming.SERVICE_PREFIX
    TEMPORARY = naming.TEMPORARY_PREFIX


@dataclass(frozen=True, slots=True)
class Child:
    """session, expires_s (seconds since the epoch): of temporary credentials only. policy: narrows them."""

    access_key: str
    kind: ChildKind
    parent: str
    generation: int
    session: int | None
    created_ns: int
    expires_s: int | None
    policy: str | None
    sealed: str = field(repr=False)

    def __post_init__(self) -> None:
        if naming.generated_kind(self.access_key) != self.kind.value:
            raise InvalidInput(f"{self.access_key!r} is not such an access key")
        temporary = self.kind is ChildKind.TEMPORARY
        if ((self.session is None) is temporary) or ((self.expires_s is None) is temporary):
            raise InvalidInput("a session and its end belong to temporary credentials")
        if self.policy is not None:
            check_document(self.policy)


@dataclass(frozen=True, slots=True)
class ChildSecret:
    """token: the session token of temporary credentials, else None."""

    secret: str = field(repr=False)
    token: str | None = field(repr=False)


_READERS: Final = {
    "str": exactly(str),
    "str | None": optional(exactly(str)),
    "int": exactly(int),
    "int | None": optional(exactly(int)),
    "ChildKind": ChildKind,
}


def encode(child: Child) -> bytes:
    """The record's bytes."""
    content = plain(child)
    assert isinstance(content, dict)
    return wrap({"version": _VERSION, **content})


def decode(access_key: str, data: bytes) -> Child:
    """Raises IdentityUnusable: damaged, newer, or of another key."""
    what = f"the record of the access key {access_key}"
    content = open_envelope(data, what)
    version = content.pop("version", None)
    if version != _VERSION:
        raise IdentityUnusable(f"{what} has version {version!r}, this weka_mp knows {_VERSION}")
    child = typed(Child, content, _READERS, what)
    if child.access_key != access_key:
        raise Damaged(f"{what} is that of another key")
    return child


def seal_child(child: Child, secret: ChildSecret, keys: KeyFile, random: RandomSource) -> Child:
    """The child with its secret sealed in, under the current key."""
    text = json.dumps([secret.secret, secret.token])
    return replace(child, sealed=keys.ring().seal(_PURPOSE, _owner(child), text, random))


def open_child(child: Child, keys: KeyFile) -> ChildSecret:
    """Raises IdentityUnusable: the key is missing, or anything of the record is not as it was sealed."""
    text = keys.ring(needed=sealed_under(child.sealed)).open(_PURPOSE, _owner(child), child.sealed)
    secret, token = json.loads(text)
    return ChildSecret(secret, token)


def _owner(child: Child) -> str:
    """Everything else that the record says: authenticated with the secret."""
    values = {
        entry.name: plain(getattr(child, entry.name)) for entry in fields(child) if entry.name != "sealed"
    }
    return json.dumps(values, sort_keys=True)
