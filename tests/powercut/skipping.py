"""A store in which chosen syncs do nothing, as if their call had been forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.powercut.least import caller_of_sync
from weka_mp.store.interface import Store

__all__ = ["SkippingStore"]

_SYNCS = frozenset({"sync_file", "sync_data", "sync_dir", "sync_all"})


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
