"""Stores in which chosen syncs do nothing, as if their call had been forgotten, or are the process's last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.powercut.least import caller_of_sync
from weka_mp.store.interface import Store

__all__ = ["Died", "MortalStore", "SkippingStore"]

_SYNCS = frozenset({"sync_file", "sync_data", "sync_dir", "sync_all"})
_DONE_BY_THE_KERNEL = frozenset({"close", "unlock", "drop_lease"})
"""What becomes of a dead process's descriptors, too."""


class SkippingStore:
    """Offers every verb of `inner`.

    `skip` is asked with the verb and the caller of each sync (see `caller_of_sync`) whether to leave it out.
    """

    def __init__(self, inner: Store, skip: Callable[[str, str], bool]) -> None:
        self.inner = inner
        self.callers: list[str] = []
        self._skip = skip

    def __getattr__(self, verb: str) -> Any:
        inner = getattr(self.inner, verb)
        if verb not in _SYNCS:
            return inner

        def sync(fd: int) -> None:
            caller = caller_of_sync()
            self.callers.append(caller)
            if not self._skip(verb, caller):
                inner(fd)

        return sync


class Died(BaseException):
    """The process is gone; nothing in it may go on."""


class MortalStore:
    """Offers every verb of `inner` to a process that dies when it asks for this sync: (verb, caller)."""

    def __init__(self, inner: Store, at: tuple[str, str]) -> None:
        self.inner = inner
        self._at = at
        self._dead = False

    def __getattr__(self, verb: str) -> Any:
        inner = getattr(self.inner, verb)
        if not callable(inner) or verb in _DONE_BY_THE_KERNEL:
            return inner

        def alive(*arguments: Any, **options: Any) -> Any:
            self._dead = self._dead or (verb, caller_of_sync()) == self._at
            if self._dead:
                raise Died(self._at)
            return inner(*arguments, **options)

        return alive
