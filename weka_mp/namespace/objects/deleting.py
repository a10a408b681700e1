"""Deleting objects, and with the last child the directories that only keys had made."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from weka_mp.errors import NamespaceError, NotFound, PreconditionFailed
from weka_mp.namespace.context import Context, Parent
from weka_mp.namespace.effects import Changes, Effects
from weka_mp.namespace.names.keys import EntryPath, entry_path
from weka_mp.namespace.objects.directory_objects import remove_directory_object
from weka_mp.namespace.objects.entries import examined, unwritten
from weka_mp.namespace.objects.naming import NOWHERE, check_conditions
from weka_mp.namespace.objects.pruning import prune
from weka_mp.namespace.objects.versions import delete_version, parsed
from weka_mp.namespace.values import UNCONDITIONAL, Deleted, Deletion, ObjectInfo, WriteConditions
from weka_mp.namespace.versions.identifiers import shown
from weka_mp.namespace.versions.keeping import Place, keeping
from weka_mp.namespace.versions.markers import make_marker
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Attr, BucketName, Change, Fd

__all__ = ["Judge", "delete_object", "delete_objects"]

Judge = Callable[[ObjectInfo, Fd, Attr], bool]
"""Asked under the lock of the entry whether this object is to go: what it is, a descriptor of it, and what
stands under its name (a symbolic link, maybe)."""


def delete_object(
    context: Context, bucket: BucketName, deletion: Deletion, owner: str | None
) -> Deleted:
    """Raises BucketMissing, PreconditionFailed, NotFound (If-Match on nothing)."""
    (outcome,), changes = delete_objects(context, bucket, [deletion], owner=owner)
    if isinstance(outcome, NamespaceError):
        outcome.changes = changes
        raise outcome
    return outcome


def delete_objects(
    context: Context, bucket: BucketName, entries: Sequence[Deletion], judge: Judge | None = None,
    owner: str | None = None,
) -> tuple[list[Deleted | NamespaceError], Changes]:
    """Each on its own, the disk once for all of them. One outcome for each entry, in order, and what the
    mounts must hear of.

    judge: only files of which it says so go, and none that somebody has open for writing: PreconditionFailed
    and Conflict are the outcomes of the others. owner: of delete markers.
    """
    outcomes: list[Deleted | NamespaceError] = []
    changes: list[Change] = []
    with context.effects() as effects, context.bucket(bucket) as bucket_fd:
        for entry in entries:
            effects.begin_key()
            try:
                if entry.version is not None:
                    version = parsed(entry.version, entry.key)
                    done = delete_version(context, bucket_fd, entry, version, effects)
                else:
                    done = _delete(context, bucket_fd, entry, effects, judge, owner)
            except NamespaceError as error:
                outcomes.append(error)
            else:
                outcomes.append(done if done.sequence else replace(done, sequence=effects.sequence))
                changes.extend(done.changes)
        effects.flush()
        reach(CrashPoint.DELETE_SYNCED)
        failed = any(isinstance(outcome, NamespaceError) for outcome in outcomes)
        return outcomes, (*changes, *(effects.told if failed else ()))


def _delete(
    context: Context, bucket: Fd, entry: Deletion, effects: Effects, judge: Judge | None, owner: str | None
) -> Deleted:
    path = entry_path(entry.key)
    conditions = entry.conditions or UNCONDITIONAL
    removal = _Removal(context, bucket, path, entry.key, conditions, effects, judge, owner)
    changes: Changes = ()
    with context.locks.share_tree(context.store.attr(bucket).ino, entry.key):
        parent = context.find_parent(bucket, path)
        if parent is not None:
            try:
                changes, marker = _remove(removal, parent)
            finally:
                context.store.close(parent.fd)
        else:  # there is no entry to lock: who else deletes something of the key waits for the share
            _refuse_marker(removal)
            check_conditions(removal.conditions, None)
            marker = _mark(removal, NOWHERE) if judge is None else None
    if parent is None:
        return removal.done(False, _announce_absence(context, bucket, path, effects), marker)
    if not changes:
        return removal.done(False, (Change(parent.ino, path.name, None),), marker)
    sequence = effects.sequence
    reach(CrashPoint.UNLINKED)
    done = removal.done(True, changes + prune(context, bucket, path, effects), marker)
    return replace(done, sequence=sequence)


@dataclass(frozen=True, slots=True)
class _Removal:
    """One object that is to go."""

    context: Context
    bucket: Fd
    path: EntryPath
    key: bytes
    conditions: WriteConditions
    effects: Effects
    judge: Judge | None
    owner: str | None

    def done(self, existed: bool, changes: Changes, marker: bytes | None) -> Deleted:
        """marker: the id of the delete marker, None where the bucket has no versions."""
        if marker is None:
            return Deleted(existed, changes)
        return Deleted(existed, changes, shown(marker), marker=True)


def _refuse_marker(removal: _Removal) -> None:
    """Where there is no object: conditions that name content never hold of a delete marker, which has none.
    Raises PreconditionFailed.
    """
    context, wanted = removal.context, removal.conditions
    named = wanted.pins or wanted.if_match_size is not None or wanted.if_match_mtime is not None
    if not named or context.histories.state(removal.bucket) is None:
        return
    with context.histories.opened(removal.bucket, removal.path) as history:
        found = [] if history is None else context.histories.entries(history)
    if found and found[0].marker:
        raise PreconditionFailed("If-Match", subject=removal.key)


def _mark(removal: _Removal, holder: Fd) -> bytes | None:
    """A delete marker on top of the key's versions, where its bucket has any."""
    context = removal.context
    if context.histories.state(removal.bucket) is None:
        return None
    place = Place(removal.bucket, removal.path, holder)
    return make_marker(context, place, removal.effects, removal.owner)


def _remove(removal: _Removal, parent: Parent) -> tuple[Changes, bytes | None]:
    """The changes of names, and the delete marker's id, where one was made."""
    context, path, effects = removal.context, removal.path, removal.effects
    remove = remove_directory_object if path.is_directory else _remove_file
    with context.locks.hold([(parent.ino, path.name)]):
        with keeping(context, Place(removal.bucket, path, parent.fd), effects):
            try:
                changes = remove(
                    context, parent, path.name, removal.key, removal.conditions, effects, removal.judge
                )
            except NotFound:
                _refuse_marker(removal)
                raise
        if not changes:
            _refuse_marker(removal)
        marker = _mark(removal, parent.fd) if changes or removal.judge is None else None
    effects.add(parent.fd)
    return changes, marker


def _announce_absence(context: Context, bucket: Fd, path: EntryPath, effects: Effects) -> Changes:
    """What was not there may have gone by a request still under way: our answer cannot wait for its.

    So it is synced and announced as if it had gone by ours.
    """
    for depth in range(len(path.parents) - 1, -1, -1):
        holder = context.find_parent(bucket, path._replace(parents=path.parents[:depth]))
        if holder is not None:
            effects.add(holder.fd)
            context.store.close(holder.fd)
            return (Change(holder.ino, path.parents[depth], None),)
    return ()


def _remove_file(
    context: Context, parent: Parent, name: bytes, key: bytes, conditions: WriteConditions, effects: Effects,
    judge: Judge | None,
) -> Changes:
    store = context.store
    if not conditions.any and judge is None:
        # No look at the content is needed: whatever S3 could see there goes.
        try:
            attr = store.attr_at(parent.fd, name)
        except NotFound:
            return ()
        if stat.S_ISREG(attr.mode):
            change = effects.tell(Change(parent.ino, name, attr.ino))
            with context.quotas.removing(context.quotas.of(parent.bucket), parent.fd, name):
                store.unlink(parent.fd, name)
            return (change,)
    with examined(context, parent, name, key) as (found, present, fd):
        check_conditions(conditions, present)
        if found is None or present is None:
            return ()
        change = Change(parent.ino, name, found.ino)
        ledger = context.quotas.of(parent.bucket)
        with unwritten(context, fd, present, pinned=conditions.pins or judge is not None):
            if judge is not None and not judge(present, fd, found):
                raise PreconditionFailed("judge")
            effects.tell(change)
            with context.quotas.removing(ledger, parent.fd, name):
                store.unlink(parent.fd, name)
        return (change,)
