"""Reading, writing and copying of ranges that the kernel may do in pieces: each here is done whole.

A call may do less than it was asked for: when a signal comes in between, near a quota or a limit of file
sizes, or as the file system below likes it (read(2), write(2), copy_file_range(2)). Errors are OSError.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from weka_mp.errors import ObjectChanged

__all__ = ["copy_range", "read_range", "write_range"]

_COPY_STEP: Final = 1 << 30
_READ_STEP: Final = 1 << 20
_COPY_REFUSED = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM}


def read_range(fd: int, size: int, offset: int) -> bytes:
    """`size` bytes from `offset`; fewer at the end of the file only."""
    data = os.pread(fd, size, offset)
    while data and len(data) < size and (more := os.pread(fd, size - len(data), offset + len(data))):
        data += more
    return data


def write_range(fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """All of it, at `offset`."""
    done = os.pwrite(fd, data, offset)
    if done == len(data):
        return
    view = memoryview(data)
    while done < len(view):
        step = os.pwrite(fd, view[done:], offset + done)
        if step == 0:  # POSIX leaves open what it means; it must not be tried for ever
            raise OSError(errno.EIO, "the file system takes no more bytes and does not say why")
        done += step


def copy_range(
    source: int, source_offset: int, target: int, target_offset: int, size: int, *, in_kernel: bool
) -> None:
    """`in_kernel`: by copy_file_range(2), as long as that goes on. Raises ObjectChanged when the source ends
    early.
    """
    done = 0
    while done < size:
        here, there = source_offset + done, target_offset + done
        step = _copied(source, here, target, there, size - done) if in_kernel else 0
        if step == 0:
            # Refused, or the end of the file, or nothing at all for a file system that answers 0 where it
            # cannot do it: reading tells.
            in_kernel = False
            data = os.pread(source, min(size - done, _READ_STEP), here)
            if not data:
                raise ObjectChanged("the source became shorter while it was copied")
            write_range(target, data, there)
            step = len(data)
        done += step


def _copied(source: int, here: int, target: int, there: int, size: int) -> int:
    """How many bytes were copied within the kernel; 0 where it does not do that."""
    try:
        return os.copy_file_range(source, target, min(size, _COPY_STEP), here, there)
    except OSError as error:
        if error.errno not in _COPY_REFUSED:
            raise
        return 0
