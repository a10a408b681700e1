"""Quotas of buckets as users meet them: programs on the mount, S3 clients, and processes that are killed."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import struct
import subprocess
import threading
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.system.service import Bucket, Service, weka_mp
from tests.system.waiting import wait_until

KIB = 1024
DEAD = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, errno.ESTALE)
LIMIT = 1024 * KIB


LEDGERS: dict[str, Path] = {}
"""By buckets: the account of each, as docs/STORAGE_FORMAT.md describes it."""


def used(bucket: Bucket) -> int:
    _, _, stands, held = struct.unpack_from("<8s3q", LEDGERS[bucket.name].read_bytes())
    return int(stands + held)


def truth(bucket: Bucket) -> int:
    """Every file below the bucket's directory in the store, once."""
    found = {}
    for folder, _, names in os.walk(bucket.service.store / bucket.name):
        for name in names:
            attr = os.lstat(Path(folder, name))
            found[attr.st_ino] = attr.st_size
    return sum(found.values())


@pytest.fixture
def full(service: Service) -> Bucket:
    """A bucket that may hold 1 MiB."""
    made, before = service.make_bucket("quota"), set(service.store.glob(".weka/quotas/*.ledger"))
    done = weka_mp("--store", service.store, "s3", "bucket", "quota", "set", made.name, "1MiB")
    assert done.returncode == 0, done.stderr
    (LEDGERS[made.name],) = set(service.store.glob(".weka/quotas/*.ledger")) - before
    return made


def place(bucket: Bucket) -> Path:
    assert bucket.service.mount is not None
    return bucket.service.mount / bucket.name


def code_of(call: object, **arguments: object) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)  # type: ignore[operator]
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_both_doors_share_one_count(full: Bucket) -> None:
    folder, s3 = place(full), full.service.s3
    (folder / "a").write_bytes(b"x" * 600 * KIB)
    refused = code_of(s3.put_object, Bucket=full.name, Key="b", Body=b"x" * 425 * KIB)
    assert refused == ("QuotaExceeded", 403)
    s3.put_object(Bucket=full.name, Key="b", Body=b"x" * 424 * KIB)
    with pytest.raises(OSError, match="quota") as caught:
        (folder / "c").write_bytes(b"x")
    assert caught.value.errno == errno.EDQUOT
    assert used(full) == LIMIT == truth(full)
    listed = weka_mp("--store", full.service.store, "s3", "bucket", "list", "-f", "json")
    rows = {row["name"]: (row["hard"], row["used"]) for row in json.loads(listed.stdout)}
    assert rows[full.name] == (LIMIT, LIMIT)
    (folder / "c").unlink()
    s3.put_object(Bucket=full.name, Key="b", Body=b"y" * 424 * KIB)  # no larger than it was
    os.truncate(folder / "a", 0)
    s3.delete_object(Bucket=full.name, Key="b")
    assert used(full) == 0 == truth(full)


def test_programs_fail_cleanly_at_the_limit(full: Bucket, tmp_path: Path) -> None:
    folder = place(full)
    large = tmp_path / "large"
    large.write_bytes(os.urandom(2 * LIMIT))
    for command in (
        ["cp", str(large), str(folder / "copied")],
        ["dd", f"if={large}", f"of={folder}/dd", "bs=100000"],
        ["dd", f"if={large}", f"of={folder}/dd", "bs=100000", "conv=fsync"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode != 0, command
        assert os.strerror(errno.EDQUOT) in done.stderr, done.stderr
        (made,) = folder.iterdir()
        kept = made.read_bytes()
        assert large.read_bytes().startswith(kept)  # what was acknowledged is there, and nothing else
        assert used(full) == len(kept) <= LIMIT
        made.unlink()
        assert used(full) == 0
    with (folder / "appended").open("ab", buffering=0) as appended:
        appended.write(b"x" * LIMIT)
        with pytest.raises(OSError, match="quota"):
            appended.write(b"y")
    with pytest.raises(OSError, match="quota"):
        os.truncate(folder / "appended", LIMIT + 1)
    assert used(full) == LIMIT == truth(full)


def test_mv_copies_between_buckets(full: Bucket) -> None:
    other = full.service.make_bucket()
    folder, beside = place(full), place(other)
    (folder / "d").mkdir()
    (folder / "d/a").write_bytes(b"x" * 100)
    for call in (
        lambda: os.rename(folder / "d", beside / "d"),
        lambda: os.rename(folder / "d/a", beside / "a"),
        lambda: os.link(folder / "d/a", beside / "a"),
    ):
        with pytest.raises(OSError, match=r"[Cc]ross-device") as caught:
            call()
        assert caught.value.errno == errno.EXDEV
    subprocess.run(["mv", str(folder / "d"), str(beside / "d")], check=True, timeout=60)
    assert (beside / "d/a").read_bytes() == b"x" * 100
    assert used(full) == 0 == truth(full)


def test_an_open_file_without_a_name_is_no_way_around(full: Bucket) -> None:
    folder, s3 = place(full), full.service.s3
    with (folder / "a").open("wb", buffering=0) as held:
        held.write(b"x" * 600 * KIB)
        s3.delete_object(Bucket=full.name, Key="a")
        assert used(full) == 600 * KIB
        held.write(b"x" * 400 * KIB)
        with pytest.raises(OSError, match="quota"):
            held.write(b"x" * 100 * KIB)
        assert code_of(s3.put_object, Bucket=full.name, Key="b", Body=b"x" * 100 * KIB)[0] == "QuotaExceeded"
    wait_until("it is closed", 20, lambda: used(full) == 0)  # RELEASE comes after close(2) returned


def test_racing_doors_never_exceed(full: Bucket) -> None:
    folder, s3 = place(full), full.service.s3
    stored: list[str] = []

    def put(number: int) -> None:
        for turn in range(4):
            try:
                s3.put_object(Bucket=full.name, Key=f"p{number}-{turn}", Body=b"p" * 90 * KIB)
                stored.append(f"p{number}-{turn}")
            except ClientError as error:
                assert error.response["Error"]["Code"] == "QuotaExceeded"

    def write(number: int) -> None:
        with (folder / f"w{number}").open("wb", buffering=0) as file:
            for _ in range(20):
                try:
                    file.write(b"w" * 10 * KIB)
                except OSError as error:
                    assert error.errno == errno.EDQUOT
                    break

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8) for work in (put, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert used(full) == truth(full) <= LIMIT
    assert used(full) > LIMIT - 90 * KIB  # whoever fitted got in
    for key in stored:
        assert s3.get_object(Bucket=full.name, Key=key)["Body"].read() == b"p" * 90 * KIB


def test_a_refusal_comes_before_the_body(full: Bucket) -> None:
    url = full.service.s3.generate_presigned_url(
        "put_object", Params={"Bucket": full.name, "Key": "k"}, ExpiresIn=60
    )
    target = url.partition(f":{full.service.port}")[2]
    with socket.create_connection(("127.0.0.1", full.service.port), timeout=30) as wire:
        head = f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1:{full.service.port}\r\n"
        wire.sendall((head + f"Content-Length: {2 * LIMIT}\r\nExpect: 100-continue\r\n\r\n").encode())
        answer = wire.recv(4096)
    assert answer.startswith(b"HTTP/1.1 403"), answer


@pytest.mark.soak
def test_who_is_killed_leaves_a_count_that_heals(full: Bucket) -> None:
    service = full.service
    folder, s3 = place(full), service.client(retries={"max_attempts": 8, "mode": "standard"})
    stop = threading.Event()

    def put() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                s3.put_object(Bucket=full.name, Key=f"p{number % 5}", Body=b"p" * (number % 7) * 20 * KIB)
                s3.delete_object(Bucket=full.name, Key=f"p{(number + 2) % 5}")
            except ClientError as error:
                assert error.response["Error"]["Code"] == "QuotaExceeded"

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                (folder / f"w{number % 3}").write_bytes(b"w" * (number % 5) * 20 * KIB)
                (folder / f"w{(number + 1) % 3}").unlink(missing_ok=True)
            except OSError as error:
                assert error.errno in (errno.EDQUOT, *DEAD)

    threads = [threading.Thread(target=work) for work in (put, write)]
    for thread in threads:
        thread.start()
    for kind in ("worker", "background", "mount"):
        for pid in service.children(kind):
            os.kill(pid, signal.SIGKILL)
        wait_until(f"the {kind} is back", 60, lambda kind=kind: bool(service.children(kind)))  # type: ignore[misc]
    stop.set()
    for thread in threads:
        thread.join()
    wait_until("all are back", 60, lambda: all(service.children(one) for one in ("background", "mount")))
    # A background process that starts counts everything anew.
    os.kill(service.children("background")[0], signal.SIGKILL)
    wait_until("it is healed", 60, lambda: used(full) == truth(full), 0.5)
    assert truth(full) <= LIMIT
    s3.close()
