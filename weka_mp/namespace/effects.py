"""What a request leaves to be done before it is answered: directories that must reach the disk, names that
the mounts must hear of.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from weka_mp.clock import Clock
from weka_mp.errors import NamespaceError
from weka_mp.namespace.records.directories import Age
from weka_mp.store.interface import Store
from weka_mp.values import Change, Fd

__all__ = ["Changes", "Durability", "Effects", "Settled"]

Changes = tuple[Change, ...]

_MAX_SETTLED = 16_384  # young directories remembered: some 2 MB
_MAX_WAITING = 64


class Durability(enum.Enum):
    """What an answer promises: `COMMIT` outlives a power cut, `RELAXED` the death of the process only."""

    COMMIT = "commit"
    RELAXED = "relaxed"


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


class Effects:
    """Of one request. Owns its descriptors; each directory is synced once."""

    def __init__(self, store: Store, durability: Durability, settled: Settled, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._sequence = 0
        self._wanted = durability is Durability.COMMIT
        self._settled = settled
        self._directories: dict[tuple[int, int], Fd] = {}
        self._births: list[tuple[int, bytes]] = []
        self._told: dict[Change, None] = {}

    # ---- for the mounts
    def tell(self, change: Change) -> Change:
        """Note a change of a name before it is made: whatever fails from then on, the mounts hear of it.

        One that is not made after all costs them a look. Gives `change` back, for the answer of a success.
        """
        self._told[change] = None
        self._sequence = self._clock.now_ns()
        return change

    def begin_key(self) -> None:
        """What is noted from now on is about another key: its sequence is its own."""
        self._sequence = 0

    @property
    def sequence(self) -> int:
        """When the last change was noted: see `weka_mp.namespace.happenings`."""
        return self._sequence or self._clock.now_ns()

    @property
    def told(self) -> Changes:
        """What was noted so far."""
        return tuple(self._told)

    @contextmanager
    def told_if_it_fails(self) -> Iterator[None]:
        """A failure within carries what was noted (`NamespaceError.changes`)."""
        try:
            yield
        except NamespaceError as error:
            error.changes = tuple({**self._told, **dict.fromkeys(error.changes)})
            raise

    # ---- for the disk
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

    def flush(self) -> None:
        """Sync all, deepest additions last; a failure is raised and nothing is tried again as if it were
        clean.
        """
        births, self._births = self._births, []
        for directory in self._directories.values():
            if self._store.attr(directory).nlink > 0:  # a removal is what the parent's sync is about
                self._store.sync_dir(directory)
        self._settled.update(births)

    def close(self) -> None:
        """Give the descriptors back, all of them, whatever close(2) says of one."""
        with ExitStack() as stack:
            while self._directories:
                stack.callback(self._store.close, self._directories.popitem()[1])
