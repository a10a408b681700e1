"""Which bucket's quota a node of the mount counts for, and what its open files add to it.

A directory's bucket is found by the way up, a file's by the directory under which the kernel was told of it.
An inode that was reached by its handle alone (NFS, after a restart) has no such directory: it is looked for
in the buckets with quotas, which a caller that may not wait is spared.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from weka_mp.errors import CrossDevice, NamespaceError, NotFound, Stale, WouldBlock
from weka_mp.namespace.bucket_identity import bucket_identity
from weka_mp.namespace.names.keys import CONTROL_NAME
from weka_mp.namespace.quotas.book import Quotas
from weka_mp.namespace.quotas.keys import key_of_file
from weka_mp.namespace.quotas.ledger import Ledger
from weka_mp.namespace.tree.nodes import ROOT, Nodes
from weka_mp.namespace.walking import kind_of
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd

__all__ = ["Holding", "Known", "NodeQuotas"]


class Known(NamedTuple):
    """What was found when these were the ledgers."""

    ledgers: Mapping[int, Ledger]
    ledger: Ledger | None


class _Found(Exception):
    """The inode that was looked for."""


class Holding:
    """What the open files of one inode use when it has no name any more: counted until they are closed.

    Thread-safe: that a name is gone is learned by who writes and by who is told of it, in no order. So what
    is told here is how large the file is, and never by how much it grew.
    """

    __slots__ = ("_lock", "amount", "ledger")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.ledger: Ledger | None = None
        self.amount = 0

    def lost_its_name(self, ledger: Ledger, attr: Attr) -> None:
        """Once: whoever took the name away gave back what it used."""
        with self._lock:
            if self.ledger is None:
                ledger.book(held=attr.size, forced=True)
                self.ledger, self.amount = ledger, attr.size

    def becomes(self, size: int, *, forced: bool) -> None:
        """It has lost its name, and is to be so large. Raises QuotaExceeded unless it is `forced`."""
        with self._lock:
            if self.ledger is not None and size != self.amount:
                self.ledger.book(held=size - self.amount, forced=forced)
                self.amount = size

    def release(self) -> None:
        """The last of them was closed."""
        with self._lock:
            if self.ledger is not None:
                ledger, self.ledger = self.ledger, None
                ledger.book(held=-self.amount)


def _same(before: Ledger | None, after: Ledger | None) -> Ledger | None:
    if before is not after:
        raise CrossDevice("a bucket with a quota is no place to move or link files to or from")
    return after


class NodeQuotas:
    """Thread-safe."""

    def __init__(self, store: Store, nodes: Nodes, quotas: Quotas | None) -> None:
        """quotas: None where the tree is one without a store's control area."""
        self._store = store
        self._nodes = nodes
        self._quotas = quotas

    # ---- whose
    def any(self) -> bool:
        """Whether some bucket has a quota."""
        return self._quotas is not None and bool(self._quotas.ledgers())

    def of_directory(self, number: int) -> Ledger | None:
        """Of what stands in this directory; None for the root. Raises Stale, NamespaceError."""
        if self._quotas is None:
            return None
        ledgers = self._quotas.ledgers()
        if not ledgers or number == ROOT:
            return None
        while (above := self._nodes.parent_of(number)) != ROOT:
            number = above
        return ledgers.get(self._identity(number))

    def of_entry(self, parent: int, name: bytes) -> Ledger | None:
        """Of what has this name; at the root: of the bucket that it is."""
        if parent != ROOT:
            return self.of_directory(parent)
        if self._quotas is None or not (ledgers := self._quotas.ledgers()):
            return None
        try:
            fd = self._store.open_path(self._store.root(), name)
        except NotFound:
            return None
        try:
            return ledgers.get(bucket_identity(self._store, fd))
        finally:
            self._store.close(fd)

    def of_file(self, number: int, *, wait: bool) -> Ledger | None:
        """Raises WouldBlock, unless `wait` is set, when it has to be looked for."""
        if self._quotas is None or not (ledgers := self._quotas.ledgers()):
            return None
        node = self._nodes.get(number)
        if node.parent == ROOT and not node.name:
            if not wait:
                raise WouldBlock("nobody knows yet where this file lies")
            return self._searched(ledgers, node.ino)
        return self.of_directory(node.parent)

    def of_open_file(self, number: int, known: Known | None, *, wait: bool) -> Known | None:
        """`of_file` of one that is open: who was found once stays, wherever its directories went."""
        if self._quotas is None:
            return None
        ledgers = self._quotas.ledgers()
        if known is not None and known.ledgers is ledgers:
            return known
        if not ledgers:
            return None
        if known is not None and known.ledger is not None:
            return Known(ledgers, ledgers.get(known.ledger.identity))
        try:
            return Known(ledgers, self.of_file(number, wait=wait))
        except Stale:  # its directory is gone, and no bucket had a quota before
            return Known(ledgers, None)

    def _identity(self, number: int) -> int:
        with self._nodes.borrow(number) as fd:
            return bucket_identity(self._store, fd)

    def _searched(self, ledgers: Mapping[int, Ledger], ino: int) -> Ledger | None:
        """Of an inode that no name is known of: its buckets' names are read until it turns up."""
        for name in self._below(b""):
            fd = self._store.open_path(self._store.root(), name)
            try:
                ledger = ledgers.get(bucket_identity(self._store, fd))
            finally:
                self._store.close(fd)
            if ledger is not None and self._holds(name, ino):
                return ledger
        return None

    def _holds(self, top: bytes, ino: int) -> bool:
        todo = [top]
        while todo:
            path = todo.pop()
            try:
                for name in self._below(path, ino):
                    todo.append(path + b"/" + name)
            except _Found:
                return True
        return False

    def _below(self, path: bytes, ino: int | None = None) -> list[bytes]:
        """The directories in one. Raises _Found when a file in it has that inode number."""
        try:
            directory = self._store.open_dir(self._store.root(), path or b".")
        except NamespaceError:
            return []
        try:
            found = []
            for entry in self._store.entries(directory):
                kind = kind_of(self._store, directory, entry)
                if kind == stat.S_IFDIR and (path or entry.name != CONTROL_NAME):
                    found.append(entry.name)
                elif entry.ino == ino and kind == stat.S_IFREG:
                    raise _Found
            return found
        finally:
            self._store.close(directory)

    # ---- names
    def of_rename(
        self, source: tuple[int, bytes], target: tuple[int, bytes], *, exchange: bool
    ) -> Ledger | None:
        """The ledger that a rename within a bucket concerns; None: no quota is concerned. Raises CrossDevice
        where it leads into a bucket with a quota, or out of one.
        """
        if not self.any() or source[0] == target[0] == ROOT:
            return None  # at the root a bucket gets another name and keeps its quota
        after = self.of_entry(*target) if exchange else self.of_directory(target[0])
        return _same(self.of_entry(*source), after)

    def of_link(self, number: int, parent: int, *, wait: bool) -> Ledger | None:
        """The same of one more name for a file."""
        return _same(self.of_file(number, wait=wait), self.of_directory(parent)) if self.any() else None

    def removing(
        self, ledger: Ledger | None, directory: Fd, name: bytes, *, wait: bool
    ) -> AbstractContextManager[None]:
        """See `Quotas.removing`."""
        if ledger is None or self._quotas is None:
            return nullcontext()
        return self._quotas.removing(ledger, directory, name, wait=wait)

    def moving(
        self, ledger: Ledger | None, source: tuple[Fd, bytes], target: tuple[Fd, bytes], *, wait: bool
    ) -> AbstractContextManager[None]:
        """See `Quotas.moving`."""
        if ledger is None or self._quotas is None:
            return nullcontext()
        return self._quotas.moving(ledger, source, target, wait=wait)

    def linking(self, ledger: Ledger | None, fd: Fd, *, wait: bool) -> AbstractContextManager[None]:
        """The block gives an inode one more name: nobody takes its last one away meanwhile."""
        if ledger is None or self._quotas is None:
            return nullcontext()
        return self._quotas.window(ledger, [self._store.attr(fd).ino], wait=wait)

    # ---- bytes
    @contextmanager
    def resizing(
        self, ledger: Ledger | None, fd: Fd, wanted: Callable[[Attr], int], holding: Holding, *, wait: bool
    ) -> Iterator[None]:
        """The block makes the file as large as `wanted` says of what it is now; nobody else changes it.

        Raises QuotaExceeded, WouldBlock unless `wait` is set.
        """
        if ledger is None or self._quotas is None:
            yield
            return
        ledger.attend()
        with self._quotas.still(self._store.attr(fd).ino, wait=wait):
            before = self._store.attr(fd)
            size = wanted(before)
            growth = size - before.size
            if growth > 0:
                self._book(ledger, before, size, holding, booked=before.size)
            try:
                yield
            finally:
                # What came of it, should it have failed half-way.
                after, booked = self._store.attr(fd), max(before.size, size)
                if after.size != booked:
                    self._book(ledger, after, after.size, holding, booked=booked, forced=True)

    def _book(
        self, ledger: Ledger, attr: Attr, size: int, holding: Holding, *, booked: int, forced: bool = False
    ) -> None:
        """Count `size` bytes instead of `booked`; attr: as it is now."""
        if attr.nlink:
            ledger.book(used=size - booked, forced=forced, notes={key_of_file(attr): size})
            return
        holding.lost_its_name(ledger, attr)
        holding.becomes(size, forced=forced)
