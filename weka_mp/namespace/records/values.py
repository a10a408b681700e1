"""What S3 knows of a file beyond its bytes, as values: the object record and its pieces. Pure."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from weka_mp.acl import Acl
from weka_mp.object_lock import Retention
from weka_mp.values import Attr, ETag, Stamp

__all__ = [
    "DIRECTORY_KEPT",
    "DIRECTORY_MADE",
    "NO_HEADERS",
    "NO_OVERFLOW",
    "ContentHeaders",
    "KeptAcl",
    "Overflow",
    "PartChecksums",
    "PartSizes",
    "Record",
    "derived_etag",
]

DIRECTORY_KEPT, DIRECTORY_MADE = 1, 2


@dataclass(frozen=True, slots=True)
class ContentHeaders:
    """The headers that S3 stores with an object and sends back as they were; None: never given."""

    content_type: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    expires: str | None = None
    website_redirect: str | None = None


NO_HEADERS = ContentHeaders()


@dataclass(frozen=True, slots=True)
class PartSizes:
    """Sizes in bytes of a multipart object's parts in order, as runs (count, size)."""

    runs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, sizes: list[int]) -> PartSizes:
        """Run-length coded: 9,999 equal parts and a shorter last one take two runs."""
        runs: list[tuple[int, int]] = []
        for size in sizes:
            if runs and runs[-1][1] == size:
                runs[-1] = (runs[-1][0] + 1, size)
            else:
                runs.append((1, size))
        return cls(tuple(runs))

    @property
    def count(self) -> int:
        return sum(count for count, _ in self.runs)

    def locate(self, number: int) -> tuple[int, int] | None:
        """(offset, size) in bytes of part `number` (from 1); None when there is no such part."""
        offset, seen = 0, 0
        for count, size in self.runs:
            if number <= seen + count:
                return (offset + (number - seen - 1) * size, size) if number > seen else None
            offset, seen = offset + count * size, seen + count
        return None


@dataclass(frozen=True, slots=True)
class PartChecksums:
    """The checksums of a multipart object's parts in order: all of one algorithm, their digests joined."""

    algorithm: str
    digests: bytes

    def shown(self, number: int, count: int) -> str:
        """That of part `number` (from 1) of `count` in base64, as S3 shows it."""
        size = len(self.digests) // count
        return b64encode(self.digests[(number - 1) * size : number * size]).decode("ascii")


@dataclass(frozen=True, slots=True)
class KeptAcl:
    """An object's ACL, and where alone it counts: in the bucket of this identity, of the file of this inode.

    So a record that was copied along with a file, or moved to another bucket, grants nothing there.
    """

    bucket: int
    ino: int
    acl: Acl


class Overflow(NamedTuple):
    """The overflow files that a record refers to, by their SHA-256 (32 bytes; empty: everything is inline).

    `metadata` holds content headers, user metadata, tags and the ACL, `content` checksums and part sizes,
    which are void together with the ETag.
    """

    metadata: bytes = b""
    content: bytes = b""


NO_OVERFLOW = Overflow()


@dataclass(frozen=True, slots=True)
class Record:
    """One object's record. `etag` and `checksums` describe the content that `stamp` names and are void
    otherwise.

    `salt` makes derived ETags of different contents differ although size, time and inode may be set to be
    alike. `checksums`: algorithm name → the value S3 shows (base64, ``-N`` behind a composite one).
    `overflow` says which of it lay in files of their own when it was read; writing it decides anew.
    `directory`: 0 for a file, DIRECTORY_KEPT or DIRECTORY_MADE for the object `a/` (whether the directory was
    there before the key was put). `modified_ns`: when S3 last replaced what it keeps beside the bytes, 0 for
    never since they were written. `version`: its id (16 bytes), empty for the version ``null``. `retention`
    and `legal_hold` count in a bucket with Object Lock alone; None: nothing was ever said of it.
    """

    stamp: Stamp | None = None
    etag: str | None = None
    salt: bytes = b""
    checksums: Mapping[str, str] = field(default_factory=dict)
    checksum_type: str | None = None
    headers: ContentHeaders = NO_HEADERS
    user: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    parts: PartSizes | None = None
    directory: int = 0
    modified_ns: int = 0
    part_checksums: PartChecksums | None = None
    version: bytes = b""
    acl: KeptAcl | None = None
    retention: Retention | None = None
    legal_hold: bool | None = None
    extra: Mapping[int, Any] = field(default_factory=dict)
    overflow: Overflow = field(default=NO_OVERFLOW, compare=False)

    def own_acl(self, ino: int) -> KeptAcl | None:
        """The ACL of the file of this inode; None also for one that came along with another's record."""
        return self.acl if self.acl is not None and self.acl.ino == ino else None

    def describes(self, attr: Attr) -> bool:
        """Whether the ETag is that of content with these attributes (marks of writers are another
        question).
        """
        stamp = self.stamp
        return (
            self.etag is not None
            and stamp is not None
            and stamp.size == attr.size
            and stamp.mtime_ns == attr.mtime_ns
            and stamp.ino == attr.ino
        )

    def voided(self, salt: bytes) -> Record:
        """The same metadata with nothing said of the content."""
        return replace(
            self,
            stamp=None,
            etag=None,
            checksums={},
            checksum_type=None,
            parts=None,
            part_checksums=None,
            salt=salt,
            overflow=self.overflow._replace(content=b""),
        )


def derived_etag(stamp: Stamp, salt: bytes) -> ETag:
    """The dashed tag of content known only by its stamp. ``-0`` is no part count S3 could give."""
    text = b"%d,%d,%d," % (stamp.ino, stamp.size, stamp.mtime_ns)
    return ETag(hashlib.md5(text + salt, usedforsecurity=False).hexdigest() + "-0")
