"""What another door changed is seen at once, whatever the kernel had cached (docs/SEMANTICS.md, 1).

The time-outs are an hour here, so that only invalidation can make a change visible.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fuse.conftest import Mount
from weka_mp.errors import KeyConflict
from weka_mp.namespace import NewObject
from weka_mp.values import BucketName, Change

pytestmark = pytest.mark.mount

_HOUR = 3600.0
_BUCKET = BucketName("bucket")


@pytest.fixture
def mount(mounted: Callable[..., Mount]) -> Iterator[Mount]:
    """One with time-outs of an hour, and a bucket."""
    made = mounted(_HOUR)
    made.namespace.create_bucket(_BUCKET)
    yield made


def _put(mount: Mount, key: bytes, data: bytes) -> tuple[Change, ...]:
    with mount.namespace.begin_put(_BUCKET, key, size_hint=len(data)) as session:
        session.write(data)
        return session.publish(NewObject(md5=hashlib.md5(data).digest())).changes


def _delete(mount: Mount, key: bytes) -> tuple[Change, ...]:
    return mount.namespace.delete_object(_BUCKET, key, None).changes


def test_without_invalidation_the_kernel_would_be_stale(mount: Mount) -> None:
    """The control: these tests would notice if the message did nothing."""
    path = mount.path / "bucket/f"
    assert not path.exists()
    changes = _put(mount, b"f", b"new")
    assert not path.exists()
    mount.invalidate(changes)
    assert path.read_bytes() == b"new"


def test_a_cached_absence_ends(mount: Mount) -> None:
    folder = mount.path / "bucket"
    assert not (folder / "a/b/c").exists()
    mount.invalidate(_put(mount, b"a/b/c", b"deep"))
    assert (folder / "a/b/c").read_bytes() == b"deep"
    assert os.listdir(folder) == ["a"]


def test_cached_content_attributes_and_presence_end(mount: Mount) -> None:
    path = mount.path / "bucket/f"
    mount.invalidate(_put(mount, b"f", b"old content"))
    assert path.read_bytes() == b"old content"
    before = path.stat()
    mount.invalidate(_put(mount, b"f", b"new"))
    assert path.read_bytes() == b"new"
    assert path.stat().st_size == 3
    assert path.stat().st_ino != before.st_ino
    mount.invalidate(_delete(mount, b"f"))
    assert not path.exists()


def test_a_listing_and_the_directorys_time_end(mount: Mount) -> None:
    folder = mount.path / "bucket"
    before = folder.stat().st_mtime_ns
    assert os.listdir(folder) == []
    mount.invalidate(_put(mount, b"unseen", b"x"))
    assert os.listdir(folder) == ["unseen"]
    assert folder.stat().st_mtime_ns != before


def test_an_open_reader_keeps_the_old_inode(mount: Mount) -> None:
    path = mount.path / "bucket/f"
    mount.invalidate(_put(mount, b"f", b"old content"))
    with open(path, "rb") as file:
        mount.invalidate(_put(mount, b"f", b"new"))
        assert file.read() == b"old content"
        assert os.fstat(file.fileno()).st_size == 11
    assert path.read_bytes() == b"new"


def test_a_hard_links_count_ends(mount: Mount) -> None:
    folder = mount.path / "bucket"
    mount.invalidate(_put(mount, b"f", b"x"))
    os.link(folder / "f", folder / "g")
    assert (folder / "g").stat().st_nlink == 2
    mount.invalidate(_delete(mount, b"f"))
    assert (folder / "g").stat().st_nlink == 1


def test_a_bucket_made_and_removed(mount: Mount) -> None:
    assert not (mount.path / "other").exists()
    _, changes = mount.namespace.create_bucket(BucketName("other"))
    mount.invalidate(changes)
    assert sorted(os.listdir(mount.path)) == ["bucket", "other"]
    mount.invalidate(mount.namespace.delete_bucket(BucketName("other")))
    assert not (mount.path / "other").exists()


def test_changes_of_directories_that_the_kernel_does_not_know_are_skipped(mount: Mount) -> None:
    assert not (mount.path / "bucket/f").exists()
    before = mount.ask("stats")
    mount.invalidate((Change(mount.namespace.store.attr(mount.namespace.store.root()).ino, b"x", None),))
    mount.ask("invalidate", [[999_999_999, b"x", None]])
    after = mount.ask("stats")
    assert isinstance(before, dict) and isinstance(after, dict)
    assert after["changes"] - before["changes"] == 2
    assert after["changes_skipped"] - before["changes_skipped"] == 1


def test_lookups_that_race_with_changes_never_leave_a_stale_entry(mount: Mount) -> None:
    """Readers look a name up all the time while it is replaced;

    after each invalidation everybody sees the new one.
    """
    folder = mount.path / "bucket"
    stop = threading.Event()

    def look(name: str) -> None:
        while not stop.is_set():
            try:
                (folder / "d" / name).stat()
                os.listdir(folder / "d")
            except FileNotFoundError:
                continue

    with ThreadPoolExecutor(3) as pool:
        watchers = [pool.submit(look, "f") for _ in range(3)]
        try:
            for size in range(1, 150):
                mount.invalidate(_put(mount, b"d/f", b"x" * size))
                assert (folder / "d/f").stat().st_size == size
                if size % 3 == 0:
                    mount.invalidate(_delete(mount, b"d/f"))
                    assert not (folder / "d/f").exists()
        finally:
            stop.set()
        for watcher in watchers:
            watcher.result(10)


_STORM = """
import os, random, sys, time
folder, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
draw, end, done = random.Random(seed), time.monotonic() + float(seconds), 0
while time.monotonic() < end:
    a, b = (os.path.join(folder, f"n{draw.randrange(6)}") for _ in range(2))
    try:
        match draw.randrange(5):
            case 0: os.close(os.open(a, os.O_CREAT | os.O_WRONLY))
            case 1: os.rename(a, b)
            case 2: os.unlink(a)
            case 3: os.listdir(folder)
            case 4: os.link(a, b)
    except OSError as error:
        if error.errno not in (2, 17): raise
    done += 1
print(done)
"""


def test_a_storm_of_changes_against_create_rename_and_unlink_does_not_deadlock(mount: Mount) -> None:
    """UNLINK holds the kernel's directory lock and waits for the entry lock;

    INVAL_ENTRY waits for the directory lock.
    """
    folder = mount.path / "bucket/storm"
    folder.mkdir()
    seconds = 4
    posix = [
        subprocess.Popen(
            [sys.executable, "-c", _STORM, str(folder), str(seconds), str(seed)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(2)
    ]
    draw, puts = random.Random(9), itertools.count()
    while any(process.poll() is None for process in posix):
        key = b"storm/n%d" % draw.randrange(6)
        mount.invalidate(_put(mount, key, b"x") if draw.random() < 0.7 else _delete(mount, key))
        assert next(puts) < 100_000
    for process in posix:
        output, _ = process.communicate(timeout=10)
        assert (process.returncode, int(output or 0) > 20) == (0, True)
    assert next(puts) > 20
    assert sorted(os.listdir(folder)) == sorted(os.listdir(mount.store / "bucket/storm"))
    for name in os.listdir(folder):
        shown, real = (folder / name).stat(), (mount.store / "bucket/storm" / name).stat()
        # A later incarnation of a number that the kernel used has one of its own.
        assert shown.st_ino == real.st_ino or shown.st_ino >> 63
        assert (shown.st_mtime_ns, shown.st_nlink) == (real.st_mtime_ns, real.st_nlink)


_TYPES = """
import os, random, sys, time
folder, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
draw, end, done = random.Random(seed), time.monotonic() + float(seconds), 0
while time.monotonic() < end:
    a, b = (os.path.join(folder, f"n{draw.randrange(4)}") for _ in range(2))
    try:
        match draw.randrange(8):
            case 0: os.close(os.open(a, os.O_CREAT | os.O_WRONLY))
            case 1: os.rename(a, b)
            case 2: os.unlink(a)
            case 3: os.mkdir(a)
            case 4: os.rmdir(a)
            case 5: os.symlink("n0", a)
            case 6: os.listdir(a)
            case 7: os.stat(a)
    except OSError as error:
        # ENOENT EEXIST ENOTDIR EISDIR ENOTEMPTY, ELOOP of n0 -> n0: what callers do to each other
        if error.errno not in (2, 17, 20, 21, 39, 40): raise
    done += 1
print(done)
"""


def test_regression_a_storm_of_changing_types_gives_no_caller_an_io_error(mount: Mount) -> None:
    """Numbers of removed files went to directories and links, which made the kernel break its inodes: EIO."""
    folder = mount.path / "bucket/storm"
    folder.mkdir()
    posix = [
        subprocess.Popen(
            [sys.executable, "-c", _TYPES, str(folder), "3", str(seed)], stdout=subprocess.PIPE, text=True
        )
        for seed in range(2)
    ]
    draw = random.Random(5)
    while any(process.poll() is None for process in posix):
        key = b"storm/n%d%s" % (draw.randrange(4), draw.choice([b"", b"/", b"/x"]))
        try:
            mount.invalidate(_put(mount, key, b"") if draw.random() < 0.6 else _delete(mount, key))
        except KeyConflict:
            continue  # a file is in the way of a directory or the other way round
    for process in posix:
        output, _ = process.communicate(timeout=10)
        assert (process.returncode, int(output or 0) > 20) == (0, True)


def test_it_survives_malformed_messages(mount: Mount) -> None:
    for args in (
        None,
        5,
        [5],
        [[1, "text", None]],
        [[-1, b"x", None]],
        [[1, b"a/b", None]],
        [[1, b"x", "y"]],
        [[1, b"x"]],
    ):
        with pytest.raises(AssertionError):
            mount.ask("invalidate", args)
    with pytest.raises(AssertionError):
        mount.ask("nonsense")
    assert mount.ask("ping") == "pong"
    assert Path(mount.path / "bucket").is_dir()
