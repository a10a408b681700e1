"""What the background process does for the namespace: filling in ETags, sweeping, checking, expiring."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from weka_mp.errors import StoreUnusable
from weka_mp.lifecycle import Rule, decode
from weka_mp.namespace.buckets.settings import SettingsRecords
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import NEW_PREFIX, ControlArea, remove_older
from weka_mp.namespace.objects.idempotency import Tokens
from weka_mp.namespace.objects.listing import Lister
from weka_mp.namespace.objects.rename_notes import TOKEN_LIFE_NS
from weka_mp.namespace.upkeep import expiring, filling, sweeping
from weka_mp.namespace.upkeep.checking import Check, Repairs
from weka_mp.namespace.upkeep.expiring import Age, Cursor, ExpiredPage
from weka_mp.namespace.upkeep.expiring_versions import ExpiredVersions, expire_versions
from weka_mp.namespace.upkeep.filling import FillReport
from weka_mp.namespace.upkeep.thawed import freeze_thawed
from weka_mp.namespace.uploads.area import UploadArea
from weka_mp.namespace.uploads.expiring import abort_due
from weka_mp.namespace.values import BucketInfo
from weka_mp.values import BucketName

__all__ = ["Housekeeping"]


class Housekeeping:
    """The part of `weka_mp.namespace.facade.Namespace` that no request asks for."""

    context: Context
    _area: ControlArea
    _lister: Lister
    _uploads: UploadArea
    _tokens: Tokens
    settings_records: SettingsRecords

    def list_buckets(self) -> list[BucketInfo]:
        """All buckets by name."""
        raise NotImplementedError

    def fill(
        self, bucket: BucketName, prefix: bytes = b"", *, stop: Callable[[], bool] = lambda: False
    ) -> FillReport:
        """Give files that POSIX wrote their MD5 ETags. Raises BucketMissing."""
        return filling.fill_bucket(self.context, bucket, prefix, stop)

    def fill_paths(self, paths: Iterable[bytes], *, stop: Callable[[], bool] = lambda: False) -> FillReport:
        """The same for single files, by their paths relative to the store's root."""
        return filling.fill_paths(self.context, paths, stop)

    def sweep(self, before_ns: int) -> int:
        """Remove what was staged before that time and never published. Returns how many files."""
        sweeping.sweep_root(self.context.store, self.context.store.root(), before_ns)
        area = self._area
        self._tokens.notes.expire(self.context.clock.now_ns() - TOKEN_LIFE_NS)
        staged = sum(
            remove_older(self.context.store, directory, before_ns, NEW_PREFIX)
            for _, directory in area.of_single_files()
        )
        return staged + remove_older(self.context.store, area.spool, before_ns)

    def sweep_far_buckets(self, before_ns: int, *, stop: Callable[[], bool] = lambda: False) -> int:
        """Remove what was staged before that time in buckets that are mount points. Returns how many."""
        names = [info.name for info in self.list_buckets()]
        return sweeping.sweep_far_buckets(self.context, names, before_ns, stop)

    def sweep_overflow(self, *, stop: Callable[[], bool] = lambda: False) -> int:
        """Remove overflow files that no record has named for long. Returns how many."""
        return sweeping.sweep_overflow(self.context, stop)

    def freeze_thawed(self, *, stop: Callable[[], bool] = lambda: False) -> int:
        """See `weka_mp.namespace.upkeep.thawed.freeze_thawed`."""
        return freeze_thawed(self.context, [info.name for info in self.list_buckets()], stop)

    def check(self, repairs: Repairs) -> Check:
        """A check of every record and leftover; nothing happens before its `run`."""
        return Check(self.context, self._area, repairs)

    def expire_uploads(self, before_ns: int) -> int:
        """Abort multipart uploads in which nothing happened since that time. Returns how many."""
        return self._uploads.expire(before_ns)

    def lifecycle_rules(self, bucket: BucketName) -> tuple[Rule, ...]:
        """Those of the bucket now. Raises BucketMissing where any has settings, StoreUnusable (damaged)."""
        return self.rules_of(self.settings_records.lifecycle(bucket))

    @staticmethod
    def rules_of(kept: str | None) -> tuple[Rule, ...]:
        """Those that a bucket's settings keep. Raises StoreUnusable (no rules of this version)."""
        try:
            return () if kept is None else decode(kept)
        except (ValueError, TypeError) as error:
            raise StoreUnusable("the rules of a bucket's lifecycle cannot be read") from error

    def expire_objects(
        self, bucket: BucketName, cursor: Cursor, age: Age, note: expiring.Note = expiring.no_note
    ) -> ExpiredPage:
        """See `weka_mp.namespace.upkeep.expiring.expire_page`."""
        where = self.context, self._lister, bucket, cursor
        return expiring.expire_page(*where, lambda: self.lifecycle_rules(bucket), age, note)

    def expire_versions(self, bucket: BucketName, after: bytes, age: Age) -> ExpiredVersions:
        """See `weka_mp.namespace.upkeep.expiring_versions.expire_versions`."""
        return expire_versions(self.context, bucket, after, lambda: self.lifecycle_rules(bucket), age)

    def abort_due_uploads(self, bucket: BucketName, age: Age) -> int:
        """Abort the uploads that a rule of the bucket gave up. Returns how many. Raises BucketMissing."""
        return abort_due(self._uploads, bucket, self.lifecycle_rules(bucket), age.now_ns, age.day_ns)

    def forget_completed(self, before_ns: int) -> int:
        """Forget the answers of uploads that were completed before that time: a completion that is repeated
        later finds no upload. Returns how many.
        """
        return self._uploads.forget_completed(before_ns)
