"""The checksums of S3's additional algorithms, by their names: what is kept of objects and verified.

Source: "Checking object integrity" of the S3 user guide. A digest is its big-endian bytes; of XXHash that is
its canonical form.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol

import xxhash

from weka_mp import kernels

__all__ = ["DIGEST_SIZES", "Hasher", "new_hasher"]

Buffer = bytes | bytearray | memoryview

DIGEST_SIZES: Final[Mapping[str, int]] = MappingProxyType({
    "CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32, "SHA512": 64, "MD5": 16,
    "XXHASH64": 8, "XXHASH3": 8, "XXHASH128": 16,
})  # fmt: skip
"""Every algorithm, and the bytes of its digests."""


class Hasher(Protocol):
    """What ``hashlib`` objects have, and the CRCs here."""

    def update(self, data: Buffer, /) -> None:
        """Continue with the next bytes."""

    def digest(self) -> bytes:
        """The big-endian digest of everything so far."""


class _Crc:
    """A CRC with hashlib's face."""

    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[Buffer, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: Buffer, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


_MAKERS: Final[Mapping[str, Callable[[], Hasher]]] = {
    "CRC32": lambda: _Crc(zlib.crc32, 4),
    "CRC32C": lambda: _Crc(kernels.crc32c, 4),
    "CRC64NVME": lambda: _Crc(kernels.crc64nvme, 8),
    "SHA1": partial(hashlib.sha1, usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "MD5": partial(hashlib.md5, usedforsecurity=False),
    "XXHASH64": xxhash.xxh64,
    "XXHASH3": xxhash.xxh3_64,
    "XXHASH128": xxhash.xxh3_128,
}


def new_hasher(name: str) -> Hasher:
    """An empty incremental hasher. Raises KeyError for a name that is none of `DIGEST_SIZES`."""
    return _MAKERS[name]()
