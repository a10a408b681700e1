"""Directory objects: `PUT a/` is a record on the directory, and a body, if any, in a hidden file in it.

The body carries the same record, and where there is a body its record counts: bytes and metadata change in
one rename. The directory's own record says that `a/` is an object at all, so it is written last and removed
first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from weka_mp.errors import (
    KeyConflict,
    Loop,
    NamespaceError,
    NotDirectory,
    NotEmpty,
    NotFound,
    PermissionRefused,
    PreconditionFailed,
)
from weka_mp.namespace.context import Context, Parent, Vanished
from weka_mp.namespace.effects import Changes, Effects
from weka_mp.namespace.names.keys import BODY_NAME
from weka_mp.namespace.objects.naming import Staged, check_conditions, discard_name, replace_entry
from weka_mp.namespace.objects.pruning import remove_empty
from weka_mp.namespace.objects.reading import directory_object
from weka_mp.namespace.quotas.funds import Funds
from weka_mp.namespace.records.attribute import (
    DIRECTORY_KEPT,
    DIRECTORY_MADE,
    RECORD_XATTR,
    Record,
    read_record,
    write_record,
)
from weka_mp.namespace.records.directories import clear_implicit, is_implicit, set_implicit
from weka_mp.namespace.records.freezing import entry_changeable, freeze_own
from weka_mp.namespace.values import ObjectInfo, WriteConditions
from weka_mp.values import Attr, Change, Fd, InodeNo, Stamp

__all__ = ["DirectoryPut", "place_directory", "remove_directory_object"]

_CHANGE = os.W_OK | os.X_OK  # what is made, replaced and removed below it, and its record


@dataclass(frozen=True, slots=True)
class DirectoryPut:
    """What `PUT a/` brings: a staged body (maybe empty) and its record, which has a stamp."""

    uid: int
    gid: int
    staged: Staged
    record: Record
    conditions: WriteConditions
    funds: Funds


def place_directory(
    context: Context, parent: Parent, name: bytes, put: DirectoryPut, effects: Effects
) -> Changes:
    """Make the directory an object. Raises KeyConflict, Vanished and what a condition raises."""
    store = context.store
    try:
        made = context.make_directory(parent.fd, name, put.uid, put.gid, effects, implicit=False)
        directory = store.open_dir(parent.fd, name)
    except NotFound as error:
        raise Vanished from error
    except (NotDirectory, Loop) as error:
        raise KeyConflict("something else stands where the directory would", subject=name) from error
    try:
        if made is None:
            store.check_access(directory, _CHANGE)
        ino = store.attr(directory).ino
        change = made or effects.tell(Change(parent.ino, name, ino))
        old = read_record(store, directory)
        check_conditions(put.conditions, directory_object(store, directory, name))
        _place_body(context, Parent(directory, ino, (), parent.bucket), put)
        if old is not None and old.directory:
            kind = old.directory
        else:
            kind = DIRECTORY_MADE if made is not None or is_implicit(store, directory) else DIRECTORY_KEPT
        _write(context, directory, put.record, ino, kind)
        effects.add(directory)
        return (change,)
    except NamespaceError:
        if made is not None and read_record(store, directory) is None:
            with suppress(NotEmpty, NotFound):
                remove_empty(context, parent.bucket, parent.fd, name, directory)
        raise
    finally:
        store.close(directory)


def _write(context: Context, directory: Fd, record: Record, ino: int, kind: int) -> None:
    if record.stamp is None:
        raise ValueError("a directory object's record needs a stamp")
    stamp = Stamp(record.stamp.size, record.stamp.mtime_ns, InodeNo(ino))
    acl = None if record.acl is None else replace(record.acl, ino=ino)
    write_record(context.store, directory, replace(record, stamp=stamp, directory=kind, acl=acl))
    clear_implicit(context.store, directory)


def _place_body(context: Context, directory: Parent, put: DirectoryPut) -> None:
    """An empty body is only placed over one that is there: its record would go on counting."""
    store = context.store
    if not (put.record.stamp and put.record.stamp.size):
        try:
            store.attr_at(directory.fd, BODY_NAME)
        except NotFound:
            if put.staged.name:
                discard_name(context, put.staged.directory, put.staged.name)
            return
    entry = directory.fd, BODY_NAME
    with (
        entry_changeable(store, context.locks, *entry),
        context.quotas.placing(directory.bucket, put.staged.fd, entry, put.funds, over=True),
    ):
        replace_entry(context, directory, BODY_NAME, put.staged)
    freeze_own(store, put.staged.fd, put.record)


def _refuse_kept(context: Context, holder: Fd, directory: Fd) -> None:
    """The record goes first, so what the sticky bit forbids is refused before. Raises PermissionRefused."""
    attr = context.store.attr(directory)
    kept = context.is_kept_from(context.store.attr(holder), attr)
    with suppress(NotFound):
        kept = kept or context.is_kept_from(attr, context.store.attr_at(directory, BODY_NAME))
    if kept:
        raise PermissionRefused("the sticky bit lets owners alone remove it")


def remove_directory_object(
    context: Context, parent: Parent, name: bytes, key: bytes, conditions: WriteConditions, effects: Effects,
    judge: Callable[[ObjectInfo, Fd, Attr], bool] | None = None,
) -> Changes:
    """The record and the body go; the directory too when nothing else is in it. judge: see `deleting`."""
    store = context.store
    try:
        directory = store.open_dir(parent.fd, name)
    except (NotFound, NotDirectory, Loop):
        check_conditions(conditions, None)
        return ()
    try:
        store.check_access(directory, _CHANGE)
        store.check_access(parent.fd, _CHANGE)
        _refuse_kept(context, parent.fd, directory)
        change = effects.tell(Change(parent.ino, name, store.attr(directory).ino))
        record = read_record(store, directory)
        present = directory_object(store, directory, key)
        check_conditions(conditions, present)
        if judge is not None and (
            present is None or not judge(present, directory, store.attr(directory))
        ):
            raise PreconditionFailed("judge")
        if record is None and is_implicit(store, directory):
            with suppress(NotEmpty, NotFound):  # what a deletion left that did not come to its end
                remove_empty(context, parent.bucket, parent.fd, name, directory)
        if record is None or (present is None and not record.directory):
            return ()
        # A record whose body is missing (a power cut may leave that) is no object, and goes all the same.
        made_by_key = record.directory == DIRECTORY_MADE
        if made_by_key:
            set_implicit(store, directory)  # if keys below it remain, it goes with the last of them
        store.remove_xattr(directory, RECORD_XATTR)
        effects.add(directory)
        ledger = context.quotas.of(parent.bucket)
        with (
            entry_changeable(store, context.locks, directory, BODY_NAME),
            suppress(NotFound),
            context.quotas.removing(ledger, directory, BODY_NAME),
        ):
            store.unlink(directory, BODY_NAME)
        if made_by_key:
            with suppress(NotEmpty):
                store.rmdir(parent.fd, name)
        return (change,)
    finally:
        store.close(directory)
