"""Under which key a recount counts what: a file once, whatever its names; a part of an upload."""

from __future__ import annotations

import hashlib
from typing import Final

from weka_mp.values import Attr

__all__ = ["key_of_file", "key_of_part"]

_SPACE: Final = (1 << 63) - 1
_PARTS: Final = 1 << 63
_SPREAD: Final = 0x9E3779B97F4A7C15  # odd: inodes of one number on two file systems lie far apart


def key_of_file(attr: Attr) -> int:
    """The inode's key, below 2^63."""
    return (attr.ino + attr.dev * _SPREAD) & _SPACE


def key_of_part(upload_id: str, number: int) -> int:
    """Of part `number` of the upload, 2^63 or more."""
    digest = hashlib.blake2b(f"{upload_id}/{number}".encode("ascii", "replace"), digest_size=8).digest()
    return _PARTS | int.from_bytes(digest, "big")
