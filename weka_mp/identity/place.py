"""Where identities lie: the directory ``.weka/identity`` and two below it, and the lock for changing them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from weka_mp.errors import UNWRITABLE, Exists, NotFound
from weka_mp.namespace import Namespace
from weka_mp.namespace.control import NEW_PREFIX, ControlFiles
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["REGISTRY", "Directories", "Place"]

REGISTRY: Final = b"registry"
"""The record's name in ``.weka/identity``; also the entry whose lock a change holds."""

_IDENTITY: Final = b"identity"
_SERVICE_ACCOUNTS: Final = b"service-accounts"
_SESSIONS: Final = b"sessions"


@dataclass(frozen=True, slots=True)
class Directories:
    """Open descriptors; `ino` is the inode number of `root`."""

    root: Fd
    service_accounts: Fd
    sessions: Fd
    ino: int


class Place:
    """The directories of one store, made when somebody first writes. Thread-safe."""

    def __init__(self, namespace: Namespace) -> None:
        self.store: Store = namespace.store
        self.random = namespace.context.random
        self._locks = namespace.locks
        self._control = namespace.context.control
        self._mutex = threading.Lock()
        self._directories: Directories | None = None
        self._settled = False

    def close(self) -> None:
        """Give back the descriptors."""
        found, self._directories = self._directories, None
        if found is not None:
            for fd in (found.root, found.service_accounts, found.sessions):
                self.store.close(fd)

    def found(self) -> Directories | None:
        """None while there are none: a store on which nothing could be written yet."""
        if self._directories is None:
            try:
                return self.made()
            except UNWRITABLE:
                return None
        return self._directories

    def made(self) -> Directories:
        """Makes them when absent. Raises NamespaceError (ReadOnly, NoSpace…)."""
        with self._mutex:
            if self._directories is None:
                self._directories = self._open()
            return self._directories

    def files(self, directory: Fd) -> ControlFiles:
        """What writes records there."""
        return ControlFiles(self.store, directory, self.random)

    @contextmanager
    def exclusive(self) -> Iterator[Directories]:
        """Nobody else, thread, process or node, changes an identity meanwhile. Not to be nested."""
        directories = self.made()
        self._settle(directories)
        with self._locks.hold([(directories.ino, REGISTRY)]):
            yield directories

    def sweep_staged(self) -> int:
        """Remove what dead processes were writing; returns how many. Whoever writes holds the lock."""
        count = 0
        with self.exclusive() as directories:
            for fd in (directories.root, directories.service_accounts, directories.sessions):
                for entry in self.store.entries(fd):
                    if entry.name.startswith(NEW_PREFIX):
                        self.store.unlink(fd, entry.name)
                        count += 1
        return count

    def _settle(self, directories: Directories) -> None:
        """Whoever made the directories may have died before they were on the disk: once a process."""
        if not self._settled:
            self.store.sync_dir(self._control)
            self.store.sync_dir(directories.root)
            self._settled = True

    def _open(self) -> Directories:
        with ExitStack() as stack:

            def directory(at: Fd, name: bytes) -> Fd:
                fd = self._directory(at, name)
                stack.callback(self.store.close, fd)
                return fd

            root = directory(self._control, _IDENTITY)
            found = Directories(
                root,
                directory(root, _SERVICE_ACCOUNTS),
                directory(root, _SESSIONS),
                self.store.attr(root).ino,
            )
            stack.pop_all()
            return found

    def _directory(self, at: Fd, name: bytes) -> Fd:
        """Opened first: where nothing can be written, what is there can be read."""
        try:
            return self.store.open_dir(at, name)
        except NotFound:
            pass
        with suppress(Exists):  # another process was first
            self.store.mkdir(at, name, 0o700)
        return self.store.open_dir(at, name)
