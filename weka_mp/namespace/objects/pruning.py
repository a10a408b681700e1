"""Directories that only keys had made go with their last key."""

from __future__ import annotations

from contextlib import suppress

from weka_mp.errors import AccessDenied, Loop, NotDirectory, NotEmpty, NotFound, PermissionRefused
from weka_mp.namespace.context import Context
from weka_mp.namespace.effects import Changes, Effects
from weka_mp.namespace.names.keys import BODY_NAME, EntryPath
from weka_mp.namespace.objects.reading import directory_object
from weka_mp.namespace.records.directories import is_implicit
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Change, Fd

__all__ = ["prune", "remove_empty"]

_IN_THE_WAY = (NotEmpty, NotDirectory, Loop, PermissionRefused)
"""Also that whom modes bind may not remove the directory, as somebody's: then it stays."""

_UNMET = (NotFound, AccessDenied)
"""Gone already, never made because one above could not be entered, or not to be removed by whom modes bind:
what is above may still be empty.
"""


def prune(context: Context, bucket: Fd, path: EntryPath, effects: Effects) -> Changes:
    """Remove the parents that are empty now and that no POSIX caller ever made its own, deepest first."""
    changes: list[Change] = []
    for depth in range(len(path.parents), 0, -1):
        try:
            change = _prune_one(context, bucket, path.parents[: depth - 1], path.parents[depth - 1], effects)
        except _UNMET:
            continue
        if change is None:
            break
        changes.append(change)
        reach(CrashPoint.PARENT_PRUNED)
    return tuple(changes)


def _prune_one(
    context: Context, bucket: Fd, above: tuple[bytes, ...], name: bytes, effects: Effects
) -> Change | None:
    store = context.store
    try:
        holder = store.open_dir(bucket, b"/".join(above))
    except _IN_THE_WAY:
        return None
    try:
        ino = store.attr(holder).ino
        with context.locks.hold([(ino, name)]):
            directory = store.open_dir(holder, name)
            try:
                if not is_implicit(store, directory) or directory_object(store, directory, name) is not None:
                    return None
                change = effects.tell(Change(ino, name, store.attr(directory).ino))
                remove_empty(context, bucket, holder, name, directory)
            finally:
                store.close(directory)
        effects.add(holder)
        return change
    except _IN_THE_WAY:
        return None
    finally:
        store.close(holder)


def remove_empty(context: Context, bucket: Fd, holder: Fd, name: bytes, directory: Fd) -> None:
    """rmdir; the body of a directory object that is one no more does not keep it. Raises NotEmpty."""
    try:
        context.store.rmdir(holder, name)
    except NotEmpty:
        try:  # before the names, of which there may be a million
            context.store.attr_at(directory, BODY_NAME)
        except NotFound:
            raise NotEmpty(subject=name) from None
        if [entry.name for entry in context.store.entries(directory)] != [BODY_NAME]:
            raise
        ledger = context.quotas.of(bucket)
        with suppress(NotFound), context.quotas.removing(ledger, directory, BODY_NAME):
            context.store.unlink(directory, BODY_NAME)
        context.store.rmdir(holder, name)
