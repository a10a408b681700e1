"""The account of one bucket that has a quota: ``.weka/quotas/<identity>.ledger``, of all processes together.

It says what may be used (`limit`), what is used (`used`: files that have a name, parts of uploads) and what
is held besides (`held`: bodies on their way in, open files without a name). `credited` are bytes on their way
in that need no room since they replace some that are used: never more than are used, so that whatever is
under way, staged bytes are bounded by the quota, too.

Each process that changes something has a slot for what it holds, and a byte lock that dies with the process:
what a dead one held is found by the next who lacks room, or by the next look, and a recount is wanted then,
for it may have died between a change and its booking. Every change is one read and one write of the page
under one lock, so a process that is killed leaves either all of it or nothing.

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
PAGE_BYTES: Final = 4096

_log = logging.getLogger(__name__)
_MAGIC: Final = b"WKQ1\0\0\0\0"
_HEAD: Final = struct.Struct("<8s6q")  # magic, limit, used, held, recount, bytes of notes, recount wanted
_SLOT: Final = struct.Struct("<q")
_NOTE: Final = struct.Struct("<QQ")
_HALF: Final = PAGE_BYTES // 2  # where what is credited begins: an older ledger ends here
_FIRST_SLOT: Final = _HEAD.size
_SLOTS: Final = (_HALF - _FIRST_SLOT) // _SLOT.size
_FIRST_MARK: Final = _HALF + _SLOT.size  # behind the sum: 1 and what is credited; 0: nobody's slot
_TABLE: Final = struct.Struct(f"<{_SLOTS}q")
_MOST_NOTES: Final = 1 << 26  # bytes: four million changes; a recount that meets more begins anew
_PAGE_LOCK: Final = 0  # byte 1 and those behind it are the slots'


@dataclass(slots=True)
class Account:
    """Bytes. recount: the number of the one under way, 0: none; notes: bytes of its notes; wanted: the next
    one is to come soon. credited: see the module.
    """

    limit: int
    used: int
    held: int
    recount: int = 0
    notes: int = 0
    wanted: int = 0
    credited: int = 0

    def has_room(self, growth: int) -> bool:
        """For so many bytes more; nothing more always fits."""
        return growth <= 0 or self.used + self.held + growth <= self.limit

    def grantable(self, size: int, credit: int) -> int:
        """How many of `size` bytes need no room, where `credit` bytes are to be replaced."""
        return max(0, min(size, credit, self.used - self.credited))


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
        if self._closing.alive and self._slot is not None:
            try:
                with self._page() as (page, account):
                    _clear(page, account, self._slot)
            except NamespaceError as error:
                _log.warning("a quota's account takes this process for one that died: %s", error)
        self._closing()

    # ---- what stands in it
    def look(self) -> Account:
        """As it is now, without what dead processes held. Raises StoreUnusable (damaged)."""
        with self._page() as (page, account):
            self._reclaim(page, account)
        return account

    def attend(self) -> None:
        """From now on it is noticed when this process dies: called before what is booked afterwards only.
        Raises OutOfResources, StoreUnusable (damaged), NamespaceError.
        """
        if self._slot is None:
            with self._page() as (page, account):
                self._hold(page, account, 0, 0)

    def book(
        self,
        *,
        used: int = 0,
        held: int = 0,
        credited: int = 0,
        forced: bool = False,
        notes: Notes = NO_NOTES,
    ) -> None:
        """Change all of it by so many bytes, in one step, if there is room.

        What takes nothing more is always booked, and everything that is `forced`: it is there already.
        Raises QuotaExceeded, StoreUnusable (damaged), NamespaceError.
        """
        with self._page() as (page, account):
            if not forced and not account.has_room(used + held):
                self._reclaim(page, account)
                if not account.has_room(used + held):
                    raise QuotaExceeded
            if notes and account.recount:
                self._note(account, notes)
            self._hold(page, account, held, credited)
            account.used += used
            if account.used < 0:  # something was counted that went away, or the other way round
                account.used, account.wanted = 0, 1

    def reserve(self, size: int, credit: int) -> int:
        """Hold `size` bytes; up to `credit` of them need no room. How many of them that became.

        Raises QuotaExceeded; OutOfResources where there is no room only as long as others have credit, too;
        StoreUnusable (damaged), NamespaceError.
        """
        with self._page() as (page, account):
            granted = account.grantable(size, credit)
            if not account.has_room(size - granted):
                self._reclaim(page, account)
                granted = account.grantable(size, credit)
            if not account.has_room(size - granted):
                if account.has_room(size - min(size, credit)):
                    raise OutOfResources("what it would replace is being replaced by others, too")
                raise QuotaExceeded
            self._hold(page, account, size - granted, granted)
            return granted

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
    def _hold(self, page: bytearray, account: Account, amount: int, credited: int) -> None:
        if self._slot is None:
            self._slot = self._take_slot(page, account)
        if amount:
            account.held += _add(page, _FIRST_SLOT + self._slot * _SLOT.size, amount, least=0)
        if credited:
            account.credited += _add(page, _FIRST_MARK + self._slot * _SLOT.size, credited, least=1)

    def _take_slot(self, page: bytearray, account: Account) -> int:
        for slot in range(_SLOTS):
            if self._store.lock(self._fd, 1 + slot, wait=False):
                self._bury(page, account, slot)
                _SLOT.pack_into(page, _FIRST_MARK + slot * _SLOT.size, 1)
                return slot
        raise OutOfResources("too many processes work on a bucket with a quota")

    def _reclaim(self, page: bytearray, account: Account) -> None:
        """Take back what is held by processes that are no more."""
        taken = zip(_TABLE.unpack_from(page, _FIRST_SLOT), _TABLE.unpack_from(page, _FIRST_MARK), strict=True)
        for slot, (amount, mark) in enumerate(taken):
            if (amount or mark) and slot != self._slot and self._store.lock(self._fd, 1 + slot, wait=False):
                try:
                    self._bury(page, account, slot)
                finally:
                    self._unlock(1 + slot)

    def _bury(self, page: bytearray, account: Account, slot: int) -> None:
        """The last owner of the slot is no more: if it did not say so itself, it died in the middle."""
        if _clear(page, account, slot):
            account.wanted = 1

    # ---- the page
    @contextmanager
    def _page(self) -> Iterator[tuple[bytearray, Account]]:
        """The page, and what its head says: written back after the block, unless that failed."""
        with self._mutex:
            self._store.lock(self._fd, _PAGE_LOCK, wait=True)
            try:
                found = self._store.read(self._fd, PAGE_BYTES, 0)
                if len(found) not in (_HALF, PAGE_BYTES) or not found.startswith(_MAGIC):
                    raise StoreUnusable("the account of a bucket's quota is damaged")
                before = found.ljust(PAGE_BYTES, b"\0")
                page = bytearray(before)
                account = Account(*_HEAD.unpack_from(page)[1:], *_SLOT.unpack_from(page, _HALF))
                slot = self._slot
                try:
                    yield page, account
                    head = (account.limit, account.used, account.held, account.recount)
                    _HEAD.pack_into(page, 0, _MAGIC, *head, account.notes, account.wanted)
                    _SLOT.pack_into(page, _HALF, account.credited)
                    if page != before:
                        self._write(page, before)
                except BaseException:
                    self._forget_slot(slot)
                    raise
            finally:
                self._unlock(_PAGE_LOCK)

    def _write(self, page: bytearray, before: bytes) -> None:
        """Whoever is told that it failed counts on the page as it was."""
        same = page[_HALF:] == before[_HALF:]
        try:
            self._store.write(self._fd, memoryview(page)[: _HALF if same else PAGE_BYTES], 0)
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


def _add(page: bytearray, offset: int, amount: int, *, least: int) -> int:
    """Change what stands there by `amount`, but to no less than `least`; by how much it did change."""
    (before,) = _SLOT.unpack_from(page, offset)
    after = max(before + amount, least)
    _SLOT.pack_into(page, offset, after)
    return int(after - before)


def _clear(page: bytearray, account: Account, slot: int) -> bool:
    """The slot is nobody's. False: it was so before."""
    held, mark = _FIRST_SLOT + slot * _SLOT.size, _FIRST_MARK + slot * _SLOT.size
    (amount,), (marked,) = _SLOT.unpack_from(page, held), _SLOT.unpack_from(page, mark)
    account.held -= amount
    account.credited -= max(marked - 1, 0)
    _SLOT.pack_into(page, held, 0)
    _SLOT.pack_into(page, mark, 0)
    return bool(amount or marked)
