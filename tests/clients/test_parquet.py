"""Parquet datasets: PyArrow over s3fs and its own S3 (SDK for C++), DuckDB's httpfs, the mount."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.driver import INSTALLED, SOURCES, Driver, driven
from tests.system.service import Bucket, Service

pytestmark = [pytest.mark.mount, pytest.mark.clients]

ROWS = ["1000", "499500", "4"]
"""Rows, the sum of their numbers and the partitions that they are in."""


@pytest.fixture(scope="module")
def data(secure_service: Service) -> Iterator[Driver]:
    certificate = str(secure_service.certificate)
    command = [INSTALLED / "python" / "bin" / "python", SOURCES / "python" / "main.py"]
    # `CERTIFICATE` for what is told; botocore finds the other one.
    variables = {"CERTIFICATE": certificate, "AWS_CA_BUNDLE": certificate}
    with driven(command, secure_service.url or "", **variables) as driver:
        yield driver


ENGINES = ["s3fs", "arrow", "httpfs"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_dataset_is_the_same_through_the_mount(engine: str, data: Driver, secure_bucket: Bucket) -> None:
    bucket = secure_bucket
    data("write", engine, f"{bucket.name}/sets/in")
    assert sorted(path.name for path in (bucket.path / "sets" / "in").iterdir()) == [
        f"part={number}" for number in range(4)
    ]
    assert data("read", "local", bucket.path / "sets" / "in") == ROWS
    data("write", "local", bucket.path / "by posix")
    assert data("read", engine, f"{bucket.name}/by posix") == ROWS
