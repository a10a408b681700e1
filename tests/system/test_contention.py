"""S3 writers against POSIX callers in one directory: no deadlock, no surprise, one final state."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.service import Bucket

pytestmark = pytest.mark.mount

SECONDS = 12.0
SLOWEST = 4.0  # seconds for one request: a worker that waits for a mount in vain gives up after 5
NAMES = [f"n{number}" for number in range(8)]

# Runs as a process of its own, so that the kernel's directory locks are taken by several at once.
POSIX_STORM = r"""
import os, random, sys, time
folder, seed, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
choose, deadline, done = random.Random(seed), time.monotonic() + seconds, 0
names = [os.path.join(folder, "n%d" % number) for number in range(8)]
dirs = [os.path.join(folder, "d%d" % number) for number in range(3)]

def create(name):
    with open(name, "wb") as file:
        file.write(b"posix")

def exclusive(name):
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))

deeds = [
    lambda: create(choose.choice(names)),
    lambda: exclusive(choose.choice(names)),
    lambda: os.rename(choose.choice(names), choose.choice(names)),
    lambda: os.unlink(choose.choice(names)),
    lambda: os.mkdir(choose.choice(dirs)),
    lambda: os.rmdir(choose.choice(dirs)),
    lambda: create(os.path.join(choose.choice(dirs), "n0")),
    lambda: os.unlink(os.path.join(choose.choice(dirs), "n0")),
    lambda: os.rename(os.path.join(choose.choice(dirs), "n0"), choose.choice(names)),
    lambda: os.listdir(folder),
    lambda: os.stat(choose.choice(names)),
]
expected = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
while time.monotonic() < deadline:
    try:
        choose.choice(deeds)()
    except expected:
        pass
    except OSError as error:
        if error.errno not in (39,):  # ENOTEMPTY
            raise
    done += 1
print(done)
"""


def storm_of_s3(bucket: Bucket, seed: int, deadline: float, problems: list[str]) -> int:
    choose, done = random.Random(seed), 0
    keys = [f"busy/{name}" for name in NAMES] + [f"busy/d{number}/n0" for number in range(3)]
    deeds: list[Callable[[], tuple[str, dict[str, object]]]] = [
        lambda: ("put_object", {"Key": choose.choice(keys), "Body": b"from S3"}),
        lambda: ("put_object", {"Key": choose.choice(keys), "Body": b"from S3"}),
        lambda: ("delete_object", {"Key": choose.choice(keys)}),
        lambda: ("get_object", {"Key": choose.choice(keys)}),
        lambda: (
            "copy_object",
            {
                "Key": choose.choice(keys), "CopySource": f"{bucket.name}/{choose.choice(keys)}",
                "MetadataDirective": "REPLACE",
            },
        ),
        lambda: ("list_objects_v2", {"Prefix": "busy/"}),
    ]
    while time.monotonic() < deadline:
        operation, arguments = choose.choice(deeds)()
        begun = time.monotonic()
        status = bucket.status(operation, **arguments)
        took = time.monotonic() - begun
        # A source that changed under a copy is answered with 503, "try again".
        allowed = (200, 204, 404, 409, 503) if operation == "copy_object" else (200, 204, 404, 409)
        if status[0] not in allowed or took > SLOWEST:
            problems.append(f"{operation} {arguments}: {status} after {took:.1f} s")
        done += 1
    return done


def snapshot(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


@pytest.mark.timeout(90)
def test_a_storm_of_puts_against_create_rename_unlink_and_rmdir(bucket: Bucket) -> None:
    folder = bucket.path / "busy"
    folder.mkdir()
    callers = [
        subprocess.Popen(
            [sys.executable, "-c", POSIX_STORM, str(folder), str(seed), str(SECONDS)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for seed in range(4)
    ]
    problems: list[str] = []
    counts: list[int] = []
    deadline = time.monotonic() + SECONDS

    def run(seed: int) -> None:
        counts.append(storm_of_s3(bucket, seed, deadline, problems))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 30)
        assert not thread.is_alive(), "an S3 request hangs"
    answers = [caller.communicate(timeout=30) for caller in callers]
    assert [errors for _, errors in answers if errors] == []
    assert all(int(output) > 50 for output, _ in answers)
    assert problems == []
    assert len(counts) == 4 and min(counts) > 20

    shown = snapshot(folder)
    assert shown == {key.removeprefix("busy/"): bucket.get(key) for key in bucket.keys("busy/")}
    assert shown == snapshot(bucket.service.store / bucket.name / "busy")
    assert set(shown.values()) <= {b"posix", b"from S3", b""}


@pytest.mark.timeout(60)
def test_create_only_puts_and_posix_creators_have_one_winner(bucket: Bucket) -> None:
    """O_EXCL on the mount and If-None-Match: * race for the same names."""
    barrier = threading.Barrier(2)
    posix_won: list[str] = []
    s3_won: list[str] = []
    names = [f"n{number}" for number in range(60)]

    def by_posix() -> None:
        barrier.wait()
        for name in names:
            try:
                descriptor = os.open(bucket.path / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                continue
            os.write(descriptor, b"posix")
            os.close(descriptor)
            posix_won.append(name)

    def by_s3() -> None:
        barrier.wait()
        for name in names:
            status = bucket.status("put_object", Key=name, Body=b"from S3", IfNoneMatch="*")
            assert status[0] in (200, 409, 412), status
            if status[0] == 200:
                s3_won.append(name)

    threads = [threading.Thread(target=by_posix), threading.Thread(target=by_s3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(posix_won + s3_won) == sorted(names)
    assert all(bucket.get(name) == b"posix" for name in posix_won)
    assert all((bucket.path / name).read_bytes() == b"from S3" for name in s3_won)


def test_readers_see_one_version_whole_while_it_is_replaced(bucket: Bucket) -> None:
    versions = [bytes([65 + number]) * 300_000 for number in range(4)]
    bucket.put("object", versions[0])
    stop = threading.Event()

    def replace() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            bucket.put("object", versions[number % 4])

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        deadline = time.monotonic() + 5
        reads = 0
        while time.monotonic() < deadline:
            assert (bucket.path / "object").read_bytes() in versions
            assert bucket.get("object") in versions
            reads += 1
    finally:
        stop.set()
        writer.join()
    assert reads > 10
