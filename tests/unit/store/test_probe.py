"""What a store can do is found out by trying; small, full and failing file systems are told apart."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from weka_mp.errors import StoreUnusable
from weka_mp.store.posix import PosixStore


def test_regression_blocks_of_1_kib_have_room_for_attributes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ext4 made its small file systems with them; the smallest value that was tried was 1,024 bytes."""
    real = os.setxattr

    def small(fd: int, name: str, value: bytes, flags: int = 0) -> None:
        if len(value) > 970:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(fd, name, value, flags)

    monkeypatch.setattr(os, "setxattr", small)
    store = PosixStore(str(tmp_path))
    assert store.primitives.xattrs
    assert store.primitives.xattr_bytes == 900
    store.shutdown()


def test_regression_a_full_disk_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StoreUnusable, match="No space left"):
            PosixStore(str(tmp_path))
    assert os.listdir(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before
