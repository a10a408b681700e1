"""File handles of the mount, as an NFS server keeps them: they outlive the kernel's caches and the process.

A handle (name_to_handle_at(2)) of a FUSE mount is a node's number and generation. When the kernel has dropped
the inode it asks with LOOKUP "." for a number that it forgot, which is answered from the backing file system.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fuse.conftest import Mount
from weka_mp.store.syscalls import file_handle, open_by_handle

pytestmark = pytest.mark.mount


def _handle(path: Path) -> bytes:
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        return file_handle(fd)
    finally:
        os.close(fd)


@contextmanager
def _opened(mount: Mount, handle: bytes, flags: int = os.O_RDONLY) -> Iterator[int]:
    root = os.open(mount.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fd = open_by_handle(root, handle, flags)
    finally:
        os.close(root)
    try:
        yield fd
    finally:
        os.close(fd)


def _errno_of(mount: Mount, handle: bytes) -> int | None:
    try:
        with _opened(mount, handle):
            return None
    except OSError as error:
        return error.errno


def _drop_caches(mount: Mount) -> None:
    """The kernel forgets every inode of the mount that nobody uses."""
    Path("/proc/sys/vm/drop_caches").write_text("2\n")
    figures = mount.ask("stats")
    assert isinstance(figures, dict)
    assert figures["nodes"] <= 3, "FORGET did not come: this test would show nothing"


def _restart(mount: Mount) -> None:
    mount.stop()
    mount.process = mount.start(1.0)


@pytest.fixture(params=["ext4", "tmpfs"])
def mount(mounted: Callable[..., Mount], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mount]:
    """One with files at several depths.

    ext4 finds an inode by its number, tmpfs (as XFS and others) by its whole handle only.
    """
    backing = tmp_path / "0/store"
    if request.param == "tmpfs":
        backing.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", backing], check=True)
    made = mounted()
    assert made.store == backing
    _fill(made)
    yield made
    if request.param == "tmpfs":
        subprocess.run(["umount", "--lazy", backing], check=True)  # it ends with the processes that use it


def _fill(made: Mount) -> None:
    (made.path / "b/deep/er").mkdir(parents=True)
    (made.path / "b/deep/er/f").write_bytes(b"content")
    (made.path / "b/top").write_bytes(b"top")
    (made.path / "b/link").symlink_to("top")


@pytest.mark.parametrize("how", ["dropped caches", "a restart"])
def test_handles_survive(mount: Mount, how: str) -> None:
    names = ["b", "b/deep", "b/deep/er", "b/deep/er/f", "b/top", "b/link"]
    handles = {name: _handle(mount.path / name) for name in names}
    numbers = {name: os.lstat(mount.path / name).st_ino for name in names}
    assert numbers == {name: os.lstat(mount.store / name).st_ino for name in names}
    for _ in range(2):
        if how == "a restart":
            _restart(mount)
        else:
            _drop_caches(mount)
        with _opened(mount, handles["b/deep/er/f"]) as fd:
            assert os.read(fd, 100) == b"content"
            assert os.fstat(fd).st_ino == numbers["b/deep/er/f"]
        with _opened(mount, handles["b/deep/er"]) as fd:
            assert os.listdir(fd) == ["f"]
            assert os.stat("..", dir_fd=fd).st_ino == numbers["b/deep"]
            assert os.readlink(f"/proc/self/fd/{fd}").endswith("/b/deep/er"), "by its parents"
        with _opened(mount, handles["b/link"], os.O_PATH | os.O_NOFOLLOW) as fd:
            assert os.readlink("", dir_fd=fd) == "top"
        with _opened(mount, handles["b"]) as fd:
            assert sorted(os.listdir(fd)) == ["deep", "link", "top"]
    assert {name: _handle(mount.path / name) for name in names} == handles
    with _opened(mount, handles["b/top"], os.O_WRONLY | os.O_TRUNC) as fd:
        os.write(fd, b"written by handle")
    assert (mount.path / "b/top").read_bytes() == b"written by handle"


def test_a_handle_follows_a_rename_in_either_view(mount: Mount) -> None:
    handle = _handle(mount.path / "b/deep/er/f")
    os.rename(mount.path / "b/deep", mount.path / "b/moved")
    _drop_caches(mount)
    with _opened(mount, handle) as fd:
        assert os.read(fd, 100) == b"content"
    os.rename(mount.store / "b/moved/er/f", mount.store / "b/f")
    _restart(mount)
    with _opened(mount, handle) as fd:
        assert os.read(fd, 100) == b"content"


def test_a_handle_of_a_removed_file_is_stale_even_when_its_number_is_taken_again(mount: Mount) -> None:
    path = mount.path / "b/top"
    handle = _handle(path)
    path.unlink()
    for index in range(50):  # ext4 gives the number to one of them
        (mount.store / f"b/new{index}").write_bytes(b"another")
    assert _errno_of(mount, handle) == errno.ESTALE
    _restart(mount)
    assert _errno_of(mount, handle) == errno.ESTALE


def test_a_handle_never_leads_to_what_the_mount_hides(mount: Mount) -> None:
    """A made-up handle of the control area must not open it."""
    template = _handle(mount.path / "b/top")
    for hidden in (mount.store / ".weka", mount.store / ".weka/format"):
        number = hidden.stat().st_ino
        made_up = template[:4] + (number >> 32).to_bytes(4, "little") + number.to_bytes(8, "little")[:4]
        for generation in (b"\0\0\0\0", template[12:16]):
            assert _errno_of(mount, made_up + generation) == errno.ESTALE


def test_children_of_a_directory_opened_by_handle_are_found_after_a_restart(mount: Mount) -> None:
    """What an NFS server does with a READDIR of a client that never heard of the restart."""
    handle = _handle(mount.path / "b/deep")
    _restart(mount)
    with _opened(mount, handle) as fd:
        assert subprocess.run(
            ["cat", "er/f"], cwd=f"/proc/self/fd/{fd}", pass_fds=[fd], capture_output=True, check=True
        ).stdout == b"content"
