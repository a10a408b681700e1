"""Which number the kernel knows an inode by.

It is the inode number of the backing file system, so that stat(2) shows the same on both sides of the mount
and after any restart; the store's root is 1, by definition of the FUSE protocol. Two kinds have *own*
numbers, with the top bit set: inodes that such a number does not tell apart (of another file system below
the root, or in the way of the root's), and *later incarnations*: a file that was given the inode number of
a removed one while the kernel still refers to that. A number that is taken from an inode the kernel knows
makes it break that inode, and every call under way on it fails with EIO (fs/fuse/inode.c, fuse_iget).

Of 64 bits, from the top: 1, 0, 14 of the ordinal of another file system (`file_systems`), 48 of its inode
number: these are the same after any restart. 1, 1, and a count that begins anew with each process: later
incarnations, inode numbers that do not fit, and file systems that could not be recorded. 1, 1, 1, and
such a count: directories behind which there is no inode (`former_versions`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from weka_mp.values import Attr

__all__ = ["FIRST_VIRTUAL", "ROOT", "NodeNumbers", "is_virtual", "ordinal_of"]

ROOT = 1
"""FUSE_ROOT_ID (include/uapi/linux/fuse.h)."""

_OWN = 1 << 63
_COUNTED = 1 << 62
FIRST_VIRTUAL = _OWN | _COUNTED | 1 << 61
"""What lies above stands for no inode."""

_INO_BITS = 48
_ORDINAL_BITS = 14


class NodeNumbers:
    """Thread-safe. `identity`: bytes that tell an inode from those that had its number before."""

    def __init__(
        self,
        root: Attr,
        ordinal: Callable[[int], int | None] = lambda dev: None,
        ordinals: Callable[[], list[int]] = list,
    ) -> None:
        """`ordinal`: of the file system with this device number, if it has one. `ordinals`: all of them."""
        self._root = (root.dev, root.ino)
        self._lock = threading.Lock()
        self._ordinal = ordinal
        self._ordinals = ordinals
        self._last = 0
        self._foreign: dict[tuple[int, int], int] = {}
        self._later: dict[tuple[int, int], dict[bytes, int]] = {}
        self._incarnations: dict[int, tuple[int, int, bytes]] = {}

    def first(self, dev: int, ino: int) -> int:
        """The number of the inode unless it is a later incarnation."""
        if (dev, ino) == self._root:
            return ROOT
        if dev == self._root[0] and ROOT < ino < _OWN:
            return ino
        with self._lock:
            number = self._foreign.get((dev, ino))
            if number is None and ino >> _INO_BITS == 0 and (ordinal := self._ordinal(dev)) is not None:
                return _lasting(ordinal, ino)
            if number is None:
                number = self._foreign[dev, ino] = self._next()
            return number

    def of(self, dev: int, ino: int, identity: bytes | None = None) -> int:
        """The number of the inode; without its identity, that of the latest incarnation that is known."""
        later = self._later.get((dev, ino))
        if not later:
            return self.first(dev, ino)
        with self._lock:
            number = next(reversed(later.values()), None) if identity is None else later.get(identity)
        return self.first(dev, ino) if number is None else number

    def add_later(self, dev: int, ino: int, identity: bytes) -> int:
        """A number of its own for this incarnation, for as long as `forget_later` is not called."""
        with self._lock:
            later = self._later.setdefault((dev, ino), {})
            if identity not in later:
                later[identity] = number = self._next()
                self._incarnations[number] = (dev, ino, identity)
            return later[identity]

    def forget_later(self, number: int) -> None:
        """The incarnation with this number needs it no more; without effect on any other number."""
        with self._lock:
            found = self._incarnations.pop(number, None)
            if found is not None:
                dev, ino, identity = found
                later = self._later[dev, ino]
                del later[identity]
                if not later:
                    del self._later[dev, ino]

    def with_ino(self, ino: int) -> list[int]:
        """Every number that an inode with this inode number, of whatever device, may have here."""
        found = [self.first(self._root[0], ino)]
        if ino >> _INO_BITS == 0:
            found += [_lasting(ordinal, ino) for ordinal in self._ordinals()]
        if self._foreign or self._later:
            with self._lock:
                found += [number for (_, other), number in self._foreign.items() if other == ino]
                found += [
                    number
                    for (_, other), later in self._later.items()
                    if other == ino
                    for number in later.values()
                ]
        return found

    def _next(self) -> int:
        self._last += 1
        return _OWN | _COUNTED | self._last


def is_virtual(number: int) -> bool:
    """Whether there is no inode behind this number."""
    return number >= FIRST_VIRTUAL


def ordinal_of(number: int) -> int | None:
    """The ordinal of the file system in a number that outlives restarts; None for any other number."""
    if not number & _OWN or number & _COUNTED:
        return None
    return number >> _INO_BITS & ((1 << _ORDINAL_BITS) - 1)


def _lasting(ordinal: int, ino: int) -> int:
    return _OWN | ordinal << _INO_BITS | ino
