"""Key components that no file name can hold, kept in full in ``.weka/longnames`` under the SHA-256 of their
bytes.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress

from weka_mp.errors import NamespaceError, NotFound
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["LongNames"]


class LongNames:
    """Content-named and never edited: whoever has the directory entry can name the file that explains it."""

    def __init__(self, store: Store, directory: Fd) -> None:
        self._store = store
        self._directory = directory
        self._known: dict[bytes, bytes] = {}

    def keep(self, component: bytes, token: str) -> None:
        """Store the component durably, before its entry is made. `token` is unique to this call."""
        name = hashlib.sha256(component).hexdigest().encode()
        if self._read(name) is not None:
            return
        staged = b".new-" + token.encode()
        fd = self._store.open_file(self._directory, staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            self._store.write(fd, component, 0)
            self._store.sync_file(fd)
            self._store.rename(self._directory, staged, self._directory, name)
        except NamespaceError:
            with suppress(NotFound):
                self._store.unlink(self._directory, staged)
            raise
        finally:
            self._store.close(fd)
        self._store.sync_dir(self._directory)

    def component(self, entry: bytes) -> bytes | None:
        """The component behind an entry ``.weka%h<hex>``; None when it is not kept or damaged."""
        return self._read(entry[-64:])

    def _read(self, name: bytes) -> bytes | None:
        known = self._known.get(name)
        if known is not None:
            return known
        try:
            fd = self._store.open_file(self._directory, name, os.O_RDONLY)
        except NotFound:
            return None
        try:
            component = self._store.read(fd, 4096, 0)
        finally:
            self._store.close(fd)
        if hashlib.sha256(component).hexdigest().encode() != name:
            return None
        if (
            len(self._known) >= 4096
        ):  # a bound on memory, not a policy: the files are small and cached by the kernel
            self._known.clear()
        self._known[name] = component
        return component
