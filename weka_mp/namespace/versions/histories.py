"""The histories of keys: directories below ``.weka/versions`` with the versions that are not the current one.

``.weka/versions/<bucket identity>/<entries on the key's way>/<its entry>/`` holds a file for each noncurrent
version and delete marker (`identifiers`). The tree is that of the bucket, but that a key's own entry is a
directory, too; the history of a directory object `a/` is ``a/.weka~body/``. It goes by the bucket's identity,
so that a bucket that is renamed keeps its versions and a copied directory has none.

A file in a history counts as a version as long as the current one has another id. So the current version can
be given a second name there, and then lose its first one, in two steps: whoever dies in between leaves a name
that does not count, and whoever comes next takes it away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import TypeVar

from weka_mp.clock import Clock, RandomSource
from weka_mp.errors import Conflict, Exists, Loop, NameTooLong, NotDirectory, NotEmpty, NotFound
from weka_mp.namespace.bucket_identity import bucket_identity
from weka_mp.namespace.effects import Effects
from weka_mp.namespace.names.keys import BODY_NAME, EntryPath
from weka_mp.namespace.records.directories import age_of, set_implicit
from weka_mp.namespace.versions.identifiers import Kept, parse_entry
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["DISABLED", "ENABLED", "SUSPENDED", "VERSIONS_PATH", "Histories", "counting", "way_of"]

VERSIONS_PATH = b".weka/versions"
ENABLED, SUSPENDED = "Enabled", "Suspended"
DISABLED = None
_ATTEMPTS = 64  # of a step whose directory is pruned meanwhile
_MODE = 0o700
_MISSING = (NotFound, NotDirectory, Loop, NameTooLong)
Result = TypeVar("Result")


def way_of(path: EntryPath) -> tuple[bytes, ...]:
    """From the bucket's histories to the key's own."""
    way = (*path.parents, path.name)
    return (*way, BODY_NAME) if path.is_directory else way


def counting(found: list[Kept], current: bytes | None) -> list[Kept]:
    """Those that are versions. current: the id of the current version, None: there is none."""
    return [kept for kept in found if kept.marker or kept.version != current]


class Histories:
    """Those of one store. Thread-safe; several processes may have them open."""

    def __init__(self, store: Store, clock: Clock, random: RandomSource, area: Fd) -> None:
        """area: ``.weka/versions``."""
        self.store = store
        self.area = area
        self.clock = clock
        self.random = random
        self._store = store
        self._state_of: Callable[[Fd], str | None] = lambda bucket: DISABLED
        self.anywhere: Callable[[], bool] = lambda: False
        """Whether some bucket may have versions; cheap."""

        self.by_mounts: Callable[[Fd], bool | None] = lambda bucket: None
        """Whether what mounts do makes versions in the bucket of a directory; None: as each is told."""

    def ask(
        self, state_of: Callable[[Fd], str | None], anywhere: Callable[[], bool],
        by_mounts: Callable[[Fd], bool | None],
    ) -> None:
        """state_of: what is set of the bucket of a directory. Asked of each change of a name."""
        self._state_of, self.anywhere, self.by_mounts = state_of, anywhere, by_mounts

    def state(self, bucket: Fd) -> str | None:
        """ENABLED, SUSPENDED, or DISABLED: never set. Raises StoreUnusable, NamespaceError."""
        return self._state_of(bucket)

    # ---- the directory of a key
    def _path(self, bucket: Fd, way: tuple[bytes, ...]) -> bytes:
        return b"/".join((b"%d" % bucket_identity(self._store, bucket), *way))

    @contextmanager
    def opened(self, bucket: Fd, path: EntryPath) -> Iterator[Fd | None]:
        """The history of a key; None where it has none."""
        with self.opened_at(bucket, way_of(path)) as fd:
            yield fd

    @contextmanager
    def opened_at(self, bucket: Fd, way: tuple[bytes, ...]) -> Iterator[Fd | None]:
        """The directory with this way below the bucket's histories; None where there is none."""
        try:
            fd = self._store.open_dir(self.area, self._path(bucket, way))
        except _MISSING:
            yield None
            return
        try:
            yield fd
        finally:
            self._store.close(fd)

    def entries(self, history: Fd) -> list[Kept]:
        """What lies in it, newest first, whether it counts or not."""
        found = (parse_entry(entry.name) for entry in self._store.entries(history))
        return sorted((kept for kept in found if kept is not None), reverse=True)

    def next_order(self, found: list[Kept], at_least: int) -> int:
        """A place above all that were found."""
        return max(found[0].order + 1 if found else 0, at_least)

    def add(self, bucket: Fd, path: EntryPath, effects: Effects, place: Callable[[Fd], Result]) -> Result:
        """What `place` answers, called with the history, which is made where there is none; on the disk with
        `effects`. Raises what `place` raises; it must be able to be called again after NotFound.
        """
        for _ in range(_ATTEMPTS):
            with suppress(NotFound):  # pruned meanwhile
                fd = self._make(self._path(bucket, way_of(path)), effects)
                try:
                    result = place(fd)
                    effects.add(fd)
                    return result
                finally:
                    self._store.close(fd)
        raise Conflict("the directory of the key's versions kept vanishing", subject=path.name)

    def _make(self, path: bytes, effects: Effects) -> Fd:
        """Open the history, and see to it that each directory on the way will be on the disk: it may have
        been made a moment ago by somebody who was not answered.
        """
        try:
            fd = self._store.open_dir(self.area, path)
        except NotFound:
            pass
        else:
            if not age_of(self._store, fd, self._store.attr(fd), self.clock.now_ns()).young:
                return fd
            self._store.close(fd)
        here = self._store.dup(self.area)
        for name in path.split(b"/"):
            above = here
            try:
                here = self._enter(above, name, effects)
            finally:
                self._store.close(above)
        return here

    def _enter(self, above: Fd, name: bytes, effects: Effects) -> Fd:
        with suppress(Exists):
            self._store.mkdir(above, name, _MODE)
            fd = self._store.open_dir(above, name)
            try:
                set_implicit(self._store, fd, self.clock.now_ns())
            finally:
                self._store.close(fd)
        fd = self._store.open_dir(above, name)
        try:
            age = age_of(self._store, fd, self._store.attr(fd), self.clock.now_ns())
            if age.young:
                effects.add(above, age)
        except BaseException:
            self._store.close(fd)
            raise
        return fd

    def prune(self, bucket: Fd, path: EntryPath) -> None:
        """Take away the directories that hold nothing any more, the key's own first."""
        way = (b"%d" % bucket_identity(self._store, bucket), *way_of(path))
        for depth in range(len(way), 0, -1):
            try:
                above = self._store.open_dir(self.area, b"/".join(way[: depth - 1]) or b".")
            except _MISSING:
                continue
            try:
                self._store.rmdir(above, way[depth - 1])
            except NotEmpty:
                return
            except _MISSING:
                continue
            finally:
                self._store.close(above)

    # ---- those of a whole bucket
    def of_bucket(self, bucket: Fd) -> AbstractContextManager[Fd | None]:
        """The directory of all histories of a bucket; None where it has none."""
        return self.opened_at(bucket, ())

    def is_empty(self, bucket: Fd) -> bool:
        """Whether no key of the bucket has a noncurrent version or a delete marker."""
        with self.of_bucket(bucket) as top:
            return top is None or not self._holds_any(top)

    def _holds_any(self, top: Fd) -> bool:
        """On a stack of ways: a key can be a thousand directories deep."""
        todo = [b"."]
        while todo:
            way = todo.pop()
            try:
                directory = self._store.open_dir(top, way)
            except _MISSING:
                continue
            try:
                for entry in self._store.entries(directory):
                    if parse_entry(entry.name) is not None:
                        return True
                    todo.append(way + b"/" + entry.name)
            finally:
                self._store.close(directory)
        return False

    def forget(self, identity: int) -> None:
        """The bucket is gone, and nothing was left in its histories: empty directories go."""
        path = b"%d" % identity
        ways = [path]
        for way in ways:  # grows while it is walked: what is above stands before what is below
            with suppress(*_MISSING), self._directory(way) as directory:
                ways.extend(way + b"/" + entry.name for entry in self._store.entries(directory))
        for way in reversed(ways):
            holder, _, name = way.rpartition(b"/")
            with suppress(NotEmpty, *_MISSING), self._directory(holder or b".") as above:
                self._store.rmdir(above, name)

    @contextmanager
    def _directory(self, way: bytes) -> Iterator[Fd]:
        with ExitStack() as stack:
            fd = self._store.open_dir(self.area, way)
            stack.callback(self._store.close, fd)
            yield fd

