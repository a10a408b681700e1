"""Real file systems on a disk that remembers, and what is left of them when the power is cut."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.powercut.device import DISK, Record, records

__all__ = ["FILE_SYSTEMS", "Cut", "FileSystem", "LoggedDisk", "cuts", "missing", "replayed"]

STORE = "store"
SECTOR = 512  # bytes that a drive writes whole


@dataclass(frozen=True, slots=True)
class FileSystem:
    """How one kind is made, mounted so that no clock commits anything, and checked after a recovery."""

    name: str
    mkfs: Sequence[str]
    size: int
    options: str
    recovery: str
    check: Sequence[str]


FILE_SYSTEMS = {
    kind.name: kind
    for kind in (
        FileSystem(
            "ext4",
            ("mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-m", "0"),
            64 << 20,
            "commit=600,nodiscard",
            "nodiscard",
            ("e2fsck", "-f", "-n"),
        ),
        FileSystem(
            "xfs",
            ("mkfs.xfs", "-q", "-f", "--unsupported", "-l", "size=8m"),
            64 << 20,
            "nouuid",
            "nouuid",
            ("xfs_repair", "-n"),
        ),
    )
}


def missing(kind: FileSystem) -> str | None:
    """Why this cannot be tried here; None when it can."""
    if os.geteuid() != 0:
        return "mounting a disk needs root"
    if not os.access("/dev/fuse", os.W_OK) or not os.path.exists("/dev/loop-control"):
        return "needs /dev/fuse and loop devices"
    if f"\t{kind.name}\n" not in Path("/proc/filesystems").read_text():
        return f"this kernel has no {kind.name}"
    if shutil.which(kind.mkfs[0]) is None:
        return f"no {kind.mkfs[0]} here"
    return None


class LoggedDisk:
    """A fresh file system with a directory `store` on a logged disk, until `unplug`."""

    def __init__(self, kind: FileSystem, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.mounted = folder / "mounted"
        self.store = self.mounted / STORE
        self.base = folder / "base"  # as mkfs left it
        self._log = folder / "log"
        folder.mkdir(parents=True)
        self.mounted.mkdir()
        with self.base.open("wb") as image:
            image.truncate(kind.size)
        subprocess.run([*kind.mkfs, str(self.base)], check=True, stderr=subprocess.DEVNULL)
        with _mounted(kind, self.base, self.mounted):
            self.store.mkdir()
        _copy(self.base, folder / "image")
        self._device = self._serve()
        disk = folder / "fuse" / DISK
        self._loop = _output("losetup", "--find", "--show", "--direct-io=on", str(disk))
        subprocess.run(
            ["mount", "-t", kind.name, "-o", f"noatime,{kind.options}", self._loop, str(self.mounted)],
            check=True,
        )

    def _serve(self) -> subprocess.Popen[str]:
        mountpoint = self.folder / "fuse"
        mountpoint.mkdir()
        device = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.powercut.device"),
                *(str(self.folder / "image"), str(mountpoint), str(self._log)),
            ],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        if device.stdout is None or device.stdout.readline() != "ready\n":
            raise RuntimeError("the logged disk did not start")
        return device

    def position(self) -> int:
        """How much of history the disk knows now."""
        return self._log.stat().st_size

    def unplug(self) -> list[Record]:
        """Take it all down. What was logged until now; the unmount is no part of it."""
        until = self.position()
        subprocess.run(["umount", str(self.mounted)], check=True)
        subprocess.run(["losetup", "--detach", self._loop], check=True)
        self._device.send_signal(signal.SIGTERM)
        self._device.communicate(timeout=30)
        return [record for record in records(self._log) if record.end <= until]

    def __enter__(self) -> LoggedDisk:
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.poll() is None:
            subprocess.run(["umount", str(self.mounted)], check=False)
            subprocess.run(["losetup", "--detach", self._loop], check=False)
            self._device.terminate()
            self._device.wait(timeout=30)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextmanager
def _mounted(kind: FileSystem, image: Path, mountpoint: Path) -> Iterator[None]:
    options = f"loop,noatime,{kind.recovery}"
    subprocess.run(["mount", "-t", kind.name, "-o", options, str(image), str(mountpoint)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(mountpoint)], check=True)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)


@dataclass(frozen=True, slots=True)
class Cut:
    """One way to lose power: all before `flushed` is on the disk; of the rest up to `until`, only `kept`.

    `until` is the end of the next flush's wait: whatever was answered before it had to be on the disk.
    """

    flushed: int
    until: int
    kept: tuple[tuple[int, bytes], ...] = ()  # offset, bytes

    def __str__(self) -> str:
        what = ", ".join(f"{len(data)} at {offset}" for offset, data in self.kept) or "nothing"
        return f"flushed to {self.flushed}, cut at {self.until}, {what} of the rest"


def cuts(history: Sequence[Record], rng: random.Random, subsets: int) -> Iterator[Cut]:
    """Every prefix that ends at a flush, alone and with `subsets` random choices of the writes after it."""
    flushes = [0, *(index + 1 for index, record in enumerate(history) if record.data is None)]
    for first, last in zip(flushes, [*flushes[1:], len(history)], strict=True):
        pending = [record for record in history[first:last] if record.data is not None]
        until = history[last - 1].start if last > first and history[last - 1].data is None else _END
        flushed = history[first - 1].end if first else 0
        yield Cut(flushed, until)
        if pending:
            for _ in range(subsets):
                yield Cut(flushed, until, tuple(_survivors(pending, rng)))


_END = 1 << 62


def _survivors(pending: Sequence[Record], rng: random.Random) -> Iterator[tuple[int, bytes]]:
    """Some of the writes, in any order; some of those torn between sectors."""
    chance = rng.choice((0.2, 0.5, 0.8, 1.0))
    chosen = [record for record in pending if rng.random() < chance]
    tear = rng.random() < 0.5
    pieces: list[tuple[int, bytes]] = []
    for record in chosen:
        data = record.data or b""
        if not tear or rng.random() < 0.5:
            pieces.append((record.offset, data))
            continue
        for at in range(0, len(data), SECTOR):
            if rng.random() < 0.5:
                pieces.append((record.offset + at, data[at : at + SECTOR]))
    return iter(pieces)


class Replay:
    """The disk as it was at a flush, moved forward through history."""

    def __init__(self, disk: LoggedDisk, history: Sequence[Record]) -> None:
        self._disk = disk
        self._history = history
        self._next = 0
        self._count = 0
        self._image = disk.folder / "flushed"
        _copy(disk.base, self._image)

    def at(self, cut: Cut) -> Path:
        """An image of the disk after this cut."""
        with self._image.open("r+b") as image:
            while self._next < len(self._history) and self._history[self._next].end <= cut.flushed:
                record = self._history[self._next]
                if record.data is not None:
                    os.pwrite(image.fileno(), record.data, record.offset)
                self._next += 1
        # A new file each time: the last one's loop device may linger, and its cache with it.
        self._count += 1
        crashed = self._disk.folder / f"crashed-{self._count}"
        _copy(self._image, crashed)
        with crashed.open("r+b") as image:
            for offset, data in cut.kept:
                os.pwrite(image.fileno(), data, offset)
        return crashed


@contextmanager
def replayed(replay: Replay, cut: Cut, *, check: bool) -> Iterator[Path]:
    """The store after the power came back; its file system is checked when the block is done with it."""
    kind, folder = replay._disk.kind, replay._disk.folder
    image, mounted = replay.at(cut), folder / "recovered"
    mounted.mkdir(exist_ok=True)
    with _mounted(kind, image, mounted):
        yield mounted / STORE
    if check:
        done = subprocess.run([*kind.check, str(image)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{kind.name} is damaged: {done.stdout}{done.stderr}"
    image.unlink()
