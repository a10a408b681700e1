"""What is kept beside the bytes of files: the store's verbs over extended attributes, modes, owners, times
and the flag that makes a file immutable.
"""

from __future__ import annotations

import errno
import os

from weka_mp.store import syscalls
from weka_mp.store.interface import Primitives
from weka_mp.store.interruptions import close_once, uninterrupted
from weka_mp.store.translate import fail
from weka_mp.values import Fd, bounded_time

__all__ = ["PosixAttributes", "by_proc"]

_LOOK = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


def by_proc(fd: int) -> str:
    """The way to an inode for calls that refuse O_PATH descriptors."""
    return f"/proc/self/fd/{fd}"


class PosixAttributes:
    """Part of `weka_mp.store.posix.PosixStore`."""

    primitives: Primitives

    @uninterrupted
    def get_xattr(self, fd: Fd, name: str) -> bytes:
        try:
            return os.getxattr(fd, name)
        except OSError as error:
            if error.errno != errno.EBADF:
                fail(error)
        try:
            return os.getxattr(by_proc(fd), name)
        except OSError as error:
            fail(error)

    @uninterrupted
    def find_xattr(self, fd: Fd, name: str) -> bytes | None:
        try:
            return os.getxattr(fd, name)
        except OSError as error:
            if error.errno == errno.ENODATA:
                return None
            if error.errno != errno.EBADF:
                fail(error)
        try:
            return os.getxattr(by_proc(fd), name)
        except OSError as error:
            if error.errno == errno.ENODATA:
                return None
            fail(error)

    @uninterrupted
    def set_xattr(self, fd: Fd, name: str, value: bytes, flags: int = 0) -> None:
        try:
            os.setxattr(fd, name, value, flags)
            return
        except OSError as error:
            if error.errno != errno.EBADF:
                fail(error)
        try:
            os.setxattr(by_proc(fd), name, value, flags)
        except OSError as error:
            fail(error)

    @uninterrupted
    def remove_xattr(self, fd: Fd, name: str) -> None:
        try:
            os.removexattr(by_proc(fd), name)  # most descriptors that come here are O_PATH
        except OSError as error:
            fail(error)

    @uninterrupted
    def list_xattr(self, fd: Fd) -> list[str]:
        try:
            return os.listxattr(by_proc(fd))
        except OSError as error:
            fail(error)

    @uninterrupted
    def chmod(self, fd: Fd, mode: int) -> None:
        try:
            os.chmod(by_proc(fd), mode)
        except OSError as error:
            fail(error)

    @uninterrupted
    def chown(self, fd: Fd, uid: int, gid: int) -> None:
        try:
            os.chown(by_proc(fd), uid, gid)
        except OSError as error:
            fail(error)

    @uninterrupted
    def utimens(self, fd: Fd, atime_ns: int, mtime_ns: int) -> None:
        try:
            os.utime(by_proc(fd), ns=(bounded_time(atime_ns), bounded_time(mtime_ns)))
        except OSError as error:
            fail(error)

    @uninterrupted
    def is_immutable(self, fd: Fd) -> bool:
        if not self.primitives.immutable:
            return False
        try:
            opened = os.open(by_proc(fd), _LOOK)
            try:
                return syscalls.is_immutable(opened)
            finally:
                close_once(opened)
        except OSError as error:
            fail(error)

    @uninterrupted
    def set_immutable(self, fd: Fd, immutable: bool) -> None:
        try:
            opened = os.open(by_proc(fd), _LOOK)
            try:
                syscalls.set_immutable(opened, immutable)
            finally:
                close_once(opened)
        except OSError as error:
            fail(error)
