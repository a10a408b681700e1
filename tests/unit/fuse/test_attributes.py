"""Attributes pass into pyfuse3's structures and back without loss."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from weka_mp.fuse.attributes import attr_change, entry_attributes, no_entry, statvfs_data
from weka_mp.namespace.tree.facade import AttrChange
from weka_mp.store.interface import StatVfs
from weka_mp.values import Attr, InodeNo

_ATTR = Attr(1, InodeNo(77), 0o100640, 2, 3, 4, 5, 1 << 40, 6, 4096, 10**18 + 1, 10**18 + 2, 10**18 + 3)


def test_an_entry_has_the_attributes_and_the_timeout() -> None:
    entry = entry_attributes((1 << 63) + 5, 9, _ATTR, 2.5)
    state = entry.__getstate__()
    assert (state["st_ino"], state["generation"]) == ((1 << 63) + 5, 9)
    assert (state["entry_timeout"], state["attr_timeout"]) == (2.5, 2.5)
    for name in (
        "mode",
        "nlink",
        "uid",
        "gid",
        "rdev",
        "size",
        "blocks",
        "blksize",
        "atime_ns",
        "mtime_ns",
        "ctime_ns",
    ):
        assert state[f"st_{name}"] == getattr(_ATTR, name), name


def test_an_absence_is_an_entry_without_an_inode() -> None:
    entry = no_entry(1.0)
    assert (entry.st_ino, entry.entry_timeout) == (0, 1.0)


def test_only_the_wanted_fields_change() -> None:
    names = ("mode", "uid", "gid", "atime", "mtime")
    entry = entry_attributes(77, 0, _ATTR, 1)
    expected = {
        "mode": 0o100640,
        "uid": 3,
        "gid": 4,
        "atime": 10**18 + 1,
        "mtime": 10**18 + 2,
    }
    for chosen in names:
        fields = cast(Any, SimpleNamespace(**{f"update_{name}": name == chosen for name in names}))
        field = chosen + "_ns" if chosen.endswith("time") else chosen
        assert attr_change(entry, fields) == AttrChange(**{field: expected[chosen]})


def test_totals() -> None:
    data = statvfs_data(StatVfs(4096, 512, 100, 50, 40, 30, 20, 10, 255)).__getstate__()
    assert list(data.values()) == [4096, 512, 100, 50, 40, 30, 20, 10, 255]
