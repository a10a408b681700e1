"""A namespace with one bucket over each kind of store; afterwards no descriptor and no lock may be left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.namespace.kit import BUCKET, FEWER, FixedClock, memory_store
from weka_mp.namespace import Namespace
from weka_mp.store.memory import MemoryStore
from weka_mp.store.posix import PosixStore


def opened(store: MemoryStore) -> Iterator[Namespace]:
    with Namespace.open(store) as namespace:
        namespace.create_bucket(BUCKET)
        yield namespace
    assert (store.open_descriptors(), store.held_locks()) == (0, 0)


@pytest.fixture
def memory() -> MemoryStore:
    return memory_store()


@pytest.fixture
def namespace(memory: MemoryStore) -> Iterator[Namespace]:
    yield from opened(memory)


@pytest.fixture(params=sorted(FEWER))
def any_namespace(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    yield from opened(memory_store(**FEWER[request.param]))


@pytest.fixture
def posix(tmp_path: Path) -> Iterator[PosixStore]:
    store = PosixStore(str(tmp_path))
    yield store
    store.shutdown()


@pytest.fixture
def posix_namespace(posix: PosixStore) -> Iterator[Namespace]:
    with Namespace.open(posix) as namespace:
        namespace.create_bucket(BUCKET)
        yield namespace


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()
