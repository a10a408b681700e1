"""What a store can do is found out by trying; small, full and failing file systems are told apart."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from weka_mp.errors import StoreUnusable
from weka_mp.store.posix import PosixStore
from weka_mp.store.probe import assumed


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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("verb", ["mkdir", "write", "setxattr", "copy_file_range"])
def test_a_store_without_room_is_probed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, number: int
) -> None:
    """And nothing is taken for impossible that only lacked room."""

    def full(*arguments: object, **named: object) -> None:
        raise OSError(number, os.strerror(number))

    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, verb, full)
        store = PosixStore(str(tmp_path))
        assert store.primitives == assumed(store.root())
    assert os.listdir(tmp_path) == []
    store.close(store.create_unnamed(store.root(), 0o600))  # the first write
    fresh = PosixStore(str(tmp_path))
    assert store.primitives == fresh.primitives
    for made in (store, fresh):
        made.shutdown()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_failing_disk_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(fd: int, data: bytes) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing)
        with pytest.raises(StoreUnusable, match="Input/output error"):
            PosixStore(str(tmp_path))
    assert os.listdir(tmp_path) == []
    assert len(os.listdir("/proc/self/fd")) == before
