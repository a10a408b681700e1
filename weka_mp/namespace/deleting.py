"""Deleting objects, and with the last child the directories that only keys had made."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Sequence

from weka_mp.errors import Loop, NamespaceError, NotDirectory, NotEmpty, NotFound
from weka_mp.namespace import reading
from weka_mp.namespace.context import Changes, Context, Parent, SyncList
from weka_mp.namespace.directories import is_implicit, set_implicit
from weka_mp.namespace.keys import BODY_NAME, EntryPath, entry_path
from weka_mp.namespace.publishing import check_conditions, examined
from weka_mp.namespace.records import DIRECTORY_MADE, RECORD_XATTR, read_record
from weka_mp.namespace.values import Deleted, WriteConditions
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import BucketName, Change, Fd

__all__ = ["delete_object", "delete_objects"]

_UNCONDITIONAL = WriteConditions()


def delete_object(
    context: Context, bucket: BucketName, key: bytes, conditions: WriteConditions | None
) -> Deleted:
    """Raises BucketMissing, PreconditionFailed, NotFound (If-Match on nothing)."""
    outcomes = delete_objects(context, bucket, [(key, conditions)])
    outcome = outcomes[0]
    if isinstance(outcome, NamespaceError):
        raise outcome
    return outcome


def delete_objects(
    context: Context, bucket: BucketName, entries: Sequence[tuple[bytes, WriteConditions | None]]
) -> list[Deleted | NamespaceError]:
    """Each on its own, the disk once for all of them. The answer has one outcome for each entry, in order."""
    outcomes: list[Deleted | NamespaceError] = []
    bucket_fd = context.open_bucket(bucket)
    try:
        with context.syncs() as syncs:
            for key, conditions in entries:
                try:
                    outcomes.append(_delete(context, bucket_fd, key, conditions or _UNCONDITIONAL, syncs))
                except NamespaceError as error:
                    outcomes.append(error)
            syncs.flush()
            reach(CrashPoint.DELETE_SYNCED)
    finally:
        context.store.close(bucket_fd)
    return outcomes


def _delete(
    context: Context, bucket: Fd, key: bytes, conditions: WriteConditions, syncs: SyncList
) -> Deleted:
    path = entry_path(key)
    parent = context.find_parent(bucket, path)
    if parent is None:
        check_conditions(conditions, None)
        return Deleted(False, ())
    try:
        remove = _remove_directory_object if path.is_directory else _remove_file
        with context.locks.hold([(parent.ino, path.name)]):
            changes = remove(context, parent, path.name, key, conditions, syncs)
        if not changes:
            return Deleted(False, ())
        syncs.add(parent.fd)
        reach(CrashPoint.UNLINKED)
    finally:
        context.store.close(parent.fd)
    return Deleted(True, changes + _prune(context, bucket, path, syncs))


def _remove_file(
    context: Context, parent: Parent, name: bytes, key: bytes, conditions: WriteConditions, syncs: SyncList
) -> Changes:
    store = context.store
    if not conditions.any:
        # No look at the content is needed: whatever S3 could see there goes.
        try:
            attr = store.attr_at(parent.fd, name)
        except NotFound:
            return ()
        if stat.S_ISREG(attr.mode):
            store.unlink(parent.fd, name)
            return (Change(parent.ino, name, attr.ino),)
    with examined(context, parent, name, key) as (found, present, _):
        check_conditions(conditions, present)
        if found is None or present is None:
            return ()
        store.unlink(parent.fd, name)
        return (Change(parent.ino, name, found.ino),)


def _remove_directory_object(
    context: Context, parent: Parent, name: bytes, key: bytes, conditions: WriteConditions, syncs: SyncList
) -> Changes:
    """The record and the body go; the directory too when nothing else is in it."""
    store = context.store
    try:
        directory = store.open_dir(parent.fd, name)
    except (NotFound, NotDirectory, Loop):
        check_conditions(conditions, None)
        return ()
    try:
        attr = store.attr(directory)
        record = read_record(store, directory)
        present = reading.describe_directory(key, attr, record) if record else None
        check_conditions(conditions, present)
        if record is None or present is None:
            return ()
        store.remove_xattr(directory, RECORD_XATTR)
        if present.size:
            store.unlink(directory, BODY_NAME)
        syncs.add(directory)
        if record.directory == DIRECTORY_MADE:
            set_implicit(store, directory)  # if keys below it remain, it goes with the last of them
            with contextlib.suppress(NotEmpty):
                store.rmdir(parent.fd, name)
        return (Change(parent.ino, name, attr.ino),)
    finally:
        store.close(directory)


def _prune(context: Context, bucket: Fd, path: EntryPath, syncs: SyncList) -> Changes:
    """Remove the parents that are empty now and that no POSIX caller ever made its own, deepest first."""
    changes: list[Change] = []
    for depth in range(len(path.parents), 0, -1):
        change = _prune_one(context, bucket, path.parents[: depth - 1], path.parents[depth - 1], syncs)
        if change is None:
            break
        changes.append(change)
        reach(CrashPoint.PARENT_PRUNED)
    return tuple(changes)


def _prune_one(
    context: Context, bucket: Fd, above: tuple[bytes, ...], name: bytes, syncs: SyncList
) -> Change | None:
    store = context.store
    try:
        holder = store.open_dir(bucket, b"/".join(above))
    except (NotFound, NotDirectory, Loop):
        return None
    try:
        ino = store.attr(holder).ino
        with context.locks.hold([(ino, name)]):
            directory = store.open_dir(holder, name)
            try:
                if not is_implicit(store, directory):
                    return None
                old = store.attr(directory).ino
            finally:
                store.close(directory)
            store.rmdir(holder, name)
        syncs.add(holder)
        return Change(ino, name, old)
    except (NotEmpty, NotFound, NotDirectory, Loop):
        return None
    finally:
        store.close(holder)
