"""The multipart uploads of a store: made, found, ended, and forgotten.

``.weka/uploads/<id>/`` is an upload under way, ``.weka/completed/<id>/`` what a completed one leaves behind:
its answer. An upload ends in one step, a rename of its directory; its files go afterwards.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import msgpack

from weka_mp.acl import to_plain
from weka_mp.errors import BucketMissing, NamespaceError, NotDirectory, NotEmpty, NotFound, UploadMissing
from weka_mp.namespace.bucket_identity import bucket_identity
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import ControlFiles
from weka_mp.namespace.effects import Durability
from weka_mp.namespace.names.keys import entry_path
from weka_mp.namespace.uploads.completions import Completion, left_its_place, recorded, was_published
from weka_mp.namespace.uploads.upload import INFO, RESULT, Upload
from weka_mp.namespace.values import NewUpload, UploadInfo
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import BucketName, Fd, UploadId

__all__ = ["Identity", "UploadArea"]

_log = logging.getLogger(__name__)
_ID = re.compile(r"[0-9a-f]{48}")
_MAX_REMEMBERED = 16_384  # identities: some 5 MB with keys of ordinary length, 20 at most


@dataclass(frozen=True, slots=True)
class Identity:
    """What never changes of an upload: its bucket (`bucket_identity`) and the key."""

    bucket: int
    key: bytes


class UploadArea:
    """`uploads` and `completed` are the open directories of these names. Thread-safe."""

    def __init__(self, context: Context, uploads: Fd, completed: Fd) -> None:
        self.context = context
        self.ino = context.store.attr(uploads).ino
        self._uploads = uploads
        self._completed = completed
        self._identities: dict[bytes, Identity] = {}
        self._mutex = threading.Lock()

    def ending(self, upload_id: str) -> AbstractContextManager[None]:
        """Held while an upload ends: either a completion names its object or an abort takes it away."""
        return self.context.locks.hold([(self.ino, upload_id.encode())])

    # ---- making and finding
    def create(self, bucket: BucketName, key: bytes, new: NewUpload) -> UploadId:
        """Raises BucketMissing, InvalidName."""
        context, store = self.context, self.context.store
        entry_path(key)
        identity = self.bucket_of(bucket)
        now_ns = context.clock.now_ns()
        # The time in front makes ids sort by age, as S3 lists the uploads of one key.
        upload_id = UploadId(f"{now_ns:016x}{context.random.token(16)}")
        staged = f".new-{upload_id}".encode()
        store.mkdir(self._uploads, staged, 0o700)
        directory = store.open_dir(self._uploads, staged)
        try:
            info = {"bucket": identity, "key": key, "initiated_ns": now_ns, "new": _plain(new)}
            ControlFiles(store, directory, context.random).write(INFO, msgpack.packb(info))
            store.rename(self._uploads, staged, self._uploads, upload_id.encode())
            reach(CrashPoint.UPLOAD_CREATED)
            store.sync_dir(self._uploads)
        finally:
            store.close(directory)
        return upload_id

    def bucket_of(self, bucket: BucketName) -> int:
        """The bucket's identity. Raises BucketMissing."""
        with self.context.bucket(bucket) as fd:
            return bucket_identity(self.context.store, fd)

    def find(
        self, bucket: BucketName, key: bytes, upload_id: str
    ) -> tuple[Upload, UploadInfo, Completion | None]:
        """An upload by its id, the caller closes it; with its completion where it was completed by somebody
        who died before it could be put aside. Raises UploadMissing unless it is for this bucket and key.
        """
        identity = self.bucket_of(bucket)
        upload = self._opened(upload_id)
        try:
            info = upload.info()
            if (info.bucket, info.key) != (identity, key):
                raise UploadMissing(subject=upload_id)
            completion = recorded(upload)
            if completion is not None and not was_published(self.context, bucket, upload, completion):
                completion = None
        except BaseException:
            upload.close()
            raise
        return upload, info, completion

    def open(self, bucket: BucketName, key: bytes, upload_id: str) -> tuple[Upload, UploadInfo]:
        """An upload under way; the caller closes it. Raises UploadMissing, BucketMissing."""
        upload, info, completion = self.find(bucket, key, upload_id)
        if completion is not None:
            upload.close()
            raise UploadMissing(subject=upload_id)
        return upload, info

    def _opened(self, upload_id: str) -> Upload:
        if not _ID.fullmatch(upload_id):
            raise UploadMissing(subject=upload_id)
        try:
            directory = self.context.store.open_dir(self._uploads, upload_id.encode())
        except (NotFound, NotDirectory) as error:
            raise UploadMissing(subject=upload_id) from error
        return Upload(self.context, self._uploads, directory, upload_id)

    def completion(self, bucket: BucketName, key: bytes, upload_id: str) -> Completion | None:
        """The answer of an upload that was completed and put aside. Raises BucketMissing."""
        if not _ID.fullmatch(upload_id):
            return None
        identity = self.bucket_of(bucket)
        store = self.context.store
        try:
            directory = store.open_dir(self._completed, upload_id.encode())
        except (NotFound, NotDirectory):
            return None
        try:
            found = Completion.decode(ControlFiles(store, directory, self.context.random).read(RESULT))
        finally:
            store.close(directory)
        return found if found is not None and (found.bucket, found.key) == (identity, key) else None

    # ---- looking through all
    def live(self) -> list[bytes]:
        """The ids of all uploads, of every bucket, in no order."""
        names = (entry.name for entry in self.context.store.entries(self._uploads))
        return [name for name in names if not name.startswith(b".")]

    def identities(self, ids: Iterable[bytes]) -> Iterable[tuple[bytes, Identity]]:
        """What each of these uploads is for; those that ended meanwhile are left out.

        It never changes, so each is read once as long as there is room to remember it.
        """
        for upload_id in ids:
            found = self._identities.get(upload_id) or self._identity(upload_id)
            if found is not None:
                yield upload_id, found

    def _identity(self, upload_id: bytes) -> Identity | None:
        try:
            upload = self._opened(upload_id.decode("ascii", "replace"))
        except UploadMissing:
            return None
        try:
            info = upload.info()
        except UploadMissing:
            return None
        finally:
            upload.close()
        found = Identity(info.bucket, info.key)
        with self._mutex:
            if len(self._identities) < _MAX_REMEMBERED:
                self._identities[upload_id] = found
        return found

    def forget_ended(self, live: Iterable[bytes]) -> None:
        """Make room: keep what is remembered of these uploads only."""
        with self._mutex:
            if len(self._identities) >= _MAX_REMEMBERED:
                kept = self._identities.keys() & set(live)
                self._identities = {upload_id: self._identities[upload_id] for upload_id in kept}

    # ---- ending
    def abort(self, bucket: BucketName, key: bytes, upload_id: str) -> None:
        """Forget the upload and its parts. Raises UploadMissing, BucketMissing.

        A completion under way that has not named its object yet finds the upload gone; one that has, wins.
        """
        upload, _ = self.open(bucket, key, upload_id)
        upload.close()
        gone = b".gone-" + self.context.random.token(8).encode()
        with self.ending(upload_id):
            # Completed while we waited, and its worker died before it could put it aside?
            upload, info = self.open(bucket, key, upload_id)
            try:
                with self._given_back(upload, info.bucket, counted=True):
                    self._move(upload_id.encode(), self._uploads, gone)
            finally:
                upload.close()
        if self.context.durability is Durability.COMMIT:
            self.context.store.sync_dir(self._uploads)
        self._erase(self._uploads, gone)

    def _discard(self, upload_id: bytes) -> None:
        gone = b".gone-" + self.context.random.token(8).encode()
        identity = self._identity(upload_id)
        with self.ending(upload_id.decode("ascii", "replace")):
            if identity is None:
                self._move(upload_id, self._uploads, gone)
            else:
                upload = self._opened(upload_id.decode("ascii", "replace"))
                try:
                    with self._given_back(upload, identity.bucket, counted=recorded(upload) is None):
                        self._move(upload_id, self._uploads, gone)
                finally:
                    upload.close()
        self._erase(self._uploads, gone)

    @contextmanager
    def _given_back(self, upload: Upload, bucket: int, *, counted: bool) -> Iterator[None]:
        """The block ends the upload: its parts use nothing of the bucket's quota any more. Unless they are
        known to be `counted`, since its object may be there and have freed them, a recount says so.
        """
        quotas = self.context.quotas
        with upload.still():
            ledger = quotas.of_identity(bucket)
            if ledger is None:
                yield
                return
            with quotas.window(ledger, [0]):
                parts = upload.part_sizes() if counted else {}
                yield
                ledger.book(used=-sum(parts.values()), notes=dict.fromkeys(parts, 0))
                if not counted:
                    ledger.want_recount()

    def parts_of(self, bucket: BucketName, identity: int) -> dict[int, int]:
        """What the parts of all uploads into the bucket use of its quota (`Upload.part_sizes`)."""
        found: dict[int, int] = {}
        for upload_id, its in self.identities(self.live()):
            if its.bucket != identity:
                continue
            try:
                upload = self._opened(upload_id.decode("ascii", "replace"))
            except UploadMissing:
                continue  # ended meanwhile
            try:
                with upload.still():
                    found.update(upload.part_sizes() if self._uses_parts(bucket, upload) else {})
            finally:
                upload.close()
        return found

    def _uses_parts(self, bucket: BucketName, upload: Upload) -> bool:
        """Not when it ended, nor when its object got its name and whoever gave it died before it could be put
        aside: then its bytes are the object's, or nobody's. The upload is still.
        """
        completion = recorded(upload)
        if not upload.present():
            return False
        try:
            return completion is None or not was_published(self.context, bucket, upload, completion)
        except BucketMissing:  # it has a name that no request can say
            return True

    def _move(self, upload_id: bytes, target: Fd, name: bytes) -> None:
        try:
            self.context.store.rename(self._uploads, upload_id, target, name)
        except NotFound as error:
            raise UploadMissing(subject=upload_id) from error

    def retire(self, upload: Upload) -> None:
        """Put a completed upload aside, then remove all of it but its answer.

        Its object is there: what fails now is no failure of the completion, and a repetition or a sweep
        finds what is left.
        """
        name = upload.upload_id.encode()
        try:
            self._move(name, self._completed, name)
            reach(CrashPoint.UPLOAD_RETIRED)
            self._empty(upload.fd, keep=RESULT)
        except UploadMissing:
            return  # another repetition was faster
        except NamespaceError as error:
            _log.warning("files of the completed upload %s stay for the sweep: %s", upload.upload_id, error)

    def _retire_published(self, upload_id: bytes) -> None:
        """If its object got its name, and who gave it is no more. Where no name tells, it is left to time."""
        upload = self._opened(upload_id.decode("ascii", "replace"))
        try:
            completion = recorded(upload)
            if completion is None or not completion.staged:
                return
            with self.context.locks.try_hold([(self.ino, upload_id)]) as alone:
                if alone and left_its_place(self.context, upload, completion):
                    self.retire(upload)
        finally:
            upload.close()

    def _empty(self, directory: Fd, *, keep: bytes = b"") -> None:
        store = self.context.store
        for entry in store.entries(directory):
            if entry.name == keep:
                continue
            try:
                store.unlink(directory, entry.name)
            except NotFound:
                continue  # another process erases the same leftovers

    def _erase(self, home: Fd, name: bytes) -> None:
        store = self.context.store
        directory = store.open_dir(home, name)
        try:
            self._empty(directory)
        finally:
            store.close(directory)
        try:
            store.rmdir(home, name)
        except (NotFound, NotEmpty):
            return  # a part session wrote its last file: the next sweep takes it

    # ---- housekeeping
    def forget_bucket(self, bucket: int) -> None:
        """Abort every upload into a bucket that was removed; bucket: its identity."""
        for upload_id, identity in self.identities(self.live()):
            if identity.bucket == bucket:
                try:
                    self._discard(upload_id)
                except UploadMissing:
                    continue  # ended meanwhile

    def expire(self, before_ns: int) -> int:
        """Abort uploads begun before that time in which nothing happened since, and remove leftovers. Returns
        how many. What was completed by somebody who died is put aside.
        """
        store, count = self.context.store, 0
        for entry in store.entries(self._uploads):
            try:
                touched = store.attr_at(self._uploads, entry.name).mtime_ns
                if touched >= before_ns:
                    if not entry.name.startswith(b"."):
                        self._retire_published(entry.name)
                    continue
                if entry.name.startswith(b"."):
                    self._erase(self._uploads, entry.name)
                else:
                    self._discard(entry.name)
                    count += 1
            except (NotFound, UploadMissing):
                continue  # ended meanwhile
        return count

    def forget_completed(self, before_ns: int) -> int:
        """Forget the answers of uploads that were completed before that time. Returns how many."""
        store, count = self.context.store, 0
        for entry in store.entries(self._completed):
            try:
                if store.attr_at(self._completed, entry.name).mtime_ns < before_ns:
                    self._erase(self._completed, entry.name)
                    count += 1
            except NotFound:
                continue  # another process forgot it
        return count


def _plain(new: NewUpload) -> dict[str, Any]:
    """As an upload's record has it; see `Upload.info`."""
    return {**asdict(new), "acl": None if new.acl is None else to_plain(new.acl)}
