"""The table that spares messages to mounts: it may say yes too often, never no wrongly."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from weka_mp.ipc.known_inodes import KnownInodes, table_path


def test_what_was_added_is_known_to_every_reader(tmp_path: Path) -> None:
    path = table_path(str(tmp_path / "mount-0.sock"))
    writer = KnownInodes.create(path)
    writer.publish(path)
    reader = KnownInodes.open(path)
    assert reader is not None
    assert not reader.may_know(12345)
    assert writer.add(12345)
    assert not writer.add(12345)
    assert reader.may_know(12345)
    writer.close()
    reader.close()


def test_a_mount_that_starts_again_has_another_and_empty_table(tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    first = KnownInodes.create(path)
    first.publish(path)
    first.add(7)
    stale = KnownInodes.open(path)
    second = KnownInodes.create(path)
    second.publish(path)
    fresh = KnownInodes.open(path)
    assert stale is not None
    assert fresh is not None
    assert stale.identity != fresh.identity == second.identity
    assert not fresh.may_know(7)
    for table in (first, stale, second, fresh):
        table.close()


def test_no_table_and_no_whole_table_are_none(tmp_path: Path) -> None:
    assert KnownInodes.open(str(tmp_path / "absent")) is None
    (tmp_path / "short").write_bytes(b"x")
    assert KnownInodes.open(str(tmp_path / "short")) is None


@given(st.sets(st.integers(0, 2**64 - 1), max_size=200))
def test_never_a_wrong_no(tmp_path_factory, inodes: set[int]) -> None:  # type: ignore[no-untyped-def]
    table = KnownInodes.create(str(tmp_path_factory.mktemp("known") / "t"))
    for ino in inodes:
        table.add(ino)
    assert all(table.may_know(ino) for ino in inodes)
    table.close()


def test_a_table_goes_with_its_mount_but_not_with_a_former_one(tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    first = KnownInodes.create(path)
    first.publish(path)
    second = KnownInodes.create(path)
    second.publish(path)
    first.remove(path)
    assert (tmp_path / "t").exists()
    second.remove(path)
    assert not (tmp_path / "t").exists()


def test_until_a_table_is_published_the_former_one_counts(tmp_path: Path) -> None:
    path = str(tmp_path / "t")
    dead = KnownInodes.create(path)
    dead.publish(path)
    dead.add(7)
    successor = KnownInodes.create(path)
    found = KnownInodes.open(path)
    assert found is not None
    assert found.may_know(7)
    successor.remove(path)  # it could not mount
    assert [left.name for left in tmp_path.iterdir()] == ["t"]
    for table in (dead, found):
        table.close()
