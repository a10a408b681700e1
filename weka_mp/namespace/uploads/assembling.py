"""From the parts of an upload to one unpublished file: the slots as they are, or a copy beside the object.

Publishing wants a file that a rename, or a link, can take to the object's name. That is the file of the slots
where the parts are all of it; a file assembled beside it; or, where the object lies on another file system
than the control area (a bucket that is a mount point), one assembled on that side.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from weka_mp.errors import InvalidPart, Loop, NameTooLong, NotDirectory, NotFound, NotSupported
from weka_mp.namespace.concealment import create_concealed
from weka_mp.namespace.context import FILE_MODE, Context
from weka_mp.namespace.effects import Durability
from weka_mp.namespace.names.keys import EntryPath, entry_path
from weka_mp.namespace.objects.naming import Staged, discard_name, leads_to
from weka_mp.namespace.objects.publishing import Target, adapt_to, stage
from weka_mp.namespace.uploads.upload import ASSEMBLED, DATA, StoredPart, Upload
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Fd

__all__ = ["assembled"]


@contextmanager
def assembled(
    context: Context, upload: Upload, parts: Sequence[StoredPart], target: Target, *, judged: bool = False
) -> Iterator[Staged]:
    """The object-to-be, whole and on the disk; whatever was made for it and not published is gone afterwards.
    judged: modes bind whose it will be, so that its group is the one that the directory gives.

    Raises BucketMissing, InvalidPart (replaced meanwhile, or the upload ended), NotFound (it ended), NoSpace.
    """
    staged = _staged(context, upload, parts, target)
    try:
        if staged.name == DATA:
            context.store.truncate(staged.fd, sum(part.size for part in parts))
        else:
            _assemble(context, upload, parts, staged.fd)
        context.give(staged.fd, target.uid, _group(context, target) if judged else target.gid)
        if staged.name != DATA and context.durability is Durability.COMMIT:
            context.store.sync_file(staged.fd)  # before any lock is taken: it may take long
            if staged.name == ASSEMBLED:
                # The completion's record will say that the object-to-be has this name.
                context.store.sync_dir(upload.fd)
        reach(CrashPoint.ASSEMBLED)
        yield staged
    finally:
        if staged.name and staged.name != DATA:
            discard_name(context, staged.directory, staged.name)
        context.store.close(staged.fd)


def _group(context: Context, target: Target) -> int:
    """Of a file that is made for the target: a set-group-ID directory's is all that lies below (inode(7))."""
    with context.bucket(target.bucket) as bucket:
        nearest = _nearest(context, bucket, entry_path(target.key))
        try:
            attr = context.store.attr(nearest)
            return attr.gid if attr.mode & stat.S_ISGID else target.gid
        finally:
            context.store.close(nearest)


def _staged(context: Context, upload: Upload, parts: Sequence[StoredPart], target: Target) -> Staged:
    store, path = context.store, entry_path(target.key)
    with context.bucket(target.bucket) as bucket:
        nearest = _nearest(context, bucket, path)
        try:
            # A directory object is placed in more than one step: a name that is gone would prove nothing.
            near = leads_to(context, upload.fd, nearest)
            if path.is_directory or not near:
                return _stage(context, nearest, near)
            staged = _staged_here(context, upload, parts)
            try:
                adapt_to(context, nearest, staged.fd)
            except BaseException:
                store.close(staged.fd)
                raise
            return staged
        finally:
            store.close(nearest)


def _staged_here(context: Context, upload: Upload, parts: Sequence[StoredPart]) -> Staged:
    store = context.store
    if _may_become_object(upload, parts):
        return Staged(store.open_file(upload.fd, DATA, os.O_RDWR), upload.fd, DATA)
    discard_name(context, upload.fd, ASSEMBLED)  # of a completion that died; its inode may be the object
    fd = create_concealed(store, upload.fd, ASSEMBLED, os.O_RDWR | os.O_EXCL, FILE_MODE)
    return Staged(fd, upload.fd, ASSEMBLED)


def _stage(context: Context, directory: Fd, near: bool) -> Staged:
    staged = stage(context, directory)
    if staged.name and not near:
        discard_name(context, staged.directory, staged.name)
        context.store.close(staged.fd)
        raise NotSupported("the bucket lies on another file system, and that one has no unnamed files")
    return staged


def _nearest(context: Context, bucket: Fd, path: EntryPath) -> Fd:
    """The deepest directory on the key's way that is there: what is missing will be made on its side."""
    for depth in range(len(path.parents), -1, -1):
        try:
            return context.store.open_dir(bucket, b"/".join(path.parents[:depth]))
        except (NotFound, NotDirectory, Loop, NameTooLong):
            continue  # publication will make it, or say what is wrong with it
    return context.store.dup(bucket)


def _may_become_object(upload: Upload, parts: Sequence[StoredPart]) -> bool:
    """Whether the file of the slots is the object and nobody will write into it any more.

    A slot that is not among the parts may still be written, or hold a part that a later completion names.
    """
    if not _is_contiguous(parts):
        return False
    upload.seal()
    return upload.claimed() <= {part.number for part in parts}


def _is_contiguous(parts: Sequence[StoredPart]) -> bool:
    """Whether the slots hold the object as it is: part after part from the first, without a gap."""
    expected = 0
    for part in parts:
        if part.file != DATA or part.offset != expected:
            return False
        expected += part.size
    return True


def _open_part(upload: Upload, part: StoredPart) -> Fd:
    try:
        return upload.context.store.open_file(upload.fd, part.file, os.O_RDONLY)
    except NotFound as error:
        raise InvalidPart(subject=str(part.number)) from error  # replaced since it was looked up


def _assemble(context: Context, upload: Upload, parts: Sequence[StoredPart], target: Fd) -> None:
    store, offset = context.store, 0
    opened: dict[bytes, Fd] = {}
    try:
        for part in parts:
            if part.file != DATA or part.file not in opened:
                opened[part.file] = _open_part(upload, part)
            if part.size:
                store.copy(opened[part.file], part.offset, target, offset, part.size)
            offset += part.size
            if part.file != DATA:
                store.close(opened.pop(part.file))
    finally:
        for fd in opened.values():
            store.close(fd)
