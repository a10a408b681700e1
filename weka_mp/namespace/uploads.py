"""One multipart upload in the control area: its files, the slots of its parts, and a part being written."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import msgpack

from weka_mp.errors import Exists, NotFound, UploadMissing
from weka_mp.namespace.context import Context, Durability
from weka_mp.namespace.control import ControlFiles
from weka_mp.namespace.naming import discard_name
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Fd

__all__ = ["DATA", "INFO", "PartSession", "StoredPart", "Upload"]

INFO, DATA, _SLOT_SIZE, _SEALED = b"info", b"data", b"slot-size", b"sealed"


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
    """One upload's open directory."""

    def __init__(self, context: Context, fd: Fd, upload_id: str) -> None:
        self.context = context
        self.fd = fd
        self.upload_id = upload_id
        self.files = ControlFiles(context.store, fd, context.random)

    def info(self) -> dict[str, Any]:
        data = self.files.read(INFO)
        if data is None:
            raise UploadMissing(subject=self.upload_id)
        found: dict[str, Any] = msgpack.unpackb(data)
        return found

    def part(self, number: int) -> StoredPart | None:
        data = self.files.read(b"part-%d" % number)
        if data is None:
            return None
        size, md5, checksums, file, offset, mtime_ns = msgpack.unpackb(data)
        return StoredPart(number, size, md5, checksums, file, offset, mtime_ns)

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
                self.context.store.open_file(self.fd, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            )
        except Exists:
            return False
        return True

    def release(self, number: int) -> None:
        discard_name(self.context, self.fd, b"claim-%d" % number)

    def seal(self) -> None:
        """No slot is given out any more: the file of the slots may become the object."""
        self.context.store.close(
            self.context.store.open_file(self.fd, _SEALED, os.O_WRONLY | os.O_CREAT, 0o600)
        )

    def sealed(self) -> bool:
        try:
            self.context.store.attr_at(self.fd, _SEALED)
        except NotFound:
            return False
        return True

    def claimed(self) -> set[int]:
        """The slots that somebody wrote or may still be writing."""
        prefix = b"claim-"
        names = (entry.name for entry in self.context.store.entries(self.fd))
        return {int(name[len(prefix) :]) for name in names if name.startswith(prefix)}

    def present(self) -> bool:
        """Whether the upload still is one: neither completed nor aborted meanwhile."""
        return self.context.store.attr(self.fd).nlink > 0 and self.files.read(INFO) is not None

    def close(self) -> None:
        self.context.store.close(self.fd)


class PartSession:
    """One part being written; nothing of it counts before `commit`. Used by one thread at a time."""

    def __init__(self, upload: Upload, number: int, fd: Fd, file: bytes, base: int, slot: bool) -> None:
        self.fd = fd
        self.base = base
        self._upload = upload
        self._number = number
        self._file = file
        self._slot = slot
        self._written = 0
        self._open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to what was written so far."""
        self._upload.context.store.write(self.fd, data, self.base + self._written)
        self._written += len(data)

    def commit(self, md5: bytes, checksums: Mapping[str, str]) -> str:
        """Make it part `number`, durably. Returns its ETag. Raises UploadMissing when the upload ended
        meanwhile.
        """
        context = self._upload.context
        reach(CrashPoint.PART_WRITTEN)
        if context.durability is Durability.COMMIT:
            context.store.sync_file(self.fd)
        if not self._upload.present():
            raise UploadMissing(subject=self._upload.upload_id)
        former = self._upload.part(self._number)
        record = (self._written, md5, dict(checksums), self._file, self.base, context.clock.now_ns())
        self._upload.files.write(b"part-%d" % self._number, msgpack.packb(record))
        reach(CrashPoint.PART_RECORDED)
        self._finish()  # from here on the file is the part's: nothing may take it away
        if former is not None and former.file not in (DATA, self._file):
            discard_name(context, self._upload.fd, former.file)
        self._upload.close()
        return md5.hex()

    def abort(self) -> None:
        """Give everything back. May be called again, and after `commit`."""
        if not self._open:
            return
        # Not there any more: the whole upload was aborted meanwhile.
        discard_name(
            self._upload.context, self._upload.fd, b"claim-%d" % self._number if self._slot else self._file
        )
        self._finish()
        self._upload.close()

    def _finish(self) -> None:
        self._open = False
        self._upload.context.store.close(self.fd)

    def __enter__(self) -> PartSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()
