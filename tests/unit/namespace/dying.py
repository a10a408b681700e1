"""A process on a store that dies at one of its calls, as SIGKILL does: what it held is given back for it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from weka_mp.errors import NamespaceError
from weka_mp.store.interface import Primitives, Store
from weka_mp.values import Fd

__all__ = ["CHANGES", "Died", "DoomedStore"]

CHANGES = frozenset(
    {
        "create_unnamed",
        "link",
        "mkdir",
        "open_file",
        "remove_xattr",
        "rename",
        "rmdir",
        "set_immutable",
        "set_xattr",
        "unlink",
        "utimens",
        "write",
    }
)
"""Verbs that leave something: who dies between two of them might as well die before the second."""

_OPENERS = {"open_dir", "open_file", "open_path", "reopen", "dup", "open_handle", "create_unnamed"}


class Died(BaseException):
    """The process is gone; nothing in it may go on."""


class DoomedStore:
    """Offers every verb of `inner` until `doom` was said and so many calls were made after it."""

    def __init__(self, inner: Store, counted: frozenset[str] | None = None) -> None:
        """counted: the verbs that `doom` speaks of; None: all."""
        self.inner = inner
        self._counted = counted
        self.made = 0
        self._at: int | None = None
        self._dead = False
        self._opened: set[Fd] = set()

    @property
    def primitives(self) -> Primitives:
        return self.inner.primitives

    def root(self) -> Fd:
        return self.inner.root()

    def doom(self, at: int | None) -> None:
        """Die before call number `at` (from 1) from now on; None: only count."""
        self.made, self._at = 0, at

    def __getattr__(self, verb: str) -> Any:
        inner = getattr(self.inner, verb)
        if not callable(inner):
            return inner

        def alive(*arguments: Any, **named: Any) -> Any:
            if self._counted is None or verb in self._counted:
                self.made += 1
                self._dead = self._dead or self.made == self._at
            if self._dead and verb == "close":
                return None  # nobody asks for it: what is left of the process is collected
            if self._dead:
                raise Died(verb)
            result = inner(*arguments, **named)
            if verb in _OPENERS:
                self._opened.add(result)
            elif verb == "close":
                self._opened.discard(arguments[0])
            return result

        return alive

    def bury(self) -> None:
        """What the kernel does for a process that is no more."""
        self._dead = True
        for fd in self._opened:
            with suppress(NamespaceError):
                self.inner.close(fd)
        self._opened.clear()
