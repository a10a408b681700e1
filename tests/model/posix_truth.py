"""What each system call on the mount does to the truth: POSIX, and docs/SEMANTICS.md where it adds to it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass

from tests.model.tree import Directory, Fifo, File, Link, Node, Place, Truth, is_reserved, refuse

__all__ = ["RENAME_EXCHANGE", "RENAME_NOREPLACE", "Handle", "PosixTruth"]

RENAME_NOREPLACE, RENAME_EXCHANGE = 1, 2  # rename(2)
_META, _TYPE = "user.s3.meta.", "user.s3.content-type"

_Path = tuple[bytes, ...]


@dataclass
class Handle:
    """An open file; it stays what it is when its name is taken away or given to another file."""

    file: File
    flags: int

    @property
    def writable(self) -> bool:
        return self.flags & os.O_ACCMODE != os.O_RDONLY


class PosixTruth:
    """Every method raises OSError as the system call would."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.handles: list[Handle] = []

    def _free(self, path: _Path) -> Place:
        """A place for a new name."""
        place = self.truth.locate(path, follow=False)
        if place.node is not None:
            raise refuse(errno.EEXIST)
        if is_reserved(place.name):
            raise refuse(errno.EPERM)
        return place

    def _add(self, path: _Path, node: Node) -> None:
        place = self._free(path)
        place.parent.entries[place.name] = node
        place.parent.claim()

    def mkdir(self, path: _Path, mode: int) -> None:
        self._add(path, Directory(mode=mode))

    def mkfifo(self, path: _Path, mode: int) -> None:
        self._add(path, Fifo(mode))

    def symlink(self, target: bytes, path: _Path) -> None:
        if not target:
            raise refuse(errno.ENOENT)
        self._add(path, Link(target))

    def link(self, path: _Path, new: _Path) -> None:
        node = self.truth.find(path)
        place = self.truth.locate(new, follow=False)
        if place.node is not None:
            raise refuse(errno.EEXIST)
        if isinstance(node, Directory) or is_reserved(place.name):
            raise refuse(errno.EPERM)
        place.parent.entries[place.name] = node
        place.parent.claim()
        node.nlink += 1

    def unlink(self, path: _Path) -> None:
        place = self.truth.locate(path, follow=False)
        node = place.node
        if node is None:
            raise refuse(errno.ENOENT)
        if isinstance(node, Directory):
            raise refuse(errno.EISDIR)
        self._remove(place)

    def rmdir(self, path: _Path) -> None:
        place = self.truth.locate(path, follow=False)
        node = place.node
        if node is None:
            raise refuse(errno.ENOENT)
        if not isinstance(node, Directory):
            raise refuse(errno.ENOTDIR)
        if node.entries:
            raise refuse(errno.ENOTEMPTY)
        self._remove(place)

    def _remove(self, place: Place) -> None:
        node = place.parent.entries.pop(place.name)
        if not isinstance(node, Directory):
            node.nlink -= 1
        place.parent.claim()

    def rename(self, path: _Path, new: _Path, flags: int = 0) -> None:
        """renameat2(2)."""
        source, target = self.truth.locate(path, follow=False), self.truth.locate(new, follow=False)
        moving, replaced = source.node, target.node
        if moving is None:
            raise refuse(errno.ENOENT)
        if flags & RENAME_NOREPLACE and replaced is not None:
            raise refuse(errno.EEXIST)
        if flags & RENAME_EXCHANGE and replaced is None:
            raise refuse(errno.ENOENT)
        if isinstance(moving, Directory) and any(moving is above for above in target.stack):
            raise refuse(errno.EINVAL)
        if isinstance(replaced, Directory) and any(replaced is above for above in source.stack):
            raise refuse(errno.EINVAL if flags & RENAME_EXCHANGE else errno.ENOTEMPTY)
        if moving is replaced:
            return
        if flags & RENAME_EXCHANGE:
            assert replaced is not None
            self._exchange(source, target, moving, replaced)
            return
        if isinstance(moving, Directory) and not isinstance(replaced, Directory | None):
            raise refuse(errno.ENOTDIR)
        if isinstance(replaced, Directory) and not isinstance(moving, Directory):
            raise refuse(errno.EISDIR)
        if is_reserved(target.name):
            raise refuse(errno.EPERM)
        if isinstance(replaced, Directory) and replaced.entries:
            raise refuse(errno.ENOTEMPTY)
        if replaced is not None and not isinstance(replaced, Directory):
            replaced.nlink -= 1
        del source.parent.entries[source.name]
        target.parent.entries[target.name] = moving
        source.parent.claim()
        target.parent.claim()
        if isinstance(moving, Directory):
            moving.claim()

    @staticmethod
    def _exchange(source: Place, target: Place, moving: Node, replaced: Node) -> None:
        source.parent.entries[source.name] = replaced
        target.parent.entries[target.name] = moving
        for node in (source.parent, target.parent, moving, replaced):
            if isinstance(node, Directory):
                node.claim()

    # ---- files
    def open(self, path: _Path, flags: int, mode: int) -> None:
        follow = not (flags & os.O_CREAT and flags & os.O_EXCL)
        place = self.truth.locate(path, follow=follow)
        node = place.node
        if node is None:
            if not flags & os.O_CREAT:
                raise refuse(errno.ENOENT)
            if is_reserved(place.name):
                raise refuse(errno.EPERM)
            node = place.parent.entries[place.name] = File(mode=mode)
            place.parent.claim()
        elif not follow:
            raise refuse(errno.EEXIST)
        elif isinstance(node, Directory):
            raise refuse(errno.EISDIR)
        assert isinstance(node, File)
        if flags & os.O_TRUNC:
            node.changed(b"")
        self.handles.append(Handle(node, flags))

    def close(self, index: int) -> None:
        self.handles.pop(index)

    def _file(self, index: int, *, write: bool) -> File:
        handle = self.handles[index]
        access = handle.flags & os.O_ACCMODE
        if access == (os.O_RDONLY if write else os.O_WRONLY):
            raise refuse(errno.EBADF)
        return handle.file

    def pwrite(self, index: int, data: bytes, offset: int) -> int:
        file = self._file(index, write=True)
        if self.handles[index].flags & os.O_APPEND:
            offset = len(file.data)  # pwrite(2), BUGS
        file.changed(_overlaid(file.data, data, offset))
        return len(data)

    def append(self, index: int, data: bytes) -> int:
        file = self._file(index, write=True)
        file.changed(file.data + data)
        return len(data)

    def ftruncate(self, index: int, size: int) -> None:
        handle = self.handles[index]
        if not handle.writable:
            raise refuse(errno.EINVAL)
        handle.file.changed(handle.file.data[:size].ljust(size, b"\0"))

    def read(self, index: int) -> bytes:
        return self._file(index, write=False).data

    def map_store(self, index: int, data: bytes, offset: int) -> None:
        """A store through a shared mapping, which needs O_RDWR and reaches only pages of the file."""
        handle = self.handles[index]
        if handle.flags & os.O_ACCMODE != os.O_RDWR:
            raise refuse(errno.EACCES)
        handle.file.changed(_overlaid(handle.file.data, data, offset))

    def truncate(self, path: _Path, size: int) -> None:
        node = self.truth.find(path, follow=True)
        if isinstance(node, Directory):
            raise refuse(errno.EISDIR)
        if not isinstance(node, File):
            raise refuse(errno.EINVAL)
        node.changed(node.data[:size].ljust(size, b"\0"))

    # ---- attributes
    def chmod(self, path: _Path, mode: int) -> None:
        node = self.truth.find(path, follow=True)
        assert not isinstance(node, Link)
        node.mode = mode
        if isinstance(node, Directory):
            node.claim()

    def utimens(self, path: _Path, mtime_ns: int) -> None:
        node = self.truth.find(path, follow=True)
        if isinstance(node, File):
            node.mtime_ns, node.renewed = mtime_ns, False  # it sets Last-Modified, too
        if isinstance(node, Directory):
            node.claim()

    def setxattr(self, path: _Path, name: str, value: bytes) -> None:
        node = self.truth.find(path, follow=True)
        if name.startswith("user.weka."):
            raise refuse(errno.EPERM)
        if not isinstance(node, File | Directory):
            raise refuse(errno.EPERM)  # xattr(7): user attributes are for files and directories
        if name.startswith("user.s3."):
            if isinstance(node, Directory):
                raise refuse(errno.ENOTSUP)
            self._set_s3(node, name, value)
        elif isinstance(node, File):
            node.xattrs[name] = value
        else:
            node.xattrs[name] = value
            node.claim()

    @staticmethod
    def _set_s3(node: File, name: str, value: bytes) -> None:
        if name == _TYPE:
            if not value:
                raise refuse(errno.EINVAL)
            node.type = value.decode()
        elif name.startswith(_META):
            meta = name.removeprefix(_META)
            if meta != meta.lower() or value != value.strip():
                raise refuse(errno.EINVAL)
            node.user[meta] = value.decode()
        else:
            raise refuse(errno.ENOTSUP)

    def removexattr(self, path: _Path, name: str) -> None:
        node = self.truth.find(path, follow=True)
        if not isinstance(node, File | Directory):
            raise refuse(errno.EPERM)
        if name not in self._xattrs(node):
            raise refuse(errno.ENODATA)
        if name == _TYPE and isinstance(node, File):
            node.type = None
        elif name.startswith(_META) and isinstance(node, File):
            del node.user[name.removeprefix(_META)]
        else:
            del node.xattrs[name]
            if isinstance(node, Directory):
                node.claim()

    def listxattr(self, path: _Path) -> dict[str, bytes]:
        return self._xattrs(self.truth.find(path, follow=True))

    @staticmethod
    def _xattrs(node: Node) -> dict[str, bytes]:
        """The attributes of callers, and what S3 stored as attributes."""
        if not isinstance(node, File | Directory):
            return {}
        found = dict(node.xattrs)
        if isinstance(node, File):
            found |= {_META + name: value.encode() for name, value in node.user.items()}
            found |= {_TYPE: node.type.encode()} if node.type is not None else {}
        return found

    def copy_file(self, path: _Path, new: _Path) -> None:
        """What `cp --preserve=xattr` does: open, read, create or truncate, write, set each attribute."""
        source = self.truth.find(path, follow=True)
        place = self.truth.locate(new, follow=True)
        if place.node is source:
            raise refuse(errno.EEXIST)  # "are the same file"
        assert isinstance(source, File)
        data, xattrs = source.data, self._xattrs(source)
        self.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        target = self.handles.pop().file
        if data:
            target.changed(data)
        for name, value in xattrs.items():
            self.setxattr(new, name, value)

    # ---- looking
    def readdir(self, path: _Path) -> list[bytes]:
        node = self.truth.find(path, follow=True)
        if not isinstance(node, Directory):
            raise refuse(errno.ENOTDIR)
        node.claim()
        return sorted(node.entries)

    def readlink(self, path: _Path) -> bytes:
        node = self.truth.find(path)
        if not isinstance(node, Link):
            raise refuse(errno.EINVAL)
        return node.target


def _overlaid(old: bytes, data: bytes, offset: int) -> bytes:
    return old[:offset].ljust(offset, b"\0") + data + old[offset + len(data) :]
