"""Programs that write in every way there is, at the limit of a quota: what is counted is what is there."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.service import Bucket, Service
from tests.system.test_quotas import KIB, LIMIT, full, place, truth, used
from tests.system.waiting import wait_until

__all__ = ["full"]

pytestmark = pytest.mark.soak


def counted(bucket: Bucket, size: int | None = None) -> None:
    """RELEASE comes after close(2) returned: what has no name may count for a moment longer."""
    wait_until("it is counted", 20, lambda: used(bucket) == truth(bucket))
    assert used(bucket) <= LIMIT
    assert size is None or used(bucket) == size


def run(*command: str | Path) -> bool:
    """Whether it succeeded."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=120)
    return done.returncode == 0


def refused(call: Callable[[], object], *numbers: int) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        call()
    assert caught.value.errno in numbers


@pytest.mark.parametrize("how", [(), ("--inplace", "--no-whole-file"), ("--sparse", "--partial")])
def test_rsync(full: Bucket, tmp_path: Path, how: tuple[str, ...]) -> None:
    for number in range(9):
        (tmp_path / f"f{number}").write_bytes(os.urandom(70 * KIB))
    assert run("rsync", "-a", *how, f"{tmp_path}/", f"{place(full)}/r/")
    counted(full, 630 * KIB)
    (tmp_path / "f0").write_bytes(os.urandom(2 * LIMIT))
    assert not run("rsync", "-a", *how, f"{tmp_path}/", f"{place(full)}/r/")
    counted(full)
    assert (place(full) / "r/f8").read_bytes() == (tmp_path / "f8").read_bytes()
    assert run("rm", "-r", place(full) / "r")
    counted(full, 0)


def test_git(full: Bucket, tmp_path: Path) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    assert run("git", "init", "-q", tmp_path)
    (tmp_path / "f").write_bytes(os.urandom(300 * KIB))
    assert run("git", "-C", tmp_path, "add", ".") and run("git", "-C", tmp_path, *who, "commit", "-qm", "all")
    assert run("git", "clone", "-q", "--no-local", tmp_path, place(full) / "clone")
    assert run("git", "-C", place(full) / "clone", "gc", "-q", "--prune=now")
    counted(full)
    assert not run("git", "clone", "-q", "--no-hardlinks", place(full) / "clone", place(full) / "second")
    counted(full)
    assert run("git", "-C", place(full) / "clone", "fsck", "--full")


@pytest.mark.parametrize("journal", ["delete", "truncate", "persist", "wal"])
def test_sqlite(full: Bucket, journal: str) -> None:
    database = sqlite3.connect(place(full) / "db", isolation_level=None)
    database.execute(f"pragma journal_mode={journal}")
    database.execute("create table t(b blob)")
    kept = 0
    with pytest.raises(sqlite3.OperationalError):
        while kept < 1000:
            database.execute("insert into t values(?)", (os.urandom(20 * KIB),))
            kept += 1
    counted(full)
    assert database.execute("select count(*) from t").fetchone() == (kept,)
    assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    database.close()
    counted(full)


def test_mappings_holes_and_allocations(full: Bucket) -> None:
    path = place(full) / "f"
    with path.open("w+b", buffering=0) as file:
        refused(lambda: os.truncate(path, LIMIT + 1), errno.EDQUOT)
        os.truncate(path, LIMIT)
        with mmap.mmap(file.fileno(), LIMIT) as mapped:
            mapped[:] = b"m" * LIMIT
            mapped.flush()
            counted(full, LIMIT)
            path.unlink()
            mapped[:4] = b"more"
            mapped.flush()
            assert used(full) == LIMIT
    counted(full, 0)
    with path.open("w+b", buffering=0) as file:
        refused(lambda: os.posix_fallocate(file.fileno(), 0, 2 * LIMIT), errno.EDQUOT)
        counted(full)
        os.ftruncate(file.fileno(), 10)
        os.pwrite(file.fileno(), b"x", LIMIT - 1)
        refused(lambda: os.pwrite(file.fileno(), b"x", LIMIT), errno.EDQUOT)
        counted(full, LIMIT)


def test_from_one_bucket_to_the_other(full: Bucket, service: Service) -> None:
    beside = place(service.make_bucket())
    (beside / "large").write_bytes(b"l" * 2 * LIMIT)
    with (beside / "large").open("rb") as source, (place(full) / "copy").open("wb") as target:
        ends = source.fileno(), target.fileno()
        refused(lambda: [os.copy_file_range(*ends, LIMIT) for _ in range(3)], errno.EDQUOT)
    counted(full)
    renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    names = (os.fsencode(place(full) / "copy"), os.fsencode(beside / "large"))
    assert renameat2(-100, names[0], -100, names[1], 2) == -1
    assert ctypes.get_errno() == errno.EXDEV
    refused(lambda: os.link(beside / "large", place(full) / "linked"), errno.EXDEV)
    os.link(place(full) / "copy", place(full) / "again")
    full.service.s3.delete_object(Bucket=full.name, Key="copy")
    counted(full)
    os.truncate(place(full) / "again", 5)
    counted(full, 5)
