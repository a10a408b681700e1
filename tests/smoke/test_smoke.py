"""The shortest proof that the whole works: what is put through one door is found behind the other."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.system.service import Bucket, running

pytestmark = pytest.mark.mount


def test_one_store_two_views_and_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    body = b"from S3\n" * 1000
    with running(tmp_path) as service:
        bucket = service.make_bucket("smoke")
        answer = bucket.put("folder/from-s3.txt", body)
        assert answer["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
        shown = subprocess.run(["cat", bucket.path / "folder/from-s3.txt"], capture_output=True, check=True)
        assert shown.stdout == body

        subprocess.run(
            ["sh", "-c", 'echo from POSIX > "$0"', bucket.path / "from-posix.txt"], check=True, text=True
        )
        assert bucket.get("from-posix.txt") == b"from POSIX\n"
        assert bucket.keys() == ["folder/from-s3.txt", "from-posix.txt"]

        bucket.put("going", b"x")
        bucket.delete("going")
        assert not (bucket.path / "going").exists()

    assert (tmp_path / "store" / bucket.name / "folder" / "from-s3.txt").read_bytes() == body
    with running(tmp_path) as service:
        again = Bucket(service, bucket.name)
        assert again.keys() == ["folder/from-s3.txt", "from-posix.txt"]
        assert again.get("folder/from-s3.txt") == body
        assert again.etag("folder/from-s3.txt") == hashlib.md5(body).hexdigest()
        assert (again.path / "from-posix.txt").read_bytes() == b"from POSIX\n"
