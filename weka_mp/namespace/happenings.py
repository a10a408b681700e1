"""What happened to objects, as their buckets' notifications tell it; and who is told of what mounts do.

`sequence` orders what happened to one key. It is the time in ns, drawn where nobody else can change the name
(under the lock of its entry), so that of two happenings the later one has the larger number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from weka_mp.values import BucketName

__all__ = [
    "COPIED", "EXPIRED", "EXPIRY_MARKED", "MARKED", "PUT", "REMOVED", "TEST", "Asker",
    "Happening", "Happenings", "MovedTree", "Watcher",
]  # fmt: skip

PUT, COPIED = "ObjectCreated:Put", "ObjectCreated:Copy"
REMOVED, MARKED = "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated"
EXPIRED, EXPIRY_MARKED = "LifecycleExpiration:Delete", "LifecycleExpiration:DeleteMarkerCreated"
TEST = "TestEvent"
"""Told to a target when a bucket begins to name it."""


@dataclass(frozen=True, slots=True)
class Happening:
    """event: without its ``s3:``. size in bytes and etag (without quotes): None where there is none, or it is
    not known. version: its id, or that of a delete marker, None in buckets without. to: the target, whatever
    the bucket's rules say.
    """

    event: str
    bucket: BucketName
    key: bytes
    sequence: int
    size: int | None = None
    etag: str | None = None
    version: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class MovedTree:
    """A directory that was moved with all in it: every object below has another key. Keys end in a slash, and
    are empty for what has none (it is no bucket's).
    """

    bucket: BucketName
    prefix: bytes
    to_bucket: BucketName
    to_prefix: bytes
    sequence: int


Happenings = tuple[Happening | MovedTree, ...]
"""What one request did, to be told before it is answered."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose doing it was. source: ``s3``, ``posix`` or ``lifecycle``. user: what the receiver is told of who
    asked; remote: their address, empty where there is none.
    """

    source: str
    user: str = ""
    remote: str = ""
    request_id: str = ""
    host_id: str = ""


class Watcher(Protocol):
    """Told of what callers of a mount do, by paths below the store's root; at_ns is a sequence, see above.

    Thread-safe; never raises.
    """

    def any(self) -> bool:
        """Whether it wants to be told: all that a call costs while it does not."""

    def changing(self, number: int, path: bytes) -> None:
        """A file is about to be written; `settled` follows unless this process dies. number: of its node.
        Again when it is renamed meanwhile.
        """

    def settled(self, number: int) -> None:
        """It is closed, and `written` was told, if it still has a name."""

    def written(self, path: bytes, at_ns: int, size: int, etag: str | None, uid: int | None) -> None:
        """A file was closed after it was changed, or has this name now."""

    def removed(self, path: bytes, at_ns: int) -> None:
        """A file lost this name."""

    def moved_directory(self, path: bytes, to_path: bytes, at_ns: int) -> None:
        """A directory was renamed with all in it."""
