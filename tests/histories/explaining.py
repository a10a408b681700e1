"""Can a history of concurrent operations on a few keys be explained by one order? (Herlihy & Wing, 1990)

The search is Wing and Gong's with Lowe's memory of what was tried: linearize any operation that begins before
the first end among those that are left, go on, and take it back when that leads nowhere. What keeps it small,
and loses no order:

* Just in time (Lowe, "Testing for linearizability", 2017): what need not happen yet is taken in only where
  something up to the next that has to happen depends on it. Everything else can wait. For most keys that is
  as good as a search of their own (Herlihy and Wing's locality), and renames may still join them.
* A look that agrees is taken in at once: that is never worse than later.
* Files of whose contents nobody asks any more are all alike.
* In one state, to have more looks behind oneself and less of what nobody answered is never worse.

An operation that was not answered took effect before what began after its end, or never.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tests.histories.contents import Content
from tests.histories.footprints import Footprint, footprint
from tests.histories.register import FORGOTTEN, LOOKS, Held, Operation, State, meet, steps

__all__ = ["Undecided", "explain"]

MAX_STATES = 60_000
"""Half a minute; some hundred histories of the real service needed less than 1,000 each."""


class Undecided(Exception):
    """No order was found among as many as were tried; `left` is what `explain` returns when there is none."""

    def __init__(self, left: list[Operation]) -> None:
        super().__init__(f"not decided, the furthest left {left[:25]}")
        self.left = left


def explain(history: Sequence[Operation], initial: State) -> list[Operation] | None:
    """None when some order explains the history; else the operations that are left where it got furthest.

    Raises Undecided after MAX_STATES steps.
    """
    return _Search(history).run(initial)


class _Node(NamedTuple):
    """How far an order got. `first`: no operation before it is left; `owed`: footprints of what was taken in
    before it had to be and nothing has depended on yet.
    """

    first: int
    done: int
    state: State
    owed: tuple[Footprint, ...] = ()


class _Search:
    """Operations by number: those with an end by their beginning, and behind them those without."""

    def __init__(self, history: Sequence[Operation]) -> None:
        ending = sorted((found for found in history if found.end < math.inf), key=lambda found: found.start)
        self._operations = ending + [found for found in history if found.end == math.inf]
        self._ending = len(ending)
        self._footprints = [footprint(found) for found in self._operations]
        self._required = (1 << self._ending) - 1  # without an answer: to be done for nothing at the latest
        self._answered = self._numbers(lambda found: found.answered)
        self._looks = self._numbers(lambda found: found.kind in LOOKS)
        self._users: dict[str | None, int] = {}
        self._readers: dict[str, int] = {}
        for number, found in enumerate(self._operations):
            self._users[found.old] = self._users.get(found.old, 0) | 1 << number
            body = _body_asked_for(found)
            self._readers[body] = self._readers.get(body, 0) | 1 << number
        self._tried: dict[tuple[int, State, tuple[Footprint, ...]], list[tuple[int, int]]] = {}
        self._count = 0
        self._furthest = (-1, 0)

    def _numbers(self, belongs: Callable[[Operation], bool]) -> int:
        return sum(1 << number for number, found in enumerate(self._operations) if belongs(found))

    def run(self, initial: State) -> list[Operation] | None:
        pending = [_Node(0, 0, initial)]
        while pending:
            node = self._looked(pending.pop())
            if node is None or self._is_known(node):
                continue
            if node.done & self._required == self._required:
                return None
            self._count += 1
            if self._count > MAX_STATES:
                raise Undecided(self._left())
            count = (node.done & self._answered).bit_count()
            if count > self._furthest[0]:
                self._furthest = (count, node.done)
            pending += reversed(list(self._following(node)))  # the first to be answered is tried first
        return self._left()

    def _is_known(self, node: _Node) -> bool:
        """Whether what is left was tried from a node that was no worse."""
        changes = node.done & self._required & ~self._looks
        looks, taken = node.done & self._looks, node.done & ~self._required
        for owed in {(), node.owed}:
            for seen, lost in self._tried.get((changes, node.state, owed), ()):
                if seen & looks == looks and lost & taken == lost:
                    return True
        self._tried.setdefault((changes, node.state, node.owed), []).append((looks, taken))
        return False

    # ---- one step
    def _following(self, node: _Node) -> Iterator[_Node]:
        candidates, earliest = self._candidates(node.first, node.done)
        for number in candidates:
            operation, done = self._operations[number], node.done | 1 << number
            if operation.kind in LOOKS:
                continue  # it would be done if it agreed
            has_to = operation.end == earliest
            owed = self._owed(node.owed, number)
            if not (has_to and owed):
                owed = () if has_to else tuple(sorted({*owed, self._footprints[number]}))
                for after in steps(node.state, operation):
                    yield _Node(node.first, done, after, owed)
            if has_to and not operation.answered and not node.owed:
                yield _Node(node.first, done, node.state)

    def _owed(self, owed: tuple[Footprint, ...], number: int) -> tuple[Footprint, ...]:
        """What is left of it after that operation, which may depend on some of it."""
        mine = self._footprints[number]
        return tuple(found for found in owed if not found.conflicts(mine))

    def _looked(self, node: _Node) -> _Node | None:
        """After every look that agrees with the state. None when something is owed still although one of
        them had to happen.
        """
        first, done, state, owed = node
        while True:
            while done >> first & 1 and first < self._ending:
                first += 1
            candidates, earliest = self._candidates(first, done)
            agreeing = []
            for number in candidates:
                state, agrees = _look(state, self._operations[number])
                if agrees:
                    agreeing.append(number)
                    owed = self._owed(owed, number)
            if not agreeing:
                return _Node(first, done, self._without_idle(done, state), owed)
            if owed and any(self._operations[number].end == earliest for number in agreeing):
                return None
            for number in agreeing:
                done |= 1 << number

    def _candidates(self, first: int, done: int) -> tuple[list[int], float]:
        """Those that are left and begin before the first end among them, by their end; and that end."""
        found: list[int] = []
        earliest = math.inf
        for number in range(first, self._ending):
            operation = self._operations[number]
            if operation.start > earliest:
                break
            if not done >> number & 1:
                found.append(number)
                earliest = min(earliest, operation.end)
        found += [number for number in range(self._ending, len(self._operations)) if not done >> number & 1]
        found = [number for number in found if self._operations[number].start <= earliest]
        return sorted(found, key=lambda number: self._operations[number].end), earliest

    def _without_idle(self, done: int, state: State) -> State:
        """Files that nobody asks for again are let go, and those of whose contents nobody asks are one."""
        for slot, _ in state.held:
            if not self._users.get(slot, 0) & ~done:
                state = state.let_go(slot)

        def alike(held: Held) -> Held:
            asked = self._readers.get(Content.read(held.content).body, 0)
            return held if asked & ~done else FORGOTTEN

        return state.each(alike)

    def _left(self) -> list[Operation]:
        done = self._furthest[1]
        return [found for number, found in enumerate(self._operations) if not done >> number & 1]


def _look(state: State, operation: Operation) -> tuple[State, bool]:
    """What is known of the state then, and whether this is a look that agrees with it."""
    if operation.kind in ("see", "glimpse"):
        return meet(state, operation)
    return state, operation.kind in LOOKS and bool(steps(state, operation))


def _body_asked_for(operation: Operation) -> str:
    """Of contents that the answer depends on."""
    word = operation.value if operation.kind in LOOKS else operation.old
    return Content.read(word or "").body
