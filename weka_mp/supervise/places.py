"""Directories outside the store:

where sockets and pids live (runtime) and where credentials are kept (state).
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from typing import Final

__all__ = [
    "PlaceError",
    "admin_socket",
    "find_runtime_directory",
    "make_runtime_directory",
    "state_directory",
]

_LONGEST_NAME: Final = len("/mount-255.sock")
_MAX_SOCKET_PATH: Final = 107  # bytes, without the final NUL: unix(7), sun_path


class PlaceError(Exception):
    """No private directory can be had; the message is one line for the user."""


def state_directory(store_id: str, environ: Mapping[str, str], uid: int) -> str:
    """``/var/lib/weka_mp/ID`` for root, else below ``$XDG_STATE_HOME`` (``~/.local/state``)."""
    if uid == 0:
        return f"/var/lib/weka_mp/{store_id}"
    home = environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(home, "weka_mp", store_id)


def make_runtime_directory(store_id: str, environ: Mapping[str, str], uid: int) -> str:
    """A private directory for the sockets of the service of one store, made when absent.

    Raises PlaceError.
    """
    reasons = []
    for base in _bases(environ, uid):
        path = os.path.join(base, store_id)
        try:
            _make_private(base, uid)
            _make_private(path, uid)
        except (OSError, PlaceError) as error:
            reasons.append(str(error))
            continue
        return path
    raise PlaceError("no directory for the sockets: " + "; ".join(reasons))


def find_runtime_directory(store_id: str, environ: Mapping[str, str], uid: int) -> str | None:
    """Where the service of this store has its sockets, None when none is there; root finds its own only.

    What is no directory of ours alone is passed over: in a directory that everybody may write to, somebody
    else could wait there for the passwords that are sent.
    """
    for base in _bases(environ, uid):
        path = os.path.join(base, store_id)
        if _is_private(base, uid) and _is_private(path, uid) and os.path.lexists(admin_socket(path)):
            return path
    return None


def admin_socket(runtime: str) -> str:
    """The path of the administration socket."""
    return os.path.join(runtime, "admin.sock")


def _bases(environ: Mapping[str, str], uid: int) -> list[str]:
    """Candidates in order; those whose sockets' paths would be too long for the kernel are left out."""
    candidates = []
    if uid == 0:
        candidates.append("/run/weka_mp")
    elif environ.get("XDG_RUNTIME_DIR"):
        candidates.append(os.path.join(environ["XDG_RUNTIME_DIR"], "weka_mp"))
    candidates.append(os.path.join(tempfile.gettempdir(), f"weka_mp-{uid}"))
    candidates.append(f"/tmp/weka_mp-{uid}")
    room = _MAX_SOCKET_PATH - len("/") - 32 - _LONGEST_NAME
    return list(dict.fromkeys(base for base in candidates if len(os.fsencode(base)) <= room))


def _is_private(path: str, uid: int) -> bool:
    try:
        attributes = os.lstat(path)
    except OSError:
        return False
    ours = stat.S_ISDIR(attributes.st_mode) and attributes.st_uid == uid
    return ours and not stat.S_IMODE(attributes.st_mode) & 0o077


def _make_private(path: str, uid: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        attributes = os.lstat(path)
        if not stat.S_ISDIR(attributes.st_mode) or attributes.st_uid != uid:
            raise PlaceError(f"{path} belongs to somebody else") from None
        if stat.S_IMODE(attributes.st_mode) & 0o077:
            os.chmod(path, 0o700)
