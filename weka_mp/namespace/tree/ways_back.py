"""The way back from a node to its inode by file handle (open_by_handle_at(2)), also in a process that never
saw it, where the kernel, or an NFS server, remembers nothing but a number that an earlier one told.

Some file systems (ext4) find an inode by its number alone: there the handle is made up. Elsewhere handles are
recorded (`handle_index`) before the kernel hears of the number.
"""

from __future__ import annotations

import logging
import os
import struct
import threading

from weka_mp.errors import (
    AccessDenied,
    InvalidArgument,
    NamespaceError,
    NotFound,
    NotSupported,
    PermissionRefused,
    Stale,
)
from weka_mp.namespace.names.keys import CONTROL_NAME
from weka_mp.namespace.tree.file_systems import FileSystems
from weka_mp.namespace.tree.handle_index import HandleIndex
from weka_mp.namespace.tree.node_numbers import ROOT, ordinal_of
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["NO_HANDLES", "WaysBack"]

NO_HANDLES = (NotSupported, PermissionRefused, AccessDenied, InvalidArgument)
"""What a store answers that has no file handles, or gives none to us."""

_log = logging.getLogger(__name__)
_PATH = os.O_PATH | os.O_NOFOLLOW
_INO32_GEN = (
    1  # FILEID_INO32_GEN (include/linux/exportfs.h): inode and generation; ext4 takes generation 0 as "any"
)
_INO32 = struct.Struct("iII")


class WaysBack:
    """Thread-safe."""

    def __init__(self, store: Store, root_dev: int, systems: FileSystems) -> None:
        self._store = store
        self._root_dev = root_dev
        self._systems = systems
        self._lock = threading.Lock()
        self._handles = self._handles_open()
        self._guessable = self._handles and self._guesses_hold()
        self._index: HandleIndex | None = None
        self._is_index_opened = not self._handles
        if not self._guessable:
            self._open_index()

    def _handles_open(self) -> bool:
        try:
            handle = self._store.handle_of(self._store.root())
            self._store.close(self._store.open_handle(handle, _PATH))
        except (*NO_HANDLES, Stale):
            return False
        return True

    def _guesses_hold(self) -> bool:
        """Tried on an inode that has a generation, the control area: else any file system seems to take 0."""
        try:
            fd = self._store.open_path(self._store.root(), CONTROL_NAME)
        except NotFound:
            fd = self._store.dup(self._store.root())
        try:
            handle = self._store.handle_of(fd)
            if len(handle) != _INO32.size:
                return False
            form, ino, generation = _INO32.unpack(handle)
            if form != _INO32_GEN or generation == 0:
                return False
            self._store.close(self._store.open_handle(_INO32.pack(form, ino, 0), _PATH))
        except (*NO_HANDLES, Stale):
            return False
        finally:
            self._store.close(fd)
        return True

    def _open_index(self) -> HandleIndex | None:
        """None where no handle opens, nor one could be kept."""
        with self._lock:
            if not self._is_index_opened:
                self._index = HandleIndex.open(self._store)
                self._is_index_opened = True
            return self._index

    def is_short(self, number: int, dev: int, ino: int) -> bool:
        """Whether the number alone leads back, so that nothing has to be kept."""
        return self._guessable and dev == self._root_dev and number == ino < 1 << 32

    def record(self, number: int, dev: int, ino: int, handle: bytes) -> None:
        """Keep the way back beyond this process, for numbers that outlive it and are no way themselves."""
        lasting = number == ino if dev == self._root_dev else ordinal_of(number) is not None
        if not lasting or (self._guessable and dev == self._root_dev):
            return
        try:
            index = self._index or self._open_index()
            if index is not None:
                index.record(number, handle)
        except NamespaceError as error:  # the handle will be stale after a restart; nothing else is lost
            _log.warning("the way back to an inode was not recorded: %s", error)

    def find(self, number: int) -> tuple[int, bytes]:
        """Device and handle for a number that an earlier process may have given out. Raises Stale."""
        if self._guessable and ROOT < number < 1 << 32:
            return self._root_dev, _INO32.pack(_INO32_GEN, number, 0)
        ordinal = ordinal_of(number)
        dev = self._root_dev if ordinal is None else self._systems.device(ordinal)
        if dev is not None and (ordinal is not None or not self._guessable):
            index = self._index or self._open_index()
            recorded = None if index is None else index.find(number)
            if recorded is not None:
                return dev, recorded
        raise Stale("this inode is gone")

    def open(self, dev: int, handle: bytes) -> Fd:
        """An O_PATH descriptor. Raises Stale; one of NO_HANDLES where only its name leads to the inode."""
        if not self._handles:
            raise NotSupported("no file handles here")
        if dev == self._root_dev:
            return self._store.open_handle(handle, _PATH)
        return self._systems.open_handle(dev, handle, _PATH)

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            if self._index is not None:
                self._index.close()
                self._index = None
