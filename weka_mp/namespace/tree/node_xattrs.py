"""Extended attributes of the mount's nodes: files' own, and S3 metadata among them (docs/SEMANTICS.md, 12).

Calls that may wait (for the disk, for a record's lock, for a lease) raise WouldBlock unless `wait` is set;
they have changed nothing then, and are called again from a thread that may block.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from weka_mp.clock import Clock
from weka_mp.errors import (
    AttributeTooLarge,
    NoAttribute,
    NoSpace,
    NotSupported,
    PermissionRefused,
    WouldBlock,
)
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.records import s3_attributes
from weka_mp.namespace.records.attribute import CHECKSUM_IDS, amend_record, make_room, read_record
from weka_mp.namespace.records.directories import take_over
from weka_mp.namespace.records.etags import EtagState, settle
from weka_mp.namespace.records.values import Record, derived_etag
from weka_mp.namespace.tree import mount_xattrs
from weka_mp.namespace.tree.node_numbers import is_virtual
from weka_mp.namespace.tree.node_versions import NodeVersions
from weka_mp.store.interface import Store
from weka_mp.values import Fd, Stamp

__all__ = ["NodeXattrs"]

Reach = Callable[[int], AbstractContextManager[Fd]]
"""A descriptor of a node, which may be O_PATH, for the length of a block."""

_ETAG, _VERSION, _CHECKSUM = b"etag", b"version-id", b"checksum."
_ANSWERS = {_ETAG, _VERSION, *(_CHECKSUM + name.encode() for name in CHECKSUM_IDS)}
_ROOM_XATTR, _ROOM = "user.weka.room", b"room"  # as large as a writer mark
_AMPLE = 16_000  # bytes: where one value may be as large as this nobody runs out of room


class NodeXattrs:
    """Thread-safe. `reach` is for the event loop, `hold` for threads that block."""

    def __init__(
        self, store: Store, locks: EntryLocks, clock: Clock, reach: Reach, hold: Reach, versions: NodeVersions
    ) -> None:
        self._store = store
        self._locks = locks
        self._clock = clock
        self._reach = reach
        self._hold = hold
        self._versions = versions

    @contextmanager
    def _descriptor(self, number: int, wait: bool) -> Iterator[Fd]:
        with self._hold(number) if wait else self._reach(number) as fd:
            yield fd

    def _is_file(self, fd: Fd) -> bool:
        return stat.S_ISREG(self._store.attr(fd).mode)

    def get(self, number: int, name: bytes, uid: int, *, wait: bool = False) -> bytes:
        """getxattr(2)."""
        if is_virtual(number):
            raise NoAttribute(subject=name)
        suffix = mount_xattrs.s3_suffix(name)
        if suffix is None:
            mount_xattrs.check_get(name, uid)
        elif suffix in _ANSWERS and not wait:
            raise WouldBlock("an ETag may have to wait for the disk")
        with self._descriptor(number, wait) as fd:
            if suffix is None:
                return self._store.get_xattr(fd, os.fsdecode(name))
            if not self._is_file(fd):
                raise NoAttribute(subject=name)
            if suffix in _ANSWERS:
                return self._answers(fd, suffix)[0]
            return s3_attributes.value_of(read_record(self._store, fd) or Record(), suffix)

    def _answers(self, fd: Fd, suffix: bytes) -> list[bytes]:
        """The present value, and others that say the same. Raises NoAttribute."""
        state, stamp = self._settled(fd)
        if suffix == _ETAG:
            found = [state.etag]
            if state.true and state.record is not None:
                found.append(derived_etag(stamp, state.record.salt))
            return [tag.encode() for tag in found]
        checksums = state.record.checksums if state.true and state.record is not None else {}
        value = checksums.get(suffix.removeprefix(_CHECKSUM).decode())
        if value is None:
            raise NoAttribute(subject=suffix)
        return [value.encode()]

    def _settled(self, fd: Fd) -> tuple[EtagState, Stamp]:
        reading = self._store.reopen(fd, os.O_RDONLY | os.O_NONBLOCK)
        try:
            attr = self._store.attr(reading)
            return settle(self._store, self._locks, reading, attr, self._clock), Stamp.of(attr)
        finally:
            self._store.close(reading)

    def set(
        self,
        number: int,
        name: bytes,
        value: bytes,
        identity: tuple[int, int, Sequence[int]],
        *,
        wait: bool = False,
    ) -> None:
        """setxattr(2). `identity`: file-system uid, gid and groups of the caller.

        An ACL is set as the caller: the backing file system drops set-gid for who is not in the group.
        """
        suffix = mount_xattrs.s3_suffix(name)
        if suffix is None:
            mount_xattrs.check_set(name, identity[0])
        elif not wait:
            raise WouldBlock("metadata may have to go to a file of its own")
        with self._descriptor(number, wait) as fd:
            self._versions.refuse_kept(fd)
            if suffix is None:
                self._set_own(fd, name, value, identity, wait)
                take_over(self._store, fd)
            else:
                self._set_s3(fd, suffix, value)

    def _set_own(
        self, fd: Fd, name: bytes, value: bytes, identity: tuple[int, int, Sequence[int]], wait: bool
    ) -> None:
        try:
            with self._room_kept(fd):
                self._set_as(fd, name, value, identity)
        except (NoSpace, AttributeTooLarge):
            if not self._is_file(fd):
                raise
            if not wait:
                raise WouldBlock("the file's record may have to make room") from None
            with self._locks.hold_record(self._store.attr(fd).ino):
                if not make_room(self._store, fd):
                    raise
            with self._room_kept(fd):
                self._set_as(fd, name, value, identity)

    def _set_as(self, fd: Fd, name: bytes, value: bytes, identity: tuple[int, int, Sequence[int]]) -> None:
        as_caller = self._store.acting_as(*identity) if mount_xattrs.is_acl(name) else nullcontext()
        with as_caller:
            self._store.set_xattr(fd, os.fsdecode(name), value)

    @contextmanager
    def _room_kept(self, fd: Fd) -> Iterator[None]:
        """Attributes of others leave room for a writer mark: a write must not fail for want of it."""
        if self._store.primitives.xattr_bytes >= _AMPLE or not self._is_file(fd):
            yield
            return
        self._store.set_xattr(fd, _ROOM_XATTR, _ROOM)
        try:
            yield
        finally:
            with suppress(NoAttribute):  # another caller had it on the same inode
                self._store.remove_xattr(fd, _ROOM_XATTR)

    def _set_s3(self, fd: Fd, suffix: bytes, value: bytes) -> None:
        if not self._is_file(fd):
            raise NotSupported("S3 metadata is for files", subject=suffix)
        if suffix in _ANSWERS:
            with suppress(NoAttribute):
                if value in self._answers(fd, suffix):
                    return
            raise PermissionRefused("this says what is stored and cannot be set", subject=suffix)
        amend_record(
            self._store, self._locks, fd, lambda record: s3_attributes.changed(record, suffix, value)
        )

    def remove(self, number: int, name: bytes, uid: int, *, wait: bool = False) -> None:
        """removexattr(2)."""
        suffix = mount_xattrs.s3_suffix(name)
        if suffix is None:
            mount_xattrs.check_remove(name, uid)
        elif not wait:
            raise WouldBlock("a record is rewritten")
        with self._descriptor(number, wait) as fd:
            self._versions.refuse_kept(fd)
            if suffix is None:
                self._store.remove_xattr(fd, os.fsdecode(name))
                take_over(self._store, fd)
                return
            if not self._is_file(fd):
                raise NoAttribute(subject=name)
            if suffix in _ANSWERS:
                self._answers(fd, suffix)
                raise PermissionRefused("this says what is stored and cannot be removed", subject=name)
            amend_record(
                self._store, self._locks, fd, lambda record: s3_attributes.changed(record, suffix, None)
            )

    def list(self, number: int, uid: int) -> list[bytes]:
        """listxattr(2)."""
        if is_virtual(number):
            return []
        with self._reach(number) as fd:
            names = mount_xattrs.listed([os.fsencode(name) for name in self._store.list_xattr(fd)], uid)
            record = read_record(self._store, fd) if self._is_file(fd) else None
            return names + (s3_attributes.listed(record) if record is not None else [])
