"""Changes and lists exports and shares: through the running service, or in a stopped store under its lock."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

import click

from weka_mp.cli.refusals import Refusal, ServiceUnreachable
from weka_mp.cli.services import find_service
from weka_mp.cli.stopped import stopped_store
from weka_mp.control.client import AdminClient, Refused, Unreachable
from weka_mp.control.service import Kind
from weka_mp.supervise import reexport_record
from weka_mp.supervise.checks import is_beneath

__all__ = ["add", "listed", "path_in_store", "remove"]

_ROUTES: Mapping[Kind, str] = {"export": "/api/v2/nfs/exports", "share": "/api/v2/smb/shares"}


def listed(store: str, kind: Kind) -> list[dict[str, Any]]:
    """All exports or shares. Raises Refusal."""
    client = find_service(store)
    if client is None:
        with stopped_store(store) as namespace:
            return reexport_record.listed(reexport_record.load(namespace), kind)
    found = _ask(client, "GET", _ROUTES[kind])[f"{kind}s"]
    return list(found) if isinstance(found, list) else []


def add(store: str, kind: Kind, asked: Mapping[str, object]) -> tuple[dict[str, Any], bool]:
    """What was added, and whether it is served now. Raises Refusal."""
    client = find_service(store)
    if client is None:
        with stopped_store(store) as namespace:
            _, added = reexport_record.add(namespace, kind, asked)
            return asdict(added), False
    return _served(_ask(client, "POST", _ROUTES[kind], dict(asked)), kind), True


def remove(store: str, kind: Kind, which: str) -> dict[str, Any]:
    """What was removed. Raises Refusal."""
    client = find_service(store)
    if client is None:
        with stopped_store(store) as namespace:
            _, removed = reexport_record.remove(namespace, kind, which)
            return asdict(removed)
    return _served(_ask(client, "DELETE", f"{_ROUTES[kind]}/{quote(which, safe='')}"), kind)


def path_in_store(store: str, path: str) -> str:
    """`path` as one below the store's root: given like that, or absolute below a mount point or the store."""
    if not os.path.isabs(path):
        return "" if path in (".", "./") else path.removeprefix("./").rstrip("/")
    client = find_service(store)
    found = _ask(client, "GET", "/api/v2/status")["mounts"] if client is not None else ()
    mounts = [str(mount) for mount in found] if isinstance(found, list) else []
    for base in (*mounts, os.path.abspath(store)):
        if is_beneath(os.path.normpath(path), base):
            inner = os.path.relpath(os.path.normpath(path), base)
            return "" if inner == "." else inner
    raise Refusal(f"{path}: neither beneath a mount point of the service nor beneath the store")


def _served(answer: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    problem = answer.get("problem")
    if problem:
        click.echo(f"weka-mp: recorded, but its server is not well: {problem} (see the log)", err=True)
    return dict(answer[kind])


def _ask(client: AdminClient, method: str, path: str, body: object = None) -> Mapping[str, Any]:
    try:
        return client.request(method, path, body)
    except Refused as error:
        raise Refusal(str(error)) from error
    except Unreachable as error:
        raise ServiceUnreachable(f"the service has gone: {error}") from error
