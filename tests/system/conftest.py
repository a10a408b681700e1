"""One service a module, whose kernel caches never expire: what the mount shows was invalidated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.service import Bucket, Service, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service"), "--workers", "2", "--attr-timeout", "3600") as started:
        yield started


@pytest.fixture
def bucket(service: Service) -> Bucket:
    return service.make_bucket()
