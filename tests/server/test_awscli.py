"""The AWS command line, as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY

pytestmark = pytest.mark.clients


@pytest.fixture
def aws(endpoint, tmp_path):
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": endpoint.url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "awscli", "s3", *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def make_tree(root: Path) -> None:
    for name, size in (("a.txt", 10), ("d/b.bin", 100_000), ("d/e/empty", 0), ("big.bin", 9_000_000)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))


def test_the_everyday_commands(aws, endpoint, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    source.mkdir()
    make_tree(source)
    aws("mb", "s3://bucket")
    aws("sync", str(source), "s3://bucket/tree")
    assert aws("sync", str(source), "s3://bucket/tree").strip() == ""
    aws("sync", "s3://bucket/tree", str(back))
    for path in source.rglob("*"):
        if path.is_file():
            assert (back / path.relative_to(source)).read_bytes() == path.read_bytes()
    aws("cp", "s3://bucket/tree/a.txt", "s3://bucket/copy.txt")
    assert (endpoint.root / "bucket" / "copy.txt").read_bytes() == (source / "a.txt").read_bytes()
    assert "PRE tree/" in aws("ls", "s3://bucket/")
    aws("rm", "--recursive", "s3://bucket")
    aws("rb", "s3://bucket")
    assert aws("ls").strip() == ""
