"""Multipart uploads: parts staged in the control area, assembled and published in one atomic step.

``.weka/uploads/<id>/`` holds ``info``, ``data`` (the slots), and per part a record ``part-<n>`` that names
where its bytes are. Part n is written into ``data`` at (n-1)·S when S, the size that the first part to arrive
had, is its size too (or more than it: a last part) and nobody claimed that slot before; every other part, and
every repetition, is a file of its own that replaces the former part only when it was verified. Completing
parts 1…k out of slots is a rename; anything else is assembled by reflink or copy_file_range.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgpack

from weka_mp.errors import (
    InvalidArgument,
    InvalidPart,
    InvalidPartOrder,
    NotDirectory,
    NotEmpty,
    NotFound,
    PartTooSmall,
    UploadMissing,
)
from weka_mp.namespace.context import Context
from weka_mp.namespace.keys import entry_path
from weka_mp.namespace.naming import Staged
from weka_mp.namespace.publishing import Target, publish_file, stage
from weka_mp.namespace.records import ContentHeaders, PartSizes
from weka_mp.namespace.uploads import DATA, INFO, PartSession, StoredPart, Upload
from weka_mp.namespace.values import (
    CompletedPart,
    NewObject,
    NewUpload,
    Published,
    UploadInfo,
    WriteConditions,
)
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import BucketName, Fd, InodeNo, UploadId

__all__ = ["MAX_PARTS", "MIN_PART_BYTES", "CombinedChecksums", "Multipart", "PartSession", "StoredPart"]

MIN_PART_BYTES = 5 << 20  # AWS, "Amazon S3 multipart upload limits"
MAX_PARTS = 10_000

CombinedChecksums = tuple[Mapping[str, str], str | None]
"""Checksums of the whole object as S3 shows them, and their type."""


class Multipart:
    """The store's multipart uploads. `uploads` is the open directory ``.weka/uploads``."""

    def __init__(self, context: Context, uploads: Fd) -> None:
        self._context = context
        self._uploads = uploads

    # ---- beginning and ending
    def create(self, bucket: BucketName, key: bytes, new: NewUpload) -> UploadId:
        """Raises BucketMissing, InvalidName."""
        context, store = self._context, self._context.store
        entry_path(key)
        with context.bucket(bucket) as bucket_fd:
            bucket_ino = store.attr(bucket_fd).ino
        # The time in front makes ids sort by age, as S3 lists the uploads of one key.
        upload_id = UploadId(f"{context.clock.now_ns():016x}{context.random.token(16)}")
        staged = f".new-{upload_id}".encode()
        store.mkdir(self._uploads, staged, 0o700)
        upload = Upload(context, store.open_dir(self._uploads, staged), upload_id)
        try:
            info = {
                "bucket": bucket_ino,
                "key": key,
                "initiated_ns": context.clock.now_ns(),
                "new": asdict(new),
            }
            upload.files.write(INFO, msgpack.packb(info))
            store.rename(self._uploads, staged, self._uploads, upload_id.encode())
            reach(CrashPoint.UPLOAD_CREATED)
            store.sync_dir(self._uploads)
        finally:
            upload.close()
        return upload_id

    def _open(self, bucket: BucketName, key: bytes, upload_id: str) -> tuple[Upload, UploadInfo]:
        """Raises UploadMissing unless the upload is for this bucket and key; BucketMissing."""
        context, store = self._context, self._context.store
        with context.bucket(bucket) as bucket_fd:
            bucket_ino = store.attr(bucket_fd).ino
        if not upload_id.isalnum() or not upload_id.isascii():
            raise UploadMissing(subject=upload_id)
        try:
            upload = Upload(context, store.open_dir(self._uploads, upload_id.encode()), upload_id)
        except (NotFound, NotDirectory) as error:
            raise UploadMissing(subject=upload_id) from error
        try:
            found = upload.info()
            if found["bucket"] != bucket_ino or found["key"] != key:
                raise UploadMissing(subject=upload_id)
        except BaseException:
            upload.close()
            raise
        return upload, UploadInfo(upload_id, key, found["initiated_ns"], _new_upload(found["new"]))

    def info(self, bucket: BucketName, key: bytes, upload_id: str) -> UploadInfo:
        """Raises UploadMissing, BucketMissing."""
        upload, info = self._open(bucket, key, upload_id)
        upload.close()
        return info

    def abort(self, bucket: BucketName, key: bytes, upload_id: str) -> None:
        """Forget the upload and its parts. Raises UploadMissing, BucketMissing."""
        upload, _ = self._open(bucket, key, upload_id)
        upload.close()
        self._discard(upload_id.encode())

    def _discard(self, name: bytes) -> None:
        """Take an upload out of sight in one step, then its files."""
        store = self._context.store
        gone = b".gone-" + self._context.random.token(8).encode()
        try:
            store.rename(self._uploads, name, self._uploads, gone)
        except NotFound as error:
            raise UploadMissing(subject=name) from error
        self._erase(gone)

    def _erase(self, name: bytes) -> None:
        store = self._context.store
        directory = store.open_dir(self._uploads, name)
        try:
            for entry in store.entries(directory):
                try:
                    store.unlink(directory, entry.name)
                except NotFound:
                    continue  # another process erases the same leftovers
        finally:
            store.close(directory)
        try:
            store.rmdir(self._uploads, name)
        except (NotFound, NotEmpty):
            return  # a part session wrote its last file: the next sweep takes it

    # ---- parts
    def begin_part(
        self, bucket: BucketName, key: bytes, upload_id: str, number: int, size: int
    ) -> PartSession:
        """`size` in bytes as the client declared it. Raises UploadMissing, BucketMissing, NoSpace."""
        upload, _ = self._open(bucket, key, upload_id)
        store = self._context.store
        try:
            slot_size = upload.slot_size(size) if size else 0
            fits = size and size <= slot_size and upload.part(number) is None
            if fits and upload.claim(number):
                # First the claim, then a look at the seal; a completion seals, then looks at the claims.
                if upload.sealed():
                    upload.release(number)
                else:
                    fd = store.open_file(upload.fd, DATA, os.O_RDWR | os.O_CREAT, 0o644)
                    return PartSession(upload, number, fd, DATA, (number - 1) * slot_size, slot=True)
            file = b"body-%d-%s" % (number, self._context.random.token(8).encode())
            fd = store.open_file(upload.fd, file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            return PartSession(upload, number, fd, file, 0, slot=False)
        except BaseException:
            upload.close()
            raise

    def complete(
        self,
        bucket: BucketName,
        key: bytes,
        upload_id: str,
        parts: Sequence[CompletedPart],
        conditions: WriteConditions,
        combine: Callable[[Sequence[StoredPart]], CombinedChecksums],
        object_size: int | None,
    ) -> Published:
        """Publish the parts as the object. `combine` computes and verifies the whole object's checksums.

        Raises UploadMissing, InvalidPart, InvalidPartOrder, PartTooSmall, InvalidArgument (object size), and
        what a put raises; unless it succeeded the upload remains.
        """
        context = self._context
        with context.locks.hold([(int(context.store.attr(self._uploads).ino), upload_id.encode())]):
            upload, info = self._open(bucket, key, upload_id)
            try:
                stored = _verified(upload, parts)
                total = sum(part.size for part in stored)
                if object_size is not None and object_size != total:
                    raise InvalidArgument("the object's size is not the declared one", subject=key)
                checksums, checksum_type = combine(stored)
                new = NewObject(
                    etag=f"{_md5_of(stored)}-{len(stored)}",
                    headers=info.new.headers,
                    user=info.new.user,
                    checksums=checksums,
                    checksum_type=checksum_type,
                    owner=info.new.owner,
                    tags=info.new.tags,
                    part_sizes=PartSizes.of([part.size for part in stored]),
                )
                published = self._publish(
                    upload, Target(bucket, key, info.new.uid, info.new.gid), stored, total, new, conditions
                )
            finally:
                upload.close()
        reach(CrashPoint.UPLOAD_REMOVED)
        self._discard(upload_id.encode())
        return published

    def _publish(
        self,
        upload: Upload,
        target: Target,
        stored: Sequence[StoredPart],
        total: int,
        new: NewObject,
        conditions: WriteConditions,
    ) -> Published:
        store = self._context.store
        in_place = _may_become_object(upload, stored, target)
        staged = self._staged(upload, target, in_place)
        try:
            if in_place:
                store.truncate(staged.fd, total)
            else:
                _assemble(self._context, upload, stored, staged.fd)
            if (target.uid, target.gid) != (0, 0):
                store.chown(staged.fd, target.uid, target.gid)
            reach(CrashPoint.ASSEMBLED)
            return publish_file(self._context, target, staged, new, conditions)
        finally:
            store.close(staged.fd)

    def _staged(self, upload: Upload, target: Target, in_place: bool) -> Staged:
        if not in_place:
            with self._context.bucket(target.bucket) as bucket:
                return stage(self._context, bucket)
        try:
            return Staged(self._context.store.open_file(upload.fd, DATA, os.O_RDWR), upload.fd, DATA)
        except NotFound as error:  # published by a completion that died before it could say so
            raise UploadMissing(subject=upload.upload_id) from error

    # ---- housekeeping
    def forget_bucket(self, bucket_ino: InodeNo) -> None:
        """Abort every upload into a bucket that was removed."""
        for upload_id, info in self._all():
            if info["bucket"] == bucket_ino:
                self._discard(upload_id)

    def expire(self, before_ns: int) -> int:
        """Abort uploads begun before that time in which nothing happened since, and remove leftovers. Returns
        how many.
        """
        store, count = self._context.store, 0
        for entry in store.entries(self._uploads):
            try:
                touched = store.attr_at(self._uploads, entry.name).mtime_ns
                if touched >= before_ns:
                    continue
                if entry.name.startswith(b"."):
                    self._erase(entry.name)
                else:
                    self._discard(entry.name)
                    count += 1
            except (NotFound, UploadMissing):
                continue  # ended meanwhile
        return count

    def _all(self) -> list[tuple[bytes, dict[str, Any]]]:
        found = []
        for entry in self._context.store.entries(self._uploads):
            if entry.name.startswith(b"."):
                continue
            try:
                upload = Upload(
                    self._context,
                    self._context.store.open_dir(self._uploads, entry.name),
                    entry.name.decode(),
                )
            except NotFound:
                continue
            try:
                found.append((entry.name, upload.info()))
            except UploadMissing:
                continue
            finally:
                upload.close()
        return found


def _new_upload(found: dict[str, Any]) -> NewUpload:
    return NewUpload(**{**found, "headers": ContentHeaders(**found["headers"])})


def _verified(upload: Upload, parts: Sequence[CompletedPart]) -> list[StoredPart]:
    stored: list[StoredPart] = []
    for part in parts:
        if stored and part.number <= stored[-1].number:
            raise InvalidPartOrder()
        found = upload.part(part.number)
        if found is None or found.etag != part.etag.lower():
            raise InvalidPart(subject=str(part.number))
        if any(found.checksums.get(name) != value for name, value in part.checksums.items()):
            raise InvalidPart(subject=str(part.number))
        stored.append(found)
    if not stored:
        raise InvalidPart()
    small = next((part for part in stored[:-1] if part.size < MIN_PART_BYTES), None)
    if small is not None:
        raise PartTooSmall(subject=str(small.number))
    return stored


def _md5_of(parts: Sequence[StoredPart]) -> str:
    return hashlib.md5(b"".join(part.md5 for part in parts), usedforsecurity=False).hexdigest()


def _may_become_object(upload: Upload, parts: Sequence[StoredPart], target: Target) -> bool:
    """Whether the file of the slots is the object and nobody will write into it any more.

    A slot that is not among the parts may still be written, or hold a part that a later completion names.
    """
    if target.key.endswith(b"/") or not _is_contiguous(parts):
        return False
    upload.seal()
    return upload.claimed() <= {part.number for part in parts}


def _is_contiguous(parts: Sequence[StoredPart]) -> bool:
    """Whether the slots hold the object as it is: part after part from the first, without a gap."""
    expected = 0
    for part in parts:
        if part.file != DATA or part.offset != expected:
            return False
        expected += part.size
    return True


def _open_part(upload: Upload, part: StoredPart) -> Fd:
    try:
        return upload.context.store.open_file(upload.fd, part.file, os.O_RDONLY)
    except NotFound as error:
        if part.file == DATA:  # published by a completion that died before it could say so
            raise UploadMissing(subject=upload.upload_id) from error
        raise InvalidPart(subject=str(part.number)) from error  # replaced since it was looked up


def _assemble(context: Context, upload: Upload, parts: Sequence[StoredPart], target: Fd) -> None:
    store, offset = context.store, 0
    opened: dict[bytes, Fd] = {}
    try:
        for part in parts:
            if part.file != DATA or part.file not in opened:
                opened[part.file] = _open_part(upload, part)
            store.copy(opened[part.file], part.offset, target, offset, part.size)
            offset += part.size
            if part.file != DATA:
                store.close(opened.pop(part.file))
    finally:
        for fd in opened.values():
            store.close(fd)
