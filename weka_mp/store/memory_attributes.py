"""What the store in memory keeps beside bytes: attributes, modes, owners, times, and the immutable flag."""

from __future__ import annotations

import stat
import threading

from weka_mp.errors import (
    AttributeTooLarge,
    Exists,
    NoAttribute,
    NotSupported,
    PermissionRefused,
)
from weka_mp.store.interface import Primitives
from weka_mp.store.memory_inodes import Inode, Inodes, refuse_immutable
from weka_mp.values import Fd

__all__ = ["MemoryAttributes"]

_CREATE, _REPLACE = 1, 2  # setxattr(2)
_TREE = (stat.S_IFREG, stat.S_IFDIR)


class MemoryAttributes:
    """Part of `weka_mp.store.memory.MemoryStore`."""

    primitives: Primitives
    _inodes: Inodes
    _changed: threading.Condition

    def _inode(self, fd: Fd) -> Inode:
        raise NotImplementedError

    def get_xattr(self, fd: Fd, name: str) -> bytes:
        with self._changed:
            found = self._inode(fd).xattrs.get(name)
            if found is None:
                raise NoAttribute(subject=name)
            return found

    def find_xattr(self, fd: Fd, name: str) -> bytes | None:
        with self._changed:
            return self._inode(fd).xattrs.get(name)

    def set_xattr(self, fd: Fd, name: str, value: bytes, flags: int = 0) -> None:
        if not self.primitives.xattrs:
            raise NotSupported()
        with self._changed:
            inode = self._inode(fd)
            refuse_immutable(inode)
            if name.startswith("user.") and inode.kind not in _TREE:
                raise PermissionRefused(subject=name)
            if flags & _CREATE and name in inode.xattrs:
                raise Exists(subject=name)
            if flags & _REPLACE and name not in inode.xattrs:
                raise NoAttribute(subject=name)
            if len(value) > self.primitives.xattr_bytes:
                raise AttributeTooLarge(subject=name)
            inode.xattrs[name] = bytes(value)
            self._inodes.changed(inode)

    def remove_xattr(self, fd: Fd, name: str) -> None:
        with self._changed:
            inode = self._inode(fd)
            refuse_immutable(inode)
            if inode.xattrs.pop(name, None) is None:
                raise NoAttribute(subject=name)
            self._inodes.changed(inode)

    def list_xattr(self, fd: Fd) -> list[str]:
        with self._changed:
            return list(self._inode(fd).xattrs)

    def chmod(self, fd: Fd, mode: int) -> None:
        with self._changed:
            inode = self._inode(fd)
            refuse_immutable(inode)
            inode.mode = inode.kind | mode & 0o7777
            self._inodes.changed(inode)

    def chown(self, fd: Fd, uid: int, gid: int) -> None:
        with self._changed:
            inode = self._inode(fd)
            refuse_immutable(inode)
            inode.uid = inode.uid if uid == -1 else uid
            inode.gid = inode.gid if gid == -1 else gid
            self._inodes.changed(inode)

    def utimens(self, fd: Fd, atime_ns: int, mtime_ns: int) -> None:
        with self._changed:
            inode = self._inode(fd)
            refuse_immutable(inode)
            inode.atime_ns = self._inodes.set_time(atime_ns)
            inode.mtime_ns = self._inodes.set_time(mtime_ns)
            self._inodes.changed(inode)

    def is_immutable(self, fd: Fd) -> bool:
        with self._changed:
            return self._inode(fd).immutable

    def set_immutable(self, fd: Fd, immutable: bool) -> None:
        if not self.primitives.immutable:
            raise NotSupported("no immutable files here")
        with self._changed:
            inode = self._inode(fd)
            inode.immutable = immutable
            self._inodes.changed(inode)
