"""Asking a mount whether it answers, and ending the wait of those whom it does not."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

import trio

from weka_mp.mount_table import entry_at

__all__ = ["abort", "answers"]

_MNT_FORCE: Final = 1  # umount(2)


async def answers(path: str, *, seconds: float) -> bool:
    """Whether a FUSE mount lies at `path` and its server answers statfs within the time.

    The thread that asks a hung mount is left behind: nothing but the end of the mount wakes it.
    """
    with trio.move_on_after(seconds):
        return await trio.to_thread.run_sync(_answers, path, abandon_on_cancel=True)
    return False


def _answers(path: str) -> bool:
    entry = entry_at(path)
    if entry is None or not entry.is_fuse:
        return False
    try:
        os.statvfs(path)
    except OSError:
        return False
    return True


def abort(path: str) -> str | None:
    """End the connection of the FUSE mount at `path`: whoever waits for its server gets ENOTCONN.

    The mount stays where it is. None, or the reason why it could not be done (it takes root). The kernel does
    this by itself when the last descriptor of /dev/fuse is closed, but a thread of the server that waits in
    a notification for a directory's lock keeps it open, and the request that holds that lock waits for the
    server.
    """
    entry = entry_at(path)
    if entry is None or not entry.is_fuse:
        return None  # unmounted: it ends by itself
    try:
        kept = os.open(path, os.O_PATH | os.O_DIRECTORY)  # in use, so that no force can take it away
    except OSError as error:
        return error.strerror
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.umount2(os.fsencode(path), _MNT_FORCE) == 0 or ctypes.get_errno() == errno.EBUSY:
            return None
        return os.strerror(ctypes.get_errno())
    finally:
        os.close(kept)
