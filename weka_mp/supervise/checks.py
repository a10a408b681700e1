"""What must hold of the store's path and the mount points before anything is started or changed."""

from __future__ import annotations

import os
from collections.abc import Sequence

from weka_mp import mount_table
from weka_mp.namespace import Namespace
from weka_mp.namespace.names.keys import CONTROL_NAME
from weka_mp.supervise.keeper import StartFailed

__all__ = [
    "check_judging",
    "check_mount_point",
    "check_mount_points",
    "check_outside",
    "check_store",
    "is_beneath",
    "is_new_store",
    "real_path",
]


def check_store(path: str) -> str:
    """The absolute path of the store. Raises StartFailed: missing, no directory."""
    try:
        is_directory = os.path.isdir(path)
        os.stat(path)
    except OSError as error:
        raise StartFailed(f"{path}: {error.strerror}") from error
    if not is_directory:
        raise StartFailed(f"{path}: not a directory")
    return os.path.abspath(path)


def is_new_store(store: str) -> bool:
    """Whether the directory was never served: it has no control area yet."""
    return not os.path.lexists(os.path.join(store, os.fsdecode(CONTROL_NAME)))


def check_mount_points(paths: Sequence[str], store: str) -> tuple[str, ...]:
    """The absolute paths of all mount points. Raises StartFailed with the first thing that is wrong."""
    checked = tuple(check_mount_point(path, store) for path in paths)
    real = [os.path.realpath(path) for path in checked]
    for path in checked:
        if real.count(os.path.realpath(path)) > 1:
            raise StartFailed(f"{path}: named twice as a mount point")
    for outer in real:
        for inner in real:
            if inner != outer and is_beneath(inner, outer):
                raise StartFailed(f"{inner}: lies in another mount point, {outer}")
    return checked


def check_mount_point(path: str, store: str) -> str:
    """One mount point.

    A dead mount that a killed service left there stays until its successor takes its place (fuse/succession),
    so that nobody writes into the directory below; only root can do that, for others it is taken away.
    """
    absolute, real = os.path.abspath(path), real_path(path)
    dead = mount_table.is_dead(real)
    if dead and os.geteuid() != 0:
        reason = mount_table.unmount(real, lazily=True)
        if reason is not None:
            raise StartFailed(f"{path}: a dead mount cannot be taken away: {reason}")
        dead = False
    if not dead:
        real = _free_directory(absolute, path)
    real_store = os.path.realpath(store)
    if is_beneath(real, real_store):
        raise StartFailed(f"{path}: the mount point lies inside the store")
    if is_beneath(real_store, real):
        raise StartFailed(f"{path}: the store lies inside the mount point")
    if not dead and mount_table.entry_at(real) is not None:
        raise StartFailed(f"{path}: busy, something is mounted there already")
    return absolute


def _free_directory(absolute: str, shown: str) -> str:
    """The real path of a directory that is there. Raises StartFailed."""
    try:
        os.stat(absolute)
    except OSError as error:
        raise StartFailed(f"{shown}: {error.strerror}") from error
    if not os.path.isdir(absolute):
        raise StartFailed(f"{shown}: not a directory")
    return os.path.realpath(absolute)


def real_path(mount_point: str) -> str:
    """Without a look at what is mounted there, which may be dead: its parent is resolved only."""
    parent, name = os.path.split(os.path.abspath(mount_point))
    return os.path.join(os.path.realpath(parent), name)


def check_outside(path: str, store: str, what: str) -> None:
    """Raises StartFailed when `path` (which need not exist yet) is in the store, where clients could read
    it.
    """
    if is_beneath(os.path.realpath(path), os.path.realpath(store)):
        raise StartFailed(f"{path}: {what} must not lie inside the store")


def check_judging(namespace: Namespace) -> None:
    """Raises StartFailed where modes can bind nobody (--posix-permissions on)."""
    reason = namespace.judging_refusal()
    if reason is not None:
        raise StartFailed(f"--posix-permissions on cannot be kept: {reason}")


def is_beneath(inner: str, outer: str) -> bool:
    """Whether `inner` is `outer` or below it; both are real paths."""
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")
