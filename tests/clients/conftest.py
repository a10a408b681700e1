"""One service a module for other programs; caches of the mount last as long as by default."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.system.service import Bucket, Service, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("clients"), "--workers", "2") as started:
        yield started


@pytest.fixture
def bucket(service: Service) -> Bucket:
    return service.make_bucket()


@pytest.fixture(scope="session", autouse=True)
def every_program_is_there() -> None:
    """A missing tool fails: tools/setup --dev installs them all."""
    programs = ["aws", "curl", "git", "rsync", "sqlite3", "tar", "diff", "dd", "getfattr", "setfattr"]
    programs += ["fio", "rclone", "s3cmd", "s3fs"]
    missing = [program for program in programs if shutil.which(program) is None]
    assert not missing, f"run tools/setup --dev: {missing}"
