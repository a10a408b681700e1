"""git on the mount: what it makes is found through S3, and what S3 changes git sees."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.clients.programs import aws, make_tree, run, s3_url
from tests.system.service import Bucket, weka_mp

pytestmark = [pytest.mark.mount, pytest.mark.clients]

AUTHOR = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "safe.directory=*"]


def git(folder: Path, *words: str | Path) -> str:
    return run("git", *AUTHOR, *words, cwd=folder)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with a few commits, made beside the mount."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for number in range(3):
        make_tree(folder, 60 * (number + 1), f"commit {number}")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", f"commit {number}")
    return folder


def test_clone_commit_gc_and_fsck_on_the_mount(bucket: Bucket, origin: Path) -> None:
    clone = bucket.path / "clone"
    git(bucket.path, "clone", "-q", origin, clone)
    run("diff", "-r", "--exclude=.git", origin, clone)
    (clone / "new file").write_bytes(b"new")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "on the mount")
    git(clone, "checkout", "-q", "-b", "side", "HEAD~2")
    git(clone, "checkout", "-q", "main")
    git(clone, "gc", "-q", "--aggressive", "--prune=now")
    assert git(clone, "fsck", "--full") == ""
    assert git(clone, "status", "--porcelain") == ""
    assert git(clone, "log", "--oneline").count("\n") == 4
    git(origin, "pull", "-q", clone, "main")
    assert (origin / "new file").read_bytes() == b"new"


def test_a_repository_on_the_mount_is_whole_through_s3(bucket: Bucket, origin: Path, tmp_path: Path) -> None:
    git(bucket.path, "clone", "-q", "--no-local", origin, bucket.path / "clone")
    copy = tmp_path / "copy"
    for key in bucket.keys("clone/"):
        path = copy / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bucket.get(key))
    # What S3 cannot carry: directories without files.
    for folder in ("refs/heads", "refs/tags", "objects/pack", "objects/info"):
        (copy / "clone/.git" / folder).mkdir(parents=True, exist_ok=True)
    assert git(copy / "clone", "-c", "core.fileMode=false", "status", "--porcelain") == ""
    assert git(copy / "clone", "fsck", "--full") == ""


def test_git_sees_a_change_made_through_s3(bucket: Bucket) -> None:
    folder = bucket.path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    bucket.put("repository/file", b"one\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    bucket.put("repository/file", b"two\n")
    bucket.put("repository/other", b"x")
    assert git(folder, "status", "--porcelain").splitlines() == [" M file", "?? other"]
    git(folder, "checkout", "-q", "file")
    assert bucket.get("repository/file") == b"one\n"
    tag = bucket.etag("repository/file")
    assert "-" in tag or tag == hashlib.md5(b"one\n").hexdigest()


def test_a_clone_is_synced_out_twice_with_true_etags(bucket: Bucket, origin: Path, tmp_path: Path) -> None:
    clone, out = bucket.path / "clone", tmp_path / "out"
    git(bucket.path, "clone", "-q", "--no-local", origin, clone)
    aws(bucket.service, "s3", "sync", "--only-show-errors", s3_url(bucket, "clone"), out)
    files = [path.relative_to(clone) for path in clone.rglob("*") if path.is_file()]
    assert all((out / name).read_bytes() == (clone / name).read_bytes() for name in files)
    assert sum(1 for path in out.rglob("*") if path.is_file()) == len(files) > 180
    assert aws(bucket.service, "s3", "sync", "--no-progress", s3_url(bucket, "clone"), out) == ""
    assert weka_mp("etag", "fill", "--wait", "--store", bucket.service.store, bucket.name).returncode == 0
    for name in files:
        assert bucket.etag(f"clone/{name}") == hashlib.md5((clone / name).read_bytes()).hexdigest()
    assert aws(bucket.service, "s3", "sync", "--no-progress", s3_url(bucket, "clone"), out) == ""
