"""The audit file: private, rotated without agreement, never half a line."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from weka_mp.audit import AuditFile


def lines(*paths: Path) -> list[int]:
    return [int(line) for path in paths for line in path.read_text().split()]


def test_lines_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    file = AuditFile(str(path), max_size=0, keep=1)
    for number in range(3):
        assert file.append(b"%d\n" % number)
    file.close()
    assert lines(path) == [0, 1, 2]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_rotation_keeps_so_many(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    file = AuditFile(str(path), max_size=30, keep=3)
    for number in range(10, 40):
        file.append(b"%d\n" % number)
    file.close()
    former = [tmp_path / f"audit.{number}" for number in (3, 2, 1)]
    assert [len(lines(one)) for one in former] == [10, 10, 10]
    assert lines(*former, path) == list(range(10, 40))
    assert {entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()} == {0o600}
    file = AuditFile(str(path), max_size=30, keep=3)
    for number in range(40, 50):
        file.append(b"%d\n" % number)
    file.close()
    assert lines(*former) == list(range(20, 50)), "the oldest went"
    assert not (tmp_path / "audit.4").exists()


def test_several_writers_rotate_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "audit"

    def write(start: int) -> None:
        file = AuditFile(str(path), max_size=2000, keep=1000)
        for number in range(start, start + 1000):
            assert file.append(b"%d\n" % number)
        file.close()

    threads = [threading.Thread(target=write, args=(start * 10_000,)) for start in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = lines(*(entry for entry in tmp_path.iterdir() if not entry.name.endswith(".lock")))
    expected = [start * 10_000 + number for start in range(1, 5) for number in range(1000)]
    assert sorted(found) == expected


def test_somebody_else_rotates_it(tmp_path: Path) -> None:
    """logrotate moves it away: what is written stays in what is open until the size is reached."""
    path = tmp_path / "audit"
    file = AuditFile(str(path), max_size=6, keep=1)
    file.append(b"10\n")
    path.rename(tmp_path / "elsewhere")
    file.append(b"11\n")
    file.append(b"12\n")
    file.close()
    assert (lines(tmp_path / "elsewhere"), lines(path)) == ([10, 11], [12])


def test_a_disk_that_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "audit"
    file = AuditFile(str(path), max_size=0, keep=1)
    file.append(b"10\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: (_ for _ in ()).throw(OSError(28, "No space left")))
        assert not file.append(b"11\n")
        assert not file.append(b"12\n")
    file._resting_until = 0
    assert file.append(b"13\n")
    file.close()
    assert lines(path) == [10, 13]
    assert file.dropped == 2
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_regression_a_file_that_cannot_be_rotated_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its directory may not be the service's to change."""
    path = tmp_path / "audit"
    (tmp_path / "audit.lock").mkdir()
    file = AuditFile(str(path), max_size=6, keep=1)
    assert all(file.append(b"%d\n" % number) for number in range(10, 20))
    assert (file.written, file.dropped) == (10, 0)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    (tmp_path / "audit.lock").rmdir()
    file._unrotated_until = 1e-9
    assert file.append(b"20\n")
    assert file.append(b"21\n")
    file.close()
    assert (lines(tmp_path / "audit.1"), lines(path)) == ([*range(10, 21)], [21])


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write the directory must not have us write elsewhere."""
    target = tmp_path / "passwd"
    target.write_text("kept")
    (tmp_path / "audit").symlink_to(target)
    file = AuditFile(str(tmp_path / "audit"), max_size=0, keep=1)
    assert not file.append(b"1\n")
    with pytest.raises(OSError, match="symbolic"):
        file.open()
    assert target.read_text() == "kept"
