"""Renaming: one rename(2) of a file, or of the directory that holds all keys below a prefix (an extension).

Order under `Durability.COMMIT`: the file's bytes and record to the disk, the client's token noted → the name
moves in one step, under the locks of both entries → both directories, and what was made or pruned on the way
→ the token is done → answer. A crash at any point leaves the object under its old name or its new one, and a
repeated request finds out which. The record moves with its inode: ETag, metadata and Last-Modified stay.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from weka_mp.errors import (
    BucketMissing,
    Conflict,
    InvalidArgument,
    NamespaceError,
    NotFound,
    NotSupported,
)
from weka_mp.namespace.context import Context, Parent, Vanished
from weka_mp.namespace.effects import Changes, Durability, Effects
from weka_mp.namespace.names.keys import EntryPath, entry_path
from weka_mp.namespace.objects.entries import examined, refuse_special, unwritten
from weka_mp.namespace.objects.idempotency import Attempt, Tokens
from weka_mp.namespace.objects.moving_directories import DirectoryMove, HasKeys, move_directory, spelt
from weka_mp.namespace.objects.naming import RENAME_NOREPLACE, check_conditions, reaffirm
from weka_mp.namespace.objects.pruning import prune
from weka_mp.namespace.objects.rename_notes import identity
from weka_mp.namespace.records.freezing import changeable
from weka_mp.namespace.values import UNCONDITIONAL, Done, ObjectInfo, WriteConditions
from weka_mp.namespace.versions.keeping import Place, drop_leftovers, keeping, name_version
from weka_mp.namespace.versions.markers import make_marker
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Attr, BucketName, Change, Fd

__all__ = ["RenameRequest", "rename_object"]

_ATTEMPTS = 64  # of a rename whose parents vanish or whose names change in between


@dataclass(frozen=True, slots=True)
class RenameRequest:
    """`source` and `key`: both end in '/' (all that lies below the first moves), or neither does.

    `source_check` raises what the caller wants raised about the source (None: a prefix that is no object
    itself), and must be able to do so more than once; `source_pinned`: it named the content, which nobody
    may write to meanwhile. A request with the `token` and `parameters` of one that succeeded succeeds again
    and does nothing. `uid`, `gid`: who owns the directories that are made.
    """

    bucket: BucketName
    source: bytes
    key: bytes
    source_check: Callable[[ObjectInfo | None], None] = lambda info: None
    source_pinned: bool = False
    conditions: WriteConditions = UNCONDITIONAL
    uid: int = 0
    gid: int = 0
    token: str | None = None
    parameters: bytes = b""


@dataclass(frozen=True, slots=True)
class _Rename:
    """One request under way, in an open bucket."""

    context: Context
    request: RenameRequest
    bucket: Fd
    source: EntryPath
    target: EntryPath
    effects: Effects
    attempt: Attempt
    has_keys: HasKeys


def rename_object(context: Context, tokens: Tokens, request: RenameRequest, has_keys: HasKeys) -> Done:
    """One rename(2) of the file, or of the directory that holds the prefix's keys.

    Raises BucketMissing, NotFound (its subject is the key that is missing), PreconditionFailed, Conflict,
    KeyConflict, NotSupported, ObjectLocked, TokenReused, InvalidArgument.
    """
    source, target = entry_path(request.source), entry_path(request.key)
    _refuse_senseless(request)
    for component in target.long_components:
        context.long_names.keep(component)
    with (
        context.effects() as effects,
        context.bucket(request.bucket) as bucket,
        tokens.once(
            context.store.attr(bucket).ino,
            request.token,
            request.parameters,
            _below_root(request.bucket, source),
            _below_root(request.bucket, target),
        ) as attempt,
    ):
        rename = _Rename(context, request, bucket, source, target, effects, attempt, has_keys)
        if attempt.was_done():
            done = Done(_told_again(rename), context.clock.now_ns())
        else:
            done = _renamed(rename)
        effects.flush()
        reach(CrashPoint.RENAME_SYNCED)
        attempt.finish()
        reach(CrashPoint.RENAME_FINISHED)
    return done


def _refuse_senseless(request: RenameRequest) -> None:
    if request.source == request.key:
        raise InvalidArgument("an object cannot be renamed to itself", subject=request.key)
    if request.source.endswith(b"/") != request.key.endswith(b"/"):
        raise InvalidArgument(
            "a prefix, which ends in '/', can only be renamed to another prefix", subject=request.key
        )
    if request.source.endswith(b"/") and request.key.startswith(request.source):
        raise InvalidArgument("a prefix cannot be renamed to one below itself", subject=request.key)


def _below_root(bucket: BucketName, path: EntryPath) -> bytes:
    return b"%s/%s" % (bucket.encode(), path.joined)


# ---- what an earlier request did
def _identity_at(context: Context, parent: Parent, name: bytes) -> bytes:
    """Of what the entry is itself, be it a link."""
    fd = context.store.open_path(parent.fd, name)
    try:
        return identity(context.store, fd)
    finally:
        context.store.close(fd)


def _told_again(rename: _Rename) -> Changes:
    """It was done, and nobody may have heard of it."""
    context, request = rename.context, rename.request
    told = reaffirm(context, request.bucket, request.key) + reaffirm(context, request.bucket, request.source)
    return told + prune(context, rename.bucket, rename.source, rename.effects)


# ---- doing it
def _renamed(rename: _Rename) -> Done:
    context = rename.context
    try:
        changes = _in_attempts(rename)
    except BaseException:
        with suppress(NamespaceError):
            if not rename.attempt.was_done():
                rename.attempt.forget()
        if rename.target.parents:  # directories made for nothing would stay
            with suppress(NamespaceError):
                prune(context, rename.bucket, rename.target, rename.effects)
        raise
    sequence = rename.effects.sequence
    return Done(changes + prune(context, rename.bucket, rename.source, rename.effects), sequence)


def _in_attempts(rename: _Rename) -> Changes:
    move = _move_prefix if rename.source.is_directory else _move_file
    for _ in range(_ATTEMPTS):
        try:
            return move(rename)
        except Vanished:
            if rename.context.store.attr(rename.bucket).nlink == 0:
                raise BucketMissing(subject=rename.request.bucket) from None
    raise Conflict("the keys' parent directories kept vanishing", subject=rename.request.key)


@contextmanager
def _source_parent(rename: _Rename) -> Iterator[Parent]:
    parent = rename.context.find_parent(rename.bucket, rename.source)
    if parent is None:
        raise NotFound(subject=rename.request.source)
    try:
        yield parent
    finally:
        rename.context.store.close(parent.fd)


def _tree(rename: _Rename) -> int:
    return rename.context.store.attr(rename.bucket).ino


def _move_file(rename: _Rename) -> Changes:
    context, request = rename.context, rename.request
    with _source_parent(rename) as holder:
        inode = _make_ready(rename, holder)
    with (
        context.locks.share_tree(_tree(rename), request.key),
        _source_parent(rename) as holder,
        context.parent(rename.bucket, rename.target, rename.effects, request.uid, request.gid) as parent,
    ):
        entries = [(holder.ino, rename.source.name), (parent.ino, rename.target.name)]
        with (
            context.locks.hold(entries),
            examined(context, holder, rename.source.name, request.source) as (attr, info, fd),
        ):
            if attr is None or info is None:
                raise NotFound(subject=request.source)
            if _identity_at(context, holder, rename.source.name) != inode:
                raise Vanished
            request.source_check(info)
            if stat.S_ISLNK(attr.mode) and holder.ino != parent.ino:
                raise NotSupported("a symbolic link cannot be renamed into another directory")
            versioned = context.histories.state(rename.bucket) is not None
            if versioned and not stat.S_ISLNK(attr.mode):
                context.object_locks.require_removable(rename.bucket, fd)
                name_version(context, fd)
                drop_leftovers(context, Place(rename.bucket, rename.source, holder.fd))
            with (
                unwritten(context, fd, info, pinned=request.source_pinned),
                changeable(context.histories.store, context.locks, fd),
            ):
                changes = _replace(rename, holder, parent, attr)
            if versioned:
                # The object is under another key now; what this one had before it stays.
                source = Place(rename.bucket, rename.source, holder.fd)
                make_marker(context, source, rename.effects, None)
        reach(CrashPoint.RENAMED)
        rename.effects.add(parent.fd)
        rename.effects.add(holder.fd)
        return (*parent.made, *changes)


def _make_ready(rename: _Rename, holder: Parent) -> bytes:
    """The source's bytes on the disk, since they may replace what was acknowledged; its identity noted."""
    context = rename.context
    # Before the file is opened: what stands there later and has this identity is what was synced.
    try:
        inode = _identity_at(context, holder, rename.source.name)
    except NotFound as error:
        raise NotFound(subject=rename.request.source) from error
    with examined(context, holder, rename.source.name, rename.request.source) as (_, info, fd):
        if info is None:
            raise NotFound(subject=rename.request.source)
        rename.request.source_check(info)
        if context.durability is Durability.COMMIT:
            context.store.sync_file(fd)
    rename.attempt.begin(inode)
    reach(CrashPoint.RENAME_BEGUN)
    return inode


def _replace(rename: _Rename, holder: Parent, parent: Parent, moving: Attr) -> Changes:
    """Move the entry to where it belongs, if the conditions hold."""
    context, request = rename.context, rename.request
    name = rename.target.name
    look = request.conditions.any
    with examined(context, parent, name, request.key, look=look) as (old, present, fd):
        try:
            check_conditions(request.conditions, present)
        except NotFound as error:
            raise NotFound(str(error), subject=request.key) from error
        gone = rename.effects.tell(Change(holder.ino, rename.source.name, moving.ino))
        come = rename.effects.tell(Change(parent.ino, name, old.ino if old else None))
        if old is None:
            with rename.attempt.moving(parent.ino, name), _counted(rename, holder, parent):
                _create(rename, holder, parent)
            return gone, come
        refuse_special(old, present, name)
        with (
            unwritten(context, fd, present, pinned=request.conditions.pins),
            keeping(context, Place(rename.bucket, rename.target, parent.fd), rename.effects),
            rename.attempt.moving(parent.ino, name),
            spelt(),
            _counted(rename, holder, parent),
        ):
            if (old.dev, old.ino) == (moving.dev, moving.ino):
                # Two names of one inode: rename(2) would leave both.
                context.store.unlink(holder.fd, rename.source.name)
            else:
                context.store.rename(holder.fd, rename.source.name, parent.fd, name)
        return gone, come


def _counted(rename: _Rename, holder: Parent, parent: Parent) -> AbstractContextManager[None]:
    """The block renames the file: see `Quotas.moving`."""
    quotas = rename.context.quotas
    source, target = (holder.fd, rename.source.name), (parent.fd, rename.target.name)
    return quotas.moving(quotas.of(rename.bucket), source, target)


def _create(rename: _Rename, holder: Parent, parent: Parent) -> None:
    """Give it a name that nobody has: atomic against POSIX creators too."""
    store, source, target = rename.context.store, rename.source.name, rename.target.name
    with spelt():
        if store.primitives.rename_noreplace:
            store.rename(holder.fd, source, parent.fd, target, RENAME_NOREPLACE)
        elif rename.request.conditions.if_none_match:
            fd = store.open_path(holder.fd, source)
            try:
                store.link(fd, parent.fd, target)
            finally:
                store.close(fd)
            store.unlink(holder.fd, source)
        else:
            store.rename(holder.fd, source, parent.fd, target)


def _move_prefix(rename: _Rename) -> Changes:
    context, request = rename.context, rename.request
    with _source_parent(rename) as holder:
        move = _move_of(rename, holder)
        with move.opened(context) as directory:
            # What is missing is missing wherever it was to go: before the target's directories are looked at.
            move.check_source(context, rename.bucket, directory, rename.has_keys)
            inode = identity(context.store, directory)
        rename.attempt.begin(inode)
        reach(CrashPoint.RENAME_BEGUN)
    with context.locks.hold_trees([_tree(rename)]), _source_parent(rename) as holder:
        move = _move_of(rename, holder)
        with (
            move.opened(context) as directory,
            context.parent(rename.bucket, rename.target, rename.effects, request.uid, request.gid) as parent,
        ):
            with (
                context.locks.hold([(holder.ino, move.name), (parent.ino, move.new_name)]),
                rename.attempt.moving(parent.ino, move.new_name),
            ):
                below = _below_root(request.bucket, rename.source)
                context.object_locks.require_tree_removable(rename.bucket, below)
                changes = move_directory(
                    context, move, directory, parent, rename.has_keys, rename.effects
                )
            reach(CrashPoint.RENAMED)
            rename.effects.add(parent.fd)
            rename.effects.add(holder.fd)
            return parent.made + changes


def _move_of(rename: _Rename, holder: Parent) -> DirectoryMove:
    request = rename.request
    return DirectoryMove(
        holder,
        rename.source.name,
        request.source,
        rename.target.name,
        request.key,
        request.source_check,
        request.conditions,
    )
