"""Can a history of concurrent operations on a few keys be explained by one order? (Herlihy & Wing, 1990)

The search is Wing and Gong's with Lowe's memory of what was tried: linearize any operation that begins before
the first answer among those that are left, go on, and take it back when that leads nowhere. Operations that
were never answered may take effect at any time after they began, or never.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Operation", "State", "explain", "step"]

Value = str | None
"""What a key holds: the name of a body; None: there is no such object."""

State = tuple[Value, ...]
"""The values of all keys of one group, by the key's number."""

MAX_STATES = 200_000
"""More than an explicable history of a round ever needed, by a factor of a hundred."""

LOOKS = ("read", "present", "differs")


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: `key` and `other` are numbers of keys, times are in seconds, `end` inf: never answered.

    read(value) · present · differs(value): is there and holds something else · write(value) · create(value):
    was absent · delete · unlink: was there · swap(old, value): held `old` · rename(other): `key` took the
    place of `other`
    """

    client: str
    kind: str
    key: int
    start: float
    end: float
    value: Value = None
    old: Value = None
    other: int = 0

    @property
    def maybe(self) -> bool:
        return self.end == math.inf


def _with(state: State, key: int, value: Value) -> State:
    return (*state[:key], value, *state[key + 1 :])


def step(state: State, operation: Operation) -> State | None:
    """The state after the operation; None when it could not have been answered as it was."""
    held, kind = state[operation.key], operation.kind
    possible = {
        "read": held == operation.value,
        "present": held is not None,
        "differs": held is not None and held != operation.value,
        "write": True,
        "create": held is None,
        "delete": True,
        "unlink": held is not None,
        "swap": held == operation.old,
        "rename": held is not None,
    }[kind]
    if not possible:
        return None
    if kind in LOOKS:
        return state
    if kind == "rename":
        return _with(_with(state, operation.key, None), operation.other, held)
    return _with(state, operation.key, None if kind in ("delete", "unlink") else operation.value)


def explain(history: Sequence[Operation], initial: State) -> list[Operation] | None:
    """None when some order explains the history; else the operations that are left where it got furthest.

    Raises RuntimeError when that is not decided after MAX_STATES steps.
    """
    return _Search(history).run(initial)


class _Search:
    """Operations by number, the answered ones by their beginning and behind them those without an answer."""

    def __init__(self, history: Sequence[Operation]) -> None:
        answered = sorted((found for found in history if not found.maybe), key=lambda found: found.start)
        self._answered = len(answered)
        self._operations = answered + [found for found in history if found.maybe]
        self._required = (1 << self._answered) - 1
        self._tried: set[tuple[int, State]] = set()
        self._furthest = (-1, 0)

    def run(self, initial: State) -> list[Operation] | None:
        pending: list[tuple[int, int, State]] = [(0, 0, initial)]  # first left, which are done, state
        while pending:
            first, done, state = pending.pop()
            first, done = self._look(first, done, state)
            if done & self._required == self._required:
                return None
            if (done, state) in self._tried:
                continue
            self._tried.add((done, state))
            if len(self._tried) > MAX_STATES:
                raise RuntimeError(f"not decided, the furthest left {self._left()[:25]}")
            count = (done & self._required).bit_count()
            if count > self._furthest[0]:
                self._furthest = (count, done)
            following = []
            for number in self._candidates(first, done):
                after = step(state, self._operations[number])
                if after is not None:
                    following.append((first, done | 1 << number, after))
            pending += reversed(following)  # the first to be answered is tried first
        return self._left()

    def _look(self, first: int, done: int, state: State) -> tuple[int, int]:
        """Linearize every look that agrees with the state: doing it now is never worse than later."""
        while True:
            while done >> first & 1 and first < self._answered:
                first += 1
            agreeing = [
                number
                for number in self._candidates(first, done)
                if self._operations[number].kind in LOOKS
                and step(state, self._operations[number]) is not None
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
        maybe = [number for number in range(self._answered, len(self._operations)) if not done >> number & 1]
        return found + [number for number in maybe if self._operations[number].start <= earliest]

    def _left(self) -> list[Operation]:
        done = self._furthest[1]
        return [found for number, found in enumerate(self._operations) if not done >> number & 1]
