"""A whole store in memory: what the store's verbs mean, without a disk; for tests and for trying fallbacks.

It keeps what the namespace relies on: unnamed files, links and rename flags, leases that count writers, byte
locks between open file descriptions, times that never repeat (or as coarse as asked), handles that go stale.
Primitives can be switched off one by one. Permission bits are kept and not enforced. Nothing outlives the
process.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator, Sequence

from weka_mp.clock import Clock, SystemClock
from weka_mp.errors import (
    Exists,
    InvalidArgument,
    IoFailure,
    IsDirectory,
    Loop,
    NotDirectory,
    NotEmpty,
    NotFound,
    NotSupported,
    ObjectChanged,
    PermissionRefused,
    Stale,
    WouldBlock,
)
from weka_mp.store.interface import DirEntry, Primitives, StatVfs
from weka_mp.store.memory_attributes import MemoryAttributes
from weka_mp.store.memory_inodes import (
    ALL_PRIMITIVES,
    Description,
    Inode,
    Inodes,
    OpenFiles,
    checked_name,
    directory_of,
    refuse_cycle,
    refuse_immutable,
    refuse_replacing,
    walk,
)
from weka_mp.values import Attr, Fd

__all__ = ["MemoryStore"]

_NOREPLACE, _EXCHANGE = 1, 2  # rename(2)
_TREE = (stat.S_IFREG, stat.S_IFDIR)
_TOLD = (*_TREE, stat.S_IFLNK)


class MemoryStore(MemoryAttributes):
    """See `weka_mp.store.interface.Store`. Thread-safe; `primitives` is what it pretends to be able to do."""

    primitives: Primitives

    def __init__(
        self,
        primitives: Primitives = ALL_PRIMITIVES,
        *,
        clock: Clock | None = None,
        reuse_inode_numbers: bool = False,
    ) -> None:
        self.primitives = primitives
        self._inodes = Inodes(primitives, clock or SystemClock(), reuse_numbers=reuse_inode_numbers)
        self._files = OpenFiles(self._inodes)
        self._changed = threading.Condition(threading.RLock())
        self._identity = threading.local()
        top = self._inodes.make(stat.S_IFDIR | 0o755, 0, 0)
        top.nlink = 2
        self._root = self._files.add(Description(top, os.O_RDONLY | os.O_DIRECTORY))

    # ---- what tests ask
    def open_descriptors(self) -> int:
        """How many descriptors are open besides the root's."""
        with self._changed:
            return len(self._files) - 1

    def held_locks(self) -> int:
        """How many bytes are locked and how many leases are held."""
        with self._changed:
            return sum(len(inode.locks) + len(inode.leases) for inode in self._inodes.live.values())

    def root(self) -> Fd:
        return self._root

    # ---- descriptors
    def _inode(self, fd: Fd) -> Inode:
        return self._files.get(fd).inode

    def _directory(self, fd: Fd) -> Inode:
        return directory_of(self._inode(fd))

    def _living(self, fd: Fd) -> Inode:
        """A directory in which something can be made."""
        directory = self._directory(fd)
        if directory.nlink == 0:
            raise NotFound("the directory was removed")
        return directory

    def _open(self, inode: Inode, flags: int, *, blocking: bool = False) -> Fd:
        if not flags & os.O_PATH:
            if inode.kind == stat.S_IFSOCK:
                raise NotFound()  # ENXIO
            if flags & os.O_DIRECTORY and not inode.is_directory:
                raise NotDirectory()
            if flags & (os.O_ACCMODE | os.O_TRUNC):
                if inode.is_directory:
                    raise IsDirectory()
                refuse_immutable(inode)
                if inode.kind == stat.S_IFIFO and flags & os.O_ACCMODE == os.O_WRONLY:
                    raise NotFound()  # ENXIO: no reader
                self._break_leases(inode, blocking=blocking)
            if flags & os.O_TRUNC and inode.data:
                del inode.data[:]
                self._inodes.modified(inode)
        return self._files.add(Description(inode, flags))

    def _break_leases(self, inode: Inode, *, blocking: bool) -> None:
        for holder in inode.leases:
            holder.breaking = True
        if inode.leases and not blocking:
            raise WouldBlock()
        while inode.leases:
            self._changed.wait()

    def open_dir(self, at: Fd, path: bytes) -> Fd:
        with self._changed:
            here, name = walk(self._inode(at), path)
            inode = self._child(here, name) if name else here
            if inode.kind == stat.S_IFLNK:
                raise Loop(subject=path)
            return self._open(directory_of(inode), os.O_RDONLY | os.O_DIRECTORY)

    @staticmethod
    def _child(directory: Inode, name: bytes) -> Inode:
        found = directory.children.get(name)
        if found is None:
            raise NotFound(subject=name)
        return found

    def open_file(self, at: Fd, path: bytes, flags: int, mode: int = 0o666) -> Fd:
        with self._changed:
            here, name = walk(self._inode(at), path)
            inode = here.children.get(name) if name else here
            if inode is not None:
                if flags & os.O_CREAT and flags & os.O_EXCL:
                    raise Exists(subject=path)
                if inode.kind == stat.S_IFLNK:
                    raise Loop(subject=path)
                return self._open(inode, flags)
            if not flags & os.O_CREAT or here.nlink == 0:
                raise NotFound(subject=path)
            inode = self._make(here, name, stat.S_IFREG | mode & 0o7777)
            return self._open(inode, flags & ~os.O_TRUNC)

    def open_path(self, at: Fd, name: bytes) -> Fd:
        with self._changed:
            here, last = walk(self._inode(at), name)
            return self._files.add(Description(self._child(here, last) if last else here, os.O_PATH))

    def reopen(self, fd: Fd, flags: int) -> Fd:
        with self._changed:
            inode = self._inode(fd)
            if inode.kind == stat.S_IFLNK:
                raise Loop()
            return self._open(inode, flags, blocking=not flags & os.O_NONBLOCK)

    def dup(self, fd: Fd) -> Fd:
        with self._changed:
            return self._files.add(self._files.get(fd))

    def close(self, fd: Fd) -> None:
        with self._changed:
            self._files.remove(fd)
            self._changed.notify_all()

    def handle_of(self, fd: Fd) -> bytes:
        if not self.primitives.file_handles:
            raise NotSupported()
        with self._changed:
            inode = self._inode(fd)
            return b"%d:%d" % (inode.ino, inode.generation)

    def open_handle(self, handle: bytes, flags: int, mount: Fd | None = None) -> Fd:
        if not self.primitives.file_handles:
            raise NotSupported()
        with self._changed:
            number, generation = (int(part) for part in handle.split(b":"))
            inode = self._inodes.live.get(number)
            if inode is None or inode.generation != generation:
                raise Stale()
            return self._open(inode, flags, blocking=True)

    # ---- names
    def attr(self, fd: Fd) -> Attr:
        with self._changed:
            return self._inode(fd).attr()

    def appeared_ns(self, fd: Fd) -> int:
        with self._changed:
            return self._inode(fd).birth_ns

    def attr_at(self, at: Fd, name: bytes) -> Attr:
        with self._changed:
            directory = self._directory(at)
            if name == b"..":
                return (directory.parent or directory).attr()
            return self._child(directory, checked_name(name)).attr()

    def entries(self, directory: Fd) -> list[DirEntry]:
        with self._changed:
            children = self._directory(directory).children.items()
            known = (*_TREE, stat.S_IFLNK)
            return [
                DirEntry(name, inode.ino, inode.kind if inode.kind in known else 0)
                for name, inode in children
            ]

    def _make(self, directory: Inode, name: bytes, mode: int) -> Inode:
        uid, gid = getattr(self._identity, "ids", (0, 0))
        inode = self._inodes.make(mode, uid, gid)
        self._inodes.attach(directory, name, inode)
        return inode

    def _free_name(self, at: Fd, name: bytes) -> Inode:
        directory = self._directory(at)
        if checked_name(name) in directory.children:
            raise Exists(subject=name)
        return self._living(at)

    def mkdir(self, at: Fd, name: bytes, mode: int) -> None:
        with self._changed:
            self._make(self._free_name(at, name), name, stat.S_IFDIR | mode & 0o7777)

    def mknod(self, at: Fd, name: bytes, mode: int, rdev: int) -> None:
        with self._changed:
            self._make(self._free_name(at, name), name, mode).rdev = rdev

    def symlink(self, target: bytes, at: Fd, name: bytes) -> None:
        with self._changed:
            self._make(self._free_name(at, name), name, stat.S_IFLNK | 0o777).target = target

    def readlink(self, at: Fd, name: bytes) -> bytes:
        with self._changed:
            inode = self._child(self._directory(at), name) if name else self._inode(at)
            if inode.kind != stat.S_IFLNK:
                raise InvalidArgument(subject=name)
            return inode.target

    def link(self, fd: Fd, at: Fd, name: bytes) -> None:
        with self._changed:
            inode = self._inode(fd)
            directory = self._free_name(at, name)
            if inode.is_directory:
                raise PermissionRefused(subject=name)
            if inode.nlink == 0 and not inode.unnamed:
                raise NotFound(subject=name)
            refuse_immutable(inode)
            inode.unnamed = False
            self._inodes.attach(directory, name, inode)

    def rename(self, from_dir: Fd, from_name: bytes, to_dir: Fd, to_name: bytes, flags: int = 0) -> None:
        if flags & _NOREPLACE and not self.primitives.rename_noreplace:
            raise InvalidArgument(subject=to_name)
        with self._changed:
            source, target = self._directory(from_dir), self._living(to_dir)
            moved = self._child(source, checked_name(from_name))
            old = target.children.get(checked_name(to_name))
            if flags & _NOREPLACE and old is not None:
                raise Exists(subject=to_name)
            if flags & _EXCHANGE and old is None:
                raise NotFound(subject=to_name)
            refuse_cycle(moved, target)
            if old is moved:
                return
            refuse_immutable(moved)
            if old is not None:
                refuse_immutable(old)
            if flags & _EXCHANGE and old is not None:
                refuse_cycle(old, source)
                self._inodes.detach(source, from_name)
                self._inodes.detach(target, to_name)
                self._inodes.attach(source, from_name, old)
            elif old is not None:
                refuse_replacing(moved, old, to_name)
                self._inodes.detach(source, from_name)
                self._inodes.release(self._inodes.detach(target, to_name))
            else:
                self._inodes.detach(source, from_name)
            self._inodes.attach(target, to_name, moved)

    def unlink(self, at: Fd, name: bytes) -> None:
        with self._changed:
            directory = self._directory(at)
            inode = self._child(directory, checked_name(name))
            if inode.is_directory:
                raise IsDirectory(subject=name)
            refuse_immutable(inode)
            self._inodes.release(self._inodes.detach(directory, name))

    def rmdir(self, at: Fd, name: bytes) -> None:
        with self._changed:
            directory = self._directory(at)
            inode = directory_of(self._child(directory, checked_name(name)))
            if inode.children:
                raise NotEmpty(subject=name)
            self._inodes.release(self._inodes.detach(directory, name))

    # ---- data
    def create_unnamed(self, directory: Fd, mode: int) -> Fd:
        if not self.primitives.unnamed_files:
            raise NotSupported("no O_TMPFILE here")
        with self._changed:
            self._living(directory)
            uid, gid = getattr(self._identity, "ids", (0, 0))
            inode = self._inodes.make(stat.S_IFREG | mode & 0o7777, uid, gid)
            inode.unnamed = True
            return self._files.add(Description(inode, os.O_RDWR))

    def _data(self, fd: Fd, *, write: bool) -> Inode:
        description = self._files.get(fd)
        if not (description.writes if write else description.reads):
            raise IoFailure("Bad file descriptor")
        if description.inode.is_directory:
            raise IsDirectory()
        if description.inode.kind != stat.S_IFREG:
            raise InvalidArgument()
        if write and self.primitives.immutable_stops:
            refuse_immutable(description.inode)
        return description.inode

    def read(self, fd: Fd, size: int, offset: int) -> bytes:
        with self._changed:
            return bytes(self._data(fd, write=False).data[offset : offset + size])

    def write(self, fd: Fd, data: bytes | bytearray | memoryview, offset: int) -> None:
        with self._changed:
            inode = self._data(fd, write=True)
            if not data:
                return
            inode.data.extend(bytes(max(offset - len(inode.data), 0)))
            inode.data[offset : offset + len(data)] = data
            self._inodes.modified(inode)

    def truncate(self, fd: Fd, size: int) -> None:
        with self._changed:
            inode = self._data(fd, write=True)
            del inode.data[size:]
            inode.data.extend(bytes(size - len(inode.data)))
            self._inodes.modified(inode)

    def copy(self, source: Fd, source_offset: int, target: Fd, target_offset: int, size: int) -> None:
        with self._changed:
            data = self.read(source, size, source_offset)
            self.write(target, data, target_offset)
            if len(data) < size:
                raise ObjectChanged("the source became shorter while it was copied")

    def allocate(self, fd: Fd, size: int) -> None:
        with self._changed:
            refuse_immutable(self._inode(fd))
            if self.primitives.fallocate and size > len(self._data(fd, write=True).data):
                self.truncate(fd, size)

    def punch(self, fd: Fd, offset: int, size: int) -> None:
        with self._changed:
            refuse_immutable(self._inode(fd))
            self.write(fd, bytes(len(self.read(fd, size, offset))), offset)

    def statvfs(self, fd: Fd) -> StatVfs:
        blocks = 1 << 28  # 1 TiB, and always half empty: nothing here runs full
        with self._changed:
            files = len(self._inodes.live)
        return StatVfs(4096, 4096, blocks, blocks // 2, blocks // 2, 1 << 30, (1 << 30) - files, 1 << 29, 255)

    # ---- durability: nothing outlives the process, so there is nothing to wait for
    def sync_file(self, fd: Fd) -> None:
        with self._changed:
            self._files.get(fd)

    def sync_data(self, fd: Fd) -> None:
        self.sync_file(fd)

    def sync_dir(self, fd: Fd) -> None:
        with self._changed:
            self._directory(fd)

    def sync_all(self, fd: Fd) -> None:
        self.sync_file(fd)

    # ---- exclusion
    def try_lease(self, fd: Fd) -> bool:
        if not self.primitives.leases:
            raise NotSupported()
        with self._changed:
            description = self._files.get(fd)
            inode = description.inode
            if inode.kind != stat.S_IFREG or description.is_path:
                raise InvalidArgument()
            if inode.writers:
                return False
            description.breaking = False
            inode.leases.add(description)
            return True

    def lease_intact(self, fd: Fd) -> bool:
        with self._changed:
            description = self._files.get(fd)
            return description in description.inode.leases and not description.breaking

    def drop_lease(self, fd: Fd) -> None:
        with self._changed:
            description = self._files.get(fd)
            description.inode.leases.discard(description)
            self._changed.notify_all()

    def lock(self, fd: Fd, offset: int, *, wait: bool) -> bool:
        with self._changed:
            description = self._files.get(fd)
            locks = description.inode.locks
            while locks.get(offset, description) is not description:
                if not wait:
                    return False
                self._changed.wait()
            locks[offset] = description
            return True

    def unlock(self, fd: Fd, offset: int) -> None:
        with self._changed:
            description = self._files.get(fd)
            if description.inode.locks.get(offset) is description:
                del description.inode.locks[offset]
            self._changed.notify_all()

    def check_access(self, fd: Fd, access: int) -> None:
        self._inode(fd)

    @contextlib.contextmanager
    def acting_as(self, uid: int, gid: int, groups: Sequence[int]) -> Iterator[None]:
        before = getattr(self._identity, "ids", (0, 0))
        self._identity.ids = (uid, gid)
        try:
            yield
        finally:
            self._identity.ids = before
