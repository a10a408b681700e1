"""What every store promises, asked of the POSIX store, of the one in memory and of the fault injector."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weka_mp import errors
from weka_mp.store.faulty import FaultyStore
from weka_mp.store.interface import Store
from weka_mp.store.memory import MemoryStore
from weka_mp.store.posix import PosixStore
from weka_mp.values import Fd, bounded_time

XATTR = "user.test"


class WithoutOpenat2(PosixStore):
    """As on a kernel before 5.6, or under a seccomp filter that does not know the call."""

    def _find_openat2(self) -> bool:
        return False


@pytest.fixture(params=["posix", "openat", "memory", "faulty"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryStore()
        return
    made = (WithoutOpenat2 if request.param == "openat" else PosixStore)(str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    yield FaultyStore(made) if request.param == "faulty" else made
    assert len(os.listdir("/proc/self/fd")) <= before, "the test itself left descriptors open"
    made.shutdown()


def make(store: Store, path: bytes, data: bytes = b"") -> None:
    fd = store.open_file(store.root(), path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    store.write(fd, data, 0)
    store.close(fd)


def load(store: Store, path: bytes) -> bytes:
    fd = store.open_file(store.root(), path, os.O_RDONLY)
    try:
        return store.read(fd, 1 << 20, 0)
    finally:
        store.close(fd)


def names(store: Store, at: Fd | None = None) -> set[bytes]:
    return {entry.name for entry in store.entries(store.root() if at is None else at)}


def refused(
    kind: type[errors.NamespaceError] | tuple[type[errors.NamespaceError], ...], call: Any, *a: Any
) -> None:
    with pytest.raises(kind):
        call(*a)


def test_write_read_truncate(store: Any) -> None:
    fd = store.open_file(store.root(), b"f", os.O_RDWR | os.O_CREAT, 0o644)
    store.write(fd, b"hello", 3)
    assert store.read(fd, 100, 0) == b"\0\0\0hello"
    assert store.read(fd, 2, 4) == b"el"
    assert store.read(fd, 10, 100) == b""
    store.truncate(fd, 5)
    store.truncate(fd, 7)
    assert store.read(fd, 100, 0) == b"\0\0\0he\0\0"
    store.allocate(fd, 4096)
    assert store.read(fd, 7, 0) == b"\0\0\0he\0\0"
    for sync in (store.sync_data, store.sync_file, store.sync_all):
        sync(fd)
    store.close(fd)
    refused(errors.NamespaceError, store.read, fd, 1, 0)


def test_a_hole_is_zeros_and_changes_no_size(store: Any) -> None:
    fd = store.open_file(store.root(), b"f", os.O_RDWR | os.O_CREAT, 0o644)
    store.write(fd, b"x" * 3 * 65536, 0)
    store.punch(fd, 65536, 65536)
    assert store.read(fd, 3 * 65536, 0) == b"x" * 65536 + bytes(65536) + b"x" * 65536
    store.punch(fd, 2 * 65536, 3 * 65536)
    assert store.read(fd, 9 * 65536, 0) == b"x" * 65536 + bytes(2 * 65536)
    store.punch(fd, 9 * 65536, 1)
    assert store.attr(fd).size == 3 * 65536
    store.close(fd)


def test_descriptors_keep_to_how_they_were_opened(store: Any) -> None:
    make(store, b"f", b"x")
    fd = store.open_file(store.root(), b"f", os.O_RDONLY)
    refused(errors.IoFailure, store.write, fd, b"y", 0)
    store.close(fd)
    fd = store.open_file(store.root(), b"f", os.O_WRONLY)
    refused(errors.IoFailure, store.read, fd, 1, 0)
    store.close(fd)


def test_open_file_creates_and_refuses(store: Any) -> None:
    make(store, b"f")
    store.mkdir(store.root(), b"d", 0o755)
    refused(errors.Exists, store.open_file, store.root(), b"f", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    refused(errors.NotFound, store.open_file, store.root(), b"none", os.O_RDONLY)
    refused(errors.NotFound, store.open_file, store.root(), b"none/f", os.O_RDONLY)
    refused(errors.NotDirectory, store.open_file, store.root(), b"f/x", os.O_RDONLY)
    refused(errors.IsDirectory, store.open_file, store.root(), b"d", os.O_RDWR)
    refused(errors.NameTooLong, store.open_file, store.root(), b"n" * 256, os.O_RDONLY)
    refused(errors.NotDirectory, store.open_dir, store.root(), b"f")
    refused(errors.NotFound, store.open_dir, store.root(), b"none")


def test_nothing_leads_out_of_the_store(store: Any) -> None:
    store.mkdir(store.root(), b"d", 0o755)
    inner = store.open_dir(store.root(), b"d")
    for path in (b"..", b"../d", b"x/../../d"):
        refused((errors.CrossDevice, errors.NotFound), store.open_dir, inner, path)
    store.close(inner)
    store.symlink(b"/etc/passwd", store.root(), b"absolute")
    store.symlink(b"../../../../etc/passwd", store.root(), b"climbing")
    for name in (b"absolute", b"climbing"):
        refused(errors.Loop, store.open_file, store.root(), name, os.O_RDONLY)


def test_links_are_never_followed(store: Any) -> None:
    make(store, b"f", b"data")
    store.mkdir(store.root(), b"d", 0o755)
    store.symlink(b"../f", store.root(), b"up")
    store.symlink(b"f", store.root(), b"l")
    store.symlink(b"d", store.root(), b"ld")
    store.symlink(b"turn", store.root(), b"turn")
    assert store.readlink(store.root(), b"l") == b"f"
    refused(errors.InvalidArgument, store.readlink, store.root(), b"f")
    refused((errors.Loop, errors.NotDirectory), store.open_dir, store.root(), b"ld")
    refused((errors.Loop, errors.NotDirectory), store.open_file, store.root(), b"ld/f", os.O_RDONLY)
    assert stat.S_ISLNK(store.attr_at(store.root(), b"l").mode)
    path = store.open_path(store.root(), b"l")
    assert stat.S_ISLNK(store.attr(path).mode)
    assert store.readlink(path, b"") == b"f"
    store.close(path)


def test_special_files_never_block(store: Any) -> None:
    store.mknod(store.root(), b"fifo", stat.S_IFIFO | 0o644, 0)
    fd = store.open_file(store.root(), b"fifo", os.O_RDONLY)
    assert stat.S_ISFIFO(store.attr(fd).mode)
    store.close(fd)
    refused(errors.NotFound, store.open_file, store.root(), b"fifo", os.O_WRONLY)
    store.mknod(store.root(), b"socket", stat.S_IFSOCK | 0o644, 0)
    refused(errors.NotFound, store.open_file, store.root(), b"socket", os.O_RDONLY)
    types = {entry.name: entry.type for entry in store.entries(store.root())}
    assert types == {b"fifo": 0, b"socket": 0}


def test_entries_tell_names_inodes_and_types(store: Any) -> None:
    make(store, b"f")
    make(store, b"\xff\xfe")
    store.mkdir(store.root(), b"d", 0o755)
    store.symlink(b"f", store.root(), b"l")
    found = {entry.name: entry for entry in store.entries(store.root())}
    assert {name: entry.type for name, entry in found.items()} == {
        b"f": stat.S_IFREG,
        b"\xff\xfe": stat.S_IFREG,
        b"d": stat.S_IFDIR,
        b"l": stat.S_IFLNK,
    }
    assert all(entry.ino == store.attr_at(store.root(), name).ino for name, entry in found.items())


def test_directories_count_links_and_refuse_to_go(store: Any) -> None:
    store.mkdir(store.root(), b"d", 0o700)
    at = store.open_dir(store.root(), b"d")
    make(store, b"d/f")
    assert stat.S_IMODE(store.attr(at).mode) == 0o700
    refused(errors.Exists, store.mkdir, store.root(), b"d", 0o755)
    refused(errors.NotEmpty, store.rmdir, store.root(), b"d")
    refused(errors.IsDirectory, store.unlink, store.root(), b"d")
    refused(errors.NotDirectory, store.rmdir, at, b"f")
    store.unlink(at, b"f")
    refused(errors.NotFound, store.unlink, at, b"f")
    store.rmdir(store.root(), b"d")
    assert store.attr(at).nlink == 0
    refused(errors.NotFound, store.open_file, at, b"new", os.O_WRONLY | os.O_CREAT, 0o644)
    refused(errors.NotFound, store.mkdir, at, b"new", 0o755)
    store.sync_dir(at)
    store.close(at)


def test_regression_no_unnamed_file_in_a_removed_directory(store: Any) -> None:
    """ext4 answers EPERM (a client would see 403); some file systems allow it and then refuse the link."""
    store.mkdir(store.root(), b"d", 0o755)
    at = store.open_dir(store.root(), b"d")
    store.rmdir(store.root(), b"d")
    try:
        fd = store.create_unnamed(at, 0o644)
    except errors.NotFound:
        pass
    else:
        refused(errors.NotFound, store.link, fd, at, b"f")
        store.close(fd)
    store.close(at)


def test_unnamed_files_get_a_name_once_nobody_has_it(store: Any) -> None:
    fd = store.create_unnamed(store.root(), 0o644)
    store.write(fd, b"body", 0)
    assert names(store) == set()
    assert store.attr(fd).nlink == 0
    store.link(fd, store.root(), b"f")
    refused(errors.Exists, store.link, fd, store.root(), b"f")
    store.link(fd, store.root(), b"g")
    assert store.attr(fd).nlink == 2
    store.close(fd)
    assert load(store, b"f") == load(store, b"g") == b"body"


def test_link_takes_any_descriptor_but_no_directory(store: Any) -> None:
    make(store, b"f", b"x")
    path = store.open_path(store.root(), b"f")
    store.link(path, store.root(), b"g")
    store.unlink(store.root(), b"f")
    store.unlink(store.root(), b"g")
    refused(errors.NotFound, store.link, path, store.root(), b"h")
    store.close(path)
    refused((errors.PermissionRefused, errors.CrossDevice), store.link, store.root(), store.root(), b"loop")


def test_rename_and_its_flags(store: Any) -> None:
    make(store, b"a", b"A")
    make(store, b"b", b"B")
    root = store.root()
    refused(errors.Exists, store.rename, root, b"a", root, b"b", 1)
    store.rename(root, b"a", root, b"c", 1)
    assert names(store) == {b"b", b"c"}
    store.rename(root, b"b", root, b"c", 2)
    assert (load(store, b"b"), load(store, b"c")) == (b"A", b"B")
    refused(errors.NotFound, store.rename, root, b"b", root, b"none", 2)
    store.rename(root, b"b", root, b"c")
    assert load(store, b"c") == b"A"
    refused(errors.NotFound, store.rename, root, b"b", root, b"c")
    assert names(store) == {b"c"}


def test_rename_of_directories(store: Any) -> None:
    root = store.root()
    for name in (b"d", b"e"):
        store.mkdir(root, name, 0o755)
    make(store, b"f")
    inner = store.open_dir(root, b"d")
    refused(errors.InvalidArgument, store.rename, root, b"d", inner, b"d")
    refused(errors.NotDirectory, store.rename, root, b"d", root, b"f")
    refused(errors.IsDirectory, store.rename, root, b"f", root, b"d")
    store.mkdir(inner, b"child", 0o755)
    refused(errors.NotEmpty, store.rename, root, b"e", root, b"d")
    store.rename(root, b"d", root, b"e")
    assert names(store) == {b"e", b"f"}
    assert names(store, inner) == {b"child"}
    assert store.attr(inner).nlink in (3, 1)  # btrfs counts no subdirectories
    store.close(inner)


def test_regression_a_full_directory_is_not_empty_in_xfs_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(*args: object, **options: object) -> None:
        raise FileExistsError(errno.EEXIST, "File exists")

    store = PosixStore(str(tmp_path))
    monkeypatch.setattr(os, "rename", rename)
    refused(errors.NotEmpty, store.rename, store.root(), b"d", store.root(), b"e")
    store.shutdown()


def test_rename_of_two_names_of_one_inode_does_nothing(store: Any) -> None:
    make(store, b"a", b"x")
    fd = store.open_path(store.root(), b"a")
    store.link(fd, store.root(), b"b")
    store.close(fd)
    store.rename(store.root(), b"a", store.root(), b"b")
    assert names(store) == {b"a", b"b"}


def test_an_unlinked_file_lives_with_its_descriptor(store: Any) -> None:
    make(store, b"f", b"data")
    fd = store.open_file(store.root(), b"f", os.O_RDONLY)
    store.unlink(store.root(), b"f")
    assert store.attr(fd).nlink == 0
    assert store.read(fd, 10, 0) == b"data"
    store.close(fd)


def test_copy_says_when_the_source_is_short(store: Any) -> None:
    make(store, b"a", b"0123456789")
    make(store, b"b")
    source = store.open_file(store.root(), b"a", os.O_RDONLY)
    target = store.open_file(store.root(), b"b", os.O_RDWR)
    store.copy(source, 2, target, 1, 5)
    assert store.read(target, 100, 0) == b"\x0023456"
    refused(errors.ObjectChanged, store.copy, source, 5, target, 0, 6)
    store.close(source)
    store.close(target)


def test_extended_attributes(store: Any) -> None:
    make(store, b"f")
    store.mkdir(store.root(), b"d", 0o755)
    for flags in (os.O_RDONLY, os.O_PATH):
        fd = (
            store.open_file(store.root(), b"f", os.O_RDONLY)
            if not flags
            else store.open_path(store.root(), b"f")
        )
        refused(errors.NoAttribute, store.get_xattr, fd, XATTR)
        refused(errors.NoAttribute, store.remove_xattr, fd, XATTR)
        assert store.find_xattr(fd, XATTR) is None
        store.set_xattr(fd, XATTR, b"1", 1)
        refused(errors.Exists, store.set_xattr, fd, XATTR, b"2", 1)
        store.set_xattr(fd, XATTR, b"2", 2)
        assert store.get_xattr(fd, XATTR) == store.find_xattr(fd, XATTR) == b"2"
        assert store.list_xattr(fd) == [XATTR]
        store.remove_xattr(fd, XATTR)
        refused(errors.NoAttribute, store.set_xattr, fd, XATTR, b"2", 2)
        store.close(fd)
    directory = store.open_dir(store.root(), b"d")
    store.set_xattr(directory, XATTR, b"x")
    assert store.get_xattr(directory, XATTR) == b"x"
    store.close(directory)


def test_an_attribute_that_does_not_fit_is_said_so(store: Any) -> None:
    make(store, b"f")
    fd = store.open_file(store.root(), b"f", os.O_RDONLY)
    with pytest.raises((errors.AttributeTooLarge, errors.NoSpace)):
        store.set_xattr(fd, XATTR, b"x" * 70_000)
    store.close(fd)


def test_attributes_change_the_change_time_and_only_it(store: Any) -> None:
    make(store, b"f", b"x")
    fd = store.open_file(store.root(), b"f", os.O_RDONLY)
    before = store.attr(fd)
    store.set_xattr(fd, XATTR, b"x")
    after = store.attr(fd)
    assert after.mtime_ns == before.mtime_ns
    if store.primitives.change_grain_ns == 0:
        assert after.ctime_ns > before.ctime_ns
    store.close(fd)


def test_mode_owner_and_times(store: Any) -> None:
    make(store, b"f", b"x")
    fd = store.open_path(store.root(), b"f")
    store.chmod(fd, 0o604)
    store.utimens(fd, 5, 1_000_000_000_000_000_007)
    attr = store.attr(fd)
    assert (stat.S_IMODE(attr.mode), attr.atime_ns, attr.mtime_ns) == (0o604, 5, 1_000_000_000_000_000_007)
    store.chown(fd, -1, -1)
    assert (store.attr(fd).uid, store.attr(fd).gid) == (attr.uid, attr.gid)
    store.close(fd)


@pytest.mark.parametrize("wanted", [-(10**29), -(1 << 63) - 1, -1, 0, (1 << 64) - 1, 1 << 64, 10**29])
def test_times_are_those_that_records_can_name(store: Any, wanted: int) -> None:
    make(store, b"f", b"x")
    fd = store.open_path(store.root(), b"f")
    store.utimens(fd, wanted, wanted)
    attr = store.attr(fd)
    assert attr.atime_ns == attr.mtime_ns == bounded_time(attr.mtime_ns)
    assert (attr.mtime_ns > 0) == (wanted > 0) and (attr.mtime_ns < 0) == (wanted < 0)
    store.close(fd)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")
def test_regression_a_file_system_may_keep_times_that_no_date_can_name(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True)
    try:
        store = PosixStore(str(tmp_path))
        for seconds in (10**16, -(10**16)):
            (tmp_path / "f").write_bytes(b"x")
            os.utime(tmp_path / "f", (seconds, seconds))
            assert os.stat(tmp_path / "f").st_mtime == seconds, "the file system has bounds of its own"
            assert store.attr_at(store.root(), b"f").mtime_ns == bounded_time(seconds * 10**9)
        store.shutdown()
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_creation_as_somebody_else(store: Any) -> None:
    store.chmod(store.root(), 0o777)
    with store.acting_as(1234, 2345, ()):
        make(store, b"f")
    make(store, b"g")
    attr = store.attr_at(store.root(), b"f")
    assert (attr.uid, attr.gid) == (1234, 2345)
    assert store.attr_at(store.root(), b"g").uid == 0


def test_every_change_moves_the_directorys_time(store: Any) -> None:
    if store.primitives.change_grain_ns:
        pytest.skip("times of this file system are coarse")
    seen = [store.attr(store.root()).mtime_ns]
    make(store, b"f")
    seen.append(store.attr(store.root()).mtime_ns)
    store.rename(store.root(), b"f", store.root(), b"g")
    seen.append(store.attr(store.root()).mtime_ns)
    store.unlink(store.root(), b"g")
    seen.append(store.attr(store.root()).mtime_ns)
    assert seen == sorted(set(seen))


def test_a_lease_is_given_exactly_when_nobody_writes(store: Any) -> None:
    if not store.primitives.leases:
        pytest.skip("no leases here")
    make(store, b"f", b"x")
    reader = store.open_file(store.root(), b"f", os.O_RDONLY)
    writer = store.open_file(store.root(), b"f", os.O_RDWR)
    assert store.try_lease(reader) is False
    store.close(writer)
    assert store.try_lease(reader) is True
    assert store.lease_intact(reader) is True
    refused(errors.WouldBlock, store.open_file, store.root(), b"f", os.O_WRONLY)
    assert store.lease_intact(reader) is False
    store.drop_lease(reader)
    writer = store.open_file(store.root(), b"f", os.O_WRONLY)
    store.close(writer)
    store.close(reader)


def test_a_writer_waits_for_a_lease(store: Any) -> None:
    if not store.primitives.leases:
        pytest.skip("no leases here")
    make(store, b"f", b"x")
    reader = store.open_file(store.root(), b"f", os.O_RDONLY)
    path = store.open_path(store.root(), b"f")
    assert store.try_lease(reader)
    opened = threading.Event()

    def write() -> None:
        fd = store.reopen(path, os.O_RDWR)
        opened.set()
        store.close(fd)

    thread = threading.Thread(target=write)
    thread.start()
    while store.lease_intact(reader):
        opened.wait(0.001)
    assert not opened.is_set()
    store.drop_lease(reader)
    assert opened.wait(10)
    thread.join()
    store.close(path)
    store.close(reader)


def test_byte_locks_belong_to_open_file_descriptions(store: Any) -> None:
    make(store, b"locks")
    one = store.open_file(store.root(), b"locks", os.O_RDWR)
    same, other = store.dup(one), store.open_file(store.root(), b"locks", os.O_RDWR)
    assert store.lock(one, 7, wait=False)
    assert store.lock(same, 7, wait=False)
    assert not store.lock(other, 7, wait=False)
    assert store.lock(other, 8, wait=True)
    store.unlock(one, 7)
    assert store.lock(other, 7, wait=False)
    store.close(other)
    assert store.lock(one, 8, wait=True)
    store.close(one)
    store.close(same)


def test_a_lock_that_is_waited_for_comes(store: Any) -> None:
    make(store, b"locks")
    one = store.open_file(store.root(), b"locks", os.O_RDWR)
    other = store.open_file(store.root(), b"locks", os.O_RDWR)
    assert store.lock(one, 0, wait=True)
    got = threading.Event()

    def wait() -> None:
        assert store.lock(other, 0, wait=True)
        got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not got.wait(0.02)
    store.unlock(one, 0)
    assert got.wait(10)
    thread.join()
    store.close(one)
    store.close(other)


def test_handles_find_the_inode_until_it_is_gone(store: Any) -> None:
    if not store.primitives.file_handles:
        pytest.skip("no file handles here")
    make(store, b"f", b"data")
    fd = store.open_path(store.root(), b"f")
    handle = store.handle_of(fd)
    store.close(fd)
    store.rename(store.root(), b"f", store.root(), b"g")
    fd = store.open_handle(handle, os.O_RDONLY)
    assert store.read(fd, 10, 0) == b"data"
    store.close(fd)
    store.unlink(store.root(), b"g")
    refused(errors.Stale, store.open_handle, handle, os.O_RDONLY)


def test_totals_of_the_file_system(store: Any) -> None:
    found = store.statvfs(store.root())
    assert 0 < found.bavail <= found.blocks
    assert found.namemax == 255


def test_regression_paths_longer_than_the_kernel_takes_at_once(store: Any) -> None:
    """A key of 1,024 bytes can have over 4,096 bytes of path (PATH_MAX) once its components are escaped."""
    at, depth = store.root(), 30
    component = b"d" * 200
    for _ in range(depth):
        store.mkdir(at, component, 0o755)
        inner = store.open_dir(at, component)
        if at != store.root():
            store.close(at)
        at = inner
    path = b"/".join([component] * depth)
    deepest = store.open_dir(store.root(), path)
    assert store.attr(deepest).ino == store.attr(at).ino
    make(store, path + b"/f", b"deep")
    assert load(store, path + b"/f") == b"deep"
    refused(errors.NotFound, store.open_file, store.root(), path + b"/none", os.O_RDONLY)
    store.close(deepest)
    store.close(at)


def test_an_immutable_file_keeps_its_bytes_attributes_and_names(store: Any) -> None:
    if not store.primitives.immutable:
        pytest.skip("no immutable files here")
    make(store, b"f", b"bytes")
    make(store, b"other", b"others")
    fd, path = store.open_file(store.root(), b"f", os.O_RDONLY), store.open_path(store.root(), b"f")
    store.link(path, store.root(), b"second")
    store.set_xattr(fd, "user.a", b"1")
    assert not store.is_immutable(fd)
    before = store.attr(fd)
    store.set_immutable(path, True)
    try:
        assert store.is_immutable(fd) and store.is_immutable(path)
        root = store.root()
        for call, *given in (
            (store.open_file, root, b"f", os.O_WRONLY), (store.reopen, path, os.O_RDWR),
            (store.open_file, root, b"f", os.O_RDWR | os.O_TRUNC),
            (store.unlink, root, b"f"), (store.unlink, root, b"second"), (store.link, fd, root, b"third"),
            (store.rename, root, b"f", root, b"third"), (store.rename, root, b"other", root, b"f"),
            (store.rename, root, b"other", root, b"f", 2),
            (store.set_xattr, fd, "user.a", b"2"), (store.remove_xattr, fd, "user.a"),
            (store.chmod, fd, 0o600), (store.chown, fd, 5, 5), (store.utimens, fd, 1, 1),
        ):  # fmt: skip
            refused(errors.PermissionRefused, call, *given)
        assert store.try_lease(fd)
        store.drop_lease(fd)
        assert (store.attr(fd).mtime_ns, store.attr(fd).mode) == (before.mtime_ns, before.mode)
        assert load(store, b"second") == b"bytes" and store.get_xattr(fd, "user.a") == b"1"
    finally:
        store.set_immutable(fd, False)
    store.unlink(store.root(), b"second")
    store.rename(store.root(), b"other", store.root(), b"f")
    for each in (fd, path):
        store.close(each)


def test_who_could_write_before_is_stopped_where_the_store_says_so(store: Any) -> None:
    if not store.primitives.immutable:
        pytest.skip("no immutable files here")
    make(store, b"f", b"bytes")
    fd = store.open_file(store.root(), b"f", os.O_RDWR)
    store.set_immutable(fd, True)
    try:
        if store.primitives.immutable_stops:
            refused(errors.PermissionRefused, store.write, fd, b"x", 0)
            refused(errors.PermissionRefused, store.truncate, fd, 1)
        else:
            store.write(fd, b"x", 0)
        refused(errors.PermissionRefused, store.punch, fd, 0, 1)
    finally:
        store.set_immutable(fd, False)
    store.write(fd, b"y", 0)
    store.close(fd)
    assert load(store, b"f") == b"yytes"
