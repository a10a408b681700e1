"""Buckets that are mount points: uploads are completed there too, and what dies there is swept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.mount


def test_regression_uploads_into_a_bucket_on_another_file_system(tmp_path: Path) -> None:
    """A completion in place ended in an error there: a rename cannot lead from one to the other."""
    script = [sys.executable, "-m", "tests.crash.far_bucket", str(tmp_path / "store")]
    done = subprocess.run(
        ["unshare", "-m", *script], cwd=Path(__file__).parents[2], capture_output=True, text=True,
        check=False, timeout=100,
    )
    assert (done.stdout, done.returncode) == ("ok\n", 0), done.stderr
