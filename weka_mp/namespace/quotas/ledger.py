"""The account of one bucket that has a quota: ``.weka/quotas/<identity>.ledger``, of all processes together.

It says what may be used (`limit`), what is used (`used`: files that have a name, parts of uploads) and what
is held besides (`held`: bodies on their way in, open files without a name). Each process that holds something
has a slot for it, and a byte lock that dies with the process: what a dead one held is found by the next who
lacks room. Every change is one read and one write of the whole page under one lock, so a process that is
killed leaves either all of it or nothing.

While a recount is under way (`weka_mp.namespace.upkeep.recounting`) each change also notes what became of
each file, in ``<identity>.notes``.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from weka_mp.errors import NamespaceError, OutOfResources, QuotaExceeded, StoreUnusable
from weka_mp.namespace.concealment import create_concealed
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["NO_NOTES", "PAGE_BYTES", "Account", "Ledger", "Notes", "blank_page"]

Notes = Mapping[int, int]
"""What is counted under a key (`weka_mp.namespace.quotas.keys`), in bytes; 0: nothing any more."""

NO_NOTES: Final[Notes] = {}
PAGE_BYTES: Final = 2048

_log = logging.getLogger(__name__)
_MAGIC: Final = b"WKQ1\0\0\0\0"
_HEAD: Final = struct.Struct("<8s6q")  # magic, limit, used, held, recount, bytes of notes, recount wanted
_SLOT: Final = struct.Struct("<q")
_NOTE: Final = struct.Struct("<QQ")
_FIRST_SLOT: Final = _HEAD.size
_SLOTS: Final = (PAGE_BYTES - _FIRST_SLOT) // _SLOT.size
_MOST_NOTES: Final = 1 << 26  # bytes: four million changes; a recount that meets more begins anew
_PAGE_LOCK: Final = 0  # byte 1 and those behind it are the slots'


@dataclass(slots=True)
class Account:
    """Bytes. recount: the number of the one under way, 0: none; notes: bytes of its notes; wanted: the next
    one is to come soon.
    """

    limit: int
    used: int
    held: int
    recount: int = 0
    notes: int = 0
    wanted: int = 0


def blank_page(limit: int) -> bytes:
    """A ledger of which nothing is known but the limit: a recount is wanted."""
    return _HEAD.pack(_MAGIC, limit, 0, 0, 0, 0, 1).ljust(PAGE_BYTES, b"\0")


class Ledger:
    """One open ledger. Thread-safe. `fd`: of the file, the ledger's from now on."""

    def __init__(self, store: Store, directory: Fd, identity: int, fd: Fd) -> None:
        self.identity = identity
        self.ino = store.attr(fd).ino
        self._store = store
        self._directory = directory
        self._fd = fd
        self._mutex = threading.Lock()
        self._slot: int | None = None
        # Whoever works with it when its bucket loses the quota finishes with it.
        self._closing = weakref.finalize(self, store.close, fd)
        self._closing.atexit = False

    def close(self) -> None:
        """Give back the descriptor, and what this process held."""
        self._closing()

    # ---- what stands in it
    def look(self) -> Account:
        """As it is now, without what dead processes held. Raises StoreUnusable (damaged)."""
        with self._page() as (page, account):
            self._reclaim(page, account)
        return account

    def book(
        self, *, used: int = 0, held: int = 0, forced: bool = False, notes: Notes = NO_NOTES
    ) -> None:
        """Change both by so many bytes, in one step, if there is room.

        What takes nothing more is always booked, and everything that is `forced`: it is there already.
        Raises QuotaExceeded, StoreUnusable (damaged), NamespaceError.
        """
        with self._page() as (page, account):
            growth = used + held
            if growth > 0 and not forced and account.used + account.held + growth > account.limit:
                self._reclaim(page, account)
                if account.used + account.held + growth > account.limit:
                    raise QuotaExceeded
            if notes and account.recount:
                self._note(account, notes)
            if held:
                self._hold(page, account, held)
            account.used += used
            if account.used < 0:  # something was counted that went away, or the other way round
                account.used, account.wanted = 0, 1

    def relimit(self, limit: int) -> None:
        """Another limit, maybe below what is used."""
        with self._page() as (_, account):
            account.limit = limit

    def want_recount(self) -> None:
        """What is counted may not be what is there."""
        with self._page() as (_, account):
            account.wanted = 1

    # ---- recounts
    def begin_recount(self, number: int) -> None:
        """From now on what is changed is noted. One under way is over."""
        with self._page() as (_, account):
            self._notes_file(os.O_WRONLY | os.O_TRUNC)
            account.recount, account.notes, account.wanted = number, 0, 0

    def is_recounting(self, number: int) -> bool:
        """False when another one was begun, or something went on that this one cannot follow."""
        with self._page() as (_, account):
            return account.recount == number

    def give_up_recount(self, number: int) -> None:
        """This one, if it is under way, ends without a result."""
        with self._page() as (_, account):
            if account.recount == number:
                account.recount, account.wanted = 0, 1

    def disturb(self) -> None:
        """A directory moves: a recount under way may miss what is in it, and ends without a result."""
        with self._page() as (_, account):
            if account.recount:
                account.recount, account.wanted = 0, 1

    def finish_recount(self, number: int, found: dict[int, int]) -> bool:
        """Take what was found, by key, and what was noted since, for what is used. False: see
        `is_recounting`. Nobody may be between a change and its note.
        """
        with self._page() as (page, account):
            self._reclaim(page, account)
            if account.recount != number:
                return False
            fd = self._store.open_file(self._directory, self._notes_name(), os.O_RDONLY)
            try:
                noted = self._store.read(fd, account.notes, 0)
            finally:
                self._store.close(fd)
            found.update(_NOTE.iter_unpack(noted))
            account.used, account.recount, account.notes = sum(found.values()), 0, 0
            return True

    def _note(self, account: Account, notes: Notes) -> None:
        """Where it cannot be kept the recount ends, and not what is booked: it is done already, maybe."""
        data = b"".join(_NOTE.pack(key, size) for key, size in notes.items())
        try:
            if account.notes >= _MOST_NOTES:
                raise OutOfResources("more changed meanwhile than a recount can follow")
            fd = self._store.open_file(self._directory, self._notes_name(), os.O_WRONLY)
            try:
                self._store.write(fd, data, account.notes)
            finally:
                self._store.close(fd)
        except NamespaceError as error:
            _log.warning("a recount of a quota ends without a result: %s", error)
            account.recount, account.wanted = 0, 1
        else:
            account.notes += len(data)

    def _notes_file(self, flags: int) -> None:
        self._store.close(create_concealed(self._store, self._directory, self._notes_name(), flags))

    def _notes_name(self) -> bytes:
        return b"%d.notes" % self.identity

    # ---- what processes hold
    def _hold(self, page: bytearray, account: Account, amount: int) -> None:
        if self._slot is None:
            self._slot = self._take_slot(page, account)
        offset = _FIRST_SLOT + self._slot * _SLOT.size
        (mine,) = _SLOT.unpack_from(page, offset)
        kept = max(mine + amount, 0)
        _SLOT.pack_into(page, offset, kept)
        account.held += kept - mine

    def _take_slot(self, page: bytearray, account: Account) -> int:
        for slot in range(_SLOTS):
            if self._store.lock(self._fd, 1 + slot, wait=False):
                _clear(page, account, slot)  # its last owner died
                return slot
        raise OutOfResources("too many processes work on a bucket with a quota")

    def _reclaim(self, page: bytearray, account: Account) -> None:
        """Take back what is held by processes that are no more."""
        for slot in range(_SLOTS):
            (amount,) = _SLOT.unpack_from(page, _FIRST_SLOT + slot * _SLOT.size)
            if amount and slot != self._slot and self._store.lock(self._fd, 1 + slot, wait=False):
                try:
                    _clear(page, account, slot)
                finally:
                    self._unlock(1 + slot)

    # ---- the page
    @contextmanager
    def _page(self) -> Iterator[tuple[bytearray, Account]]:
        """The page, and what its head says: written back after the block, unless that failed."""
        with self._mutex:
            self._store.lock(self._fd, _PAGE_LOCK, wait=True)
            try:
                page = bytearray(self._store.read(self._fd, PAGE_BYTES, 0))
                if len(page) != PAGE_BYTES or page[: len(_MAGIC)] != _MAGIC:
                    raise StoreUnusable("the account of a bucket's quota is damaged")
                before = bytes(page)
                account = Account(*_HEAD.unpack_from(page)[1:])
                slot = self._slot
                try:
                    yield page, account
                    head = (account.limit, account.used, account.held, account.recount)
                    _HEAD.pack_into(page, 0, _MAGIC, *head, account.notes, account.wanted)
                    if page != before:
                        self._write(page, before)
                except BaseException:
                    self._forget_slot(slot)
                    raise
            finally:
                self._unlock(_PAGE_LOCK)

    def _write(self, page: bytearray, before: bytes) -> None:
        """Whoever is told that it failed counts on the page as it was."""
        try:
            self._store.write(self._fd, page, 0)
        except BaseException:
            with suppress(NamespaceError):
                self._store.write(self._fd, before, 0)
            raise

    def _unlock(self, offset: int) -> None:
        """What was written under it is done, whatever is said of giving it back."""
        try:
            self._store.unlock(self._fd, offset)
        except NamespaceError as error:
            _log.warning("a lock of a quota's account: %s", error)

    def _forget_slot(self, former: int | None) -> None:
        """A slot that was taken in a step that failed is nobody's."""
        if self._slot != former and self._slot is not None:
            self._unlock(1 + self._slot)
            self._slot = former


def _clear(page: bytearray, account: Account, slot: int) -> None:
    offset = _FIRST_SLOT + slot * _SLOT.size
    (amount,) = _SLOT.unpack_from(page, offset)
    account.held -= amount
    _SLOT.pack_into(page, offset, 0)
