"""Overflow files: what of an object record does not fit into the inode's attributes (docs/STORAGE_FORMAT.md).

ext4 holds one block of attributes per inode, 1 to 4 KiB, for all callers together. The rest lies in
``.weka/overflow/<SHA-256 of its bytes>``: never edited, on the disk before a record names it, and shared by
all records that say the same. Records are copied by programs that know nothing of this (cp, rsync, restores,
reflinks), so nobody counts references: `OverflowSweep` looks at every record of the store, and takes a file
away that two complete looks, a grace time apart, found in no record.

A file's mtime is the last time at which somebody is known to have wanted it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress

from weka_mp.clock import Clock, SystemRandom
from weka_mp.errors import NoAttribute, NotDirectory, NotFound
from weka_mp.namespace.control import LOCK_PATH, ControlFiles
from weka_mp.namespace.locks import entry_offset
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["GRACE_NS", "fetch", "keep", "names", "sweep"]

_PATH = b".weka/overflow"
_MAX_BYTES = 1 << 20  # 10,000 parts of different sizes take 140 KB
_UNREFERENCED = "user.weka.unreferenced"
GRACE_NS = 7 * 24 * 3600 * 1_000_000_000
"""How long no record may have named an overflow file before it goes."""


def _directory(store: Store) -> Fd:
    return store.open_dir(store.root(), _PATH)


@contextmanager
def _locked(store: Store, name: bytes) -> Iterator[None]:
    """Nobody else makes or takes away the overflow file of this name; taken after every other lock."""
    fd = store.open_file(store.root(), LOCK_PATH, os.O_RDWR)
    offset = entry_offset(0, _PATH + b"/" + name)  # no directory has inode number 0
    try:
        store.lock(fd, offset, wait=True)
        try:
            yield
        finally:
            store.unlock(fd, offset)
    finally:
        store.close(fd)


def keep(store: Store, data: bytes) -> bytes:
    """Put `data` on the disk under its SHA-256 and return that.

    It is written anew even where it is there: a file that is as young as this cannot be swept before the
    grace time has passed, in which the caller writes the record that names it.
    """
    digest = hashlib.sha256(data).digest()
    name = digest.hex().encode()
    directory = _directory(store)
    try:
        with _locked(store, name):
            ControlFiles(store, directory, SystemRandom()).write(name, data)
    finally:
        store.close(directory)
    return digest


def fetch(store: Store, digest: bytes) -> bytes:
    """What was kept under this SHA-256. Raises ValueError when it is missing or damaged."""
    path = _PATH + b"/" + digest.hex().encode()
    try:
        fd = store.open_file(store.root(), path, os.O_RDONLY)
    except (NotFound, NotDirectory) as error:
        raise ValueError(f"the overflow file {digest.hex()} is missing") from error
    try:
        data = store.read(fd, _MAX_BYTES, 0)
    finally:
        store.close(fd)
    if hashlib.sha256(data).digest() != digest:
        raise ValueError(f"the overflow file {digest.hex()} is damaged")
    return data


def names(store: Store) -> set[bytes]:
    """The SHA-256 of every overflow file there is."""
    directory = _directory(store)
    try:
        return {
            bytes.fromhex(entry.name.decode()) for entry in store.entries(directory) if _is_digest(entry.name)
        }
    finally:
        store.close(directory)


def _is_digest(name: bytes) -> bool:
    return len(name) == 64 and all(byte in b"0123456789abcdef" for byte in name)


def sweep(store: Store, clock: Clock, referenced: Callable[[], Collection[bytes] | None]) -> int:
    """Take away files that no record names any more. Returns how many.

    `referenced` looks at every record of the store and answers the digests they name, None when it did not
    come to its end; it is only called when some file has not been wanted for the grace time.
    """
    now = clock.now_ns()
    directory = _directory(store)
    try:
        due = list(_due(store, directory, now))
        if not due:
            return 0
        found = referenced()
        if found is None:
            return 0
        return sum(_judge(store, directory, name, now, bytes.fromhex(name.decode()) in found) for name in due)
    finally:
        store.close(directory)


def _due(store: Store, directory: Fd, now: int) -> Iterable[bytes]:
    """Files that nobody wanted for the grace time and whose first conviction, if any, is that old as well."""
    for entry in store.entries(directory):
        if not _is_digest(entry.name):
            continue
        with suppress(NotFound):
            if store.attr_at(directory, entry.name).mtime_ns < now - GRACE_NS:
                convicted = _convicted(store, directory, entry.name)
                if convicted is None or convicted < now - GRACE_NS:
                    yield entry.name


def _convicted(store: Store, directory: Fd, name: bytes) -> int | None:
    """When a look at all records first found no reference; None: none did since one was found."""
    fd = store.open_file(directory, name, os.O_RDONLY)
    try:
        text = store.find_xattr(fd, _UNREFERENCED)
        return int(text) if text is not None and text.isdigit() else None
    finally:
        store.close(fd)


def _judge(store: Store, directory: Fd, name: bytes, now: int, referenced: bool) -> bool:
    """Whether the file was taken away."""
    try:
        with _locked(store, name):
            fd = store.open_file(directory, name, os.O_RDONLY)
            try:
                return _judged(store, directory, name, fd, now, referenced)
            finally:
                store.close(fd)
    except NotFound:
        return False


def _judged(store: Store, directory: Fd, name: bytes, fd: Fd, now: int, referenced: bool) -> bool:
    if store.attr(fd).mtime_ns >= now - GRACE_NS:
        return False  # written anew meanwhile
    if referenced:
        with suppress(NoAttribute):
            store.remove_xattr(fd, _UNREFERENCED)
        store.utimens(fd, now, now)
        return False
    if store.find_xattr(fd, _UNREFERENCED) is None:
        store.set_xattr(fd, _UNREFERENCED, b"%d" % now)
        return False
    store.unlink(directory, name)
    return True
