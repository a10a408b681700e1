"""File handles of the mount, as an NFS server keeps them: they outlive the kernel's caches and the process.

A handle (name_to_handle_at(2)) of a FUSE mount is a node's number and generation. When the kernel has dropped
the inode it asks with LOOKUP "." for a number that it forgot, which is answered from the backing file system.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
    """The kernel forgets every inode of the mount that nobody uses: a remount drops its cached names."""
    subprocess.run(["mount", "--internal-only", "-o", "remount", mount.path], check=True)
    figures = mount.ask("stats")
    assert isinstance(figures, dict)
    assert figures["nodes"] <= 3, "FORGET did not come: this test would show nothing"


def _restart(mount: Mount) -> None:
    mount.stop()
    mount.process = mount.start(1.0)


@dataclass(frozen=True, slots=True)
class _Case:
    """A mounted store with files below its bucket `b`; what the bucket's inode numbers begin with."""

    mount: Mount
    above: int

    @property
    def bucket(self) -> Path:
        return self.mount.path / "b"

    def number_behind(self, name: str) -> int:
        """The number that the mount shows for this path below the bucket."""
        return self.above | os.lstat(self.mount.store / "b" / name).st_ino


def _mount_file_system(kind: str, at: Path, image: Path) -> None:
    at.mkdir(parents=True)
    if kind == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", at], check=True)
        return
    with image.open("wb") as file:
        file.truncate(320 << 20)  # sparse; XFS wants 300 MiB at least
    subprocess.run([f"mkfs.{kind}", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, at], check=True)


@pytest.fixture(
    scope="module", params=["ext4", "xfs", "tmpfs as a bucket", "ext4 as a bucket"], ids=lambda kind: kind
)
def case(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[_Case]:
    """ext4 finds an inode by its number, XFS and tmpfs (as others) by its whole handle only."""
    folder = tmp_path_factory.mktemp("handles")
    kind, _, inside = request.param.partition(" as a ")
    if kind == "xfs" and "\txfs\n" not in Path("/proc/filesystems").read_text():
        kind = "tmpfs"
    with ExitStack() as stack:
        if inside or kind != "ext4":
            place = folder / "store/b" if inside else folder / "store"
            _mount_file_system(kind, place, folder / "image")
            # It ends with the processes that use it.
            stack.callback(subprocess.run, ["umount", "--lazy", place], check=True)
        mount = Mount(folder, 1.0)
        stack.callback(mount.close)
        (mount.path / "b").mkdir(exist_ok=True)
        yield _Case(mount, 1 << 63 | 1 << 48 if inside else 0)


@pytest.fixture
def files(case: _Case, request: pytest.FixtureRequest) -> Path:
    """The path below the bucket of a fresh directory with files at several depths."""
    name = request.node.originalname[:40]
    made = case.bucket / name
    (made / "deep/er").mkdir(parents=True)
    (made / "deep/er/f").write_bytes(b"content")
    (made / "top").write_bytes(b"top")
    (made / "link").symlink_to("top")
    return Path(name)


_NAMES = ["", "deep", "deep/er", "deep/er/f", "top", "link"]


def _check_survivors(case: _Case, files: Path, handles: dict[str, bytes], numbers: dict[str, int]) -> None:
    """Every handle leads to its inode, whose number is the same; in an order in which no name helps."""
    mount = case.mount
    with _opened(mount, handles["deep/er/f"]) as fd:
        assert os.read(fd, 100) == b"content"
        assert os.fstat(fd).st_ino == numbers["deep/er/f"]
    with _opened(mount, handles["deep/er"]) as fd:
        assert os.listdir(fd) == ["f"]
        assert os.stat("..", dir_fd=fd).st_ino == numbers["deep"]
        assert os.readlink(f"/proc/self/fd/{fd}").endswith(f"/b/{files}/deep/er"), "by its parents"
    with _opened(mount, handles["link"], os.O_PATH | os.O_NOFOLLOW) as fd:
        assert os.readlink("", dir_fd=fd) == "top"
    with _opened(mount, handles[""]) as fd:
        assert sorted(os.listdir(fd)) == ["deep", "link", "top"]
    with _opened(mount, handles["deep"]) as fd:  # a READDIR of an NFS client that never heard of a restart
        done = subprocess.run(
            ["cat", "er/f"], cwd=f"/proc/self/fd/{fd}", pass_fds=[fd], capture_output=True, check=True
        )
        assert done.stdout == b"content"
    assert {name: os.lstat(case.bucket / files / name).st_ino for name in _NAMES} == numbers
    assert {name: _handle(case.bucket / files / name) for name in _NAMES} == handles


def test_handles_survive(case: _Case, files: Path) -> None:
    """Dropped caches and a restart; renames in either view; a removed file's handle stays stale."""
    mount, bucket = case.mount, case.bucket
    handles = {name: _handle(bucket / files / name) for name in _NAMES}
    numbers = {name: os.lstat(bucket / files / name).st_ino for name in _NAMES}
    assert numbers == {name: case.number_behind(f"{files}/{name}") for name in _NAMES}

    for name in ("here", "there", "removed"):
        (bucket / name).write_bytes(name.encode())
    here, there, removed = (_handle(bucket / name) for name in ("here", "there", "removed"))
    (bucket / "removed").unlink()
    for index in range(50):  # ext4 gives the number to one of them
        (mount.store / f"b/new{index}").write_bytes(b"another")
    os.rename(bucket / "here", bucket / files / "../elsewhere")
    _drop_caches(mount)
    with _opened(mount, here) as fd:
        assert os.read(fd, 100) == b"here"
    assert _errno_of(mount, removed) == errno.ESTALE
    _check_survivors(case, files, handles, numbers)

    os.rename(mount.store / "b/there", mount.store / "b" / "gone elsewhere")
    _restart(mount)
    with _opened(mount, there) as fd:
        assert os.read(fd, 100) == b"there"
    assert _errno_of(mount, removed) == errno.ESTALE
    _check_survivors(case, files, handles, numbers)
    with _opened(mount, handles["top"], os.O_WRONLY | os.O_TRUNC) as fd:
        os.write(fd, b"written by handle")
    assert (bucket / files / "top").read_bytes() == b"written by handle"


def test_a_handle_never_leads_to_what_the_mount_hides(case: _Case, files: Path) -> None:
    """A made-up handle of the control area must not open it."""
    template = _handle(case.bucket / files / "top")
    for hidden in (case.mount.store / ".weka", case.mount.store / ".weka/format"):
        number = hidden.stat().st_ino
        made_up = template[:4] + (number >> 32).to_bytes(4, "little") + number.to_bytes(8, "little")[:4]
        for generation in (b"\0\0\0\0", template[12:16]):
            assert _errno_of(case.mount, made_up + generation) == errno.ESTALE


def test_regression_a_bucket_of_another_file_system_has_the_same_numbers_wherever_it_is_mounted(
    tmp_path: Path,
) -> None:
    """Two of them whose inode numbers clash; they change places while no mount runs."""
    folder = tmp_path
    images = [folder / "0.img", folder / "1.img"]
    places = [folder / "store/one", folder / "store/two"]
    with ExitStack() as stack:
        for image, place in zip(images, places, strict=True):
            _mount_file_system("ext4", place, image)
            stack.callback(subprocess.run, ["umount", "--lazy", place], check=False)
            (place / "f").write_bytes(image.name.encode())
        mount = Mount(folder, 1.0)
        stack.callback(mount.close)
        before = {(mount.path / name / "f").stat().st_ino for name in ("one", "two")}
        handle = _handle(mount.path / "one/f")
        assert len(before) == 2 and len({(place / "f").stat().st_ino for place in places}) == 1
        mount.stop()
        for place in places:
            subprocess.run(["umount", place], check=True)
        for image, place in zip(images, reversed(places), strict=True):
            subprocess.run(["mount", "-o", "loop", image, place], check=True)
        mount.process = mount.start(1.0)
        assert _errno_of(mount, handle) == errno.ESTALE, "nobody has come by there yet"
        now = [(mount.path / name / "f").stat().st_ino for name in ("two", "one")]
        assert set(now) == before
        with _opened(mount, handle) as fd:
            assert os.read(fd, 100) == b"0.img"
            assert os.fstat(fd).st_ino == now[0]
