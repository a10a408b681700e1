"""The records of service accounts, or of temporary credentials: a file each, named by its access key."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from weka_mp.errors import NotFound
from weka_mp.identity import child_credentials, naming
from weka_mp.identity.child_credentials import Child, ChildKind
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.identity.place import Directories, Place
from weka_mp.values import Fd

__all__ = ["CredentialFiles"]


class CredentialFiles:
    """All of one kind. Whoever adds or removes one holds the place's lock."""

    def __init__(self, place: Place, kind: ChildKind) -> None:
        self.kind = kind
        self._place = place
        self._heads: dict[str, Child] = {}
        self._mutex = threading.Lock()

    def exists(self, access_key: str) -> bool:
        """Whether there is a record of this key."""
        directory = self._found()
        if directory is None or not self._is_ours(access_key):
            return False
        try:
            self._place.store.attr_at(directory, access_key.encode())
        except NotFound:
            return False
        return True

    def read(self, access_key: str) -> Child | None:
        """None when there is none. Raises IdentityUnusable."""
        directory = self._found()
        if directory is None or not self._is_ours(access_key):
            return None
        data = self._place.files(directory).read(access_key.encode())
        if data is None:
            return None
        child = child_credentials.decode(access_key, data)
        if child.kind is not self.kind:
            raise IdentityUnusable(f"the record of the access key {access_key} lies in the wrong directory")
        return child

    def add(self, child: Child) -> bool:
        """False when the key is taken."""
        data = child_credentials.encode(child)
        return self._place.files(self._made()).write(child.access_key.encode(), data, create_only=True)

    def rewrite(self, child: Child) -> None:
        """The same, sealed anew."""
        self._place.files(self._made()).write(child.access_key.encode(), child_credentials.encode(child))

    def remove(self, access_key: str) -> None:
        """One that is not there is no error."""
        self._place.files(self._made()).remove(access_key.encode())

    def discard(self, access_keys: Sequence[str]) -> None:
        """Remove what nobody misses: should it come back with a power cut, it is as dead as before."""
        directory = self._made()
        for access_key in access_keys:
            with suppress(NotFound):
                self._place.store.unlink(directory, access_key.encode())

    def names(self) -> list[str]:
        """The access keys, sorted."""
        directory = self._found()
        if directory is None:
            return []
        names = (entry.name.decode("ascii", "replace") for entry in self._place.store.entries(directory))
        return sorted(name for name in names if self._is_ours(name))

    def heads(self) -> tuple[list[Child], list[str]]:
        """All without policy and secret, and the keys of those whose record is damaged.

        Each is read once in a process's life: what is kept of it here never changes.
        """
        names = self.names()
        with self._mutex:
            known = self._heads
        fresh: dict[str, Child] = {}
        damaged: list[str] = []
        for name in names:
            try:
                child = known.get(name) or self.read(name)
            except IdentityUnusable:
                damaged.append(name)
                continue
            if child is not None:
                fresh[name] = child if not child.sealed else replace(child, policy=None, sealed="")
        with self._mutex:
            self._heads = fresh
        return list(fresh.values()), damaged

    def _is_ours(self, access_key: str) -> bool:
        return naming.generated_kind(access_key) == self.kind.value

    def _found(self) -> Fd | None:
        found = self._place.found()
        return None if found is None else self._directory(found)

    def _made(self) -> Fd:
        return self._directory(self._place.made())

    def _directory(self, directories: Directories) -> Fd:
        temporary = self.kind is ChildKind.TEMPORARY
        return directories.sessions if temporary else directories.service_accounts
