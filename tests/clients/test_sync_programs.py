"""rclone, s3cmd and s5cmd: trees in and out, and a second sync in either direction that moves nothing.

The tree of the outward direction is written by POSIX, so no client has left its own metadata on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.programs import make_tree, rclone, run, s3_url, s3cmd, s5cmd
from tests.system.service import Bucket

pytestmark = [pytest.mark.mount, pytest.mark.clients]

Sync = Callable[[Bucket, Path, bool], str]
"""Sync between the bucket and a folder (outwards or inwards); answers what the program said it moved."""


def _rclone(bucket: Bucket, folder: Path, outwards: bool) -> str:
    places = [f"store:{bucket.name}", str(folder)]
    said = rclone(bucket.service, "sync", "-v", "--retries", "1", *(places if outwards else reversed(places)))
    return "\n".join(line for line in said.splitlines() if "Copied" in line or "Deleted" in line)


def _s3cmd(bucket: Bucket, folder: Path, outwards: bool) -> str:
    folder.mkdir(exist_ok=True)
    places = [s3_url(bucket), f"{folder}/"]
    said = s3cmd(bucket.service, "sync", "--no-progress", *(places if outwards else reversed(places)))
    return "\n".join(line for line in said.splitlines() if line.startswith(("download", "upload", "delete")))


def _s5cmd(bucket: Bucket, folder: Path, outwards: bool) -> str:
    places = [s3_url(bucket, "*"), f"{folder}/"] if outwards else [f"{folder}/", s3_url(bucket)]
    return s5cmd(bucket.service, "sync", *places)


programs = pytest.mark.parametrize("sync", [_rclone, _s3cmd, _s5cmd])


@programs
def test_a_posix_written_tree_goes_out_once(sync: Sync, bucket: Bucket, tmp_path: Path) -> None:
    make_tree(bucket.path, 250, "out")
    (bucket.path / "large").write_bytes(b"0123456789abcdef" * 2**20)
    assert sync(bucket, tmp_path / "out", True) != ""
    run("diff", "-r", bucket.path, tmp_path / "out")
    assert sync(bucket, tmp_path / "out", True) == ""
    changed = bucket.path / "pkg1" / "sub 1" / "file-1.c"
    changed.write_bytes(changed.read_bytes()[::-1] + b"longer")
    assert "file-1.c" in sync(bucket, tmp_path / "out", True)
    run("diff", "-r", bucket.path, tmp_path / "out")


@programs
def test_a_tree_goes_in_once_and_is_equal_through_the_mount(
    sync: Sync, bucket: Bucket, tmp_path: Path
) -> None:
    make_tree(tmp_path / "tree", 250, "in")
    (tmp_path / "tree" / "large").write_bytes(b"fedcba9876543210" * 2**20)
    # Last-Modified has whole seconds: what is uploaded in the second it was written looks older than it is.
    os.utime(tmp_path / "tree" / "large", (1_500_000_000, 1_500_000_000))
    assert sync(bucket, tmp_path / "tree", False) != ""
    run("diff", "-r", tmp_path / "tree", bucket.path)
    assert sync(bucket, tmp_path / "tree", False) == ""
    (tmp_path / "tree" / "new + odd & name").write_bytes(b"new")
    assert "new + odd & name" in sync(bucket, tmp_path / "tree", False)
    run("diff", "-r", tmp_path / "tree", bucket.path)


def test_rclone_checks_hashes_of_what_posix_wrote(bucket: Bucket, tmp_path: Path) -> None:
    make_tree(bucket.path, 60, "check")
    run("cp", "-r", bucket.path, tmp_path / "copy")
    said = rclone(bucket.service, "check", "--retries", "1", f"store:{bucket.name}", tmp_path / "copy")
    assert "0 differences found" in said
    assert "hashes could not be checked" not in said
    (tmp_path / "copy" / "pkg1" / "sub 1" / "file-1.c").write_bytes(
        (bucket.path / "pkg1" / "sub 1" / "file-1.c").read_bytes()[::-1]
    )
    with pytest.raises(AssertionError, match="1 differences found"):
        rclone(bucket.service, "check", "--retries", "1", f"store:{bucket.name}", tmp_path / "copy")


def test_rclone_uploads_in_parts_copies_and_moves(bucket: Bucket, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 * 12  # 12 MiB
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "large").write_bytes(content)
    in_parts = ["--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--s3-copy-cutoff", "5M"]
    place = f"store:{bucket.name}"
    rclone(bucket.service, "copy", *in_parts, tmp_path / "in", place)
    assert (bucket.path / "large").read_bytes() == content
    rclone(bucket.service, "copyto", f"{place}/large", f"{place}/by/copy", "--retries", "1")
    rclone(bucket.service, "moveto", f"{place}/by/copy", f"{place}/by/move", "--retries", "1")
    assert (bucket.path / "by" / "move").read_bytes() == content
    assert not (bucket.path / "by" / "copy").exists()
    assert rclone(bucket.service, "cat", f"{place}/by/move", "--offset", "300", "--count", "4") == "".join(
        map(chr, content[300:304])
    )


def test_s3cmd_single_commands(bucket: Bucket, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 * 6  # 6 MiB, in two parts
    (tmp_path / "large").write_bytes(content)
    s3cmd(bucket.service, "put", "--multipart-chunk-size-mb=5", tmp_path / "large", s3_url(bucket, "large"))
    assert (bucket.path / "large").read_bytes() == content
    s3cmd(bucket.service, "cp", s3_url(bucket, "large"), s3_url(bucket, "a b+c/copy"))
    s3cmd(bucket.service, "mv", s3_url(bucket, "a b+c/copy"), s3_url(bucket, "moved"))
    assert (bucket.path / "moved").read_bytes() == content
    s3cmd(bucket.service, "modify", "--add-header=x-amz-meta-colour:blue", s3_url(bucket, "moved"))
    assert "x-amz-meta-colour: blue" in s3cmd(bucket.service, "info", s3_url(bucket, "moved"))
    s3cmd(bucket.service, "get", s3_url(bucket, "moved"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert s3cmd(bucket.service, "du", s3_url(bucket)).split()[:2] == [str(2 * len(content)), "2"]
    s3cmd(bucket.service, "del", "-r", "-f", s3_url(bucket))
    assert list(bucket.path.iterdir()) == []


def test_s5cmd_copies_within_the_service(bucket: Bucket) -> None:
    """Its copy sources have `+` for a blank, as Go's QueryEscape makes them."""
    for name in ("plain", "odd + name & ü"):
        (bucket.path / "from" / name).mkdir(parents=True)
        (bucket.path / "from" / name / "file").write_text(name)
    s5cmd(bucket.service, "cp", s3_url(bucket, "from/*"), s3_url(bucket, "to/"))
    run("diff", "-r", bucket.path / "from", bucket.path / "to")
    s5cmd(bucket.service, "mv", s3_url(bucket, "to/*"), s3_url(bucket, "moved/"))
    run("diff", "-r", bucket.path / "from", bucket.path / "moved")
    s5cmd(bucket.service, "rm", s3_url(bucket, "moved/*"))
    assert s5cmd(bucket.service, "ls", s3_url(bucket, "*")).count("\n") == 2
