"""An NFSv4 client: libnfs through ctypes. One connection, no caches of its own.

libnfs 4.0 (Debian 12) cannot encode writes of more than a few KiB and creates exclusively, so a new file is
made once and written in small pieces.
"""

from __future__ import annotations

import ctypes
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

PIECE = 2048


class _Stat(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "dev", "ino", "mode", "nlink", "uid", "gid", "rdev", "size", "blksize", "blocks",
            "atime", "mtime", "ctime", "atime_nsec", "mtime_nsec", "ctime_nsec", "used",
        )
    ]  # fmt: skip


class _Entry(ctypes.Structure):
    """The head of struct nfsdirent, which is all that is read here."""

    _fields_ = [("next", ctypes.c_void_p), ("name", ctypes.c_char_p)]


class NfsError(OSError):
    """The server's or the client's refusal; errno as libnfs maps it."""


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libnfs.so.13")
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64
    library.nfs_init_context.restype = pointer
    library.nfs_parse_url_full.restype = pointer
    library.nfs_get_error.restype = text
    library.nfs_readdir.restype = ctypes.POINTER(_Entry)
    for name, kinds in {
        "nfs_parse_url_full": [pointer, text], "nfs_destroy_url": [pointer], "nfs_get_error": [pointer],
        "nfs_destroy_context": [pointer], "nfs_mount": [pointer, text, text],
        "nfs_open": [pointer, text, ctypes.c_int, pointer], "nfs_close": [pointer, pointer],
        "nfs_pread": [pointer, pointer, size, size, pointer],
        "nfs_pwrite": [pointer, pointer, size, size, text], "nfs_ftruncate": [pointer, pointer, size],
        "nfs_fsync": [pointer, pointer], "nfs_mkdir": [pointer, text], "nfs_rmdir": [pointer, text],
        "nfs_unlink": [pointer, text], "nfs_rename": [pointer, text, text],
        "nfs_stat64": [pointer, text, pointer], "nfs_opendir": [pointer, text, pointer],
        "nfs_readdir": [pointer, pointer], "nfs_closedir": [pointer, pointer],
        "nfs_set_uid": [pointer, ctypes.c_int], "nfs_set_gid": [pointer, ctypes.c_int],
        "nfs4_set_client_name": [pointer, text], "nfs4_set_verifier": [pointer, text],
    }.items():  # fmt: skip
        getattr(library, name).argtypes = kinds
    return library


class NfsClient:
    """Mounts `export` of the server at `port`; paths begin with a slash."""

    def __init__(self, port: int, export: str, *, uid: int = 0) -> None:
        self._library = _library()
        self._context = ctypes.c_void_p(self._library.nfs_init_context())
        url = f"nfs://127.0.0.1{export}/x?version=4&nfsport={port}&uid={uid}&gid={uid}".encode()
        self._library.nfs_destroy_url(self._library.nfs_parse_url_full(self._context, url))
        # By itself libnfs makes both of the process and the second. Two clients of one name and two verifiers
        # are a client that restarted: the server ends the first one's lease (RFC 7530, section 9.1.1).
        self._library.nfs4_set_client_name(self._context, f"weka_mp test {uuid.uuid4()}".encode())
        self._library.nfs4_set_verifier(self._context, os.urandom(4).hex().encode())
        self._check(self._library.nfs_mount(self._context, b"127.0.0.1", export.encode()), export)

    def __enter__(self) -> NfsClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.nfs_destroy_context(self._context)

    def _check(self, result: int, what: str) -> int:
        if result < 0:
            raise NfsError(-result, self._library.nfs_get_error(self._context).decode(errors="replace"), what)
        return result

    @contextmanager
    def _opened(self, path: str, flags: int) -> Iterator[ctypes.c_void_p]:
        handle = ctypes.c_void_p()
        where = os.fsencode(path)
        self._check(self._library.nfs_open(self._context, where, flags, ctypes.byref(handle)), path)
        try:
            yield handle
        finally:
            self._check(self._library.nfs_close(self._context, handle), path)

    def write(self, path: str, content: bytes, *, offset: int = 0, create: bool = True) -> None:
        flags = os.O_WRONLY | (os.O_CREAT if create else 0)
        with self._opened(path, flags) as handle:
            for begin in range(0, len(content), PIECE):
                piece = content[begin : begin + PIECE]
                written = self._library.nfs_pwrite(self._context, handle, offset + begin, len(piece), piece)
                assert self._check(written, path) == len(piece)

    def truncate(self, path: str, size: int) -> None:
        with self._opened(path, os.O_WRONLY) as handle:
            self._check(self._library.nfs_ftruncate(self._context, handle, size), path)

    def read(self, path: str) -> bytes:
        found = bytearray()
        with self._opened(path, os.O_RDONLY) as handle:
            buffer = ctypes.create_string_buffer(256 * 1024)
            while count := self._check(
                self._library.nfs_pread(self._context, handle, len(found), len(buffer), buffer), path
            ):
                found += buffer.raw[:count]
        return bytes(found)

    def size(self, path: str) -> int:
        found = _Stat()
        where = os.fsencode(path)
        self._check(self._library.nfs_stat64(self._context, where, ctypes.byref(found)), path)
        return int(found.size)

    def names(self, path: str = "/") -> set[str]:
        directory = ctypes.c_void_p()
        where = os.fsencode(path)
        self._check(self._library.nfs_opendir(self._context, where, ctypes.byref(directory)), path)
        names = set()
        while entry := self._library.nfs_readdir(self._context, directory):
            names.add(os.fsdecode(entry.contents.name))
        self._library.nfs_closedir(self._context, directory)
        return names - {".", ".."}

    def mkdir(self, path: str) -> None:
        self._check(self._library.nfs_mkdir(self._context, os.fsencode(path)), path)

    def rmdir(self, path: str) -> None:
        self._check(self._library.nfs_rmdir(self._context, os.fsencode(path)), path)

    def unlink(self, path: str) -> None:
        self._check(self._library.nfs_unlink(self._context, os.fsencode(path)), path)

    def rename(self, old: str, new: str) -> None:
        self._check(self._library.nfs_rename(self._context, os.fsencode(old), os.fsencode(new)), old)
