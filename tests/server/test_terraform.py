"""Terraform's own S3 backend: its state and its lock are objects here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.server.identities import PASSWORD, Office, allowing

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("terraform") is None, reason="no registry here has Terraform"),
]

KEY = "env/prod.tfstate"


def configuration(url: str) -> str:
    """Without any provider: what is built in has a state, too."""
    backend = {
        "bucket": "state", "key": KEY, "region": "us-east-1",
        "endpoints": {"s3": url, "sts": url, "iam": url},
        "access_key": "deployer", "secret_key": PASSWORD, "use_path_style": True, "use_lockfile": True,
        "skip_metadata_api_check": True,
    }  # fmt: skip
    return json.dumps({
        "terraform": {"backend": {"s3": backend}},
        "resource": {"terraform_data": {"one": {"input": "hello"}}},
        "output": {"it": {"value": "${terraform_data.one.output}"}},
    })  # fmt: skip


def terraform(folder: Path, *words: str, status: int = 0) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(
        ["terraform", *words, "-no-color"], cwd=folder, env=environ, capture_output=True, text=True,
        timeout=120, check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_state_and_lock(office: Office, tmp_path: Path) -> None:
    s3: Any = office.endpoint.client()
    s3.create_bucket(Bucket="state")
    office.user("deployer", allowing("s3:*", "state", "state/*"))  # names itself to STS first, which all may
    (tmp_path / "main.tf.json").write_text(configuration(office.endpoint.url))
    terraform(tmp_path, "init")
    assert "1 added" in terraform(tmp_path, "apply", "-auto-approve")
    state = json.loads(s3.get_object(Bucket="state", Key=KEY)["Body"].read())
    assert state["outputs"]["it"]["value"] == "hello"
    assert "No changes" in terraform(tmp_path, "plan", "-detailed-exitcode")
    lock = {"ID": "6f9bb4a2-0000-4000-8000-000000000000", "Operation": "x", "Who": "somebody else"}
    s3.put_object(Bucket="state", Key=f"{KEY}.tflock", Body=json.dumps(lock).encode())
    assert "somebody else" in terraform(tmp_path, "apply", "-auto-approve", status=1)
    s3.delete_object(Bucket="state", Key=f"{KEY}.tflock")
    assert "1 destroyed" in terraform(tmp_path, "destroy", "-auto-approve")
    keys = [row["Key"] for row in s3.list_objects_v2(Bucket="state")["Contents"]]
    assert keys == [KEY]  # no lock is left
