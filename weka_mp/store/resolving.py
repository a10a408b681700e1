"""Ways to open a path where one openat2(2) cannot: too long a path, or a kernel without the call."""

from __future__ import annotations

import errno
import os

from weka_mp.store import syscalls
from weka_mp.store.interruptions import close_once

__all__ = ["DIRECTORY", "PATH_MAX", "STRICT", "open_by_steps", "open_far"]

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SEARCHED = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  # a way need not be readable
STRICT = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
PATH_MAX = 4096  # limits.h, with the closing NUL


def open_far(at: int, path: bytes, flags: int, mode: int, resolve: int) -> int:
    """openat2 for a path longer than one call takes: the 1,024 bytes of a key can be 8 KiB of path."""
    here = at
    try:
        while len(path) >= PATH_MAX and (cut := path.rfind(b"/", 1, PATH_MAX)) > 0:
            left, here = here, syscalls.openat2(here, path[:cut], _SEARCHED, 0, STRICT)
            path = path[cut + 1 :]
            if left != at:
                close_once(left)
        return syscalls.openat2(here, path, flags, mode, resolve)
    finally:
        if here != at:
            close_once(here)


def open_by_steps(at: int, path: bytes, flags: int, mode: int) -> int:
    """openat2's strict resolution with openat alone: every component without following links."""
    parts = [part for part in path.split(b"/") if part not in (b"", b".")] or [b"."]
    if b".." in parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    here = at
    try:
        for part in parts[:-1]:
            left, here = here, os.open(part, DIRECTORY, dir_fd=here)
            if left != at:
                close_once(left)
        return os.open(parts[-1], flags | os.O_NOFOLLOW, mode, dir_fd=here)
    finally:
        if here != at:
            close_once(here)
