"""One multipart upload in the control area: its files, the slots of its parts, and a part being written."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import msgpack

from weka_mp.acl import from_plain
from weka_mp.errors import Exists, InvalidPart, NamespaceError, NotFound, UploadMissing
from weka_mp.namespace.concealment import create_concealed
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import ControlFiles
from weka_mp.namespace.effects import Durability
from weka_mp.namespace.objects.naming import discard_name
from weka_mp.namespace.quotas.funds import Funds
from weka_mp.namespace.quotas.keys import key_of_part
from weka_mp.namespace.quotas.ledger import Ledger
from weka_mp.namespace.records.attribute import ContentHeaders
from weka_mp.namespace.values import NewUpload, UploadInfo
from weka_mp.object_lock import Retention
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Fd

__all__ = ["ASSEMBLED", "DATA", "INFO", "RESULT", "PartFunds", "PartSession", "StoredPart", "Upload"]

INFO, DATA, ASSEMBLED, RESULT = b"info", b"data", b"object", b"result"
_SLOT_SIZE, _SEALED, _PART = b"slot-size", b"sealed", b"part-"
_SHARES = 8  # so many parts of an upload are entered at once

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One verified part: `file` in the upload's directory, its bytes at `offset`, `size` of them."""

    number: int
    size: int
    md5: bytes
    checksums: Mapping[str, str]
    file: bytes
    offset: int
    mtime_ns: int

    @property
    def etag(self) -> str:
        return self.md5.hex()


class Upload:
    """One upload's open directory `fd`, which has the upload's id as its name in `home`."""

    def __init__(self, context: Context, home: Fd, fd: Fd, upload_id: str) -> None:
        self.context = context
        self.fd = fd
        self.upload_id = upload_id
        self.files = ControlFiles(context.store, fd, context.random)
        self._home = home

    def info(self) -> UploadInfo:
        """Raises UploadMissing, also where the file cannot be read as what it should be."""
        data = self.files.read(INFO)
        if data is None:
            raise UploadMissing(subject=self.upload_id)
        try:
            found: dict[str, Any] = msgpack.unpackb(data)
            new = _new_upload(found["new"])
            return UploadInfo(self.upload_id, found["key"], found["initiated_ns"], new, found["bucket"])
        except (ValueError, KeyError, TypeError) as error:
            _log.error("the multipart upload %s has a damaged record", self.upload_id)
            raise UploadMissing(subject=self.upload_id) from error

    def part(self, number: int) -> StoredPart | None:
        """None for a part that never came."""
        data = self.files.read(b"%b%d" % (_PART, number))
        if data is None:
            return None
        try:
            size, md5, checksums, file, offset, mtime_ns = msgpack.unpackb(data)
            return StoredPart(number, size, md5, checksums, file, offset, mtime_ns)
        except (ValueError, TypeError):
            _log.error("part %d of the multipart upload %s has a damaged record", number, self.upload_id)
            return None

    def part_numbers(self) -> list[int]:
        """The parts that are on record, ascending."""
        return sorted(self._numbers(_PART))

    def slot_size(self, proposal: int) -> int:
        """S: what is on record, else the proposal (the first part to come decides, whichever worker has
        it).
        """
        data = self.files.read(_SLOT_SIZE)
        if data is None:
            self.files.write(_SLOT_SIZE, b"%d" % proposal, create_only=True)
            data = self.files.read(_SLOT_SIZE)
        return int(data or b"0")

    def claim(self, number: int) -> bool:
        """Whether this caller alone may write slot `number`."""
        try:
            name = b"claim-%d" % number
            self.context.store.close(
                create_concealed(self.context.store, self.fd, name, os.O_WRONLY | os.O_EXCL)
            )
        except Exists:
            return False
        return True

    def release(self, number: int) -> None:
        discard_name(self.context, self.fd, b"claim-%d" % number)

    def seal(self) -> None:
        """No slot is given out any more: the file of the slots may become the object."""
        self.context.store.close(
            create_concealed(self.context.store, self.fd, _SEALED, os.O_WRONLY)
        )

    def sealed(self) -> bool:
        try:
            self.context.store.attr_at(self.fd, _SEALED)
        except NotFound:
            return False
        return True

    def claimed(self) -> set[int]:
        """The slots that somebody wrote or may still be writing."""
        return self._numbers(b"claim-")

    def _numbers(self, prefix: bytes) -> set[int]:
        names = (entry.name for entry in self.context.store.entries(self.fd))
        return {int(name[len(prefix) :]) for name in names if name.startswith(prefix)}

    def present(self) -> bool:
        """Whether the upload still is one: neither completed nor aborted meanwhile."""
        store = self.context.store
        try:
            return store.attr_at(self._home, self.upload_id.encode()).ino == store.attr(self.fd).ino
        except NotFound:
            return False

    def part_sizes(self) -> dict[int, int]:
        """Bytes of each part that is on record, as recounts of a quota count them (`key_of_part`)."""
        found = ((number, self.part(number)) for number in self.part_numbers())
        return {key_of_part(self.upload_id, number): part.size for number, part in found if part is not None}

    @contextmanager
    def still(self) -> Iterator[None]:
        """Within it no part is entered, and the upload does not end: what its parts use is one number."""
        with ExitStack() as stack:
            for share in range(_SHARES):  # one after another: parts that keep coming must not keep us waiting
                stack.enter_context(self.entering(share))
            yield

    def entering(self, number: int) -> AbstractContextManager[None]:
        """Held while part `number` is entered; others go on meanwhile."""
        home = self.context.store.attr(self._home).ino
        name = b"parts/%b/%d" % (self.upload_id.encode(), number % _SHARES)
        return self.context.locks.hold([(home, name)])

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Within it the files of an upload that ends meanwhile are not just missing: raises UploadMissing."""
        try:
            yield
        except (NotFound, InvalidPart) as error:
            if self.present():
                raise
            raise UploadMissing(subject=self.upload_id) from error

    def close(self) -> None:
        self.context.store.close(self.fd)


@dataclass(frozen=True, slots=True)
class PartFunds:
    """What a part on its way in holds of the quota of the bucket with this identity."""

    bucket: int
    funds: Funds


class PartSession:
    """One part being written; nothing of it counts before `commit`. Used by one thread at a time."""

    def __init__(
        self, upload: Upload, number: int, fd: Fd, file: bytes, base: int, *, slot: bool, paid: PartFunds
    ) -> None:
        self.fd = fd
        self._paid = paid
        self.base = base
        self._upload = upload
        self._number = number
        self._file = file
        self._slot = slot
        self._written = 0
        self._open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to what was written so far. Raises QuotaExceeded, NoSpace."""
        self._paid.funds.cover(self._written + len(data))
        self._upload.context.store.write(self.fd, data, self.base + self._written)
        self._written += len(data)

    def fill_from(self, source: Fd, offset: int, size: int) -> None:
        """Append bytes of an open file, by reflink or within the kernel where that works. Raises
        ObjectChanged when the source ends early.
        """
        if size:
            self._upload.context.store.copy(source, offset, self.fd, self.base + self._written, size)
        self._written += size

    def read(self, size: int, offset: int) -> bytes:
        """Of what was written so far: `size` bytes at most."""
        wanted = min(size, self._written - offset)
        return self._upload.context.store.read(self.fd, wanted, self.base + offset) if wanted > 0 else b""

    def commit(self, md5: bytes, checksums: Mapping[str, str]) -> StoredPart:
        """Make it part `number`, durably. Raises UploadMissing when the upload ended meanwhile,
        QuotaExceeded.
        """
        context = self._upload.context
        reach(CrashPoint.PART_WRITTEN)
        with self._upload.under_way():
            return self._record(context, md5, checksums)

    def _record(self, context: Context, md5: bytes, checksums: Mapping[str, str]) -> StoredPart:
        if context.durability is Durability.COMMIT:
            context.store.sync_file(self.fd)
        with self._upload.entering(self._number):
            # Asked for now: a first quota counts the parts of an upload when this is over.
            ledger = context.quotas.of_identity(self._paid.bucket)
            if ledger is None:
                return self._enter(context, md5, checksums)
            return self._enter_counted(ledger, md5, checksums)

    def _enter_counted(self, ledger: Ledger, md5: bytes, checksums: Mapping[str, str]) -> StoredPart:
        context = self._upload.context
        with context.quotas.window(ledger, [self._number]):
            former = self._upload.part(self._number)
            before = former.size if former is not None else 0
            most = max(0, self._written - before)
            with context.quotas.spending(ledger, most, self._paid.funds) as spent:
                part = self._enter(context, md5, checksums)
                key = key_of_part(self._upload.upload_id, self._number)
                spent.really(part.size - before, {key: part.size})
        return part

    def _enter(self, context: Context, md5: bytes, checksums: Mapping[str, str]) -> StoredPart:
        if not self._upload.present():
            raise UploadMissing(subject=self._upload.upload_id)
        former = self._upload.part(self._number)
        if former is not None and context.durability is Durability.COMMIT:
            # Its record may only go when what the new one names is there for good.
            context.store.sync_dir(self._upload.fd)
        now_ns = context.clock.now_ns()
        part = StoredPart(self._number, self._written, md5, dict(checksums), self._file, self.base, now_ns)
        record = (part.size, part.md5, part.checksums, part.file, part.offset, part.mtime_ns)
        self._upload.files.write(b"%b%d" % (_PART, self._number), msgpack.packb(record))
        reach(CrashPoint.PART_RECORDED)
        self._finish()  # from here on the file is the part's: nothing may take it away
        if former is not None and former.file not in (DATA, self._file):
            discard_name(context, self._upload.fd, former.file)
        self._upload.close()
        return part

    def abort(self) -> None:
        """Give everything back. May be called again, and after `commit`."""
        try:
            if self._open:
                self._discard()
        finally:
            self._paid.funds.release()

    def _discard(self) -> None:
        if self._slot:
            self._empty_slot()
            self._upload.release(self._number)
        else:
            # It may not be there any more: the whole upload was aborted meanwhile.
            discard_name(self._upload.context, self._upload.fd, self._file)
        self._finish()
        self._upload.close()

    def _empty_slot(self) -> None:
        """What was written there would take room, which nobody counts, until the upload ends."""
        try:
            # A step after the record failed? Then it is a part whatever was answered.
            if self._written and self._upload.part(self._number) is None:
                self._upload.context.store.punch(self.fd, self.base, self._written)
        except NamespaceError as error:
            _log.warning("room of a part that did not come is kept until its upload ends: %s", error)

    def _finish(self) -> None:
        self._open = False
        self._upload.context.store.close(self.fd)

    def __enter__(self) -> PartSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


def _new_upload(found: dict[str, Any]) -> NewUpload:
    acl, retention = found.get("acl"), found.get("retention")
    return NewUpload(**{
        **found,
        "headers": ContentHeaders(**found["headers"]),
        "acl": None if acl is None else from_plain(acl),
        "retention": None if retention is None else Retention(**retention),
    })
