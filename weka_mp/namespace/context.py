"""What every part of the namespace shares, and the ways to a bucket and to the parent of a key."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
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
from weka_mp.namespace.directories import Age, age_of, is_young, set_implicit
from weka_mp.namespace.keys import EntryPath
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.longnames import LongNames
from weka_mp.store.interface import Store
from weka_mp.values import BucketName, Change, Fd, InodeNo

__all__ = ["Changes", "Context", "Durability", "Parent", "SyncList", "Vanished", "telling"]

Changes = tuple[Change, ...]

FILE_MODE = 0o644
_MAX_SETTLED = 16_384  # young directories remembered: some 2 MB
_MAX_WAITING = 64
DIRECTORY_MODE = 0o755


class Durability(enum.Enum):
    """What an answer promises: `COMMIT` outlives a power cut, `RELAXED` the death of the process only."""

    COMMIT = "commit"
    RELAXED = "relaxed"


class Vanished(Exception):
    """The parent directory was removed, or the name appeared, between two steps: begin again."""


class Settled:
    """Young directories whose entries this process has synced: once is enough. Thread-safe, bounded."""

    def __init__(self) -> None:
        self._births: set[tuple[int, bytes]] = set()

    def __contains__(self, birth: tuple[int, bytes]) -> bool:
        return birth in self._births

    def update(self, births: Iterable[tuple[int, bytes]]) -> None:
        """Their entries are on the disk."""
        if len(self._births) >= _MAX_SETTLED:
            self._births.clear()
        self._births.update(births)


@contextmanager
def telling(changes: Changes) -> Iterator[None]:
    """A failure within comes after these changes became visible: it carries them (`NamespaceError`)."""
    try:
        yield
    except NamespaceError as error:
        error.changes = changes + error.changes
        raise


class SyncList:
    """Directories that must reach the disk before the answer; each is synced once. Owns its descriptors."""

    def __init__(self, store: Store, durability: Durability, settled: Settled) -> None:
        self._store = store
        self._wanted = durability is Durability.COMMIT
        self._settled = settled
        self._directories: dict[tuple[int, int], Fd] = {}
        self._births: list[tuple[int, bytes]] = []

    def add(self, directory: Fd, child: Age | None = None) -> None:
        """Remember a directory; the caller keeps its own descriptor.

        `child`: it is only for the entry of that young directory, which may be known to be on the disk.
        """
        if not self._wanted:
            return
        if child is not None and child.birth is not None and child.birth in self._settled:
            return
        attr = self._store.attr(directory)
        if (attr.dev, attr.ino) not in self._directories:
            if len(self._directories) >= _MAX_WAITING:
                # A key of a thousand components must not take all descriptors.
                self.flush()
                self.close()
            self._directories[attr.dev, attr.ino] = self._store.dup(directory)
        if child is not None and child.birth is not None:
            self._births.append(child.birth)

    def flush(self, changes: Changes = ()) -> None:
        """Sync all, deepest additions last; a failure is raised and nothing is tried again as if it were
        clean.

        `changes`: what the request made visible. A failure carries it, since the mounts must be told all the
        same.
        """
        births, self._births = self._births, []
        with telling(changes):
            for directory in self._directories.values():
                if self._store.attr(directory).nlink > 0:  # a removal is what the parent's sync is about
                    self._store.sync_dir(directory)
        self._settled.update(births)

    def close(self) -> None:
        while self._directories:
            self._store.close(self._directories.popitem()[1])


@dataclass(frozen=True, slots=True)
class Parent:
    """The open directory that holds a key's entry, and the entries that were made on the way to it."""

    fd: Fd
    ino: InodeNo
    made: Changes
    bucket: Fd


@dataclass(frozen=True, slots=True)
class Context:
    """The store and everything needed to work on it."""

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
    def parent(self, bucket: Fd, path: EntryPath, syncs: SyncList, uid: int, gid: int) -> Iterator[Parent]:
        """The parent directory of a key, made (and marked implicit) where it is missing.

        Raises KeyConflict when a component is something else than a directory, Vanished when one was removed
        meanwhile.
        """
        with ExitStack() as stack:
            yield self._find_or_make(bucket, path, syncs, uid, gid, stack)

    def _find_or_make(
        self, bucket: Fd, path: EntryPath, syncs: SyncList, uid: int, gid: int, stack: ExitStack
    ) -> Parent:
        try:
            fd = self.store.open_dir(bucket, b"/".join(path.parents))
        except (NotDirectory, Loop) as error:
            raise KeyConflict("a part of the key's path is not a directory", subject=path.name) from error
        except NotFound:
            try:
                return self._make_parents(bucket, path, syncs, uid, gid, stack)
            except NotFound as error:
                raise Vanished from error
        stack.callback(self.store.close, fd)
        young = self._young_parents(bucket, path, fd, syncs)
        return Parent(fd, self.store.attr(fd).ino, young, bucket)

    def _young_parents(self, bucket: Fd, path: EntryPath, parent: Fd, syncs: SyncList) -> Changes:
        """Entries on the way that a request still under way may have made: our answer cannot wait for its."""
        changes: list[Change] = []
        now = self.clock.now_ns()
        moved = is_young(self.store.attr(self.renames).mtime_ns, now)
        with ExitStack() as stack:
            for depth in range(len(path.parents), 0, -1):
                age = age_of(self.store, parent, now)
                if not age.young and not moved:
                    break  # what is above is older still, unless a directory was renamed
                try:
                    parent = self.store.open_dir(bucket, b"/".join(path.parents[: depth - 1]))
                except (NotFound, NotDirectory, Loop):
                    break  # renamed meanwhile: whoever did it announces it
                stack.callback(self.store.close, parent)
                if not age.young:
                    continue
                syncs.add(parent, age)
                changes.append(Change(self.store.attr(parent).ino, path.parents[depth - 1], None))
        return tuple(changes)

    def _make_parents(
        self, bucket: Fd, path: EntryPath, syncs: SyncList, uid: int, gid: int, stack: ExitStack
    ) -> Parent:
        here, made = self.store.dup(bucket), []
        try:
            for name in path.parents:
                change = self.make_directory(here, name, uid, gid)
                above, here = here, self.store.open_dir(here, name)
                try:
                    age = age_of(self.store, here, self.clock.now_ns())
                    if change is None and age.young:
                        change = Change(self.store.attr(above).ino, name, None)
                    if change is not None:
                        made.append(change)
                        syncs.add(above, age)
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
        self, at: Fd, name: bytes, uid: int, gid: int, *, implicit: bool = True
    ) -> Change | None:
        """Make one directory for a key; None when it was there."""
        try:
            self.store.mkdir(at, name, DIRECTORY_MODE)
        except (Exists, IsDirectory):
            return None
        try:
            fd = self.store.open_dir(at, name)
            try:
                if (uid, gid) != (0, 0):
                    self.store.chown(fd, uid, gid)
                if implicit:
                    set_implicit(self.store, fd, self.clock.now_ns())
            finally:
                self.store.close(fd)
            return Change(self.store.attr(at).ino, name, None)
        except NamespaceError:
            with suppress(NotFound, NotEmpty):  # gone, or taken into use meanwhile
                self.store.rmdir(at, name)
            raise

    @contextmanager
    def syncs(self) -> Iterator[SyncList]:
        """A list of directories to sync, closed at the end; the block calls `flush` once it has released its
        locks.
        """
        found = SyncList(self.store, self.durability, self.settled)
        try:
            yield found
        finally:
            found.close()
