"""Any mix of writes, reads, truncations, mappings and fetches, and fio's own verification."""

from __future__ import annotations

import os
import threading

import pytest

from tests.clients.file_exerciser import run_seed
from tests.clients.programs import run
from tests.system.service import Bucket

pytestmark = [pytest.mark.mount, pytest.mark.clients]


@pytest.mark.parametrize("seed", [1, 2, 3, None])
def test_a_file_is_a_bytearray(bucket: Bucket, seed: int | None) -> None:
    """A seed of None is another one each time; a failure names it."""
    run_seed(bucket, int.from_bytes(os.urandom(4), "big") if seed is None else seed, 800)


def test_several_files_at_once_do_not_disturb_each_other(bucket: Bucket) -> None:
    failures: list[AssertionError] = []

    def exercise(seed: int) -> None:
        try:
            run_seed(bucket, seed, 250)
        except AssertionError as error:
            failures.append(error)

    threads = [threading.Thread(target=exercise, args=(seed,)) for seed in range(100, 104)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_soak_many_files_are_bytearrays(bucket: Bucket) -> None:
    for seed in range(10_000, 10_060):
        run_seed(bucket, seed, 5000)


@pytest.mark.parametrize(
    "options",
    [
        ["--ioengine=psync", "--rw=randrw", "--bsrange=512-65536"],
        ["--ioengine=psync", "--rw=randwrite", "--bs=4k", "--direct=1"],
        ["--ioengine=mmap", "--rw=randwrite", "--bs=4k"],
        ["--ioengine=psync", "--rw=write", "--bs=128k", "--fsync=16"],
    ],
    ids=["buffered", "direct", "mapped", "sequential"],
)
def test_fio_reads_back_what_it_wrote(bucket: Bucket, options: list[str]) -> None:
    run(
        "fio", "--name=verify", f"--directory={bucket.path}", "--size=6M", "--numjobs=2", "--verify=crc32c",
        "--verify_fatal=1", "--do_verify=1", "--verify_state_save=0", "--fallocate=none",
        "--output-format=terse", *options,
    )
    for name in ("verify.0.0", "verify.1.0"):
        assert bucket.get(name) == (bucket.path / name).read_bytes()
