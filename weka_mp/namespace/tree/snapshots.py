"""Directory listings for readdir: a position means the same in every listing of a directory, whatever
changes in it.

Names are listed in the order of a 62-bit hash and a position is the hash of the name it follows. So an
entry that stays is reported once and only once while others come and go, a listing can be taken again at
any time (nothing has to be kept for positions given out), and a server that opens the directory anew for
each page (NFS) goes on where it was.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator

__all__ = ["FIRST_POSITION", "Snapshot"]

FIRST_POSITION = 3
"""Positions below stand for the start (0) and for `.` and `..` (1, 2)."""


def _position(name: bytes) -> int:
    # off_t is signed, and 2 bits stay free for callers that keep positions in smaller signed fields.
    return (int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") >> 2) + FIRST_POSITION


class Snapshot:
    """The names of a directory at one moment, in listing order."""

    __slots__ = ("_names", "_positions")

    def __init__(self, names: Iterable[bytes]) -> None:
        ordered = sorted((_position(name), name) for name in names)
        self._names = [name for _, name in ordered]
        self._positions = array("Q")
        last = 0
        for position, _ in ordered:
            last = max(position, last + 1)  # equal hashes: once in 10^18 pairs
            self._positions.append(last)

    def __len__(self) -> int:
        return len(self._names)

    def after(self, position: int) -> Iterator[tuple[bytes, int]]:
        """(name, position after it) of everything that follows `position`."""
        start = bisect_right(self._positions, position)
        for index in range(start, len(self._names)):
            yield self._names[index], self._positions[index]

    @property
    def end(self) -> int:
        """The position after the last name; 2 when there is none."""
        return self._positions[-1] if self._names else FIRST_POSITION - 1
