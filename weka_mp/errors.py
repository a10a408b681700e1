"""What can go wrong in the namespace and below, by meaning. Knows neither errno nor HTTP: each view maps it
in one place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weka_mp.object_lock import Protection
    from weka_mp.values import Change

__all__ = [
    "UNWRITABLE",
    "AccessDenied",
    "AttributeTooLarge",
    "BucketExists",
    "BucketMissing",
    "BucketNotEmpty",
    "BucketStateRefused",
    "Busy",
    "Conflict",
    "CrossDevice",
    "DeleteMarkerMet",
    "Exists",
    "FileTooLarge",
    "Interrupted",
    "InvalidArgument",
    "InvalidName",
    "InvalidPart",
    "InvalidPartOrder",
    "IoFailure",
    "IsDirectory",
    "KeyConflict",
    "Loop",
    "NameTooLong",
    "NamespaceError",
    "NoAttribute",
    "NoSpace",
    "NotDirectory",
    "NotEmpty",
    "NotFound",
    "NotSupported",
    "ObjectChanged",
    "ObjectLockMissing",
    "ObjectLocked",
    "OutOfResources",
    "PartTooSmall",
    "PermissionRefused",
    "PreconditionFailed",
    "QuotaExceeded",
    "ReadOnly",
    "ReservedName",
    "Stale",
    "StoreUnusable",
    "TokenReused",
    "TooManyLinks",
    "UploadMissing",
    "VersionMissing",
    "WouldBlock",
]


class NamespaceError(Exception):
    """Base of all domain errors. `subject` names what it is about (a key, a name), as bytes or text, for
    messages. `changes`: what became visible before the operation failed; the mounts must be told of it.
    """

    def __init__(self, message: str = "", *, subject: bytes | str = b"") -> None:
        super().__init__(message or self.__class__.__doc__ or self.__class__.__name__)
        self.subject = subject
        self.changes: tuple[Change, ...] = ()


class NotFound(NamespaceError):
    """No such name or object."""


class Exists(NamespaceError):
    """The name is taken."""


class NotDirectory(NamespaceError):
    """A component of the path is not a directory."""


class IsDirectory(NamespaceError):
    """The name is a directory."""


class NotEmpty(NamespaceError):
    """The directory is not empty."""


class NameTooLong(NamespaceError):
    """A name or path is longer than the file system holds."""


class InvalidName(NamespaceError):
    """The name cannot exist."""


class ReservedName(NamespaceError):
    """The name belongs to weka_mp's own control area or staging and cannot be made, seen or opened."""


class InvalidArgument(NamespaceError):
    """An argument is outside what the operation allows."""


class Loop(NamespaceError):
    """Too many symbolic links, or one where none is followed."""


class PermissionRefused(NamespaceError):
    """The operation is not permitted on this inode (EPERM class)."""


class AccessDenied(NamespaceError):
    """The file system's permission bits refuse the access (EACCES class)."""


class ReadOnly(NamespaceError):
    """The file system is read-only."""


class NoSpace(NamespaceError):
    """The file system is full."""


class QuotaExceeded(NamespaceError):
    """A quota is exhausted."""


UNWRITABLE = (ReadOnly, NoSpace, QuotaExceeded)
"""What a store says that can be read and not be written now: no reason to refuse anybody who reads."""


class FileTooLarge(NamespaceError):
    """The file would exceed what the file system holds."""


class Busy(NamespaceError):
    """The resource is in use."""


class WouldBlock(NamespaceError):
    """The operation would have to wait (a lock, a lease)."""


class CrossDevice(NamespaceError):
    """Source and destination lie on different file systems."""


class TooManyLinks(NamespaceError):
    """The inode has as many links as the file system allows."""


class NoAttribute(NamespaceError):
    """The extended attribute is not there."""


class AttributeTooLarge(NamespaceError):
    """The extended attribute does not fit on this file system."""


class NotSupported(NamespaceError):
    """The file system or this service does not offer the operation."""


class OutOfResources(NamespaceError):
    """Out of descriptors or memory."""


class Interrupted(NamespaceError):
    """Signals interrupted the call, however often it was made again."""


class Stale(NamespaceError):
    """The file handle refers to nothing any more."""


class IoFailure(NamespaceError):
    """The storage below failed; the cause is chained."""


class StoreUnusable(NamespaceError):
    """The directory cannot serve as a store (no xattrs, a newer format, not a directory)."""


class BucketMissing(NamespaceError):
    """No such bucket."""


class BucketExists(NamespaceError):
    """The bucket exists already."""


class BucketNotEmpty(NamespaceError):
    """The bucket still holds objects."""


class BucketStateRefused(NamespaceError):
    """What is set of the bucket does not let this be set of it."""


class ObjectLockMissing(NamespaceError):
    """The bucket has no Object Lock."""


class ObjectLocked(NamespaceError):
    """The version may not go, or its lock not be loosened. `protection`: by what it is kept."""

    def __init__(self, protection: Protection, *, subject: bytes | str = b"") -> None:
        super().__init__("The version is protected by Object Lock.", subject=subject)
        self.protection = protection


class KeyConflict(NamespaceError):
    """`a` and `a/b` cannot both be objects here, or the name is taken by something that is no object."""


class PreconditionFailed(NamespaceError):
    """A condition of the request does not hold. `condition` is the header's name, e.g. ``If-Match``."""

    def __init__(self, condition: str, *, subject: bytes | str = b"") -> None:
        super().__init__("A condition of the request does not hold.", subject=subject)
        self.condition = condition


class Conflict(NamespaceError):
    """A concurrent writer interfered while a conditional write was under way."""


class ObjectChanged(NamespaceError):
    """The object changed while it was read or copied. Please try again."""


class VersionMissing(NamespaceError):
    """The key has no version of this id. `version`: the id as S3 shows it."""

    def __init__(self, message: str = "", *, version: str, subject: bytes | str = b"") -> None:
        super().__init__(message, subject=subject)
        self.version = version


class DeleteMarkerMet(NamespaceError):
    """What was asked for is a delete marker. `version`: its id as S3 shows it; `mtime_ns`: when it was made,
    since the epoch; `named`: it was asked for by its id, else it is the latest of its key.
    """

    def __init__(self, version: str, mtime_ns: int, *, named: bool, subject: bytes | str = b"") -> None:
        super().__init__("The key's version is a delete marker.", subject=subject)
        self.version = version
        self.mtime_ns = mtime_ns
        self.named = named


class UploadMissing(NamespaceError):
    """No such multipart upload."""


class InvalidPart(NamespaceError):
    """A part named on completion was never uploaded, or its ETag or checksum differs."""


class InvalidPartOrder(NamespaceError):
    """The parts named on completion are not in ascending order."""


class PartTooSmall(NamespaceError):
    """A part other than the last is below the minimum size."""


class TokenReused(NamespaceError):
    """A client token came with other parameters than before."""
