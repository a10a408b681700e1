"""A disk that remembers: a FUSE file system with one file, which logs every write and every flush in order.

``python -m tests.powercut.device IMAGE MOUNTPOINT LOG`` serves IMAGE as ``MOUNTPOINT/disk`` until SIGTERM. A
loop device with direct I/O over that file turns what its file system does into requests here: writes as they
are, and REQ_PREFLUSH and REQ_FUA as fsync(2) of the backing file. Each request is answered before the next is
looked at, so what the log holds before a flush is what a drive would have to keep once it was answered.

The log is a row of records, see `Record`; its length at any time is a position in history.
"""

from __future__ import annotations

import errno
import os
import signal
import stat
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyfuse3
import trio

__all__ = ["DISK", "Record", "records"]

DISK = "disk"
_INODE = pyfuse3.InodeT(pyfuse3.ROOT_INODE + 1)
_HEADER = struct.Struct("<cQI")  # kind, offset, length of what follows
_WRITE, _FLUSH = b"w", b"f"


@dataclass(frozen=True, slots=True)
class Record:
    """One request. `start` and `end` are positions in the log; `data` None means a flush."""

    start: int
    end: int
    offset: int
    data: bytes | None


def records(log: Path) -> Iterator[Record]:
    """What was logged, in order."""
    raw, at = memoryview(log.read_bytes()), 0
    while at < len(raw):
        kind, offset, length = _HEADER.unpack_from(raw, at)
        begin = at + _HEADER.size
        data = bytes(raw[begin : begin + length]) if kind == _WRITE else None
        yield Record(at, begin + length, offset, data)
        at = begin + length


class Disk(pyfuse3.Operations):
    """The root directory and the one file in it."""

    def __init__(self, image: str, log: str) -> None:
        super().__init__()
        self._image = os.open(image, os.O_RDWR)
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def getattr(
        self, inode: pyfuse3.InodeT, ctx: pyfuse3.RequestContext | None = None
    ) -> pyfuse3.EntryAttributes:
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        entry.st_mode = stat.S_IFDIR | 0o755
        if inode == _INODE:
            entry.st_mode = stat.S_IFREG | 0o600
            entry.st_size = os.fstat(self._image).st_size
        return entry

    async def lookup(
        self, parent_inode: pyfuse3.InodeT, name: bytes, ctx: pyfuse3.RequestContext
    ) -> pyfuse3.EntryAttributes:
        if name != DISK.encode():
            raise pyfuse3.FUSEError(errno.ENOENT)
        return await self.getattr(_INODE, ctx)

    async def open(self, inode: pyfuse3.InodeT, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        return pyfuse3.FileInfo(fh=pyfuse3.FileHandleT(inode), direct_io=True)

    async def read(self, fh: pyfuse3.FileHandleT, off: int, size: int) -> bytes:
        return os.pread(self._image, size, off)

    async def write(self, fh: pyfuse3.FileHandleT, off: int, buf: bytes) -> int:
        self._note(_WRITE, off, buf)
        return os.pwrite(self._image, buf, off)

    async def fsync(self, fh: pyfuse3.FileHandleT, datasync: bool) -> None:
        self._note(_FLUSH, 0, b"")

    def _note(self, kind: bytes, offset: int, data: bytes) -> None:
        os.writev(self._log, [_HEADER.pack(kind, offset, len(data)), data])


async def _serve() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pyfuse3.main)
        with trio.open_signal_receiver(signal.SIGTERM) as signals:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            async for _ in signals:
                break
        pyfuse3.terminate()
        nursery.cancel_scope.cancel()


def main() -> None:
    image, mountpoint, log = sys.argv[1:]
    pyfuse3.init(Disk(image, log), mountpoint, {"fsname=weka_mp-test-disk", "default_permissions"})
    try:
        trio.run(_serve)
    finally:
        pyfuse3.close(unmount=True)


if __name__ == "__main__":
    main()
