"""System calls on the mount: each compares its value or its errno."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os

from tests.model.compare import Comparison, Path
from tests.model.tree import Directory, Fifo, refuse

__all__ = ["ByPosix"]

AT_FDCWD = -100  # open(2)
_LIBC = ctypes.CDLL(None, use_errno=True)


class ByPosix(Comparison):
    """The mount's view; `index` is a number in the table of open files."""

    def _keys_at(self, *paths: Path) -> None:
        for bucket, *names in paths:
            self._touched.append((bucket.decode(), b"/".join(names) or b"a"))

    def mkdir(self, path: Path, mode: int = 0o755) -> None:
        self._posix(lambda: self.posix.mkdir(path, mode), lambda: os.mkdir(self._path(path), mode))

    def mkfifo(self, path: Path, mode: int = 0o644) -> None:
        self._posix(lambda: self.posix.mkfifo(path, mode), lambda: os.mkfifo(self._path(path), mode))

    def symlink(self, target: bytes, path: Path) -> None:
        self._posix(lambda: self.posix.symlink(target, path), lambda: os.symlink(target, self._path(path)))

    def link(self, path: Path, new: Path) -> None:
        self._posix(
            lambda: self.posix.link(path, new),
            lambda: os.link(self._path(path), self._path(new), follow_symlinks=False),
        )

    def unlink(self, path: Path) -> None:
        self._posix(lambda: self.posix.unlink(path), lambda: os.unlink(self._path(path)))

    def rmdir(self, path: Path) -> None:
        self._posix(lambda: self.posix.rmdir(path), lambda: os.rmdir(self._path(path)))

    def rename(self, path: Path, new: Path) -> None:
        self._posix(
            lambda: self.posix.rename(path, new), lambda: os.rename(self._path(path), self._path(new))
        )

    def renameat2(self, path: Path, new: Path, flags: int) -> None:
        """rename(2) with RENAME_NOREPLACE or RENAME_EXCHANGE."""

        def door() -> None:
            if _LIBC.renameat2(AT_FDCWD, self._path(path), AT_FDCWD, self._path(new), flags):
                raise refuse(ctypes.get_errno())

        self._posix(lambda: self.posix.rename(path, new, flags), door)

    def _is_fifo(self, path: Path) -> bool:
        """Whether an open would wait for the other end."""
        try:
            return isinstance(self.truth.find(path, follow=True), Fifo)
        except OSError:
            return False

    def open(self, path: Path, flags: int, mode: int = 0o644) -> None:
        """open(2); the file is the last in the table of open files. Fifos and directories are left alone."""
        if self._is_fifo(path) or (not flags & (os.O_ACCMODE | os.O_CREAT) and self._is_directory(path)):
            return

        def door() -> None:
            self._fds.append(os.open(self._path(path), flags, mode))

        self._posix(lambda: self.posix.open(path, flags, mode), door)

    def _is_directory(self, path: Path) -> bool:
        try:
            return isinstance(self.truth.find(path, follow=True), Directory)
        except OSError:
            return False

    def close_file(self, index: int) -> None:
        self.posix.close(index)
        os.close(self._fds.pop(index))

    def write_file(self, path: Path, body: bytes, flags: int, mode: int = 0o644) -> None:
        """Open, write, close: what most programs do."""
        before = len(self._fds)
        self.open(path, flags, mode)
        if len(self._fds) > before:
            self.pwrite(-1, body, 0)
            self.close_file(-1)

    def pwrite(self, index: int, data: bytes, offset: int) -> None:
        if data:
            self._posix(
                lambda: self.posix.pwrite(index, data, offset),
                lambda: os.pwrite(self._fds[index], data, offset),
            )

    def append(self, index: int, data: bytes) -> None:
        """lseek(SEEK_END) and write."""
        if not data:
            return

        def door() -> int:
            os.lseek(self._fds[index], 0, os.SEEK_END)
            return os.write(self._fds[index], data)

        self._posix(lambda: self.posix.append(index, data), door)

    def ftruncate(self, index: int, size: int) -> None:
        self._posix(lambda: self.posix.ftruncate(index, size), lambda: os.ftruncate(self._fds[index], size))

    def fsync(self, index: int) -> None:
        self._posix(lambda: None, lambda: os.fsync(self._fds[index]))

    def read(self, index: int) -> None:
        self._posix(lambda: self.posix.read(index), lambda: os.pread(self._fds[index], 1 << 20, 0))

    def map_store(self, index: int, data: bytes, offset: int) -> None:
        """Store through a shared mapping within the file, then msync."""
        size = len(self.posix.handles[index].file.data)
        data = data[: max(0, size - offset)]
        if not data:
            return

        def door() -> None:
            with mmap.mmap(self._fds[index], size) as mapped:
                mapped[offset : offset + len(data)] = data
                mapped.flush()

        self._posix(lambda: self.posix.map_store(index, data, offset), door)

    def truncate(self, path: Path, size: int) -> None:
        self._posix(lambda: self.posix.truncate(path, size), lambda: os.truncate(self._path(path), size))

    def chmod(self, path: Path, mode: int) -> None:
        self._posix(lambda: self.posix.chmod(path, mode), lambda: os.chmod(self._path(path), mode))

    def utimens(self, path: Path, mtime_ns: int) -> None:
        self._posix(
            lambda: self.posix.utimens(path, mtime_ns),
            lambda: os.utime(self._path(path), ns=(mtime_ns, mtime_ns)),
        )

    def setxattr(self, path: Path, name: str, value: bytes) -> None:
        self._posix(
            lambda: self.posix.setxattr(path, name, value), lambda: os.setxattr(self._path(path), name, value)
        )

    def removexattr(self, path: Path, name: str) -> None:
        self._posix(
            lambda: self.posix.removexattr(path, name), lambda: os.removexattr(self._path(path), name)
        )

    def listxattr(self, path: Path) -> None:
        """The caller's attributes and S3's with their values; none of ours."""
        self._posix(lambda: self.posix.listxattr(path), lambda: _xattrs(self._path(path)))

    def copy_file(self, path: Path, new: Path) -> None:
        """`cp --preserve=xattr` of what is no directory."""
        if self._is_fifo(path) or self._is_fifo(new) or self._is_directory(path):
            return

        def door() -> None:
            with open(self._path(path), "rb") as source:
                if os.path.exists(self._path(new)) and os.path.samestat(
                    os.fstat(source.fileno()), os.stat(self._path(new))
                ):
                    raise refuse(errno.EEXIST)
                made = os.open(self._path(new), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                with open(made, "wb", buffering=0) as target:
                    target.write(source.read())
                    for name, value in _xattrs(source.fileno()).items():
                        os.setxattr(made, name, value)

        self._posix(lambda: self.posix.copy_file(path, new), door)

    def readdir(self, path: Path) -> None:
        self._posix(lambda: self.posix.readdir(path), lambda: sorted(os.listdir(self._path(path))))

    def readlink(self, path: Path) -> None:
        self._posix(lambda: self.posix.readlink(path), lambda: os.readlink(self._path(path)))


def _xattrs(path: bytes | int) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path) if name.startswith("user.")}
