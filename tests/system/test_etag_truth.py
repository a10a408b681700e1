"""An ETag that looks like an MD5 is the MD5 of what was served with it, whoever writes meanwhile."""

from __future__ import annotations

import hashlib
import mmap
import os
import subprocess
import sys
import threading
import time

import pytest
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError, ResponseStreamingError
from urllib3.exceptions import HTTPError

from tests.system.service import Bucket, weka_mp
from tests.system.waiting import wait_until

pytestmark = pytest.mark.mount

MIB = 2**20
# The server breaks off an answer whose bytes changed on the way; a client must notice.
CUT_OFF = (ClientError, HTTPClientError, IncompleteReadError, ResponseStreamingError, HTTPError)


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


def looks_like_md5(tag: str) -> bool:
    return len(tag) == 32 and "-" not in tag


WRITER = r"""
import os, sys
path, size, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
descriptor = os.open(path, os.O_WRONLY)
for number in range(rounds):
    body = bytes([65 + number % 26]) * size
    done = 0
    while done < size:
        done += os.pwrite(descriptor, body[done:], done)
os.close(descriptor)
"""


@pytest.mark.timeout(100)
def test_readers_during_large_writes_in_place(bucket: Bucket) -> None:
    size, rounds = 64 * MIB, 4
    bucket.put("object", b"0" * size)
    first = bucket.etag("object")
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(bucket.path / "object"), str(size), str(rounds)]
    )
    served = aborted = 0
    while writer.poll() is None or served == 0:
        tag = bucket.etag("object")
        try:
            answer = bucket.s3.get_object(Bucket=bucket.name, Key="object")
            with answer["Body"] as stream:
                body = stream.read()
        except CUT_OFF:
            aborted += 1
            continue
        served += 1
        tag = answer["ETag"].strip('"')
        if looks_like_md5(tag):
            assert tag == md5(body), "a bare MD5 with a body of another"
    assert writer.returncode == 0
    assert served >= 1
    last = bytes([65 + rounds - 1]) * size
    assert bucket.get("object") == last
    assert bucket.etag("object") != first
    assert not looks_like_md5(bucket.etag("object")) or bucket.etag("object") == md5(last)


def test_a_second_store_into_a_dirty_page(bucket: Bucket) -> None:
    """The file system does not move mtime for it: only the writer's mark tells."""
    page = mmap.PAGESIZE
    path = bucket.path / "mapped"
    bucket.put("mapped", b"a" * page)
    with path.open("r+b") as file:
        try:
            area = mmap.mmap(file.fileno(), page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as error:
            pytest.fail(f"no shared writable mapping on the mount: {error}")
        with area:
            area[0:1] = b"b"
            area.flush()
            first = bucket.etag("mapped")
            area[0:1] = b"c"
            area.flush()
            second = bucket.etag("mapped")
            assert not looks_like_md5(first)
            assert not looks_like_md5(second)
            assert bucket.get("mapped") == b"c" + b"a" * (page - 1)
    # The mapping keeps the file open for writing beyond close(2); now it is gone.
    body = b"c" + b"a" * (page - 1)
    assert weka_mp("etag", "fill", "--wait", "--store", bucket.service.store, bucket.name).returncode == 0
    assert bucket.etag("mapped") == md5(body)


def test_a_mapping_outlives_its_descriptor(bucket: Bucket) -> None:
    page = mmap.PAGESIZE
    bucket.put("mapped", b"a" * page)
    descriptor = os.open(bucket.path / "mapped", os.O_RDWR)
    area = mmap.mmap(descriptor, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    os.close(descriptor)
    with area:
        for letter in (b"x", b"y", b"z"):
            area[0:1] = letter
            area.flush()
            answer = bucket.s3.get_object(Bucket=bucket.name, Key="mapped")
            with answer["Body"] as stream:
                body = stream.read()
            assert body[:1] == letter
            tag = answer["ETag"].strip('"')
            assert not looks_like_md5(tag) or tag == md5(body)


@pytest.mark.parametrize("keep_open", [True, False])
def test_writing_and_setting_the_time_back_does_not_bring_the_etag_back(
    bucket: Bucket, keep_open: bool
) -> None:
    bucket.put("object", b"0123456789")
    was = bucket.etag("object")
    path = bucket.path / "object"
    before = path.stat()
    with path.open("r+b", buffering=0) as writer:
        writer.write(b"X")
        if keep_open:
            os.utime(writer.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
    if not keep_open:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert bucket.etag("object") != was
    assert bucket.status("get_object", Key="object", IfMatch=was)[0] == 412
    assert bucket.get("object") == b"X123456789"
    assert weka_mp("etag", "fill", "--wait", "--store", bucket.service.store, bucket.name).returncode == 0
    assert bucket.etag("object") == md5(b"X123456789")


def test_truncating_to_the_same_size_and_back_in_time(bucket: Bucket) -> None:
    bucket.put("object", b"0123456789")
    was, path = bucket.etag("object"), bucket.path / "object"
    before = path.stat()
    os.truncate(path, 5)
    os.truncate(path, 10)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert bucket.get("object") == b"01234\0\0\0\0\0"
    assert bucket.etag("object") != was


def test_replacing_by_rename_with_equal_size_and_time(bucket: Bucket) -> None:
    bucket.put("object", b"0123456789")
    was, path = bucket.etag("object"), bucket.path / "object"
    before = path.stat()
    (bucket.path / "other").write_bytes(b"abcdefghij")
    os.utime(bucket.path / "other", ns=(before.st_atime_ns, before.st_mtime_ns))
    (bucket.path / "other").rename(path)
    assert bucket.etag("object") != was
    assert bucket.get("object") == b"abcdefghij"


def test_a_change_past_both_doors_voids_the_etag(bucket: Bucket) -> None:
    bucket.put("object", b"0123456789")
    was = bucket.etag("object")
    with (bucket.service.store / bucket.name / "object").open("r+b") as writer:
        writer.write(b"X")
    assert bucket.etag("object") != was
    assert bucket.get("object") == b"X123456789"


@pytest.mark.timeout(100)
def test_a_download_in_ranges_goes_through_while_the_filler_runs(bucket: Bucket) -> None:
    piece, pieces = 8 * MIB, 6
    body = os.urandom(MIB) * (piece * pieces // MIB)
    path = bucket.path / "large"
    # Out of order, so that the mount cannot hash it on the way.
    with path.open("wb", buffering=0) as writer:
        os.pwrite(writer.fileno(), body[piece:], piece)
        os.pwrite(writer.fileno(), body[:piece], 0)
    pinned = bucket.head("large")["ETag"]
    assert not looks_like_md5(pinned.strip('"')), "filled before the test could begin"
    fill = threading.Thread(
        target=weka_mp, args=("etag", "fill", "--wait", "--store", bucket.service.store, bucket.name)
    )
    got = []
    for number in range(pieces):
        first = number * piece
        got.append(bucket.get("large", Range=f"bytes={first}-{first + piece - 1}", IfMatch=pinned))
        if number == 1:
            fill.start()
        if number == pieces - 2:
            fill.join()
            assert bucket.etag("large") == md5(body)
    assert b"".join(got) == body
    assert bucket.status("head_object", Key="large", IfNoneMatch=pinned)[0] == 304
    assert bucket.status("head_object", Key="large", IfMatch=f'"{md5(body)}"')[0] == 200
    with path.open("ab") as writer:
        writer.write(b"!")
    assert bucket.status("get_object", Key="large", IfMatch=pinned)[0] == 412


def test_the_filler_leaves_times_alone_and_tells_the_md5_of_every_file(bucket: Bucket) -> None:
    """Written past the mount, so that only the filler can know."""
    inside = bucket.service.store / bucket.name / "tree"
    inside.mkdir()
    bodies = {f"tree/{number}": b"%d" % number * number for number in range(100)}
    for name, body in bodies.items():
        (inside.parent / name).write_bytes(body)
    old = time.time_ns() - 3_600 * 10**9
    for name in bodies:
        os.utime(inside.parent / name, ns=(old, old))
    answer = weka_mp("etag", "fill", "--wait", "--store", bucket.service.store, f"{bucket.name}/tree/")
    assert answer.returncode == 0, answer.stderr
    listed = {
        entry["Key"]: entry["ETag"].strip('"')
        for entry in bucket.s3.list_objects_v2(Bucket=bucket.name)["Contents"]
    }
    assert listed == {name: md5(body) for name, body in bodies.items()}
    assert all((inside.parent / name).stat().st_mtime_ns == old for name in bodies)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("total", [10_000, pytest.param(30_000, marks=pytest.mark.soak)])
def test_a_tree_has_its_md5s_within_a_minute_of_the_last_close(bucket: Bucket, total: int) -> None:
    folders = 100
    for folder in range(folders):
        (bucket.path / f"d{folder:03}").mkdir()
    for number in range(total):
        path = bucket.path / f"d{number % folders:03}/f{number}"
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
        body = b"file %d\n" % number
        if number % 4 == 1:  # out of order: cannot be hashed on the way, only the filler can
            os.pwrite(descriptor, body[3:], 3)
            os.pwrite(descriptor, body[:3], 0)
        else:
            os.write(descriptor, body)
        os.close(descriptor)
        if number % 4 == 2:  # as tar and rsync do
            os.utime(path, (1_500_000_000, 1_500_000_000 + number))

    def all_filled() -> bool:
        pages = bucket.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
        entries = [entry for page in pages for entry in page["Contents"]]
        assert len(entries) == total
        return all(looks_like_md5(entry["ETag"].strip('"')) for entry in entries)

    assert wait_until("MD5s of all files", 60, all_filled, pause=2) <= 60
    for number in range(40, 44):
        assert bucket.etag(f"d{number:03}/f{number}") == md5(b"file %d\n" % number)
