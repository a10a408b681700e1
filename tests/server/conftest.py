"""One endpoint per test, over a store of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.endpoint import Endpoint, running_endpoint
from tests.server.identities import Office, running_office


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    root = tmp_path / "store"
    root.mkdir()
    with running_endpoint(root) as running:
        yield running


@pytest.fixture
def client(endpoint: Endpoint) -> Any:
    return endpoint.client()


@pytest.fixture
def bucket(client: Any) -> str:
    client.create_bucket(Bucket="bucket")
    return "bucket"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """An endpoint with users, over a store of its own."""
    root = tmp_path / "store"
    root.mkdir()
    with running_office(root) as running:
        yield running
