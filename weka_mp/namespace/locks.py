"""Entry locks: who may change what one directory entry means (docs/CONCURRENCY.md).

A lock is one byte of ``.weka/locks/entries``, held by an open file description so that it works between
processes and dies with its holder; threads of one process share that description, so a table of held bytes
stands in front. The byte is a hash of (parent inode, name): a collision makes two strangers wait for each
other and nothing worse. Several are taken in ascending order. Releases are synchronous. Nobody waits for a
kernel notification while holding one.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

from weka_mp.errors import NamespaceError
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["EntryLocks", "Unsaid", "entry_offset"]

_SPACE = (1 << 61) - 1  # offsets are signed 64 bits
_TREES = 1 << 61  # above all entries
_RECORDS = 1 << 62  # above all trees
_THAWED = _RECORDS | 1 << 61  # of the same numbers, which never reach that far
_SHARES = 16  # bytes of one tree: so many changes of names in it go on at once


def entry_offset(parent: int, name: bytes) -> int:
    """The byte of the lock file that stands for a directory entry."""
    digest = hashlib.blake2b(b"%d/" % parent + name, digest_size=8).digest()
    return int.from_bytes(digest, "big") & _SPACE


def _offsets(entries: Iterable[tuple[int, bytes]]) -> list[int]:
    return sorted({entry_offset(parent, name) for parent, name in entries})


def _share(bucket: int, share: int) -> int:
    return _TREES | ((bucket * _SHARES + share) & _SPACE)


class Unsaid(Protocol):
    """What dead holders of locks left to be noted, by the bytes of their entries."""

    def settle(self, offsets: Iterable[int]) -> None:
        """Note it of these entries, whose locks are held. May wait for the disk."""

    def settle_all(self) -> None:
        """Of all; the trees concerned are held."""

    def marked(self, offsets: Iterable[int]) -> list[int]:
        """Those of them of which there is something to be noted."""

    def any_marked(self) -> bool:
        """Whether there is such an entry."""


class EntryLocks:
    """Locks on directory entries, by (parent inode number, name). `lock_file` is a writable descriptor of its
    own.

    A lock says nothing of how its last holder ended. Where one may have died with something `unsaid` (a
    rename under a client's token), who takes the lock of its entry next says it first.
    """

    def __init__(self, store: Store, lock_file: Fd, unsaid: Unsaid | None = None) -> None:
        self._store = store
        self._fd = lock_file
        self._unsaid = unsaid
        self._held: set[int] = set()
        self._changed = threading.Condition()
        self._own = threading.local()

    @contextmanager
    def hold(self, entries: Iterable[tuple[int, bytes]]) -> Iterator[None]:
        """Wait for all of them, run the block, release."""
        offsets = _offsets(entries)
        with self._holding(offsets, wait=True):
            if self._unsaid is not None:
                self._unsaid.settle(offsets)
            yield

    @contextmanager
    def share_tree(self, bucket: int, key: bytes) -> Iterator[None]:
        """No directory of the bucket moves meanwhile: a parent that was found is still on the key's way.

        Taken before entries. Shares are dealt out by hash; two keys that get one wait for each other.
        """
        share = hashlib.blake2b(key, digest_size=1).digest()[0] % _SHARES
        with self._holding([_share(bucket, share)], wait=True):
            yield

    @contextmanager
    def hold_trees(self, buckets: Iterable[int], *, wait: bool = True) -> Iterator[bool]:
        """To move a directory of these buckets: nobody holds a share meanwhile. Taken before entries.

        The shares are taken one after another, so that a busy bucket cannot keep us waiting for all at once.
        Without `wait` the block gets False when somebody has one.
        """
        shares = sorted({_share(bucket, share) for bucket in buckets for share in range(_SHARES)})
        with ExitStack() as stack:
            held = all(stack.enter_context(self._holding([share], wait=wait)) for share in shares)
            if held and self._unsaid is not None:
                if wait:
                    self._unsaid.settle_all()
                else:
                    held = not self._unsaid.any_marked()
            yield held

    @contextmanager
    def hold_record(self, ino: int) -> Iterator[None]:
        """Nobody else reads the inode's record, changes it and writes it back meanwhile. Taken after every
        other lock or lease and kept for these three steps only, so that an event loop may wait for it.
        """
        with self._holding([_RECORDS | (ino & (_RECORDS - 1))], wait=True):
            yield

    @contextmanager
    def hold_thawed(self, ino: int) -> Iterator[bool]:
        """Nobody else thaws this inode, or freezes it, meanwhile (`records.freezing`). Taken after entries
        and before records. True: this thread holds it already, so that what it does within is part of that.
        """
        held: set[int] = self._own.__dict__.setdefault("thawed", set())
        if ino in held:
            yield True
            return
        with self._holding([_THAWED | (ino & (_TREES - 1))], wait=True):
            held.add(ino)
            try:
                yield False
            finally:
                held.discard(ino)

    @contextmanager
    def try_hold(self, entries: Iterable[tuple[int, bytes]]) -> Iterator[bool]:
        """Like `hold` but never waits, not for the disk either: the block gets False when somebody else has
        one of them, or left something to be noted.
        """
        offsets = _offsets(entries)
        with self._holding(offsets, wait=False) as held:
            yield held and not (self._unsaid is not None and self._unsaid.marked(offsets))

    @contextmanager
    def _holding(self, offsets: list[int], *, wait: bool) -> Iterator[bool]:
        if not self._claim(offsets, wait):
            yield False
            return
        taken: list[int] = []
        try:
            for offset in offsets:
                if not self._store.lock(self._fd, offset, wait=wait):
                    break
                taken.append(offset)
            yield len(taken) == len(offsets)
        finally:
            try:
                self._give_back(taken)
            finally:
                with self._changed:
                    self._held.difference_update(offsets)
                    self._changed.notify_all()

    def _give_back(self, taken: list[int]) -> None:
        """All of them, also where one cannot be: whoever waits for another would wait as long as we live."""
        failure = None
        for offset in taken:
            try:
                self._store.unlock(self._fd, offset)
            except NamespaceError as error:
                failure = error
        if failure is not None:
            raise failure

    def _claim(self, offsets: list[int], wait: bool) -> bool:
        with self._changed:
            while not self._held.isdisjoint(offsets):
                if not wait:
                    return False
                self._changed.wait()
            self._held.update(offsets)
            return True
