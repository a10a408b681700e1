"""Retentions and legal holds of versions: setting them, under the locks under which versions are removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from weka_mp.errors import ObjectLocked, ObjectLockMissing
from weka_mp.namespace.context import Context
from weka_mp.namespace.objects.amending import change_record
from weka_mp.namespace.objects.versions import parsed
from weka_mp.namespace.records.attribute import Record
from weka_mp.namespace.values import Done
from weka_mp.object_lock import ObjectLock, Protection, Retention, may_replace
from weka_mp.values import BucketName, Fd

__all__ = ["Locking"]


class Locking:
    """Object Lock of one namespace, as S3 asks for it. contexts: by whom a bucket's data is asked."""

    __slots__ = ("_contexts",)

    def __init__(self, contexts: Callable[[BucketName], Context]) -> None:
        self._contexts = contexts

    def of(self, bucket: BucketName) -> ObjectLock | None:
        """What is set of the bucket; None: it has no Object Lock. Raises BucketMissing, StoreUnusable."""
        context = self._contexts(bucket)
        with context.bucket(bucket) as fd:
            return context.object_locks.of(fd)

    def require(self, bucket: BucketName) -> ObjectLock:
        """The same of a bucket that must have it. Raises ObjectLockMissing, BucketMissing, StoreUnusable."""
        lock = self.of(bucket)
        if lock is None:
            raise ObjectLockMissing(subject=bucket)
        return lock

    def now_ns(self, bucket: BucketName) -> int:
        """The time by which retentions end, in nanoseconds since the epoch."""
        return self._contexts(bucket).object_locks.now_ns()

    def retain(
        self, bucket: BucketName, key: bytes, version: str | None, retention: Retention | None, *,
        bypass: bool,
    ) -> Done:
        """Give a version this retention, None: none; on the disk when this returns. version: as S3 shows it,
        None: the current one. bypass: who asks may overcome governance.

        Raises ObjectLocked (it protects more than that), ObjectLockMissing, BucketMissing, NotFound, NoSpace,
        VersionMissing, DeleteMarkerMet.
        """
        now_ns = self.now_ns(bucket)

        def retained(record: Record, fd: Fd) -> Record:
            old = record.retention
            if old is not None and not may_replace(old, retention, now_ns, bypass=bypass):
                raise ObjectLocked(Protection(old.mode, old.until_ns), subject=key)
            return replace(record, retention=retention)

        return self._change(bucket, key, version, retained)

    def hold(self, bucket: BucketName, key: bytes, version: str | None, held: bool) -> Done:
        """Set or lift a version's legal hold; on the disk when this returns. Raises as `retain`."""
        return self._change(bucket, key, version, lambda record, fd: replace(record, legal_hold=held))

    def _change(
        self, bucket: BucketName, key: bytes, version: str | None, change: Callable[[Record, Fd], Record]
    ) -> Done:
        self.require(bucket)
        wanted = None if version is None else parsed(version, key)
        return change_record(self._contexts(bucket), bucket, key, change, wanted)
