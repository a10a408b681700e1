"""The tree without a kernel:

what waits, what is hidden, what stays reachable; with file handles and without.
"""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from weka_mp.clock import SystemClock
from weka_mp.errors import (
    Exists,
    InvalidArgument,
    NotEmpty,
    NotFound,
    NotSupported,
    ReservedName,
    Stale,
    WouldBlock,
)
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.records.attribute import WRITER_XATTR, read_record
from weka_mp.namespace.records.directories import is_implicit, set_implicit
from weka_mp.namespace.tree.facade import EXCHANGE, NOREPLACE, AttrChange, Caller, Tree
from weka_mp.namespace.tree.file_rules import FileRules
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.store.posix import PosixStore
from weka_mp.values import Fd

_ROOT_USER = Caller(0, 0)


class _NoHandles(PosixStore):
    def handle_of(self, fd: Fd) -> bytes:
        raise NotSupported("no handles here")


class _Rig:
    def __init__(self, folder: Path, lock_path: Path, kind: type[PosixStore]) -> None:
        signal.signal(signal.SIGURG, signal.SIG_IGN)
        self.folder = folder
        self.store = kind(str(folder))
        lock_path.touch()
        self.lock_fd = os.open(lock_path, os.O_RDWR)
        self.locks = EntryLocks(self.store, Fd(self.lock_fd))
        self.dirty: list[bytes] = []
        self.tree = Tree(self.store, self.locks, SystemClock(), on_dirty=self.dirty.append, descriptors=16)

    def open_shared(self) -> Tree:
        """Another mount of the same store, which knows that it is not the only one."""
        rules = FileRules(shared=True)
        return Tree(
            self.store, self.locks, SystemClock(), rules=rules, on_dirty=self.dirty.append, descriptors=16
        )

    def write(self, parent: int, name: bytes, data: bytes) -> int:
        file, number = self.tree.create(parent, name, 0o644, os.O_WRONLY, _ROOT_USER)
        self.tree.referred(number)
        self.tree.files.write(file.handle, data, 0, wait=False)
        self.tree.files.flush(file.handle)
        self.tree.files.release(file.handle)
        return number

    def names(self, number: int = ROOT) -> list[bytes]:
        handle = self.tree.directories.open(number)
        try:
            return sorted(listed.name for listed in self.tree.directories.read(handle, 0))
        finally:
            self.tree.directories.release(handle)

    def record_md5(self, name: str) -> str | None:
        fd = Fd(os.open(self.folder / name, os.O_RDONLY))
        try:
            record = read_record(self.store, fd)
            return record.etag if record and record.describes(self.store.attr(fd)) else None
        finally:
            os.close(fd)


@contextmanager
def _rig(tmp_path: Path, kind: type[PosixStore]) -> Iterator[_Rig]:
    (tmp_path / "store").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    made = _Rig(tmp_path / "store", tmp_path / "locks", kind)
    yield made
    made.tree.close()
    made.store.shutdown()
    os.close(made.lock_fd)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture(params=[PosixStore, _NoHandles], ids=["handles", "names"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[_Rig]:
    with _rig(tmp_path, request.param) as made:
        yield made


def test_create_write_close_look(rig: _Rig) -> None:
    number = rig.write(ROOT, b"f", b"content")
    entry = rig.tree.lookup(ROOT, b"f")
    assert (entry.number, entry.attr.size) == (number, 7)
    assert rig.record_md5("f") == hashlib.md5(b"content").hexdigest()
    assert rig.dirty == []


def test_an_etag_is_final_when_the_last_writer_flushed(rig: _Rig) -> None:
    file, number = rig.tree.create(ROOT, b"f", 0o644, os.O_RDWR, _ROOT_USER)
    rig.tree.files.write(file.handle, b"one", 0, wait=False)
    rig.tree.files.flush(file.handle)
    assert rig.record_md5("f") == hashlib.md5(b"one").hexdigest()
    rig.tree.files.write(file.handle, b"two", 3, wait=False)  # a duplicate of the descriptor writes on
    assert WRITER_XATTR in os.listxattr(rig.folder / "f")
    assert rig.tree.files.read(file.handle, 10, 0) == b"onetwo"
    rig.tree.files.flush(file.handle)
    rig.tree.files.release(file.handle)
    assert rig.record_md5("f") == hashlib.md5(b"onetwo").hexdigest()
    assert rig.tree.attributes(number).attr.size == 6


def test_a_writer_beside_the_mount_ends_the_hash(rig: _Rig) -> None:
    file, _ = rig.tree.create(ROOT, b"f", 0o644, os.O_WRONLY, _ROOT_USER)
    rig.tree.referred(file.number)
    rig.tree.files.write(file.handle, b"abc", 0, wait=False)
    with open(rig.folder / "f", "r+b") as other:
        other.write(b"X")
    rig.tree.files.write(file.handle, b"def", 3, wait=False)
    rig.tree.files.flush(file.handle)
    rig.tree.files.release(file.handle)
    assert rig.record_md5("f") is None
    assert rig.dirty == [b"f"]


def test_while_another_can_write_no_hash_is_recorded(rig: _Rig) -> None:
    with open(rig.folder / "f", "wb"):
        number = rig.tree.lookup(ROOT, b"f").number
        file, _ = rig.tree.files.open(number, os.O_WRONLY, 0, truncate=True, wait=False)
        rig.tree.files.write(file.handle, b"abc", 0, wait=False)
        rig.tree.files.flush(file.handle)
        rig.tree.files.release(file.handle)
    assert rig.record_md5("f") is None
    assert rig.dirty == [b"f"]


def test_opening_against_a_lease_would_block_and_changes_nothing(rig: _Rig) -> None:
    number = rig.write(ROOT, b"f", b"content")
    fd = Fd(os.open(rig.folder / "f", os.O_RDONLY))
    assert rig.store.try_lease(fd)
    with pytest.raises(WouldBlock):
        rig.tree.files.open(number, os.O_WRONLY, 0, truncate=True, wait=False)
    assert rig.folder.joinpath("f").stat().st_size == 7
    waiter = threading.Thread(
        target=lambda: rig.tree.files.release(
            rig.tree.files.open(number, os.O_WRONLY, 0, truncate=True, wait=True)[0].handle
        )
    )
    waiter.start()
    rig.store.drop_lease(fd)
    waiter.join(10)
    assert not waiter.is_alive()
    os.close(fd)
    assert rig.folder.joinpath("f").stat().st_size == 0


@pytest.mark.parametrize("how", ["unlink", "rmdir", "rename from", "rename to"])
def test_a_locked_entry_would_block(rig: _Rig, how: str) -> None:
    rig.tree.make_directory(ROOT, b"d", 0o755, _ROOT_USER)
    rig.write(ROOT, b"f", b"x")
    calls = {
        "unlink": lambda: rig.tree.unlink(ROOT, b"f"),
        "rmdir": lambda: rig.tree.remove_directory(ROOT, b"d"),
        "rename from": lambda: rig.tree.rename(ROOT, b"f", ROOT, b"g", 0),
        "rename to": lambda: rig.tree.rename(ROOT, b"x", ROOT, b"f", 0),
    }
    number = rig.folder.stat().st_ino
    with rig.locks.hold([(number, b"f"), (number, b"d")]), pytest.raises(WouldBlock):
        calls[how]()
    assert rig.names() == [b".", b"..", b"d", b"f"]


def test_a_time_that_is_set_before_the_close_keeps_the_hash(rig: _Rig) -> None:
    """As tar, cp -p and rsync do: by the open file, when all is written."""
    file, number = rig.tree.create(ROOT, b"f", 0o644, os.O_WRONLY, _ROOT_USER)
    rig.tree.files.write(file.handle, b"content", 0, wait=False)
    rig.tree.change(number, AttrChange(mtime_ns=1_500_000_000_000_000_000))
    rig.tree.files.flush(file.handle)
    assert rig.record_md5("f") == hashlib.md5(b"content", usedforsecurity=False).hexdigest()
    rig.tree.files.release(file.handle)
    assert rig.dirty == []


def test_what_was_exchanged_is_reached_by_its_new_name(rig: _Rig) -> None:
    first, second = rig.write(ROOT, b"a", b"1"), rig.write(ROOT, b"b", b"2")
    rig.tree.rename(ROOT, b"a", ROOT, b"b", EXCHANGE)
    assert (rig.tree.nodes.path_of(first), rig.tree.nodes.path_of(second)) == (b"b", b"a")


def test_regression_the_mark_is_on_the_disk_before_a_cut_clears_the_rest_of_a_block(
    rig: _Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut left the old length and the old ETag over zeros: ext4 writes them before the new length."""
    number = rig.write(ROOT, b"f", b"0123456789")
    done: list[str] = []
    for verb in ("sync_file", "truncate"):
        real = getattr(rig.store, verb)
        monkeypatch.setattr(
            rig.store, verb, lambda *given, verb=verb, real=real: (done.append(verb), real(*given))[1]
        )
    with pytest.raises(WouldBlock):
        rig.tree.resize(number, 9, None, _ROOT_USER)
    assert done == []
    rig.tree.resize(number, 9, None, _ROOT_USER, wait=True)
    rig.tree.resize(number, 8, None, _ROOT_USER)  # the mark is there, and is known to be on the disk
    assert done == ["sync_file", "truncate", "truncate"]
    assert rig.record_md5("f") is None


def test_regression_a_mark_that_stands_may_not_be_on_the_disk(
    rig: _Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who had set it needed no sync, and the next writer took it for durable."""
    rig.write(ROOT, b"f", b"0123456789")
    file, _ = rig.tree.create(ROOT, b"f", 0o644, os.O_WRONLY | os.O_TRUNC, _ROOT_USER)
    rig.tree.files.write(file.handle, b"abcdefghij", 0, wait=False)
    with pytest.raises(WouldBlock):
        rig.tree.files.write(file.handle, b"X", 0, wait=False)
    synced: list[int] = []
    monkeypatch.setattr(rig.store, "sync_file", synced.append)
    rig.tree.files.write(file.handle, b"X", 0, wait=True)
    assert synced == [file.fd]
    rig.tree.files.release(file.handle)


def test_an_unlinked_open_file_stays_usable(rig: _Rig) -> None:
    file, number = rig.tree.create(ROOT, b"f", 0o644, os.O_RDWR, _ROOT_USER)
    generation = rig.tree.referred(number).generation
    rig.tree.unlink(ROOT, b"f")
    rig.tree.files.write(file.handle, b"still", 0, wait=False)
    rig.tree.resize(number, 3, None, _ROOT_USER, wait=True)
    rig.tree.change(number, AttrChange(mode=0o600))
    attr = rig.tree.attributes(number).attr
    assert (attr.size, attr.nlink, stat.S_IMODE(attr.mode)) == (3, 0, 0o600)
    rig.tree.files.flush(file.handle)
    rig.tree.files.release(file.handle)
    assert rig.tree.attributes(number).attr.nlink == 0  # the kernel has not forgotten it yet
    rig.tree.nodes.forget([(number, 1)])
    try:
        found = rig.tree.attributes(number)
    except Stale:
        pass
    else:  # its number was given to a new file, which may be anybody's: the kernel tells it by the generation
        assert found.generation != generation
    assert rig.dirty == []


def test_hidden_names_do_not_exist(rig: _Rig) -> None:
    (rig.folder / ".weka").mkdir()
    (rig.folder / ".weka~body").touch()
    assert rig.names() == [b".", b".."]
    for name in (b".weka", b".weka~body"):
        for call in (rig.tree.lookup, rig.tree.unlink, rig.tree.remove_directory):
            with pytest.raises(NotFound):
                call(ROOT, name)
        with pytest.raises(NotFound):
            rig.tree.rename(ROOT, name, ROOT, b"x", 0)
        with pytest.raises(ReservedName):
            rig.tree.make_directory(ROOT, name, 0o755, _ROOT_USER)
        with pytest.raises(ReservedName):
            rig.tree.create(ROOT, name, 0o644, os.O_WRONLY, _ROOT_USER)


def test_a_directory_with_hidden_names_only_can_be_removed(rig: _Rig) -> None:
    number = rig.tree.make_directory(ROOT, b"d", 0o755, _ROOT_USER).number
    (rig.folder / "d/.weka~body").write_bytes(b"body")
    rig.write(number, b"f", b"x")
    with pytest.raises(NotEmpty):
        rig.tree.remove_directory(ROOT, b"d")
    assert (rig.folder / "d/.weka~body").exists()
    rig.tree.unlink(number, b"f")
    rig.tree.remove_directory(ROOT, b"d")
    assert rig.names() == [b".", b".."]


def test_posix_callers_claim_implicit_directories(rig: _Rig) -> None:
    def implicit(name: str) -> bool:
        fd = Fd(os.open(rig.folder / name, os.O_RDONLY))
        try:
            return is_implicit(rig.store, fd)
        finally:
            os.close(fd)

    for index, name in enumerate((b"listed", b"wanted", b"changed")):
        (rig.folder / os.fsdecode(name)).mkdir()
        fd = Fd(os.open(rig.folder / os.fsdecode(name), os.O_RDONLY))
        set_implicit(rig.store, fd)
        os.close(fd)
        assert implicit(os.fsdecode(name)), index
    rig.names(rig.tree.lookup(ROOT, b"listed").number)
    with pytest.raises(Exists):
        rig.tree.make_directory(ROOT, b"wanted", 0o755, _ROOT_USER)
    rig.write(rig.tree.lookup(ROOT, b"changed").number, b"f", b"")
    assert [implicit(name) for name in ("listed", "wanted", "changed")] == [False] * 3


def test_rename_and_its_flags(rig: _Rig) -> None:
    a, b = rig.write(ROOT, b"a", b"a"), rig.write(ROOT, b"b", b"b")
    with pytest.raises(Exists):
        rig.tree.rename(ROOT, b"a", ROOT, b"b", NOREPLACE)
    rig.tree.rename(ROOT, b"a", ROOT, b"b", EXCHANGE)
    assert [rig.tree.lookup(ROOT, name).number for name in (b"a", b"b")] == [b, a]
    with pytest.raises(InvalidArgument):
        rig.tree.rename(ROOT, b"a", ROOT, b"c", 4)
    rig.tree.rename(ROOT, b"a", ROOT, b"b", 0)
    assert rig.tree.lookup(ROOT, b"b").number == b
    assert rig.tree.attributes(a).attr.nlink == 0


def test_dot_and_dotdot(rig: _Rig) -> None:
    inner = rig.tree.make_directory(ROOT, b"d", 0o755, _ROOT_USER)
    assert rig.tree.lookup(inner.number, b".").number == inner.number
    assert rig.tree.lookup(inner.number, b"..").number == ROOT
    assert rig.tree.lookup(ROOT, b"..").number == ROOT


def test_a_create_that_lost_a_race_opens_what_is_there(rig: _Rig) -> None:
    rig.write(ROOT, b"f", b"content")
    file, number = rig.tree.create(ROOT, b"f", 0o600, os.O_RDWR, _ROOT_USER)
    assert rig.tree.files.read(file.handle, 10, 0) == b"content"
    assert rig.tree.referred(number).attr.size == 7
    rig.tree.files.release(file.handle)
    with pytest.raises(Exists):
        rig.tree.create(ROOT, b"f", 0o600, os.O_RDWR | os.O_EXCL, _ROOT_USER)


def test_pages_are_kept_while_nothing_changed(rig: _Rig) -> None:
    number = rig.write(ROOT, b"f", b"content")

    def fresh() -> bool:
        file, kept = rig.tree.files.open(number, os.O_RDONLY, 0, truncate=False, wait=False)
        rig.tree.files.release(file.handle)
        return kept

    assert fresh()
    with open(rig.folder / "f", "ab") as other:
        other.write(b"more")
    assert not fresh()
    assert fresh()


def test_regression_a_page_of_a_shared_store_is_never_taken_for_true(rig: _Rig) -> None:
    """The caller of another mount wrote and set the old time again: size and time tell nothing."""
    tree = rig.open_shared()
    number = rig.write(ROOT, b"f", b"content")
    path = rig.folder / "f"
    for _ in range(2):
        tree.lookup(ROOT, b"f")
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        path.write_bytes(b"CONTENT")
        os.utime(path, ns=times)
        file, kept = tree.files.open(number, os.O_RDONLY, 0, truncate=False, wait=False)
        tree.files.release(file.handle)
        assert not kept
    tree.close()


def test_regression_a_hash_of_a_shared_store_knows_nothing_of_other_mounts_writes(
    rig: _Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write of another mount between our own and the looks around it was in the file, not in the hash."""
    tree = rig.open_shared()
    write = PosixStore.write

    def and_another(store: PosixStore, fd: Fd, data: bytes, offset: int) -> None:
        if offset == 4:
            with open(rig.folder / "f", "r+b") as other:
                other.write(b"XX")
        write(store, fd, data, offset)

    monkeypatch.setattr(PosixStore, "write", and_another)
    file, number = tree.create(ROOT, b"f", 0o644, os.O_WRONLY, _ROOT_USER)
    tree.referred(number)
    tree.files.write(file.handle, b"1234", 0, wait=False)
    tree.files.write(file.handle, b"5678", 4, wait=False)
    tree.files.flush(file.handle)
    tree.files.release(file.handle)
    assert (rig.folder / "f").read_bytes() == b"XX345678"
    assert rig.record_md5("f") is None and rig.dirty == [b"f"]  # the filler's work
    tree.close()


@pytest.mark.parametrize("replaced", [True, False])
def test_what_was_replaced_as_soon_as_it_was_made_is_asked_for_again(
    rig: _Rig, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """A reply with another type than was asked for would be EIO; Stale makes the kernel ask once more."""
    make = PosixStore.mkdir

    def mkdir(store: PosixStore, at: Fd, name: bytes, mode: int) -> None:
        make(store, at, name, mode)
        (rig.folder / "d").rmdir()
        if replaced:
            (rig.folder / "d").touch()

    monkeypatch.setattr(PosixStore, "mkdir", mkdir)
    with pytest.raises(Stale):
        rig.tree.make_directory(ROOT, b"d", 0o755, _ROOT_USER)
    assert rig.tree.nodes.known((rig.folder / "d").stat().st_ino if replaced else 2) == []


def test_a_directory_moves_when_no_request_is_on_its_way_through_its_bucket(rig: _Rig) -> None:
    """S3 finds a parent and names an object below it: moved in between, it would be another key's object."""
    bucket = rig.tree.make_directory(ROOT, b"bucket", 0o755, _ROOT_USER).number
    other = rig.tree.make_directory(ROOT, b"other", 0o755, _ROOT_USER).number
    inner = rig.tree.make_directory(bucket, b"a", 0o755, _ROOT_USER).number
    rig.tree.make_directory(inner, b"d", 0o755, _ROOT_USER)
    rig.write(inner, b"f", b"data")
    for number in (bucket, other):
        with rig.locks.share_tree(rig.tree.nodes.ino_of(number), b"some/key"):
            rig.tree.rename(inner, b"f", inner, b"g", 0)  # a file's way is its entry's lock alone
            rig.tree.rename(inner, b"g", inner, b"f", 0)
            with pytest.raises(WouldBlock):
                rig.tree.rename(inner, b"d", other, b"e", 0)
            with pytest.raises(WouldBlock):
                rig.tree.rename(ROOT, b"bucket" if number == bucket else b"other", ROOT, b"new", 0)
    rig.tree.rename(inner, b"d", other, b"e", 0)
    rig.tree.rename(ROOT, b"bucket", ROOT, b"new", 0)
    assert sorted(os.listdir(rig.folder)) == ["new", "other"]


class _Syncing(PosixStore):
    """Notes the inodes that are synced."""

    def __init__(self, path: bytes | str) -> None:
        super().__init__(path)
        self.synced: list[tuple[str, int]] = []

    def sync_file(self, fd: Fd) -> None:
        self.synced.append(("file", self.attr(fd).ino))
        super().sync_file(fd)

    def sync_data(self, fd: Fd) -> None:
        self.synced.append(("data", self.attr(fd).ino))
        super().sync_data(fd)


def test_fsync_reaches_the_backing_file(tmp_path: Path) -> None:
    """Also of a file whose writer rests, and of one without a name."""
    with _rig(tmp_path, _Syncing) as rig:
        file, number = rig.tree.create(ROOT, b"f", 0o644, os.O_WRONLY, _ROOT_USER)
        rig.tree.referred(number)
        rig.tree.files.write(file.handle, b"x", 0, wait=False)
        ino = (rig.folder / "f").stat().st_ino
        rig.tree.sync(file.handle, data_only=False)()
        rig.tree.sync(file.handle, data_only=True)()
        rig.tree.files.flush(file.handle)
        rig.tree.unlink(ROOT, b"f", wait=False)
        rig.tree.sync(file.handle, data_only=False)()
        rig.tree.files.release(file.handle)
        directory = rig.tree.directories.open(ROOT)
        rig.tree.directories.sync(directory)
        rig.tree.directories.release(directory)
        root = rig.folder.stat().st_ino
        assert rig.store.synced == [("file", ino), ("data", ino), ("file", ino), ("file", root)]  # type: ignore[attr-defined]


def test_regression_a_rename_of_what_the_kernel_knows_as_another_file_is_repeated(rig: _Rig) -> None:
    """The kernel renamed its entry of the old inode, and the invalidation on its way named the old name."""

    def replace(content: bytes) -> None:
        (rig.folder / "staged").write_bytes(content)
        os.rename(rig.folder / "staged", rig.folder / "a")

    rig.write(ROOT, b"a", b"old")
    replace(b"new")
    with pytest.raises(Stale):
        rig.tree.rename(ROOT, b"a", ROOT, b"b", 0)
    rig.tree.lookup(ROOT, b"a")
    assert rig.tree.rename(ROOT, b"a", ROOT, b"b", 0)
    assert (rig.folder / "b").read_bytes() == b"new"
    rig.write(ROOT, b"a", b"old")
    replace(b"newer")
    with pytest.raises(Stale):
        rig.tree.rename(ROOT, b"a", ROOT, b"b", 0)
    assert not rig.tree.rename(ROOT, b"a", ROOT, b"b", 0), "nobody hears that b is shown wrongly"
    assert (rig.folder / "b").read_bytes() == b"newer"
