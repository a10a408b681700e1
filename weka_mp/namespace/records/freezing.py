"""Locked versions are frozen: FS_IMMUTABLE_FL on their inodes where the store has it (docs/SEMANTICS.md, 19).

What a lock forbids the rules of Object Lock refuse by the record, at every door. The flag reaches who comes
by none: descriptors and mappings from before the lock, and who works in the store's directory itself. Where
it does not stop the former (`Primitives.immutable_stops`) a lock is refused while somebody can write.

Even names and attributes of a frozen inode stay, so what has to change them (the version becomes a noncurrent
one, its retention is extended, it may go by now) thaws it for the length of a block, under a lock of its own.
Who dies in one leaves an inode whose record says that it is locked and that is not frozen: the background
process freezes it again (`weka_mp.namespace.upkeep.thawed`).
"""

from __future__ import annotations

import functools
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from weka_mp.errors import AccessDenied, Conflict, NamespaceError, NotFound, NotSupported, StoreUnusable
from weka_mp.namespace.concealment import RECORD_XATTR
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.records import codec
from weka_mp.namespace.records.values import Record
from weka_mp.object_lock import Lockable
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["changeable", "entry_changeable", "freeze", "freeze_own", "has_lock", "lock_of"]

_log = logging.getLogger(__name__)
_REMEMBERED = 512


def has_lock(found: Lockable) -> bool:
    """Whether there is a lock, be its time over: what has none was never frozen, or is no longer."""
    return bool(found.legal_hold) or found.retention is not None


def lock_of(store: Store, fd: Fd) -> Record:
    """The record behind `fd` as far as it says of locks, which never lie in overflow files. Raises
    StoreUnusable where it is damaged, and may have said so.
    """
    data = store.find_xattr(fd, RECORD_XATTR)
    if data is None:
        return Record()
    try:
        return _decoded(data)
    except ValueError as error:
        raise StoreUnusable("the record of the version, which may have locked it, is damaged") from error


@functools.lru_cache(maxsize=_REMEMBERED)
def _decoded(data: bytes) -> Record:
    """Each write of the mount asks, and a file that is being written has the same record all the while."""
    return codec.decode(data)


def _may_be_frozen(store: Store, fd: Fd, found: Lockable | None) -> bool:
    """And be thawed: what locks a version whose record is damaged nobody knows, and it stays as it is."""
    try:
        return has_lock(lock_of(store, fd) if found is None else found)
    except StoreUnusable:
        return False


@contextmanager
def changeable(store: Store, locks: EntryLocks, fd: Fd, found: Lockable | None = None) -> Iterator[None]:
    """The block may change the inode behind `fd`, or its names; frozen again after it, if it still has one.

    found: its record, if it was read. Under the lock of its entry, or of none; never under that of a record.
    """
    if not store.primitives.immutable or not _may_be_frozen(store, fd, found):
        yield
        return
    with locks.hold_thawed(store.attr(fd).ino) as within:
        if within or not store.is_immutable(fd):
            yield
            return
        store.set_immutable(fd, False)
        try:
            yield
        finally:
            _freeze_again(store, fd)


def _freeze_again(store: Store, fd: Fd) -> None:
    try:
        if store.attr(fd).nlink and has_lock(lock_of(store, fd)):
            store.set_immutable(fd, True)
    except NamespaceError as error:
        _log.error("a locked version is not frozen until the next sweep: %s", error)


@contextmanager
def entry_changeable(store: Store, locks: EntryLocks, directory: Fd, name: bytes) -> Iterator[None]:
    """The same of what has this name; nothing, if nothing has it."""
    fd = None
    if store.primitives.immutable:
        with suppress(NotFound):
            fd = store.open_path(directory, name)
    if fd is None:
        yield
        return
    try:
        if stat.S_ISREG(store.attr(fd).mode):
            with changeable(store, locks, fd):
                yield
        else:
            yield
    finally:
        store.close(fd)


def freeze_own(store: Store, fd: Fd, found: Lockable) -> None:
    """A file that is locked from the beginning, and was just given its name: nobody else can write it."""
    if store.primitives.immutable and has_lock(found) and stat.S_ISREG(store.attr(fd).mode):
        store.set_immutable(fd, True)


def freeze(store: Store, fd: Fd) -> None:
    """A file that is locked by now; `fd` reads it or is O_PATH. Raises Conflict where somebody whom the flag
    would not stop has it open for writing.
    """
    if not stat.S_ISREG(store.attr(fd).mode) or store.is_immutable(fd):
        return
    if store.primitives.immutable_stops or not store.primitives.leases:
        if store.primitives.immutable:
            store.set_immutable(fd, True)
        return
    with _leased(store, fd) as leased:
        if store.primitives.immutable:
            store.set_immutable(fd, True)
        if not store.lease_intact(leased):  # one who opened it meanwhile waits for us
            if store.primitives.immutable:
                store.set_immutable(fd, False)
            raise Conflict("the file is being opened for writing")


@contextmanager
def _leased(store: Store, fd: Fd) -> Iterator[Fd]:
    """A descriptor with a read lease, which nobody gets of a file that can be written by anybody."""
    reading = store.reopen(fd, os.O_RDONLY | os.O_NONBLOCK)
    try:
        granted = False
        with suppress(AccessDenied, NotSupported):
            granted = store.try_lease(reading)
        if not granted:
            raise Conflict("somebody has the file open for writing")
        try:
            yield reading
        finally:
            store.drop_lease(reading)
    finally:
        store.close(reading)
