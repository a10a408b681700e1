"""The checker accepts what one order explains, and nothing else."""

from __future__ import annotations

import math
import random
import threading

import pytest

from tests.histories.register import Operation, explain, step


def op(
    kind: str,
    start: float,
    end: float,
    value: str | None = None,
    *,
    key: int = 0,
    old: str | None = None,
    other: int = 0,
) -> Operation:
    return Operation("test", kind, key, start, end, value, old, other)


GOOD = {
    "one after the other": [
        op("write", 0, 1, "x"),
        op("read", 2, 3, "x"),
        op("delete", 4, 5),
        op("read", 6, 7),
    ],
    "a read beside a write sees either": [
        op("write", 0, 1, "x"),
        op("write", 2, 9, "y"),
        op("read", 3, 4, "x"),
        op("read", 5, 6, "y"),
    ],
    "what nobody answered may have happened": [op("write", 0, math.inf, "x"), op("read", 5, 6, "x")],
    "or not": [op("write", 0, math.inf, "x"), op("read", 5, 6)],
    "or later": [op("write", 0, math.inf, "x"), op("read", 5, 6), op("read", 7, 8, "x")],
    "one creator wins": [op("create", 0, 5, "x"), op("present", 0, 5), op("read", 6, 7, "x")],
    "a swap": [op("write", 0, 1, "x"), op("swap", 2, 3, "y", old="x"), op("differs", 4, 5, "x")],
    "a rename": [
        op("write", 0, 1, "x"),
        op("rename", 2, 9, other=1),
        op("read", 3, 4, "x", key=1),
        op("read", 5, 6),
    ],
}
BAD = {
    "a stale read": [op("write", 0, 1, "x"), op("write", 2, 3, "y"), op("read", 4, 5, "x")],
    "a lost write": [op("write", 0, 1, "x"), op("read", 2, 3)],
    "there and back": [
        op("write", 0, 1, "x"),
        op("write", 2, 9, "y"),
        op("read", 3, 4, "y"),
        op("read", 5, 6, "x"),
    ],
    "two creators": [op("create", 0, 5, "x"), op("create", 0, 5, "y")],
    "two swaps of one value": [
        op("write", 0, 1, "x"),
        op("swap", 2, 5, "y", old="x"),
        op("swap", 2, 5, "z", old="x"),
    ],
    "a value from nowhere": [op("write", 0, 1, "x"), op("read", 0, 1, "z")],
    "undone later": [op("write", 0, math.inf, "x"), op("read", 5, 6, "x"), op("read", 7, 8)],
    "a renamed object in both places": [
        op("write", 0, 1, "x"),
        op("rename", 2, 9, other=1),
        op("read", 3, 4, "x", key=1),
        op("read", 5, 6, "x"),
    ],
    "gone in between": [op("write", 0, 1, "x"), op("write", 2, 9, "y"), op("read", 3, 4)],
}


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    assert explain(GOOD[name], (None, None)) is None


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str) -> None:
    assert explain(BAD[name], (None, None))


def test_long_histories_of_a_real_register_are_explained_and_one_changed_answer_is_noticed() -> None:
    """Threads on a dictionary under a lock: linearizable by construction."""
    lock, clock, history = threading.Lock(), iter(range(10**9)), []
    state: list[tuple[str | None, ...]] = [(None, None)]

    def run(number: int) -> None:
        draw = random.Random(number)
        for turn in range(200):
            start = next(clock)
            value, key = f"{number}.{turn}", draw.randrange(2)
            with lock:
                held = state[0][key]
                wanted = draw.choice(("read", "write", "delete", "create"))
                kind = "present" if wanted == "create" and held is not None else wanted
                done = Operation(str(number), kind, key, start, 0, held if wanted == "read" else value)
                after = step(state[0], done)
                assert after is not None
                state[0] = after
            end = next(clock)
            history.append(Operation(done.client, done.kind, key, start, end, done.value))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert explain(history, (None, None)) is None
    last = max(found.end for found in history)
    held = state[0][0]
    wrong = Operation("late", "read", 0, last + 1, last + 2, None if held else "never written")
    assert explain([*history, wrong], (None, None)) == [wrong]
