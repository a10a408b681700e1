"""The control area ``.weka`` at the store's root: format, store id, and small files replaced atomically.

``docs/STORAGE_FORMAT.md`` describes it byte by byte. The directory is 0700 and no key, path or mount leads
into it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from weka_mp.clock import Clock, RandomSource
from weka_mp.errors import UNWRITABLE, Exists, NamespaceError, NotFound, ReadOnly, StoreUnusable
from weka_mp.namespace.concealment import conceal, conceal_below, create_concealed, is_concealed
from weka_mp.namespace.names.keys import CONTROL_NAME
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["FORMAT", "LOCK_PATH", "NEW_PREFIX", "ControlArea", "ControlFiles", "open_control", "remove_older"]

FORMAT = 1
NEW_PREFIX = b".new-"
"""Begins the names of files of the control area that are being written."""

LOCK_PATH = b".weka/locks/entries"
"""Below the store's root: the file whose bytes are locked."""

_log = logging.getLogger(__name__)
_DIRECTORIES = (
    b"spool",
    b"uploads",
    b"completed",
    b"buckets",
    b"longnames",
    b"renames",
    b"moving",
    b"overflow",
    b"broken",
    b"quotas",
    b"versions",
)
_LOCKS = b"locks"
_FORMAT_FILE = b"format"
_BECOMING_OBJECTS = frozenset({b"spool", b"versions", b"data", b"object"})
"""The latter two of uploads; what lies in `versions` is objects."""


class ControlFiles:
    """Small files in one directory of the control area; each is replaced whole and durably."""

    def __init__(self, store: Store, directory: Fd, random: RandomSource) -> None:
        self._store = store
        self._random = random
        self.directory = directory

    def read(self, name: bytes) -> bytes | None:
        try:
            fd = self._store.open_file(self.directory, name, os.O_RDONLY)
        except NotFound:
            return None
        try:
            return self._store.read(fd, self._store.attr(fd).size, 0)
        finally:
            self._store.close(fd)

    def write(
        self, name: bytes, data: bytes, *, create_only: bool = False, durable: bool = True
    ) -> bool:
        """False when `create_only` and the file is there already."""
        staged = NEW_PREFIX + self._random.token(8).encode()
        fd = create_concealed(self._store, self.directory, staged, os.O_WRONLY | os.O_EXCL)
        try:
            self._store.write(fd, data, 0)
            if durable:
                self._store.sync_file(fd)
            if create_only:
                self._store.link(fd, self.directory, name)
                self._discard(staged)
            else:
                self._store.rename(self.directory, staged, self.directory, name)
        except NamespaceError as error:
            self._discard(staged)
            if create_only and isinstance(error, Exists):
                return False
            raise
        finally:
            self._store.close(fd)
        if durable:
            self._store.sync_dir(self.directory)
        return True

    def _discard(self, staged: bytes) -> None:
        try:
            self._store.unlink(self.directory, staged)
        except NotFound:
            return
        except NamespaceError as error:
            _log.warning("a staged file of the control area stays for the sweep: %s", error)

    def remove(self, name: bytes) -> None:
        """A file that is not there is no error."""
        try:
            self._store.unlink(self.directory, name)
        except NotFound:
            return
        self._store.sync_dir(self.directory)


def remove_older(store: Store, directory: Fd, before_ns: int, prefix: bytes = b"") -> int:
    """Remove files last written before that time whose names begin with `prefix`. Returns how many."""
    count = 0
    for entry in store.entries(directory):
        if entry.name.startswith(prefix):
            with suppress(NotFound):  # finished, published or removed meanwhile
                if store.attr_at(directory, entry.name).mtime_ns < before_ns:
                    store.unlink(directory, entry.name)
                    count += 1
    return count


@dataclass(frozen=True, slots=True)
class ControlArea:
    """Open descriptors of the control area's directories."""

    store_id: str
    root: Fd
    lock_file: Fd
    spool: Fd
    uploads: Fd
    completed: Fd
    buckets: Fd
    longnames: Fd
    renames: Fd
    moving: Fd
    overflow: Fd
    broken: Fd
    quotas: Fd
    versions: Fd

    def of_single_files(self) -> tuple[tuple[bytes, Fd], ...]:
        """The directories that `ControlFiles` writes into, by their names below ``.weka``."""
        names = (b"buckets", b"longnames", b"renames", b"overflow", b"broken", b"quotas")
        opened = (self.buckets, self.longnames, self.renames, self.overflow, self.broken, self.quotas)
        return ((b"", self.root), *zip(names, opened, strict=True))

    def descriptors(self) -> Sequence[Fd]:
        return (
            self.root,
            self.lock_file,
            self.spool,
            self.uploads,
            self.completed,
            self.buckets,
            self.longnames,
            self.renames,
            self.moving,
            self.overflow,
            self.broken,
            self.quotas,
            self.versions,
        )


def open_control(store: Store, clock: Clock, random: RandomSource) -> ControlArea:
    """Open the control area, making what is missing. Raises StoreUnusable with a one-line reason."""
    if not store.primitives.xattrs:
        raise StoreUnusable("the file system has no user extended attributes")
    with ExitStack() as stack:

        def directory(at: Fd, name: bytes) -> Fd:
            fd = store.open_dir(at, name)
            stack.callback(store.close, fd)
            return fd

        try:
            if _make(store, store.root(), CONTROL_NAME):
                store.sync_dir(store.root())
            control = directory(store.root(), CONTROL_NAME)
            made = [_make(store, control, name) for name in (*_DIRECTORIES, _LOCKS)]
            if any(made):
                store.sync_dir(control)
            store_id = _identify(ControlFiles(store, control, random), clock, random)
            _conceal_older(store, control)
            opened = {name: directory(control, name) for name in _DIRECTORIES}
            locks = store.open_dir(control, _LOCKS)
            try:
                lock_file = _lock_file(store, locks)
                stack.callback(store.close, lock_file)
            finally:
                store.close(locks)
        except StoreUnusable:
            raise
        except NamespaceError as error:
            raise StoreUnusable(f"the control area cannot be opened: {error}") from error
        stack.pop_all()  # from here on they are the area's
        return ControlArea(
            store_id,
            control,
            lock_file,
            opened[b"spool"],
            opened[b"uploads"],
            opened[b"completed"],
            opened[b"buckets"],
            opened[b"longnames"],
            opened[b"renames"],
            opened[b"moving"],
            opened[b"overflow"],
            opened[b"broken"],
            opened[b"quotas"],
            opened[b"versions"],
        )


def _conceal_older(store: Store, control: Fd) -> None:
    """Mark what a version without marks has made; the file of the format last, since it is what tells."""
    fd = store.open_file(control, _FORMAT_FILE, os.O_RDONLY)
    try:
        if is_concealed(store, fd, store.attr(fd)):
            return
        with suppress(*UNWRITABLE):
            conceal_below(store, control, _BECOMING_OBJECTS | {_FORMAT_FILE})
            conceal(store, fd)
    finally:
        store.close(fd)


def _lock_file(store: Store, locks: Fd) -> Fd:
    """Where nothing can be written this one cannot either: locks raise ReadOnly then, and with them every
    change.
    """
    try:
        return create_concealed(store, locks, b"entries", os.O_RDWR)
    except ReadOnly:
        return store.open_file(locks, b"entries", os.O_RDONLY)


def _make(store: Store, at: Fd, name: bytes) -> bool:
    """Whether the directory was not there before."""
    try:
        store.mkdir(at, name, 0o700)
    except Exists:
        return False  # every start but the first
    return True


def _identify(files: ControlFiles, clock: Clock, random: RandomSource) -> str:
    """The store's id from the format file, written on the first start."""
    fresh = {"format": FORMAT, "store_id": random.token(16), "created_ns": clock.now_ns()}
    data = files.read(_FORMAT_FILE)
    if data is None:
        files.write(_FORMAT_FILE, json.dumps(fresh).encode() + b"\n", create_only=True)
        data = files.read(_FORMAT_FILE) or b""
    try:
        found = json.loads(data)
        version, store_id = int(found["format"]), str(found["store_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreUnusable("the control area's format file is damaged") from error
    if version > FORMAT:
        raise StoreUnusable(f"the store has format {version}, this weka_mp knows up to {FORMAT}")
    return store_id
