"""Every way to write a file through the mount, and the bytes and ETag that S3 then tells of it."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.service import Bucket
from tests.system.waiting import wait_until

pytestmark = pytest.mark.mount

_PAGE = mmap.PAGESIZE
_MAP = """
import mmap, os, sys
path, kind, end = sys.argv[1:]
fd = os.open(path, os.O_RDWR)
flags = mmap.MAP_SHARED if kind == "shared" else mmap.MAP_PRIVATE
pages = mmap.mmap(fd, 0, flags)
pages[10:20] = b"0123456789"
pages[-10:] = b"9876543210"
assert pages[10:20] == b"0123456789"
if end == "msync": pages.flush()
if end == "munmap": pages.close()
if end == "close": os.close(fd)
print("done", flush=True)
sys.stdin.read()
"""


def _true(bucket: Bucket, key: str, content: bytes) -> None:
    """S3 tells these bytes; its ETag is no lie at once, and the MD5 once it had the time to be."""
    assert bucket.get(key) == content
    digest = hashlib.md5(content).hexdigest()
    tag = bucket.etag(key)
    assert tag == digest or "-" in tag, tag
    wait_until(f"the MD5 of {key}", 60, lambda: bucket.etag(key) == digest)


@pytest.mark.parametrize("end", ["msync", "munmap", "exit"])
def test_what_is_stored_into_a_shared_mapping_is_seen(bucket: Bucket, end: str) -> None:
    before = os.urandom(3 * _PAGE + 100)
    bucket.put("f", before)
    old = bucket.etag("f")
    command = [sys.executable, "-c", _MAP, bucket.path / "f", "shared", end]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"done\n"
        after = before[:10] + b"0123456789" + before[20:-10] + b"9876543210"
        if end != "exit":
            assert bucket.get("f") == after
            assert bucket.etag("f") != old
            assert bucket.status("get_object", Key="f", IfMatch=old)[0] == 412
        process.stdin.close()
        assert process.wait(30) == 0
    _true(bucket, "f", after)


def test_what_is_stored_into_a_private_mapping_stays_private(bucket: Bucket) -> None:
    before = os.urandom(2 * _PAGE)
    bucket.put("f", before)
    old = bucket.etag("f")
    command = [sys.executable, "-c", _MAP, bucket.path / "f", "private", "munmap"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True)
    assert done.stdout == b"done\n"
    assert bucket.get("f") == (bucket.path / "f").read_bytes() == before
    wait_until("its ETag", 30, lambda: bucket.etag("f") == old)


def test_a_mapping_reads_what_s3_put_there(bucket: Bucket) -> None:
    """A mapping keeps the inode that it mapped; the next one sees the new object."""
    bucket.put("f", b"a" * _PAGE)
    read = "import mmap, sys; f = open(sys.argv[1], 'rb'); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)"
    script = f"{read}\nprint(m[:1].decode(), flush=True); sys.stdin.read(1)\nprint(m[:1].decode())"
    command = [sys.executable, "-c", script, bucket.path / "f"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "a\n"
        bucket.put("f", b"b" * _PAGE)
        after, _ = process.communicate("x", timeout=30)
        assert after == "a\n"
    done = subprocess.run(command, input="x", capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "b\nb\n"


def test_direct_io(bucket: Bucket) -> None:
    content = os.urandom(16 * _PAGE)
    buffer = mmap.mmap(-1, len(content))  # O_DIRECT wants aligned memory
    buffer.write(content)
    path = bucket.path / "f"
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o644)
    try:
        assert os.writev(fd, [buffer]) == len(content)
        assert os.pwritev(fd, [memoryview(buffer)[:_PAGE]], 3 * _PAGE) == _PAGE
        expected = content[: 3 * _PAGE] + content[:_PAGE] + content[4 * _PAGE :]
        assert bucket.get("f") == expected
        target = mmap.mmap(-1, len(content))
        assert os.preadv(fd, [target], 0) == len(content)
        assert target[:] == expected
    finally:
        os.close(fd)
    assert path.read_bytes() == expected
    _true(bucket, "f", expected)


def test_appenders_at_once_lose_no_line(bucket: Bucket) -> None:
    bucket.put("log", b"begin\n")
    script = (
        "import os, sys; fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)\n"
        "for i in range(200): assert os.write(fd, b'%s %d\\n' % (sys.argv[2].encode(), i)) > 0"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, bucket.path / "log", name]) for name in "abcd"
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    content = bucket.get("log")
    lines = content.decode().splitlines()
    assert lines[0] == "begin"
    for name in "abcd":
        assert [line for line in lines if line.startswith(f"{name} ")] == [f"{name} {i}" for i in range(200)]
    _true(bucket, "log", content)


def test_mknod_makes_an_object_and_what_is_none(bucket: Bucket) -> None:
    os.mknod(bucket.path / "f", stat.S_IFREG | 0o640)
    _true(bucket, "f", b"")
    (bucket.path / "f").write_bytes(b"content")
    _true(bucket, "f", b"content")
    os.mknod(bucket.path / "sock", stat.S_IFSOCK | 0o600)
    os.mknod(bucket.path / "dev", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mkfifo(bucket.path / "fifo", 0o600)
    assert bucket.keys() == ["f"]
    for name in ("sock", "dev", "fifo"):
        assert bucket.is_absent(name)


def test_two_processes_talk_through_a_fifo(bucket: Bucket) -> None:
    os.mkfifo(bucket.path / "fifo")
    with subprocess.Popen(["wc", "-c", bucket.path / "fifo"], stdout=subprocess.PIPE, text=True) as reader:
        fd = os.open(bucket.path / "fifo", os.O_WRONLY)
        assert bucket.is_absent("fifo")
        for _ in range(20):
            os.write(fd, b"x" * 50_000)
        os.close(fd)
        assert reader.communicate(timeout=30)[0].split()[0] == "1000000"


_UNDEFINED = 0xFFFFFFFF


def _acl(*entries: tuple[int, int, int]) -> bytes:
    """Binary ACL of (tag, permissions, id); tags: 1 owner, 2 user, 4 group, 16 mask, 32 other (acl(5))."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_a_default_acl_is_inherited_enforced_and_kept_by_s3(bucket: Bucket) -> None:
    bucket.path.chmod(0o755)
    folder = bucket.path / "d"
    folder.mkdir(mode=0o755)
    closed = ((1, 6, _UNDEFINED), (2, 4, 65534), (4, 0, _UNDEFINED), (16, 4, _UNDEFINED), (32, 0, _UNDEFINED))
    os.setxattr(folder, "system.posix_acl_default", _acl(*closed))
    (folder / "f").write_bytes(b"old")
    (folder / "sub").mkdir()
    inherited = os.getxattr(folder / "f", "system.posix_acl_access")
    assert inherited == _acl(*closed)
    assert os.getxattr(folder / "sub", "system.posix_acl_default") == _acl(*closed)

    def reads(uid: str) -> bool:
        command = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "cat", "f"]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0

    assert (reads("65534"), reads("65533")) == (True, False)
    bucket.put("d/f", b"new")
    assert (folder / "f").read_bytes() == b"new"
    assert os.getxattr(folder / "f", "system.posix_acl_access") == inherited
    assert (reads("65534"), reads("65533")) == (True, False)
    os.removexattr(folder / "f", "system.posix_acl_access")
    assert not reads("65534")


def test_regression_a_replaced_file_keeps_its_own_acl_or_none(bucket: Bucket) -> None:
    """A replaced file without one got what its directory gives to new files: who was shut out could read."""
    folder = bucket.path / "d"
    folder.mkdir()
    inherited, own = (
        _acl((1, 6, _UNDEFINED), (2, 4, uid), (4, 0, _UNDEFINED), (16, 4, _UNDEFINED), (32, 0, _UNDEFINED))
        for uid in (65534, 65533)
    )
    os.setxattr(folder, "system.posix_acl_default", inherited)
    (folder / "f").write_bytes(b"old")
    os.setxattr(folder / "f", "system.posix_acl_access", own)
    bucket.put("d/f", b"new")
    assert os.getxattr(folder / "f", "system.posix_acl_access") == own
    os.removexattr(folder / "f", "system.posix_acl_access")
    (folder / "f").chmod(0o620)
    bucket.put("d/f", b"newer")
    assert "system.posix_acl_access" not in os.listxattr(folder / "f")
    assert (folder / "f").stat().st_mode & 0o7777 == 0o620


def test_what_is_not_offered_is_refused_or_done_otherwise(bucket: Bucket, tmp_path: Path) -> None:
    """docs/SEMANTICS.md, 11."""
    content = os.urandom(100_000)
    (bucket.path / "f").write_bytes(content)
    with (bucket.path / "f").open("r+b") as source, (bucket.path / "g").open("w+b") as target:
        with pytest.raises(OSError) as refused:
            _fallocate(source.fileno(), 0x01, 0, 1 << 20)  # FALLOC_FL_KEEP_SIZE
        assert refused.value.errno == errno.EOPNOTSUPP
        assert os.lseek(source.fileno(), 0, os.SEEK_HOLE) == len(content), "no holes are told"
        assert os.lseek(source.fileno(), 10, os.SEEK_DATA) == 10
        copied = 0
        while copied < len(content):  # the kernel copies by itself
            copied += os.copy_file_range(source.fileno(), target.fileno(), len(content), copied, copied)
    assert (bucket.path / "f").stat().st_size == len(content)
    _true(bucket, "g", content)


def _fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")
