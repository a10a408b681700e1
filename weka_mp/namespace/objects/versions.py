"""Versions by their ids: opening them, deleting them for good, and the delete markers of plain deletions.

When the latest version is deleted for good the one before it is the current one again: one rename over it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from weka_mp.errors import (
    DeleteMarkerMet,
    KeyConflict,
    NotFound,
    NotSupported,
    PermissionRefused,
    PreconditionFailed,
    VersionMissing,
)
from weka_mp.namespace.context import Context, Parent
from weka_mp.namespace.effects import Changes, Effects
from weka_mp.namespace.names.keys import EntryPath, entry_path
from weka_mp.namespace.objects import reading
from weka_mp.namespace.objects.directory_objects import DirectoryPut, place_directory, remove_directory_object
from weka_mp.namespace.objects.entries import examined, unwritten
from weka_mp.namespace.objects.naming import RENAME_NOREPLACE, Staged, check_conditions, leads_to
from weka_mp.namespace.objects.pruning import prune
from weka_mp.namespace.objects.reading import OpenObject
from weka_mp.namespace.objects.version_rights import require_removal, require_search
from weka_mp.namespace.quotas.funds import no_funds
from weka_mp.namespace.records.attribute import read_record
from weka_mp.namespace.records.etags import changed_in_tick, settle
from weka_mp.namespace.records.freezing import changeable, entry_changeable
from weka_mp.namespace.values import UNCONDITIONAL, Deleted, Deletion, WriteConditions
from weka_mp.namespace.versions.histories import counting
from weka_mp.namespace.versions.identifiers import Kept, parse_version, shown
from weka_mp.namespace.versions.keeping import (
    Place,
    current_version,
    drop_leftovers,
    require_current_removable,
    require_removable,
    unseal,
)
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import BucketName, Change, Fd

__all__ = [
    "current_id", "delete_version", "latest_marker", "open_source", "open_version", "parsed", "refuse_far",
]

_LOOKS = 4  # at the current version and the others, while one becomes the other
_CHANGE = os.W_OK | os.X_OK


def parsed(version: str, key: bytes) -> bytes:
    """The id behind what S3 shows. Raises VersionMissing where it can be none."""
    try:
        return parse_version(version)
    except ValueError as error:
        raise VersionMissing(version=version, subject=key) from error


def refuse_far(context: Context, bucket: BucketName) -> None:
    """Raises NotSupported for a bucket whose versions cannot be kept, BucketMissing."""
    with context.bucket(bucket) as fd:
        if not leads_to(context, context.histories.area, fd):
            raise NotSupported("the bucket lies on another file system than the store's control area")


# ---- opening
def open_version(context: Context, bucket: BucketName, key: bytes, version: bytes) -> OpenObject:
    """The version of this id. Raises BucketMissing, InvalidName, VersionMissing, DeleteMarkerMet."""
    path = entry_path(key)
    before = None
    with context.bucket(bucket) as bucket_fd:
        require_search(context, bucket_fd, path)
        for _ in range(_LOOKS):
            current = _current(context, bucket, key)
            if current is not None:
                if _version_of(current) == version:
                    return current
                current.close()
            found = _open_kept(context, bucket_fd, path, key, version)
            if found is not None:
                return found
            now = None if current is None else current.info.ino
            if before is not None and now == before:
                break
            before = now
    raise VersionMissing(version=shown(version), subject=key)


def open_source(context: Context, bucket: BucketName, key: bytes, version: str | None) -> OpenObject:
    """What a copy is made of: the version of this id as S3 shows it, None: the current one. Raises what
    `open_version` does, NotFound.
    """
    if version is None:
        return reading.open_object(context, bucket, key)
    return open_version(context, bucket, key, parsed(version, key))


def current_id(context: Context, bucket: BucketName, key: bytes) -> bytes | None:
    """Of the current version; None: there is none. Raises BucketMissing."""
    current = _current(context, bucket, key)
    if current is None:
        return None
    with current:
        return _version_of(current)


def _version_of(found: OpenObject) -> bytes:
    return bytes.fromhex(found.info.version or "")


def _current(context: Context, bucket: BucketName, key: bytes) -> OpenObject | None:
    try:
        return reading.open_object(context, bucket, key)
    except NotFound:
        return None


def _open_kept(
    context: Context, bucket: Fd, path: EntryPath, key: bytes, version: bytes
) -> OpenObject | None:
    with context.histories.opened(bucket, path) as history:
        if history is None:
            return None
        for kept in context.histories.entries(history):
            if kept.version == version:
                with suppress(NotFound):  # it became the current one, or was deleted
                    return _open_in(context, history, kept, key)
    return None


def _open_in(context: Context, history: Fd, kept: Kept, key: bytes) -> OpenObject:
    store = context.histories.store
    fd = store.open_file(history, kept.name, os.O_RDONLY)
    try:
        attr = store.attr(fd)
        if kept.marker:
            raise DeleteMarkerMet(shown(kept.version), attr.mtime_ns, named=True, subject=key)
        context.store.check_access(fd, os.R_OK)
        state = settle(store, context.locks, fd, attr, context.clock)
        if state.lifted:
            attr = store.attr(fd)
        salt = state.record.salt if state.record else b""
        in_tick = changed_in_tick(store, attr, context.clock)
        info = reading.describe(key, attr, state)
        return OpenObject(context, fd, info, attr, salt, in_tick=in_tick)
    except BaseException:
        store.close(fd)
        raise


def latest_marker(context: Context, bucket: BucketName, key: bytes) -> DeleteMarkerMet | None:
    """The delete marker that is the latest of a key which has no current version."""
    with context.bucket(bucket) as bucket_fd:
        if context.histories.state(bucket_fd) is None:
            return None
        with context.histories.opened(bucket_fd, entry_path(key)) as history:
            if history is None:
                return None
            found = context.histories.entries(history)
            if not found or not found[0].marker:
                return None
            try:
                made_ns = context.histories.store.attr_at(history, found[0].name).mtime_ns
            except NotFound:
                return None
            return DeleteMarkerMet(shown(found[0].version), made_ns, named=False, subject=key)


# ---- deleting for good
@dataclass(frozen=True, slots=True)
class _Removal:
    """One version that is to go. `parent`: of the key's entry; None: there is none."""

    context: Context
    bucket: Fd
    path: EntryPath
    key: bytes
    version: bytes
    effects: Effects
    conditions: WriteConditions
    noncurrent: bool
    bypass: bool

    def place(self, parent: Parent) -> Place:
        """The entry in its open directory."""
        return Place(self.bucket, self.path, parent.fd)


def delete_version(
    context: Context, bucket: Fd, entry: Deletion, version: bytes, effects: Effects, *,
    noncurrent: bool = False,
) -> Deleted:
    """Delete one version, or delete marker, for good: of the key of `entry`, on its conditions. One that is
    not there is no error. noncurrent: one that is the current one stays.

    Raises PreconditionFailed, Conflict (it is being written), KeyConflict (the version before it cannot be
    the current one: something else has its place), ObjectLocked.
    """
    path, key = entry_path(entry.key), entry.key
    conditions = entry.conditions or UNCONDITIONAL
    removal = _Removal(context, bucket, path, key, version, effects, conditions, noncurrent, entry.bypass)
    with context.locks.share_tree(context.store.attr(bucket).ino, key):
        parent = context.find_parent(bucket, path)
        if parent is None:
            done = _without_parent(removal)
        else:
            try:
                with context.locks.hold([(parent.ino, path.name)]):
                    done = _under_lock(removal, parent)
                effects.add(parent.fd)
            finally:
                context.store.close(parent.fd)
    context.histories.prune(bucket, path)
    changes = done.changes + prune(context, bucket, path, effects)
    return Deleted(done.existed, changes, done.version, done.marker)


def _without_parent(removal: _Removal) -> Deleted:
    """The key has no directory, so no current version; one that is to become it makes the directory."""
    context = removal.context
    with context.histories.opened(removal.bucket, removal.path) as history:
        found = [] if history is None else context.histories.entries(history)
        if history is None or not _uncovers(removal, found):
            return _remove_kept(removal, history, found)
    with context.parent(removal.bucket, removal.path, removal.effects, 0, 0) as parent:
        with context.locks.hold([(parent.ino, removal.path.name)]):
            done = _under_lock(removal, parent)
        removal.effects.add(parent.fd)
        return Deleted(done.existed, parent.made + done.changes, done.version, done.marker)


def _uncovers(removal: _Removal, found: list[Kept]) -> bool:
    """Whether the version is a delete marker on top of one that would be the current one without it."""
    top = found[:2]
    return len(top) == 2 and top[0].marker and top[0].version == removal.version and not top[1].marker


def _under_lock(removal: _Removal, parent: Parent) -> Deleted:
    context, place = removal.context, removal.place(parent)
    current = current_version(context, place)
    with context.histories.opened(removal.bucket, removal.path) as history:
        found = [] if history is None else counting(context.histories.entries(history), current)
        if current == removal.version:
            if removal.noncurrent:
                return Deleted(False, (), shown(removal.version))
            with _current_is_meant(removal, parent):
                require_current_removable(context, place, bypass=removal.bypass)
                drop_leftovers(context, place)
                return _remove_current(removal, parent, history, found)
        if current is None and history is not None and _uncovers(removal, found):
            _require_meant(removal, history, found[0])
            _require_right(removal, history, found[0])
            changes = _promote(removal, parent, history, found[1], over=False)
            reach(CrashPoint.VERSION_PROMOTED)
            done = _remove_kept(removal, history, found)
            return Deleted(True, changes + done.changes, done.version, done.marker)
        return _remove_kept(removal, history, found)


def _require_right(removal: _Removal, history: Fd, kept: Kept) -> None:
    """Raises AccessDenied, PermissionRefused where modes keep who asks from it."""
    with suppress(NotFound):
        attr = removal.context.histories.store.attr_at(history, kept.name)
        require_removal(removal.context, removal.bucket, removal.path, attr)


@contextmanager
def _current_is_meant(removal: _Removal, parent: Parent) -> Iterator[None]:
    """The conditions hold of the current version while the block deletes it. Raises PreconditionFailed,
    Conflict.
    """
    context, conditions, name = removal.context, removal.conditions, removal.path.name
    if not conditions.any:
        yield
    elif removal.path.is_directory:
        directory = context.store.open_dir(parent.fd, name)
        try:
            check_conditions(conditions, reading.directory_object(context.store, directory, removal.key))
        finally:
            context.store.close(directory)
        yield
    else:
        with examined(context, parent, name, removal.key) as (_, present, fd):
            check_conditions(conditions, present)
            with unwritten(context, fd, present, pinned=conditions.pins):
                yield


def _require_meant(removal: _Removal, history: Fd, kept: Kept) -> None:
    """Raises PreconditionFailed where the conditions do not hold of a noncurrent version. A delete marker has
    nothing of what conditions ask for.
    """
    if not removal.conditions.any:
        return
    if kept.marker:
        raise PreconditionFailed("If-Match")
    with _open_in(removal.context, history, kept, removal.key) as found:
        check_conditions(removal.conditions, found.info)


def _remove_kept(removal: _Removal, history: Fd | None, found: list[Kept]) -> Deleted:
    context = removal.context
    kept = next((each for each in found if each.version == removal.version), None)
    if history is None or kept is None:
        return Deleted(False, (), shown(removal.version))
    _require_meant(removal, history, kept)
    _require_right(removal, history, kept)
    require_removable(context, removal.bucket, history, kept, bypass=removal.bypass)
    store = context.histories.store
    with (
        entry_changeable(store, context.locks, history, kept.name),
        suppress(NotFound),
        context.quotas.removing(context.quotas.of(removal.bucket), history, kept.name),
    ):
        store.unlink(history, kept.name)
    removal.effects.add(history)
    return Deleted(True, (), shown(removal.version), kept.marker)


def _remove_current(
    removal: _Removal, parent: Parent, history: Fd | None, found: list[Kept]
) -> Deleted:
    """The version before it takes its place, where that is no delete marker."""
    context, name = removal.context, removal.path.name
    if history is not None and found and not found[0].marker:
        changes = _promote(removal, parent, history, found[0], over=True)
    elif removal.path.is_directory:
        changes = remove_directory_object(context, parent, name, removal.key, UNCONDITIONAL, removal.effects)
    else:
        change = Change(parent.ino, name, context.store.attr_at(parent.fd, name).ino)
        removal.effects.tell(change)
        with (
            entry_changeable(context.histories.store, context.locks, parent.fd, name),
            context.quotas.removing(context.quotas.of(removal.bucket), parent.fd, name),
        ):
            context.store.unlink(parent.fd, name)
        changes = (change,)
    return Deleted(True, changes, shown(removal.version))


def _promote(removal: _Removal, parent: Parent, history: Fd, kept: Kept, *, over: bool) -> Changes:
    """Make a noncurrent version the current one; `over`: in place of what is."""
    context, name = removal.context, removal.path.name
    if removal.path.is_directory:
        return _promote_directory(removal, parent, history, kept)
    store = context.histories.store
    try:
        old = context.store.attr_at(parent.fd, name)
    except NotFound:
        old = None
    _refuse_unless_may(context, parent, name)
    if old is not None and not over:
        raise KeyConflict("something else has the name of the key", subject=removal.key)
    change = removal.effects.tell(Change(parent.ino, name, None if old is None else old.ino))
    ledger = context.quotas.of(removal.bucket)
    with (
        entry_changeable(store, context.locks, history, kept.name),
        entry_changeable(store, context.locks, parent.fd, name),
        context.quotas.moving(ledger, (history, kept.name), (parent.fd, name)),
    ):
        _unseal(context, history, kept)
        flags = 0 if over or not store.primitives.rename_noreplace else RENAME_NOREPLACE
        store.rename(history, kept.name, parent.fd, name, flags)
    removal.effects.add(history)
    return (change,)


def _unseal(context: Context, history: Fd, kept: Kept) -> None:
    """It may be written into again."""
    store = context.histories.store
    fd = store.open_file(history, kept.name, os.O_RDONLY)
    try:
        unseal(store, fd)
    finally:
        store.close(fd)


def _refuse_unless_may(context: Context, parent: Parent, name: bytes) -> None:
    """The service renames, so what modes forbid whom they bind is asked before."""
    context.store.check_access(parent.fd, _CHANGE)
    with suppress(NotFound):
        entry = context.store.attr_at(parent.fd, name)
        if context.is_kept_from(context.store.attr(parent.fd), entry):
            raise PermissionRefused("the sticky bit lets owners alone remove it")


def _promote_directory(removal: _Removal, parent: Parent, history: Fd, kept: Kept) -> Changes:
    """A directory object's body and record come back as if they were put again."""
    context = removal.context
    store = context.histories.store
    fd = store.open_file(history, kept.name, os.O_RDONLY)
    try:
        record = read_record(store, fd)
        if record is None or record.stamp is None:
            raise VersionMissing(
                "the version's record is damaged", version=shown(removal.version), subject=removal.key
            )
        staged = Staged(fd, history, kept.name)
        put = DirectoryPut(0, 0, staged, record, UNCONDITIONAL, no_funds())
        with changeable(store, context.locks, fd, record):
            changes = place_directory(context, parent, removal.path.name, put, removal.effects)
    finally:
        store.close(fd)
    removal.effects.add(history)
    return changes

