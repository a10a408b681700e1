"""What callers of a mount do, told once; directories that move; what a mount that died left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.namespace.kit import BUCKET, put
from tests.unit.notifications.kit import about, journal, lines, moves_waiting, notify, told
from weka_mp.clock import SystemClock
from weka_mp.namespace import Namespace
from weka_mp.namespace.happenings import PUT, REMOVED
from weka_mp.namespace.tree.facade import EXCHANGE, Caller, Tree
from weka_mp.namespace.tree.file_rules import FileRules
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.notifications.journal import moves_in, open_in
from weka_mp.notifications.mount_watch import MountWatch, Recovery, key_at
from weka_mp.notifications.moves import Moves
from weka_mp.notifications.open_writes import abandoned
from weka_mp.store.posix import PosixStore
from weka_mp.values import BucketName

OTHER = BucketName("other")
USER = Caller(0, 0)


class Rig:
    """A mount without a kernel, of a store whose buckets are plain directories."""

    def __init__(self, folder: Path) -> None:
        signal.signal(signal.SIGURG, signal.SIG_IGN)
        (folder / "store").mkdir()
        self.waiting = folder / "waiting"
        self.namespace = Namespace.open(PosixStore(str(folder / "store")))
        for name in (BUCKET, OTHER):
            self.namespace.create_bucket(name)
        self.journal = journal(self.namespace, self.waiting)
        self.watch = MountWatch(self.namespace, self.journal, open_in(str(self.waiting)))
        store, locks = self.namespace.store, self.namespace.locks
        self.tree = Tree(store, locks, SystemClock(), rules=FileRules(watcher=self.watch))
        self.bucket = self.tree.lookup(ROOT, b"bucket").number
        self.root = folder / "store"
        (self.root / "bucket").chmod(0o777)

    def directory(self, *names: bytes) -> int:
        number = ROOT
        for name in names:
            number = self.tree.lookup(number, name).number
        return number

    def write(self, parent: int, name: bytes, data: bytes = b"data") -> int:
        file, number = self.tree.create(parent, name, 0o644, os.O_WRONLY, USER)
        self.tree.files.write(file.handle, data, 0, wait=True)
        self.close(file.handle)
        return number

    def rename(self, parent: int, name: bytes, to_parent: int, to_name: bytes, flags: int) -> None:
        self.tree.lookup(parent, name)  # as the kernel does
        if flags == EXCHANGE:
            self.tree.lookup(to_parent, to_name)
        self.tree.rename(parent, name, to_parent, to_name, flags, wait=True)

    def close(self, handle: int) -> None:
        self.tree.files.flush(handle)
        self.tree.files.release(handle)

    def told(self) -> list[tuple[str, str]]:
        return told(self.waiting)

    def expand(self) -> int:
        return Moves(self.namespace, self.journal, moves_in(str(self.waiting)), lambda: False).step()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.tree.close()
    made.watch.close()
    made.namespace.close()


def test_a_file_is_told_of_when_it_is_closed_and_once(rig: Rig) -> None:
    notify(rig.namespace, about())
    file, number = rig.tree.create(rig.bucket, b"f", 0o644, os.O_WRONLY, Caller(7, 7))
    rig.tree.files.write(file.handle, b"hel", 0, wait=True)
    rig.tree.files.write(file.handle, b"lo", 3, wait=True)
    assert rig.told() == []
    rig.close(file.handle)
    record = lines(rig.waiting)[0]["record"]
    assert record["eventSource"] == "weka:posix" and record["userIdentity"] == {"principalId": "uid:7"}
    what = record["s3"]["object"]
    assert (what["size"], what["eTag"]) == (5, "5d41402abc4b2a76b9719d911017c592")
    reader, _ = rig.tree.files.open(number, os.O_RDONLY, 0, truncate=False, wait=True)
    rig.close(reader.handle)
    again, _ = rig.tree.files.open(number, os.O_RDWR, 0, truncate=False, wait=True)
    rig.close(again.handle)
    assert rig.told() == [(PUT, "f")], "what nobody wrote did not change"


def test_every_change_of_content_is_told(rig: Rig) -> None:
    notify(rig.namespace, about())
    number = rig.write(rig.bucket, b"f")
    again, _ = rig.tree.files.open(number, os.O_WRONLY, 0, truncate=False, wait=True)
    rig.tree.files.write(again.handle, b"more", 4, wait=True)
    rig.close(again.handle)
    rig.tree.resize(number, 2, None, USER, wait=True)
    cut, _ = rig.tree.files.open(number, os.O_WRONLY, 0, truncate=True, wait=True)
    rig.close(cut.handle)
    sizes = [line["record"]["s3"]["object"]["size"] for line in lines(rig.waiting)]
    assert sizes == [4, 8, 2, 0] and {event for event, _ in rig.told()} == {PUT}
    empty, _ = rig.tree.create(rig.bucket, b"empty", 0o644, os.O_WRONLY, USER)
    rig.close(empty.handle)
    rig.tree.make_node(rig.bucket, b"node", 0o100644, 0, USER)
    rig.tree.link(number, rig.bucket, b"second", wait=True)
    assert [key for _, key in rig.told()[4:]] == ["empty", "node", "second"]


def test_sequencers_of_a_key_rise(rig: Rig) -> None:
    notify(rig.namespace, about())
    for _ in range(3):
        rig.write(rig.bucket, b"f")
        rig.tree.unlink(rig.bucket, b"f", wait=True)
    orders = [line["record"]["s3"]["object"]["sequencer"] for line in lines(rig.waiting)]
    assert orders == sorted(set(orders)) and len(orders) == 6


def test_names_that_come_and_go(rig: Rig) -> None:
    notify(rig.namespace, about())
    rig.write(rig.bucket, b".tmp")
    rig.write(rig.bucket, b"data.csv")
    rig.rename(rig.bucket, b".tmp", rig.bucket, b"data.csv", 0)
    rig.write(rig.bucket, b"x")
    rig.rename(rig.bucket, b"x", rig.bucket, b"data.csv", EXCHANGE)
    rig.tree.unlink(rig.bucket, b"x", wait=True)
    rig.tree.make_symlink(rig.bucket, b"link", b"x", USER)
    rig.tree.unlink(rig.bucket, b"link", wait=True)
    rig.tree.make_directory(rig.bucket, b"d", 0o755, USER)
    rig.tree.remove_directory(rig.bucket, b"d", wait=True)
    assert rig.told() == [
        (PUT, ".tmp"), (PUT, "data.csv"), (REMOVED, ".tmp"), (PUT, "data.csv"), (PUT, "x"),
        (PUT, "data.csv"), (PUT, "x"), (REMOVED, "x"),
    ]  # fmt: skip


def test_a_file_without_a_name_is_no_object(rig: Rig) -> None:
    notify(rig.namespace, about("s3:ObjectCreated:*"))
    file, _ = rig.tree.create(rig.bucket, b"f", 0o644, os.O_WRONLY, USER)
    rig.tree.files.write(file.handle, b"data", 0, wait=True)
    rig.tree.unlink(rig.bucket, b"f", wait=True)
    rig.close(file.handle)
    left = abandoned(open_in(str(rig.waiting)), SystemClock().now_ns())
    assert rig.told() == [] and list(left) == []


def test_only_buckets_that_notify_are_told_of(rig: Rig) -> None:
    rig.write(rig.bucket, b"before")
    assert not rig.waiting.exists(), "nothing is written where nobody wants to know"
    notify(rig.namespace, about(prefix="in/"), bucket=OTHER)
    rig.write(rig.bucket, b"f")
    rig.write(ROOT, b"in-no-bucket")
    rig.write(rig.directory(b"other"), b"f")
    inside = rig.tree.make_directory(rig.directory(b"other"), b"in", 0o755, USER).number
    rig.write(inside, b"f")
    rig.rename(inside, b"f", rig.bucket, b"g", 0)
    assert rig.told() == [(PUT, "in/f"), (REMOVED, "in/f")]


def test_a_directory_that_moves_is_told_object_by_object(rig: Rig) -> None:
    for key in (b"a/1", b"a/deep/2", b"kept"):
        put(rig.namespace, key, b"x")
    notify(rig.namespace, about())
    rig.rename(rig.bucket, b"a", rig.bucket, b"b", 0)
    assert rig.told() == [] and moves_waiting(rig.waiting) == 1
    assert rig.expand() == 1 and rig.expand() == 0
    assert sorted(rig.told()) == sorted([
        (REMOVED, "a/1"), (PUT, "b/1"), (REMOVED, "a/deep/2"), (PUT, "b/deep/2"),
    ])  # fmt: skip
    assert len({line["order"] for line in lines(rig.waiting)}) == 1, "it was one step"


def test_a_directory_that_moved_on_is_followed(rig: Rig) -> None:
    put(rig.namespace, b"a/d/1", b"x")
    notify(rig.namespace, about("s3:ObjectRemoved:*"))
    rig.rename(rig.directory(b"bucket", b"a"), b"d", rig.bucket, b"e", 0)
    rig.rename(rig.bucket, b"e", rig.directory(b"other"), b"f", 0)
    rig.rename(rig.directory(b"other"), b"f", ROOT, b"g00", 0)
    rig.expand()
    assert rig.told() == [(REMOVED, "a/d/1"), (REMOVED, "e/1")]


def test_files_that_a_dead_mount_was_writing_are_told_of(rig: Rig) -> None:
    notify(rig.namespace, about("s3:ObjectCreated:*"))
    pid = os.fork()
    if pid == 0:  # a mount of its own, which is killed while it writes
        try:
            mount = MountWatch(rig.namespace, rig.journal, open_in(str(rig.waiting)))
            for number, name in enumerate((b"closed", b"open", b"gone", b"moved")):
                (rig.root / "bucket" / name.decode()).touch()
                mount.changing(number, b"bucket/" + name)
            mount.settled(0)
            mount.changing(3, b"bucket/there")
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    rig.tree.unlink(rig.bucket, b"gone", wait=True)
    rig.rename(rig.bucket, b"moved", rig.bucket, b"there", 0)
    before = len(rig.told())
    recovery = Recovery(rig.namespace, rig.journal, open_in(str(rig.waiting)))
    assert recovery.step() == 2 and recovery.step() == 0
    assert sorted(rig.told()[before:]) == [(PUT, "open"), (PUT, "there")]


def test_regression_a_path_that_became_something_else_holds_up_no_recovery(rig: Rig) -> None:
    notify(rig.namespace, about("s3:ObjectCreated:*"))
    outside = rig.root.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    bucket = rig.root / "bucket"
    (bucket / "file").touch()
    (bucket / "link").symlink_to(outside)
    (bucket / "open").touch()
    pid = os.fork()
    if pid == 0:
        try:
            mount = MountWatch(rig.namespace, rig.journal, open_in(str(rig.waiting)))
            for number, name in enumerate((b"file/was/a/directory", b"link/secret", b"no/more", b"open")):
                mount.changing(number, b"bucket/" + name)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert Recovery(rig.namespace, rig.journal, open_in(str(rig.waiting))).step() == 1
    assert rig.told() == [(PUT, "open")] and _sizes(open_in(str(rig.waiting))) == []


def test_regression_a_target_without_room_holds_up_no_moves_of_others(rig: Rig, tmp_path: Path) -> None:
    narrow = journal(rig.namespace, rig.waiting, limit=1)
    for bucket, target in ((BUCKET, "down"), (OTHER, "up")):
        put(rig.namespace, b"a/1", b"x", bucket=bucket)
        notify(rig.namespace, about("s3:ObjectCreated:*", target=target), bucket=bucket)
    while narrow.keep("down", b"x" * 65536):  # a segment, which nobody reads
        pass
    for bucket in (b"bucket", b"other"):
        rig.rename(rig.directory(bucket), b"a", rig.directory(bucket), b"b", 0)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        assert sum(waits) < 600, "it waits for ever"

    Moves(rig.namespace, narrow, moves_in(str(rig.waiting)), lambda: False, wait).step()
    assert told(rig.waiting, "up") == [(PUT, "b/1")]
    assert narrow.dropped == {"down": 1} and waits
    narrow.close()


def test_regression_a_file_that_is_about_to_get_its_name_is_left_alone(tmp_path: Path) -> None:
    """Else the mount that made it would not find it, and not keep what it begins to write."""
    staged, old = tmp_path / ".new-1", tmp_path / ".new-0"
    for file in (staged, old):
        file.touch()
    os.utime(old, (0, 0))
    assert list(abandoned(str(tmp_path), SystemClock().now_ns())) == [(str(old), [])]


def test_a_mount_that_lives_tells_by_itself(rig: Rig) -> None:
    notify(rig.namespace, about())
    files = [rig.tree.create(rig.bucket, b"%d" % n, 0o644, os.O_WRONLY, USER)[0] for n in range(3)]
    recovery = Recovery(rig.namespace, rig.journal, open_in(str(rig.waiting)))
    pid = os.fork()
    if pid == 0:  # flock(2) goes by the open file, which a child shares
        os._exit(recovery.step())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    for file in files:
        rig.close(file.handle)
    [(_, left)] = [(name, size) for name, size in _sizes(open_in(str(rig.waiting)))]
    assert left == 0 and len(rig.told()) == 3


def _sizes(folder: str) -> list[tuple[str, int]]:
    return [(entry.name, entry.stat().st_size) for entry in os.scandir(folder)]


def test_a_path_is_a_key_as_a_listing_has_it(rig: Rig) -> None:
    for key in (b"plain", b"a//b", b"../up", b"n\0ul", "ä/ö".encode(), b"x" * 300):
        put(rig.namespace, key)
    found = set()
    for path in (rig.root / "bucket").rglob("*"):
        if path.is_file():
            found.add(key_at(rig.namespace, os.fsencode(path.relative_to(rig.root))))
    assert found == {(BUCKET, row.key) for row in rig.namespace.list_objects(BUCKET).items}
    assert key_at(rig.namespace, b".weka/x") is None and key_at(rig.namespace, b"Not_A_Bucket/x") is None
