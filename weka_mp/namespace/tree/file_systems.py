"""Other file systems below the store, a bucket that is a mount point above all: which is which.

Inode numbers of two file systems clash, and a device number (st_dev) tells them apart only until the next
mount. So each gets an *ordinal*, which goes into the numbers of its nodes (`node_numbers`) and is kept in the
file ``filesystems`` of the control area (docs/STORAGE_FORMAT.md). A file system is recognised by its f_fsid
(statfs(2)), which most derive from their UUID; where there is none (0) by where it is mounted. The place also
is the way to open an inode by its handle, since open_by_handle_at(2) wants a descriptor of that mount. It is
opened anew each time: a descriptor that is kept would keep an administrator from unmounting.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from weka_mp.errors import NamespaceError, NotFound, NotSupported
from weka_mp.namespace.concealment import create_concealed
from weka_mp.namespace.names.keys import CONTROL_NAME
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["LARGEST_ORDINAL", "RECORD_NAME", "FileSystem", "FileSystems", "decode", "encode"]

RECORD_NAME = b"filesystems"
LARGEST_ORDINAL = (1 << 14) - 1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileSystem:
    """`fsid`: 0 where it has none. `path`: its mount point below the store; empty: not known."""

    ordinal: int
    fsid: int
    path: bytes


def encode(system: FileSystem) -> bytes:
    """One line of the record."""
    fields = {
        "fsid": f"{system.fsid:016x}",
        "ordinal": system.ordinal,
        "path": system.path.decode("utf-8", "surrogateescape"),
    }
    return json.dumps(fields).encode("ascii") + b"\n"


def decode(data: bytes) -> dict[int, FileSystem]:
    """The file systems by ordinal. The last line of an ordinal counts; a torn or foreign line does not."""
    found = {}
    for line in data.splitlines():
        try:
            fields = json.loads(line)
            path = fields["path"].encode("utf-8", "surrogateescape")
            system = FileSystem(int(fields["ordinal"]), int(fields["fsid"], 16), path)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if 0 < system.ordinal <= LARGEST_ORDINAL:
            found[system.ordinal] = system
    return found


class FileSystems:
    """Thread-safe, and safe beside another mount of the same store."""

    def __init__(self, store: Store, root_dev: int) -> None:
        self._store = store
        self._root_dev = root_dev
        self._lock = threading.Lock()
        self._recorded: dict[int, FileSystem] = {}
        self._ordinals: dict[int, int | None] = {}  # by device; None: it cannot be recorded

    def ordinal(self, dev: int) -> int | None:
        """That of the file system with this device number, once it was met."""
        return self._ordinals.get(dev)

    def ordinals(self) -> list[int]:
        """Of all that were met."""
        return [ordinal for ordinal in list(self._ordinals.values()) if ordinal is not None]

    def met(self, dev: int) -> bool:
        return dev in self._ordinals

    def meet(self, fd: Fd, dev: int, path: bytes) -> None:
        """Somebody came to its root, behind `fd`, mounted at `path` below the store (empty: not known)."""
        fsid = self._store.statvfs(fd).fsid
        with self._lock:
            if dev in self._ordinals and self._is_still(dev, fsid, path):
                return
            try:
                self._ordinals[dev] = self._found_or_added(dev, fsid, path)
            except NamespaceError as error:
                self._ordinals[dev] = None
                _log.warning("node numbers of %s will not outlive this mount: %s", os.fsdecode(path), error)

    def _is_still(self, dev: int, fsid: int, path: bytes) -> bool:
        ordinal = self._ordinals[dev]
        if ordinal is None:
            return True
        known = self._recorded[ordinal]
        return known.fsid == fsid and (path in (b"", known.path) or self._device_at(known) == dev)

    def _found_or_added(self, dev: int, fsid: int, path: bytes) -> int | None:
        record = self._open()
        if record is None or (fsid == 0 and not path):
            return None
        try:
            self._store.lock(record, 0, wait=True)
            try:
                data = self._read(record)
                system = self._chosen(dev, fsid, path)
                if system is not None and self._recorded.get(system.ordinal) != system:
                    line = encode(system)
                    self._store.write(record, line if data[-1:] in (b"", b"\n") else b"\n" + line, len(data))
                    self._store.sync_file(record)
                    self._recorded[system.ordinal] = system
            finally:
                self._store.unlock(record, 0)
        finally:
            self._store.close(record)
        return None if system is None else system.ordinal

    def _chosen(self, dev: int, fsid: int, path: bytes) -> FileSystem | None:
        """What it is: one that is recorded, at this place or at another, or a new one."""
        known = [system for system in self._recorded.values() if system.fsid == fsid]
        for system in known:
            if path and system.path == path:
                return system
        if fsid != 0:
            for system in known:
                if self._device_at(system) in (dev, None):  # else: a copy of it, block by block
                    return system if not path else FileSystem(system.ordinal, fsid, path)
        ordinal = max(self._recorded, default=0) + 1
        return FileSystem(ordinal, fsid, path) if ordinal <= LARGEST_ORDINAL else None

    def _device_at(self, system: FileSystem) -> int | None:
        """The device number under which it is mounted where it is recorded; None: it is not there."""
        try:
            with self._opened(system) as root:
                return self._store.attr(root).dev
        except NamespaceError:
            return None

    @contextmanager
    def _opened(self, system: FileSystem) -> Iterator[Fd]:
        """Its root. Raises NotSupported when it is not where it was."""
        if not system.path:
            raise NotSupported("nobody knows where it is mounted")
        try:
            root = self._store.open_dir(self._store.root(), system.path)
        except NamespaceError as error:
            raise NotSupported("its mount point is gone") from error
        try:
            if self._store.attr(root).dev == self._root_dev or self._store.statvfs(root).fsid != system.fsid:
                raise NotSupported("it is not mounted where it was")
            yield root
        finally:
            self._store.close(root)

    def device(self, ordinal: int) -> int | None:
        """The device number of a file system that an earlier process met, if it is mounted where it was."""
        with self._lock:
            if ordinal not in self._recorded:
                self._refresh()
            system = self._recorded.get(ordinal)
            dev = None if system is None else self._device_at(system)
            if dev is None or self._ordinals.setdefault(dev, ordinal) != ordinal:
                return None
            return dev

    def open_handle(self, dev: int, handle: bytes, flags: int) -> Fd:
        """As the store's verb, in that file system.

        NotSupported where it cannot be reached, besides those of the verb.
        """
        ordinal = self._ordinals.get(dev)
        if ordinal is None:
            raise NotSupported("this file system is not recorded")
        with self._opened(self._recorded[ordinal]) as root:
            if self._store.attr(root).dev != dev:
                raise NotSupported("another file system is mounted there")
            return self._store.open_handle(handle, flags, root)

    # ---- the record
    def _open(self) -> Fd | None:
        try:
            control = self._store.open_dir(self._store.root(), CONTROL_NAME)
        except NotFound:
            return None
        try:
            record = create_concealed(self._store, control, RECORD_NAME, os.O_RDWR)
            if self._store.attr(record).size == 0:
                self._store.sync_dir(control)
            return record
        finally:
            self._store.close(control)

    def _read(self, record: Fd) -> bytes:
        data = self._store.read(record, self._store.attr(record).size, 0)
        self._recorded = decode(data)
        return data

    def _refresh(self) -> None:
        try:
            record = self._store.open_file(self._store.root(), CONTROL_NAME + b"/" + RECORD_NAME, os.O_RDONLY)
        except NotFound:
            return
        try:
            self._read(record)
        finally:
            self._store.close(record)
