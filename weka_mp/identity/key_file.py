"""The key file: master keys outside the store, readable by their owner alone, the current one first.

Lines of 64 hex digits; ``#`` begins a comment. An older key stays until nothing is sealed under it.
"""

from __future__ import annotations

import os
import re
import threading
from typing import Final

from weka_mp.clock import RandomSource
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.identity.sealing import MASTER_KEY_BYTES, KeyMissing, KeyRing
from weka_mp.private_files import Exposed, create_private, read_private, replace_private

__all__ = ["FILE_NAME", "KeyFile"]

FILE_NAME: Final = "identity-keys"
"""In the state directory of the store, unless another path is wanted."""

_HEAD: Final = (
    "# Keys of the secrets in a weka_mp store, the one in use first. Whoever has this file and the store\n"
    "# has all secret keys; without it they are lost. Keep a copy apart from the store's backups.\n"
)
_KEY: Final = re.compile(rf"[0-9a-f]{{{2 * MASTER_KEY_BYTES}}}")
_MAX_KEYS: Final = 64


class KeyFile:
    """`path` is absolute. Thread-safe; several processes may use one file, one at a time changes it."""

    def __init__(self, path: str, random: RandomSource) -> None:
        self.path = path
        self._random = random
        self._mutex = threading.Lock()
        self._ring: KeyRing | None = None

    def create(self) -> None:
        """Make it with one key when absent; another process that was first wins. Raises IdentityUnusable."""
        try:
            create_private(self.path, _text([self._new_key()]))
        except OSError as error:
            raise IdentityUnusable(f"{self.path}: {error.strerror}") from error

    def exists(self) -> bool:
        """Whether there is such a file."""
        return os.path.lexists(self.path)

    def ring(self, *, needed: str | None = None, fresh: bool = False) -> KeyRing:
        """The keys. The file is read again when `fresh`, or when it had no key of the id `needed`.

        Raises IdentityUnusable: missing, malformed, or open to others; KeyMissing.
        """
        with self._mutex:
            if self._ring is None or fresh or (needed is not None and needed not in self._ring.ids):
                self._ring = KeyRing([bytes.fromhex(key) for key in self._read()])
            if needed is not None and needed not in self._ring.ids:
                raise KeyMissing(
                    f"{self.path} lacks the key {needed}: restore the one the store was used with"
                )
            return self._ring

    def add_key(self) -> None:
        """A new current key; what the others sealed still opens. Raises IdentityUnusable."""
        keys = self._read()
        if len(keys) >= _MAX_KEYS:
            raise IdentityUnusable(f"{self.path} has {_MAX_KEYS} keys: retire some first")
        self._write([self._new_key(), *keys])

    def retire(self, needed: frozenset[str]) -> tuple[str, ...]:
        """Drop all keys but the current one and those needed; the dropped ids. Raises IdentityUnusable."""
        keys = self._read()
        ids = {key: KeyRing([bytes.fromhex(key)]).current for key in keys}
        kept = [key for key in keys if key == keys[0] or ids[key] in needed]
        if kept != keys:
            self._write(kept)
        return tuple(ids[key] for key in keys if key not in kept)

    def _new_key(self) -> str:
        return self._random.token(MASTER_KEY_BYTES)

    def _write(self, keys: list[str]) -> None:
        try:
            replace_private(self.path, _text(keys))
        except OSError as error:
            raise IdentityUnusable(f"{self.path}: {error.strerror}") from error
        self.ring(fresh=True)

    def _read(self) -> list[str]:
        try:
            lines = read_private(self.path).splitlines()
        except Exposed:
            raise IdentityUnusable(f"{self.path} can be read by others: chmod 600 it") from None
        except UnicodeDecodeError:
            raise IdentityUnusable(f"{self.path} is no file of keys") from None
        except OSError as error:
            raise IdentityUnusable(f"{self.path}: {error.strerror}") from error
        keys = [line for line in lines if line and not line.startswith("#")]
        if not keys or len(set(keys)) != len(keys) or not all(_KEY.fullmatch(key) for key in keys):
            raise IdentityUnusable(f"{self.path} is no file of keys: lines of 64 hex digits, each once")
        return keys


def _text(keys: list[str]) -> str:
    return _HEAD + "".join(f"{key}\n" for key in keys)
