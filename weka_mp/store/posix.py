"""The store over a POSIX directory: descriptor-relative system calls, nothing resolved outside of it.

Everything is reached with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), so that
neither a key nor a link made over the mount leads out of the store. Where the kernel lacks openat2 each
component is opened on its own.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence

from weka_mp.errors import AccessDenied, NotEmpty, NotFound, NotSupported, StoreUnusable
from weka_mp.store import syscalls
from weka_mp.store.byte_locks import ByteLocks
from weka_mp.store.interface import DirEntry, StatVfs
from weka_mp.store.interruptions import close_once, uninterrupted
from weka_mp.store.pieces import copy_range, read_range, write_range
from weka_mp.store.posix_attributes import PosixAttributes, by_proc
from weka_mp.store.probe import assumed, probe
from weka_mp.store.resolving import DIRECTORY, PATH_MAX, STRICT, open_by_steps, open_far
from weka_mp.store.thread_identity import somebody_else
from weka_mp.store.translate import fail
from weka_mp.values import Attr, Fd, InodeNo, bounded_time

__all__ = ["PosixStore"]

_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_F_SETSIG = 10
_SIGURG = 23  # ignored by default: a lease break must not kill the process as SIGIO would


def _attr(found: os.stat_result) -> Attr:
    return Attr(
        found.st_dev,
        InodeNo(found.st_ino),
        found.st_mode,
        found.st_nlink,
        found.st_uid,
        found.st_gid,
        found.st_rdev,
        found.st_size,
        found.st_blocks,
        found.st_blksize,
        bounded_time(found.st_atime_ns),
        bounded_time(found.st_mtime_ns),
        found.st_ctime_ns,
    )


def _entry_type(entry: os.DirEntry[bytes]) -> int:
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    if entry.is_file(follow_symlinks=False):
        return stat.S_IFREG
    return stat.S_IFLNK if entry.is_symlink() else 0


@uninterrupted
def _real_path(path: bytes | str) -> bytes:
    return os.fsencode(os.path.realpath(path, strict=True))  # not strict, it takes any error for no link


class PosixStore(PosixAttributes):
    """See `weka_mp.store.interface.Store`. `path` is the store's root directory.

    Raises StoreUnusable when it is not there, is no directory or cannot be opened.
    """

    def __init__(self, path: bytes | str) -> None:
        self._privileged = os.geteuid() == 0
        self._own_groups = tuple(os.getgroups())
        self._locks = ByteLocks()
        try:
            self.path = _real_path(path)
            self._root = os.open(self.path, DIRECTORY)
        except OSError as error:
            raise StoreUnusable(f"{os.fsdecode(path)}: {error.strerror}") from error
        try:
            self.has_openat2 = self._find_openat2()
            found = probe(self._root)
            self.primitives = found or assumed(self._root)
        except BaseException as error:
            close_once(self._root)
            if isinstance(error, OSError):
                raise StoreUnusable(f"{os.fsdecode(path)}: {error.strerror}") from error
            raise
        self._assumes = found is None

    def _written(self, fd: Fd) -> Fd:
        """After an open that can write: a store that was full or read-only before is probed by now.

        Gives `fd` back.
        """
        if self._assumes:
            try:
                found = probe(self._root)
            except StoreUnusable:
                return fd  # it fails in other ways now; those who write will hear of it
            if found is not None:
                self.primitives, self._assumes = found, False
        return fd

    def _find_openat2(self) -> bool:
        try:
            close_once(syscalls.openat2(self._root, b".", DIRECTORY, 0, STRICT))
        except OSError as error:
            if error.errno in (errno.ENOSYS, errno.EPERM):
                return False
            fail(error)
        return True

    def root(self) -> Fd:
        return Fd(self._root)

    def shutdown(self) -> None:
        """Give back the root's descriptor; the store cannot be used afterwards."""
        self.close(Fd(self._root))

    # ---- descriptors
    def _open(self, at: int, path: bytes, flags: int, mode: int, resolve: int) -> Fd:
        try:
            if not self.has_openat2:
                return Fd(open_by_steps(at, path, flags, mode))
            if len(path) >= PATH_MAX:
                return Fd(open_far(at, path, flags, mode, resolve))
            return Fd(syscalls.openat2(at, path, flags, mode, resolve))
        except OSError as error:
            fail(error, path)

    def open_dir(self, at: Fd, path: bytes) -> Fd:
        return self._open(at, path or b".", DIRECTORY, 0, STRICT)

    def open_file(self, at: Fd, path: bytes, flags: int, mode: int = 0o666) -> Fd:
        fd = self._open(at, path, flags | _FILE, mode, STRICT)
        return fd if flags & os.O_ACCMODE == os.O_RDONLY else self._written(fd)

    def open_path(self, at: Fd, name: bytes) -> Fd:
        return self._open(at, name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, 0, STRICT)

    def reopen(self, fd: Fd, flags: int) -> Fd:
        try:
            return Fd(os.open(by_proc(fd), flags | os.O_CLOEXEC | os.O_NOCTTY))
        except OSError as error:
            fail(error)

    @uninterrupted
    def dup(self, fd: Fd) -> Fd:
        try:
            return Fd(os.dup(fd))
        except OSError as error:
            fail(error)

    def close(self, fd: Fd) -> None:
        try:
            close_once(fd)
        except OSError as error:
            fail(error)

    @uninterrupted
    def handle_of(self, fd: Fd) -> bytes:
        try:
            return syscalls.file_handle(fd)
        except OSError as error:
            fail(error)

    @uninterrupted
    def open_handle(self, handle: bytes, flags: int, mount: Fd | None = None) -> Fd:
        at = self._root if mount is None else mount
        try:
            return Fd(syscalls.open_by_handle(at, handle, flags | os.O_CLOEXEC | os.O_NOCTTY))
        except OSError as error:
            fail(error)

    # ---- names
    def attr(self, fd: Fd) -> Attr:
        try:
            return _attr(os.fstat(fd))
        except OSError as error:
            fail(error)

    @uninterrupted
    def appeared_ns(self, fd: Fd) -> int:
        try:
            return syscalls.birth_ns(fd) or os.fstat(fd).st_ctime_ns
        except OSError as error:
            fail(error)

    @uninterrupted
    def attr_at(self, at: Fd, name: bytes) -> Attr:
        try:
            return _attr(os.stat(name, dir_fd=at, follow_symlinks=False))
        except OSError as error:
            fail(error, name)

    @uninterrupted
    def entries(self, directory: Fd) -> list[DirEntry]:
        # By the proc path: a new open file description (threads may scan one directory at once) and names as
        # bytes.
        try:
            with os.scandir(b"/proc/self/fd/%d" % directory) as scan:
                return [DirEntry(entry.name, entry.inode(), _entry_type(entry)) for entry in scan]
        except OSError as error:
            fail(error)

    @uninterrupted
    def mkdir(self, at: Fd, name: bytes, mode: int) -> None:
        try:
            os.mkdir(name, mode, dir_fd=at)
        except OSError as error:
            fail(error, name)

    def mknod(self, at: Fd, name: bytes, mode: int, rdev: int) -> None:
        try:
            os.mknod(name, mode, rdev, dir_fd=at)
        except OSError as error:
            fail(error, name)

    @uninterrupted
    def symlink(self, target: bytes, at: Fd, name: bytes) -> None:
        try:
            os.symlink(target, name, dir_fd=at)
        except OSError as error:
            fail(error, name)

    @uninterrupted
    def readlink(self, at: Fd, name: bytes) -> bytes:
        try:
            return os.readlink(name, dir_fd=at)
        except OSError as error:
            fail(error, name)

    @uninterrupted
    def link(self, fd: Fd, at: Fd, name: bytes) -> None:
        try:
            os.link(by_proc(fd), name, dst_dir_fd=at, follow_symlinks=True)
        except OSError as error:
            fail(error, name)

    @uninterrupted
    def rename(self, from_dir: Fd, from_name: bytes, to_dir: Fd, to_name: bytes, flags: int = 0) -> None:
        try:
            if flags:
                syscalls.renameat2(from_dir, from_name, to_dir, to_name, flags)
            else:
                os.rename(from_name, to_name, src_dir_fd=from_dir, dst_dir_fd=to_dir)
        except OSError as error:
            if error.errno == errno.EEXIST and not flags:  # rename(2) allows it for ENOTEMPTY; XFS says so
                raise NotEmpty(f"{error.strerror}", subject=to_name) from error
            fail(error, to_name)

    @uninterrupted
    def unlink(self, at: Fd, name: bytes) -> None:
        try:
            os.unlink(name, dir_fd=at)
        except OSError as error:
            fail(error, name)

    @uninterrupted
    def rmdir(self, at: Fd, name: bytes) -> None:
        try:
            os.rmdir(name, dir_fd=at)
        except OSError as error:
            fail(error, name)

    # ---- data
    def create_unnamed(self, directory: Fd, mode: int) -> Fd:
        if not self.primitives.unnamed_files:
            raise NotSupported("no O_TMPFILE here")
        try:
            fd = os.open(b".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode, dir_fd=directory)
            return self._written(Fd(fd))
        except OSError as error:
            if error.errno == errno.EPERM and self.attr(directory).nlink == 0:
                raise NotFound("the directory was removed") from error  # ext4 says EPERM
            fail(error)

    def read(self, fd: Fd, size: int, offset: int) -> bytes:
        try:
            return read_range(fd, size, offset)
        except OSError as error:
            fail(error)

    def write(self, fd: Fd, data: bytes | bytearray | memoryview, offset: int) -> None:
        try:
            write_range(fd, data, offset)
        except OSError as error:
            fail(error)

    def truncate(self, fd: Fd, size: int) -> None:
        try:
            os.ftruncate(fd, size)
        except OSError as error:
            fail(error)

    def copy(self, source: Fd, source_offset: int, target: Fd, target_offset: int, size: int) -> None:
        in_kernel = self.primitives.copy_range
        try:
            copy_range(source, source_offset, target, target_offset, size, in_kernel=in_kernel)
        except OSError as error:
            fail(error)

    def allocate(self, fd: Fd, size: int) -> None:
        if not self.primitives.fallocate or size <= 0:
            return
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                fail(error)

    @uninterrupted
    def punch(self, fd: Fd, offset: int, size: int) -> None:
        try:
            if self.primitives.fallocate and size > 0:
                syscalls.punch_hole(fd, offset, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                fail(error)

    def statvfs(self, fd: Fd) -> StatVfs:
        try:
            v = os.fstatvfs(fd)
        except OSError as error:
            fail(error)
        return StatVfs(
            v.f_bsize,
            v.f_frsize,
            v.f_blocks,
            v.f_bfree,
            v.f_bavail,
            v.f_files,
            v.f_ffree,
            v.f_favail,
            v.f_namemax,
            v.f_fsid,
        )

    # ---- durability
    def sync_file(self, fd: Fd) -> None:
        try:
            os.fsync(fd)
        except OSError as error:
            fail(error)

    def sync_data(self, fd: Fd) -> None:
        try:
            os.fdatasync(fd)
        except OSError as error:
            fail(error)

    def sync_dir(self, fd: Fd) -> None:
        self.sync_file(fd)

    @uninterrupted
    def sync_all(self, fd: Fd) -> None:
        try:
            syscalls.syncfs(fd)
        except OSError as error:
            fail(error)

    # ---- exclusion
    def try_lease(self, fd: Fd) -> bool:
        try:
            return self._lease(fd)
        except AccessDenied:
            # Neither the owner nor CAP_LEASE (container runtimes drop it): ask as the owner, where we may
            # become it.
            if not self._privileged:
                raise
            owner = self.attr(fd)
            with self.acting_as(owner.uid, owner.gid, ()):
                return self._lease(fd)

    @staticmethod
    def _lease(fd: Fd) -> bool:
        try:
            fcntl.fcntl(fd, _F_SETSIG, _SIGURG)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return False
            fail(error)
        return True

    def lease_intact(self, fd: Fd) -> bool:
        try:
            return fcntl.fcntl(fd, fcntl.F_GETLEASE) == fcntl.F_RDLCK
        except OSError as error:
            fail(error)

    def drop_lease(self, fd: Fd) -> None:
        try:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            if error.errno != errno.EAGAIN:  # the kernel took it back already
                fail(error)

    def lock(self, fd: Fd, offset: int, *, wait: bool) -> bool:
        return self._locks.lock(fd, offset, wait=wait)

    def unlock(self, fd: Fd, offset: int) -> None:
        self._locks.unlock(fd, offset)

    # ---- who asks
    def check_access(self, fd: Fd, access: int) -> None:
        return  # the service; who is bound by modes is asked by `store.judged`

    @contextlib.contextmanager
    def acting_as(self, uid: int, gid: int, groups: Sequence[int]) -> Iterator[None]:
        if not self._privileged or (uid == 0 and gid == 0):
            yield
            return
        with somebody_else(uid, gid, groups, self._own_groups):
            yield
