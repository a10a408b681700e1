"""Garbage gives refusals and nothing else: the kept corpus, a short seeded run, and a long one as a soak.

A finding prints its input; it is kept as a file of the corpus, which every run replays.
"""

from __future__ import annotations

import os

import pytest

from tests.fuzz.mutation import corpus, explore
from tests.fuzz.targets import TARGETS

SEED = int(os.environ.get("FUZZ_SEED", "1"))
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "500"))


@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs(name: str) -> None:
    kept = corpus(name)
    assert kept, f"nothing is kept for {name}"
    for entry, data in kept.items():
        try:
            TARGETS[name](data)
        except Exception as error:
            error.add_note(f"corpus/{name}/{entry}")
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_short_run(name: str) -> None:
    assert explore(name, TARGETS[name], SEED, ROUNDS) >= 1


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", TARGETS)
def test_long_guided_run(name: str) -> None:
    rounds = 200 * ROUNDS
    assert explore(name, TARGETS[name], SEED, rounds, guided=True) >= len(corpus(name))


def test_a_target_that_lets_something_out_is_found() -> None:
    def target(data: bytes) -> None:
        if data.startswith(b"GET") and b"\0" in data:
            raise RuntimeError("found")

    with pytest.raises(RuntimeError) as caught:
        explore("head", target, SEED, 50_000)
    assert "input b'GET" in caught.value.__notes__[0]
