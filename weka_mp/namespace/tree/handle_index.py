"""The way back from a node's number to its inode, kept across restarts of the mount.

An NFS server's handles hold nothing of an inode but the number that the mount told, and live for as long as
the server's clients do. Where the file system finds an inode by its number alone, nothing is kept
(`Nodes`); elsewhere its file handle is recorded here before the kernel hears of the number. It is a cache
and no truth: a record that is missing, torn or of a removed inode makes the handle stale, never wrong, since
the inode that it leads to is asked for its number.

A hash table in one sparse file of the control area (docs/STORAGE_FORMAT.md, "Handles"). It grows by whole
levels, each twice the size of the one before, so that nothing is ever moved.
"""

from __future__ import annotations

import os
import struct
import threading
import zlib

from weka_mp.errors import UNWRITABLE, NotFound
from weka_mp.namespace.concealment import create_concealed
from weka_mp.namespace.names.keys import CONTROL_NAME
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["HandleIndex"]

_SLOT = struct.Struct("<QB51sI")  # number (0: free), length, file handle, CRC-32 of what precedes it
_SLOTS = 8  # of one bucket
_BUCKET = _SLOT.size * _SLOTS
_FIRST = 1 << 10  # buckets of level 0
_LEVELS = 12  # 33 million records, 2 GiB: beyond that the newest displace others
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: spreads consecutive inode numbers (Knuth, 6.4)
_MASK_64 = (1 << 64) - 1


class HandleIndex:
    """Thread-safe, and safe beside the index of another mount of the same store."""

    def __init__(self, store: Store, file: Fd) -> None:
        """Takes `file` over."""
        self._store = store
        self._file = file
        self._lock = threading.Lock()

    @classmethod
    def open(cls, store: Store) -> HandleIndex | None:
        """The store's; None where there is no control area, or where nothing can be written."""
        try:
            control = store.open_dir(store.root(), CONTROL_NAME)
        except NotFound:
            return None
        try:
            return cls(store, create_concealed(store, control, b"handles", os.O_RDWR))
        except UNWRITABLE:
            return None
        finally:
            store.close(control)

    def record(self, number: int, handle: bytes) -> None:
        """Keep the way back to this number. A handle that is too long for a record is not kept."""
        if len(handle) > 51:
            return
        body = struct.pack("<QB51s", number, len(handle), handle)
        slot = body + struct.pack("<I", zlib.crc32(body))
        with self._lock:
            levels = self._levels()
            self._store.lock(self._file, 0, wait=True)
            try:
                offset = self._place(number, slot, levels)
                if offset is not None:
                    self._store.write(self._file, slot, offset)
            finally:
                self._store.unlock(self._file, 0)

    def find(self, number: int) -> bytes | None:
        """What was recorded last for this number, if it is whole."""
        for level in range(self._levels()):
            data = self._bucket(_offset(number, level))
            for start in range(0, len(data), _SLOT.size):
                found, length, handle, check = _SLOT.unpack_from(data, start)
                if found == number and check == zlib.crc32(data[start : start + _SLOT.size - 4]):
                    return bytes(handle[:length])
        return None

    def _place(self, number: int, slot: bytes, levels: int) -> int | None:
        """Where the slot is to be written; None: it stands there already."""
        free = None
        for level in range(levels):
            offset = _offset(number, level)
            data = self._bucket(offset)
            for start in range(0, _BUCKET, _SLOT.size):
                there = data[start : start + _SLOT.size]
                found = int.from_bytes(there[:8], "little")
                if found == number:
                    return None if there == slot else offset + start
                if found == 0 and free is None:
                    free = offset + start
        if free is not None:
            return free
        if levels < _LEVELS:
            return _offset(number, levels)
        return _offset(number, _LEVELS - 1) + number % _SLOTS * _SLOT.size

    def _bucket(self, offset: int) -> bytes:
        return self._store.read(self._file, _BUCKET, offset).ljust(_BUCKET, b"\0")

    def _levels(self) -> int:
        """How many levels have been begun."""
        size = self._store.attr(self._file).size
        levels = 0
        while levels < _LEVELS and size > _start(levels):
            levels += 1
        return levels

    def close(self) -> None:
        """Give the file back."""
        self._store.close(self._file)


def _start(level: int) -> int:
    return _BUCKET * _FIRST * ((1 << level) - 1)


def _offset(number: int, level: int) -> int:
    buckets = _FIRST << level
    return _start(level) + (number * _MULTIPLIER & _MASK_64) * buckets // (1 << 64) * _BUCKET
