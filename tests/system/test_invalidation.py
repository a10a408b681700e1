"""With time-outs of an hour the kernel really keeps what it saw, and S3 really takes it away."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.system.service import Bucket, Service, is_mounted, running
from tests.system.waiting import wait_until

pytestmark = pytest.mark.mount


def test_a_change_past_both_doors_stays_unseen_so_the_caches_are_on(bucket: Bucket) -> None:
    """The proof that the other tests of this folder can fail: without the message nothing is seen."""
    inside = bucket.service.store / bucket.name
    bucket.put("object", b"old")
    assert not (bucket.path / "absent").exists()
    assert (bucket.path / "object").stat().st_size == 3
    (inside / "object").write_bytes(b"longer than before")
    (inside / "absent").write_bytes(b"x")
    assert (bucket.path / "object").stat().st_size == 3
    assert not (bucket.path / "absent").exists()
    assert bucket.get("object") == b"longer than before"
    assert sorted(bucket.keys()) == ["absent", "object"]
    bucket.put("object", b"S3 was here")
    assert (bucket.path / "object").read_bytes() == b"S3 was here"


def test_a_change_past_both_doors_is_seen_when_the_time_out_is_over(tmp_path: Path) -> None:
    with running(tmp_path, "--attr-timeout", "0.2") as service:
        bucket = service.make_bucket()
        bucket.put("object", b"old")
        assert (bucket.path / "object").stat().st_size == 3
        (service.store / bucket.name / "object").write_bytes(b"longer than before")
        wait_until("the new size", 5, lambda: (bucket.path / "object").stat().st_size == 18)
        assert (bucket.path / "object").read_bytes() == b"longer than before"


def test_regression_a_shell_keeps_its_working_directory(bucket: Bucket) -> None:
    """The entry of a directory was taken from the kernel although nothing had become of it: getcwd failed."""
    bucket.put("a/b/first")
    with subprocess.Popen(
        ["/bin/sh", "-c", "while read line; do /bin/pwd; done"], cwd=bucket.path / "a/b",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as shell:
        assert shell.stdin is not None and shell.stdout is not None
        for key in ("a/b/second", "a/other", "a/b/c/third", "a/b/", "a/b/c/"):
            bucket.put(key)
            shell.stdin.write("\n")
            assert shell.stdout.readline() == f"{bucket.path}/a/b\n", key
        bucket.delete("a/b/")
        shell.stdin.write("\n")
        assert shell.stdout.readline() == f"{bucket.path}/a/b\n"
        shell.stdin.close()


def test_regression_a_folder_that_moved_away_and_back_is_there_for_who_missed_it(bucket: Bucket) -> None:
    """The kernel kept an entry "there is none": the folder was taken for one whose entry it still had."""
    bucket.put("from/key", b"body")
    folder, elsewhere = bucket.path / "from", bucket.path / "to"
    held = os.open(folder, os.O_PATH)  # the kernel goes on referring to the inode
    try:
        for _ in range(2):
            bucket.s3.rename_object(Bucket=bucket.name, Key="to/", RenameSource="from/")
            assert not folder.exists()
            bucket.s3.rename_object(Bucket=bucket.name, Key="from/", RenameSource="to/")
            assert (folder / "key").read_bytes() == b"body"
            assert not elsewhere.exists()
            bucket.s3.rename_object(Bucket=bucket.name, Key="to/", RenameSource="from/")
            assert (elsewhere / "key").read_bytes() == b"body"
            bucket.s3.rename_object(Bucket=bucket.name, Key="from/", RenameSource="to/")
            assert (folder / "key").read_bytes() == b"body"
    finally:
        os.close(held)


def test_regression_a_folder_that_comes_back_over_another_is_the_one_that_is_seen(bucket: Bucket) -> None:
    """Both had been known by that name, and the entry of the other was taken for the one of the first."""
    bucket.put("name/key", b"body")
    held = os.open(bucket.path / "name", os.O_PATH)
    try:
        bucket.s3.rename_object(Bucket=bucket.name, Key="away/", RenameSource="name/")
        (bucket.path / "name").mkdir()
        bucket.s3.rename_object(Bucket=bucket.name, Key="name/", RenameSource="away/")
        assert (bucket.path / "name" / "key").read_bytes() == b"body"
    finally:
        os.close(held)


def test_every_kind_of_change_is_seen_on_every_mount(tmp_path: Path) -> None:
    other = tmp_path / "other mount"
    other.mkdir()
    with running(tmp_path, "--attr-timeout", "3600", "--mount", str(other)) as service:
        bucket = service.make_bucket()
        for number in range(10):
            for path in (bucket.path, other / bucket.name):
                name = f"folder/object-{number}"
                assert not (path / name).exists()
                bucket.put(name, b"%d" % number)
                assert (path / name).read_bytes() == b"%d" % number
                assert os.listdir(path / "folder") == [f"object-{number}"]
                bucket.put(name, b"again")
                assert (path / name).read_bytes() == b"again"
                bucket.delete(name)
                assert not (path / name).exists()
    assert not is_mounted(other)


def test_changes_of_many_clients_are_each_seen_by_their_client(bucket: Bucket) -> None:
    """Both workers answer; each client looks right after its own reply."""

    def change(client: int) -> int:
        path = bucket.path / f"shared/{client}"
        for number in range(25):
            body = b"%d-%d" % (client, number) * (1 + number % 3)
            bucket.put(f"shared/{client}", body)
            assert path.read_bytes() == body
            assert path.name in os.listdir(path.parent)
            if number % 5 == 4:
                bucket.delete(f"shared/{client}")
                assert not path.exists()
        return client

    bucket.put("shared/anchor", b"")
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(change, range(6))) == list(range(6))
    assert bucket.keys() == ["shared/anchor"]


def test_bytes_written_by_posix_are_not_lost_by_invalidation(bucket: Bucket) -> None:
    """PUTs of neighbours invalidate the directory while a file in it is being written."""
    with (bucket.path / "written").open("wb", buffering=0) as writer:
        for number in range(60):
            writer.write(b"%08d" % number)
            bucket.put("neighbour", b"%d" % number)
    expected = b"".join(b"%08d" % number for number in range(60))
    assert (bucket.path / "written").read_bytes() == expected
    assert bucket.get("written") == expected


def test_restarted_views_remember_nothing_wrong(tmp_path: Path) -> None:
    with running(tmp_path, "--attr-timeout", "3600") as service:
        bucket = service.make_bucket()
        bucket.put("object", b"first")
        assert (bucket.path / "object").read_bytes() == b"first"
    with running(tmp_path, "--attr-timeout", "3600") as service:
        again = Bucket(service, bucket.name)
        again.put("object", b"second one")
        assert (again.path / "object").read_bytes() == b"second one"


def test_the_mount_point_itself_is_the_list_of_buckets(service: Service) -> None:
    assert service.mount is not None
    before = set(os.listdir(service.mount))
    names = {service.make_bucket("listed").name for _ in range(3)}
    assert set(os.listdir(service.mount)) == before | names
    assert names <= {entry["Name"] for entry in service.s3.list_buckets()["Buckets"]}
