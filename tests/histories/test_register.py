"""The checker accepts what one order explains, and nothing else."""

from __future__ import annotations

import math
import random
import threading

import pytest

from tests.histories import explaining
from tests.histories.explaining import explain
from tests.histories.register import Operation, initial, steps


def op(
    kind: str,
    start: float,
    end: float,
    value: str | None = None,
    *,
    key: int = 0,
    old: str | None = None,
    other: int = 0,
    elsewhere: bool = False,
    maybe: bool = False,
) -> Operation:
    return Operation(
        "test", kind, key, start, end, value, old, other, elsewhere, answered=end < math.inf and not maybe
    )


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
    "or before whoever was to do it died": [op("write", 0, 2, "x", maybe=True), op("read", 3, 4, "x")],
    "or before what began after that": [
        op("write", 0, 2, "x", maybe=True),
        op("read", 3, 4, key=1),
        op("read", 5, 6, "x"),
    ],
    "one creator wins": [op("create", 0, 5, "x"), op("present", 0, 5), op("read", 6, 7, "x")],
    "a swap": [op("write", 0, 1, "x"), op("swap", 2, 3, "y", old="x"), op("differs", 4, 5, "x")],
    "a rename": [
        op("write", 0, 1, "x"),
        op("rename", 2, 9, other=1),
        op("read", 3, 4, "x", key=1),
        op("read", 5, 6),
    ],
    "a write through a descriptor goes along with a rename": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("rename", 4, 5, other=1),
        op("patch", 6, 7, "p", old="fd"),
        op("read", 8, 9, "x|p|", key=1),
    ],
    "and into nowhere when its file was replaced": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("write", 4, 5, "y"),
        op("patch", 6, 7, "p", old="fd"),
        op("read", 8, 9, "y"),
    ],
    "a reader that found a file before it was replaced sees what is written into it": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("write", 4, 5, "y"),
        op("patch", 6, 7, "p", old="fd"),
        op("see", 2, 9, "x|p|"),
    ],
    "who reads page by page meets each write by itself": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("patch", 4, 5, "p", old="fd"),
        op("write", 5.5, 5.6, "y"),
        op("patch", 6, 7, "t", old="fd", other=1),
        op("patch", 8, 9, "q", old="fd"),
        op("glimpse", 3, 10, "x|p|t"),
    ],
    "a copy is a file of its own": [
        op("write", 0, 1, "x"),
        op("read", 2, 3, "x"),
        op("write", 2, 3, "x", key=1),
        op("hold", 4, 5, "fd"),
        op("patch", 6, 7, "p", old="fd", other=1),
        op("read", 8, 9, "x||p"),
        op("read", 8, 9, "x", key=1),
    ],
    "a copy that nobody answered is of what was there some time": [
        op("write", 0, 1, "x"),
        op("hold", 2, math.inf, "copy"),
        op("store", 2, math.inf, old="copy", key=1),
        op("write", 3, 4, "y"),
        op("read", 5, 6, key=1),
        op("read", 7, 8, "x", key=1),
    ],
    "two places one after the other": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("patch", 4, 6, "p", old="fd"),
        op("read", 4, 9, "x|p|"),
        op("patch", 7, 8, "q", old="fd", other=1),
        op("read", 4, 9, "x|p|q"),
    ],
    "a folder moves with all its keys": [
        op("write", 0, 1, "x"),
        op("write", 0, 1, "y", key=1),
        op("move", 2, 9, other=2),
        op("read", 3, 4, "x"),
        op("read", 5, 6, "y", key=3),
        op("vacant", 5, 6),
        op("occupied", 5, 6, key=2),
    ],
    "who went into a folder meets it where it moved": [
        op("write", 0, 1, "x"),
        op("move", 2, 9, other=2),
        op("write", 3, 4, "y", elsewhere=True),
        op("read", 10, 11, "y", key=2),
    ],
    "a name that nobody has": [
        op("write", 0, 1, "x"),
        op("place", 2, 3, other=1),
        op("unmovable", 4, 5, other=1),
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
    "done after whoever was to do it had died": [
        op("write", 0, 2, "x", maybe=True),
        op("read", 3, 4),
        op("read", 5, 6, "x"),
    ],
    "a deleted key that is back": [
        op("write", 0, 1, "x"),
        op("delete", 2, 3),
        op("read", 4, 5),
        op("read", 6, 7, "x"),
    ],
    "a completion done twice": [
        op("write", 0, 9, "x"),
        op("read", 1, 2, "x"),
        op("delete", 3, 4),
        op("read", 5, 6, "x"),
    ],
    "a renamed object in neither place": [
        op("write", 0, 1, "x"),
        op("rename", 2, 9, other=1),
        op("read", 3, 4),
        op("read", 5, 6, key=1),
    ],
    "a rename that replaced what it must not": [
        op("write", 0, 1, "x"),
        op("write", 0, 1, "y", key=1),
        op("place", 2, 3, other=1),
    ],
    "a rename of what its condition forbids": [
        op("write", 0, 1, "x"),
        op("write", 2, 3, "y"),
        op("rename", 4, 5, other=1, old="x"),
    ],
    "half of a folder": [
        op("write", 0, 1, "x"),
        op("write", 0, 1, "y", key=1),
        op("move", 2, 9, other=2),
        op("read", 3, 4, "x", key=2),
        op("read", 5, 6, "y", key=1),
    ],
    "a folder that took the place of another": [
        op("write", 0, 1, "x"),
        op("write", 0, 1, "y", key=3),
        op("move", 2, 3, other=2),
    ],
    "the head of later and the tail of before": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("patch", 4, 5, "p", old="fd", other=1),
        op("patch", 6, 7, "q", old="fd"),
        op("read", 2, 9, "x|q|"),
    ],
    "an ETag of before a write in place": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("patch", 4, 5, "p", old="fd"),
        op("read", 6, 7, "x"),
    ],
    "a lost write in place": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("patch", 4, 5, "p", old="fd"),
        op("hold", 6, 7, "fd"),
        op("patch", 8, 9, "q", old="fd", other=1),
        op("read", 10, 11, "x||q"),
    ],
    "a write in place that hit the file that came after": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("write", 4, 5, "y"),
        op("patch", 6, 7, "p", old="fd"),
        op("read", 8, 9, "y|p|"),
    ],
    "a descriptor of what was not there": [
        op("write", 0, 1, "x"),
        op("write", 2, 3, "y"),
        op("hold", 4, 5, "fd", old="x"),
    ],
    "a descriptor of what was renamed before": [
        op("write", 0, 1, "x"),
        op("rename", 2, 3, other=1),
        op("hold", 4, 5, "fd", old="x"),
    ],
    "a reader of two moments": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("patch", 4, 5, "p", old="fd"),
        op("patch", 6, 7, "t", old="fd", other=1),
        op("patch", 8, 9, "q", old="fd"),
        op("see", 0, 9, "x|p|t"),
        op("see", 0, 9, "x||t"),
    ],
    "a reader that met its file after that had lost its name": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("write", 4, 5, "y"),
        op("patch", 6, 7, "p", old="fd"),
        op("see", 5.5, 9, "x|p|"),
    ],
    "a reader page by page of what was written over before": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("patch", 4, 5, "p", old="fd"),
        op("patch", 6, 7, "q", old="fd"),
        op("glimpse", 6.5, 9, "x|p|"),
        op("glimpse", 8, 9, "x|p|"),
    ],
    "a reader page by page of two files of one body": [
        op("write", 0, 1, "x"),
        op("write", 0.5, 1, "x", key=1),
        op("hold", 2, 3, "fd"),
        op("patch", 4, 5, "p", old="fd"),
        op("hold", 2, 3, "other fd", key=1),
        op("patch", 4, 5, "t", old="other fd", other=1),
        op("rename", 6, 7, other=1),
        op("glimpse", 0, 9, "x|p|t", key=1),
    ],
    "a write in place of what was replaced and asked for by none, seen all the same": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("write", 4, 5, "y"),
        op("write", 6, 7, "z"),
        op("patch", 8, 9, "p", old="fd"),
        op("read", 10, 11, "z|p|"),
    ],
    "what waited too long": [
        op("write", 0, 9, "x"),
        op("write", 0, 9, "y", key=1),
        op("rename", 1, 2, other=1),
        op("read", 3, 4, "y", key=1),
        op("read", 5, 6),
        op("read", 10, 11, "y"),
    ],
    "a copy of what was never there": [
        op("write", 0, 1, "x"),
        op("hold", 2, math.inf, "copy"),
        op("store", 2, math.inf, old="copy", key=1),
        op("read", 5, 6, "z", key=1),
    ],
    "a swap of an ETag that was void": [
        op("write", 0, 1, "x"),
        op("hold", 2, 3, "fd"),
        op("patch", 4, 5, "p", old="fd"),
        op("swap", 6, 7, "y", old="x"),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_good(name: str) -> None:
    assert explain(GOOD[name], initial(4)) is None


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str) -> None:
    assert explain(BAD[name], initial(4))


def test_a_search_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "MAX_STATES", 50)
    history = [op("write", 0, 9, str(number)) for number in range(9)]
    wrong = op("read", 10, 11, "never written")
    with pytest.raises(explaining.Undecided) as given_up:
        explain([*history, wrong], initial())
    assert wrong in given_up.value.left


def test_long_histories_of_a_real_register_are_explained_and_one_changed_answer_is_noticed() -> None:
    """Threads on a dictionary under a lock: linearizable by construction."""
    lock, clock, history = threading.Lock(), iter(range(10**9)), []
    state = [initial()]

    def run(number: int) -> None:
        draw = random.Random(number)
        for turn in range(200):
            start = next(clock)
            value, key = f"{number}.{turn}", draw.randrange(2)
            with lock:
                held = state[0].keys[key]
                content = held.content if held else None
                wanted = draw.choice(("read", "write", "delete", "create"))
                kind = "present" if wanted == "create" and held is not None else wanted
                done = Operation(str(number), kind, key, start, 0, content if wanted == "read" else value)
                state[:] = steps(state[0], done)
            end = next(clock)
            history.append(Operation(done.client, done.kind, key, start, end, done.value))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert explain(history, initial()) is None
    last = max(found.end for found in history)
    held = state[0].keys[0]
    wrong = Operation("late", "read", 0, last + 1, last + 2, None if held else "never written")
    assert explain([*history, wrong], initial()) == [wrong]
