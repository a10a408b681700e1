"""What a bucket grants beyond its account, and whether it is one: ``.weka/buckets/<name>.access``.

The record counts for the directory alone whose file handle it holds. A bucket that was removed and made
again, a copied or another directory under the name has none of it, and one that was renamed leaves it behind:
the statements of a policy name the bucket. Nothing of it lies with the directory, where whoever may write
there could change it.

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
from dataclasses import astuple, dataclass
from typing import Any, Final

import msgpack

from weka_mp.bucket_names import is_bucket_name
from weka_mp.errors import BucketMissing, NotFound, NotSupported, StoreUnusable
from weka_mp.namespace.bucket_identity import bucket_handle
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import ControlFiles
from weka_mp.values import Attr, BucketName, Fd

__all__ = ["NO_ACCESS", "NO_BLOCK", "AccessRecords", "BucketAccess", "PublicAccessBlock", "decode", "encode"]

_MAGIC: Final = b"WKA1"
_DIGEST_BYTES: Final = 32
_HANDLE, _POLICY, _NAMED, _BLOCK, _UNLINKED = 1, 2, 3, 4, 5
_SUFFIX: Final = b".access"
_KEPT: Final = 64  # records that are kept open; others are read for each question
_NO_HANDLES: Final = (
    "The file system of the bucket gives no file handles, without which the next bucket of this name could "
    "not be told from this one."
)


@dataclass(frozen=True, slots=True)
class PublicAccessBlock:
    """The four settings of S3's PublicAccessBlockConfiguration."""

    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False


NO_BLOCK: Final = PublicAccessBlock()


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """policy: its document. named: (who, as the policy writes it; the unique id that it meant when it was
    put). block: None: there is none. unlinked: the directory is no bucket until somebody makes it one again.
    """

    policy: str | None = None
    named: tuple[tuple[str, str], ...] = ()
    block: PublicAccessBlock | None = None
    unlinked: bool = False


NO_ACCESS: Final = BucketAccess()


def encode(handle: bytes, access: BucketAccess) -> bytes:
    """The record. What is absent has no field."""
    fields: dict[int, Any] = {_HANDLE: handle}
    if access.policy is not None:
        fields[_POLICY] = access.policy
    if access.named:
        fields[_NAMED] = [list(pair) for pair in access.named]
    if access.block is not None:
        fields[_BLOCK] = list(astuple(access.block))
    if access.unlinked:
        fields[_UNLINKED] = True
    body = bytes(msgpack.packb(fields))
    return _MAGIC + hashlib.sha256(body).digest() + body


def decode(data: bytes) -> tuple[bytes, BucketAccess]:
    """Whose it is, and what it says. Raises StoreUnusable: damaged, or of a later version; a denial that is
    not understood must not be passed over.
    """
    digest, body = data[len(_MAGIC) : len(_MAGIC) + _DIGEST_BYTES], data[len(_MAGIC) + _DIGEST_BYTES :]
    if data[: len(_MAGIC)] != _MAGIC or hashlib.sha256(body).digest() != digest:
        raise StoreUnusable("the record of a bucket's policy is damaged")
    fields = msgpack.unpackb(body, strict_map_key=False)
    if not set(fields) <= {_HANDLE, _POLICY, _NAMED, _BLOCK, _UNLINKED}:
        raise StoreUnusable("the record of a bucket's policy was written by a later version")
    block = fields.get(_BLOCK)
    access = BucketAccess(
        fields.get(_POLICY),
        tuple((who, unique) for who, unique in fields.get(_NAMED, ())),
        None if block is None else PublicAccessBlock(*block),
        fields.get(_UNLINKED, False),
    )
    return fields[_HANDLE], access


_Stamp = tuple[int, int, int, int]


def _stamp(attr: Attr) -> _Stamp:
    return attr.dev, attr.ino, attr.mtime_ns, attr.size


@dataclass(frozen=True, slots=True)
class _Read:
    """A record as it was read. fd: kept open."""

    stamp: _Stamp
    fd: Fd
    handle: bytes
    access: BucketAccess


class AccessRecords:
    """The records of one store. Thread-safe; several processes may have them open."""

    def __init__(self, context: Context, registry: ControlFiles) -> None:
        self._context = context
        self._store = context.store
        self._registry = registry
        self._mutex = threading.Lock()
        self._kept: dict[bytes, _Read] = {}

    def close(self) -> None:
        """Give back the descriptors."""
        with self._mutex:
            while self._kept:
                self._let_go(next(iter(self._kept)))

    def find(self, bucket: BucketName) -> BucketAccess:
        """What is said of the bucket now; nothing of one that is not there. The same value as long as the
        record is the same. Raises StoreUnusable (damaged), NamespaceError.
        """
        if not is_bucket_name(bucket):
            return NO_ACCESS
        name = bucket.encode() + _SUFFIX
        read = self._read(name)
        if read is None:
            return NO_ACCESS
        try:
            with self._context.bucket(bucket) as fd:
                return read.access if bucket_handle(self._store, fd) == read.handle else NO_ACCESS
        except BucketMissing:
            return NO_ACCESS

    def change(self, bucket: BucketName, step: Callable[[BucketAccess], BucketAccess]) -> BucketAccess:
        """Replace what is said by what `step` makes of it; that. In force everywhere, and durable, when this
        returns.

        Raises what `step` raises, BucketMissing, NotSupported (on this file system the bucket could not be
        told from a later one), StoreUnusable (damaged: nothing is written), NamespaceError.
        """
        name = bucket.encode() + _SUFFIX
        # The directory is looked at under the lock: who makes another one of this name speaks of it later.
        with self._exclusive(name), self._context.bucket(bucket) as fd:
            handle = bucket_handle(self._store, fd)
            if not handle:
                raise NotSupported(_NO_HANDLES)
            read = self._read(name)
            before = read.access if read is not None and read.handle == handle else NO_ACCESS
            after = step(before)
            if after == NO_ACCESS:
                self._registry.remove(name)
            elif after != before:
                self._registry.write(name, encode(handle, after))
            return after

    def forget(self, bucket: BucketName, handle: bytes) -> None:
        """The directory of this handle is gone: nothing is said of it any more."""
        name = bucket.encode() + _SUFFIX
        if self._now(name) is None:
            return
        with self._exclusive(name):
            read = self._read(name)
            if read is not None and read.handle == handle:
                self._registry.remove(name)

    def _exclusive(self, name: bytes) -> AbstractContextManager[None]:
        """Nobody else, thread, process or node, changes this record meanwhile."""
        directory = self._registry.directory
        return self._context.locks.hold([(self._store.attr(directory).ino, name)])

    def _now(self, name: bytes) -> _Stamp | None:
        try:
            return _stamp(self._store.attr_at(self._registry.directory, name))
        except NotFound:
            return None

    def _read(self, name: bytes) -> _Read | None:
        while (now := self._now(name)) is not None:
            kept = self._kept.get(name)
            if kept is None or kept.stamp != now:
                return self._load(name)
            # Else it was let go meanwhile, and what was compared may be another with its number.
            if self._kept.get(name) is kept:
                return kept
        if name in self._kept:
            with self._mutex:
                self._let_go(name)
        return None

    def _load(self, name: bytes) -> _Read | None:
        with self._mutex:
            try:
                fd = self._store.open_file(self._registry.directory, name, os.O_RDONLY)
            except NotFound:
                return None
            try:
                attr = self._store.attr(fd)
                read = _Read(_stamp(attr), fd, *decode(self._store.read(fd, attr.size, 0)))
            except BaseException:
                self._store.close(fd)
                raise
            self._let_go(name)
            if len(self._kept) >= _KEPT:
                self._let_go(next(iter(self._kept)))
            self._kept[name] = read
            return read

    def _let_go(self, name: bytes) -> None:
        """Under the mutex. Out of the table before it is closed: see `_read`."""
        with suppress(KeyError):
            self._store.close(self._kept.pop(name).fd)
