"""The kernel's table of mounts: what lies at a mount point, is its server dead, and taking it away."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import subprocess
from dataclasses import dataclass
from typing import Final

import trio

__all__ = ["MountEntry", "abort", "answers", "detach", "entry_at", "is_dead", "parse_mountinfo"]

_MNT_FORCE, _MNT_DETACH = 1, 2  # umount(2)
_DEAD: Final = {errno.ENOTCONN, errno.ECONNABORTED, errno.ESHUTDOWN}
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
        path = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
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
    if entry is None or not entry.is_fuse:
        return False
    try:
        os.statvfs(path)
    except OSError as error:
        return error.errno in _DEAD
    return False


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


def detach(path: str) -> str | None:
    """Take the topmost mount at `path` away, lazily; None, or the reason why it could not be done."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.umount2(os.fsencode(path), _MNT_DETACH) == 0:
            return None
        return os.strerror(ctypes.get_errno())
    command = ["fusermount3", "-u", "-z", "--", path]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_TOOL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr.decode("utf-8", "replace").strip()
