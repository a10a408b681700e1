"""Client tokens: a request whose answer was lost may be sent again, and is answered again but not done again.

Whether a rename that was begun was done, too, is told by its note, or by where its inode stands: nobody takes
it from there before the note says so (`rename_notes`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from weka_mp.errors import NamespaceError, TokenReused
from weka_mp.namespace.locks import EntryLocks, entry_offset
from weka_mp.namespace.objects.rename_notes import Note, RenameNotes
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.store.interface import Store
from weka_mp.values import InodeNo

__all__ = ["Attempt", "Tokens"]

_NOTHING = Note(b"", b"")


class Attempt:
    """One request under its token, whose lock is held. Without a token it forgets everything."""

    def __init__(self, tokens: Tokens | None = None, name: bytes = b"", wanted: Note = _NOTHING) -> None:
        """`wanted`: what is asked for; which inode that is about is not known yet."""
        self._tokens = tokens
        self._name = name
        self._wanted = wanted
        self._entry: tuple[int, bytes] | None = None
        self.is_done = False
        self._begun: Note | None = None
        if tokens is not None:
            self._recall(tokens.notes)

    def _recall(self, notes: RenameNotes) -> None:
        done = notes.done(self._name)
        found = done or notes.begun(self._name)
        if found is None:
            return
        if found.parameters != self._wanted.parameters:
            raise TokenReused(subject=self._name)
        self.is_done, self._begun = done is not None, replace(self._wanted, inode=found.inode)

    def was_done(self) -> bool:
        """Whether the rename that this token began moved its inode."""
        if self.is_done or self._tokens is None or self._begun is None:
            return self.is_done
        return self._tokens.notes.was_done(self._begun)

    def begin(self, inode: bytes) -> None:
        """Note durably what is about to be renamed."""
        note = replace(self._wanted, inode=inode)
        if self._tokens is not None and self._begun != note:
            self._tokens.notes.begin(self._name, note)
            self._begun = note

    @contextmanager
    def moving(self, parent: int, name: bytes) -> Iterator[None]:
        """Around the rename to this entry, whose lock is held."""
        if self._tokens is None:
            yield
            return
        notes, offset = self._tokens.notes, entry_offset(parent, name)
        try:
            notes.mark(offset, self._name)
            reach(CrashPoint.RENAME_MARKED)
            yield
        except BaseException:
            with suppress(NamespaceError):  # not known: then the mark says that it has to be found out
                if not self.was_done():
                    notes.unmark(offset)
            raise
        self._entry = parent, name

    def finish(self) -> None:
        """Note that it was done; what this note is about is durable already."""
        if self._tokens is None:
            return
        notes = self._tokens.notes
        if not self.is_done:
            notes.finish(self._name)
            self.is_done = True
        reach(CrashPoint.RENAME_NOTED)
        entry = self._entry or notes.entry_of(self._wanted.target)
        if entry is not None:
            # The mark goes, under its lock: by now it may be another rename's.
            with self._tokens.locks.hold([entry]):
                pass

    def forget(self) -> None:
        """The request failed: it may be sent again as if it had never come."""
        if self._tokens is not None and self._begun is not None:
            self._tokens.notes.forget(self._name)


class Tokens:
    """Client tokens of one store."""

    def __init__(self, store: Store, locks: EntryLocks, notes: RenameNotes) -> None:
        self._store = store
        self.locks = locks
        self.notes = notes

    @contextmanager
    def once(
        self, bucket: InodeNo, token: str | None, parameters: bytes, source: bytes, target: bytes
    ) -> Iterator[Attempt]:
        """The attempt under this token; nobody else makes one meanwhile. `source`, `target`: paths below the
        store's root. Raises TokenReused.
        """
        if token is None:
            yield Attempt()
            return
        name = hashlib.sha256(b"%d/%s" % (bucket, token.encode())).hexdigest().encode()
        directory = self._store.attr(self.notes.directory).ino
        with self.locks.hold([(directory, name)]):
            yield Attempt(self, name, Note(hashlib.sha256(parameters).digest(), b"", source, target))
