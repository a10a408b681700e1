"""Which directory a bucket is, told by a number that no later directory has.

An inode number alone is given again: a bucket removed and made again over POSIX must not find what belonged
to the former one (its uploads).
"""

from __future__ import annotations

import hashlib

from weka_mp.errors import NotSupported, PermissionRefused
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["bucket_handle", "bucket_identity"]


def bucket_handle(store: Store, fd: Fd) -> bytes:
    """The file handle of the bucket's directory, empty where the file system gives none."""
    try:
        return store.handle_of(fd)
    except (NotSupported, PermissionRefused):
        return b""


def bucket_identity(store: Store, fd: Fd) -> int:
    """63 bits of the handle's SHA-256; the inode number where the file system gives no handles."""
    handle = bucket_handle(store, fd)
    if not handle:
        return store.attr(fd).ino
    return int.from_bytes(hashlib.sha256(handle).digest()[:8], "big") >> 1
