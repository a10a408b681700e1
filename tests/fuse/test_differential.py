"""The same random operations on the mount and on a plain directory have the same outcome."""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.fuse.conftest import Mount

pytestmark = pytest.mark.mount

_NAMES = ("a", "b", "c", "d")
_STEPS = 400


@dataclass
class _Side:
    """One of the two directories, with the files that are open in it."""

    root: Path
    files: list[int] = field(default_factory=list)

    def path(self, parts: tuple[str, ...]) -> str:
        return os.path.join(self.root, *parts)

    def close(self) -> None:
        for fd in self.files:
            os.close(fd)
        self.files.clear()


_Operation = Callable[[_Side], object]


def _outcome(operation: _Operation, side: _Side) -> object:
    try:
        return operation(side)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def _path(draw: random.Random) -> tuple[str, ...]:
    return tuple(draw.choice(_NAMES) for _ in range(draw.choice((1, 1, 2, 2, 3))))


def _stat(side: _Side, path: tuple[str, ...]) -> object:
    found = os.lstat(side.path(path))
    size = 0 if stat.S_ISDIR(found.st_mode) else found.st_size
    return oct(found.st_mode), found.st_nlink, found.st_uid, found.st_gid, size


def _open(side: _Side, path: tuple[str, ...], flags: int, mode: int) -> object:
    side.files.append(os.open(side.path(path), flags, mode))
    return len(side.files)


def _by_name(draw: random.Random) -> _Operation:
    path, other = _path(draw), _path(draw)
    mode, size, when = draw.choice((0o777, 0o640, 0o4755, 0)), draw.randrange(9000), draw.randrange(1 << 60)
    flags = draw.choice(
        (os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_WRONLY | os.O_TRUNC)
    )
    choices: tuple[_Operation, ...] = (
        lambda side: _stat(side, path),
        lambda side: _open(side, path, flags, mode),
        lambda side: _open(side, path, os.O_RDWR | os.O_CREAT, 0o666),
        lambda side: os.mkdir(side.path(path), mode),
        lambda side: os.unlink(side.path(path)),
        lambda side: os.rmdir(side.path(path)),
        lambda side: os.rename(side.path(path), side.path(other)),
        lambda side: os.link(side.path(path), side.path(other), follow_symlinks=False),
        lambda side: os.symlink("/".join(other), side.path(path)),
        lambda side: os.readlink(side.path(path)),
        lambda side: os.truncate(side.path(path), size),
        lambda side: os.chmod(side.path(path), mode | 0o600),
        lambda side: os.chown(side.path(path), size % 3, -1, follow_symlinks=False),
        lambda side: os.utime(side.path(path), ns=(when, when + 1), follow_symlinks=False),
        lambda side: os.lstat(side.path(path)).st_mtime_ns == when + 1,
        lambda side: sorted(os.listdir(side.path(path))),
        lambda side: os.setxattr(side.path(path), f"user.{other[0]}", b"x" * (size % 100)),
        lambda side: os.getxattr(side.path(path), f"user.{other[0]}"),
        lambda side: os.removexattr(side.path(path), f"user.{other[0]}"),
        lambda side: sorted(n for n in os.listxattr(side.path(path)) if not n.startswith("user.weka.")),
    )
    return draw.choice(choices)


def _by_file(draw: random.Random) -> _Operation:
    which, offset, size = draw.randrange(99), draw.randrange(9000), draw.randrange(9000)
    data = draw.randbytes(size)

    def file(side: _Side) -> int:
        return side.files[which % len(side.files)]

    choices: tuple[_Operation, ...] = (
        lambda side: os.pwrite(file(side), data, offset),
        lambda side: os.write(file(side), data),
        lambda side: os.pread(file(side), size, offset),
        lambda side: os.ftruncate(file(side), offset),
        lambda side: os.fsync(file(side)),
        lambda side: os.fstat(file(side)).st_size,
        lambda side: os.fstat(file(side)).st_nlink,
        lambda side: os.fchmod(file(side), 0o600 | size & 0o177),
        lambda side: os.close(side.files.pop(which % len(side.files))),
    )
    return draw.choice(choices)


def _tree(root: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    side = _Side(root)
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            parts = tuple(os.path.relpath(path, root).split("/"))
            content = Path(path).read_bytes() if stat.S_ISREG(os.lstat(path).st_mode) else None
            found["/".join(parts)] = (_stat(side, parts), content)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_mount_does_what_a_directory_does(
    here: Path, behind: Path, tmp_path: Path, mount: Mount, seed: int
) -> None:
    draw = random.Random(seed)
    ours, theirs = _Side(here), _Side(tmp_path / "plain")
    theirs.root.mkdir()
    previous = os.umask(0o022)
    try:
        for step in range(_STEPS):
            operation = _by_file(draw) if ours.files and draw.random() < 0.5 else _by_name(draw)
            assert _outcome(operation, ours) == _outcome(operation, theirs), f"seed {seed}, step {step}"
            assert len(ours.files) == len(theirs.files)
        assert _tree(here) == _tree(theirs.root)
        assert _tree(behind) == _tree(theirs.root)
    finally:
        os.umask(previous)
        ours.close()
        theirs.close()
