"""Files that only their owner may read, whatever the shell that started the program says."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from weka_mp import private_files


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_regression_nobody_can_put_another_directory_in_its_place(tmp_path: Path, mask: int) -> None:
    """Whoever may write to a directory above can move ours away, and be root's keys the next time."""
    path = tmp_path / "a" / "b" / "c" / "keys"
    former = os.umask(mask)
    try:
        private_files.create_private(str(path), "secret")
    finally:
        os.umask(former)
    for made in list(path.parents)[:3]:
        assert stat.S_IMODE(made.stat().st_mode) == 0o700, made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert private_files.read_private(str(path)) == "secret"


def test_regression_a_file_of_somebody_else_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    private_files.create_private(str(path), "secret")
    found = os.stat(path)
    stranger = os.stat_result((*found[:4], 4242, *found[5:10]))
    monkeypatch.setattr(os, "fstat", lambda fd: stranger)
    with pytest.raises(private_files.Exposed):
        private_files.read_private(str(path))
