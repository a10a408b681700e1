"""Ordinals of other file systems below the store: the same for ever, never two for one, nor one for two."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from weka_mp.errors import ReadOnly
from weka_mp.namespace.tree.file_systems import LARGEST_ORDINAL, FileSystem, FileSystems, decode, encode
from weka_mp.store.interface import StatVfs
from weka_mp.store.posix import PosixStore
from weka_mp.values import Attr, Fd

# docs/STORAGE_FORMAT.md, ".weka/filesystems".
_GOLDEN = b'{"fsid": "00d41f267915a9b1", "ordinal": 1, "path": "b\\udcff/c"}\n'


class _Store(PosixStore):
    """A directory with a file `mounted` (device, fsid) is the root of another file system."""

    read_only = False

    def _mounted(self, fd: Fd) -> tuple[int, int] | None:
        try:
            dev, fsid = Path(f"/proc/self/fd/{fd}/mounted").read_text().split()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return int(dev), int(fsid)

    def attr(self, fd: Fd) -> Attr:
        found, mounted = super().attr(fd), self._mounted(fd)
        return found if mounted is None else found._replace(dev=mounted[0])

    def statvfs(self, fd: Fd) -> StatVfs:
        found, mounted = super().statvfs(fd), self._mounted(fd)
        return found if mounted is None else replace(found, fsid=mounted[1])

    def write(self, fd: Fd, data: bytes | bytearray | memoryview, offset: int) -> None:
        if self.read_only:
            raise ReadOnly("as on a worn disk")
        super().write(fd, data, offset)


class _Rig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / ".weka").mkdir()
        self.record = folder / ".weka/filesystems"
        self.store = _Store(str(folder))
        self.systems = self.another_process()

    def another_process(self) -> FileSystems:
        return FileSystems(self.store, self.store.attr(self.store.root()).dev)

    def mount(self, path: str, dev: int, fsid: int) -> None:
        (self.folder / path).mkdir(exist_ok=True)
        (self.folder / path / "mounted").write_text(f"{dev} {fsid}")

    def unmount(self, path: str) -> None:
        (self.folder / path / "mounted").unlink()

    def meet(self, path: str, *, by: FileSystems | None = None) -> int | None:
        systems = by or self.systems
        fd = self.store.open_dir(self.store.root(), path.encode())
        try:
            dev = self.store.attr(fd).dev
            systems.meet(fd, dev, path.encode())
            return systems.ordinal(dev)
        finally:
            self.store.close(fd)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[_Rig]:
    made = _Rig(tmp_path)
    yield made
    made.store.shutdown()


def test_the_record_is_the_documented_one() -> None:
    system = FileSystem(1, 0x00D41F267915A9B1, b"b\xff/c")
    assert encode(system) == _GOLDEN
    assert decode(_GOLDEN) == {1: system}


def test_lines_that_nobody_wrote_so_do_not_count_and_the_last_of_an_ordinal_does() -> None:
    good, moved = FileSystem(2, 7, b"a"), FileSystem(2, 7, b"b")
    foreign = [b"[]\n", b"null\n", b'{"ordinal": 1}\n', encode(FileSystem(0, 1, b"x")), b"\xff\n"]
    too_large = encode(FileSystem(LARGEST_ORDINAL + 1, 1, b"x"))
    data = b"".join([*foreign, too_large, encode(good), encode(moved), _GOLDEN[:-9]])
    assert decode(data) == {2: moved}


def test_ordinals_outlive_the_process_and_new_device_numbers(rig: _Rig) -> None:
    rig.mount("one", 101, 1)
    rig.mount("two", 102, 2)
    assert [rig.meet("one"), rig.meet("two"), rig.meet("one")] == [1, 2, 1]
    rig.mount("one", 202, 1)
    rig.mount("two", 201, 2)
    later = rig.another_process()
    assert later.device(1) == 202, "found without anybody having come by"
    assert [rig.meet("two", by=later), rig.meet("one", by=later)] == [2, 1]
    assert len(rig.record.read_bytes().splitlines()) == 2


def test_one_that_is_mounted_elsewhere_keeps_its_ordinal(rig: _Rig) -> None:
    rig.mount("one", 101, 1)
    assert rig.meet("one") == 1
    rig.unmount("one")
    rig.mount("two", 101, 1)
    later = rig.another_process()
    assert later.device(1) is None
    assert rig.meet("two", by=later) == 1
    assert rig.another_process().device(1) == 101


def test_a_copy_block_by_block_is_another_file_system(rig: _Rig) -> None:
    rig.mount("one", 101, 1)
    rig.mount("copy", 102, 1)
    assert [rig.meet("one"), rig.meet("copy"), rig.meet("one")] == [1, 2, 1]
    later = rig.another_process()
    assert [rig.meet("copy", by=later), rig.meet("one", by=later)] == [2, 1]


def test_one_that_is_mounted_twice_is_one(rig: _Rig) -> None:
    rig.mount("one", 101, 1)
    rig.mount("again", 101, 1)
    assert [rig.meet("one"), rig.meet("again"), rig.meet("one"), rig.meet("again")] == [1, 1, 1, 1]
    assert len(rig.record.read_bytes().splitlines()) == 1


def test_one_without_an_id_is_known_by_its_place(rig: _Rig) -> None:
    rig.mount("one", 101, 0)
    rig.mount("two", 102, 0)
    assert [rig.meet("one"), rig.meet("two")] == [1, 2]
    later = rig.another_process()
    assert [rig.meet("two", by=later), rig.meet("one", by=later)] == [2, 1]


def test_a_device_number_that_was_given_to_another_leads_to_that(rig: _Rig) -> None:
    rig.mount("one", 101, 1)
    assert rig.meet("one") == 1
    rig.mount("one", 101, 2)
    assert rig.meet("one") == 2


def test_what_a_crash_tore_is_followed_by_whole_lines(rig: _Rig) -> None:
    rig.record.write_bytes(_GOLDEN + _GOLDEN[:20])
    rig.mount("one", 101, 1)
    assert rig.meet("one") == 2
    assert decode(rig.record.read_bytes()).keys() == {1, 2}


def test_where_nothing_can_be_recorded_there_is_no_ordinal(rig: _Rig) -> None:
    rig.mount("one", 101, 1)
    rig.store.read_only = True
    assert rig.meet("one") is None
    rig.store.read_only = False
    assert rig.meet("one") is None, "numbers do not change while they are in use"
    assert rig.another_process().device(1) is None


def test_handles_are_opened_in_the_file_system_that_is_mounted_there(rig: _Rig) -> None:
    rig.mount("one", 101, 1)
    rig.meet("one")
    with (rig.folder / "one/mounted").open() as file:
        handle = rig.store.handle_of(Fd(file.fileno()))
    fd = rig.systems.open_handle(101, handle, os.O_RDONLY)
    assert os.read(fd, 100) == b"101 1"
    os.close(fd)
