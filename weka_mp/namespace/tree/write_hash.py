"""The digests of a file that is written once, from its beginning to its end. Pure.

It holds only while nothing but the writes it is told of can have changed the content: the caller tells
what size and mtime the file had before and after each write, and the first thing that does not fit ends
it.
"""

from __future__ import annotations

from weka_mp.namespace.records.content_hash import ContentDigests, ContentHash

__all__ = ["WriteHash"]


class WriteHash:
    """Incremental digests of a file that was empty at `mtime_ns`."""

    def __init__(self, mtime_ns: int) -> None:
        self._hash = ContentHash()
        self.size = 0  # bytes hashed, which is also the file's expected size
        self.mtime_ns = mtime_ns  # what the file's mtime must still be

    def fits(self, offset: int, size: int, mtime_ns: int) -> bool:
        """Whether a write at `offset` continues the hash, in a file that has this size and mtime now."""
        return offset == self.size == size and mtime_ns == self.mtime_ns

    def wrote(self, data: bytes | bytearray | memoryview, mtime_ns: int) -> None:
        """`data` was appended; the file has this mtime now."""
        self._hash.update(data)
        self.size += len(data)
        self.mtime_ns = mtime_ns

    def retimed(self, mtime_ns: int) -> None:
        """The writer itself set the mtime; the content is as it was."""
        self.mtime_ns = mtime_ns

    def digests(self) -> ContentDigests:
        """Of what was hashed so far."""
        return self._hash.digests()
