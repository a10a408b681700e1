"""Client tokens: a request whose answer was lost may be sent again, and is answered again but not done again.

A token has a file in ``.weka/renames`` (docs/STORAGE_FORMAT.md): first ``begun-<name>``, durable before the
rename, with a digest of the request's parameters and the handle of what is renamed; then ``<name>``, once it
is durable that the rename was done. Whether a rename that was begun was done, too, is told by where its inode
stands.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgpack

from weka_mp.errors import NotFound, NotSupported, PermissionRefused, TokenReused
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import ControlFiles, remove_older
from weka_mp.namespace.effects import Durability
from weka_mp.values import Fd, InodeNo

__all__ = ["TOKEN_LIFE_NS", "Attempt", "Tokens", "identity"]

TOKEN_LIFE_NS = 24 * 3_600 * 1_000_000_000
"""How long a request may be repeated; AWS names no time."""

_BEGUN = b"begun-"
_PARAMETERS, _HANDLE = 1, 2
_log = logging.getLogger(__name__)


def identity(context: Context, fd: Fd) -> bytes:
    """What tells an inode from all others there were: its file handle, else its numbers."""
    try:
        return context.store.handle_of(fd)
    except (NotSupported, PermissionRefused):
        attr = context.store.attr(fd)
        return b"%d:%d" % (attr.dev, attr.ino)


class Attempt:
    """One request under its token, whose lock is held. Without a token it forgets everything."""

    def __init__(self, tokens: Tokens | None = None, name: bytes = b"", parameters: bytes = b"") -> None:
        self._tokens = tokens
        self._name = name
        self._parameters = parameters
        self.is_done = False
        self.begun: bytes | None = None  # the identity of what an earlier request began to rename
        if tokens is not None:
            self._recall(tokens)

    def _recall(self, tokens: Tokens) -> None:
        done = tokens.read(self._name)
        found = done or tokens.read(_BEGUN + self._name)
        if found is None:
            return
        if found[_PARAMETERS] != self._parameters:
            raise TokenReused(subject=self._name)
        self.is_done, self.begun = done is not None, found[_HANDLE]

    def begin(self, inode: bytes) -> None:
        """Note durably what is about to be renamed."""
        if self._tokens is not None and self.begun != inode:
            self._tokens.write(_BEGUN + self._name, {_PARAMETERS: self._parameters, _HANDLE: inode})
            self.begun = inode

    def finish(self) -> None:
        """Note that it was done; what this note is about is durable already."""
        if self._tokens is not None and not self.is_done:
            self._tokens.rename(_BEGUN + self._name, self._name)
            self.is_done = True

    def forget(self) -> None:
        """The request failed: it may be sent again as if it had never come."""
        if self._tokens is not None and self.begun is not None:
            self._tokens.remove(_BEGUN + self._name)


class Tokens:
    """The directory ``.weka/renames``."""

    def __init__(self, context: Context, files: ControlFiles) -> None:
        self._context = context
        self._files = files

    @contextmanager
    def once(self, bucket: InodeNo, token: str | None, parameters: bytes) -> Iterator[Attempt]:
        """The attempt under this token; nobody else makes one meanwhile. Raises TokenReused."""
        if token is None:
            yield Attempt()
            return
        name = hashlib.sha256(b"%d/%s" % (bucket, token.encode())).hexdigest().encode()
        directory = self._context.store.attr(self._files.directory).ino
        with self._context.locks.hold([(directory, name)]):
            yield Attempt(self, name, hashlib.sha256(parameters).digest())

    def read(self, name: bytes) -> dict[int, bytes] | None:
        """What a file says; None when it is missing or was not written whole (power was lost)."""
        data = self._files.read(name)
        if data is None:
            return None
        try:
            found: dict[int, bytes] = msgpack.unpackb(data, strict_map_key=False)
            return {_PARAMETERS: bytes(found[_PARAMETERS]), _HANDLE: bytes(found[_HANDLE])}
        except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
            _log.warning("the note of a client token is damaged (%r); taken as absent", error)
            return None

    def write(self, name: bytes, content: dict[int, bytes]) -> None:
        durable = self._context.durability is Durability.COMMIT
        self._files.write(name, msgpack.packb(content), durable=durable)

    def rename(self, name: bytes, new: bytes) -> None:
        store, directory = self._context.store, self._files.directory
        with suppress(NotFound):  # the sweep was faster, a day later
            store.rename(directory, name, directory, new)

    def remove(self, name: bytes) -> None:
        with suppress(NotFound):
            self._context.store.unlink(self._files.directory, name)

    def expire(self, before_ns: int) -> int:
        """Forget the tokens that were written before that time. Returns how many."""
        return remove_older(self._context.store, self._files.directory, before_ns)
