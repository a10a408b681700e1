"""What is noted of renames: by their client tokens, and by the entries that they are about to change.

A token has a file in ``.weka/renames`` (docs/STORAGE_FORMAT.md): ``begun-<name>`` from before the rename,
``<name>`` once it is durable that it was done. While the name moves, the new entry has a link in
``.weka/moving``, whose name is that of the entry's lock and which holds that of the note. A process that dies
leaves both, and whoever takes that lock next notes what became of the rename before the entry is changed
again: afterwards nobody could tell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import msgpack

from weka_mp.clock import Clock
from weka_mp.errors import (
    Exists,
    InvalidArgument,
    Loop,
    NameTooLong,
    NotDirectory,
    NotFound,
    NotSupported,
    PermissionRefused,
)
from weka_mp.namespace.control import ControlFiles, remove_older
from weka_mp.namespace.effects import Durability, Effects, Settled
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["TOKEN_LIFE_NS", "Note", "RenameNotes", "identity"]

TOKEN_LIFE_NS = 24 * 3_600 * 1_000_000_000
"""How long a request may be repeated; AWS names no time."""

_BEGUN = b"begun-"
_NOWHERE = (NotFound, NotDirectory, Loop, NameTooLong)
_log = logging.getLogger(__name__)


def identity(store: Store, fd: Fd) -> bytes:
    """What tells an inode from all others there were: its file handle, else its numbers."""
    try:
        return store.handle_of(fd)
    except (NotSupported, PermissionRefused):
        attr = store.attr(fd)
        return b"%d:%d" % (attr.dev, attr.ino)


@dataclass(frozen=True, slots=True)
class Note:
    """Of one rename: the SHA-256 of its parameters, the identity of what is renamed, both paths below the
    store's root (empty in notes of older versions).
    """

    parameters: bytes
    inode: bytes
    source: bytes = b""
    target: bytes = b""

    def encode(self) -> bytes:
        """The file's bytes, docs/STORAGE_FORMAT.md."""
        data: bytes = msgpack.packb({1: self.parameters, 2: self.inode, 3: self.source, 4: self.target})
        return data


def _decode(data: bytes) -> Note | None:
    """None for a file that was not written whole (power was lost)."""
    try:
        found = msgpack.unpackb(data, strict_map_key=False)
        return Note(bytes(found[1]), bytes(found[2]), bytes(found.get(3, b"")), bytes(found.get(4, b"")))
    except (ValueError, TypeError, KeyError, AttributeError, msgpack.UnpackException) as error:
        _log.warning("the note of a client token is damaged (%r); taken as absent", error)
        return None


class RenameNotes:
    """The directories ``.weka/renames`` (`files`) and ``.weka/moving``. Thread-safe.

    `name` is that of a token's note, `offset` that of an entry's lock (`weka_mp.namespace.locks`).
    """

    def __init__(
        self, store: Store, clock: Clock, durability: Durability, files: ControlFiles, moving: Fd
    ) -> None:
        self._store = store
        self._clock = clock
        self._durability = durability
        self._files = files
        self._moving = moving
        self.directory = files.directory

    # ---- by token, under its lock
    def done(self, name: bytes) -> Note | None:
        """The note of a rename that was done."""
        return self._read(name)

    def begun(self, name: bytes) -> Note | None:
        """The note of one that was begun, and may have been done."""
        return self._read(_BEGUN + name)

    def _read(self, name: bytes) -> Note | None:
        data = self._files.read(name)
        return None if data is None else _decode(data)

    def begin(self, name: bytes, note: Note) -> None:
        """Durable when this returns, under `Durability.COMMIT`."""
        self._files.write(_BEGUN + name, note.encode(), durable=self._durability is Durability.COMMIT)

    def finish(self, name: bytes) -> None:
        """It was done, durably. Whoever changed the new entry since may have said so already."""
        with suppress(NotFound):  # or the sweep was faster, a day later
            self._store.rename(self.directory, _BEGUN + name, self.directory, name)

    def forget(self, name: bytes) -> None:
        """It failed, and may be sent again as if it had never come."""
        with suppress(NotFound):
            self._store.unlink(self.directory, _BEGUN + name)

    def was_done(self, note: Note) -> bool:
        """Whether what was to be renamed has its new name and no longer its old one."""
        return self._leads(note.target, note.inode) and not self._leads(note.source, note.inode)

    def _leads(self, path: bytes, inode: bytes) -> bool:
        if not path:
            return False
        try:
            fd = self._store.open_path(self._store.root(), path)
        except _NOWHERE:
            return False
        try:
            return identity(self._store, fd) == inode
        finally:
            self._store.close(fd)

    # ---- by entry, under its lock
    def entry_of(self, path: bytes) -> tuple[int, bytes] | None:
        """What stands for the entry in locks; None when its directory is not there."""
        above, _, name = path.rpartition(b"/")
        try:
            fd = self._store.open_dir(self._store.root(), above)
        except _NOWHERE:
            return None
        try:
            return self._store.attr(fd).ino, name
        finally:
            self._store.close(fd)

    def mark(self, offset: int, name: bytes) -> None:
        """The next step gives the entry to what this note is about."""
        link = b"%x" % offset
        try:
            self._store.symlink(name, self._moving, link)
        except Exists:  # of a token that counts no more
            self._settle(link)
            self._store.symlink(name, self._moving, link)

    def unmark(self, offset: int) -> None:
        """What became of the rename is noted."""
        with suppress(NotFound):
            self._store.unlink(self._moving, b"%x" % offset)

    def marked(self, offsets: Iterable[int]) -> list[int]:
        """Those of the entries that a rename was about to change when its process died, or that is about to
        note its end.
        """
        if not self._recent():
            return []
        return [offset for offset in offsets if self._name_at(b"%x" % offset) is not None]

    def any_marked(self) -> bool:
        """Whether there is any such entry."""
        return self._recent() and bool(self._store.entries(self._moving))

    def _recent(self) -> bool:
        """Whether a token that still counts may have been at work: one look, which is all that most pay."""
        return self._clock.now_ns() - self._store.attr(self._moving).mtime_ns < TOKEN_LIFE_NS

    def _name_at(self, link: bytes) -> bytes | None:
        try:
            return self._store.readlink(self._moving, link)
        except (NotFound, InvalidArgument):
            return None

    def settle(self, offsets: Iterable[int]) -> None:
        """Note what became of the renames that are marked at these entries, whose locks are held."""
        for offset in self.marked(offsets):
            self._settle(b"%x" % offset)

    def settle_all(self) -> None:
        """Of all; the trees of the buckets concerned are held. Before a directory and its paths move."""
        if self._recent():
            for entry in self._store.entries(self._moving):
                self._settle(entry.name)

    def _settle(self, link: bytes) -> None:
        name = self._name_at(link)
        note = None if name is None else self.begun(name)
        if name is not None and note is not None and self.was_done(note):
            self._sync(note)
            self.finish(name)
        with suppress(NotFound):
            self._store.unlink(self._moving, link)

    def _sync(self, note: Note) -> None:
        """What was done is on the disk before it is noted."""
        effects = Effects(self._store, self._durability, Settled(), self._clock)
        try:
            for path in (note.source, note.target):
                parents = path.split(b"/")[:-1]
                for depth in range(len(parents) + 1):
                    self._add(effects, b"/".join(parents[:depth]))
            effects.flush()
        finally:
            effects.close()

    def _add(self, effects: Effects, path: bytes) -> None:
        try:
            fd = self._store.open_dir(self._store.root(), path)
        except _NOWHERE:  # one of the source's that went with its last entry
            return
        try:
            effects.add(fd)
        finally:
            self._store.close(fd)

    # ---- housekeeping
    def expire(self, before_ns: int) -> int:
        """Forget what was noted before that time. Returns how many notes."""
        remove_older(self._store, self._moving, before_ns)
        return remove_older(self._store, self.directory, before_ns)
