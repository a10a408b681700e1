"""The search loses no order and invents none: it agrees with one that tries every order."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from tests.histories.explaining import explain
from tests.histories.footprints import footprint
from tests.histories.register import FOLDER, LOOKS, Operation, State, initial, meet, steps

KEYS = 2 * FOLDER
CALLERS = 4
VALUES = ("x", "y")


# ---- a register that is one, and what clients of it are told
class Register:
    """Makes histories that have an order: every operation happens at one time between its two."""

    def __init__(self, seed: int, *, callers: int = CALLERS, unique: bool = True) -> None:
        self._draw = random.Random(seed)
        self._callers = callers
        self._unique = unique
        self._made = 0
        self._state = initial(KEYS)
        self._slots: list[str] = []
        self.history: list[Operation] = []

    def run(self, operations: int) -> list[Operation]:
        """That many at most; some are never answered."""
        free = [0.0] * self._callers
        for number in range(operations):
            happens = number + 1.0
            ready = [caller for caller in range(self._callers) if free[caller] < happens]
            caller = self._draw.choice(ready) if ready else None
            if caller is None:
                continue
            start = happens - self._draw.random() * min(2.0, happens - free[caller])
            end = free[caller] = happens + self._draw.random() * 3
            self._happen(Operation(f"c{caller}", "", 0, start, end))
        return self.history

    def _happen(self, call: Operation) -> None:
        wanted = self._wanted(call)
        if wanted is None:
            return
        after = steps(self._state, wanted)
        if not after:
            return
        self._state = after[0]
        if wanted.kind == "hold":
            self._slots.append(wanted.value or "")
        if wanted.kind not in LOOKS and self._draw.random() < 0.1:
            wanted = replace(wanted, answered=False, end=self._draw.choice((wanted.end, math.inf)))
        self.history.append(wanted)

    def _wanted(self, call: Operation) -> Operation | None:
        """An operation that could be answered in this state, mostly."""
        key, other = self._draw.sample(range(KEYS), 2)
        kind = self._draw.choice(
            ("read",) * 4
            + ("write", "create", "delete", "unlink", "swap", "rename", "place", "move")
            + ("present", "vacant", "occupied", "unmovable", "hold", "patch", "patch", "store")
        )
        held = self._state.keys[key]
        value = old = None
        if kind in ("write", "create", "swap"):
            value = self._new("v") if self._unique else self._draw.choice(VALUES)
        if kind == "read":
            value = held.content if held else None
        if kind == "swap":
            old = held.content if held else None
        if kind == "hold":
            value = self._new("slot")
        if kind in ("patch", "store"):
            if not self._slots:
                return None
            old, other = self._draw.choice(self._slots), self._draw.randrange(2)
            value = self._new("p") if kind == "patch" else None
        if kind == "move":
            key, other = self._draw.choice(((0, FOLDER), (FOLDER, 0)))
        return replace(call, kind=kind, key=key, other=other, value=value, old=old)

    def _new(self, what: str) -> str:
        self._made += 1
        return f"{what}{self._made}"


# ---- every order there is
def by_trying_all(history: list[Operation], state: State) -> bool:
    """Whether one of all orders explains it. Readers in steps look at the state after each operation."""
    return _any_order(tuple(history), state, -math.inf)


def _any_order(left: tuple[Operation, ...], state: State, begun: float) -> bool:
    if not any(found.answered for found in left):
        return True
    state = _met(left, state)
    for found in left:
        rest = tuple(other for other in left if other is not found)
        if any(other.answered and other.end < found.start for other in rest) or found.end < begun:
            continue
        last = max(begun, found.start)
        if any(_any_order(rest, after, last) for after in _after(state, found)):
            return True
    return False


def _after(state: State, found: Operation) -> list[State]:
    if found.kind not in ("see", "glimpse"):
        return steps(state, found)
    state, agrees = meet(state, found)
    return [state] if agrees else []


def _met(left: tuple[Operation, ...], state: State) -> State:
    """Who reads in steps and began before the next answer may have met what is there now."""
    earliest = min((found.end for found in left if found.answered), default=math.inf)
    for found in left:
        if found.kind in ("see", "glimpse") and found.start <= earliest:
            state, _ = meet(state, found)
    return state


@pytest.mark.parametrize("seed", range(120))
def test_short_histories_have_an_explanation_when_trying_all_orders_finds_one(seed: int) -> None:
    draw = random.Random(seed)
    history = Register(seed, unique=seed % 2 == 0).run(draw.choice((9, 11)))
    assert explain(history, initial(KEYS)) is None
    told = [found.value for found in history if found.kind in ("read", "write", "create", "swap")]
    told = [_shaken(_told_of(found, [*told, None], draw), draw) for found in history]
    if seed % 3 == 0:
        told = [_anywhere(found, draw) for found in told]
    assert (explain(told, initial(KEYS)) is None) is by_trying_all(told, initial(KEYS))


def _told_of(found: Operation, values: list[str | None], draw: random.Random) -> Operation:
    """Some reads tell of what was read or written at another time, and some look in steps."""
    if found.kind != "read":
        return found
    value = draw.choice(values) if draw.random() < 0.4 else found.value
    return replace(found, value=value, kind=draw.choice(("read", "see", "glimpse")) if value else "read")


def _shaken(found: Operation, draw: random.Random) -> Operation:
    start = found.start + draw.uniform(-2, 2)
    end = start + draw.uniform(0.1, 4)
    return replace(found, start=start, end=end if found.end < math.inf else found.end)


@pytest.mark.parametrize("seed", range(6))
def test_long_histories_of_all_operations_are_explained_and_one_lie_is_noticed(seed: int) -> None:
    history = Register(seed, callers=7).run(300)
    assert explain(history, initial(KEYS)) is None
    reads = [found for found in history if found.kind == "read"]
    stale = reads[-1]
    lie = replace(stale, value="from nowhere")
    assert explain([lie if found is stale else found for found in history], initial(KEYS))


@pytest.mark.parametrize("seed", range(20))
def test_what_has_no_conflict_commutes(seed: int) -> None:
    """Any two operations that are still to come, in any state that comes up, in both orders."""
    draw, history, at, compared = random.Random(seed), Register(seed).run(60), initial(KEYS), 0
    for number, found in enumerate(history[:-2]):
        at = (steps(at, found) or [at])[0]
        for _ in range(10):
            one, other = (_anywhere(to_come, draw) for to_come in draw.sample(history[number + 1 :], 2))
            if footprint(one).conflicts(footprint(other)):
                continue
            compared += 1
            assert _both(at, one, other) == _both(at, other, one), f"{one} and {other} in {at}"
    assert compared > 50


def _anywhere(found: Operation, draw: random.Random) -> Operation:
    """Also as it may be allowed to be."""
    by_name = found.kind not in ("patch", "store", "move")
    renames = found.kind in ("rename", "place", "move")
    return replace(
        found,
        elsewhere=by_name and draw.random() < 0.3,
        carried=found.kind == "hold" and draw.random() < 0.3,
        doubled=renames and draw.random() < 0.3,
    )


def _both(state: State, one: Operation, other: Operation) -> set[State]:
    return {after for between in steps(state, one) for after in steps(between, other)}
