"""What is computed of content that came without a checksum: its MD5, which is the ETag, and its CRC64NVME.

The latter is what S3 computes of uploads that bring no checksum (S3 user guide, «Checking object integrity»).
It is left out where the native kernels are missing: a Python loop would take longer than all the rest.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from weka_mp import kernels
from weka_mp.digests import new_hasher

__all__ = ["ContentDigests", "ContentHash"]

_CRC = "CRC64NVME"
Buffer = bytes | bytearray | memoryview


class ContentDigests(NamedTuple):
    """crc: the CRC64NVME, 8 bytes; None: not computed."""

    md5: bytes
    crc: bytes | None = None

    @property
    def checksums(self) -> Mapping[str, str]:
        """As a record keeps them: of the whole content, in base64."""
        return {} if self.crc is None else {_CRC: base64.b64encode(self.crc).decode()}


class ContentHash:
    """Both, over bytes that come in order."""

    __slots__ = ("_crc", "_md5")

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc = new_hasher(_CRC) if kernels.describe().native else None

    def update(self, data: Buffer) -> None:
        """Continue with the next bytes."""
        self._md5.update(data)
        if self._crc is not None:
            self._crc.update(data)

    def digests(self) -> ContentDigests:
        """Of everything so far."""
        return ContentDigests(self._md5.digest(), None if self._crc is None else self._crc.digest())
