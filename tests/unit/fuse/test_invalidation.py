"""The invalidation server against a kernel that only takes notes."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from weka_mp.fuse.invalidation import Invalidation, Notifier, changes_of
from weka_mp.namespace.tree.nodes import ROOT, Nodes
from weka_mp.store.posix import PosixStore
from weka_mp.values import Change, InodeNo


class _Kernel:
    """Notes what it was told; can be made to wait or to fail."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: int | None = None

    def _note(self, *what: object) -> None:
        assert self.gate.wait(10)
        self.told.append(what)
        if self.error is not None:
            raise OSError(self.error, "")

    def invalidate_entry(self, parent: int, name: bytes) -> None:
        self._note("entry", parent, name)

    def invalidate_inode(self, number: int) -> None:
        self._note("inode", number)


class _Rig:
    def __init__(self, folder: Path) -> None:
        (folder / "d").mkdir()
        (folder / "d/f").touch()
        self.store = PosixStore(str(folder))
        self.nodes = Nodes(self.store)
        self.root_ino = folder.stat().st_ino
        self.directory = self.know(folder / "d")
        self.kernel = _Kernel()
        self.notifier = Notifier(self.kernel)
        self.invalidation = Invalidation(self.nodes, self.notifier, dict, self.nodes.hold_removed)

    def know(self, path: Path) -> int:
        fd = (
            self.store.open_path(self.store.root(), path.name.encode())
            if path.parent.stat().st_ino == self.root_ino
            else self.store.open_path(
                self.store.open_dir(self.store.root(), path.parent.name.encode()), path.name.encode()
            )
        )
        node = self.nodes.learn(fd, self.store.attr(fd), ROOT, path.name.encode())
        self.store.close(fd)
        self.nodes.count(node.number)
        return node.number


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[_Rig]:
    made = _Rig(tmp_path)
    yield made
    made.kernel.gate.set()
    assert made.notifier.stop()
    made.nodes.close()
    made.store.shutdown()


async def test_name_then_directory_then_old_inode(rig: _Rig, tmp_path: Path) -> None:
    file = rig.know(tmp_path / "d")
    await rig.invalidation.invalidate([[rig.directory, b"f", file]])
    assert rig.kernel.told == [("entry", rig.directory, b"f"), ("inode", rig.directory), ("inode", file)]


async def test_the_root_has_number_1(rig: _Rig) -> None:
    await rig.invalidation.invalidate([[rig.root_ino, b"x", None]])
    assert rig.kernel.told == [("entry", ROOT, b"x"), ("inode", ROOT)]


async def test_an_inode_that_lost_its_last_name_is_held_until_the_kernel_forgets(
    rig: _Rig, tmp_path: Path
) -> None:
    """A caller between lookup and open finds what it looked up."""
    file = rig.know(tmp_path / "d/f")
    ino = (tmp_path / "d/f").stat().st_ino
    (tmp_path / "d/f").rename(tmp_path / "d/g")
    await rig.invalidation.invalidate([[(tmp_path / "d").stat().st_ino, b"f", ino]])
    assert rig.nodes.figures()["orphans"] == 0  # it has a name
    with rig.nodes.borrow(file):  # as its lookup left it: open
        (tmp_path / "d/g").unlink()
        await rig.invalidation.invalidate([[(tmp_path / "d").stat().st_ino, b"g", ino]])
    assert rig.nodes.figures()["orphans"] == 1
    rig.nodes.forget([(file, 1)])
    assert rig.nodes.figures()["orphans"] == 0


async def test_an_empty_name_is_about_the_old_inode_alone(rig: _Rig) -> None:
    await rig.invalidation.invalidate([[rig.root_ino, b"", rig.directory]])
    assert rig.kernel.told == [("inode", rig.directory)]


async def test_unknown_directories_are_skipped_but_not_their_known_inodes(rig: _Rig) -> None:
    await rig.invalidation.invalidate([[12345678, b"f", None], [12345678, b"f", rig.directory]])
    assert rig.kernel.told == [("inode", rig.directory)]
    assert (await rig.invalidation.stats(None))["changes_skipped"] == 1  # type: ignore[index]


async def test_forgotten_directories_are_skipped(rig: _Rig) -> None:
    rig.nodes.forget([(rig.directory, 1)])
    await rig.invalidation.invalidate([[rig.directory, b"f", None]])
    assert rig.kernel.told == []


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTCONN, errno.EIO])
async def test_a_kernel_that_refuses_does_not_stop_the_rest(rig: _Rig, number: int) -> None:
    rig.kernel.error = number
    await rig.invalidation.invalidate([[rig.directory, b"f", None]])
    assert rig.kernel.told == [("entry", rig.directory, b"f"), ("inode", rig.directory)]


async def test_changes_of_one_directory_stay_in_order_and_the_answer_waits_for_all(rig: _Rig) -> None:
    changes = [[rig.directory, b"%d" % index, None] for index in range(50)] + [[rig.root_ino, b"r", None]]
    rig.kernel.gate.clear()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.invalidation.invalidate, changes)
        await trio.testing.wait_all_tasks_blocked()
        assert rig.kernel.told == []
        rig.kernel.gate.set()
    names = [what[2] for what in rig.kernel.told if what[:2] == ("entry", rig.directory)]
    assert names == [b"%d" % index for index in range(50)]
    assert ("inode", ROOT) in rig.kernel.told


async def test_overdue_changes_are_noticed(rig: _Rig, autojump_clock: trio.testing.MockClock) -> None:
    autojump_clock.autojump_threshold = float("inf")
    rig.kernel.gate.clear()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rig.invalidation.invalidate, [[rig.directory, b"f", None]])
        await trio.testing.wait_all_tasks_blocked()
        assert not rig.invalidation.is_behind()
        autojump_clock.jump(5.5)
        assert rig.invalidation.is_behind()
        rig.kernel.gate.set()
    assert not rig.invalidation.is_behind()
    assert (await rig.invalidation.stats(None))["changes_overdue"] == 1  # type: ignore[index]


@pytest.mark.parametrize(
    "args",
    [
        None,
        {},
        "x",
        [1],
        [[1, b"x"]],
        [[1, "x", None]],
        [[-1, b"x", None]],
        [[1 << 64, b"x", None]],
        [[1, b"a/b", None]],
        [[1, b"a\0", None]],
        [[1, b"x" * 256, None]],
        [[1, b"x", -1]],
        [[1, b"x", b"2"]],
    ],
)
def test_malformed_changes_are_refused(args: object) -> None:
    with pytest.raises(ValueError, match=r"change|name"):
        changes_of(args)


def test_changes_are_read() -> None:
    assert changes_of([[1, b"x", None], [2, b"", 3]]) == [
        Change(InodeNo(1), b"x", None),
        Change(InodeNo(2), b"", InodeNo(3)),
    ]
