"""Multipart uploads: parts staged in the control area, assembled and published in one atomic step.

``.weka/uploads/<id>/`` holds ``info``, ``data`` (the slots), and per part a record ``part-<n>`` that names
where its bytes are. Part n is written into ``data`` at (n-1)·S when S, the size that the first part to arrive
had, is its size too (or more than it: a last part) and nobody claimed that slot before; every other part, and
every repetition, is a file of its own that replaces the former part only when it was verified. Completing
parts 1…k out of slots is a rename; anything else is assembled by reflink or copy_file_range.

A completion that is repeated, since its answer was lost, is answered as the first was, whatever became of the
object meanwhile: its record stays when the upload is gone (`completions`).
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from weka_mp.errors import (
    InvalidPart,
    InvalidPartOrder,
    NamespaceError,
    NotFound,
    PartTooSmall,
    UploadMissing,
)
from weka_mp.namespace.concealment import conceal, create_concealed
from weka_mp.namespace.context import FILE_MODE, Context
from weka_mp.namespace.effects import Effects
from weka_mp.namespace.objects import reading
from weka_mp.namespace.objects.naming import Staged, check_conditions, reaffirm
from weka_mp.namespace.objects.publishing import Target, publish_file
from weka_mp.namespace.quotas.funds import Funds, no_funds
from weka_mp.namespace.records.attribute import PartChecksums, PartSizes
from weka_mp.namespace.uploads.area import UploadArea
from weka_mp.namespace.uploads.assembling import assembled
from weka_mp.namespace.uploads.completions import Completion, fingerprint, was_published
from weka_mp.namespace.uploads.upload import DATA, RESULT, PartFunds, PartSession, StoredPart, Upload
from weka_mp.namespace.values import (
    UNCONDITIONAL,
    CompletedPart,
    CompletedUpload,
    NewObject,
    Published,
    UploadInfo,
    WriteConditions,
)
from weka_mp.namespace.versions.histories import ENABLED
from weka_mp.namespace.versions.identifiers import new_version
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import BucketName, Fd

__all__ = [
    "MAX_PARTS",
    "MIN_PART_BYTES",
    "CombinedChecksums",
    "CompletionRequest",
    "PartSession",
    "StoredPart",
    "begin_part",
    "complete",
]

MIN_PART_BYTES = 5 << 20  # AWS, "Amazon S3 multipart upload limits"
MAX_PARTS = 10_000

CombinedChecksums = tuple[Mapping[str, str], str | None]
"""Checksums of the whole object as S3 shows them, and their type."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """`combine` computes and verifies the whole object's checksums; it raises what the caller wants raised.

    `begun` is called when all that can be known beforehand is right and only the long work remains.
    `placing`: with the directory of the upload, the context in which the object gets its name; None: that of
    the uploads.
    """

    bucket: BucketName
    key: bytes
    upload_id: str
    parts: Sequence[CompletedPart]
    conditions: WriteConditions = UNCONDITIONAL
    combine: Callable[[UploadInfo, Sequence[StoredPart]], CombinedChecksums] = lambda info, parts: ({}, None)
    begun: Callable[[], None] = lambda: None
    placing: Callable[[Fd], Context] | None = None

    def place_of(self, upload: Upload) -> Context:
        """In which context it is published."""
        return upload.context if self.placing is None else self.placing(upload.fd)


def begin_part(
    area: UploadArea, bucket: BucketName, key: bytes, upload_id: str, number: int, size: int
) -> PartSession:
    """`size` in bytes as the client declared it. Raises UploadMissing, BucketMissing, NoSpace,
    QuotaExceeded.
    """
    upload, info = area.open(bucket, key, upload_id)
    try:
        with upload.under_way():
            paid = PartFunds(info.bucket, _funds(upload, info.bucket, number))
            try:
                paid.funds.cover(size)
                return _opened(upload, number, size, paid)
            except BaseException:
                paid.funds.release()
                raise
    except BaseException:
        upload.close()
        raise


def _funds(upload: Upload, bucket: int, number: int) -> Funds:
    ledger = upload.context.quotas.of_identity(bucket)
    if ledger is None:
        return no_funds()
    former = upload.part(number)
    return Funds(ledger, former.size if former is not None else 0)


def _opened(upload: Upload, number: int, size: int, paid: PartFunds) -> PartSession:
    store = upload.context.store
    slot_size = upload.slot_size(size) if size else 0
    fits = size and size <= slot_size and upload.part(number) is None
    if fits and upload.claim(number):
        # First the claim, then a look at the seal; a completion seals, then looks at the claims.
        if upload.sealed():
            upload.release(number)
        else:
            fd = create_concealed(store, upload.fd, DATA, os.O_RDWR, FILE_MODE)
            return PartSession(upload, number, fd, DATA, (number - 1) * slot_size, slot=True, paid=paid)
    file = b"body-%d-%s" % (number, upload.context.random.token(8).encode())
    fd = create_concealed(store, upload.fd, file, os.O_RDWR | os.O_EXCL, FILE_MODE)
    return PartSession(upload, number, fd, file, 0, slot=False, paid=paid)


def complete(area: UploadArea, request: CompletionRequest) -> CompletedUpload:
    """Publish the parts as the object, or find that this was done before.

    Raises UploadMissing (also for another list than the one that was completed), InvalidPart,
    InvalidPartOrder, PartTooSmall, and what a put raises; unless it succeeded the upload remains.
    """
    locks = area.context.locks
    # Not `area.ending`: an abort need not wait for bytes to be copied.
    alone = [(area.ino, b"complete/" + request.upload_id.encode())]
    with area.context.effects() as effects:
        with locks.try_hold(alone) as held:
            if held:
                return _complete(area, request, effects)
        _examine(area, request)
        request.begun()
        with locks.hold(alone):
            return _complete(area, request, effects)


def _examine(area: UploadArea, request: CompletionRequest) -> None:
    """Raise what is wrong with a completion that has to wait for another one."""
    if area.completion(request.bucket, request.key, request.upload_id) is not None:
        return
    try:
        _examine_parts(area, request)
    except UploadMissing:
        # What it waits for may have been done, and put aside, between the two looks.
        if area.completion(request.bucket, request.key, request.upload_id) is None:
            raise


def _examine_parts(area: UploadArea, request: CompletionRequest) -> None:
    upload, info, done = area.find(request.bucket, request.key, request.upload_id)
    try:
        if done is None:
            with upload.under_way():
                request.combine(info, _verified(upload, request.parts))
    finally:
        upload.close()


def _complete(area: UploadArea, request: CompletionRequest, effects: Effects) -> CompletedUpload:
    done = area.completion(request.bucket, request.key, request.upload_id)
    if done is None:
        upload, info, done = area.find(request.bucket, request.key, request.upload_id)
        try:
            if done is None:
                with upload.under_way():
                    return _publish(area, request, upload, info, effects)
            answer = _again(area.context, request, done)
            area.retire(upload)
            return answer
        finally:
            upload.close()
    return _again(area.context, request, done)


def _again(context: Context, request: CompletionRequest, done: Completion) -> CompletedUpload:
    """The answer that was given, or was to be given, before. Nothing is published again.

    Whoever published may have died before it was durable or the mounts knew of it.
    """
    if done.parts != fingerprint(request.parts):
        raise UploadMissing(subject=request.upload_id)
    changes = reaffirm(context, request.bucket, request.key)
    return CompletedUpload(
        done.etag, done.checksums, done.checksum_type, done.size, changes, context.clock.now_ns(),
        repeated=True, version=done.version,
    )


def _part_checksums(algorithm: str | None, stored: Sequence[StoredPart]) -> PartChecksums | None:
    """Those of the upload's algorithm; None where it has none, or a part was stored without."""
    shown = [part.checksums.get(algorithm or "", "") for part in stored]
    if algorithm is None or not all(shown):
        return None
    return PartChecksums(algorithm, b"".join(b64decode(value) for value in shown))


def _publish(
    area: UploadArea, request: CompletionRequest, upload: Upload, info: UploadInfo, effects: Effects
) -> CompletedUpload:
    stored = _verified(upload, request.parts)
    checksums, checksum_type = request.combine(info, stored)
    placing = request.place_of(upload)
    _check_beforehand(placing, request)
    request.begun()
    new = NewObject(
        etag=f"{_md5_of(stored)}-{len(stored)}",
        headers=info.new.headers,
        user=info.new.user,
        checksums=checksums,
        checksum_type=checksum_type,
        owner=info.new.owner,
        tags=info.new.tags,
        acl=info.new.acl,
        retention=info.new.retention,
        legal_hold=info.new.legal_hold,
        part_sizes=PartSizes.of([part.size for part in stored]),
        part_checksums=_part_checksums(info.new.checksum_algorithm, stored),
        version=new_version(area.context.clock.now_ns(), area.context.random),
    )
    who = placing.judged  # whoever gives the object its name has judged what is in it: it is theirs
    uid, gid = (info.new.uid, info.new.gid) if who is None else (who.uid, who.gid)
    target = Target(request.bucket, request.key, uid, gid, info.bucket)
    with assembled(area.context, upload, stored, target, judged=who is not None) as staged:
        size = area.context.store.attr(staged.fd).size
        completion = Completion(
            info.bucket,
            info.key,
            fingerprint(request.parts),
            new.etag or "",
            checksums,
            checksum_type,
            size,
            staged.name if staged.directory == upload.fd else b"",
            _shown_version(area.context, request.bucket, new),
        )
        with area.ending(request.upload_id), _freed_parts(upload, info.bucket) as funds:
            place = _Place(placing, target, request.conditions, funds)
            published = _name(place, upload, completion, staged, new)
            for change in published.changes:
                effects.tell(change)
            reach(CrashPoint.UPLOAD_REMOVED)
            area.retire(upload)
    return CompletedUpload(
        completion.etag, checksums, checksum_type, size, published.changes, published.sequence,
        version=published.info.version,
    )


def _shown_version(context: Context, bucket: BucketName, new: NewObject) -> str | None:
    """The id that the object will have."""
    with context.bucket(bucket) as fd:
        return new.version.hex() if context.histories.state(fd) == ENABLED else None


def _check_beforehand(context: Context, request: CompletionRequest) -> None:
    """Conditions that do not hold now spare the work; those that do are asked again when it is done."""
    if not request.conditions.any:
        return
    try:
        with reading.open_object(context, request.bucket, request.key) as present:
            check_conditions(request.conditions, present.info)
            return
    except NotFound:
        pass
    check_conditions(request.conditions, None)


@contextmanager
def _freed_parts(upload: Upload, bucket: int) -> Iterator[Funds]:
    """What all parts use of the bucket's quota ends with the object that is made of them."""
    with upload.still():
        ledger = upload.context.quotas.of_identity(bucket)
        yield no_funds() if ledger is None else Funds(ledger, freed=upload.part_sizes())


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the object goes, for whom, on what conditions, and what is held for it of the bucket's quota."""

    context: Context
    target: Target
    conditions: WriteConditions
    funds: Funds


def _name(
    place: _Place, upload: Upload, completion: Completion, staged: Staged, new: NewObject
) -> Published:
    """Record the answer, then give the object its name."""
    if not upload.present():  # aborted while the parts were put together
        raise UploadMissing(subject=upload.upload_id)
    try:
        upload.files.write(RESULT, completion.encode())
        reach(CrashPoint.RESULT_RECORDED)
        return publish_file(place.context, place.target, staged, new, place.conditions, place.funds)
    except NamespaceError:
        with suppress(NamespaceError):
            if not was_published(upload.context, place.target.bucket, upload, completion, died=False):
                upload.files.remove(RESULT)
                if staged.directory == upload.fd:  # it has its object record by now
                    conceal(upload.context.store, staged.fd)
        raise


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
