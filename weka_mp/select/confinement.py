"""What the process of one query may still do: read its descriptors and compute, for a while.

The engine is told to open nothing; this is for the day on which it does not do as it is told.
"""

from __future__ import annotations

import ctypes
import os
import resource
from typing import Final

__all__ = ["CPU_SECONDS", "confine"]

CPU_SECONDS: Final = 600
_ADDRESS_SPACE: Final = 4 << 30
_NOBODY: Final = 65534
_NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET, unshare(2)
_DUMPABLE, _NO_NEW_PRIVILEGES = 4, 38  # prctl(2)


def confine() -> None:
    """From now on: no files written, nothing executed with more rights, no network, nobody's rights where
    there were root's. Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for limit, value in (
        (resource.RLIMIT_CPU, CPU_SECONDS), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, _ADDRESS_SPACE),
    ):  # fmt: skip
        resource.setrlimit(limit, (value, value))
    if os.geteuid() == 0:
        libc.unshare(_NEW_NETWORK)  # refused in some containers, where the engine's own rule has to do
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
        # Else /dev/fd of this process, by which the engine opens its pipe, would stay root's.
        libc.prctl(_DUMPABLE, 1, 0, 0, 0)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
