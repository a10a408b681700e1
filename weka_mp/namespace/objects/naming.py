"""Giving an unpublished file its name: one atomic step, whether the name was free or not."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from weka_mp.errors import CrossDevice, Exists, NamespaceError, NotFound, PreconditionFailed
from weka_mp.namespace.context import Context, Parent, Vanished
from weka_mp.namespace.effects import Changes
from weka_mp.namespace.names.keys import entry_path, staging_name
from weka_mp.namespace.values import ObjectInfo, WriteConditions
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import BucketName, Change, Fd

__all__ = [
    "NOWHERE",
    "RENAME_NOREPLACE",
    "Staged",
    "check_conditions",
    "create_entry",
    "discard_name",
    "leads_to",
    "reaffirm",
    "replace_entry",
]

RENAME_NOREPLACE = 1  # rename(2)
NOWHERE = Fd(-1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Staged:
    """An unpublished file: its descriptor, and its hidden name where it has one (else it is nameless:
    O_TMPFILE).
    """

    fd: Fd
    directory: Fd = NOWHERE
    name: bytes = b""


def check_conditions(conditions: WriteConditions, present: ObjectInfo | None) -> None:
    """Raises PreconditionFailed, or NotFound where If-Match meets nothing (AWS, "Conditional writes")."""
    if conditions.if_none_match and present is not None:
        raise PreconditionFailed("If-None-Match")
    if conditions.if_match is not None:
        if present is None:
            raise NotFound("If-Match on an object that does not exist")
        if conditions.if_match != "*" and conditions.if_match not in present.accepted_etags:
            raise PreconditionFailed("If-Match")
    changed = None if present is None else present.mtime_ns // 1_000_000_000
    since, until = conditions.if_modified_since, conditions.if_unmodified_since
    if since is not None and (changed is None or changed <= since):
        raise PreconditionFailed("If-Modified-Since")
    if present is None:
        return
    if until is not None and changed is not None and changed > until:
        raise PreconditionFailed("If-Unmodified-Since")
    if conditions.if_match_size is not None and conditions.if_match_size != present.size:
        raise PreconditionFailed("x-amz-if-match-size")
    if conditions.if_match_mtime is not None and conditions.if_match_mtime != changed:
        raise PreconditionFailed("x-amz-if-match-last-modified-time")


def create_entry(context: Context, parent: Parent, name: bytes, staged: Staged) -> None:
    """Give the file a name nobody has: atomic against every other creator, S3's or POSIX's."""
    store = context.store
    try:
        if not staged.name:
            store.link(staged.fd, parent.fd, name)
        elif store.primitives.rename_noreplace:
            store.rename(staged.directory, staged.name, parent.fd, name, RENAME_NOREPLACE)
        else:
            store.link(staged.fd, parent.fd, name)
            discard_name(context, staged.directory, staged.name)
    except (Exists, NotFound) as error:
        raise Vanished from error


def replace_entry(context: Context, parent: Parent, name: bytes, staged: Staged) -> None:
    """Rename the file over the old one; a nameless one gets a hidden name first."""
    if staged.name:
        try:
            context.store.rename(staged.directory, staged.name, parent.fd, name)
        except NotFound as error:
            raise Vanished from error
        return
    try:
        _replace_from(
            context, context.spool, b"put-" + context.random.token(12).encode(), parent, name, staged
        )
    except CrossDevice:
        # The bucket lies on another file system than the control area: stage among its own entries.
        _replace_from(context, parent.fd, staging_name(context.random.token(12)), parent, name, staged)


def _replace_from(
    context: Context, directory: Fd, hidden: bytes, parent: Parent, name: bytes, staged: Staged
) -> None:
    store = context.store
    try:
        store.link(staged.fd, directory, hidden)
        reach(CrashPoint.SPOOLED)
        store.rename(directory, hidden, parent.fd, name)
    except NamespaceError as error:
        discard_name(context, directory, hidden)
        if isinstance(error, NotFound):
            raise Vanished from error
        raise


def leads_to(context: Context, source: Fd, target: Fd) -> bool:
    """Whether a rename can lead from one directory to another: found by renaming what nobody has.

    The kernel compares the mounts before it looks for the name (rename(2), EXDEV). Equal device numbers would
    not tell: a bind mount has those of its origin.
    """
    nobody = staging_name(context.random.token(12))
    try:
        context.store.rename(source, nobody, target, nobody)
    except CrossDevice:
        return False
    except NotFound:
        return True
    return True


def discard_name(context: Context, directory: Fd, name: bytes) -> None:
    """Take a staged name away, if it is still there. What cannot be removed now is swept later."""
    try:
        context.store.unlink(directory, name)
    except NamespaceError as error:
        if not isinstance(error, NotFound):
            _log.warning("a staged file stays for the sweep: %s", error)


def reaffirm(context: Context, bucket: BucketName, key: bytes) -> Changes:
    """Make sure of a name that a request which was never answered gave: sync it and announce it once more.

    Raises BucketMissing.
    """
    path = entry_path(key)
    changes: list[Change] = []
    with context.effects() as effects, context.bucket(bucket) as bucket_fd:
        for depth, name in enumerate((*path.parents, path.name)):
            holder = context.find_parent(bucket_fd, path._replace(parents=path.parents[:depth]))
            if holder is None:
                break  # it went away meanwhile: whoever took it announces that
            try:
                effects.add(holder.fd)
                changes.append(effects.tell(Change(holder.ino, name, None)))
            finally:
                context.store.close(holder.fd)
        effects.flush()
    return tuple(changes)
