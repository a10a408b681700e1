"""restic: a repository in a bucket, whose files are ordinary ones on the mount."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.programs import make_tree, run
from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY, Bucket

pytestmark = [pytest.mark.mount, pytest.mark.clients]


def test_a_backup_is_made_checked_pruned_and_restored(bucket: Bucket, tmp_path: Path) -> None:
    remote = f"s3:{bucket.service.url}/{bucket.name}/repo"

    def restic(*words: str | Path, repository: str | Path = remote) -> str:
        return run(
            "restic", "--no-cache", "--repo", repository, *words, RESTIC_PASSWORD="secret",
            AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_DEFAULT_REGION=REGION,
        )

    tree = tmp_path / "tree"
    make_tree(tree, 120, "restic")
    restic("init")
    restic("backup", tree)
    (tree / "large").write_bytes(bytes(range(256)) * 4096 * 9)
    restic("backup", tree)
    restic("check", "--read-data")
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
    restic("restore", "latest", "--target", tmp_path / "back")
    run("diff", "-r", tree, tmp_path / "back" / tree.relative_to("/"))
    # The other door leads to the same repository.
    restic("check", "--read-data", repository=bucket.path / "repo")
    assert len(restic("snapshots", "--compact", repository=bucket.path / "repo").splitlines()) == 5
