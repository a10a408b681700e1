"""A thread that acts as somebody else for the length of a block, and whether the kernel lets it.

setfsuid(2), setfsgid(2) and the raw setgroups(2) change the calling thread alone. With a file-system uid
other than 0 the kernel takes the capabilities on files (CAP_DAC_OVERRIDE and its like) out of the thread's
effective ones and gives them back with 0 (capabilities(7), "Effect of user ID changes on capabilities").
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from weka_mp.store import syscalls
from weka_mp.store.translate import fail

__all__ = ["refusal", "somebody_else"]

_log = logging.getLogger(__name__)
_NOBODY = 65534
_NOT_ROOT = "the service does not run as root, so it cannot act as the users of S3"
_KEEPS = "a thread that acts as another user keeps the capabilities of root here (securebits)"


@contextmanager
def somebody_else(uid: int, gid: int, groups: Sequence[int], own_groups: Sequence[int]) -> Iterator[None]:
    """The calling thread has this identity, and afterwards root's with `own_groups` again.

    For a few system calls without a wait for others in between. Raises NamespaceError when it cannot be put
    on; a thread that cannot lay it down ends the process.
    """
    try:
        try:
            syscalls.set_fs_identity(uid, gid, groups)
        except OSError as error:
            fail(error)
        yield
    finally:
        _as_service(own_groups)


def _as_service(own_groups: Sequence[int]) -> None:
    """A thread that stayed somebody else would answer others as that one: rather none."""
    try:
        syscalls.set_fs_identity(0, 0, own_groups)
    except BaseException:  # noqa: BLE001 - whatever it is, this thread must not go on
        _log.critical("a thread cannot lay down the identity that it acted under: the process ends")
        os.abort()


def refusal(private: int) -> str | None:
    """Why no thread can be judged as somebody else; None: it can. `private`: a descriptor of a directory that
    is root's alone (0700).
    """
    if os.geteuid() != 0:
        return _NOT_ROOT
    own = os.getgroups()
    try:
        syscalls.set_fs_identity(_NOBODY, _NOBODY, ())
        try:
            syscalls.check_access(private, os.R_OK)
        finally:
            _as_service(own)
    except OSError as error:
        if error.errno == errno.EACCES:
            return None
        return f"the kernel does not let a thread act as another user: {error.strerror}"
    return _KEEPS
