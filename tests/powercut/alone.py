"""Mounts that nobody else holds: a mount namespace of this thread's own.

A mount that other processes see is copied by each that starts with ``unshare --mount`` meanwhile. There it
lives on after its umount here: the file system stays in use, its log unfinished, its loop device busy.
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import threading
from collections.abc import Callable
from typing import ParamSpec

__all__ = ["with_own_mounts"]

P = ParamSpec("P")
_CLONE_NEWNS = 0x20000  # sched.h; os.unshare is younger than the oldest Python that we support


def with_own_mounts(test: Callable[P, None]) -> Callable[P, None]:
    """A test that runs in a thread whose mounts, and those of what it starts, others neither see nor hold.

    They go when the thread and what it started have ended.
    """

    @functools.wraps(test)
    def in_thread(*args: P.args, **kwargs: P.kwargs) -> None:
        failures: list[BaseException] = []

        def alone() -> None:
            try:
                _leave()
                test(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - pytest's own, too; the test's thread raises it
                failures.append(error)

        thread = threading.Thread(target=alone, name="own mounts")
        thread.start()
        thread.join()
        if failures:
            raise failures[0]

    return in_thread


def _leave() -> None:
    """unshare(2) takes one thread only out of the process's mount namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
