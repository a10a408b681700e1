"""Keys come from a profile of the target's name, then from variables, then from the default profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from weka_mp.bench.credentials import keys_for
from weka_mp.bench.signing import Keys
from weka_mp.bench.targets import TargetFailed

FILE = """[default]
aws_access_key_id = plain
aws_secret_access_key = %plain%
[minio]
aws_access_key_id = m
aws_secret_access_key = n
"""
VARIABLES = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "keys").write_text(FILE)
    return {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "keys")}


def test_the_order(environment: dict[str, str]) -> None:
    assert keys_for("minio", environment | VARIABLES) == Keys("m", "n")
    assert keys_for("other", environment | VARIABLES) == Keys("a", "b")
    assert keys_for("other", environment) == Keys("plain", "%plain%")
    assert keys_for("other", environment | {"AWS_PROFILE": "minio"}) == Keys("m", "n")


def test_none_is_a_clear_failure(tmp_path: Path) -> None:
    with pytest.raises(TargetFailed, match="AWS_ACCESS_KEY_ID"):
        keys_for("other", {"HOME": str(tmp_path)})
    (tmp_path / "bad").write_text("no section\n")
    with pytest.raises(TargetFailed, match="bad"):
        keys_for("other", {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "bad")})
