"""The kernel's table of mounts: what lies at a mount point, is its server dead, and taking it away."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import subprocess
from dataclasses import dataclass
from typing import Final

__all__ = ["MountEntry", "entry_at", "is_dead", "parse_mountinfo", "server_is_gone", "unmount"]

_MNT_DETACH: Final = 2  # umount(2)
_DEAD: Final = {errno.ENOTCONN, errno.ECONNABORTED, errno.ESHUTDOWN}
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_TOOL_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class MountEntry:
    """One line of /proc/self/mountinfo: where, and which type of file system."""

    path: str
    type: str

    @property
    def is_fuse(self) -> bool:
        return self.type == "fuse" or self.type.startswith("fuse.")


def parse_mountinfo(text: str) -> list[MountEntry]:
    """All mounts, lowest first (proc_pid_mountinfo(5): field 5, and the first one after the dash)."""
    entries = []
    for line in text.splitlines():
        fields = line.split(" ")
        path = _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), fields[4])
        entries.append(MountEntry(path, fields[fields.index("-") + 1]))
    return entries


def entry_at(path: str) -> MountEntry | None:
    """The topmost mount at exactly this real path, without touching it (a dead mount answers no stat)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        entries = [entry for entry in parse_mountinfo(file.read()) if entry.path == path]
    return entries[-1] if entries else None


def is_dead(path: str) -> bool:
    """Whether a FUSE mount lies at `path` whose server is gone.

    Never blocks: the kernel answers for the dead.
    """
    entry = entry_at(path)
    return entry is not None and entry.is_fuse and server_is_gone(path)


def server_is_gone(path: str) -> bool:
    """Whether a FUSE mount at `path`, if it is one, is dead.

    Asked by statvfs(2), which the kernel never answers from a cache, as it does stat(2).
    """
    try:
        os.statvfs(path)
    except OSError as error:
        return error.errno in _DEAD
    return False


def unmount(path: str, *, lazily: bool) -> str | None:
    """Take the topmost mount at `path` away; None, or the reason why it could not be done.

    lazily: also one that is in use, which ends with its last user. By umount2(2) or fusermount3(1).
    """
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.umount2(os.fsencode(path), _MNT_DETACH if lazily else 0) == 0:
            return None
        return os.strerror(ctypes.get_errno())
    command = ["fusermount3", "-u", *(["-z"] if lazily else []), "--", path]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_TOOL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.decode("utf-8", "replace").strip()
