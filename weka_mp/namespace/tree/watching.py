"""What callers of a mount do to files, told to who watches: the one hook of the tree.

A file is told of when what its last writer left is final, once for all that was written since it was told of
before; that it is being written is told first, so that whoever watches knows of it should this process die.
Only regular files are told of. Nothing here fails: what cannot be told is in the log.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from weka_mp.clock import Clock
from weka_mp.errors import NamespaceError
from weka_mp.namespace.happenings import Watcher
from weka_mp.namespace.tree.nodes import ROOT, Nodes
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd

__all__ = ["Watching"]

_log = logging.getLogger(__name__)
_End = tuple[int, bytes]


class Watching:
    """Thread-safe as far as its watcher is. watcher: None: nobody watches."""

    def __init__(self, store: Store, nodes: Nodes, clock: Clock, watcher: Watcher | None) -> None:
        self._store = store
        self._nodes = nodes
        self._clock = clock
        self._watcher = watcher
        self._changing: dict[int, int] = {}  # node → uid of whoever writes

    def now_ns(self) -> int:
        """To be drawn before it is looked whether a file still has its name: whoever replaces it later draws
        a later one.
        """
        return self._clock.now_ns()

    def changing(self, number: int, uid: int) -> None:
        """The file's content is about to change, by somebody who will close it."""
        if not self._watches():
            return
        with _told():
            self._changing[number] = uid
            self._of().changing(number, self._nodes.path_of(number))

    def settled(
        self, number: int, at_ns: int, attr: Attr | None, md5: bytes | None, uid: int | None = None
    ) -> None:
        """Nobody writes it now. attr: None: it is not known; md5: of its content, where that is known."""
        uid = self._changing.pop(number, uid)
        if not self._watches():
            return
        with _told():
            if attr is not None and attr.nlink > 0 and stat.S_ISREG(attr.mode):
                etag = None if md5 is None else md5.hex()
                self._of().written(self._nodes.path_of(number), at_ns, attr.size, etag, uid)
            self._of().settled(number)

    def named(self, parent: int, name: bytes, attr: Attr, uid: int | None = None) -> None:
        """A file has one more name."""
        if not stat.S_ISREG(attr.mode) or not self._watches():
            return
        with _told():
            self._of().written(self._path((parent, name)), self.now_ns(), attr.size, None, uid)

    def gone(self, parent: int, name: bytes, fd: Fd) -> None:
        """What is behind `fd` lost this name; under the lock of its entry."""
        if not self._watches():
            return
        with _told():
            if stat.S_ISREG(self._store.attr(fd).mode):
                self._of().removed(self._path((parent, name)), self.now_ns())

    def moved(self, source: _End, target: _End, fd: Fd, other: Fd | None) -> None:
        """What is behind `fd` was renamed; `other`: and this the other way. Under the locks of both."""
        if not self._watches():
            return
        at_ns = self.now_ns()
        with _told():
            before, after = self._path(source), self._path(target)
            if other is None:
                self._gone_from(before, fd, at_ns)
            self._come_to(after, fd, at_ns, before)
            if other is not None:
                self._come_to(before, other, at_ns, after)

    def _gone_from(self, path: bytes, fd: Fd, at_ns: int) -> None:
        if stat.S_ISREG(self._store.attr(fd).mode):
            self._of().removed(path, at_ns)

    def _come_to(self, path: bytes, fd: Fd, at_ns: int, before: bytes) -> None:
        attr = self._store.attr(fd)
        if stat.S_ISDIR(attr.mode):
            self._of().moved_directory(before, path, at_ns)
        elif stat.S_ISREG(attr.mode):
            self._of().written(path, at_ns, attr.size, None, None)
            number = self._nodes.number_behind(fd) if self._changing else 0
            if number in self._changing:
                self._of().changing(number, path)

    def _path(self, end: _End) -> bytes:
        """Raises Stale."""
        parent, name = end
        return name if parent == ROOT else self._nodes.path_of(parent) + b"/" + name

    def _watches(self) -> bool:
        return self._watcher is not None and self._watcher.any()

    def _of(self) -> Watcher:
        assert self._watcher is not None
        return self._watcher


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except NamespaceError as error:
        _log.warning("nobody is notified of what became of a file: %s", error)
