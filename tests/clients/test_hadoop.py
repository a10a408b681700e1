"""Hadoop's S3A: files and folders over S3, rename, and the committer that names nothing too early."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.driver import Driver, RefusedError
from tests.system.service import Bucket

pytestmark = [pytest.mark.mount, pytest.mark.clients]

MIB = 1 << 20


def url(bucket: Bucket, path: str) -> str:
    return f"s3a://{bucket.name}/{path}"


def test_files_go_in_and_out_in_parts(java: Driver, secure_bucket: Bucket, tmp_path: Path) -> None:
    bucket, body = secure_bucket, os.urandom(MIB) * 12 + b"end"
    (tmp_path / "body").write_bytes(body)
    java("fs-write", url(bucket, "dir/large"), tmp_path / "body")
    assert (bucket.path / "dir" / "large").read_bytes() == body
    assert bucket.etag("dir/large").endswith("-3")
    (bucket.path / "dir" / "by posix").write_bytes(body)
    java("fs-read", url(bucket, "dir/by posix"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == body
    assert sorted(java("fs-list", url(bucket, "dir"))) == ["by posix", "large"]


def test_folders_are_folders_of_the_mount(java: Driver, secure_bucket: Bucket, tmp_path: Path) -> None:
    bucket = secure_bucket
    assert java("fs-mkdirs", url(bucket, "made/by s3a")) == ["true"]
    assert (bucket.path / "made" / "by s3a").is_dir()
    assert java("fs-status", url(bucket, "made/by s3a")) == ["directory", "0"]
    (bucket.path / "made" / "by s3a" / "file").write_bytes(b"posix")
    assert java("fs-status", url(bucket, "made/by s3a/file")) == ["file", "5"]
    assert java("fs-rename", url(bucket, "made"), url(bucket, "renamed")) == ["true"]
    assert (bucket.path / "renamed" / "by s3a" / "file").read_bytes() == b"posix"
    assert not (bucket.path / "made").exists()
    assert java("fs-delete", url(bucket, "renamed")) == ["true"]
    assert bucket.keys() == []
    with pytest.raises(RefusedError) as refused:
        java("fs-status", url(bucket, "renamed"))
    assert refused.value.code == "FileNotFoundException"


def test_nothing_has_a_name_before_the_job_is_committed(
    java: Driver, secure_bucket: Bucket, tmp_path: Path
) -> None:
    bucket, body = secure_bucket, os.urandom(100_000)
    (tmp_path / "body").write_bytes(body)
    before = java("fs-commit", url(bucket, "out"), tmp_path / "body")
    assert [name for name in before if "part-" in name and not name.startswith("__magic")] == []
    assert sorted(os.listdir(bucket.path / "out")) == ["_SUCCESS", "part-0", "part-1"]
    assert (bucket.path / "out" / "part-0").read_bytes() == body
    assert (bucket.path / "out" / "part-1").read_bytes() == body
    assert "Uploads" not in bucket.s3.list_multipart_uploads(Bucket=bucket.name)
