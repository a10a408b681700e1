"""The quotas of a store: which buckets have one, and what a change of names or bytes does to their accounts.

Buckets without a quota are not accounted. Whoever changes something asks for the generation, one read of
eight bytes, which says whether the set of ledgers that was read last is the present one.

A change of names (a publication, a deletion, a rename) is a *window*: it holds one of 16 shares of the bucket
and the locks of the inodes concerned, so that none is between the change and its booking when a recount
begins or ends, and nobody writes to what is taken away. A write holds the inode's lock alone and is booked
before it is made. What was booked and then fails is taken back; who is killed in between leaves too much
counted, or too little, until the next recount.
"""

from __future__ import annotations

import os
import stat
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from weka_mp.errors import NamespaceError, NotFound, ReadOnly, WouldBlock
from weka_mp.namespace.bucket_identity import bucket_identity
from weka_mp.namespace.concealment import create_concealed
from weka_mp.namespace.control import ControlFiles
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.quotas.funds import Funds, no_funds
from weka_mp.namespace.quotas.keys import key_of_file
from weka_mp.namespace.quotas.ledger import NO_NOTES, Ledger, Notes, blank_page
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd

__all__ = ["Quotas"]

_GENERATION: Final = b"generation"
_LOCKS: Final = b"locks"
_SUFFIX: Final = b".ledger"
_SHARES: Final = 16
_INODE: Final = b"inode"
_START: Final = bytes(8)
Ledgers = Mapping[int, Ledger]


@dataclass(frozen=True, slots=True)
class _Known:
    """The ledgers by their buckets' identities, and the generation they were read at."""

    generation: bytes
    ledgers: Ledgers


class Quotas:
    """Of one store. Thread-safe; several processes may have them open."""

    def __init__(self, store: Store, directory: Fd, files: ControlFiles) -> None:
        """directory: `.weka/quotas`; files: the small files in it."""
        self._store = store
        self._directory = directory
        self._files = files
        self._mutex = threading.Lock()
        self._known = _Known(b"", {})
        self._opened_ones: weakref.WeakSet[Ledger] = weakref.WeakSet()
        with ExitStack() as stack:
            self._generation = self._own(_GENERATION, stack)
            self._locks = EntryLocks(store, self._own(_LOCKS, stack))
            self._closing = stack.pop_all()

    def _own(self, name: bytes, stack: ExitStack) -> Fd:
        try:
            fd = create_concealed(self._store, self._directory, name, os.O_RDWR)
        except ReadOnly:
            fd = self._store.open_file(self._directory, name, os.O_RDONLY)
        stack.callback(self._store.close, fd)
        return fd

    def close(self) -> None:
        """Give back every descriptor."""
        with self._mutex:
            for ledger in self._opened_ones:  # those of quotas that are no more, too
                self._closing.callback(ledger.close)
            self._closing.close()

    # ---- which there are
    def ledgers(self) -> Ledgers:
        """By the identities of their buckets; the same mapping as long as none comes or goes."""
        now = self._store.read(self._generation, len(_START), 0)
        known = self._known
        return known.ledgers if known.generation == now else self._reload()

    def _reload(self) -> Ledgers:
        with self._mutex:
            generation = self._store.read(self._generation, len(_START), 0)
            before = self._known.ledgers
            found: dict[int, Ledger] = {}
            for entry in self._store.entries(self._directory):
                name = entry.name.removesuffix(_SUFFIX)
                if name != entry.name and name.isdigit():
                    with suppress(NotFound):
                        found[int(name)] = self._opened(int(name), entry.name, before)
            self._known = _Known(generation, found)
            return found

    def _opened(self, identity: int, name: bytes, before: Ledgers) -> Ledger:
        kept = before.get(identity)
        if kept is not None and kept.ino == self._store.attr_at(self._directory, name).ino:
            return kept
        fd = self._store.open_file(self._directory, name, os.O_RDWR)
        try:
            ledger = Ledger(self._store, self._directory, identity, fd)
        except BaseException:
            self._store.close(fd)
            raise
        self._opened_ones.add(ledger)
        return ledger

    def of(self, bucket: Fd) -> Ledger | None:
        """The ledger of the bucket of this directory; None: it has no quota."""
        ledgers = self.ledgers()
        return ledgers.get(bucket_identity(self._store, bucket)) if ledgers else None

    def of_identity(self, identity: int) -> Ledger | None:
        """The same by the bucket's identity."""
        return self.ledgers().get(identity)

    # ---- changing the set; the caller sees to it that one does at a time
    def add(self, identity: int, limit: int) -> Ledger:
        """Account for a bucket from now on; nothing in it is counted yet. Durable."""
        self._files.write(b"%d%s" % (identity, _SUFFIX), blank_page(limit))
        self._next_generation()
        return self.ledgers()[identity]

    def remove(self, identity: int) -> None:
        """Do so no more. One that is not there is no error."""
        if identity in self.ledgers():
            self._files.remove(b"%d%s" % (identity, _SUFFIX))
            self._next_generation()
            self._files.remove(b"%d.notes" % identity)

    def _next_generation(self) -> None:
        with self._locks.hold([(0, _GENERATION)]):
            now = int.from_bytes(self._store.read(self._generation, len(_START), 0), "little")
            self._store.write(self._generation, (now + 1).to_bytes(len(_START), "little"), 0)

    # ---- locks
    @contextmanager
    def window(self, ledger: Ledger, inodes: Iterable[int], *, wait: bool = True) -> Iterator[None]:
        """Within it no recount begins or ends, and nobody else changes what these inodes use. Raises
        WouldBlock unless `wait` is set.
        """
        numbers = list(inodes)
        share = b"share/%d" % (sum(numbers) % _SHARES)
        ledger.attend()
        with self._held([(ledger.identity, share), *((ino, _INODE) for ino in numbers)], wait):
            yield

    @contextmanager
    def still(self, ino: int, *, wait: bool = True) -> Iterator[None]:
        """Nobody else changes what this inode uses. Raises WouldBlock unless `wait` is set."""
        with self._held([(ino, _INODE)], wait):
            yield

    @contextmanager
    def _held(self, entries: list[tuple[int, bytes]], wait: bool) -> Iterator[None]:
        if wait:
            with self._locks.hold(entries):
                yield
            return
        with self._locks.try_hold(entries) as held:
            if not held:
                raise WouldBlock("somebody else changes what this bucket uses")
            yield

    def let_windows_end(self, ledger: Ledger) -> None:
        """Return when every window that is open now has ended."""
        for share in range(_SHARES):
            with self._locks.hold([(ledger.identity, b"share/%d" % share)]):
                continue

    @contextmanager
    def no_windows(self, ledger: Ledger) -> Iterator[None]:
        """None is open within the block; they wait."""
        with self._locks.hold([(ledger.identity, b"share/%d" % share) for share in range(_SHARES)]):
            yield

    # ---- objects and parts on their way in
    def funds(self, bucket: Fd, path: bytes) -> Funds:
        """For an object that will stand at `path` in the bucket, instead of what stands there."""
        ledger = self.of(bucket)
        if ledger is None:
            return no_funds()
        try:
            fd = self._store.open_path(bucket, path)
        except NamespaceError:  # there is none, or nothing that could be replaced
            return Funds(ledger)
        try:
            return Funds(ledger, _freed(self._store.attr(fd)))
        finally:
            self._store.close(fd)

    @contextmanager
    def placing(
        self, bucket: Fd, fd: Fd, target: tuple[Fd, bytes], funds: Funds, *, over: bool
    ) -> Iterator[None]:
        """The block gives the file behind `fd` the name `target` in its directory; `over`: it replaces what
        has it. Raises QuotaExceeded.
        """
        ledger = self.of(bucket)
        if ledger is None:
            yield
            return
        new = self._store.attr(fd)
        with self._standing(target) if over else _nothing() as (old, before):
            inodes = [new.ino] if before is None else [new.ino, before.ino]
            with self.window(ledger, inodes):
                # Looked at again now that nobody writes to it.
                credit = 0 if old is None else _freed(self._store.attr(old))
                freed = sum(funds.freed.values())
                with self.spending(ledger, max(0, new.size - credit - freed), funds) as spent:
                    yield
                    gone: Notes = NO_NOTES if old is None else self._gone(old)
                    spent.really(
                        new.size - freed - (credit if gone else 0),
                        {**dict.fromkeys(funds.freed, 0), **gone, key_of_file(new): new.size},
                    )

    @contextmanager
    def _standing(self, target: tuple[Fd, bytes]) -> Iterator[tuple[Fd | None, Attr | None]]:
        try:
            fd = self._store.open_path(*target)
        except NotFound:
            yield None, None
            return
        try:
            yield fd, self._store.attr(fd)
        finally:
            self._store.close(fd)

    def _gone(self, fd: Fd) -> Notes:
        """What is to be noted of an inode that lost a name."""
        attr = self._store.attr(fd)
        return {key_of_file(attr): 0} if stat.S_ISREG(attr.mode) and attr.nlink == 0 else NO_NOTES

    @contextmanager
    def spending(self, ledger: Ledger, most: int, funds: Funds) -> Iterator[_Spent]:
        """The block makes something of `funds` that uses `most` bytes more at most, and says how many it was.

        Within a window. Raises QuotaExceeded; what fails has used nothing.
        """
        held, granted = (funds.amount, funds.granted) if funds.ledger is ledger else (0, 0)
        spent = _Spent()
        ledger.book(used=most, held=-held, credited=-granted)
        funds.amount, funds.granted = funds.amount - held, funds.granted - granted
        try:
            yield spent
        except BaseException:
            ledger.book(used=-most, held=held, credited=granted, forced=True)
            funds.amount, funds.granted = funds.amount + held, funds.granted + granted
            raise
        ledger.book(used=spent.amount - most, forced=True, notes=spent.notes)

    # ---- what goes and what moves
    @contextmanager
    def removing(self, ledger: Ledger | None, at: Fd, name: bytes, *, wait: bool = True) -> Iterator[None]:
        """The block takes a name away, or has something else replace what has it."""
        if ledger is None:
            yield
            return
        with self._standing((at, name)) as (old, attr):
            if old is None or attr is None or not stat.S_ISREG(attr.mode):
                yield
                return
            with self.window(ledger, [attr.ino], wait=wait):
                size = self._store.attr(old).size
                yield
                self._give_back(ledger, old, size, NO_NOTES)

    @contextmanager
    def moving(
        self,
        ledger: Ledger | None,
        source: tuple[Fd, bytes],
        target: tuple[Fd, bytes],
        *,
        wait: bool = True,
    ) -> Iterator[None]:
        """The block renames `source` to `target` (or exchanges them) within the bucket."""
        if ledger is None:
            yield
            return
        with self._standing(source) as (moved, attr), self._standing(target) as (old, old_attr):
            found = [one for one in (attr, old_attr) if one is not None]
            with self.window(ledger, [one.ino for one in found], wait=wait):
                size = 0 if old is None else self._store.attr(old).size
                if any(stat.S_ISDIR(one.mode) for one in found):
                    ledger.disturb()
                yield
                notes = {} if moved is None else self._stands(moved)
                if old is not None:
                    notes.update(self._stands(old))
                    self._give_back(ledger, old, size, notes)
                else:
                    ledger.book(notes=notes)

    def _stands(self, fd: Fd) -> dict[int, int]:
        attr = self._store.attr(fd)
        if not stat.S_ISREG(attr.mode):
            return {}
        return {key_of_file(attr): attr.size if attr.nlink else 0}

    def _give_back(self, ledger: Ledger, old: Fd, size: int, notes: Notes) -> None:
        gone = self._gone(old)
        if gone or notes:
            ledger.book(used=-size if gone else 0, notes={**notes, **gone})


class _Spent:
    """What a step used in the end, and what is to be noted of it."""

    __slots__ = ("amount", "notes")

    def __init__(self) -> None:
        self.amount = 0
        self.notes: Notes = NO_NOTES

    def really(self, amount: int, notes: Notes) -> None:
        """It was this."""
        self.amount, self.notes = amount, notes


def _freed(attr: Attr) -> int:
    """What is not used any more when this inode loses a name."""
    return attr.size if stat.S_ISREG(attr.mode) and attr.nlink == 1 else 0


@contextmanager
def _nothing() -> Iterator[tuple[None, None]]:
    yield None, None
