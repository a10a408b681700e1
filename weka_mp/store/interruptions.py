"""A signal that interrupts a system call is no answer: the call is made again.

Python does so by itself (PEP 475) for open, fstat, read, write, truncate, sync, copy_file_range, fallocate
and fcntl, and does not for calls by name and on extended attributes, nor for those made through ctypes. On
the disks of one machine few calls can be interrupted at all; on network and FUSE file systems below a store
any can (signal(7)). Nothing has happened when the kernel says EINTR, so the same call again is right, but for
close(2), which has given the descriptor back all the same.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from weka_mp.errors import Interrupted

__all__ = ["ATTEMPTS", "close_once", "uninterrupted"]

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger(__name__)

ATTEMPTS: Final = 256
"""Of one call. A file system whose every answer is EINTR is told of, and not asked for ever."""

_INTERRUPTED = (Interrupted, InterruptedError)


def uninterrupted(call: Callable[P, R]) -> Callable[P, R]:
    """`call`, made again while a signal interrupts it: nothing of it may have happened then."""

    @functools.wraps(call)
    def first(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except _INTERRUPTED:
            return _again(functools.partial(call, *args, **kwargs))

    return first


def _again(call: Callable[[], R]) -> R:
    for _ in range(ATTEMPTS - 2):
        try:
            return call()
        except _INTERRUPTED:
            continue
    return call()


def close_once(fd: int) -> None:
    """close(2), which closes even where it is interrupted or fails (its manual, "Dealing with error returns
    from close()"): a second one could close what another thread has opened meanwhile.

    What a disk says that late is logged; fsync(2) has told those who asked. Raises OSError (EBADF) for what
    is not open.
    """
    try:
        os.close(fd)
    except InterruptedError:
        return
    except OSError as error:
        if error.errno == errno.EBADF:
            raise
        _log.warning("close(2) of a file of the store: %s", error.strerror)
