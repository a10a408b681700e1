"""System calls that Python's os module lacks, through libc by ctypes. Errors are OSError; the GIL is
released.

openat2(2), renameat2(2), fallocate(2), name_to_handle_at(2), open_by_handle_at(2), faccessat2(2),
setfsuid(2), setgroups(2) of one thread, statx(2), syncfs(2), ioctl_iflags(2).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import platform
import struct
from collections.abc import Sequence

from weka_mp.store.interruptions import ATTEMPTS

__all__ = [
    "RESOLVE_BENEATH",
    "RESOLVE_NO_MAGICLINKS",
    "RESOLVE_NO_SYMLINKS",
    "birth_ns",
    "check_access",
    "file_handle",
    "fs_identity",
    "is_immutable",
    "open_by_handle",
    "openat2",
    "punch_hole",
    "renameat2",
    "set_fs_identity",
    "set_immutable",
    "syncfs",
]

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08

_SYS_OPENAT2 = 437  # the same on every architecture
_SYS_FACCESSAT2 = 439  # the same, too
_SYS_STATX = {"x86_64": 332, "aarch64": 291}.get(platform.machine(), 0)
_SYS_SETGROUPS = {"x86_64": 116, "aarch64": 159}.get(platform.machine(), 0)
_AT_EMPTY_PATH = 0x1000
_AT_EACCESS = 0x200
_NO_ID = 2**32 - 1
_MAX_HANDLE = 128  # MAX_HANDLE_SZ of the kernel
_HANDLE_HEADER = struct.Struct("Ii")
_FALLOC_FL_KEEP_SIZE = 0x01
_FALLOC_FL_PUNCH_HOLE = 0x02
_FS_IOC_GETFLAGS, _FS_IOC_SETFLAGS = 0x80086601, 0x40086602  # as 64-bit machines number them
_FS_IMMUTABLE_FL = 0x10
_FLAGS = struct.Struct("I4x")  # the numbers say long, the kernel reads and writes an int
_STATX_BTIME = 0x800
_STATX_BYTES = 256
_STATX_MASK, _STATX_BORN = struct.Struct("I"), struct.Struct("qI")  # at 0, and at 80 (linux/stat.h)

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
for _setter in (_libc.setfsuid, _libc.setfsgid):
    _setter.argtypes, _setter.restype = [ctypes.c_uint32], ctypes.c_uint32
_AT = ctypes.c_long  # variadic arguments must have the register's width


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


@functools.lru_cache(maxsize=256)
def _how(flags: int, mode: int, resolve: int) -> _OpenHow:
    return _OpenHow(flags, mode, resolve)


@functools.lru_cache(maxsize=1024)
def _array(groups: tuple[int, ...]) -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * max(len(groups), 1))(*groups)


def _raise(subject: bytes | str = b"") -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), subject)


def openat2(at: int, path: bytes, flags: int, mode: int, resolve: int) -> int:
    """openat2(2); the kernel's EAGAIN (a rename raced with `..`) is tried again, as is what a signal
    interrupted.
    """
    how = _how(flags, mode if flags & (os.O_CREAT | os.O_TMPFILE) else 0, resolve)
    for _ in range(ATTEMPTS):
        fd = int(_syscall(_SYS_OPENAT2, _AT(at), path, ctypes.byref(how), _AT(24)))
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number != errno.EINTR and (number != errno.EAGAIN or flags & os.O_NONBLOCK):
            break
    raise _raise(path)


def renameat2(from_dir: int, from_name: bytes, to_dir: int, to_name: bytes, flags: int) -> None:
    """renameat2(2) with RENAME_NOREPLACE (1), RENAME_EXCHANGE (2)."""
    if _libc.renameat2(from_dir, from_name, to_dir, to_name, ctypes.c_uint(flags)) != 0:
        raise _raise(from_name)


def file_handle(fd: int) -> bytes:
    """name_to_handle_at(2) of the inode behind `fd`: type and opaque bytes."""
    buffer = ctypes.create_string_buffer(_HANDLE_HEADER.size + _MAX_HANDLE)
    _HANDLE_HEADER.pack_into(buffer, 0, _MAX_HANDLE, 0)
    mount_id = ctypes.c_int()
    if _libc.name_to_handle_at(fd, b"", buffer, ctypes.byref(mount_id), _AT_EMPTY_PATH) != 0:
        raise _raise()
    size, kind = _HANDLE_HEADER.unpack_from(buffer, 0)
    return struct.pack("i", kind) + buffer.raw[_HANDLE_HEADER.size : _HANDLE_HEADER.size + size]


def birth_ns(fd: int) -> int:
    """statx(2): when the inode behind `fd` was made, in ns since the epoch; 0 where nobody knows."""
    if not _SYS_STATX:
        return 0
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    if _syscall(_SYS_STATX, _AT(fd), b"", _AT(_AT_EMPTY_PATH), _AT(_STATX_BTIME), buffer) != 0:
        raise _raise()
    if not _STATX_MASK.unpack_from(buffer, 0)[0] & _STATX_BTIME:
        return 0
    seconds, nanoseconds = _STATX_BORN.unpack_from(buffer, 80)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def open_by_handle(mount_fd: int, handle: bytes, flags: int) -> int:
    """open_by_handle_at(2); needs CAP_DAC_READ_SEARCH."""
    opaque = handle[4:]
    (kind,) = struct.unpack_from("i", handle)
    buffer = ctypes.create_string_buffer(
        _HANDLE_HEADER.pack(len(opaque), kind) + opaque, _HANDLE_HEADER.size + len(opaque)
    )
    fd = int(_libc.open_by_handle_at(mount_fd, buffer, flags))
    if fd < 0:
        raise _raise()
    return fd


def syncfs(fd: int) -> None:
    """syncfs(2): everything of the file system that `fd` lies on."""
    if _libc.syncfs(fd) != 0:
        raise _raise()


def punch_hole(fd: int, offset: int, size: int) -> None:
    """fallocate(2) with FALLOC_FL_PUNCH_HOLE and FALLOC_FL_KEEP_SIZE."""
    mode = _FALLOC_FL_KEEP_SIZE | _FALLOC_FL_PUNCH_HOLE
    if _libc.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(size)) != 0:
        raise _raise()


def check_access(fd: int, access: int) -> None:
    """faccessat2(2) with AT_EACCESS of the inode behind `fd` (O_PATH ones too), judged by the file-system
    identity of the calling thread. `access`: os.R_OK | os.W_OK | os.X_OK.
    """
    flags = _AT_EMPTY_PATH | _AT_EACCESS
    if _syscall(_SYS_FACCESSAT2, _AT(fd), b"", _AT(access), _AT(flags)) != 0:
        raise _raise()


def set_fs_identity(uid: int, gid: int, groups: Sequence[int] | None) -> None:
    """File-system uid, gid and (unless None) supplementary groups of the calling thread alone.

    The raw setgroups call changes one thread only; glibc's wrapper would change them all. setfsuid(2) never
    reports failure, so both are asked for afterwards: OSError (EPERM) when they are not what they should be.
    """
    if groups is not None:
        if not _SYS_SETGROUPS:
            raise OSError(errno.ENOSYS, "setgroups of one thread is not known on this machine")
        if _syscall(_SYS_SETGROUPS, _AT(len(groups)), _array(tuple(groups))) != 0:
            raise _raise()
    _libc.setfsgid(gid)
    _libc.setfsuid(uid)
    if fs_identity() != (uid, gid):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def fs_identity() -> tuple[int, int]:
    """The file-system uid and gid of the calling thread: what setfsuid(2) answers to an id that is none."""
    return _libc.setfsuid(_NO_ID), _libc.setfsgid(_NO_ID)


def is_immutable(fd: int) -> bool:
    """ioctl_iflags(2): whether the inode behind `fd` (none of O_PATH) has FS_IMMUTABLE_FL."""
    return bool(_flags(fd) & _FS_IMMUTABLE_FL)


def set_immutable(fd: int, immutable: bool) -> None:
    """ioctl_iflags(2); needs CAP_LINUX_IMMUTABLE."""
    flags = _flags(fd)
    wanted = flags | _FS_IMMUTABLE_FL if immutable else flags & ~_FS_IMMUTABLE_FL
    if wanted != flags:
        fcntl.ioctl(fd, _FS_IOC_SETFLAGS, _FLAGS.pack(wanted))


def _flags(fd: int) -> int:
    (found,) = _FLAGS.unpack(fcntl.ioctl(fd, _FS_IOC_GETFLAGS, bytes(_FLAGS.size)))
    return int(found)
