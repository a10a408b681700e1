"""Version ids, and the names of the files that hold versions which are not the current one. Pure.

An id is 16 bytes: when the version was made (8, nanoseconds since the epoch) and 8 random ones; S3 shows 32
hex digits. The version of a file without one is ``null``. The name of a noncurrent version is its place among
those of its key (16 hex digits, higher is newer) and its id; delete markers end in ``.d``
(docs/STORAGE_FORMAT.md).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from weka_mp.clock import RandomSource

__all__ = ["NULL", "NULL_SHOWN", "Kept", "made_at", "new_version", "parse_entry", "parse_version", "shown"]

NULL: Final = b""
"""The version of a file that has none of its own."""

NULL_SHOWN: Final = "null"
VERSION_BYTES: Final = 16
_ENTRY = re.compile(rb"\.weka~v([0-9a-f]{16})-(null|[0-9a-f]{32})(\.d)?\Z")
_ID = re.compile(r"[0-9a-f]{32}\Z")
_LAST: Final = (1 << 63) - 1


class Kept(NamedTuple):
    """A noncurrent version by its name. `order`: higher is newer among those of one key."""

    order: int
    version: bytes
    marker: bool

    @property
    def name(self) -> bytes:
        """Of its file in the history of its key."""
        version = shown(self.version).encode()
        return b".weka~v%016x-%s%s" % (self.order, version, b".d" if self.marker else b"")


def parse_entry(name: bytes) -> Kept | None:
    """None: the name of something else."""
    found = _ENTRY.match(name)
    if found is None:
        return None
    version = NULL if found[2] == b"null" else bytes.fromhex(found[2].decode())
    return Kept(int(found[1], 16), version, found[3] is not None)


def new_version(now_ns: int, random: RandomSource) -> bytes:
    """An id that no other version has."""
    return min(max(now_ns, 0), _LAST).to_bytes(8, "big") + bytes.fromhex(random.token(8))


def made_at(version: bytes) -> int:
    """When it was made, in nanoseconds since the epoch; 0 for ``null``."""
    return int.from_bytes(version[:8], "big")


def shown(version: bytes) -> str:
    """As S3 shows it."""
    return version.hex() if version else NULL_SHOWN


def parse_version(text: str) -> bytes:
    """The id behind what S3 shows. Raises ValueError for what no version can be called."""
    if text == NULL_SHOWN:
        return NULL
    if _ID.match(text) is None:
        raise ValueError("no version id")
    return bytes.fromhex(text)
