"""One desk for the tests of what is done at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.control.test_desk import Office
from tests.unit.namespace.kit import FixedClock
from weka_mp.clock import SeededRandom
from weka_mp.namespace import Namespace
from weka_mp.store.memory import MemoryStore


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    clock = FixedClock()
    with Namespace.open(MemoryStore(), clock=clock, random=SeededRandom(3)) as namespace:
        made = Office(namespace, tmp_path, clock)
        yield made
        made.desk.close()
