"""Whatever waits for another process waits alone: the mount answers everybody else meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.fuse.conftest import Mount
from weka_mp.values import Fd

pytestmark = pytest.mark.mount


def _answers_others(here: Path, waiting: Future[object]) -> None:
    """Others are served while `waiting` is not."""
    for index in range(5):
        (here / f"other{index}").write_bytes(b"x")
        assert (here / f"other{index}").read_bytes() == b"x"
    assert not waiting.done()


@pytest.mark.parametrize("how", ["open", "truncate", "rouse"])
def test_a_writer_waits_for_a_lease(mount: Mount, here: Path, behind: Path, how: str) -> None:
    """The background filler hashes under a lease;

    a writer that comes meanwhile waits until it is given back.
    """
    signal.signal(signal.SIGURG, signal.SIG_IGN)  # what the store has the kernel send to the lease's holder
    (here / "f").write_bytes(b"content")
    spare = os.open(here / "f", os.O_WRONLY)
    os.close(os.dup(spare))  # FLUSH: the writer rests
    store = mount.namespace.store
    fd = Fd(os.open(behind / "f", os.O_RDONLY))
    calls: dict[str, Callable[[], object]] = {
        "open": lambda: os.close(os.open(here / "f", os.O_RDWR)),
        "truncate": lambda: os.truncate(here / "f", 3),
        "rouse": lambda: os.pwrite(spare, b"C", 0),
    }
    assert store.try_lease(fd)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(calls[how])
        deadline = time.monotonic() + 10
        while store.lease_intact(fd):
            assert time.monotonic() < deadline
        _answers_others(here, waiting)
        store.drop_lease(fd)
        waiting.result(10)
    os.close(spare)
    os.close(fd)
    assert (behind / "f").read_bytes() == {"open": b"content", "truncate": b"con", "rouse": b"Content"}[how]


@pytest.mark.parametrize("how", ["unlink", "rename", "rmdir"])
def test_taking_a_name_away_waits_for_its_lock(mount: Mount, here: Path, behind: Path, how: str) -> None:
    """S3 checks and publishes under the lock of the entry."""
    inner = here / "inner"  # the kernel holds the directory's own lock while we wait
    inner.mkdir()
    (inner / "f").write_bytes(b"x")
    (inner / "d").mkdir()
    calls: dict[str, Callable[[], object]] = {
        "unlink": lambda: os.unlink(inner / "f"),
        "rename": lambda: os.rename(inner / "d", inner / "f2"),
        "rmdir": lambda: os.rmdir(inner / "d"),
    }
    number = (behind / "inner").stat().st_ino
    names = [b"f", b"f2", b"d"]
    with ThreadPoolExecutor(1) as pool:
        with mount.namespace.locks.hold([(number, name) for name in names]):
            waiting = pool.submit(calls[how])
            _answers_others(here, waiting)
        waiting.result(10)
    assert (
        sorted(os.listdir(behind / "inner")) == {"unlink": ["d"], "rename": ["f", "f2"], "rmdir": ["f"]}[how]
    )


_CLOSING = """
import os, sys, threading
fd, stop = os.open("shared", os.O_RDWR | os.O_CREAT), threading.Event()
def close_copies():
    while not stop.is_set():
        os.close(os.dup(fd))  # FLUSH: the writer rests
def make_others(which):
    for index in range(150):  # descriptors of the mount come and go: a number is soon another file's
        name = f"other-{which}-{index}"
        with open(name, "wb") as file: file.write(name.encode())
        assert open(name, "rb").read() == name.encode()
threads = [threading.Thread(target=make_others, args=(which,)) for which in range(2)]
threads.append(threading.Thread(target=close_copies))
for thread in threads: thread.start()
for index in range(400):
    os.pwrite(fd, b"%08d" % index, index * 8)
    assert os.pread(fd, 8, index * 8) == b"%08d" % index
stop.set()
for thread in threads: thread.join()
"""


def test_writers_that_rest_and_wake_never_touch_another_file(mount: Mount, here: Path, behind: Path) -> None:
    """Leases come and go too, so that writes are resumed in threads while the file is closed elsewhere."""
    signal.signal(signal.SIGURG, signal.SIG_IGN)
    (behind / "shared").touch()
    store = mount.namespace.store
    fd, taken = Fd(os.open(behind / "shared", os.O_RDONLY)), 0
    work = subprocess.Popen([sys.executable, "-c", _CLOSING], cwd=here)
    while work.poll() is None:
        if store.try_lease(fd):
            taken += 1
            while store.lease_intact(fd) and work.poll() is None:
                time.sleep(0)
            store.drop_lease(fd)
    os.close(fd)
    assert work.returncode == 0
    assert taken > 0
    assert (behind / "shared").read_bytes() == b"".join(b"%08d" % index for index in range(400))
    for path in behind.glob("other-*"):
        assert path.read_bytes() == path.name.encode()
