"""What was set of a bucket besides who may use it: ``.weka/buckets/<identity>.settings``.

The record goes by the directory's identity (`bucket_identity`) and counts for the directory alone whose file
handle it holds: a bucket that is renamed keeps its settings, a copied directory or one made again has none.
Nothing of it lies with the directory, where whoever may write there could change it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgpack

from weka_mp.bucket_names import is_bucket_name
from weka_mp.errors import BucketStateRefused, NotFound, NotSupported, StoreUnusable
from weka_mp.namespace.bucket_identity import bucket_handle, bucket_identity
from weka_mp.namespace.buckets.kept_records import KeptRecords, seal, unseal
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import ControlFiles
from weka_mp.namespace.versions.histories import ENABLED
from weka_mp.values import Attr, BucketName, Fd

__all__ = [
    "NO_SETTINGS", "BucketSettings", "SettingsRecords", "decode", "encode", "require_lasting_lock",
]  # fmt: skip

_MAGIC: Final = b"WKS1"
_MOST_IDENTIFIED: Final = 4096
_SUFFIX: Final = b".settings"
_HANDLE: Final = 1
_NUMBERS: Final = {
    "quota": 2, "posix": 3, "tags": 4, "lifecycle": 5, "cors": 6, "versioning": 7,
    "object_lock": 8, "notifications": 12, "website": 13, "logging": 20, "mount_versions": 21,
}  # fmt: skip
"""Setting → number of its field."""

_PAIRS: Final = "tags"
_NEEDS_VERSIONS: Final = (
    "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
)
_KEEPS_VERSIONS: Final = (
    "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
)
_NO_HANDLES: Final = (
    "The file system of the bucket gives no file handles, without which a later directory could not be told "
    "from this bucket."
)


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """Of one bucket; what was never set has the value that is the default here.

    quota: bytes that it may hold, None: as many as there is room for. posix: whether the modes of files bind
    S3 users, None: as the service's option says. tags: of the bucket, (key, value), in the order in which
    they were put. lifecycle, cors, notifications: the rules of each, None: there are none. versioning:
    ENABLED or SUSPENDED (`weka_mp.namespace.versions.histories`), None: it never was. object_lock: what is
    set of it (`weka_mp.object_lock.decode`), None: the bucket has none. website: what it is as one, None: it
    is none. logging: where its log goes (`weka_mp.bucket_log_rules`), None: it keeps none. mount_versions:
    whether what mounts replace or remove becomes a version, None: as each mount is told.
    """

    quota: int | None = None
    posix: bool | None = None
    tags: tuple[tuple[str, str], ...] = ()
    lifecycle: str | None = None
    cors: str | None = None
    versioning: str | None = None
    object_lock: str | None = None
    website: str | None = None
    notifications: str | None = None
    logging: str | None = None
    mount_versions: bool | None = None


NO_SETTINGS: Final = BucketSettings()


def require_lasting_lock(before: BucketSettings, after: BucketSettings) -> None:
    """Before settings are replaced by others: Object Lock is never lost again, and needs versions as long.
    Raises BucketStateRefused.
    """
    if before.object_lock is not None and after.object_lock is None:
        raise BucketStateRefused("Object Lock of a bucket cannot be disabled.")
    if after.object_lock is None or after.versioning == ENABLED:
        return
    if before.object_lock is None:
        raise BucketStateRefused(_NEEDS_VERSIONS)
    raise BucketStateRefused(_KEEPS_VERSIONS)


def encode(handle: bytes, settings: BucketSettings) -> bytes:
    """The record. What was never set has no field."""
    fields: dict[int, Any] = {_HANDLE: handle}
    for name, number in _NUMBERS.items():
        value = getattr(settings, name)
        if value != getattr(NO_SETTINGS, name):
            fields[number] = [list(pair) for pair in value] if name == _PAIRS else value
    return seal(_MAGIC, bytes(msgpack.packb(fields)))


def decode(data: bytes) -> tuple[bytes, BucketSettings]:
    """Whose it is, and what was set. Raises StoreUnusable: damaged, or of a later version; a limit that is
    not understood must not be passed over.
    """
    fields = msgpack.unpackb(unseal(_MAGIC, data, "settings"), strict_map_key=False)
    if not set(fields) <= {_HANDLE, *_NUMBERS.values()}:
        raise StoreUnusable("the record of a bucket's settings was written by a later version")
    found = {name: fields[number] for name, number in _NUMBERS.items() if number in fields}
    if _PAIRS in found:
        found[_PAIRS] = tuple((key, value) for key, value in found[_PAIRS])
    return fields[_HANDLE], BucketSettings(**found)


class _Known(NamedTuple):
    """The name of a bucket's record and its handle (empty: there is none), and the times of the store's root
    when they were asked for.
    """

    stamp: tuple[int, int]
    name: bytes
    handle: bytes


class SettingsRecords:
    """The records of one store. Thread-safe; several processes may have them open."""

    def __init__(self, context: Context, registry: ControlFiles) -> None:
        self._context = context
        self._store = context.store
        self._registry = registry
        self._records = KeptRecords(context, registry, NO_SETTINGS, encode, decode)
        self._seen: dict[str, tuple[tuple[int, int], bool]] = {}
        self._identified: dict[tuple[int, int], _Known] = {}

    def close(self) -> None:
        """Give back the descriptors."""
        self._records.close()

    def of_directory(self, bucket: Fd) -> BucketSettings:
        """What is set now of the bucket of this directory; the same value as long as the record is the same.
        Raises StoreUnusable (damaged), NamespaceError.
        """
        if not self._has("any", _is_record):
            return NO_SETTINGS  # where nobody ever set anything, the question costs a look at one directory
        return self._of(self._known_as(self._store.attr(bucket)) or self._identify(bucket))

    def find(self, bucket: BucketName) -> BucketSettings:
        """The same by its name. Raises BucketMissing, StoreUnusable (damaged), NamespaceError."""
        if is_bucket_name(bucket) and self._has("any", _is_record):
            with suppress(NotFound):
                known = self._known_as(self._store.attr_at(self._store.root(), bucket.encode()))
                if known is not None:
                    return self._of(known)
        with self._context.bucket(bucket) as fd:
            return self.of_directory(fd)

    def _of(self, known: _Known) -> BucketSettings:
        return self._records.of(known.name, known.handle) if known.handle else NO_SETTINGS

    def _known_as(self, attr: Attr) -> _Known | None:
        """Whose record a directory's is, as it was found out before; None: not since a name at the store's
        root changed, which another directory with its inode number may have by now.
        """
        known = self._identified.get((attr.dev, attr.ino))
        return known if known is not None and known.stamp == self._root_stamp() else None

    def _identify(self, bucket: Fd) -> _Known:
        stamp, asked_ns = self._root_stamp(), self._context.clock.now_ns()
        handle = bucket_handle(self._store, bucket)
        known = _Known(stamp, self._name(bucket) if handle else b"", handle)
        grain = self._store.primitives.change_grain_ns
        if grain == 0 or asked_ns - stamp[0] > grain:
            if len(self._identified) >= _MOST_IDENTIFIED:
                self._identified.clear()
            attr = self._store.attr(bucket)
            self._identified[attr.dev, attr.ino] = known
        return known

    def _root_stamp(self) -> tuple[int, int]:
        attr = self._store.attr(self._store.root())
        return attr.mtime_ns, attr.ctime_ns

    def lifecycle(self, bucket: BucketName) -> str | None:
        """What is set of it, as `find` says, but where nothing is set of any bucket: None then, and nobody
        asked whether there is this one.
        """
        return self.find(bucket).lifecycle if self._has("any", _is_record) else None

    def versioning(self, bucket: BucketName) -> str | None:
        """The same of its versions."""
        return self.find(bucket).versioning if self._has("any", _is_record) else None

    def logging(self, bucket: BucketName) -> str | None:
        """The same of its log."""
        return self.find(bucket).logging if self._has("any", _is_record) else None

    def any_set(self) -> bool:
        """Whether anything is set of any bucket, maybe of one that is gone. Raises NamespaceError."""
        return self._has("any", _is_record)

    def notifications(self, bucket: BucketName) -> str | None:
        """Whom the bucket notifies of what, None: nobody; and nobody asked whether there is such a bucket
        where none notifies anybody.
        """
        return self.find(bucket).notifications if self.any_notifies() else None

    def any_notifies(self) -> bool:
        """Whether some bucket notifies somebody; one whose record is damaged may. Raises NamespaceError."""
        return self._has("notifies", self._notifies)

    def _notifies(self, name: bytes) -> bool:
        return self._is_set(name, lambda settings: settings.notifications is not None)

    def any_posix(self) -> bool:
        """Whether modes bind S3 users by what is set of some bucket, maybe of one that is gone. Raises
        NamespaceError.
        """
        return self._has("posix", self._is_posix)

    def _has(self, what: str, is_one: Callable[[bytes], bool]) -> bool:
        """Whether a record is one of these, by its name; looked at anew when a record of any bucket changed.

        what: by which the answer is kept.
        """
        directory = self._registry.directory
        attr = self._store.attr(directory)
        stamp = (attr.mtime_ns, attr.ctime_ns)
        seen = self._seen.get(what)
        if seen is not None and seen[0] == stamp:
            return seen[1]
        asked_ns = self._context.clock.now_ns()
        found = any(is_one(entry.name) for entry in self._store.entries(directory))
        grain = self._store.primitives.change_grain_ns
        # A change so soon after the last one could have the same time.
        if grain == 0 or asked_ns - attr.mtime_ns > grain:
            self._seen[what] = stamp, found
        return found

    def _is_posix(self, name: bytes) -> bool:
        return self._is_set(name, lambda settings: bool(settings.posix))

    def _is_set(self, name: bytes, wanted: Callable[[BucketSettings], bool]) -> bool:
        if not _is_record(name):
            return False
        try:
            read = self._records.read(name)
        except StoreUnusable:
            return True  # which of its bucket is to be told
        return read is not None and wanted(read[1])

    def change(
        self, bucket: BucketName, step: Callable[[BucketSettings], BucketSettings]
    ) -> BucketSettings:
        """Replace what is set by what `step` makes of it; that. In force everywhere, and durable, when this
        returns.

        Raises what `step` raises, BucketMissing, NotSupported (on this file system the bucket could not be
        told from a later one), StoreUnusable (damaged: nothing is written), NamespaceError.
        """
        with self._context.bucket(bucket) as fd:
            handle = bucket_handle(self._store, fd)
            if not handle:
                raise NotSupported(_NO_HANDLES)
            name = self._name(fd)
            with self._records.exclusive(name):
                return self._records.change(name, handle, step)

    def forget(self, identity: int) -> None:
        """The directory of this identity is gone, or is no bucket any more: nothing is set of it."""
        name = _name(identity)
        if self._records.is_there(name):
            with self._records.exclusive(name):
                self._records.remove(name)

    def _name(self, bucket: Fd) -> bytes:
        return _name(bucket_identity(self._store, bucket))


def _is_record(name: bytes) -> bool:
    return name.endswith(_SUFFIX)


def _name(identity: int) -> bytes:
    return b"%d%s" % (identity, _SUFFIX)
