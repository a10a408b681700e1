"""Which inodes a mount ever told its kernel of: a table in shared memory that spares most messages.

Beside each mount socket lies a file of bits, written by the mount process and mapped by the S3 workers. A
bit is set before the kernel can learn of an inode and never taken back while that mount process lives, so a
worker that finds no bit of a change knows that the kernel has nothing to forget (docs/CONCURRENCY.md,
"Invalidation"). Bits are chosen by hash: a collision costs a message and nothing else.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress

__all__ = ["KnownInodes", "table_path"]

_BYTES = 1 << 20  # 8 million bits: a million inodes collide with one in nine others
_BIT_MASK = _BYTES * 8 - 1
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: spreads consecutive inode numbers (Knuth, 6.4)
_MASK_64 = (1 << 64) - 1


def table_path(socket_path: str) -> str:
    """Where the table of the mount with this socket lies."""
    return socket_path + ".known"


class KnownInodes:
    """One mapped table. Bytes are written and read whole: one writer and its readers need no lock."""

    def __init__(self, fd: int, *, writable: bool, staged: str = "") -> None:
        """Takes `fd` over. `staged`: where the table lies until it is published."""
        self._staged = staged
        found = os.fstat(fd)
        self.identity = (found.st_dev, found.st_ino)
        access = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        try:
            self._bits = mmap.mmap(fd, _BYTES, mmap.MAP_SHARED, access)
        finally:
            os.close(fd)

    @classmethod
    def create(cls, path: str) -> KnownInodes:
        """An empty table that is to lie at `path`, once it is published."""
        staged = f"{path}.new"
        fd = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.ftruncate(fd, _BYTES)
        return cls(fd, writable=True, staged=staged)

    def publish(self, path: str) -> None:
        """Let workers go by this table. Before it is the former one that counts: until a mount has taken its
        place, what a dead one told the kernel is what the kernel knows.
        """
        os.rename(self._staged, path)

    @classmethod
    def open(cls, path: str) -> KnownInodes | None:
        """The table at `path` for reading; None when there is none (or it is no table)."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if os.fstat(fd).st_size != _BYTES:
            os.close(fd)
            return None
        return cls(fd, writable=False)

    def add(self, ino: int) -> bool:
        """The kernel may learn of this inode from now on. True: new, so what was read of it may be old."""
        byte, bit = _place(ino)
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        return True

    def may_know(self, ino: int) -> bool:
        """False only when the kernel cannot know the inode."""
        byte, bit = _place(ino)
        return bool(self._bits[byte] & bit)

    def remove(self, path: str) -> None:
        """The mount is over: the table at `path` goes, unless a successor put its own there."""
        for left in (path, self._staged):
            with suppress(FileNotFoundError):  # the runtime directory was cleared
                found = os.stat(left)
                if (found.st_dev, found.st_ino) == self.identity:
                    os.unlink(left)
        self.close()

    def close(self) -> None:
        """Give the mapping back."""
        self._bits.close()


def _place(ino: int) -> tuple[int, int]:
    position = (ino * _MULTIPLIER & _MASK_64) >> 32 & _BIT_MASK
    return position >> 3, 1 << (position & 7)
