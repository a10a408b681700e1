"""Object Lock of the buckets of one store: the only place that says whether a version may go for good.

Whoever takes a version's last name, puts another in its place or moves it to another key asks
`require_removable` first, under the locks of its entry and of its key (`EntryLocks.share_tree`), under which
retentions and legal holds are set, too: so it is either gone when the lock comes, or protected by it.
"""

from __future__ import annotations

from collections.abc import Callable

from weka_mp.errors import ObjectLocked, PermissionRefused, StoreUnusable
from weka_mp.namespace.concealment import RECORD_XATTR
from weka_mp.namespace.records import codec
from weka_mp.namespace.records.values import Record
from weka_mp.namespace.retention_clock import RetentionClock
from weka_mp.namespace.walking import Unreachable, walk
from weka_mp.object_lock import ObjectLock, Protection, decode, protection
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["ObjectLocks"]


class ObjectLocks:
    """Those of one store. Thread-safe; several processes may have them open."""

    def __init__(self, store: Store, clock: RetentionClock) -> None:
        self._store = store
        self.clock = clock
        self._kept_of: Callable[[Fd], str | None] = lambda bucket: None
        self.anywhere: Callable[[], bool] = lambda: False
        """Whether some bucket may have Object Lock; cheap."""

    def ask(self, kept_of: Callable[[Fd], str | None], anywhere: Callable[[], bool]) -> None:
        """kept_of: what the settings keep of the bucket of a directory. Asked before each removal."""
        self._kept_of, self.anywhere = kept_of, anywhere

    def now_ns(self) -> int:
        """The time by which retentions end, in nanoseconds since the epoch. Raises StoreUnusable."""
        return self.clock.now_ns()

    def of(self, bucket: Fd) -> ObjectLock | None:
        """What is set of the bucket of this directory; None: it has no Object Lock. Raises StoreUnusable."""
        return self.parsed(self._kept_of(bucket)) if self.anywhere() else None

    @staticmethod
    def parsed(kept: str | None) -> ObjectLock | None:
        """The same from what a bucket's settings keep. Raises StoreUnusable."""
        try:
            return None if kept is None else decode(kept)
        except (ValueError, TypeError) as error:
            raise StoreUnusable("the Object Lock of a bucket cannot be read") from error

    def protecting(self, bucket: Fd, fd: Fd) -> Protection | None:
        """What protects the version behind `fd` (for a directory object: what its record is on) in this
        bucket; None: it may go. Raises StoreUnusable: its record cannot be read, and might say so.
        """
        if self.of(bucket) is None:
            return None
        return protection(self._record(fd), self.now_ns())

    def require_removable(self, bucket: Fd, fd: Fd, *, bypass: bool = False) -> None:
        """Before the version behind `fd` goes for good, or to another key. bypass: who asks may overcome
        governance. Raises ObjectLocked, StoreUnusable.
        """
        found = self.protecting(bucket, fd)
        if found is not None and not (bypass and found.bypassable):
            raise ObjectLocked(found)

    def require_tree_removable(self, bucket: Fd, path: bytes, most: int | None = None) -> None:
        """The same of every current version at and below a directory, by its path below the store's root.
        most: of how many files and directories, None: of any number. Raises ObjectLocked, PermissionRefused
        (there are more), StoreUnusable, NamespaceError (something of it cannot be looked at).
        """
        if self.of(bucket) is None:
            return
        for count, met in enumerate(walk(self._store, path)):
            if isinstance(met, Unreachable):
                raise met.error
            if most is not None and count >= most:
                raise PermissionRefused("too much lies below it to look whether all of it may go")
            self.require_removable(bucket, met.fd)

    def _record(self, fd: Fd) -> Record:
        """Without what lies in overflow files: the locks never do."""
        data = self._store.find_xattr(fd, RECORD_XATTR)
        if data is None:
            return Record()
        try:
            return codec.decode(data)
        except ValueError as error:
            raise StoreUnusable("the record of the version, which may have locked it, is damaged") from error
