"""The directory below which all keys of a prefix lie, moved in one step.

What may stand in its way, and what must not become of the keys below it.

Used under the tree lock of the bucket and the locks of both entries.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from weka_mp.errors import (
    Busy,
    CrossDevice,
    Exists,
    KeyConflict,
    Loop,
    NameTooLong,
    NotDirectory,
    NotEmpty,
    NotFound,
    NotSupported,
)
from weka_mp.namespace.context import Context, Parent, Vanished
from weka_mp.namespace.effects import Changes, Durability, Effects
from weka_mp.namespace.names.keys import BODY_NAME, MAX_KEY_BYTES, component_of, visible
from weka_mp.namespace.objects.naming import RENAME_NOREPLACE, check_conditions
from weka_mp.namespace.objects.reading import directory_object
from weka_mp.namespace.records.attribute import read_record
from weka_mp.namespace.records.directories import clear_implicit, is_implicit, set_implicit
from weka_mp.namespace.values import ObjectInfo, WriteConditions
from weka_mp.namespace.walking import kind_of
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Change, Fd

__all__ = ["DirectoryMove", "HasKeys", "move_directory", "spelt"]

HasKeys = Callable[[Fd, Fd, bytes], bool]
"""(bucket, directory, the prefix it stands for) → whether S3 sees any object in it."""


@dataclass(frozen=True, slots=True)
class DirectoryMove:
    """The directory `name` in `holder`, which stands for `prefix`, becomes `new_name`, for `new_prefix`."""

    holder: Parent
    name: bytes
    prefix: bytes
    new_name: bytes
    new_prefix: bytes
    source_check: Callable[[ObjectInfo | None], None]
    conditions: WriteConditions

    @contextmanager
    def opened(self, context: Context) -> Iterator[Fd]:
        """The directory itself. Raises NotFound."""
        try:
            fd = context.store.open_dir(self.holder.fd, self.name)
        except (NotFound, NotDirectory, Loop, NameTooLong) as error:
            raise NotFound(subject=self.prefix) from error
        try:
            yield fd
        finally:
            context.store.close(fd)

    def check_source(self, context: Context, bucket: Fd, directory: Fd, has_keys: HasKeys) -> None:
        """Raises NotFound where no key lies below the prefix, and what the condition raises."""
        info = directory_object(context.store, directory, self.prefix)
        if info is None and not has_keys(bucket, directory, self.prefix):
            raise NotFound(subject=self.prefix)
        self.source_check(info)


def move_directory(
    context: Context, move: DirectoryMove, directory: Fd, parent: Parent, has_keys: HasKeys, effects: Effects
) -> Changes:
    """rename(2) into `parent`, under the locks of both entries.

    Raises NotFound, KeyConflict, NameTooLong, NotSupported, Vanished and what a condition raises.
    """
    store = context.store
    attr = store.attr(directory)
    _require_same(context, move, attr)
    move.check_source(context, parent.bucket, directory, has_keys)
    old = _make_way(context, move, parent)
    _refuse_long_keys(context, directory, move)
    _mark(context, move, directory, parent, old)
    now = context.clock.now_ns()
    store.utimens(context.renames, now, now)
    gone = effects.tell(Change(move.holder.ino, move.name, attr.ino))
    come = effects.tell(Change(parent.ino, move.new_name, old.ino if old else None))
    free = old is None and store.primitives.rename_noreplace
    source, target = (move.holder.fd, move.name), (parent.fd, move.new_name)
    with spelt(), context.quotas.moving(context.quotas.of(parent.bucket), source, target):
        store.rename(move.holder.fd, move.name, parent.fd, move.new_name, RENAME_NOREPLACE if free else 0)
    return gone, come


@contextmanager
def spelt() -> Iterator[None]:
    """The refusals of rename(2) as what they mean for keys. Raises Vanished, NotSupported."""
    try:
        yield
    except (NotFound, Exists, NotEmpty) as error:
        raise Vanished from error  # another was faster: look again
    except (CrossDevice, Busy) as error:
        raise NotSupported("the two names lie on different file systems or in different quotas") from error


def _require_same(context: Context, move: DirectoryMove, opened: Attr) -> None:
    """The entry still leads to the directory that was opened before it was locked."""
    try:
        attr = context.store.attr_at(move.holder.fd, move.name)
    except NotFound as error:
        raise Vanished from error
    if (attr.dev, attr.ino) != (opened.dev, opened.ino):
        raise Vanished


def _make_way(context: Context, move: DirectoryMove, parent: Parent) -> Attr | None:
    """What stands under the new name: None, or an empty directory that rename(2) replaces."""
    store, conditions = context.store, move.conditions
    try:
        attr = store.attr_at(parent.fd, move.new_name)
    except NotFound:
        check_conditions(conditions, None)
        return None
    if not stat.S_ISDIR(attr.mode):
        raise KeyConflict("something else stands where the prefix would", subject=move.new_prefix)
    try:
        target = store.open_dir(parent.fd, move.new_name)
    except (NotFound, NotDirectory, Loop) as error:
        raise Vanished from error
    try:
        present = directory_object(store, target, move.new_prefix)
        check_conditions(conditions, present)
        names = [entry.name for entry in store.entries(target)]
        has_body = BODY_NAME in names and present is not None and not _is_empty(store, target, present)
        if has_body or any(visible(name) for name in names):
            raise KeyConflict("the new prefix is in use", subject=move.new_prefix)
        if BODY_NAME in names:  # of a directory object that is one no more, or that had bytes once
            ledger = context.quotas.of(parent.bucket)
            with suppress(NotFound), context.quotas.removing(ledger, target, BODY_NAME):
                store.unlink(target, BODY_NAME)
    finally:
        store.close(target)
    return attr


def _is_empty(store: Store, directory: Fd, present: ObjectInfo) -> bool:
    """Whether the directory object is without bytes, and stays so when its body file is removed."""
    record = read_record(store, directory)
    return present.size == 0 and record is not None and record.stamp is not None and record.stamp.size == 0


def _mark(context: Context, move: DirectoryMove, directory: Fd, parent: Parent, old: Attr | None) -> None:
    """A directory that only keys had made is young again, or belongs to who made the one that it replaces."""
    store = context.store
    if not is_implicit(store, directory):
        return
    if old is None or _is_implicit_at(context, parent, move.new_name):
        # Whoever relies on its new name syncs and announces it until we have.
        set_implicit(store, directory, context.clock.now_ns())
    else:
        clear_implicit(store, directory)
    if context.durability is Durability.COMMIT:
        store.sync_dir(directory)


def _is_implicit_at(context: Context, parent: Parent, name: bytes) -> bool:
    try:
        fd = context.store.open_dir(parent.fd, name)
    except (NotFound, NotDirectory, Loop) as error:
        raise Vanished from error
    try:
        return is_implicit(context.store, fd)
    finally:
        context.store.close(fd)


def _refuse_long_keys(context: Context, directory: Fd, move: DirectoryMove) -> None:
    """A longer prefix makes keys longer, and one that nobody could ask for would be lost.

    Only then the names below are looked at, each once, on a stack of their own; by the service, since whoever
    may move a directory need not be able to read all that lies in it.
    """
    if len(move.new_prefix) <= len(move.prefix):
        return
    store, room = context.service or context.store, MAX_KEY_BYTES - len(move.new_prefix)
    long_name = context.long_names.component
    pending = [(b"", 0)]  # a directory's path below the moved one, and how long its keys are up to there
    while pending:
        path, length = pending.pop()
        try:
            fd = store.open_dir(directory, path)
        except (NotFound, NotDirectory, Loop):
            continue
        try:
            children = [
                (entry.name, kind_of(store, fd, entry) == stat.S_IFDIR) for entry in store.entries(fd)
            ]
        finally:
            store.close(fd)
        for name, is_directory in children:
            component = component_of(name, long_name)
            if component is None:
                continue
            full = length + len(component) + is_directory
            if full > MAX_KEY_BYTES - len(move.prefix):
                continue  # nobody could ask for it before
            if full > room:
                message = "a key below the prefix would have over 1,024 bytes"
                raise NameTooLong(message, subject=move.new_prefix)
            if is_directory:
                pending.append((path + b"/" + name if path else name, full))
