"""What a completed upload leaves behind, so that a completion whose answer was lost is answered again.

The record is written into the upload's directory before the object gets its name, and says under which name
the object-to-be lies there. Naming it is a rename out of that directory, so the record and a name that is
gone prove together that the object was published, whatever became of it since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import msgpack

from weka_mp.errors import NotFound
from weka_mp.namespace.concealment import is_concealed
from weka_mp.namespace.context import Context
from weka_mp.namespace.objects import reading
from weka_mp.namespace.uploads.upload import RESULT, Upload
from weka_mp.namespace.values import CompletedPart
from weka_mp.store.interface import Store
from weka_mp.values import BucketName, Fd

__all__ = ["Completion", "fingerprint", "left_its_place", "recorded", "was_published"]


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer of one completion and what it was asked for (docs/STORAGE_FORMAT.md, ``result``).

    `bucket`: its `bucket_identity`. `parts`: `fingerprint` of the list. `staged`: the name of the
    object-to-be in the upload's directory, empty where it had none there. `version`: of the object, as S3
    shows it; None in a bucket without versions.
    """

    bucket: int
    key: bytes
    parts: bytes
    etag: str
    checksums: Mapping[str, str]
    checksum_type: str | None
    size: int
    staged: bytes
    version: str | None = None

    def encode(self) -> bytes:
        data: bytes = msgpack.packb(astuple(self))
        return data

    @classmethod
    def decode(cls, data: bytes | None) -> Completion | None:
        """None for what is missing or is no such record."""
        if data is None:
            return None
        try:
            return cls(*msgpack.unpackb(data))
        except (ValueError, TypeError):
            return None


def fingerprint(parts: Sequence[CompletedPart]) -> bytes:
    """The same for two lists exactly when they name the same parts, tags and checksums (SHA-256)."""
    named = [(part.number, part.etag.lower(), sorted(part.checksums.items())) for part in parts]
    return hashlib.sha256(msgpack.packb(named)).digest()


def recorded(upload: Upload) -> Completion | None:
    """The completion that was begun in an upload's directory, or ended there."""
    return Completion.decode(upload.files.read(RESULT))


def was_published(
    context: Context, bucket: BucketName, upload: Upload, completion: Completion, *, died: bool = True
) -> bool:
    """Whether the object of a recorded completion got its name. `died`: who gave it may have.

    Where it was staged on another file system, or is a directory object, no name tells: then the answer is
    whether the object that is there has its tag.
    """
    if completion.staged:
        return left_its_place(context, upload, completion, died=died)
    try:
        with reading.open_object(context, bucket, completion.key) as present:
            return present.info.etag == completion.etag
    except NotFound:
        return False


def left_its_place(context: Context, upload: Upload, completion: Completion, *, died: bool = True) -> bool:
    """The same where the object-to-be was staged in the upload's directory."""
    try:
        fd = context.store.open_path(upload.fd, completion.staged)
    except NotFound:
        return True
    try:
        return _has_two_names(context.store, fd, died)
    finally:
        context.store.close(fd)


def _has_two_names(store: Store, fd: Fd, died: bool) -> bool:
    """Whether the object-to-be has that of the object, too: the death came between two steps (there is no
    RENAME_NOREPLACE), or the power was cut when one had come to the disk.

    Else somebody made a link beside the doors.
    """
    attr = store.attr(fd)
    possible = died or not store.primitives.rename_noreplace
    return attr.nlink > 1 and possible and not is_concealed(store, fd, attr)
