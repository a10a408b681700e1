"""Many files, few descriptors: what the kernel refers to costs some memory each, which FORGET gives back."""

from __future__ import annotations

import errno
import logging
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fuse.conftest import Mount

pytestmark = pytest.mark.mount

_log = logging.getLogger(__name__)
_FILES = 1024  # descriptors that a service gets where nobody asked for more
_A_FOLDER = 2000
# Not even root may raise its limit: a container's usual set of capabilities.
_LIMITED = ["prlimit", f"--nofile={_FILES}:{_FILES}", "setpriv", "--bounding-set", "-sys_resource"]
_BYTES_A_FILE = 450


@pytest.fixture
def mount(mounted: Callable[..., Mount]) -> Iterator[Mount]:
    """One whose process may have few descriptors."""
    made = mounted(prefix=_LIMITED)
    limit = Path(f"/proc/{made.process.pid}/limits").read_text().partition("Max open files")[2].split()
    assert limit[:2] == [str(_FILES)] * 2
    yield made


def _make(folder: Path, count: int) -> None:
    for start in range(0, count, _A_FOLDER):
        (folder / f"d{start}").mkdir(parents=True)
        at = os.open(folder / f"d{start}", os.O_RDONLY)
        for index in range(start, min(start + _A_FOLDER, count)):
            os.mknod(f"file{index}", 0o644, dir_fd=at)
        os.close(at)


def _walk(folder: Path) -> int:
    """Every entry is looked at, as find and rsync do."""
    found = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            found += 1
            info = entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                found += _walk(Path(entry.path))
            else:
                assert info.st_size == 0
    return found


def _resident(mount: Mount) -> int:
    """Bytes of private memory of the mount process (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{mount.process.pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def _figures(mount: Mount) -> dict[str, int]:
    figures = mount.ask("stats")
    assert isinstance(figures, dict)
    return figures


def _forgotten(mount: Mount) -> dict[str, int]:
    """What is left when the kernel dropped its caches and all its FORGETs have come: they are many."""
    left = _figures(mount)
    end = time.monotonic() + 60
    while left["nodes"] >= 100 and time.monotonic() < end:
        Path("/proc/sys/vm/drop_caches").write_text("2\n")
        time.sleep(0.2)
        left = _figures(mount)
    return left


_LONG = [pytest.mark.soak, pytest.mark.timeout(3600)]
_MANY = [pytest.param(count, marks=_LONG) for count in (200_000, 1_000_000)]


@pytest.mark.parametrize("count", [20_000, *_MANY])
def test_a_tree_is_walked_with_few_descriptors_and_bounded_memory(
    mount: Mount, count: int
) -> None:
    _make(mount.store / "tree", count)
    folders = len(os.listdir(mount.store / "tree"))
    before = _resident(mount)
    assert _walk(mount.path / "tree") == count + folders
    known = _figures(mount)
    assert known["descriptors"] <= _FILES // 8
    assert len(os.listdir(f"/proc/{mount.process.pid}/fd")) < _FILES // 2
    grown = _resident(mount) - before
    assert grown < 30_000_000 + _BYTES_A_FILE * count, f"{grown} bytes, {known['nodes']} nodes"
    for path in (mount.path / "tree/d0/file0", mount.path / f"tree/d{count - _A_FOLDER}/file{count - 1}"):
        path.write_bytes(b"still reached")
    after = _forgotten(mount)
    assert after["nodes"] < 100, "FORGET frees the table"
    assert after["descriptors"] < 100
    mebibytes = [each >> 20 for each in (before, before + grown, _resident(mount))]
    _log.info("%d files: MiB at the start, when walked, when forgotten: %s", count, mebibytes)
    assert (mount.path / "tree/d0/file0").read_bytes() == b"still reached"


def test_more_open_files_than_descriptors_are_refused_and_harm_nobody(mount: Mount) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * _FILES), hard))
    opened = []
    try:
        with pytest.raises(OSError) as refused:
            for index in range(2 * _FILES):
                opened.append(os.open(mount.path / f"f{index}", os.O_CREAT | os.O_RDWR))
        assert refused.value.errno in (errno.ENFILE, errno.EMFILE)
        assert len(opened) > _FILES // 2
        assert sorted(os.listdir(mount.path)) == sorted(f"f{index}" for index in range(len(opened)))
        assert (mount.path / "f0").stat().st_size == 0
        (mount.path / "directory").mkdir()
        os.rename(mount.path / "f1", mount.path / "directory/f1")
        for fd in opened[::50]:
            assert os.pwrite(fd, b"content", 0) == 7
            assert os.pread(fd, 7, 0) == b"content"
    finally:
        for fd in opened:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (mount.path / "f0").read_bytes() == b"content"
    assert (mount.path / "directory/f1").read_bytes() == b""
