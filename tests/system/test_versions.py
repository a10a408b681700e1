"""Versions of the whole service: made and taken back by several workers, looked at through the mount at each
step.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.service import Bucket, weka_mp

pytestmark = pytest.mark.mount


@pytest.fixture
def versioned(bucket: Bucket) -> Bucket:
    set_versioning(bucket, "Enabled")
    return bucket


def set_versioning(bucket: Bucket, status: str) -> None:
    bucket.s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": status})


def rows_of(bucket: Bucket) -> list[tuple[str, str]]:
    """Key and id of every version and marker, from pages of two."""
    pages = bucket.s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket.name, PaginationConfig={"PageSize": 2}
    )
    return [
        (row["Key"], row["VersionId"])
        for page in pages
        for row in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
    ]


def test_the_mount_shows_what_is_current_at_each_step(versioned: Bucket) -> None:
    bucket, path = versioned, versioned.path
    one = bucket.put("d/k", b"one")["VersionId"]
    assert (path / "d/k").read_bytes() == b"one"
    with (path / "d/k").open("rb") as opened:
        two = bucket.put("d/k", b"two!")["VersionId"]
        assert (path / "d/k").read_bytes() == b"two!"
        assert opened.read() == b"one"
    assert (bucket.get("d/k", VersionId=one), bucket.get("d/k", VersionId=two)) == (b"one", b"two!")
    marker = bucket.delete("d/k")["VersionId"]
    assert not (path / "d").exists()
    assert bucket.is_absent("d/k")
    bucket.delete("d/k", VersionId=marker)
    assert (path / "d/k").read_bytes() == b"two!"
    bucket.delete("d/k", VersionId=two)
    assert (path / "d/k").read_bytes() == b"one"
    (path / "d/k").write_bytes(b"by the mount")
    three = bucket.put("d/k", b"three")["VersionId"]
    assert {version for _, version in rows_of(bucket)} >= {three}
    assert os.listdir(path) == ["d"] and os.listdir(path / "d") == ["k"]
    set_versioning(bucket, "Suspended")
    bucket.put("d/k", b"null")
    assert ((path / "d/k").read_bytes(), bucket.get("d/k", VersionId="null")) == (b"null", b"null")
    assert bucket.get("d/k", VersionId=three) == b"three"
    listed = weka_mp("s3", "bucket", "list", "--format", "csv", "--store", bucket.service.store)
    assert [line.split(",")[5] for line in listed.stdout.splitlines() if line.startswith(bucket.name)] == [
        "suspended"]


def test_former_versions_are_read_on_the_mount_and_nothing_else(versioned: Bucket) -> None:
    bucket, former = versioned, versioned.path / ".weka~versions"
    assert not former.exists()
    one = bucket.put("d/k", b"one")["VersionId"]
    two = bucket.put("d/k", b"two")["VersionId"]
    assert not (former / "d/k" / two).exists()
    marker = bucket.delete("d/k")["VersionId"]
    assert sorted(os.listdir(former / "d/k")) == sorted([one, two, f"{marker}.deleted"])
    assert os.listdir(bucket.path) == []
    shutil.copy(former / "d/k" / one, bucket.path / "back")
    assert bucket.get("back") == b"one"
    for attempt in (
        lambda: (former / "d/k" / one).write_bytes(b"x"),
        lambda: (former / "d/k" / one).unlink(),
        lambda: (former / "d/k/new").touch(),
        lambda: shutil.rmtree(former),
        lambda: os.rename(former / "d/k" / one, bucket.path / "moved"),
        lambda: os.chmod(former / "d", 0o777),
    ):
        with pytest.raises(OSError) as refused:
            attempt()
        assert refused.value.errno == errno.EROFS
    bucket.delete("d/k", VersionId=marker)
    assert (former / "d/k" / one).read_bytes() == b"one"
    assert os.listdir(former / "d/k") == [one]
    found = subprocess.run(["find", former, "-type", "f"], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(former / "d/k" / one)]
    bucket.delete("d/k", VersionId=one)
    assert not (former / "d/k").exists()


def test_workers_lose_no_version_of_a_key_that_all_write(versioned: Bucket) -> None:
    bucket = versioned

    def write(number: int) -> list[tuple[str, bytes]]:
        own, made = bucket.service.client(), []
        for turn in range(10):
            body = b"%d of %d" % (turn, number)
            done = own.put_object(Bucket=bucket.name, Key="k", Body=body)
            made.append((done["VersionId"], body))
            if turn % 5 == 4:
                own.delete_object(Bucket=bucket.name, Key="k")
            if turn % 5 == 2:  # taken back for good, be it the current one or not
                version, _ = made.pop()
                own.delete_object(Bucket=bucket.name, Key="k", VersionId=version)
        return made

    with ThreadPoolExecutor(4) as pool:
        made = [row for rows in pool.map(write, range(4)) for row in rows]
    rows = rows_of(bucket)
    assert len(rows) == len(set(rows)) == len(made) + 4 * 2
    assert {version for _, version in rows} >= {version for version, _ in made}
    for version, body in made:
        assert bucket.get("k", VersionId=version) == body
    for key, version in rows:
        bucket.delete(key, VersionId=version)
    assert (rows_of(bucket), os.listdir(bucket.path)) == ([], [])
