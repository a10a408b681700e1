"""Names on the mount:

limits, what is reserved, rename with flags, listings under change, extended attributes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuse.conftest import Mount

pytestmark = pytest.mark.mount

_NOREPLACE, _EXCHANGE, _WHITEOUT = 1, 2, 4
_libc = ctypes.CDLL(None, use_errno=True)


def _rename(old: Path, new: Path, flags: int) -> int:
    """renameat2(2): 0 or the errno."""
    at = -100  # AT_FDCWD
    if _libc.renameat2(at, os.fsencode(old), at, os.fsencode(new), flags) == 0:
        return 0
    return ctypes.get_errno()


def _errno(call: Callable[..., object], *args: object) -> int | None:
    try:
        call(*args)
    except OSError as error:
        return error.errno
    return None


def test_names_have_255_bytes_at_most(here: Path) -> None:
    longest = "n" * 255
    (here / longest).write_bytes(b"x")
    assert os.listdir(here) == [longest]
    for call in (os.stat, os.mkdir, os.unlink, os.rmdir):
        assert _errno(call, here / (longest + "n")) == errno.ENAMETOOLONG
    assert _errno(os.rename, here / longest, here / (longest + "n")) == errno.ENAMETOOLONG


def test_paths_may_be_as_long_as_path_max(here: Path) -> None:
    fd = os.open(here, os.O_RDONLY | os.O_DIRECTORY)
    part, depth = "d" * 200, 30  # deeper than one path can say
    try:
        for _ in range(depth):
            os.mkdir(part, dir_fd=fd)
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            os.close(fd)
            fd = inner
        with open(os.open("leaf", os.O_CREAT | os.O_RDWR, dir_fd=fd), "w+b") as leaf:
            leaf.write(b"deep")
        assert os.stat("leaf", dir_fd=fd).st_size == 4
    finally:
        os.close(fd)
    subprocess.run(["rm", "-r", part], cwd=here, check=True)


def test_names_are_bytes(here: Path, behind: Path) -> None:
    for name in (b"\xff\xfe", b"new\nline", " é ".encode(), b"...", b"-rf", b"%2F", b".hidden"):
        path = os.fsencode(here) + b"/" + name
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        assert name in os.listdir(os.fsencode(here))
        assert name in os.listdir(os.fsencode(behind))
        os.unlink(path)


@pytest.mark.parametrize("name", [".weka", ".weka~body", ".weka~", ".weka%zz"])
def test_reserved_names_cannot_be_made(here: Path, mount: Mount, name: str) -> None:
    (here / "f").write_bytes(b"x")
    for folder in (here, mount.path):
        assert _errno(os.mkdir, folder / name) == errno.EPERM or folder == mount.path
        target = folder / name
        assert _errno(os.open, target, os.O_CREAT | os.O_WRONLY) == errno.EPERM
        assert _errno(os.symlink, "x", target) == errno.EPERM
        assert _errno(os.mkfifo, target) == errno.EPERM
        assert _errno(os.link, here / "f", target) == errno.EPERM
        assert _errno(os.rename, here / "f", target) == errno.EPERM


def test_the_control_area_does_not_exist(mount: Mount) -> None:
    assert ".weka" in os.listdir(mount.store)
    assert ".weka" not in os.listdir(mount.path)
    for call in (os.stat, os.listdir, os.rmdir, os.unlink):
        assert _errno(call, mount.path / ".weka") == errno.ENOENT
    assert _errno(os.rename, mount.path / ".weka", mount.path / "x") == errno.ENOENT


def test_no_hard_link_leads_into_the_control_area(here: Path, mount: Mount) -> None:
    for hidden in (mount.path / ".weka" / "format", here / ".." / ".weka" / "format"):
        assert _errno(os.link, hidden, here / "link") == errno.ENOENT
    assert _errno(os.link, mount.store / ".weka" / "format", here / "link") == errno.EXDEV
    assert os.listdir(here) == [] and os.stat(mount.store / ".weka" / "format").st_nlink == 1


def test_a_hard_link_made_beside_the_mount_shows_nothing(here: Path, mount: Mount) -> None:
    """Somebody made it in the store's directory: no name of the control area is one of the mount."""
    secret = mount.store / ".weka" / "format"
    content, folder = secret.read_bytes(), mount.store / here.relative_to(mount.path)
    os.link(secret, folder / "link")
    (here / "ordinary").write_bytes(b"x")
    assert os.listdir(here) == ["ordinary"]
    for call in (os.stat, os.unlink, os.listxattr, lambda path: os.open(path, os.O_RDONLY)):
        assert _errno(call, here / "link") == errno.ENOENT
    assert _errno(os.link, here / "link", here / "other") == errno.ENOENT
    assert _errno(os.open, here / "link", os.O_RDWR | os.O_CREAT | os.O_TRUNC) == errno.EPERM
    assert _errno(os.mkdir, here / "link") == errno.EEXIST
    (here / "ordinary").rename(here / "link")
    assert (here / "link").read_bytes() == b"x"
    assert secret.read_bytes() == content and secret.stat().st_nlink == 1


def test_canonical_escapes_are_ordinary_names(here: Path) -> None:
    (here / ".weka%e").write_bytes(b"x")
    (here / ".wekax").write_bytes(b"x")
    assert sorted(os.listdir(here)) == [".weka%e", ".wekax"]


def test_rename_flags(here: Path) -> None:
    (here / "a").write_bytes(b"a")
    (here / "b").mkdir()
    (here / "b/inner").write_bytes(b"")
    assert _rename(here / "a", here / "b", _NOREPLACE) == errno.EEXIST
    assert _rename(here / "a", here / "c", _NOREPLACE) == 0
    assert _rename(here / "c", here / "b", _EXCHANGE) == 0
    assert (here / "b").read_bytes() == b"a"
    assert (here / "c/inner").exists()
    assert _rename(here / "c", here / "nothing", _EXCHANGE) == errno.ENOENT
    assert _rename(here / "b", here / "w", _WHITEOUT) == errno.EINVAL
    assert _rename(here / "b", here / "w", _NOREPLACE | _EXCHANGE) == errno.EINVAL


def test_rename_keeps_to_posix(here: Path) -> None:
    for name in ("d", "d/e", "full", "full/x"):
        (here / name).mkdir()
    (here / "f").write_bytes(b"f")
    assert _errno(os.rename, here / "d", here / "d/e/inside") == errno.EINVAL
    assert _errno(os.rename, here / "d", here / "full") == errno.ENOTEMPTY
    assert _errno(os.rename, here / "f", here / "d") == errno.EISDIR
    assert _errno(os.rename, here / "d", here / "f") == errno.ENOTDIR
    assert _errno(os.rmdir, here / "d") == errno.ENOTEMPTY
    assert _errno(os.rmdir, here / "f") == errno.ENOTDIR
    assert _errno(os.unlink, here / "d") in (errno.EISDIR, errno.EPERM)
    (here / "d").rename(here / "moved")
    assert (here / "moved/e").is_dir()
    (here / "moved/e/inner").write_bytes(b"reached by the moved directory")


def test_a_replaced_open_file_keeps_its_content(here: Path) -> None:
    (here / "a").write_bytes(b"new")
    (here / "b").write_bytes(b"old")
    with open(here / "b", "rb") as file:
        (here / "a").rename(here / "b")
        assert file.read() == b"old"
        assert os.fstat(file.fileno()).st_nlink == 0
    assert (here / "b").read_bytes() == b"new"


def test_a_listing_of_5000_survives_deletions(here: Path, behind: Path) -> None:
    """Whatever is there from beginning to end is reported once, whatever else comes and goes."""
    for index in range(5000):
        (behind / f"{index:04}").touch()
    draw, seen = random.Random(1), []
    gone: set[str] = set()
    with os.scandir(here) as entries:
        for number, entry in enumerate(entries):
            seen.append(entry.name)
            if number % 10 == 0:
                victim = f"{draw.randrange(5000):04}"
                if (here / victim).exists():
                    (here / victim).unlink()
                    gone.add(victim)
                (here / f"new{number}").touch()
    assert len(seen) == len(set(seen))
    stayed = {f"{index:04}" for index in range(5000)} - gone
    assert stayed <= set(seen)
    assert set(os.listdir(here)) == set(os.listdir(behind))


def test_rewinding_and_seeking_a_listing(here: Path) -> None:
    for index in range(300):
        (here / f"entry-with-a-long-name-{index:080}").touch()
    script = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
class Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("len", ctypes.c_ushort),
                ("type", ctypes.c_ubyte), ("name", ctypes.c_char * 256)]
libc.opendir.restype, libc.telldir.restype = ctypes.c_void_p, ctypes.c_long
libc.readdir.restype = ctypes.POINTER(Dirent)
d = ctypes.c_void_p(libc.opendir(b"."))
def rest(limit=10**6):
    names = []
    while len(names) < limit and (entry := libc.readdir(d)):
        names.append(entry.contents.name)
    return names
first = rest(100); at = libc.telldir(d); tail = rest()
libc.seekdir(d, ctypes.c_long(at)); assert rest() == tail
os.unlink(first[-1]); libc.rewinddir(d)
again = rest()
assert len(set(again)) == len(again) == 301 and {b".", b".."} <= set(again) and first[-1] not in again
"""
    subprocess.run(["python3", "-c", script], cwd=here, check=True)


def test_dot_entries_have_the_right_numbers(here: Path) -> None:
    (here / "d").mkdir()
    output = subprocess.run(
        ["ls", "-ai", "d"], cwd=here, capture_output=True, text=True, check=True
    ).stdout.split()
    assert output == [str((here / "d").stat().st_ino), ".", str(here.stat().st_ino), ".."]


def test_extended_attributes(here: Path, behind: Path) -> None:
    path = here / "f"
    path.write_bytes(b"x")
    os.setxattr(path, "user.a", b"1" * 1000)
    os.setxattr(path, "trusted.t", b"root's")
    assert _errno(os.setxattr, path, "user.a", b"", os.XATTR_CREATE) == errno.EEXIST
    assert _errno(os.setxattr, path, "user.b", b"", os.XATTR_REPLACE) == errno.ENODATA
    assert sorted(os.listxattr(path)) == ["trusted.t", "user.a"]
    assert os.getxattr(path, "user.a") == b"1" * 1000
    os.removexattr(path, "user.a")
    assert _errno(os.getxattr, path, "user.a") == errno.ENODATA
    assert _errno(os.removexattr, path, "user.a") == errno.ENODATA
    too_much = _errno(os.setxattr, behind, "user.huge", b"x" * 60_000)  # the file system's business
    assert _errno(os.setxattr, path, "user.huge", b"x" * 60_000) == too_much


def test_own_attributes_are_invisible_and_cannot_be_set(here: Path, behind: Path) -> None:
    path = here / "f"
    path.write_bytes(b"x")
    assert "user.weka.object" in os.listxattr(behind / "f")
    assert os.listxattr(path) == []
    for name in ("user.weka.object", "user.weka.other"):
        assert _errno(os.getxattr, path, name) == errno.ENODATA
        assert _errno(os.setxattr, path, name, b"forged") == errno.EPERM
        assert _errno(os.removexattr, path, name) == errno.ENODATA
    assert _errno(os.setxattr, path, "nonsense.x", b"") == errno.EOPNOTSUPP


def test_strangers_do_not_see_trusted_and_security_attributes(here: Path) -> None:
    path = here / "f"
    path.write_bytes(b"x")
    path.chmod(0o666)
    here.chmod(0o777)
    os.setxattr(path, "trusted.t", b"1")
    os.setxattr(path, "security.test", b"1")
    child = os.fork()
    if child == 0:  # not exec: the interpreter may lie where a stranger cannot reach it
        try:
            os.chdir(here)
            os.setgroups([])
            os.setresuid(65534, 65534, 65534)
            hidden = all(
                _errno(os.getxattr, "f", name) == errno.ENODATA for name in ("trusted.t", "security.test")
            )
            os.setxattr("f", "user.mine", b"1")
            os._exit(0 if os.listxattr("f") == ["user.mine"] and hidden else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sorted(os.listxattr(path)) == ["security.test", "trusted.t", "user.mine"]


def test_acls_pass_through_and_are_enforced(here: Path, behind: Path) -> None:
    """An ACL in binary (acl(5)): user::rw-, user:65534:---, group::r--, mask::r--, other::r--."""
    path = here / "f"
    path.write_bytes(b"x")
    here.chmod(0o755)
    entries = [
        (1, 6, 0xFFFFFFFF),
        (2, 0, 65534),
        (4, 4, 0xFFFFFFFF),
        (16, 4, 0xFFFFFFFF),
        (32, 4, 0xFFFFFFFF),
    ]
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + perm.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, perm, who in entries
    )
    stranger = ["setpriv", "--reuid", "65534", "--clear-groups", "cat", "f"]
    assert subprocess.run(stranger, cwd=here, stdout=subprocess.DEVNULL, check=False).returncode == 0
    os.setxattr(path, "system.posix_acl_access", acl)
    assert os.getxattr(behind / "f", "system.posix_acl_access") == acl
    assert subprocess.run(stranger, cwd=here, stderr=subprocess.DEVNULL, check=False).returncode != 0
