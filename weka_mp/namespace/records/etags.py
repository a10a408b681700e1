"""Which ETag is true of a file now (docs/SEMANTICS.md, 3): records, writer marks, read leases, derived tags.

A record's ETag counts when its stamp agrees with the inode and no writer mark stands. Otherwise the file has
a dashed tag: derived from its stamp when a read lease proves that nobody can be writing, a nonce that never
matches while somebody can. A mark is lifted under such a lease only, and takes the old ETag with it.
"""

from __future__ import annotations

import enum
import hashlib
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from weka_mp.clock import Clock
from weka_mp.errors import (
    UNWRITABLE,
    AccessDenied,
    AttributeTooLarge,
    Exists,
    NamespaceError,
    NoAttribute,
    NoSpace,
    NotSupported,
    PermissionRefused,
)
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.records.attribute import (
    WRITER_XATTR,
    Record,
    amend_record,
    derived_etag,
    overwrite_record,
    read_record,
    write_record,
)
from weka_mp.namespace.records.content_hash import ContentDigests, ContentHash
from weka_mp.namespace.records.freezing import changeable
from weka_mp.store.interface import Store
from weka_mp.values import Attr, ETag, Fd, Stamp

__all__ = [
    "EtagState",
    "FillOutcome",
    "adopt_hash",
    "alone",
    "changed_in_tick",
    "fill_file",
    "has_durable_overwriter",
    "is_marked",
    "mark_overwriter",
    "mark_writer",
    "only_grew",
    "retimed",
    "settle",
    "sync_overwriter",
    "unmark",
]

_log = logging.getLogger(__name__)
_HASH_STEP = 1 << 20  # bytes hashed between two looks at the lease: about 1.5 ms of making a writer wait
_QUIET_NS = 2_000_000_000  # where there are no leases: a file this long unchanged counts as closed
_SALT_BYTES = 8
_APPENDED, _OVERWRITTEN, _OVERWRITTEN_ON_DISK = b"1", b"2", b"3"  # values of the writer mark
_REPLACE = 2  # setxattr(2): XATTR_REPLACE


@dataclass(frozen=True, slots=True)
class EtagState:
    """The ETag to show and the record it comes from.

    `true`: the record's own tag, not a derived one. `stable` False: a tag that will never be seen again.
    `lifted`: a writer mark was lifted, so the inode's change time moved.
    """

    etag: ETag
    record: Record | None
    true: bool
    stable: bool = True
    lifted: bool = False


class FillOutcome(enum.Enum):
    """What the filler did with one file."""

    FILLED = "filled"
    ALREADY = "already"
    BUSY = "busy"  # a writer has it, or it changed too recently to be sure


def _nonce() -> ETag:
    return ETag(secrets.token_hex(16) + "-0")


def _salt() -> bytes:
    return secrets.token_bytes(_SALT_BYTES)


def _salt_after(record: Record) -> bytes:
    """The salt once the record's ETag is void: never one it had, and the same for all who void it at once.

    Read leases are shared, so two processes may lift one mark; both must hand out the same derived tag.
    """
    if record.etag is None:
        return record.salt
    return hashlib.blake2b(record.salt + record.etag.encode(), digest_size=_SALT_BYTES).digest()


def is_marked(store: Store, fd: Fd) -> bool:
    """Whether a writer opened this inode since its ETag was written."""
    return store.find_xattr(fd, WRITER_XATTR) is not None


def mark_writer(store: Store, locks: EntryLocks, fd: Fd) -> None:
    """Note that `fd` can write from now on. Call after the open (which no lease survives) and before it is
    answered.

    Files whose record names no ETag need no mark: what is derived depends on the lease alone.
    """
    record = read_record(store, fd)
    if record is None or record.etag is None:
        return
    try:
        store.set_xattr(fd, WRITER_XATTR, _APPENDED, 1)  # XATTR_CREATE: a second writer changes nothing
    except Exists:
        return
    except (NoSpace, AttributeTooLarge):
        # No room for one more attribute: say it in the record itself, which only gets shorter.
        amend_record(store, locks, fd, lambda found: found.voided(_salt()))


def mark_overwriter(store: Store, locks: EntryLocks, fd: Fd) -> None:
    """Before bytes that are there are changed or cut off by means of `fd`, which can write.

    Also for files without a record: whoever reads them must not take what comes for growth (`only_grew`).
    """
    if has_durable_overwriter(store, fd):
        return
    try:
        store.set_xattr(fd, WRITER_XATTR, _OVERWRITTEN)
    except (NoSpace, AttributeTooLarge):
        # No room for one more attribute: say it in the record itself, whose new salt readers notice.
        amend_record(store, locks, fd, lambda found: found.voided(_salt()))


def has_durable_overwriter(store: Store, fd: Fd) -> bool:
    """Whether the mark that `mark_overwriter` sets stands and came to the disk.

    That it stands is not enough: who set it may have cut bytes off, which needs no sync, or may be waiting
    for the disk now.
    """
    return store.find_xattr(fd, WRITER_XATTR) == _OVERWRITTEN_ON_DISK


def sync_overwriter(store: Store, fd: Fd) -> None:
    """Bring the mark that `mark_overwriter` has set to the disk, and note that it is there."""
    store.sync_file(fd)
    with suppress(NoAttribute, NoSpace, AttributeTooLarge):  # said in the record; or lifted meanwhile
        store.set_xattr(fd, WRITER_XATTR, _OVERWRITTEN_ON_DISK, _REPLACE)


def only_grew(store: Store, fd: Fd, true: bool) -> bool:
    """Whether an inode that was found longer than it had been still begins with the bytes it had.

    `true`: its ETag was a true one, so whoever writes by the mount has left a mark; without one somebody
    wrote beside both doors, and how is not known.
    """
    mark = store.find_xattr(fd, WRITER_XATTR)
    return mark == _APPENDED or (mark is None and not true)


@contextmanager
def alone(store: Store, fd: Fd, clock: Clock) -> Iterator[bool]:
    """Whether nobody can be writing, for as long as the block runs (as far as this file system can tell)."""
    if not store.primitives.leases:
        store.sync_data(fd)
        yield clock.now_ns() - store.attr(fd).mtime_ns > _QUIET_NS
        return
    try:
        granted = store.try_lease(fd)
    except (AccessDenied, NotSupported):
        granted = False
    try:
        yield granted
    finally:
        if granted:
            store.drop_lease(fd)


def changed_in_tick(store: Store, attr: Attr, clock: Clock) -> bool:
    """On coarse clocks a change that comes now may leave the change time as it is."""
    grain = store.primitives.change_grain_ns
    return grain > 0 and clock.now_ns() - attr.ctime_ns < grain


def _too_fresh(store: Store, attr: Attr, clock: Clock) -> bool:
    """On coarse clocks a change in the same tick would leave the stamp as it is."""
    grain = store.primitives.change_grain_ns
    return grain > 0 and clock.now_ns() - attr.mtime_ns < grain


def _lift_mark(store: Store, locks: EntryLocks, fd: Fd) -> Record:
    """Under a lease: void what the record said of the content, then take the mark away (in this order)."""
    fresh = amend_record(store, locks, fd, lambda found: found.voided(_salt_after(found)))
    unmark(store, locks, fd)
    return fresh


def settle(store: Store, locks: EntryLocks, fd: Fd, attr: Attr, clock: Clock) -> EtagState:
    """The ETag of the inode behind the read-only descriptor `fd`, whose attributes were `attr` a moment ago.

    Raises what the store raises.
    """
    # The mark first: who lifts one voids the record before, so a record read after a missing mark is not the
    # one that the mark was about.
    marked = is_marked(store, fd)
    record = read_record(store, fd)
    if record is not None and not marked and record.describes(attr):
        return EtagState(ETag(record.etag or ""), record, True)
    lifting = marked and record is not None and record.etag is not None
    with alone(store, fd, clock) as granted:
        if not granted:
            return EtagState(_nonce(), record, False, stable=False, lifted=lifting)
        if lifting:
            try:
                record = _lift_mark(store, locks, fd)
            except (*UNWRITABLE, PermissionRefused):
                # It cannot be written, or is locked by now: the mark stays, and the object is served.
                return EtagState(_nonce(), record, False, stable=False, lifted=True)
        now = store.attr(fd)
        if (now != attr and Stamp.of(now) != Stamp.of(attr)) or _too_fresh(store, now, clock):
            return EtagState(_nonce(), record, False, stable=False, lifted=lifting)
        etag = derived_etag(Stamp.of(now), record.salt if record else b"")
        return EtagState(etag, record, False, lifted=lifting)


def _write_true(store: Store, locks: EntryLocks, fd: Fd, attr: Attr, digests: ContentDigests) -> None:
    """Under a lease: the record gets this content's digests; those that were there described other bytes."""
    marked = is_marked(store, fd)

    def true(old: Record) -> Record:
        # A lifted mark means that the content may have changed under an unchanged stamp: old derived tags
        # must not match. Where no ETag was recorded, `settle` gave them out under a lease despite the mark:
        # they stay.
        salt = _salt_after(old) if marked else old.salt
        return replace(
            old.voided(salt), stamp=Stamp.of(attr), etag=digests.md5.hex(), checksums=digests.checksums,
            checksum_type="FULL_OBJECT" if digests.checksums else None,
        )

    amend_record(store, locks, fd, true)
    if marked:
        unmark(store, locks, fd)


def unmark(store: Store, locks: EntryLocks, fd: Fd) -> None:
    """Under a lease, which others may share: another process may have been faster."""
    with suppress(NoAttribute), changeable(store, locks, fd):
        store.remove_xattr(fd, WRITER_XATTR)


def adopt_hash(
    store: Store, locks: EntryLocks, fd: Fd, digests: ContentDigests, size: int, mtime_ns: int, clock: Clock
) -> bool:
    """Record digests computed while the file was written, if nobody can write now and nothing came between.

    `fd` is read-only; `size` in bytes and `mtime_ns` are what the writer saw after its last write.
    """
    with alone(store, fd, clock) as granted:
        if not granted or not store.primitives.leases:
            return False
        attr = store.attr(fd)
        if attr.size != size or attr.mtime_ns != mtime_ns or _too_fresh(store, attr, clock):
            return False
        _write_true(store, locks, fd, attr, digests)
        return True


def fill_file(store: Store, locks: EntryLocks, fd: Fd, clock: Clock, stop: Callable[[], bool]) -> FillOutcome:
    """Give the file behind the read-only `fd` its MD5 ETag: stat, sync, lease, stat, hash while the lease is
    whole, stat, record.

    Bytes written in place may reach the disk long after a record: without the sync a power cut could leave
    the new ETag over the old bytes.
    """
    marked = is_marked(store, fd)
    record = read_record(store, fd)
    if record is not None and not marked and record.describes(store.attr(fd)):
        return FillOutcome.ALREADY
    synced = Stamp.of(store.attr(fd))
    store.sync_data(fd)  # here, where no writer waits for us: one that comes meanwhile moves the stamp
    with alone(store, fd, clock) as granted:
        before = store.attr(fd)
        if not granted or Stamp.of(before) != synced or _too_fresh(store, before, clock):
            return FillOutcome.BUSY
        hashed = ContentHash()
        offset = 0
        while data := store.read(fd, _HASH_STEP, offset):
            hashed.update(data)
            offset += len(data)
            if stop() or (store.primitives.leases and not store.lease_intact(fd)):
                return FillOutcome.BUSY
            if not store.attr(fd).nlink:  # its last name went: we alone would hold it, with all its blocks
                return FillOutcome.BUSY
        after = store.attr(fd)
        if Stamp.of(after) != Stamp.of(before) or offset != after.size:
            return FillOutcome.BUSY
        if store.primitives.leases and not store.lease_intact(fd):
            return FillOutcome.BUSY
        _write_true(store, locks, fd, after, hashed.digests())
        return FillOutcome.FILLED


@contextmanager
def retimed(store: Store, locks: EntryLocks, fd: Fd) -> Iterator[None]:
    """Around a change of mtime by a POSIX caller: a true ETag stays true, a void one stays void.

    Without this, writing and then restoring the old mtime would bring the old ETag back. `fd` may be O_PATH.
    """
    with locks.hold_record(store.attr(fd).ino):
        try:
            marked = is_marked(store, fd)  # before the record, as in `settle`
            record = read_record(store, fd)
            valid = record is not None and not marked and record.describes(store.attr(fd))
            if not valid:
                write_record(store, fd, replace((record or Record()).voided(_salt()), modified_ns=0))
        except NamespaceError as error:
            _log.debug("no record can be kept for this inode: %s", error)
            yield
            return
        yield
        if valid and record is not None:
            overwrite_record(store, fd, replace(record, stamp=Stamp.of(store.attr(fd)), modified_ns=0))
