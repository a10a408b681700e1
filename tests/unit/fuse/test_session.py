"""Where a mount may go, and with which options."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from weka_mp.fuse import session
from weka_mp.fuse.session import MountFailed, check_mountpoint, mount_options


def test_the_options_protect_the_machine() -> None:
    options = mount_options()
    assert {"default_permissions", "nosuid", "nodev", "fsname=weka_mp", "subtype=weka_mp"} <= options


def test_without_user_allow_other_the_mount_is_its_owners_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(session, "_user_allow_other", lambda: False)
    assert "allow_other" not in mount_options()
    monkeypatch.setattr(session, "_user_allow_other", lambda: True)
    assert "allow_other" in mount_options()


def test_a_mount_point_apart_from_the_store_is_fine(tmp_path: Path) -> None:
    for name in ("store", "store2", "real"):
        (tmp_path / name).mkdir()
    os.symlink("real", tmp_path / "link")
    assert check_mountpoint(str(tmp_path / "store2"), str(tmp_path / "store")) == str(tmp_path / "store2")
    assert check_mountpoint(str(tmp_path / "link"), str(tmp_path / "store")) == str(tmp_path / "real")


@pytest.mark.parametrize("name", ["store", "store/inside", "link", ".", "missing", "file"])
def test_other_mount_points_are_refused_with_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "store/inside").mkdir(parents=True)
    (tmp_path / "file").touch()
    os.symlink("store/inside", tmp_path / "link")
    with pytest.raises(MountFailed) as raised:
        check_mountpoint(str(tmp_path / name), str(tmp_path / "store"))
    assert "\n" not in str(raised.value)
