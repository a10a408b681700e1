"""Records about buckets, each a file of ``.weka/buckets``, as every process of a store reads them.

Whoever asks compares the record with the one read last, which is kept open, so that its inode number is
nobody else's meanwhile. A change is therefore in force in every process for what comes in after it was
acknowledged.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from weka_mp.errors import NotFound, StoreUnusable
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import ControlFiles
from weka_mp.values import Attr, Fd

__all__ = ["KeptRecords", "seal", "unseal"]

Content = TypeVar("Content")
_DIGEST_BYTES: Final = 32
_KEPT: Final = 64  # records that are kept open; others are read for each question

_Stamp = tuple[int, int, int, int]


def seal(magic: bytes, body: bytes) -> bytes:
    """The file of a record: magic, SHA-256 of the body, body."""
    return magic + hashlib.sha256(body).digest() + body


def unseal(magic: bytes, data: bytes, what: str) -> bytes:
    """The body. Raises StoreUnusable: `what` is damaged; one that is not understood is never passed over."""
    digest, body = data[len(magic) : len(magic) + _DIGEST_BYTES], data[len(magic) + _DIGEST_BYTES :]
    if data[: len(magic)] != magic or hashlib.sha256(body).digest() != digest:
        raise StoreUnusable(f"the record of a bucket's {what} is damaged")
    return body


@dataclass(frozen=True, slots=True)
class _Read(Generic[Content]):
    """A record as it was read. fd: kept open."""

    stamp: _Stamp
    fd: Fd
    content: tuple[bytes, Content]


class KeptRecords(Generic[Content]):
    """The records of one kind in one store, each about the directory of one file handle. Thread-safe; several
    processes may have them open.
    """

    def __init__(
        self, context: Context, registry: ControlFiles, nothing: Content,
        encode: Callable[[bytes, Content], bytes], decode: Callable[[bytes], tuple[bytes, Content]],
    ) -> None:  # fmt: skip
        """nothing: what holds without a record. decode: handle and content; raises StoreUnusable for what is
        damaged.
        """
        self._context = context
        self._store = context.store
        self._registry = registry
        self._nothing = nothing
        self._encode = encode
        self._decode = decode
        self._mutex = threading.Lock()
        self._kept: dict[bytes, _Read[Content]] = {}

    def close(self) -> None:
        """Give back the descriptors."""
        with self._mutex:
            while self._kept:
                self._let_go(next(iter(self._kept)))

    def exclusive(self, name: bytes) -> AbstractContextManager[None]:
        """Nobody else, thread, process or node, changes this record meanwhile."""
        directory = self._registry.directory
        return self._context.locks.hold([(self._store.attr(directory).ino, name)])

    def is_there(self, name: bytes) -> bool:
        """Whether there is a record, be it damaged."""
        return self._now(name) is not None

    def read(self, name: bytes) -> tuple[bytes, Content] | None:
        """Handle and content as they are now, the same values as long as the record is the same; None: it
        is not there. Raises StoreUnusable (damaged).
        """
        while (now := self._now(name)) is not None:
            kept = self._kept.get(name)
            if kept is None or kept.stamp != now:
                loaded = self._load(name)
                return None if loaded is None else loaded.content
            # Else it was let go meanwhile, and what was compared may be another with its number.
            if self._kept.get(name) is kept:
                return kept.content
        if name in self._kept:
            with self._mutex:
                self._let_go(name)
        return None

    def of(self, name: bytes, handle: bytes) -> Content:
        """What holds of the directory of this handle. Raises StoreUnusable (damaged)."""
        read = self.read(name)
        return self._nothing if read is None or read[0] != handle else read[1]

    def change(self, name: bytes, handle: bytes, step: Callable[[Content], Content]) -> Content:
        """Replace what holds by what `step` makes of it; that. Under `exclusive`; in force everywhere, and
        durable, when this returns. Raises what `step` raises, StoreUnusable (damaged: nothing is written).
        """
        before = self.of(name, handle)
        after = step(before)
        if after == self._nothing:
            self.remove(name)
        elif after != before:
            self._registry.write(name, self._encode(handle, after))
        return after

    def remove(self, name: bytes) -> None:
        """Under `exclusive`."""
        self._registry.remove(name)

    def _now(self, name: bytes) -> _Stamp | None:
        try:
            return _stamp(self._store.attr_at(self._registry.directory, name))
        except NotFound:
            return None

    def _load(self, name: bytes) -> _Read[Content] | None:
        with self._mutex:
            try:
                fd = self._store.open_file(self._registry.directory, name, os.O_RDONLY)
            except NotFound:
                return None
            try:
                attr = self._store.attr(fd)
                read = _Read(_stamp(attr), fd, self._decode(self._store.read(fd, attr.size, 0)))
            except BaseException:
                self._store.close(fd)
                raise
            self._let_go(name)
            if len(self._kept) >= _KEPT:
                self._let_go(next(iter(self._kept)))
            self._kept[name] = read
            return read

    def _let_go(self, name: bytes) -> None:
        """Under the mutex. Out of the table before it is closed: see `read`."""
        with suppress(KeyError):
            self._store.close(self._kept.pop(name).fd)


def _stamp(attr: Attr) -> _Stamp:
    return attr.dev, attr.ino, attr.mtime_ns, attr.size
