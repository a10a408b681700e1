"""The mount process: how it starts, refuses to start, ends, and what the next one finds."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import mounts_below
from tests.fuse.conftest import Mount

pytestmark = pytest.mark.mount

_SCRIPT = str(Path(__file__).with_name("serve_mount.py"))
_AT_EMPTY_PATH = 0x1000


def _refusal(store: Path, mountpoint: Path, tmp_path: Path) -> str:
    """What a mount process that cannot start says; it must end with status 1."""
    result = subprocess.run(
        [sys.executable, _SCRIPT, str(store), str(mountpoint), "1", str(tmp_path / "refused.sock")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert result.stdout.startswith("failed ")
    assert result.stdout.count("\n") == 1
    return result.stdout


def test_sigterm_unmounts_and_ends_with_0(mounted: Callable[..., Mount], tmp_path: Path) -> None:
    mount = mounted()
    (mount.path / "f").write_bytes(b"x")
    assert mount.stop() == 0
    assert mounts_below(tmp_path) == []
    assert not os.path.exists(mount.socket_path)
    assert os.listdir(mount.path) == []


def test_sigterm_ends_a_mount_that_is_in_use(mounted: Callable[..., Mount], tmp_path: Path) -> None:
    mount = mounted()
    fd = os.open(mount.path / "f", os.O_CREAT | os.O_WRONLY)
    assert mount.stop() == 0
    assert mounts_below(tmp_path) == []
    with pytest.raises(OSError, match="not connected"):
        os.close(fd)


@pytest.mark.parametrize("command", [["fusermount3", "-u"], ["umount"], ["umount", "--lazy"]])
def test_an_unmount_from_outside_ends_it_with_0(mounted: Callable[..., Mount], command: list[str]) -> None:
    mount = mounted()
    subprocess.run([*command, str(mount.path)], check=True)
    assert mount.process.wait(10) == 0


def test_what_a_killed_process_left_is_swept(mounted: Callable[..., Mount], tmp_path: Path) -> None:
    mount = mounted()
    (mount.path / "f").write_bytes(b"kept")
    mount.process.send_signal(signal.SIGKILL)
    mount.process.wait(10)
    assert mount.process.stdout is not None
    mount.process.stdout.close()
    assert mounts_below(tmp_path) == [str(mount.path)]
    mount.process = mount.start(1.0)
    assert (mount.path / "f").read_bytes() == b"kept"
    assert mounts_below(tmp_path) == [str(mount.path)]


def test_it_refuses_with_one_line(mounted: Callable[..., Mount], tmp_path: Path) -> None:
    mount = mounted()
    store, file = tmp_path / "store", tmp_path / "file"
    store.mkdir()
    (store / "inside").mkdir()
    file.touch()
    assert "busy" in _refusal(store, mount.path, tmp_path)
    assert "No such file" in _refusal(store, tmp_path / "missing", tmp_path)
    assert "not a directory" in _refusal(store, file, tmp_path)
    for mountpoint in (store / "inside", store, tmp_path):
        assert "contain each other" in _refusal(store, mountpoint, tmp_path)
    assert (mount.path / ".").is_dir()


def test_garbage_on_the_socket_ends_the_connection_only(mounted: Callable[..., Mount]) -> None:
    mount = mounted()
    for garbage in (b"\xff" * 64, b"\0\0\0\3abc", b"\0\0\0\1\x93", b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\0"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(mount.socket_path)
            connection.sendall(garbage)
            assert connection.recv(1) == b""
    assert mount.ask("ping") == "pong"


def _handle(path: Path) -> bytes:
    """name_to_handle_at(2): the raw struct file_handle."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffer, mount_id = ctypes.create_string_buffer(8 + 128), ctypes.c_int()
    ctypes.c_uint.from_buffer(buffer).value = 128
    assert libc.name_to_handle_at(-100, os.fsencode(path), buffer, ctypes.byref(mount_id), 0) == 0
    return buffer.raw[: 8 + ctypes.c_uint.from_buffer(buffer).value]


def _open_handle(mountpoint: Path, handle: bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    at = os.open(mountpoint, os.O_RDONLY)
    try:
        fd = libc.open_by_handle_at(at, ctypes.create_string_buffer(handle, len(handle)), os.O_RDONLY)
        if fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return int(fd)
    finally:
        os.close(at)


def test_file_handles_outlive_the_mount_process(mounted: Callable[..., Mount]) -> None:
    """As an NFS server needs it:

    LOOKUP `.` and `..` of node numbers that only an earlier process gave out.
    """
    mount = mounted()
    (mount.path / "d/e").mkdir(parents=True)
    (mount.path / "d/e/f").write_bytes(b"by handle")
    file, folder = _handle(mount.path / "d/e/f"), _handle(mount.path / "d/e")
    (mount.path / "gone").write_bytes(b"")
    gone = _handle(mount.path / "gone")
    (mount.path / "gone").unlink()
    store = mount.namespace.store
    if not store.primitives.file_handles or len(store.handle_of(store.root())) != 12:
        pytest.skip("file handles of this file system cannot be told from inode numbers")
    assert mount.stop() == 0
    mount.process = mount.start(1.0)
    fd = _open_handle(mount.path, file)
    assert os.read(fd, 100) == b"by handle"
    os.close(fd)
    fd = _open_handle(mount.path, folder)
    assert os.listdir(fd) == ["f"]
    assert os.stat("..", dir_fd=fd).st_ino == (mount.store / "d").stat().st_ino
    os.close(fd)
    with pytest.raises(OSError, match="Stale"):
        _open_handle(mount.path, gone)


def test_many_inodes_need_few_descriptors(mounted: Callable[..., Mount]) -> None:
    mount = mounted(3600.0)
    for folder in range(20):
        (mount.store / f"d{folder}").mkdir()
        for file in range(500):
            os.close(os.open(mount.store / f"d{folder}/f{file}", os.O_CREAT | os.O_WRONLY))
    subprocess.run(["ls", "-lR", str(mount.path)], stdout=subprocess.DEVNULL, check=True)
    figures = mount.ask("stats")
    assert isinstance(figures, dict)
    assert figures["nodes"] > 10_000
    assert len(os.listdir(f"/proc/{mount.process.pid}/fd")) < 4_300
    assert (mount.path / "d7/f321").stat().st_size == 0
