"""A store in memory for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.identity.kit import Bench, memory_bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with memory_bench(tmp_path) as made:
        yield made
