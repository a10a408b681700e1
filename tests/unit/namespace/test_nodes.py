"""The node table: identity, references, ways back, descriptors; with file handles and without."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from weka_mp.errors import NotSupported, Stale
from weka_mp.namespace.tree.nodes import ROOT, Node, Nodes
from weka_mp.store.posix import PosixStore
from weka_mp.values import Fd, InodeNo


class _NoHandles(PosixStore):
    """A file system without file handles, or a caller who may not open them."""

    def handle_of(self, fd: Fd) -> bytes:
        raise NotSupported("no handles here")


class _Table:
    def __init__(self, folder: Path, kind: type[PosixStore], descriptors: int = 8) -> None:
        self.folder = folder
        self.store = kind(str(folder))
        self.nodes = Nodes(self.store, descriptors=descriptors)

    def learn(self, path: str) -> Node:
        """Look a path up, component by component, as the kernel does."""
        node = self.nodes.get(ROOT)
        for name in path.encode().split(b"/"):
            with self.nodes.borrow(node.number) as directory:
                fd = self.store.open_path(directory, name)
            node = self.nodes.learn(fd, self.store.attr(fd), node.number, name)
            self.nodes.count(node.number)
            self.store.close(fd)
        return node

    def ino(self, number: int) -> int:
        with self.nodes.borrow(number) as fd:
            return self.store.attr(fd).ino


@pytest.fixture(params=[PosixStore, _NoHandles], ids=["handles", "names"])
def table(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[_Table]:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/f").touch()
    made = _Table(tmp_path, request.param)
    yield made
    made.nodes.close()
    made.store.shutdown()


@pytest.fixture
def handled(tmp_path: Path) -> Iterator[_Table]:
    """One with file handles."""
    made = _Table(tmp_path, PosixStore)
    yield made
    made.nodes.close()
    made.store.shutdown()


def test_numbers_are_the_stores_and_the_root_is_1(table: _Table) -> None:
    assert table.learn("a/b/f").number == (table.folder / "a/b/f").stat().st_ino
    root = table.store.attr(table.store.root())
    assert table.nodes.number_of(root) == ROOT
    assert table.nodes.known(root.ino) == [ROOT]
    assert table.nodes.ino_of(ROOT) == root.ino


def test_clashing_numbers_come_from_a_table(table: _Table) -> None:
    attr = table.store.attr(table.store.root())
    foreign = attr._replace(dev=attr.dev + 1)
    low = attr._replace(ino=InodeNo(1))
    high = attr._replace(ino=InodeNo((1 << 63) + 7))
    numbers = [table.nodes.number_of(each) for each in (foreign, low, high)]
    assert len(set(numbers)) == 3
    assert all(number >> 63 for number in numbers)
    assert [table.nodes.number_of(each) for each in (foreign, low, high)] == numbers


def test_a_node_is_reached_again_without_a_cached_descriptor(table: _Table) -> None:
    number = table.learn("a/b/f").number
    table.nodes._descriptors.drop(number)
    assert table.ino(number) == number


def test_a_forgotten_node_is_found_again(table: _Table) -> None:
    node = table.learn("a/b/f")
    number, generation = node.number, node.generation
    table.nodes.count(number)
    table.nodes.forget([(number, 1)])
    assert table.nodes.known(number) == [number]
    table.nodes.forget([(number, 1)])
    assert table.nodes.known(number) == []
    assert table.ino(number) == number
    assert table.nodes.get(number).generation == generation


def test_a_node_follows_a_rename(table: _Table) -> None:
    node = table.learn("a/b")
    inner = table.learn("a/b/f")
    os.rename(table.folder / "a/b", table.folder / "moved")
    fd = table.store.open_path(table.store.root(), b"moved")
    table.nodes.moved(fd, ROOT, b"moved")
    table.store.close(fd)
    for number in (node.number, inner.number):
        table.nodes._descriptors.drop(number)
        assert table.ino(number) == number
    assert table.nodes.path_of(inner.number) == b"moved/f"


def test_a_removed_inode_is_stale(table: _Table) -> None:
    number = table.learn("a/b/f").number
    table.nodes._descriptors.drop(number)
    os.unlink(table.folder / "a/b/f")
    with pytest.raises(Stale), table.nodes.borrow(number):
        pass


def test_regression_the_number_of_a_removed_inode_is_not_reused_before_the_kernel_forgot_it(
    table: _Table,
) -> None:
    """A storm of PUTs made open(2) fail with EIO: the kernel breaks an inode whose number comes again."""
    number = table.learn("a/b/f").number
    assert table.ino(number) == number  # as after a lookup, its descriptor is cached
    os.unlink(table.folder / "a/b/f")
    table.nodes.hold_removed(number)
    assert table.nodes.figures()["orphans"] == 1
    for _ in range(50):
        (table.folder / "a/b/f").touch()
        assert os.stat(table.folder / "a/b/f").st_ino != number
        os.unlink(table.folder / "a/b/f")
    assert table.ino(number) == number
    table.nodes.forget([(number, 1)])
    assert table.nodes.figures()["orphans"] == 0
    with pytest.raises(Stale), table.nodes.borrow(number):
        pass


def test_an_inode_that_has_another_name_is_not_held(table: _Table) -> None:
    number = table.learn("a/b/f").number
    assert table.ino(number) == number
    os.link(table.folder / "a/b/f", table.folder / "other")
    os.unlink(table.folder / "a/b/f")
    table.nodes.hold_removed(number)
    assert table.nodes.figures()["orphans"] == 0
    assert table.ino(number) == number


def test_another_inode_of_that_name_is_not_mistaken(table: _Table) -> None:
    number = table.learn("a/b/f").number
    table.nodes._descriptors.drop(number)
    (table.folder / "new").touch()  # made before the old one goes, so that its number differs
    os.replace(table.folder / "new", table.folder / "a/b/f")
    with pytest.raises(Stale), table.nodes.borrow(number):
        pass


def test_an_orphan_stays_until_it_is_forgotten(table: _Table) -> None:
    number = table.learn("a/b/f").number
    fd = table.store.open_path(table.store.root(), b"a/b/f")
    os.unlink(table.folder / "a/b/f")
    assert table.nodes.orphaned(fd)
    assert table.ino(number) == number
    table.nodes.forget([(number, 1)])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    with pytest.raises(Stale):
        table.nodes.get(number)


def test_what_the_kernel_does_not_know_is_no_orphan(table: _Table) -> None:
    fd = table.store.open_path(table.store.root(), b"a/b/f")
    assert not table.nodes.orphaned(fd)
    table.store.close(fd)


def test_descriptors_are_bounded_and_borrowed_ones_stay_open(table: _Table) -> None:
    before = len(os.listdir("/proc/self/fd"))
    numbers = []
    for index in range(50):
        (table.folder / f"f{index}").touch()
        numbers.append(table.learn(f"f{index}").number)
    with table.nodes.borrow(numbers[0]) as first:
        for number in numbers[1:]:
            assert table.ino(number) == number
        assert os.fstat(first).st_ino == numbers[0]
    assert len(os.listdir("/proc/self/fd")) - before <= 8 + 1
    assert table.nodes.figures()["descriptors"] <= 8
    table.nodes.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_parents(table: _Table) -> None:
    folder = table.learn("a/b")
    assert table.nodes.parent_of(folder.number) == (table.folder / "a").stat().st_ino
    assert table.nodes.parent_of(table.nodes.parent_of(folder.number)) == ROOT
    assert table.nodes.parent_of(ROOT) == ROOT


def test_a_number_of_an_earlier_process_is_found_by_handle(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    number = (tmp_path / "f").stat().st_ino
    table = _Table(tmp_path, PosixStore)
    try:
        handles = table.store.primitives.file_handles
        if not handles or len(table.store.handle_of(table.store.root())) != 12:
            pytest.skip("file handles of this file system cannot be told from inode numbers")
        assert table.ino(number) == number
        assert table.nodes.get(number).generation == table.learn("f").generation
        with pytest.raises(Stale):
            table.nodes.get(number + (1 << 33))
    finally:
        table.nodes.close()
        table.store.shutdown()


def test_without_handles_a_number_of_an_earlier_process_is_stale(tmp_path: Path) -> None:
    """As for a mount without CAP_DAC_READ_SEARCH: better no inode than perhaps another one."""
    (tmp_path / "f").touch()
    table = _Table(tmp_path, _NoHandles)
    with pytest.raises(Stale):
        table.nodes.get((tmp_path / "f").stat().st_ino)
    assert table.learn("f").number == (tmp_path / "f").stat().st_ino, "by name it is found"
    table.nodes.close()
    table.store.shutdown()


def _reuse(table: _Table) -> tuple[Node, Node]:
    """A node of a removed file, and that of a new one which got its inode number."""
    for attempt in range(50):
        (table.folder / "old").touch()
        old = table.learn("old")
        table.nodes._descriptors.drop(old.number)
        os.unlink(table.folder / "old")
        (table.folder / f"new{attempt}").touch()
        if (table.folder / f"new{attempt}").stat().st_ino == old.ino:
            return old, table.learn(f"new{attempt}")
        table.nodes.forget([(old.number, old.lookups)])
    pytest.skip("this file system reuses no inode number soon")


def test_regression_a_number_that_the_kernel_uses_is_not_given_to_another_inode(handled: _Table) -> None:
    """It was given with another generation: the kernel broke the old inode, and calls failed with EIO."""
    old, new = _reuse(handled)
    assert (old.ino, old.lookups, new.lookups) == (new.ino, 1, 1)
    assert new.number != old.number
    assert new.generation != old.generation
    assert sorted(handled.nodes.known(old.ino)) == sorted([old.number, new.number])
    with pytest.raises(Stale), handled.nodes.borrow(old.number):
        pass
    assert handled.ino(new.number) == new.ino
    handled.nodes.forget([(old.number, 1)])
    path = handled.nodes.path_of(new.number).decode()
    assert handled.learn(path).number == new.number, "a number stays while the kernel knows the inode by it"
    handled.nodes.forget([(new.number, 2)])
    assert handled.nodes.known(old.ino) == []
    assert handled.ino(new.number) == new.ino, "a handle of NFS may still name it so"
    assert handled.learn(path).number == new.number
    handled.nodes._descriptors.drop(new.number)
    os.unlink(handled.folder / path)
    with pytest.raises(Stale), handled.nodes.borrow(new.number):
        pass


def test_a_number_that_nobody_uses_goes_to_the_next_inode(handled: _Table) -> None:
    old, new = _reuse(handled)
    handled.nodes.forget([(old.number, 1), (new.number, 1)])
    os.unlink(handled.folder / os.fsdecode(new.name))
    handled.nodes.release_unlinked()
    for index in range(50):
        path = handled.folder / f"third{index}"
        path.touch()
        if path.stat().st_ino == old.ino:
            assert handled.learn(path.name).number == old.ino
            return
    pytest.skip("this file system reuses no inode number soon")


def test_without_handles_a_number_is_not_given_to_another_type(tmp_path: Path) -> None:
    table = _Table(tmp_path, _NoHandles)
    try:
        (tmp_path / "old").touch()
        old = table.learn("old")
        (tmp_path / "new").mkdir()
        fd = table.store.open_path(table.store.root(), b"new")
        attr = table.store.attr(fd)._replace(ino=old.ino)
        assert table.nodes.learn(fd, attr, ROOT, b"new").number != old.number
        table.store.close(fd)
    finally:
        table.nodes.close()
        table.store.shutdown()


def test_a_file_removed_beside_us_does_not_keep_its_space(table: _Table) -> None:
    gone, stays = table.learn("a/b/f").number, table.learn("a/b").number
    for number in (gone, stays):
        assert table.ino(number) == number  # its descriptor is cached now
    os.unlink(table.folder / "a/b/f")
    cached = table.nodes.figures()["descriptors"]
    table.nodes.release_unlinked()
    assert table.nodes.figures()["descriptors"] == cached - 1
    assert table.ino(stays) == stays


def test_attributes_are_read_after_the_inode_was_announced(handled: _Table) -> None:
    """A change between the two is one that nobody tells us of, since nobody knew that we know the inode."""
    path = handled.folder / "f"
    path.touch()

    def announce(ino: int) -> bool:
        with path.open("ab") as file:
            file.write(b"changed")
        return True

    nodes = Nodes(handled.store, announce=announce)
    fd = handled.store.open_path(handled.store.root(), b"f")
    before = path.stat().st_size
    assert nodes.look(fd).size == before + len(b"changed")
    handled.store.close(fd)
    nodes.close()
