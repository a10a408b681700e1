"""The object record in its place: the extended attribute ``user.weka.object`` and its overflow files.

Whoever changes a record reads it, changes it and writes it back under the record's lock (`amend`,
docs/CONCURRENCY.md). A record that cannot be read counts as absent: the object then has derived metadata. It
is reported once by every process that meets it, and what would overwrite it keeps its bytes in
``.weka/broken`` first.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace

from weka_mp.clock import SystemRandom
from weka_mp.errors import AttributeTooLarge, NamespaceError, NoSpace
from weka_mp.namespace.concealment import RECORD_XATTR
from weka_mp.namespace.control import ControlFiles
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.records import overflow
from weka_mp.namespace.records.codec import CHECKSUM_IDS, decode, encode
from weka_mp.namespace.records.freezing import changeable, freeze, has_lock
from weka_mp.namespace.records.values import (
    DIRECTORY_KEPT,
    DIRECTORY_MADE,
    NO_HEADERS,
    NO_OVERFLOW,
    ContentHeaders,
    KeptAcl,
    Overflow,
    PartChecksums,
    PartSizes,
    Record,
    derived_etag,
)
from weka_mp.object_lock import Retention
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = [
    "BROKEN",
    "CHECKSUM_IDS",
    "DIRECTORY_KEPT",
    "DIRECTORY_MADE",
    "IMPLICIT_XATTR",
    "NO_HEADERS",
    "RECORD_XATTR",
    "WRITER_XATTR",
    "ContentHeaders",
    "KeptAcl",
    "PartChecksums",
    "PartSizes",
    "Record",
    "amend_record",
    "decode",
    "derived_etag",
    "encode",
    "load",
    "make_room",
    "overwrite_record",
    "read_record",
    "set_aside",
    "write_record",
]

WRITER_XATTR = "user.weka.writer"
IMPLICIT_XATTR = "user.weka.implicit"

_log = logging.getLogger(__name__)
_BROKEN_PATH = b".weka/broken"
_WORTH_A_FILE = 128  # bytes: a reference to an overflow file takes 35 of them
_MAX_REMEMBERED = 16_384


class _BrokenRecords:
    """Which broken records this process has met: each is reported once."""

    def __init__(self) -> None:
        self._met: set[tuple[int, int, bytes]] = set()
        self.count = 0

    def report(self, store: Store, fd: Fd, data: bytes, reason: Exception) -> None:
        attr = store.attr(fd)
        met = (attr.dev, attr.ino, hashlib.sha256(data).digest())
        if met in self._met:
            return
        if len(self._met) >= _MAX_REMEMBERED:
            self._met.clear()
        self._met.add(met)
        self.count += 1
        _log.warning("inode %d: %s; taken as absent, and kept", attr.ino, reason)


BROKEN = _BrokenRecords()
"""What `weka_mp_broken_records_total` counts."""


def load(store: Store, data: bytes) -> Record:
    """The whole record behind an attribute's bytes. Raises ValueError when it, or its overflow, is broken."""
    record = decode(data)
    if record.overflow == NO_OVERFLOW:
        return record
    if record.overflow.metadata:
        found = decode(overflow.fetch(store, record.overflow.metadata))
        record = replace(record, headers=found.headers, user=found.user, tags=found.tags, acl=found.acl)
    if record.overflow.content:
        found = decode(overflow.fetch(store, record.overflow.content))
        record = replace(
            record,
            checksums=found.checksums,
            parts=found.parts,
            part_checksums=found.part_checksums,
        )
    return record


def read_record(store: Store, fd: Fd) -> Record | None:
    """The record of the file or directory behind `fd`; None when there is none or it is broken."""
    return _look(store, fd)[0]


def _look(store: Store, fd: Fd) -> tuple[Record | None, bytes]:
    """The record, and the bytes of one that is broken."""
    data = store.find_xattr(fd, RECORD_XATTR)
    if data is None:
        return None, b""
    try:
        return load(store, data), b""
    except ValueError as error:
        BROKEN.report(store, fd, data, error)
        return None, data


def write_record(store: Store, fd: Fd, record: Record) -> None:
    """Write it in one step, with what does not fit in overflow files. A failure leaves the old one whole.

    Raises NoSpace when the attributes of others leave no room on this inode, or the disk is full.
    """
    _, broken = _look(store, fd)
    if broken:
        set_aside(store, fd, broken)
    overwrite_record(store, fd, record)


def overwrite_record(store: Store, fd: Fd, record: Record) -> None:
    """`write_record` by who knows that no broken one stands there: the inode is new, or its record was read
    under the lock.
    """
    if record.overflow == NO_OVERFLOW:
        try:
            store.set_xattr(fd, RECORD_XATTR, encode(record))
        except (NoSpace, AttributeTooLarge) as error:
            # ext4 says ENOSPC when the attributes of an inode overflow their block, too.
            if _slim(record) is record:
                raise NoSpace("the file's attributes leave no room for its record") from error
        else:
            return
    try:
        store.set_xattr(fd, RECORD_XATTR, encode(_spilled(store, record)))
    except AttributeTooLarge as error:
        raise NoSpace("the file's attributes leave no room for its record") from error


def amend_record(store: Store, locks: EntryLocks, fd: Fd, change: Callable[[Record], Record]) -> Record:
    """Replace the record by what `change` makes of it (an empty one where there is none). Returns the new
    one.

    Raises what `change` raises, what `write_record` does, and Conflict (another lock, and somebody can write
    whom it would not stop); the old record stays then.
    """
    with changeable(store, locks, fd), locks.hold_record(store.attr(fd).ino):
        found, broken = _look(store, fd)
        before = found or _salvaged(broken)
        record = change(before)
        if broken:
            set_aside(store, fd, broken)
        overwrite_record(store, fd, record)
        if has_lock(record) and _locks(record) != _locks(before):
            _freeze(store, fd, before)
        return record


def _locks(record: Record) -> tuple[Retention | None, bool | None]:
    return record.retention, record.legal_hold


def _freeze(store: Store, fd: Fd, before: Record) -> None:
    """Another lock, which the record tells already: the first, or after one that was over, when the file may
    have been thawed and opened. Raises Conflict, and takes it back then.
    """
    try:
        freeze(store, fd)
    except NamespaceError:
        if not (store.primitives.immutable and store.is_immutable(fd)):  # else it is locked all the same
            overwrite_record(store, fd, before)
        raise


def _salvaged(broken: bytes) -> Record:
    """Which version it is and what locks it, where it is not itself damaged but an overflow file of it."""
    try:
        whole = decode(broken)
    except ValueError:
        return Record()
    return Record(version=whole.version, retention=whole.retention, legal_hold=whole.legal_hold)


def make_room(store: Store, fd: Fd) -> bool:
    """Move what can be moved of an inode's record into overflow files, for somebody else's attributes.

    Call it under the record's lock. False when there is nothing to be gained.
    """
    record = read_record(store, fd)
    if record is None or record.overflow != NO_OVERFLOW or _slim(record) is record:
        return False
    store.set_xattr(fd, RECORD_XATTR, encode(_spilled(store, record)))
    return True


def _metadata_of(record: Record) -> bytes:
    return encode(Record(headers=record.headers, user=record.user, tags=record.tags, acl=record.acl))


def _content_of(record: Record) -> bytes:
    return encode(
        Record(checksums=record.checksums, parts=record.parts, part_checksums=record.part_checksums)
    )


def _slim(record: Record) -> Record:
    """What stays inline when all that is worth it has gone; the same record when nothing is."""
    slim = record
    if len(_metadata_of(record)) > _WORTH_A_FILE:
        slim = replace(slim, headers=NO_HEADERS, user={}, tags={}, acl=None)
    if len(_content_of(record)) > _WORTH_A_FILE:
        slim = replace(slim, checksums={}, parts=None, part_checksums=None)
    return slim


def _spilled(store: Store, record: Record) -> Record:
    """The record with its large pieces in overflow files, which are on the disk when this returns."""
    metadata, content = _metadata_of(record), _content_of(record)
    slim = _slim(record)
    return replace(
        slim,
        overflow=Overflow(
            _stored(store, metadata, record.overflow.metadata),
            _stored(store, content, record.overflow.content),
        ),
    )


def _stored(store: Store, data: bytes, former: bytes) -> bytes:
    """The overflow file that holds it, empty when it stays inline.

    The file that the inode's record names already needs no second look.
    """
    if len(data) <= _WORTH_A_FILE:
        return b""
    digest = hashlib.sha256(data).digest()
    return digest if digest == former else overflow.keep(store, data)


def set_aside(store: Store, fd: Fd, data: bytes) -> None:
    """Keep the bytes of a broken record in ``.weka/broken``; where that fails they go to the log."""
    name = b"%d-%s" % (store.attr(fd).ino, hashlib.sha256(data).hexdigest()[:16].encode())
    try:
        directory = store.open_dir(store.root(), _BROKEN_PATH)
        try:
            ControlFiles(store, directory, SystemRandom()).write(name, data, create_only=True)
        finally:
            store.close(directory)
    except NamespaceError as error:
        _log.error("a broken record cannot be kept (%s), its bytes are %s", error, data.hex())
