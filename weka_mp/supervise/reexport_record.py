"""Changes of the store's exports and shares, checked against the store and this machine.

For the running service and for the command line on a stopped store; one of them at a time.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from weka_mp.control.service import Kind
from weka_mp.errors import InvalidArgument, NotFound
from weka_mp.events import By, Event, EventLog, event_named
from weka_mp.events.types import told
from weka_mp.identity.naming import ROOT
from weka_mp.namespace import Namespace
from weka_mp.reexport.model import Export, Share
from weka_mp.reexport.programs import find_nfs, find_smb
from weka_mp.reexport.registry import RECORD_NAME, Registry, decode, encode

__all__ = ["add", "check_service_user", "listed", "load", "remove"]

_ADDED: Final[Mapping[Kind, str]] = {"export": "NfsExportsPermissionsAdded", "share": "SmbShareAdded"}
_REMOVED: Final[Mapping[Kind, str]] = {"export": "NfsExportsPermissionsDeleted", "share": "SmbShareRemoved"}
_TOLD: Final = frozenset({"path", "pseudo", "name", "access", "clients", "squash", "users", "guest"})


def load(namespace: Namespace) -> Registry:
    """Raises StoreUnusable when the record is damaged."""
    return decode(namespace.read_setting(RECORD_NAME))


def listed(registry: Registry, kind: Kind) -> list[dict[str, object]]:
    """All of a kind, as JSON carries them."""
    return [asdict(entry) for entry in (registry.exports if kind == "export" else registry.shares)]


def add(namespace: Namespace, kind: Kind, asked: Mapping[str, object]) -> tuple[Registry, Export | Share]:
    """Check and record.

    Raises InvalidArgument, Exists, NotFound (no such directory or account), MissingProgram.
    """
    check_service_user()
    registry = load(namespace)
    added: Export | Share
    if kind == "export":
        find_nfs()
        registry, added = registry.with_export(asked)
    else:
        find_smb()
        registry, added = registry.with_share(asked)
        for account in (*added.users, added.force_user):
            _check_account(account)
    if not namespace.has_directory(os.fsencode(added.path)):
        raise NotFound(f"{added.path}: no such directory in the store (symbolic links are not followed)")
    namespace.write_setting(RECORD_NAME, encode(registry))
    _tell(namespace, _ADDED[kind], added)
    return registry, added


def remove(namespace: Namespace, kind: Kind, which: str) -> tuple[Registry, Export | Share]:
    """Record that it is gone. Raises NotFound."""
    registry = load(namespace)
    removed: Export | Share
    if kind == "export":
        registry, removed = registry.without_export(which)
    else:
        registry, removed = registry.without_share(which)
    namespace.write_setting(RECORD_NAME, encode(registry))
    _tell(namespace, _REMOVED[kind], removed)
    return registry, removed


def _tell(namespace: Namespace, name: str, entry: Export | Share) -> None:
    """Only whom the admin socket, or the store itself, vouches for may change them."""
    log = EventLog(namespace)
    about = {key: value for key, value in asdict(entry).items() if key in _TOLD}
    event = Event(log.now_ns(), event_named(name), ROOT, ROOT, "local", "admin", told(about))
    log.keep(event, By.ADMINISTRATOR)


def check_service_user() -> None:
    """Both servers act in the name of their clients. Raises InvalidArgument."""
    if os.geteuid() != 0:
        raise InvalidArgument("only root's service can hand out NFS exports and SMB shares")


def _check_account(name: str | None) -> None:
    if name is None:
        return
    try:
        pwd.getpwnam(name)
    except KeyError:
        raise NotFound(f"{name}: no such account on this machine") from None
