"""Files that nobody can change or remove, root included, as locked versions are: what a test leaves of them
would keep its directory from being removed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from weka_mp.store import syscalls

__all__ = ["loosen"]


def loosen(top: Path | str) -> int:
    """Make every file at and below `top` an ordinary one; how many were not."""
    count = 0
    for where, _, names in os.walk(top):
        for name in names:
            path = os.path.join(where, name)
            try:
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    continue
                fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError:
                continue  # somebody else removed it
            try:
                if syscalls.is_immutable(fd):
                    syscalls.set_immutable(fd, False)
                    count += 1
            except OSError:
                break  # a file system without such files
            finally:
                os.close(fd)
    return count
