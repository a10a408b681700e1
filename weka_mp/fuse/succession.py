"""Taking the place of a mount whose process died, so that the directory below never lies open.

Who finds that directory between the two takes it for an empty mount, and what he writes there is hidden as
soon as the successor is mounted. So the successor is mounted elsewhere, moved beneath the dead mount, and
shows when that one is taken away: one step (move_mount(2), MOVE_MOUNT_BENEATH, Linux 6.5). It takes root;
where the kernel cannot do it the dead mount goes first, and a moment remains.

Until there is a successor a guard has the place: a mount that was never alive. The kernel goes on answering
for the dead one from its caches, for as long as it was once told that they hold, and nobody can call them
back any more; of a mount that answered nothing it has none.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
from typing import Final

__all__ = ["stand_guard", "take_place"]

_log = logging.getLogger(__name__)

# The numbers are the same on every architecture since Linux 5.2 (arch/*/syscall.tbl).
_SYS_OPEN_TREE: Final = 428
_SYS_MOVE_MOUNT: Final = 429
_AT_FDCWD: Final = -100
_OPEN_TREE_CLONE: Final = 1
_MOVE_MOUNT_F_EMPTY_PATH: Final = 0x4
_MOVE_MOUNT_BENEATH: Final = 0x200
_MNT_DETACH: Final = 2
_MS_NOSUID: Final = 2
_MS_NODEV: Final = 4
_NOT_OFFERED: Final = {errno.EINVAL, errno.ENOSYS, errno.EPERM}

_libc = ctypes.CDLL(None, use_errno=True)


def take_place(mounted: str, path: str) -> None:
    """Move what is mounted at `mounted` to `path`, where a dead mount lies on top, and take that one away.

    Nothing is mounted at `mounted` afterwards. Raises OSError; the new mount is nowhere then.
    """
    try:
        tree = _call(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(mounted), _OPEN_TREE_CLONE | os.O_CLOEXEC)
    finally:
        detach(mounted)  # the clone keeps it
    try:
        try:
            _move(tree, path, _MOVE_MOUNT_BENEATH)
        except OSError as error:
            if error.errno not in _NOT_OFFERED:
                raise
            _log.info("no mount can be made beneath a dead one here: %s", error)
            detach(path)
            _move(tree, path, 0)
        else:
            detach(path)
    finally:
        os.close(tree)


def stand_guard(path: str, staging: str) -> None:
    """Put a mount that answers ENOTCONN to everything in the place of the dead one at `path`.

    `staging`: the path of a directory of ours, made and removed again. It takes root. Raises OSError.
    """
    os.makedirs(staging, 0o700, exist_ok=True)
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        try:
            options = f"fd={device},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other"
            flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV)
            where = os.fsencode(staging)
            if _libc.mount(b"weka_mp", where, b"fuse.weka_mp", flags, options.encode()) != 0:
                raise _error(staging)
        finally:
            os.close(device)  # the kernel ends a connection with its last descriptor
        take_place(staging, path)
    finally:
        os.rmdir(staging)


def detach(path: str) -> None:
    """umount2(2) of the topmost mount at `path`, also one in use. Raises OSError."""
    if _libc.umount2(os.fsencode(path), _MNT_DETACH) != 0:
        raise _error(path)


def _move(tree: int, path: str, flags: int) -> None:
    _call(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(path), _MOVE_MOUNT_F_EMPTY_PATH | flags)


def _call(number: int, *arguments: int | bytes) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise _error()
    return result


def _error(path: str | None = None) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)
