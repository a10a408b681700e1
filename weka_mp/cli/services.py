"""Finds the running service of a store."""

from __future__ import annotations

import json
import os

from weka_mp.cli.refusals import Refusal
from weka_mp.control.client import AdminClient, Unreachable
from weka_mp.supervise.checks import check_store
from weka_mp.supervise.keeper import StartFailed
from weka_mp.supervise.places import admin_socket, find_runtime_directory

__all__ = ["find_service", "store_id_of"]


def store_id_of(store: str) -> str | None:
    """The id in the store's control area, without opening the store; None when it never was one.

    Raises Refusal: the path is missing or no directory, or may not be read.
    """
    try:
        path = os.path.join(check_store(store), ".weka", "format")
        with open(path, "rb") as file:
            store_id = json.loads(file.read(64 * 1024))["store_id"]
    except StartFailed as error:
        raise Refusal(str(error)) from error
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError):
        return None  # damaged: no service can be running on it
    return store_id if isinstance(store_id, str) and store_id.isalnum() else None


def find_service(store: str) -> AdminClient | None:
    """A client of the service that runs on this store now, None when there is none. Raises Refusal."""
    store_id = store_id_of(store)
    if store_id is None:
        return None
    runtime = find_runtime_directory(store_id, os.environ, os.geteuid())
    if runtime is None:
        return None
    client = AdminClient(admin_socket(runtime))
    try:
        client.request("GET", "/health/live")
    except Unreachable:
        return None  # a killed service left its socket
    return client
