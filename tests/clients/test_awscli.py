"""awscli: trees in and out, and a second sync that finds nothing to do."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import sysconfig
from pathlib import Path

import pytest

from tests.clients.programs import aws, make_tree, run, s3_url
from tests.system.service import Bucket, weka_mp

pytestmark = [pytest.mark.mount, pytest.mark.clients]


def assert_true_etags(bucket: Bucket, tree: Path, prefix: str = "") -> None:
    """Every regular file is an object whose ETag is its MD5, and there is no other object.

    No file may be so large that awscli uploads it in parts (8 MiB): S3 has composite tags for those.
    """
    expected = {
        prefix + str(path.relative_to(tree)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in tree.rglob("*") if path.is_file() and not path.is_symlink()
    }
    pages = bucket.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix=prefix)
    entries = [entry for page in pages for entry in page.get("Contents", ())]
    found = {entry["Key"]: entry["ETag"].strip('"') for entry in entries}
    assert found.keys() == expected.keys()
    assert {key: tag for key, tag in found.items() if tag != expected[key]} == {}


def test_a_tree_is_synced_in_and_equal_through_the_mount(bucket: Bucket, tmp_path: Path) -> None:
    make_tree(tmp_path / "tree", 1000, "in")
    aws(bucket.service, "s3", "sync", "--only-show-errors", tmp_path / "tree", s3_url(bucket))
    run("diff", "-r", tmp_path / "tree", bucket.path)
    assert_true_etags(bucket, tmp_path / "tree")
    assert aws(bucket.service, "s3", "sync", "--no-progress", tmp_path / "tree", s3_url(bucket)) == ""
    aws(bucket.service, "s3", "sync", "--only-show-errors", s3_url(bucket), tmp_path / "out")
    run("diff", "-r", tmp_path / "tree", tmp_path / "out")
    (bucket.path / "pkg1" / "sub 1" / "new by posix").write_bytes(b"new")
    (tmp_path / "tree" / "pkg2").rename(tmp_path / "tree" / "pkg-renamed")
    aws(bucket.service, "s3", "sync", "--delete", "--only-show-errors", tmp_path / "tree", s3_url(bucket))
    # diff opened every directory, and those stay: they are POSIX callers' now.
    run("find", bucket.path, "-depth", "-mindepth", "1", "-type", "d", "-empty", "-delete")
    run("diff", "-r", tmp_path / "tree", bucket.path)


def test_a_tree_written_by_posix_is_synced_out_twice_before_and_after_the_fill(
    bucket: Bucket, tmp_path: Path
) -> None:
    make_tree(bucket.path, 500, "out")
    with (bucket.path / "large").open("wb") as file:
        file.write(b"0123456789abcdef" * 2**20)  # 16 MiB: fetched by awscli in ranges with If-Match
    aws(bucket.service, "s3", "sync", "--only-show-errors", s3_url(bucket), tmp_path / "out")
    run("diff", "-r", bucket.path, tmp_path / "out")
    assert aws(bucket.service, "s3", "sync", "--no-progress", s3_url(bucket), tmp_path / "out") == ""
    assert weka_mp("etag", "fill", "--wait", "--store", bucket.service.store, bucket.name).returncode == 0
    assert_true_etags(bucket, bucket.path)
    assert aws(bucket.service, "s3", "sync", "--no-progress", s3_url(bucket), tmp_path / "out") == ""
    assert aws(bucket.service, "s3", "sync", "--no-progress", tmp_path / "out", s3_url(bucket)) == ""


def test_single_commands(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    made = f"{bucket.name}-by-awscli"
    aws(bucket.service, "s3", "mb", f"s3://{made}")
    aws(bucket.service, "s3", "cp", tmp_path / "file", f"s3://{made}/folder/ünï name")
    assert "7 ünï name" in aws(bucket.service, "s3", "ls", f"s3://{made}/folder/")
    assert "PRE folder/" in aws(bucket.service, "s3", "ls", f"s3://{made}")
    aws(bucket.service, "s3", "mv", f"s3://{made}/folder/ünï name", f"s3://{made}/moved")
    assert (bucket.path.parent / made / "moved").read_bytes() == b"content"
    assert not (bucket.path.parent / made / "folder").exists()
    aws(bucket.service, "s3", "cp", f"s3://{made}/moved", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"content"
    assert '"ContentLength": 7' in aws(
        bucket.service, "s3api", "head-object", "--bucket", made, "--key", "moved"
    )
    aws(bucket.service, "s3", "rb", "--force", f"s3://{made}")
    assert not (bucket.path.parent / made).exists()


def test_a_large_file_goes_up_and_down_in_parts(bucket: Bucket, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        for number in range(40):
            file.write(bytes([number]) * 2**20)
    aws(bucket.service, "s3", "cp", "--only-show-errors", tmp_path / "large", s3_url(bucket, "large"))
    run("cmp", tmp_path / "large", bucket.path / "large")
    assert bucket.etag("large").endswith("-5")
    aws(bucket.service, "s3", "cp", "--only-show-errors", s3_url(bucket, "large"), tmp_path / "back")
    run("cmp", tmp_path / "large", tmp_path / "back")


def test_a_large_object_is_copied_and_moved_from_bucket_to_bucket(bucket: Bucket, tmp_path: Path) -> None:
    """Above 8 MiB awscli copies by UploadPartCopy."""
    other = bucket.service.make_bucket()
    body = b"".join(bytes([number]) * 2**20 for number in range(20)) + b"end"
    (bucket.path / "by posix").write_bytes(body)
    aws(bucket.service, "s3", "cp", "--only-show-errors", s3_url(bucket, "by posix"), s3_url(other, "x"))
    assert (other.path / "x").read_bytes() == body
    assert other.etag("x").endswith("-3")
    aws(bucket.service, "s3", "mv", "--only-show-errors", s3_url(other, "x"), s3_url(bucket, "deep/er/x"))
    assert (bucket.path / "deep" / "er" / "x").read_bytes() == body
    assert not (other.path / "x").exists()
    assert '"UploadId"' not in aws(
        bucket.service, "s3api", "list-multipart-uploads", "--bucket", bucket.name
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("files", [1_500, pytest.param(10_000, marks=pytest.mark.soak)])
def test_a_real_source_tree(bucket: Bucket, tmp_path: Path, files: int) -> None:
    """Files of the standard library and of what is installed beside it."""
    tree = tmp_path / "tree"
    roots = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))]
    found = [
        (root, path) for root in roots for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 8 * 2**20
    ]
    for number, (root, path) in enumerate(itertools.islice(itertools.cycle(found), files)):
        copy = tree / f"round{number // len(found)}-{root.name}" / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    aws(bucket.service, "s3", "sync", "--only-show-errors", tree, s3_url(bucket, "in"), timeout=600)
    run("diff", "-r", tree, bucket.path / "in", timeout=300)
    assert_true_etags(bucket, tree, "in/")
    assert aws(
        bucket.service, "s3", "sync", "--no-progress", tree, s3_url(bucket, "in"), timeout=300
    ) == ""
