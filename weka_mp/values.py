"""Values that every room speaks: identities, attributes and stamps. A leaf: imports nothing of the
project.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, NewType

__all__ = [
    "Attr", "BucketName", "Change", "ETag", "Fd", "InodeNo", "ObjectKey", "Stamp", "UploadId", "bounded_time",
]

# What one integer of msgpack holds: September 1677 to July 2554. ext4 ends in 2446, XFS in 2486.
_FIRST_NS = -(1 << 63)
_LAST_NS = (1 << 64) - 1

InodeNo = NewType("InodeNo", int)
"""The backing file system's inode number; it is the mount's node number too."""

Fd = NewType("Fd", int)
"""A descriptor of the store that handed it out (a POSIX descriptor, or the memory store's own number)."""

BucketName = NewType("BucketName", str)
ObjectKey = NewType("ObjectKey", bytes)
"""An S3 key as UTF-8 bytes, never empty, at most 1,024 bytes."""

ETag = NewType("ETag", str)
"""An entity tag without quotes: 32 hex digits (MD5), hex-N (multipart) or a dashed derived tag."""

UploadId = NewType("UploadId", str)


def bounded_time(time_ns: int) -> int:
    """The nearest time (ns since the epoch) that records and dates can name: tmpfs and btrfs keep others."""
    return time_ns if _FIRST_NS <= time_ns <= _LAST_NS else max(_FIRST_NS, min(time_ns, _LAST_NS))


class Attr(NamedTuple):
    """What stat(2) tells of one inode; times in nanoseconds since the epoch, bounded, `blocks` of 512 bytes.

    A tuple, not a dataclass: one is made for every name of a listing, and a frozen dataclass costs three
    times as much.
    """

    dev: int
    ino: InodeNo
    mode: int
    nlink: int
    uid: int
    gid: int
    rdev: int
    size: int
    blocks: int
    blksize: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a record says it describes. A file whose attributes differ has a void ETag (docs/SEMANTICS.md,
    3).
    """

    size: int
    mtime_ns: int
    ino: InodeNo

    @classmethod
    def of(cls, attr: Attr) -> Stamp:
        """The stamp that content seen with these attributes gets."""
        return cls(attr.size, attr.mtime_ns, attr.ino)


@dataclass(frozen=True, slots=True)
class Change:
    """One directory entry that changed its meaning: what a kernel may have cached about it is void.

    `old` is the inode the name led to before (None: the name was new), in `parent` under `name`. For a chain
    of directories made or removed only the topmost is named. `name` b"" says that only the inode `old`
    changed.
    """

    parent: InodeNo
    name: bytes
    old: InodeNo | None
