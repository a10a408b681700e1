"""Before a name is given to other content, or taken away: what has it becomes the newest noncurrent version.

The version is the old inode itself, which gets a second name in the history of its key and then loses its
first one. So it costs no copy, and dying in between loses nothing (`histories`). It is a copy where somebody
could go on writing into the inode: it has a further name, or somebody has it open for writing.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

from weka_mp.errors import (
    AccessDenied,
    AttributeTooLarge,
    IsDirectory,
    Loop,
    NamespaceError,
    NoAttribute,
    NoSpace,
    NotDirectory,
    NotFound,
    NotSupported,
    Stale,
)
from weka_mp.namespace.concealment import create_concealed, is_concealed, reveal
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import NEW_PREFIX
from weka_mp.namespace.effects import Durability, Effects
from weka_mp.namespace.names.keys import BODY_NAME, EntryPath
from weka_mp.namespace.quotas.funds import no_funds
from weka_mp.namespace.records.attribute import Record, amend_record, overwrite_record, read_record
from weka_mp.namespace.records.etags import is_marked
from weka_mp.namespace.records.freezing import changeable, entry_changeable, freeze_own, has_lock
from weka_mp.namespace.versions.histories import SUSPENDED
from weka_mp.namespace.versions.identifiers import NULL, Kept, made_at, new_version
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd, Stamp

__all__ = [
    "Place", "current_version", "drop_leftovers", "drop_null", "is_kept", "keep_copy", "keeping",
    "name_version", "place_version", "refuse_kept", "require_current_removable", "require_removable",
    "unseal",
]

_NO_OBJECT = (NotFound, NotDirectory, Loop, IsDirectory)
_SALT_BYTES = 8
_COPIED = ("user.", "system.posix_acl_access")
_OURS = "user.weka."
_KEPT_XATTR = "user.weka.kept"
"""On the inode of a version that is not the current one."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """The entry of a key: its bucket, the way to it, and the open directory that holds it."""

    bucket: Fd
    path: EntryPath
    holder: Fd


@dataclass(frozen=True, slots=True)
class _Current:
    """What has the name. `body` False: a directory object that is its record alone, behind `fd`. `recorded`:
    what the record is on.
    """

    fd: Fd
    attr: Attr
    record: Record
    recorded: Fd
    body: bool = True


@contextmanager
def keeping(
    context: Context, place: Place, effects: Effects, *, copied: bool = False
) -> Iterator[bool]:
    """The block gives the name to something else, or takes it away; whether what had it is kept. copied: as a
    copy: who has it open goes on writing into what has no name then.

    Under the lock of the entry, and under none of a quota. Raises NoSpace, QuotaExceeded (a copy was needed),
    NotSupported; what the block raises leaves everything as it was.
    """
    state = context.histories.state(place.bucket) if context.histories.anywhere() else None
    if state is None:
        yield False
        return
    with _current(context, place) as current:
        if current is None or (state == SUSPENDED and current.record.version == NULL):
            yield False
            return
        with ExitStack() as stack:
            stack.enter_context(
                changeable(context.histories.store, context.locks, current.fd, current.record)
            )
            alone = not copied and stack.enter_context(_nobody_writes(context, current))
            kept = _keep(context, place, current, effects, linked=alone)
            try:
                yield True
            except BaseException:
                _take_back(context, place, current, kept)
                raise
            if alone and not _still_alone(context, current):
                _exchange_for_copy(context, place, current, kept)


def current_version(context: Context, place: Place) -> bytes | None:
    """The id of the version that has the name; None: no object has it."""
    with _current(context, place) as current:
        return None if current is None else current.record.version


def require_current_removable(context: Context, place: Place, *, bypass: bool = False) -> None:
    """Before the version that has the name goes for good, or to another key, under the locks of the entry.
    Raises as `ObjectLocks.require_removable`.
    """
    with _current(context, place) as current:
        if current is not None:
            context.object_locks.require_removable(place.bucket, current.recorded, bypass=bypass)


def require_removable(
    context: Context, bucket: Fd, history: Fd, kept: Kept, *, bypass: bool = False
) -> None:
    """The same of one that has no name but in the history. Markers may always go."""
    store = context.histories.store
    if kept.marker or context.object_locks.of(bucket) is None:
        return
    with suppress(NotFound):
        fd = store.open_file(history, kept.name, os.O_RDONLY)
        try:
            context.object_locks.require_removable(bucket, fd, bypass=bypass)
        finally:
            store.close(fd)


@contextmanager
def _current(context: Context, place: Place) -> Iterator[_Current | None]:
    """None where no object stands. A symbolic link is none of its own: what it leads to stays."""
    store = context.histories.store
    with ExitStack() as stack:

        def opened(fd: Fd) -> Fd:
            stack.callback(store.close, fd)
            return fd

        try:
            if place.path.is_directory:
                directory = opened(store.open_dir(place.holder, place.path.name))
                found = _directory_object(context, directory, opened)
            else:
                fd = opened(store.open_file(place.holder, place.path.name, os.O_RDONLY))
                attr = store.attr(fd)
                plain = stat.S_ISREG(attr.mode) and not is_concealed(store, fd, attr)
                found = _Current(fd, attr, read_record(store, fd) or Record(), fd) if plain else None
        except _NO_OBJECT:
            found = None
        yield found


def _directory_object(
    context: Context, directory: Fd, opened: Callable[[Fd], Fd]
) -> _Current | None:
    store = context.histories.store
    record = read_record(store, directory)
    if record is None or not record.directory or record.stamp is None:
        return None
    try:
        body = store.open_file(directory, BODY_NAME, os.O_RDONLY)
    except NotFound:
        if record.stamp.size:
            return None  # it is being deleted
        return _Current(directory, store.attr(directory), record, directory, body=False)
    opened(body)
    own = read_record(store, body)
    if own is not None and own.etag is not None:
        return _Current(body, store.attr(body), own, body)
    return _Current(body, store.attr(body), record, directory)


# ---- who else could write into it
@contextmanager
def _nobody_writes(context: Context, current: _Current) -> Iterator[bool]:
    """Whether the inode can be the version: nobody can write into it, nor come to do so unnoticed."""
    store = context.histories.store
    if not current.body or current.attr.nlink > 1 or not store.primitives.leases:
        yield False
        return
    granted = False
    with suppress(AccessDenied, NotSupported):
        granted = store.try_lease(current.fd)
    try:
        yield granted
    finally:
        if granted:
            store.drop_lease(current.fd)


def _still_alone(context: Context, current: _Current) -> bool:
    """Nobody came to write into it, nor gave it one more name, while it still had its own."""
    store = context.histories.store
    if store.attr(current.fd).nlink > 1:
        return False
    return not store.primitives.leases or store.lease_intact(current.fd)


# ---- the second name
def _freeze_kept(context: Context, history: Fd, kept: Kept, record: Record) -> None:
    """A copy that nobody else knows yet, where what it is a copy of is locked."""
    if not has_lock(record):
        return
    fd = context.histories.store.open_path(history, kept.name)
    try:
        freeze_own(context.histories.store, fd, record)
    finally:
        context.histories.store.close(fd)


def _keep(context: Context, place: Place, current: _Current, effects: Effects, *, linked: bool) -> Kept:
    histories = context.histories

    def in_history(history: Fd) -> Kept:
        found = _without_leftovers(context, place, history, current)
        version = _own_version(context, current, found)
        newest = histories.next_order(found, made_at(version))
        kept = Kept(newest or min(current.attr.mtime_ns, histories.clock.now_ns()), version, marker=False)
        if linked:
            _seal(context, current.fd)
            histories.store.link(current.fd, history, kept.name)
        else:
            record = replace(current.record, version=version)
            _place_copy(context, place, replace(current, record=record), (history, kept.name))
            _freeze_kept(context, history, kept, record)
        return kept

    kept = histories.add(place.bucket, place.path, effects, in_history)
    reach(CrashPoint.VERSION_KEPT)
    # Before the name goes: what was acknowledged must not be without one on the disk.
    effects.flush()
    return kept


def _seal(context: Context, fd: Fd) -> None:
    """Whoever knows the inode by its number must find that it is a version when it comes to write."""
    with suppress(NoSpace, AttributeTooLarge):  # no room beside its other attributes
        context.histories.store.set_xattr(fd, _KEPT_XATTR, b"1")


def unseal(store: Store, fd: Fd) -> None:
    """It is the current version again, or goes on being it, and may be written into."""
    with suppress(NoAttribute):
        store.remove_xattr(fd, _KEPT_XATTR)


def is_kept(store: Store, fd: Fd, attr: Attr) -> bool:
    """Whether the inode behind `fd`, whose attributes are these, is a version that is not the current one.

    With a second name it is not one yet: somebody died before it lost the first.
    """
    return attr.nlink == 1 and store.find_xattr(fd, _KEPT_XATTR) is not None


def refuse_kept(store: Store, fd: Fd) -> None:
    """Before the inode behind `fd` is changed by whoever knows it by its number. Raises Stale for a version
    that is not the current one.
    """
    if is_kept(store, fd, store.attr(fd)):
        raise Stale("another object has taken the place of this file, which is a former version now")


def keep_copy(context: Context, place: Place, attr: Attr, effects: Effects) -> bool:
    """The file under this name is about to be written into: a copy of it becomes a version, and what it will
    be is another. attr: of the inode that is meant; False: it is not, or no longer, what has the name. Under
    the lock of the entry. Raises NoSpace, QuotaExceeded.
    """
    state = context.histories.state(place.bucket)
    if state is None:
        return True
    with _current(context, place) as current:
        if current is None or (current.attr.dev, current.attr.ino) != (attr.dev, attr.ino):
            return False
        if state == SUSPENDED and current.record.version == NULL:
            return True
        if not current.attr.size and current.record.etag is None:
            return True  # just made
        _keep(context, place, current, effects, linked=False)
        histories = context.histories
        fresh = NULL if state == SUSPENDED else new_version(histories.clock.now_ns(), histories.random)
        amend_record(
            histories.store, context.locks, current.fd,
            lambda record: replace(record, version=fresh, retention=None, legal_hold=None),
        )
        if context.durability is Durability.COMMIT:
            histories.store.sync_file(current.fd)
        if state == SUSPENDED:
            drop_null(context, place, effects)
        return True


def _without_leftovers(context: Context, place: Place, history: Fd, current: _Current) -> list[Kept]:
    """What lies in the history, without second names of the current version: somebody died."""
    found = context.histories.entries(history)
    for kept in [each for each in found if not each.marker and each.version == current.record.version]:
        if kept.version == NULL and not _is_same(context, history, kept, current):
            continue  # the current file was made beside both doors; see `_own_version`
        unseal(context.histories.store, current.fd)
        _unlink(context, place, history, kept)
        found.remove(kept)
    return found


def drop_leftovers(context: Context, place: Place) -> None:
    """Before the current version is deleted for good, or goes to another key: take away second names of it,
    which would be versions once it has lost its first. A key has one version ``null``: all go that are called
    so.
    """
    with _current(context, place) as current, context.histories.opened(place.bucket, place.path) as history:
        if current is None or history is None:
            return
        with changeable(context.histories.store, context.locks, current.fd, current.record):
            for kept in _without_leftovers(context, place, history, current):
                if kept.version == current.record.version:
                    require_removable(context, place.bucket, history, kept)
                    _unlink(context, place, history, kept)


def _is_same(context: Context, history: Fd, kept: Kept, current: _Current) -> bool:
    attr = context.histories.store.attr_at(history, kept.name)
    return (attr.dev, attr.ino) == (current.attr.dev, current.attr.ino)


def _own_version(context: Context, current: _Current, found: list[Kept]) -> bytes:
    """Its id; a new one where it has none and the key has a ``null`` already, which must not be lost."""
    version = current.record.version
    if version != NULL or not any(kept.version == NULL for kept in found):
        return version
    return name_version(context, current.fd)


def name_version(context: Context, fd: Fd, *, durable: bool = True) -> bytes:
    """The id of the version behind `fd`; it gets one if it has none. For what comes to a key that may have a
    version ``null`` of its own. durable: `fd`, which is no O_PATH one then, is synced where the service does.
    """
    histories = context.histories

    def named(record: Record) -> Record:
        if record.version != NULL:
            return record
        return replace(record, version=new_version(histories.clock.now_ns(), histories.random))

    version = amend_record(histories.store, context.locks, fd, named).version
    if durable and context.durability is Durability.COMMIT:
        histories.store.sync_file(fd)
    return version


def _take_back(context: Context, place: Place, current: _Current, kept: Kept) -> None:
    """What the block was to do failed. If it did it all the same, the version stays."""
    store = context.histories.store
    try:
        with _current(context, place) as now:
            if now is None or (now.attr.dev, now.attr.ino) != (current.attr.dev, current.attr.ino):
                return
        with context.histories.opened(place.bucket, place.path) as history:
            if history is not None:
                unseal(store, current.fd)
                store.unlink(history, kept.name)
        context.histories.prune(place.bucket, place.path)
    except NamespaceError as error:
        _log.debug("a second name of a current version stays, and does not count: %s", error)


# ---- copies
def _exchange_for_copy(context: Context, place: Place, current: _Current, kept: Kept) -> None:
    """Somebody opens the inode for writing and waits for our lease: the version is a copy, then."""
    store = context.histories.store
    with context.histories.opened(place.bucket, place.path) as history:
        if history is None:
            return
        version = replace(current, record=replace(current.record, version=kept.version))
        hidden = NEW_PREFIX + context.histories.random.token(8).encode()
        _place_copy(context, place, version, (history, hidden))
        ledger = context.quotas.of(place.bucket)
        with context.quotas.moving(ledger, (history, hidden), (history, kept.name)):
            store.rename(history, hidden, history, kept.name)
        _freeze_kept(context, history, kept, version.record)
        if context.durability is Durability.COMMIT:
            store.sync_dir(history)


def _place_copy(context: Context, place: Place, current: _Current, entry: tuple[Fd, bytes]) -> None:
    place_version(context, place, entry, lambda fd: _fill(context, current, fd))


def _fill(context: Context, current: _Current, fd: Fd) -> None:
    """Bytes, owner, mode, time and record of what it is a copy of."""
    store, attr = context.histories.store, current.attr
    record = _rebound(replace(current.record, directory=0), attr.ino, store.attr(fd).ino)
    if current.body:
        if attr.size:
            store.copy(current.fd, 0, fd, 0, attr.size)
        _copy_attributes(context, current, fd)
        mtime_ns = attr.mtime_ns
        now = store.attr(current.fd)
        true = record.describes(attr) and Stamp.of(now) == Stamp.of(attr) and not is_marked(store, current.fd)
        if not true:
            record = record.voided(bytes.fromhex(context.histories.random.token(_SALT_BYTES)))
    else:
        assert record.stamp is not None
        mtime_ns = record.stamp.mtime_ns
    store.utimens(fd, mtime_ns, mtime_ns)
    if record.etag is not None:
        record = replace(record, stamp=Stamp.of(store.attr(fd)))
    overwrite_record(store, fd, record)


def _rebound(record: Record, old: int, new: int) -> Record:
    """With the ACL that counted for what it is a copy of; one that did not counts here no more than there."""
    acl = record.own_acl(old)
    return replace(record, acl=None if acl is None else replace(acl, ino=new))


def _copy_attributes(context: Context, current: _Current, fd: Fd) -> None:
    store, attr = context.histories.store, current.attr
    store.chown(fd, attr.uid, attr.gid)
    for name in store.list_xattr(current.fd):
        if name.startswith(_COPIED) and not name.startswith(_OURS):
            value = store.find_xattr(current.fd, name)
            if value is not None:
                store.set_xattr(fd, name, value)
    store.chmod(fd, stat.S_IMODE(attr.mode) | store.attr(fd).mode & stat.S_ISVTX)  # concealed until revealed


def place_version(
    context: Context, place: Place, entry: tuple[Fd, bytes], fill: Callable[[Fd], None]
) -> None:
    """Make a file with `fill` and give it a name in a history. Raises QuotaExceeded, NoSpace."""
    store, (history, name) = context.histories.store, entry
    with ExitStack() as stack:
        staged = b""
        try:
            fd = store.create_unnamed(history, 0o644)
        except NotSupported:
            staged = NEW_PREFIX + context.histories.random.token(8).encode()
            fd = create_concealed(store, history, staged, os.O_RDWR | os.O_EXCL, 0o644)
            stack.callback(_discard, context, history, staged)
        stack.callback(store.close, fd)
        fill(fd)
        _seal(context, fd)
        reveal(store, fd, store.attr(fd))
        if context.durability is Durability.COMMIT:
            store.sync_file(fd)
        with context.quotas.placing(place.bucket, fd, entry, no_funds(), over=False):
            store.link(fd, history, name)


def _discard(context: Context, history: Fd, name: bytes) -> None:
    with suppress(NamespaceError):  # a check finds it later
        context.histories.store.unlink(history, name)


# ---- what goes
def _unlink(context: Context, place: Place, history: Fd, kept: Kept) -> None:
    ledger = context.quotas.of(place.bucket)
    store = context.histories.store
    with (
        entry_changeable(store, context.locks, history, kept.name),
        suppress(NotFound),
        context.quotas.removing(ledger, history, kept.name),
    ):
        store.unlink(history, kept.name)


def drop_null(context: Context, place: Place, effects: Effects) -> None:
    """The version ``null`` of the key, or the delete marker that is, is gone: another has its place."""
    with context.histories.opened(place.bucket, place.path) as history:
        if history is None:
            return
        for kept in context.histories.entries(history):
            if kept.version == NULL:
                require_removable(context, place.bucket, history, kept)
                _unlink(context, place, history, kept)
                effects.add(history)
    context.histories.prune(place.bucket, place.path)
