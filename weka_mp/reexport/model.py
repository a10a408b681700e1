"""NFS exports and SMB shares as values: what is legal, what they default to.

A path is one below the store's root, ``bucket/folder`` without a leading slash, empty for the whole store.
Names are text; bytes that are not UTF-8 stand as surrogate escapes (PEP 383).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final

from weka_mp.errors import InvalidArgument

__all__ = ["LOOPBACK", "NOBODY", "Export", "Share", "beyond_loopback", "checked_path", "default_pseudo"]

LOOPBACK: Final = ("127.0.0.1", "::1")
NOBODY: Final = 65534
"""The uid and gid of whoever has none (S3's anonymous user has the same)."""

MAX_EXPORT_ID: Final = 65535  # NFS-Ganesha keeps it in 16 bits; 0 is its own root of all exports
_ACCESS: Final = ("rw", "ro")
_SQUASH: Final = ("none", "root", "all")
_PSEUDO: Final = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+")
_SHARE_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_. -]{0,78}[A-Za-z0-9_-])?")
_RESERVED_SHARES: Final = {"global", "homes", "printers", "ipc$", "print$", "admin$"}
_ACCOUNT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")  # useradd(8), and capitals
_MAX_CLIENTS: Final = 256
_MAX_UID: Final = 2**32 - 2  # -1 means "none" to the kernel


@dataclass(frozen=True, slots=True)
class Export:
    """One NFS export. `clients` are addresses, networks or ``*``; `squash` says whose uid becomes `anon_uid`.

    `pseudo` is the path that clients mount. `export_id` is part of every file handle, hence never reused.
    Raises InvalidArgument when a field is not legal.
    """

    export_id: int
    path: str
    pseudo: str
    access: str = "rw"
    clients: tuple[str, ...] = LOOPBACK
    squash: str = "none"
    anon_uid: int = NOBODY
    anon_gid: int = NOBODY

    def __post_init__(self) -> None:
        _within("the export id", self.export_id, 1, MAX_EXPORT_ID)
        checked_path(self.path)
        if not _PSEUDO.fullmatch(self.pseudo) or len(self.pseudo) > 255:
            raise InvalidArgument(
                f"{self.pseudo!r} is not a pseudo path: /NAME, of letters, digits, . _ -, at most 255 bytes"
            )
        _one_of("access", self.access, _ACCESS)
        _one_of("squash", self.squash, _SQUASH)
        _within("the anonymous uid", self.anon_uid, 0, _MAX_UID)
        _within("the anonymous gid", self.anon_gid, 0, _MAX_UID)
        if not 1 <= len(self.clients) <= _MAX_CLIENTS:
            raise InvalidArgument(f"1 to {_MAX_CLIENTS} clients are wanted")
        for client in self.clients:
            _check_client(client)

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Export:
        """From what JSON carries; the same fields, lists for tuples. Raises InvalidArgument."""
        return cls(**_typed(cls, values, texts=("path", "pseudo", "access", "squash"), lists=("clients",)))


@dataclass(frozen=True, slots=True)
class Share:
    """One SMB share. `users` may use it (none named: every SMB user); `guest` lets everybody in unasked.

    `force_user` is the account of this machine in whose name everything is done; None: whoever logged in.
    Raises InvalidArgument when a field is not legal.
    """

    name: str
    path: str
    access: str = "rw"
    users: tuple[str, ...] = ()
    guest: bool = False
    force_user: str | None = None

    def __post_init__(self) -> None:
        if not _SHARE_NAME.fullmatch(self.name) or self.name.lower() in _RESERVED_SHARES:
            raise InvalidArgument(
                f"{self.name!r} is not a share name: letters, digits, blanks and . _ -, at most 80 characters"
            )
        checked_path(self.path)
        _one_of("access", self.access, _ACCESS)
        if self.guest and self.users:
            raise InvalidArgument("a share for guests asks nobody's name: name users, or make it for guests")
        for account in (*self.users, *([] if self.force_user is None else [self.force_user])):
            if not _ACCOUNT.fullmatch(account):
                raise InvalidArgument(f"{account!r} is not the name of an account")

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Share:
        """From what JSON carries; the same fields, lists for tuples. Raises InvalidArgument."""
        return cls(**_typed(cls, values, texts=("name", "path", "access", "force_user"), lists=("users",)))


def checked_path(path: str) -> str:
    """`path` if it can stand in the servers' configurations; InvalidArgument tells why not.

    Neither of their languages can express every name: NFS-Ganesha's has two kinds of quotes of which one must
    not occur, Samba's expands ``%`` and trims blanks. What could be read in two ways is refused.
    """
    parts = path.split("/") if path else []
    if any(part in ("", ".", "..") for part in parts):
        raise InvalidArgument(f"{path!r} is not a plain path below the store: bucket/folder")
    if any(part == ".weka" or part.startswith(".weka~") for part in parts):
        raise InvalidArgument(f"{path!r} is weka_mp's own")
    if re.search(r'[\x00-\x1f\x7f"\\%]', path) or path != path.strip() or path.endswith("."):
        raise InvalidArgument(
            f'{path!r} cannot be handed out: control characters, " \\ %, and a blank or dot at the end'
            " have no safe spelling in the servers' configurations"
        )
    return path


def default_pseudo(path: str) -> str:
    """The pseudo path of an export that was given none: its path, ``/weka`` for the whole store."""
    return f"/{path}" if path else "/weka"


def beyond_loopback(clients: Sequence[str]) -> bool:
    """Whether somebody outside this machine is among the clients."""
    return any(client == "*" or not ipaddress.ip_network(client).is_loopback for client in clients)


def _check_client(client: str) -> None:
    if client == "*":
        return
    try:
        ipaddress.ip_network(client)
    except ValueError:
        raise InvalidArgument(f"{client!r} is not an address, a network (10.0.0.0/8) or *") from None


def _one_of(what: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidArgument(f"{what} {value!r} is not one of {', '.join(choices)}")


def _within(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidArgument(f"{what} {value} is not from {low} to {high}")


def _typed(
    cls: type, values: Mapping[str, object], *, texts: Sequence[str], lists: Sequence[str]
) -> dict[str, Any]:
    """The constructor's arguments; every key must be a field and have that field's type."""
    known = {field.name for field in fields(cls)}
    missing = [field.name for field in fields(cls) if field.default is MISSING and field.name not in values]
    if missing:
        raise InvalidArgument(f"{missing[0]} is wanted")
    typed: dict[str, Any] = {}
    for key, value in values.items():
        wanted = str if key in texts else bool if key == "guest" else int
        if key in lists and isinstance(value, list) and all(isinstance(item, str) for item in value):
            typed[key] = tuple(dict.fromkeys(value))
        elif key == "force_user" and value is None:
            typed[key] = None
        elif key in known and key not in lists and type(value) is wanted:
            typed[key] = value
        else:
            raise InvalidArgument(f"{key}: {value!r} is not what belongs there")
    return typed
