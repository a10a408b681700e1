"""What every part of the namespace shares, and the ways to a bucket and to the parent of a key."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from weka_mp.bucket_names import is_bucket_name
from weka_mp.clock import Clock, RandomSource
from weka_mp.errors import (
    BucketMissing,
    Exists,
    IsDirectory,
    KeyConflict,
    Loop,
    NamespaceError,
    NameTooLong,
    NotDirectory,
    NotEmpty,
    NotFound,
)
from weka_mp.namespace.effects import Changes, Durability, Effects, Settled
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.names.keys import EntryPath
from weka_mp.namespace.names.longnames import LongNames
from weka_mp.namespace.quotas.book import Quotas
from weka_mp.namespace.records.directories import age_of, is_young, set_implicit
from weka_mp.namespace.versions.histories import Histories
from weka_mp.namespace.versions.object_locks import ObjectLocks
from weka_mp.store.interface import FsIdentity, Store
from weka_mp.values import Attr, BucketName, Change, Fd, InodeNo

__all__ = ["DIRECTORY_MODE", "FILE_MODE", "Context", "Parent", "Vanished"]

FILE_MODE = 0o644
DIRECTORY_MODE = 0o755


class Vanished(Exception):
    """The parent directory was removed, or the name appeared, between two steps: begin again."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The open directory that holds a key's entry, and the entries that were made on the way to it."""

    fd: Fd
    ino: InodeNo
    made: Changes
    bucket: Fd


@dataclass(frozen=True, slots=True)
class Context:
    """The store and everything needed to work on it.

    judged: whom the modes of files bind, by whom `store` is asked then; None: it is the service's. service:
    the service's store, then.
    """

    store: Store
    clock: Clock
    random: RandomSource
    durability: Durability
    locks: EntryLocks
    long_names: LongNames
    control: Fd
    spool: Fd
    renames: Fd
    settled: Settled
    quotas: Quotas
    histories: Histories
    object_locks: ObjectLocks
    judged: FsIdentity | None = None
    service: Store | None = None

    def is_kept_from(self, holder: Attr, entry: Attr) -> bool:
        """Whether the sticky bit of a directory keeps whom modes bind from an entry of it (inode(7)).

        For what must be known before it is tried: the kernel decides when a name is removed.
        """
        who = self.judged
        return bool(holder.mode & stat.S_ISVTX and who and who.uid not in (holder.uid, entry.uid))

    def open_bucket(self, bucket: BucketName) -> Fd:
        """The bucket's directory. Raises BucketMissing."""
        if not is_bucket_name(bucket):
            raise BucketMissing(subject=bucket)
        try:
            return self.store.open_dir(self.store.root(), bucket.encode())
        except (NotFound, NotDirectory, Loop) as error:
            raise BucketMissing(subject=bucket) from error

    @contextmanager
    def bucket(self, bucket: BucketName) -> Iterator[Fd]:
        """`open_bucket` for the length of a block."""
        fd = self.open_bucket(bucket)
        try:
            yield fd
        finally:
            self.store.close(fd)

    @contextmanager
    def directory(self, bucket: BucketName, path: tuple[bytes, ...]) -> Iterator[Fd]:
        """The directory at `path` in the bucket, in one resolution from the root: no link is followed, so it
        cannot leave the bucket.

        Raises BucketMissing for a name that no bucket can have, NotFound, NotDirectory, Loop, NameTooLong.
        """
        if not is_bucket_name(bucket):
            raise BucketMissing(subject=bucket)
        fd = self.store.open_dir(self.store.root(), b"/".join((bucket.encode(), *path)))
        try:
            yield fd
        finally:
            self.store.close(fd)

    def find_parent(self, bucket: Fd, path: EntryPath) -> Parent | None:
        """The existing parent directory of a key; None when there is none. The caller closes it."""
        try:
            fd = self.store.open_dir(bucket, b"/".join(path.parents))
        except (NotFound, NotDirectory, Loop, NameTooLong):
            return None
        try:
            return Parent(fd, self.store.attr(fd).ino, (), bucket)
        except BaseException:
            self.store.close(fd)
            raise

    @contextmanager
    def parent(self, bucket: Fd, path: EntryPath, effects: Effects, uid: int, gid: int) -> Iterator[Parent]:
        """The parent directory of a key, made (and marked implicit) where it is missing.

        Raises KeyConflict when a component is something else than a directory, Vanished when one was removed
        meanwhile.
        """
        with ExitStack() as stack:
            yield self._find_or_make(bucket, path, effects, uid, gid, stack)

    def _find_or_make(
        self, bucket: Fd, path: EntryPath, effects: Effects, uid: int, gid: int, stack: ExitStack
    ) -> Parent:
        try:
            fd = self.store.open_dir(bucket, b"/".join(path.parents))
        except (NotDirectory, Loop) as error:
            raise KeyConflict("a part of the key's path is not a directory", subject=path.name) from error
        except NotFound:
            try:
                return self._make_parents(bucket, path, effects, uid, gid, stack)
            except NotFound as error:
                raise Vanished from error
        stack.callback(self.store.close, fd)
        attr = self.store.attr(fd)
        return Parent(fd, attr.ino, self._young_parents(bucket, path, fd, attr, effects), bucket)

    def _young_parents(self, bucket: Fd, path: EntryPath, at: Fd, attr: Attr, effects: Effects) -> Changes:
        """Entries on the way that a request still under way may have made: our answer cannot wait for its."""
        if not path.parents:
            return ()
        changes: list[Change] = []
        now = self.clock.now_ns()
        moved = is_young(self.store.attr(self.renames).mtime_ns, now)
        with ExitStack() as stack:
            for depth in range(len(path.parents), 0, -1):
                age = age_of(self.store, at, attr, now)
                if not age.young and not moved:
                    break  # what is above is older still, unless a directory was renamed
                try:
                    at = self.store.open_dir(bucket, b"/".join(path.parents[: depth - 1]))
                except (NotFound, NotDirectory, Loop):
                    break  # renamed meanwhile: whoever did it announces it
                stack.callback(self.store.close, at)
                attr = self.store.attr(at)
                if not age.young:
                    continue
                effects.add(at, age)
                changes.append(Change(attr.ino, path.parents[depth - 1], None))
        return tuple(changes)

    def _make_parents(
        self, bucket: Fd, path: EntryPath, effects: Effects, uid: int, gid: int, stack: ExitStack
    ) -> Parent:
        here, made = self.store.dup(bucket), []
        try:
            for name in path.parents:
                change = self.make_directory(here, name, uid, gid, effects)
                above, here = here, self.store.open_dir(here, name)
                try:
                    age = age_of(self.store, here, self.store.attr(here), self.clock.now_ns())
                    if change is None and age.young:
                        change = Change(self.store.attr(above).ino, name, None)
                    if change is not None:
                        made.append(change)
                        effects.add(above, age)
                finally:
                    self.store.close(above)
            ino = self.store.attr(here).ino
        except (NotDirectory, Loop) as error:
            self.store.close(here)
            raise KeyConflict("a part of the key's path is not a directory", subject=path.name) from error
        except BaseException:
            self.store.close(here)
            raise
        stack.callback(self.store.close, here)
        return Parent(here, ino, tuple(made), bucket)

    def make_directory(
        self, at: Fd, name: bytes, uid: int, gid: int, effects: Effects, *, implicit: bool = True
    ) -> Change | None:
        """Make one directory for a key; None when it was there."""
        change = effects.tell(Change(self.store.attr(at).ino, name, None))
        try:
            self.store.mkdir(at, name, DIRECTORY_MODE)
        except (Exists, IsDirectory):
            return None
        try:
            fd = self.store.open_dir(at, name)
            try:
                self.give(fd, uid, gid)
                if implicit:
                    set_implicit(self.store, fd, self.clock.now_ns())
            finally:
                self.store.close(fd)
            return change
        except NamespaceError:
            with suppress(NotFound, NotEmpty):  # gone, or taken into use meanwhile
                self.store.rmdir(at, name)
            raise

    def give(self, fd: Fd, uid: int, gid: int) -> None:
        """What was just made is this one's. What was made as whom modes bind is that one's already, and its
        group may be that of a set-group-ID directory (inode(7)).
        """
        if (uid, gid) == (0, 0) or (self.judged is not None and self.store.attr(fd).uid == uid):
            return
        self.store.chown(fd, uid, gid)

    @contextmanager
    def effects(self) -> Iterator[Effects]:
        """What one request leaves to be done; the block calls `flush` once it has released its locks.

        A failure of the block carries what the mounts must hear of.
        """
        effects = Effects(self.store, self.durability, self.settled, self.clock)
        with effects.told_if_it_fails():
            try:
                yield effects
            finally:
                effects.close()
