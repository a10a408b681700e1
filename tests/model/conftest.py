"""One service for all programs, whose kernel caches never expire: what the mount shows was invalidated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.both import Both
from tests.system.service import Service, running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("model"), "--workers", "2", "--attr-timeout", "3600") as started:
        yield started


@pytest.fixture
def both(service: Service) -> Iterator[Both]:
    made = Both(service)
    try:
        yield made
    finally:
        made.close()
