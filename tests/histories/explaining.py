"""Can a history of concurrent operations on a few keys be explained by one order? (Herlihy & Wing, 1990)

The search is Wing and Gong's with Lowe's memory of what was tried: linearize any operation that begins before
the first answer among those that are left, go on, and take it back when that leads nowhere. Operations that
were not answered are taken in anywhere before what began after their end, or nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.histories.register import LOOKS, Operation, State, steps

__all__ = ["Undecided", "explain"]

MAX_STATES = 60_000
"""More than an explicable history without writes in place ever needed, by a factor of ten; half a minute."""


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


class _Search:
    """Operations by number, the answered ones by their beginning and behind them those without an answer."""

    def __init__(self, history: Sequence[Operation]) -> None:
        answered = sorted((found for found in history if found.answered), key=lambda found: found.start)
        self._answered = len(answered)
        self._operations = answered + [found for found in history if not found.answered]
        self._required = (1 << self._answered) - 1
        self._users: dict[str | None, int] = {}
        for number, found in enumerate(self._operations):
            self._users[found.old] = self._users.get(found.old, 0) | 1 << number
        self._tried: set[tuple[int, State]] = set()
        self._furthest = (-1, 0)

    def run(self, initial: State) -> list[Operation] | None:
        pending: list[tuple[int, int, State]] = [(0, 0, initial)]  # first left, which are done, state
        while pending:
            first, done, state = pending.pop()
            first, done = self._look(first, done, state)
            state = self._without_idle(done, state)
            if done & self._required == self._required:
                return None
            if (done, state) in self._tried:
                continue
            self._tried.add((done, state))
            if len(self._tried) > MAX_STATES:
                raise Undecided(self._left())
            count = (done & self._required).bit_count()
            if count > self._furthest[0]:
                self._furthest = (count, done)
            following = [
                (first, done | 1 << number, after)
                for number in self._candidates(first, done)
                for after in steps(state, self._operations[number])
            ]
            pending += reversed(following)  # the first to be answered is tried first
        return self._left()

    def _without_idle(self, done: int, state: State) -> State:
        """Files that nobody asks for again are let go: states that differ in them alone are one."""
        for slot, _ in state.held:
            if not self._users.get(slot, 0) & ~done:
                state = state.let_go(slot)
        return state

    def _look(self, first: int, done: int, state: State) -> tuple[int, int]:
        """Linearize every look that agrees with the state: doing it now is never worse than later."""
        while True:
            while done >> first & 1 and first < self._answered:
                first += 1
            agreeing = [
                number
                for number in self._candidates(first, done)
                if self._operations[number].kind in LOOKS and steps(state, self._operations[number])
            ]
            if not agreeing:
                return first, done
            for number in agreeing:
                done |= 1 << number

    def _candidates(self, first: int, done: int) -> list[int]:
        """Those that are left and begin before the first answer among them, by the time of their answer."""
        found: list[int] = []
        earliest = math.inf
        for number in range(first, self._answered):
            operation = self._operations[number]
            if operation.start > earliest:
                break
            if not done >> number & 1:
                found.append(number)
                earliest = min(earliest, operation.end)
        found = [number for number in found if self._operations[number].start <= earliest]
        found.sort(key=lambda number: self._operations[number].end)
        last = (done & self._required).bit_length() - 1  # of those done, the one that began last
        begun = self._operations[last].start if last >= 0 else -math.inf
        for number in range(self._answered, len(self._operations)):
            operation = self._operations[number]
            if not done >> number & 1 and operation.start <= earliest and begun <= operation.end:
                found.append(number)
        return found

    def _left(self) -> list[Operation]:
        done = self._furthest[1]
        return [found for number, found in enumerate(self._operations) if not done >> number & 1]
