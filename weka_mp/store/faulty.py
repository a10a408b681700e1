"""A store that fails on demand: a wrapper which logs every call and raises scripted errors, for tests.

``FaultyStore(inner, Fault(NoSpace, nth=3, verb="write"))`` lets the third write fail. A fault strikes once.
Its effect says what of the call happened all the same: nothing, half of a write, or all of it (the reply was
lost, as it is when fsync(2) reports what went wrong earlier). Giving back (close, unlock, drop_lease) always
happens: the kernel does it even where it reports an error (close(2)); taking a lock or a lease never does.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from weka_mp.errors import NamespaceError
from weka_mp.store.interface import Primitives, Store
from weka_mp.values import Fd

__all__ = ["Call", "Effect", "Fault", "FaultyStore", "Interference"]

_WITHOUT_DESCRIPTOR = frozenset({"close", "acting_as"})  # of an inode that is worth noting
_TAKES = frozenset({"lock", "try_lease"})
_RELEASES = frozenset({"close", "unlock", "drop_lease"})
_OPENERS = frozenset(
    {"open_dir", "open_file", "open_path", "reopen", "dup", "open_handle", "create_unnamed"}
)


class Effect(enum.Enum):
    """What of a failing call happens."""

    NOTHING = "nothing"
    HALF = "half"  # of the bytes of write and copy; nothing of other verbs
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Fault:
    """The `nth` call (from 1) of `verb`, or of any verb, raises `error`."""

    error: type[NamespaceError]
    nth: int
    verb: str | None = None
    effect: Effect = Effect.NOTHING


@dataclass(frozen=True, slots=True)
class Interference:
    """`action` runs right before the `nth` call (from 1) of `verb`: somebody else was faster."""

    verb: str
    nth: int
    action: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it came in. `ino`: the inode behind the descriptor that is its first argument."""

    verb: str
    arguments: tuple[Any, ...]
    ino: int | None


class FaultyStore:
    """Offers every verb of `inner` (see `weka_mp.store.interface.Store`). Thread-safe."""

    def __init__(self, inner: Store, *script: Fault | Interference) -> None:
        self.inner = inner
        self.calls: list[Call] = []
        self._script = list(script)
        self._counts: dict[str | None, int] = {}
        self._mutex = threading.Lock()

    @property
    def primitives(self) -> Primitives:
        return self.inner.primitives

    def root(self) -> Fd:
        return self.inner.root()

    def begin(self, *script: Fault | Interference) -> None:
        """Forget the calls so far and follow another script."""
        with self._mutex:
            self.calls, self._script, self._counts = [], list(script), {}

    def __getattr__(self, verb: str) -> Any:
        inner = getattr(self.inner, verb)
        if not callable(inner):
            return inner

        def call(*arguments: Any, **named: Any) -> Any:
            due = self._note(verb, arguments)
            for step in due:
                if isinstance(step, Interference):
                    step.action()
            fault = next((step for step in due if isinstance(step, Fault)), None)
            if fault is None:
                return inner(*arguments, **named)
            self._take_effect(inner, verb, fault, arguments, named)
            raise fault.error(f"scripted: {verb}")

        return call

    def _note(self, verb: str, arguments: tuple[Any, ...]) -> list[Fault | Interference]:
        ino = None
        if verb not in _WITHOUT_DESCRIPTOR and arguments and isinstance(arguments[0], int):
            ino = self.inner.attr(Fd(arguments[0])).ino
        with self._mutex:
            self.calls.append(Call(verb, arguments, ino))
            for counted in (verb, None):
                self._counts[counted] = self._counts.get(counted, 0) + 1
            due = [
                step
                for step in self._script
                if step.verb in (verb, None) and step.nth == self._counts[step.verb]
            ]
            for step in due:
                self._script.remove(step)
        return due

    def _take_effect(
        self, inner: Any, verb: str, fault: Fault, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        effect = Effect.WHOLE if verb in _RELEASES else fault.effect
        if verb in _TAKES:
            return
        if effect is Effect.HALF and verb == "write":
            fd, data, offset = arguments
            inner(fd, memoryview(data)[: len(data) // 2], offset)
        elif effect is Effect.HALF and verb == "copy":
            inner(*arguments[:-1], arguments[-1] // 2)
        elif effect is Effect.WHOLE:
            made = inner(*arguments, **named)
            if verb in _OPENERS:
                self.inner.close(made)  # a call that fails hands out no descriptor
