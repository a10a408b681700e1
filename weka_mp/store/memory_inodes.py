"""Inodes, open file descriptions and path resolution of the store in memory (`weka_mp.store.memory`)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field

from weka_mp.clock import Clock
from weka_mp.errors import (
    CrossDevice,
    InvalidArgument,
    InvalidName,
    IoFailure,
    IsDirectory,
    Loop,
    NameTooLong,
    NotDirectory,
    NotEmpty,
    NotFound,
    PermissionRefused,
)
from weka_mp.store.interface import Primitives
from weka_mp.values import Attr, Fd, InodeNo, bounded_time

__all__ = [
    "ALL_PRIMITIVES",
    "Description",
    "Inode",
    "Inodes",
    "OpenFiles",
    "checked_name",
    "directory_of",
    "refuse_cycle",
    "refuse_immutable",
    "refuse_replacing",
    "walk",
]

_MAX_NAME = 255
_DEVICE = 1

ALL_PRIMITIVES = Primitives(
    xattrs=True,
    xattr_bytes=60_000,
    unnamed_files=True,
    rename_noreplace=True,
    hard_links=True,
    reflink=False,
    copy_range=True,
    leases=True,
    ofd_locks=True,
    fine_times=True,
    change_grain_ns=0,
    file_handles=True,
    seek_hole=False,
    fallocate=True,
    immutable=True,
    immutable_stops=True,
)


@dataclass(eq=False, slots=True)
class Inode:
    """One file, directory, link or device. `parent` is a directory's; `unnamed`: O_TMPFILE, never linked."""

    ino: int
    mode: int
    generation: int
    nlink: int = 0
    uid: int = 0
    gid: int = 0
    rdev: int = 0
    data: bytearray = field(default_factory=bytearray)
    target: bytes = b""
    children: dict[bytes, Inode] = field(default_factory=dict)
    xattrs: dict[str, bytes] = field(default_factory=dict)
    parent: Inode | None = None
    atime_ns: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    birth_ns: int = 0
    opens: int = 0
    writers: int = 0
    unnamed: bool = False
    immutable: bool = False
    leases: set[Description] = field(default_factory=set)
    locks: dict[int, Description] = field(default_factory=dict)

    @property
    def kind(self) -> int:
        return stat.S_IFMT(self.mode)

    @property
    def is_directory(self) -> bool:
        return self.kind == stat.S_IFDIR

    def attr(self) -> Attr:
        size = len(self.target) if self.kind == stat.S_IFLNK else len(self.data)
        return Attr(
            _DEVICE,
            InodeNo(self.ino),
            self.mode,
            self.nlink,
            self.uid,
            self.gid,
            self.rdev,
            size,
            (size + 511) // 512,
            4096,
            self.atime_ns,
            self.mtime_ns,
            self.ctime_ns,
        )


@dataclass(eq=False, slots=True)
class Description:
    """An open file description: what dup'ed descriptors share. `breaking`: a writer waits for its lease."""

    inode: Inode
    flags: int
    references: int = 0
    breaking: bool = False

    @property
    def is_path(self) -> bool:
        return bool(self.flags & os.O_PATH)

    @property
    def writes(self) -> bool:
        return not self.is_path and self.flags & os.O_ACCMODE != os.O_RDONLY

    @property
    def reads(self) -> bool:
        return not self.is_path and self.flags & os.O_ACCMODE != os.O_WRONLY


class Inodes:
    """Makes inodes, gives numbers back, and stamps times as coarse as the primitives say."""

    def __init__(self, primitives: Primitives, clock: Clock, *, reuse_numbers: bool) -> None:
        self._primitives = primitives
        self._clock = clock
        self._reuse = reuse_numbers
        self._free: list[int] = []
        self._next = 2
        self._generation = 0
        self._last_ns = 0
        self.live: dict[int, Inode] = {}

    def make(self, mode: int, uid: int, gid: int) -> Inode:
        if self._reuse and self._free:
            number = self._free.pop()
        else:
            number, self._next = self._next, self._next + 1
        self._generation += 1
        now = self.now()
        inode = Inode(
            number, mode, self._generation, uid=uid, gid=gid, atime_ns=now, mtime_ns=now, ctime_ns=now,
            birth_ns=now,
        )
        self.live[number] = inode
        return inode

    def release(self, inode: Inode) -> None:
        """Forget an inode that has neither names nor descriptors."""
        if inode.nlink == 0 and inode.opens == 0 and self.live.get(inode.ino) is inode:
            del self.live[inode.ino]
            self._free.append(inode.ino)

    def attach(self, directory: Inode, name: bytes, inode: Inode) -> None:
        """Give the inode a name."""
        directory.children[name] = inode
        inode.nlink += 1
        if inode.is_directory:
            inode.nlink = 2 + sum(child.is_directory for child in inode.children.values())
            inode.parent = directory
            directory.nlink += 1
        self.changed(inode)
        self.modified(directory)

    def detach(self, directory: Inode, name: bytes) -> Inode:
        """Take a name away; the caller releases the inode that was behind it."""
        inode = directory.children.pop(name)
        if inode.is_directory:
            inode.nlink = 0
            directory.nlink -= 1
        else:
            inode.nlink -= 1
        self.changed(inode)
        self.modified(directory)
        return inode

    def now(self) -> int:
        """A stamp: the clock cut to the grain, or, with fine stamps, one that was never given before."""
        grain, now = self._primitives.change_grain_ns, self._clock.now_ns()
        if grain:
            return now - now % grain
        self._last_ns = max(now, self._last_ns + 1)
        return self._last_ns

    def set_time(self, wanted_ns: int) -> int:
        wanted_ns = bounded_time(wanted_ns)
        return wanted_ns if self._primitives.fine_times else wanted_ns // 1_000_000_000 * 1_000_000_000

    def modified(self, inode: Inode) -> None:
        inode.mtime_ns = inode.ctime_ns = self.now()

    def changed(self, inode: Inode) -> None:
        inode.ctime_ns = self.now()


class OpenFiles:
    """Descriptors. A number is never given twice, so that a use after close is always an error."""

    def __init__(self, inodes: Inodes) -> None:
        self._inodes = inodes
        self._open: dict[int, Description] = {}
        self._next = 100

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Description]:
        return iter(self._open.values())

    def add(self, description: Description) -> Fd:
        if description.references == 0:
            description.inode.opens += 1
            description.inode.writers += description.writes
        description.references += 1
        number, self._next = self._next, self._next + 1
        self._open[number] = description
        return Fd(number)

    def get(self, fd: Fd) -> Description:
        found = self._open.get(fd)
        if found is None:
            raise IoFailure("Bad file descriptor")
        return found

    def remove(self, fd: Fd) -> None:
        description = self.get(fd)
        del self._open[fd]
        description.references -= 1
        if description.references:
            return
        inode = description.inode
        inode.opens -= 1
        inode.writers -= description.writes
        inode.leases.discard(description)
        for offset in [offset for offset, holder in inode.locks.items() if holder is description]:
            del inode.locks[offset]
        self._inodes.release(inode)


def directory_of(inode: Inode) -> Inode:
    if not inode.is_directory:
        raise NotDirectory()
    return inode


def checked_name(name: bytes) -> bytes:
    """One component as the verbs take it."""
    if len(name) > _MAX_NAME:
        raise NameTooLong(subject=name)
    if not name or b"/" in name or b"\0" in name:
        raise InvalidName(subject=name)
    return name


def _parts(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def walk(at: Inode, path: bytes) -> tuple[Inode, bytes]:
    """The directory and last name of a path in which nothing may be a link; (`at`, b"") for `at` itself."""
    parts = _parts(path)
    if b".." in parts:
        raise CrossDevice(subject=path)
    here = directory_of(at)
    for part in parts[:-1]:
        child = here.children.get(checked_name(part))
        if child is None:
            raise NotFound(subject=path)
        if child.kind == stat.S_IFLNK:
            raise Loop(subject=path)
        here = directory_of(child)
    return here, checked_name(parts[-1]) if parts else b""


def refuse_cycle(moved: Inode, target: Inode) -> None:
    here: Inode | None = target
    while here is not None and moved.is_directory:
        if here is moved:
            raise InvalidArgument("a directory cannot move below itself")
        here = here.parent


def refuse_replacing(moved: Inode, old: Inode, name: bytes) -> None:
    if moved.is_directory and not old.is_directory:
        raise NotDirectory(subject=name)
    if old.is_directory and not moved.is_directory:
        raise IsDirectory(subject=name)
    if old.children:
        raise NotEmpty(subject=name)


def refuse_immutable(inode: Inode) -> None:
    """Before its bytes, attributes or names change."""
    if inode.immutable:
        raise PermissionRefused("the file is immutable")
