"""The namespace as its users hold it: one object for a store, every operation a method."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from weka_mp.clock import Clock, RandomSource, SystemClock, SystemRandom
from weka_mp.errors import (
    CrossDevice,
    Loop,
    NamespaceError,
    NotDirectory,
    NotFound,
)
from weka_mp.namespace.buckets.access import AccessRecords, BucketAccess
from weka_mp.namespace.buckets.buckets import Buckets
from weka_mp.namespace.buckets.judging import Judging
from weka_mp.namespace.buckets.quota_setting import BucketQuotas
from weka_mp.namespace.buckets.settings import BucketSettings, SettingsRecords, require_lasting_lock
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import ControlArea, ControlFiles, open_control
from weka_mp.namespace.effects import Changes, Durability, Settled
from weka_mp.namespace.housekeeping import Housekeeping
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.names.longnames import LongNames
from weka_mp.namespace.objects import (
    amending,
    copying,
    deleting,
    naming,
    publishing,
    reading,
    renaming,
    versions,
)
from weka_mp.namespace.objects.acls import Acls
from weka_mp.namespace.objects.copying import CopyRequest
from weka_mp.namespace.objects.idempotency import Tokens
from weka_mp.namespace.objects.listing import Lister
from weka_mp.namespace.objects.locking import Locking
from weka_mp.namespace.objects.publishing import PutSession
from weka_mp.namespace.objects.reading import OpenObject
from weka_mp.namespace.objects.rename_notes import RenameNotes
from weka_mp.namespace.objects.renaming import RenameRequest
from weka_mp.namespace.objects.version_listing import VersionsQuery, list_versions
from weka_mp.namespace.obstacles import Need, Obstacle, find_obstacle
from weka_mp.namespace.quotas.book import Quotas
from weka_mp.namespace.retention_clock import RetentionClock
from weka_mp.namespace.uploads import listing as upload_listing
from weka_mp.namespace.uploads import multipart, part_copying
from weka_mp.namespace.uploads.area import UploadArea
from weka_mp.namespace.uploads.listing import PartsPage, UploadsQuery
from weka_mp.namespace.uploads.multipart import CompletionRequest, PartSession, StoredPart
from weka_mp.namespace.uploads.part_copying import PartCopyRequest
from weka_mp.namespace.values import (
    BucketInfo,
    CompletedUpload,
    Deleted,
    Deletion,
    Done,
    ListPage,
    NewUpload,
    ObjectInfo,
    Published,
    UploadInfo,
    UploadsPage,
    VersionsListing,
    WriteConditions,
)
from weka_mp.namespace.versions.histories import Histories
from weka_mp.namespace.versions.object_locks import ObjectLocks
from weka_mp.store.interface import FsIdentity, Store
from weka_mp.store.judged import judging_refusal
from weka_mp.values import BucketName, UploadId

__all__ = ["Namespace"]


class Namespace(Housekeeping):
    """All operations on one store. Make it with `open`; close it, or use it as a context manager."""

    def __init__(self, context: Context, area: ControlArea, notes: RenameNotes) -> None:
        self.store = context.store
        self.store_id = area.store_id
        self.locks = context.locks
        self.clock = context.clock
        self.context = context
        self._area = area
        self._lister = Lister(context)
        self._uploads = UploadArea(context, area.uploads, area.completed)
        registry = ControlFiles(context.store, area.buckets, context.random)
        self._access = AccessRecords(context, registry)
        self.settings_records = SettingsRecords(context, registry)
        settings = self.settings_records
        context.histories.ask(
            lambda bucket: settings.of_directory(bucket).versioning, settings.any_set,
            lambda bucket: settings.of_directory(bucket).mount_versions,
        )
        context.object_locks.ask(lambda bucket: settings.of_directory(bucket).object_lock, settings.any_set)
        self.quotas = BucketQuotas(context, self.settings_records, self._lister, self._uploads.parts_of)
        self._buckets = Buckets(context, self._lister, registry, self._access, self.quotas.forget_bucket)
        self._settings = ControlFiles(context.store, area.root, context.random)
        self._tokens = Tokens(context.store, context.locks, notes)
        self._judging: Judging | None = None

    @classmethod
    def open(
        cls,
        store: Store,
        *,
        durability: Durability = Durability.COMMIT,
        clock: Clock | None = None,
        random: RandomSource | None = None,
        sweep: bool = False,
    ) -> Namespace:
        """Open a store, making its control area when absent; nothing else in it is touched.

        `sweep`: nobody else works on the store yet, so everything staged is a leftover and goes. Raises
        StoreUnusable.
        """
        clock, random = clock or SystemClock(), random or SystemRandom()
        area = open_control(store, clock, random)
        with _closing(store, area) as undo:
            renames = ControlFiles(store, area.renames, random)
            quotas = Quotas(store, area.quotas, ControlFiles(store, area.quotas, random))
            undo.callback(quotas.close)
            notes = RenameNotes(store, clock, durability, renames, area.moving)
            locks = EntryLocks(store, area.lock_file, notes)
            retention = RetentionClock(store, ControlFiles(store, area.root, random), locks, clock)
            context = Context(
                store,
                clock,
                random,
                durability,
                locks,
                LongNames(ControlFiles(store, area.longnames, random)),
                area.root,
                area.spool,
                area.renames,
                Settled(),
                quotas,
                Histories(store, clock, random, area.versions),
                ObjectLocks(store, retention),
            )
            namespace = cls(context, area, notes)
            if sweep:
                namespace.sweep(clock.now_ns())
            undo.pop_all()
        return namespace

    def close(self) -> None:
        """Give back the control area's descriptors; the store stays its maker's."""
        self._access.close()
        self.settings_records.close()
        with _closing(self.store, self._area):
            self.context.quotas.close()

    def __enter__(self) -> Namespace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- who asks
    def judging_refusal(self) -> str | None:
        """Why nobody can be judged by modes in this store, for people; None: everybody can."""
        return judging_refusal(self.store, self._area.root)

    def judged_as(self, who: FsIdentity, *, by_default: bool) -> Namespace:
        """The same namespace as `who` sees it, whom modes and ACLs bind in buckets that are set so, and
        `by_default` in those of which nothing was set. It owns what it makes there.

        Lives no longer than this one. Raises NotSupported; only relied upon where `judging_refusal` is None.
        """
        seen = copy.copy(self)
        own = frozenset(self._area.descriptors())
        seen._judging = Judging.of(
            self.context, self._lister, self.settings_records, own, who, by_default=by_default
        )
        return seen

    def judges_somewhere(self) -> bool:
        """Whether modes may bind somebody in some bucket, by what was set of it; costs one system call as
        long as nothing is set anew of any bucket.
        """
        return self.settings_records.any_posix()

    def binds(self, bucket: BucketName) -> bool:
        """Whether modes bind who asks in this bucket. Raises StoreUnusable."""
        return self._judging is not None and self._judging.binds(bucket)

    def obstacle(self, bucket: BucketName, key: bytes, need: Need) -> Obstacle | None:
        """What keeps who asks from the key by modes or ACLs, for explanations; None: nothing, or they bind
        nobody here. Raises InvalidName, NamespaceError.
        """
        judging = self._judging
        if judging is None or not judging.binds(bucket):
            return None
        return find_obstacle(self.context, judging.context, bucket, key, need)

    @property
    def bound_as(self) -> FsIdentity | None:
        """By whom who asks is judged; None: as the service."""
        return None if self._judging is None else self._judging.context.judged

    def _of(self, bucket: BucketName) -> Context:
        """By whom the bucket's data is asked."""
        judging = self._judging
        return self.context if judging is None or not judging.binds(bucket) else judging.context

    def _lister_of(self, bucket: BucketName) -> Lister:
        judging = self._judging
        return self._lister if judging is None or not judging.binds(bucket) else judging.lister

    @staticmethod
    def _owner(context: Context, uid: int, gid: int) -> tuple[int, int]:
        """Of what is made: whoever it is made as."""
        who = context.judged
        return (uid, gid) if who is None else (who.uid, who.gid)

    # ---- buckets
    def list_buckets(self) -> list[BucketInfo]:
        """All buckets by name."""
        return self._buckets.list()

    def head_bucket(self, name: BucketName) -> BucketInfo:
        """Raises BucketMissing."""
        return self._buckets.head(name)

    def create_bucket(
        self, name: BucketName, *, uid: int = 0, gid: int = 0, owner: str | None = None
    ) -> tuple[BucketInfo, Changes]:
        """Raises InvalidName, BucketExists."""
        if self._judging is not None and self._judging.by_default:
            uid, gid = self._owner(self._judging.context, uid, gid)
        return self._buckets.create(name, uid=uid, gid=gid, owner=owner)

    def settle_bucket(self, name: BucketName) -> Changes:
        """Make an existing bucket durable and known to every view. Raises BucketMissing."""
        return self._buckets.settle(name)

    def delete_bucket(self, name: BucketName) -> Changes:
        """Raises BucketMissing, BucketNotEmpty. Uploads into it are aborted."""
        return self._buckets.delete(name, self._uploads.forget_bucket)

    def unlink_bucket(self, name: BucketName) -> None:
        """The directory stays and is no bucket any more. Raises BucketMissing, NotSupported."""
        self._buckets.unlink(name, self._uploads.forget_bucket)

    def adopt_bucket(
        self, name: BucketName, owner: str | None, may_take: Callable[[str | None], bool] = lambda _: True
    ) -> BucketInfo:
        """may_take: whether it may be had from this account. Raises InvalidName, BucketMissing (no such
        directory, or it may not), BucketExists.
        """
        return self._buckets.adopt(name, owner, may_take)

    def bucket_access(self, name: BucketName) -> BucketAccess:
        """What the bucket grants now: one look at its record. Raises StoreUnusable (damaged)."""
        return self._access.find(name)

    def change_bucket_access(
        self, name: BucketName, step: Callable[[BucketAccess], BucketAccess]
    ) -> BucketAccess:
        """Raises what `step` raises, BucketMissing, NotSupported, StoreUnusable (damaged)."""
        return self._access.change(name, step)

    def bucket_settings(self, name: BucketName) -> BucketSettings:
        """What is set of the bucket now: one look at its record. Raises BucketMissing, StoreUnusable
        (damaged).
        """
        return self.settings_records.find(name)

    def change_bucket_settings(
        self, name: BucketName, step: Callable[[BucketSettings], BucketSettings]
    ) -> BucketSettings:
        """Raises what `step` raises, BucketMissing, NotSupported, BucketStateRefused (see
        `require_lasting_lock`), StoreUnusable (damaged).
        """

        def checked(before: BucketSettings) -> BucketSettings:
            after = step(before)
            require_lasting_lock(before, after)
            if after.versioning is not None and before.versioning is None:
                versions.refuse_far(self.context, name)
            return after

        return self.settings_records.change(name, checked)

    # ---- objects
    def versioning(self, bucket: BucketName) -> str | None:
        """Whether the bucket has versions (see `weka_mp.namespace.versions.histories`). Raises BucketMissing
        where any has settings, StoreUnusable (damaged).
        """
        return self.settings_records.versioning(bucket)

    def open_object(self, bucket: BucketName, key: bytes, version: str | None = None) -> OpenObject:
        """The current version, or the one of this id. Raises BucketMissing, NotFound, InvalidName,
        VersionMissing, DeleteMarkerMet.
        """
        context = self._of(bucket)
        if version is not None:
            return versions.open_version(context, bucket, key, versions.parsed(version, key))
        try:
            return reading.open_object(context, bucket, key)
        except NotFound as error:
            marker = versions.latest_marker(context, bucket, key)
            if marker is None:
                raise
            raise marker from error

    def head_object(self, bucket: BucketName, key: bytes, version: str | None = None) -> ObjectInfo:
        """Raises what `open_object` does."""
        with self.open_object(bucket, key, version) as found:
            return found.info

    def begin_put(
        self, bucket: BucketName, key: bytes, *, size_hint: int | None = None, size: int | None = None,
        uid: int = 0, gid: int = 0,
    ) -> PutSession:
        """See `weka_mp.namespace.objects.publishing.begin_put`."""
        context = self._of(bucket)
        uid, gid = self._owner(context, uid, gid)
        target = publishing.Target(bucket, key, uid, gid)
        return publishing.begin_put(context, target, size_hint=size_hint, size=size)

    def delete_object(
        self, bucket: BucketName, key: bytes, conditions: WriteConditions | None = None, *,
        version: str | None = None, owner: str | None = None, bypass: bool = False,
    ) -> Deleted:
        """A missing key, or version, is no error. owner: of the delete marker; bypass: see `Deletion`. Raises
        BucketMissing, PreconditionFailed, NotFound (If-Match on nothing), VersionMissing (no id of a
        version), ObjectLocked.
        """
        deletion = Deletion(key, conditions, version, bypass)
        return deleting.delete_object(self._of(bucket), bucket, deletion, owner)

    def delete_objects(
        self, bucket: BucketName, entries: Sequence[Deletion], *, owner: str | None = None
    ) -> tuple[list[Deleted | NamespaceError], Changes]:
        """Each on its own; the disk is waited for once. Raises BucketMissing."""
        return deleting.delete_objects(self._of(bucket), bucket, entries, owner=owner)

    def copy_object(self, request: CopyRequest) -> Published:
        """See `weka_mp.namespace.objects.copying.copy_object`."""
        context = self._of(request.bucket)
        uid, gid = self._owner(context, request.uid, request.gid)
        asked = replace(request, uid=uid, gid=gid)
        return copying.copy_object(context, asked, self._of(request.source_bucket))

    def tag_object(
        self, bucket: BucketName, key: bytes, tags: Mapping[str, str], version: str | None = None
    ) -> Done:
        """These are all its tags from now on; nothing else of it changes. Raises BucketMissing, NotFound,
        NoSpace, VersionMissing, DeleteMarkerMet.
        """
        wanted = None if version is None else versions.parsed(version, key)
        return amending.tag_object(self._of(bucket), bucket, key, tags, wanted)

    @property
    def locking(self) -> Locking:
        """Retentions and legal holds of versions."""
        return Locking(self._of)

    @property
    def acls(self) -> Acls:
        """The ACLs of objects."""
        return Acls(self._of)

    def rename_object(self, request: RenameRequest) -> Done:
        """See `weka_mp.namespace.objects.renaming.rename_object`. Blocks for the disk."""
        context = self._of(request.bucket)
        uid, gid = self._owner(context, request.uid, request.gid)
        asked = replace(request, uid=uid, gid=gid)
        return renaming.rename_object(
            context, self._tokens, asked, self._lister_of(request.bucket).holds_keys
        )

    def list_objects(
        self,
        bucket: BucketName,
        *,
        prefix: bytes = b"",
        delimiter: bytes = b"",
        after: bytes = b"",
        limit: int = 1000,
    ) -> ListPage:
        """See `weka_mp.namespace.objects.listing.Lister.page`."""
        lister = self._lister_of(bucket)
        return lister.page(bucket, prefix=prefix, delimiter=delimiter, after=after, limit=limit)

    def list_versions(
        self, bucket: BucketName, *, prefix: bytes = b"", delimiter: bytes = b"", after: bytes = b"",
        after_version: str | None = None, limit: int = 1000,
    ) -> VersionsListing:
        """All versions and delete markers behind a key, or behind one of its versions. Raises BucketMissing,
        VersionMissing (no id of a version).
        """
        version = None if after_version is None else versions.parsed(after_version, after)
        query = VersionsQuery(prefix, delimiter, after, version, limit)
        return list_versions(self._of(bucket), self._lister_of(bucket), bucket, query)

    # ---- multipart uploads
    def create_upload(self, bucket: BucketName, key: bytes, new: NewUpload) -> UploadId:
        """Raises BucketMissing, InvalidName, AccessDenied."""
        context = self._of(bucket)
        if context.judged is not None:
            uid, gid = self._owner(context, new.uid, new.gid)
            new = replace(new, uid=uid, gid=gid)
            # Told now, and not first after all parts; the completion is judged again.
            target = publishing.Target(bucket, key, uid, gid)
            publishing.try_put(context, target)
        return self._uploads.create(bucket, key, new)

    def upload_info(self, bucket: BucketName, key: bytes, upload_id: str) -> UploadInfo:
        """Raises UploadMissing, BucketMissing."""
        upload, info = self._uploads.open(bucket, key, upload_id)
        upload.close()
        return info

    def list_uploads(self, bucket: BucketName, query: UploadsQuery) -> UploadsPage:
        """The uploads under way, by key and then by age. Raises BucketMissing."""
        context = self._of(bucket)
        if context.judged is not None:
            query = replace(query, in_sight=lambda key: upload_listing.may_search(context, bucket, key))
        return upload_listing.list_uploads(self._uploads, bucket, query)

    def list_parts(
        self, bucket: BucketName, key: bytes, upload_id: str, *, after: int = 0, limit: int = 1000
    ) -> PartsPage:
        """The parts behind number `after`, at most `limit`. Raises UploadMissing, BucketMissing."""
        return upload_listing.list_parts(self._uploads, bucket, key, upload_id, after=after, limit=limit)

    def begin_part(
        self, bucket: BucketName, key: bytes, upload_id: str, number: int, size: int
    ) -> PartSession:
        """`size` in bytes as declared. Raises UploadMissing, BucketMissing, NoSpace."""
        return multipart.begin_part(self._uploads, bucket, key, upload_id, number, size)

    def copy_part(self, request: PartCopyRequest) -> StoredPart:
        """See `weka_mp.namespace.uploads.part_copying.copy_part`."""
        return part_copying.copy_part(self._uploads, request, self._of(request.source_bucket))

    def complete_upload(self, request: CompletionRequest) -> CompletedUpload:
        """See `weka_mp.namespace.uploads.multipart.complete`."""
        if self.binds(request.bucket):
            assert self._judging is not None
            request = replace(request, placing=self._judging.with_own)
        return multipart.complete(self._uploads, request)

    def reaffirm(self, bucket: BucketName, key: bytes) -> Changes:
        """Sync and announce a name once more whose maker was never answered. Raises BucketMissing."""
        return naming.reaffirm(self.context, bucket, key)

    def abort_upload(self, bucket: BucketName, key: bytes, upload_id: str) -> None:
        """Raises UploadMissing, BucketMissing."""
        self._uploads.abort(bucket, key, upload_id)

    # ---- what the service keeps in the control area besides
    def read_setting(self, name: bytes) -> bytes | None:
        """The record of this name, None when there is none; its owner knows what is in it."""
        return self._settings.read(name)

    def write_setting(self, name: bytes, data: bytes) -> None:
        """Replace the record whole and durably."""
        self._settings.write(name, data)

    def has_directory(self, path: bytes) -> bool:
        """Whether `path` below the store's root is a directory, reached without symbolic links."""
        try:
            fd = self.store.open_dir(self.store.root(), path or b".")
        except (NotFound, NotDirectory, Loop, CrossDevice):
            return False
        self.store.close(fd)
        return True


def _closing(store: Store, area: ControlArea) -> ExitStack:
    """Closes all of the area's descriptors, also when one close says that something failed."""
    stack = ExitStack()
    for fd in area.descriptors():
        stack.callback(store.close, fd)
    return stack
