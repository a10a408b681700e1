"""Files on the mount behave as on a local file system."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.mount

_STRANGER = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c"]


def _errno(call: object, *args: object, **kwargs: object) -> int | None:
    try:
        call(*args, **kwargs)  # type: ignore[operator]
    except OSError as error:
        return error.errno
    return None


def _as_stranger(command: str, at: Path) -> int:
    return subprocess.run([*_STRANGER, command], cwd=at, check=False, stderr=subprocess.DEVNULL).returncode


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_unlinked_file_lives_until_it_is_closed(here: Path) -> None:
    with open(here / "f", "w+b") as file:
        file.write(b"before")
        file.flush()
        (here / "f").unlink()
        assert not (here / "f").exists()
        file.write(b" and after")
        file.flush()
        assert os.fstat(file.fileno()).st_nlink == 0
        os.fchmod(file.fileno(), 0o600)
        os.ftruncate(file.fileno(), 9)
        assert os.pread(file.fileno(), 100, 0) == b"before an"


def test_an_unlinked_inode_is_reachable_by_a_path_descriptor(here: Path) -> None:
    (here / "f").write_bytes(b"x")
    fd = os.open(here / "f", os.O_PATH)
    try:
        before = os.fstat(fd).st_ino
        (here / "f").unlink()
        for index in range(20):  # its number must not be given to another file meanwhile
            (here / f"g{index}").write_bytes(b"y")
        after = os.fstat(fd)
        assert (after.st_ino, after.st_nlink) == (before, 0)
    finally:
        os.close(fd)


def test_a_removed_directory_stays_a_working_directory(here: Path) -> None:
    (here / "d").mkdir()
    script = "cd d && rmdir ../d && ls && ! touch f 2>/dev/null"
    assert subprocess.run(["sh", "-c", script], cwd=here, check=False).returncode == 0


def test_hard_links_share_an_inode(here: Path) -> None:
    (here / "a").write_bytes(b"one")
    os.link(here / "a", here / "b")
    (here / "b").write_bytes(b"two")
    assert (here / "a").read_bytes() == b"two"
    assert (here / "a").stat().st_ino == (here / "b").stat().st_ino
    assert (here / "a").stat().st_nlink == 2
    (here / "a").unlink()
    assert (here / "b").stat().st_nlink == 1


def test_numbers_are_those_of_the_store(here: Path, behind: Path) -> None:
    (here / "a").write_bytes(b"")
    assert (here / "a").stat().st_ino == (behind / "a").stat().st_ino
    assert {entry.name: entry.inode() for entry in os.scandir(here)} == {"a": (behind / "a").stat().st_ino}


def test_open_flags_that_are_the_kernels_business_do_no_harm(here: Path) -> None:
    path = here / "f"
    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_SYNC)
    os.write(fd, b"ab")
    os.write(fd, b"cd")
    os.close(fd)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"ef")
    os.close(fd)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    assert os.read(fd, 4096) == b"abcdef"
    os.close(fd)
    fd = os.open(path, os.O_RDWR | os.O_TRUNC)
    assert os.fstat(fd).st_size == 0
    os.close(fd)
    assert path.stat().st_size == 0


def test_create_modes_and_exclusion(here: Path) -> None:
    previous = os.umask(0o027)
    try:
        os.close(os.open(here / "f", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o6777))
        os.close(os.open(here / "none", os.O_CREAT | os.O_RDWR, 0))
    finally:
        os.umask(previous)
    assert _mode(here / "f") == 0o6750
    assert _mode(here / "none") == 0
    assert _errno(os.open, here / "f", os.O_CREAT | os.O_EXCL) == errno.EEXIST


@pytest.mark.parametrize("command", ["echo x >> f", ": > f", "truncate -s 1 f"])
def test_a_strangers_write_clears_set_id_bits(here: Path, command: str) -> None:
    """As on ext4; see also docs/SEMANTICS.md: root must not leak through the mount."""
    here.chmod(0o777)
    (here / "f").write_bytes(b"abc")
    (here / "f").chmod(0o6777)
    assert _as_stranger(command, here) == 0
    assert _mode(here / "f") == 0o777


def test_roots_write_keeps_set_id_bits(here: Path) -> None:
    (here / "f").write_bytes(b"abc")
    (here / "f").chmod(0o6755)
    with open(here / "f", "ab") as file:
        file.write(b"d")
    assert _mode(here / "f") == 0o6755
    os.chown(here / "f", 1, 1)
    assert _mode(here / "f") == 0o755


def test_new_files_belong_to_their_maker_and_setgid_directories_pass_on_their_group(here: Path) -> None:
    here.chmod(0o777)
    (here / "d").mkdir()
    os.chown(here / "d", 0, 4242)
    (here / "d").chmod(0o2777)
    assert (
        _as_stranger(
            "umask 022; echo > plain; echo > d/inner; mkdir d/sub; mkfifo d/pipe; ln -s x d/link", here
        )
        == 0
    )
    found = {name: (here / name).lstat() for name in ("plain", "d/inner", "d/sub", "d/pipe", "d/link")}
    assert {name: (s.st_uid, s.st_gid) for name, s in found.items()} == {
        "plain": (65534, 65534),
        "d/inner": (65534, 4242),
        "d/sub": (65534, 4242),
        "d/pipe": (65534, 4242),
        "d/link": (65534, 4242),
    }
    assert stat.S_IMODE(found["d/sub"].st_mode) == 0o2755


def test_permissions_are_checked(here: Path) -> None:
    here.chmod(0o755)
    (here / "f").write_bytes(b"secret")
    (here / "f").chmod(0o600)
    assert _as_stranger("cat f", here) != 0
    assert _as_stranger("rm -f f", here) != 0
    assert _as_stranger("touch g", here) != 0
    assert _as_stranger("chmod 777 f", here) != 0


def test_times_keep_nanoseconds(here: Path) -> None:
    path = here / "f"
    path.write_bytes(b"")
    os.utime(path, ns=(1_234_567_890_123_456_789, 987_654_321_987_654_321))
    assert (path.stat().st_atime_ns, path.stat().st_mtime_ns) == (
        1_234_567_890_123_456_789,
        987_654_321_987_654_321,
    )
    subprocess.run(
        ["touch", "-a", "-d", "2001-02-03 04:05:06.123456789Z", path], check=True
    )  # mtime: UTIME_OMIT
    assert path.stat().st_atime_ns == 981_173_106_123_456_789
    assert path.stat().st_mtime_ns == 987_654_321_987_654_321
    subprocess.run(["touch", "-m", path], check=True)  # UTIME_NOW
    assert path.stat().st_mtime_ns > 1_700_000_000_000_000_000
    os.symlink("nowhere", here / "l")
    os.utime(here / "l", ns=(5, 7), follow_symlinks=False)
    assert (here / "l").lstat().st_mtime_ns == 7


def test_symlinks_fifos_and_devices(here: Path) -> None:
    os.symlink("x" * 4095, here / "long")
    assert os.readlink(here / "long") == "x" * 4095
    os.mkfifo(here / "p", 0o640)
    assert stat.S_ISFIFO((here / "p").stat().st_mode)
    result = subprocess.run(
        ["sh", "-c", "echo through > p & cat p"], cwd=here, capture_output=True, check=True
    )
    assert result.stdout == b"through\n"
    os.mknod(here / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    assert (here / "null").stat().st_rdev == os.makedev(1, 3)
    assert _errno(os.open, here / "null", os.O_RDONLY) == errno.EACCES  # nodev


def test_sparse_and_large_offsets(here: Path) -> None:
    with open(here / "f", "w+b") as file:
        os.pwrite(file.fileno(), b"end", 5 << 30)
        assert os.pread(file.fileno(), 3, 5 << 30) == b"end"
        assert os.pread(file.fileno(), 3, 1 << 30) == b"\0\0\0"
    assert (here / "f").stat().st_size == (5 << 30) + 3
    assert (here / "f").stat().st_blocks < 1000


def test_a_shared_mapping_writes_through(here: Path, behind: Path) -> None:
    # In a process of its own: a page fault on the mount must not hold this interpreter.
    script = (
        "import mmap, os; fd = os.open('f', os.O_RDWR | os.O_CREAT); os.ftruncate(fd, 8192); "
        "m = mmap.mmap(fd, 8192); os.close(fd); m[4000:4200] = b'x' * 200; m.flush(); "
        "m[0:1] = b'y'; m.close()"
    )
    subprocess.run(["python3", "-c", script], cwd=here, check=True)
    assert (behind / "f").read_bytes() == b"y" + b"\0" * 3999 + b"x" * 200 + b"\0" * 3992


def test_syncs_and_statvfs(here: Path, behind: Path) -> None:
    fd = os.open(here / "f", os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"x")
    os.fsync(fd)
    os.fdatasync(fd)
    os.close(fd)
    fd = os.open(here, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)
    ours, theirs = os.statvfs(here), os.statvfs(behind)
    assert (ours.f_namemax, ours.f_bsize, ours.f_blocks) == (255, theirs.f_bsize, theirs.f_blocks)


def test_what_the_binding_cannot_do_is_a_clean_refusal(here: Path) -> None:
    with open(here / "f", "w+b") as file:
        assert _errno(os.posix_fallocate, file.fileno(), 0, 4096) in (None, errno.EOPNOTSUPP)
    assert _errno(os.open, here, os.O_TMPFILE | os.O_RDWR) == errno.EOPNOTSUPP


def test_coreutils_copy_keeps_everything(here: Path) -> None:
    source = here / "source"
    source.mkdir()
    (source / "a").write_bytes(os.urandom(300_000))
    os.setxattr(source / "a", "user.note", b"kept")
    (source / "a").chmod(0o640)
    os.utime(source / "a", ns=(1, 2_000_000_003))
    os.symlink("a", source / "l")
    subprocess.run(["cp", "-a", "source", "copy"], cwd=here, check=True)
    subprocess.run(["diff", "-r", "source", "copy"], cwd=here, check=True)
    assert os.getxattr(here / "copy/a", "user.note") == b"kept"
    assert (here / "copy/a").stat().st_mtime_ns == 2_000_000_003
    assert _mode(here / "copy/a") == 0o640
