"""Rules over many objects: their time and memory, over a death of the process that follows them, and what
others' requests feel of it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import pytest

from tests.system.service import Bucket, Service, running
from tests.system.waiting import wait_until

pytestmark = [pytest.mark.mount, pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(7200)]

_log = logging.getLogger(__name__)
_A_FOLDER = 2000
_PUTS = 300
_NEVER, _AT_ONCE = {"Days": 10_000}, {"Date": "2020-01-01T00:00:00Z"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with running(tmp_path, "--workers", "1") as started:
        yield started


def _make(top: Path, count: int) -> None:
    """Half of them in one directory, the others in many."""
    flat = top / "flat"
    flat.mkdir()
    for number in range(count // 2):
        os.close(os.open(flat / f"file{number:07}", os.O_CREAT | os.O_WRONLY))
    for number in range(count - count // 2):
        folder = top / f"d{number // _A_FOLDER:04}"
        if number % _A_FOLDER == 0:
            folder.mkdir()
        os.close(os.open(folder / f"file{number:07}", os.O_CREAT | os.O_WRONLY))


def _runs(service: Service) -> list[dict[str, int]]:
    """The counts of the runs that ended, as the log has them."""
    found = []
    for line in service.log.read_text().splitlines():
        if "followed the rules of buckets" in line:
            words = dict(word.split("=", 1) for word in line.split() if "=" in word)
            found.append({name: int(words[name]) for name in ("looked", "expired", "failed")})
    return found


def _puts(bucket: Bucket) -> tuple[float, float]:
    """The median and the 99th percentile of PUTs of 4 KiB, in ms."""
    took = []
    for number in range(_PUTS):
        begun = time.monotonic()
        bucket.put(f"k{number % 10}", b"x" * 4096)
        took.append((time.monotonic() - begun) * 1000)
    cuts = quantiles(took, n=100)
    return round(cuts[49], 1), round(cuts[98], 1)


def _peak(pid: int) -> int:
    """MiB of resident memory at most (proc(5), VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10


def _rule(service: Service, bucket: Bucket, expiration: dict[str, object]) -> None:
    service.s3.put_bucket_lifecycle_configuration(Bucket=bucket.name, LifecycleConfiguration={"Rules": [
        {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": expiration}]})


def _cursor(service: Service) -> str:
    try:
        record = json.loads((service.store / ".weka" / "lifecycle").read_text())
    except FileNotFoundError:
        return ""
    after: str = record.get("run", {}).get("after", "")
    return after


@pytest.mark.parametrize("count", [20_000, 1_000_000])
def test_rules_over_many_objects(service: Service, count: int) -> None:
    bucket, other = service.make_bucket(), service.make_bucket()
    _make(service.store / bucket.name, count)
    alone = _puts(other)

    _rule(service, bucket, _NEVER)
    begun = time.monotonic()
    wait_until("the walk is under way", 300, lambda: _cursor(service) != "")
    (background,) = service.children("background")
    os.kill(background, signal.SIGKILL)
    walking = _puts(other)
    wait_until("the walk ends", 3600, lambda: len(_runs(service)) == 1)
    walked = time.monotonic() - begun
    (background,) = service.children("background")
    figures = {"walk_s": round(walked), "walk_peak_MiB": _peak(background)}
    assert _runs(service)[0]["looked"] < count, "who is started again goes on where the dead one was"
    assert _runs(service)[0]["expired"] == 0

    first = f"d0000/file{0:07}"
    _rule(service, bucket, _AT_ONCE)
    begun = time.monotonic()
    wait_until("objects go", 300, lambda: not (service.store / bucket.name / first).exists())
    removing = _puts(other)
    wait_until("the run ends", 7200, lambda: len(_runs(service)) == 2)
    (background,) = service.children("background")
    figures |= {"removal_s": round(time.monotonic() - begun), "removal_peak_MiB": _peak(background)}
    assert _runs(service)[1] == {"looked": count, "expired": count, "failed": 0}
    assert bucket.keys() == []
    _log.info(
        "%d objects: %s; PUT p50 and p99, ms: alone %s, during the walk %s, during the removal %s",
        count, figures, alone, walking, removing,
    )
