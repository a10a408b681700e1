"""Signals that interrupt system calls: made again, by the store or by Python, and close(2) never twice."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.scenarios import PART, SCENARIOS, Ground, seen
from tests.unit.namespace.kit import BUCKET
from tests.unit.store.interrupting import CALLS, SUPPORTED, interrupting
from weka_mp.errors import Interrupted, IoFailure, StoreUnusable
from weka_mp.namespace import Namespace
from weka_mp.namespace.uploads import multipart
from weka_mp.store import posix, probe, syscalls
from weka_mp.store.interruptions import ATTEMPTS
from weka_mp.store.posix import PosixStore
from weka_mp.values import Fd

KINDS = os.O_RDWR | os.O_CREAT | os.O_EXCL


def every_verb(path: Path) -> list[Any]:
    """Calls each verb of the store; what they found."""
    store = PosixStore(str(path))
    root = store.root()
    fd = store.open_file(root, b"file", KINDS, 0o644)
    found: list[Any] = [store.primitives]
    try:
        found += _of_contents(store, fd) + _of_attributes(store, fd)
        found += _of_names(store, fd) + _of_exclusion(store, fd)
    finally:
        store.close(fd)
        store.shutdown()
    return found


def _of_contents(store: PosixStore, fd: Fd) -> list[Any]:
    store.write(fd, b"0123456789", 0)
    store.allocate(fd, 8192)
    store.punch(fd, 0, 4096)
    store.write(fd, b"0123456789", 0)
    store.truncate(fd, 10)
    copied = store.create_unnamed(store.root(), 0o600)
    store.copy(fd, 2, copied, 0, 8)
    store.link(copied, store.root(), b"copied")
    for sync in (store.sync_data, store.sync_file, store.sync_all):
        sync(copied)
    store.sync_dir(store.root())
    read = store.read(copied, 100, 0)
    store.close(copied)
    return [read, store.statvfs(fd).namemax]


def _of_attributes(store: PosixStore, fd: Fd) -> list[Any]:
    path, found = store.open_path(store.root(), b"file"), []
    for each in (fd, path):  # by the descriptor, and by the way of /proc
        store.set_xattr(each, "user.a", b"1")
        store.set_xattr(each, "user.b", b"2")
        found += [store.get_xattr(each, "user.a"), store.find_xattr(each, "user.b"), store.list_xattr(each)]
        store.remove_xattr(each, "user.b")
        found.append(store.find_xattr(each, "user.b"))
    store.chmod(path, 0o600)
    store.chown(path, -1, -1)
    store.utimens(path, 5, 7)
    store.set_immutable(path, True)
    found.append(store.is_immutable(fd))
    store.set_immutable(fd, False)
    attr = store.attr(store.dup(path))
    found += [attr.mode, attr.atime_ns, attr.mtime_ns, attr.size]
    again = store.reopen(path, os.O_RDONLY)
    found.append(store.read(store.open_handle(store.handle_of(again), os.O_RDONLY), 4, 0))
    return found


def _of_names(store: PosixStore, fd: Fd) -> list[Any]:
    root = store.root()
    store.mkdir(root, b"d", 0o755)
    directory = store.open_dir(root, b"d")
    store.mknod(directory, b"fifo", stat.S_IFIFO | 0o600, 0)
    store.symlink(b"where", directory, b"way")
    store.link(fd, directory, b"linked")
    store.rename(directory, b"linked", directory, b"renamed")
    store.rename(directory, b"renamed", directory, b"once", 1)
    names = sorted(entry.name for entry in store.entries(directory))
    found = [names, store.readlink(directory, b"way"), store.attr_at(directory, b"once").nlink]
    for name in names:
        store.unlink(directory, name)
    store.rmdir(root, b"d")
    return found


def _of_exclusion(store: PosixStore, fd: Fd) -> list[Any]:
    other = store.open_file(store.root(), b"file", os.O_RDONLY)
    found: list[Any] = [store.lock(fd, 3, wait=True), store.lock(fd, 4, wait=False)]
    found.append(store.lock(store.open_file(store.root(), b"file", os.O_RDWR), 3, wait=False))
    found.append(store.lock(other, 5, wait=False))  # one that cannot write
    store.unlock(fd, 3)
    leased = store.open_file(store.root(), b"copied", os.O_RDONLY)
    if store.primitives.leases:
        found += [store.try_lease(leased), store.lease_intact(leased)]
        store.drop_lease(leased)
    return found


def every_operation(path: Path) -> list[Any]:
    """The scenarios of the tests of faults; what is there after each."""
    found = []
    for name, scenario in SCENARIOS.items():
        (path / name).mkdir()
        with Namespace.open(PosixStore(str(path / name))) as namespace:
            ground = Ground(namespace)
            namespace.create_bucket(BUCKET)
            scenario.prepare(ground)
            scenario.act(ground)
            found.append({key: seen(namespace, key) for key in scenario.after} == scenario.after)
    return found


@pytest.mark.skipif(not SUPPORTED, reason="the numbers of the calls are those of x86-64")
def test_every_system_call_may_be_interrupted(tmp_path: Path) -> None:
    for folder in ("plain", "interrupted"):
        (tmp_path / folder).mkdir()
    plain = every_verb(tmp_path / "plain")
    told, ending = interrupting(lambda: every_verb(tmp_path / "interrupted"))
    assert ending == repr(plain)
    assert set(CALLS) - set(told) <= {"fstat"}, "never made, so not tested"  # newfstatat, by some of libc


@pytest.mark.skipif(not SUPPORTED, reason="the numbers of the calls are those of x86-64")
def test_operations_know_nothing_of_interruptions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", len(PART))
    for folder in ("plain", "interrupted"):
        (tmp_path / folder).mkdir()
    every_operation(tmp_path / "plain")  # whatever is imported late is by now
    told, ending = interrupting(lambda: every_operation(tmp_path / "interrupted"))
    assert ending == repr([True] * len(SCENARIOS))
    assert sum(told.values()) > 1000


class Closing:
    """os.close that closes and says `number` all the same; notes what was closed that was not open."""

    def __init__(self, number: int) -> None:
        self.number, self.closed, self.twice = number, 0, 0
        self._close = os.close

    def __call__(self, fd: int) -> None:
        try:
            self._close(fd)
        except OSError:
            self.twice += 1
        self.closed += 1
        raise OSError(self.number, os.strerror(self.number))


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _deep(store: PosixStore) -> bytes:
    """A path that no one call takes."""
    at, component, depth = store.root(), b"d" * 200, 45
    for _ in range(depth):
        store.mkdir(at, component, 0o755)
        inner = store.open_dir(at, component)
        if at != store.root():
            store.close(at)
        at = inner
    store.close(at)
    return b"/".join([component] * depth)


class WithoutOpenat2(PosixStore):
    def _find_openat2(self) -> bool:
        return False


def _open_deep(store: PosixStore, path: bytes) -> None:
    store.close(store.open_dir(store.root(), path))


def _lock_read_only(store: PosixStore, _: bytes) -> None:
    with contextlib.ExitStack() as stack:
        fd = store.create_unnamed(store.root(), 0o600)
        stack.callback(store.close, fd)
        reading = store.reopen(fd, os.O_RDONLY)
        stack.callback(store.close, reading)
        store.lock(reading, 0, wait=False)


CLOSERS: dict[str, Callable[[PosixStore, bytes], None]] = {
    "a path in pieces": _open_deep,
    "a lock": _lock_read_only,
    "the probe": lambda store, _: PosixStore(store.path).shutdown(),
}


@pytest.fixture(params=[PosixStore, WithoutOpenat2])
def deep(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[PosixStore, bytes]]:
    store = request.param(str(tmp_path))
    yield store, _deep(store)
    store.shutdown()


@pytest.mark.parametrize("number", [errno.EINTR, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("name", CLOSERS)
def test_regression_a_close_that_fails_is_not_repeated(
    name: str, number: int, deep: tuple[PosixStore, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory on the way of a long path was closed again: by then it could have been another thread's.
    And whoever closes several descriptors closes them all.
    """
    before, closing = open_descriptors(), Closing(number)
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", closing)
        CLOSERS[name](*deep)
    assert (closing.twice, open_descriptors()) == (0, before)
    assert closing.closed > 1


def test_what_is_not_open_cannot_be_closed(tmp_path: Path) -> None:
    store = PosixStore(str(tmp_path))
    fd = store.dup(store.root())
    store.close(fd)
    with pytest.raises(IoFailure, match="Bad file descriptor"):
        store.close(fd)
    store.shutdown()


class Always:
    """A call that every signal interrupts."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_: object, **__: object) -> None:
        self.calls += 1
        raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))


def test_what_is_always_interrupted_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, always = PosixStore(str(tmp_path)), Always()
    for module, name, act in (
        (os, "mkdir", lambda: store.mkdir(store.root(), b"d", 0o755)),
        (posix.syscalls, "renameat2", lambda: store.rename(store.root(), b"a", store.root(), b"b", 1)),
    ):
        always.calls = 0
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            patch.setattr(module, name, always)
            act()
        assert always.calls == ATTEMPTS
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(syscalls, "_syscall", lambda *_: -1)
        patch.setattr(syscalls.ctypes, "get_errno", lambda: errno.EINTR)
        store.open_dir(store.root(), b"d")
    with monkeypatch.context() as patch, pytest.raises(StoreUnusable, match="Interrupted system call"):
        patch.setattr(os, "mkdir", always)
        PosixStore(str(tmp_path))
    store.shutdown()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
@pytest.mark.parametrize("verb", ["open", "link", "utime", "copy_file_range"])
def test_regression_a_probe_that_lacks_descriptors_says_so(
    verb: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took the file system for one that cannot, or raised what nobody catches and left its directory."""
    before, root, real = open_descriptors(), os.open(tmp_path, os.O_RDONLY), getattr(os, verb)

    def refused(*arguments: Any, **named: Any) -> Any:
        if verb == "open" and named.get("dir_fd") != root:
            return real(*arguments, **named)  # not the first
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, pytest.raises(StoreUnusable, match=os.strerror(number)[:20]):
        patch.setattr(os, verb, refused)
        probe.probe(root)
    os.close(root)
    assert open_descriptors() == before
    assert os.listdir(tmp_path) == []
