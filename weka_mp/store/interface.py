"""The narrow interface between the namespace and what keeps the bytes.

A store is a tree of directories, files and extended attributes reached by descriptors and single names: no
verb joins paths. Every verb raises a `weka_mp.errors.NamespaceError` and never an OSError. Flags are those of
`os` (O_*), modes those of `stat`. A store is used by several threads at once. What a signal interrupts is
made again: `Interrupted` says that this did not end.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from weka_mp.values import Attr, Fd

__all__ = ["DirEntry", "FsIdentity", "Primitives", "StatVfs", "Store"]


class DirEntry(NamedTuple):
    """One name in a directory; `type` is stat's S_IFMT value of the entry itself (0: unknown)."""

    name: bytes
    ino: int
    type: int


class FsIdentity(NamedTuple):
    """By whom the kernel judges: file-system uid and gid, supplementary groups."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StatVfs:
    """Totals of the file system (statvfs(3)); sizes in units of `frsize` bytes."""

    bsize: int
    frsize: int
    blocks: int
    bfree: int
    bavail: int
    files: int
    ffree: int
    favail: int
    namemax: int
    fsid: int = 0  # f_fsid of statfs(2); 0: it has none


@dataclass(frozen=True, slots=True)
class Primitives:
    """What the probe found on the store itself, never by file-system type (docs/ARCHITECTURE.md)."""

    xattrs: bool
    xattr_bytes: int  # largest value that was accepted, of those tried
    unnamed_files: bool  # O_TMPFILE and linkat
    rename_noreplace: bool
    hard_links: bool
    reflink: bool
    copy_range: bool
    leases: bool
    ofd_locks: bool
    fine_times: bool  # mtime keeps nanoseconds
    change_grain_ns: int  # two changes this far apart never share an mtime (0: multigrain stamps)
    file_handles: bool
    seek_hole: bool
    fallocate: bool
    immutable: bool  # FS_IMMUTABLE_FL can be set and taken away
    immutable_stops: bool  # and stops who had the file open for writing, or mapped, before


class Store(Protocol):
    """See the module. `path` arguments are relative, '/'-separated, resolved beneath the descriptor without
    following symbolic links unless said otherwise; `name` is one component."""

    primitives: Primitives

    def root(self) -> Fd: ...
    # descriptors
    def open_dir(self, at: Fd, path: bytes) -> Fd: ...
    def open_file(self, at: Fd, path: bytes, flags: int, mode: int = 0o666) -> Fd:
        """O_NOFOLLOW, O_CLOEXEC and O_NONBLOCK are added; never blocks on a fifo."""

    def open_path(self, at: Fd, name: bytes) -> Fd:
        """An O_PATH | O_NOFOLLOW descriptor of whatever the name is."""

    def reopen(self, fd: Fd, flags: int) -> Fd:
        """A new open file description of the inode behind `fd` (O_PATH ones too)."""

    def dup(self, fd: Fd) -> Fd: ...
    def close(self, fd: Fd) -> None:
        """Gives it back in any case. Raises for what is not open, not for what a disk says: ask `sync_*`."""

    def handle_of(self, fd: Fd) -> bytes:
        """A handle that `open_handle` resolves later; NotSupported where there are none."""

    def open_handle(self, handle: bytes, flags: int, mount: Fd | None = None) -> Fd:
        """Stale when the inode is gone. Needs CAP_DAC_READ_SEARCH: NotSupported/PermissionRefused else.

        `mount`: a directory of the file system that the handle is of, not an O_PATH one; the root's if None.
        """

    # names
    def attr(self, fd: Fd) -> Attr: ...
    def appeared_ns(self, fd: Fd) -> int:
        """When the inode was made, in ns since the epoch; where that is not known, when it last changed."""

    def attr_at(self, at: Fd, name: bytes) -> Attr:
        """lstat of one name."""

    def entries(self, directory: Fd) -> list[DirEntry]:
        """All names but '.' and '..', unordered; `directory` may be O_PATH or not."""

    def mkdir(self, at: Fd, name: bytes, mode: int) -> None: ...
    def mknod(self, at: Fd, name: bytes, mode: int, rdev: int) -> None: ...
    def symlink(self, target: bytes, at: Fd, name: bytes) -> None: ...
    def readlink(self, at: Fd, name: bytes) -> bytes:
        """`name` b"": the link behind the O_PATH descriptor `at`."""

    def link(self, fd: Fd, at: Fd, name: bytes) -> None:
        """Give the inode behind `fd` (O_TMPFILE, O_PATH or plain) one more name; Exists when the name is
        taken.
        """

    def rename(self, from_dir: Fd, from_name: bytes, to_dir: Fd, to_name: bytes, flags: int = 0) -> None:
        """renameat2(2): flags 1 NOREPLACE, 2 EXCHANGE (NotSupported or InvalidArgument where the store lacks
        them).
        """

    def unlink(self, at: Fd, name: bytes) -> None: ...
    def rmdir(self, at: Fd, name: bytes) -> None: ...
    # data
    def create_unnamed(self, directory: Fd, mode: int) -> Fd:
        """O_TMPFILE | O_RDWR; NotSupported where there is none, NotFound in a directory that was removed."""

    def read(self, fd: Fd, size: int, offset: int) -> bytes:
        """Fewer than `size` bytes at the end of the file only."""

    def write(self, fd: Fd, data: bytes | bytearray | memoryview, offset: int) -> None:
        """All of it, or an error."""

    def truncate(self, fd: Fd, size: int) -> None: ...
    def copy(self, source: Fd, source_offset: int, target: Fd, target_offset: int, size: int) -> None:
        """Reflink, copy_file_range or read and write, the first that works; ObjectChanged when the source
        ends early.
        """

    def allocate(self, fd: Fd, size: int) -> None:
        """Reserve space so that NoSpace comes before the data; no-op where there is no fallocate."""

    def punch(self, fd: Fd, offset: int, size: int) -> None:
        """Bytes that nobody needs: the disk gets their room back where it can, and the size stays."""

    # attributes
    def get_xattr(self, fd: Fd, name: str) -> bytes:
        """NoAttribute when absent. Works on O_PATH descriptors too."""

    def find_xattr(self, fd: Fd, name: str) -> bytes | None:
        """`get_xattr` where absence is ordinary: None for it, without the price of an exception."""

    def set_xattr(self, fd: Fd, name: str, value: bytes, flags: int = 0) -> None: ...
    def remove_xattr(self, fd: Fd, name: str) -> None: ...
    def list_xattr(self, fd: Fd) -> list[str]: ...
    def chmod(self, fd: Fd, mode: int) -> None: ...
    def chown(self, fd: Fd, uid: int, gid: int) -> None:
        """-1 leaves one as it is; the inode itself, a symbolic link is not followed."""

    def utimens(self, fd: Fd, atime_ns: int, mtime_ns: int) -> None: ...
    def is_immutable(self, fd: Fd) -> bool:
        """Of a regular file (O_PATH too): whether `set_immutable` holds; False where there is none."""

    def set_immutable(self, fd: Fd, immutable: bool) -> None:
        """FS_IMMUTABLE_FL of ioctl_iflags(2): bytes, attributes and names stay; who would change any of them
        gets PermissionRefused, whoever it is. Descriptors and mappings that could write before go on where
        `Primitives.immutable_stops` is not set. NotSupported, PermissionRefused where it cannot be set.
        """

    def statvfs(self, fd: Fd) -> StatVfs: ...
    # durability
    def sync_file(self, fd: Fd) -> None:
        """fsync(2): data, attributes and xattrs of one file."""

    def sync_data(self, fd: Fd) -> None: ...
    def sync_dir(self, fd: Fd) -> None: ...
    def sync_all(self, fd: Fd) -> None:
        """syncfs(2)."""

    # exclusion
    def try_lease(self, fd: Fd) -> bool:
        """Take a read lease (F_SETLEASE F_RDLCK); False while anybody has the inode open or mapped for
        writing.
        """

    def lease_intact(self, fd: Fd) -> bool:
        """False once a writer waits for the lease."""

    def drop_lease(self, fd: Fd) -> None: ...
    def lock(self, fd: Fd, offset: int, *, wait: bool) -> bool:
        """An exclusive open-file-description lock on one byte; False when `wait` is not wanted and another
        holds it. A read-only descriptor is made one that can write, which it must; ReadOnly where it cannot.
        """

    def unlock(self, fd: Fd, offset: int) -> None: ...
    # who asks
    def check_access(self, fd: Fd, access: int) -> None:
        """Raises AccessDenied unless whoever this store is asked as may: os.R_OK | os.W_OK | os.X_OK of the
        inode behind `fd` (O_PATH ones too). The service itself is asked nothing.
        """

    def acting_as(self, uid: int, gid: int, groups: Sequence[int]) -> AbstractContextManager[None]:
        """Within it this thread's creations and checks run with that fsuid, fsgid and those groups."""
