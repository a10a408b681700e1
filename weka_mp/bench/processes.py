"""Who serves a target, what it costs: processes found and measured through /proc (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["cpu_seconds", "listeners", "memory_bytes", "mount_servers", "with_descendants"]

_TICK: Final = os.sysconf("SC_CLK_TCK")
_LISTENING: Final = "0A"


def listeners(port: int) -> frozenset[int]:
    """The processes that hold a socket listening on a TCP port of this machine, with their descendants."""
    inodes = {
        f"socket:[{fields[9]}]"
        for table in ("tcp", "tcp6")
        for fields in _rows(Path("/proc/net", table))
        if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port
    }
    return with_descendants(_holders(inodes))


def mount_servers(path: str) -> frozenset[int]:
    """The processes that serve the FUSE mount which holds a path; empty where the kernel does not tell.

    Since Linux 6.16 the fdinfo of /dev/fuse names the connection, which is the minor device number of what
    the mount shows.
    """
    device = os.minor(os.stat(path).st_dev)
    found = [
        int(info.parts[2])
        for info in Path("/proc").glob("[0-9]*/fdinfo/*")
        if f"fuse_connection:\t{device}\n" in _text(info)
    ]
    return with_descendants(found)


def with_descendants(pids: Iterable[int]) -> frozenset[int]:
    """The processes and all their children, grandchildren and so on."""
    found = list(dict.fromkeys(pids))
    for pid in found:
        for task in _text_of_tasks(pid):
            found += [child for child in map(int, task.split()) if child not in found]
    return frozenset(found)


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time so far; a process that has gone counts nothing."""
    total = 0
    for pid in pids:
        fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        if len(fields) > 12:
            total += int(fields[11]) + int(fields[12])
    return total / _TICK


def memory_bytes(pids: Iterable[int]) -> int:
    """Proportional set size: what the processes share is counted once."""
    total = 0
    for pid in pids:
        for line in _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def _rows(table: Path) -> Iterator[list[str]]:
    return (line.split() for line in _text(table).splitlines()[1:])


def _holders(links: set[str]) -> Iterator[int]:
    for directory in Path("/proc").glob("[0-9]*"):
        if any(_link(entry) in links for entry in (directory / "fd").glob("*")):
            yield int(directory.name)


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:  # closed meanwhile, or another user's
        return ""


def _text_of_tasks(pid: int) -> list[str]:
    return [_text(path) for path in Path(f"/proc/{pid}/task").glob("*/children")]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # gone meanwhile, or another user's
        return ""
