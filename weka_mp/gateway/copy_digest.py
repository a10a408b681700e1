"""The checksum of a copy, computed while its bytes are read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from weka_mp.s3.checksums import Algorithm, encode_digest, find_algorithm, new_hasher

__all__ = ["CopyDigest"]


class CopyDigest:
    """The checksum that a copy shall carry (see namespace.ChunkDigest)."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.name = algorithm.value
        self._hasher = new_hasher(algorithm)
        self.update = self._hasher.update

    @classmethod
    def wanted(cls, name: str | None) -> Callable[[], CopyDigest] | None:
        """What makes one for the algorithm that the request names, None when it names none."""
        return None if name is None else partial(cls, find_algorithm(name))

    def shown(self) -> str:
        """The value in base64."""
        return encode_digest(self._hasher.digest())
