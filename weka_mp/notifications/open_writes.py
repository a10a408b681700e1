"""Which files a mount is writing, on this node's disk, so that somebody else can tell of them if it dies.

A file for each mount process, which holds a lock on it while it lives. Lines: ``+ NUMBER PATH`` (in hex) when
a file begins to change, ``- NUMBER`` when it was told of. When nothing is being written it is empty. Nothing
is synced: it is about the death of a process.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from weka_mp.clock import Clock, RandomSource

__all__ = ["OpenWrites", "abandoned"]

_log = logging.getLogger(__name__)

_STAGED: Final = ".new-"
_STAGED_NS: Final = 60_000_000_000  # a file gets its name at once
_LARGE: Final = 1024 * 1024  # bytes at which what is over is left out


class OpenWrites:
    """Of one mount process. Thread-safe; what cannot be written is in the log."""

    def __init__(self, directory: str, clock: Clock, random: RandomSource) -> None:
        self._directory = directory
        self._clock = clock
        self._random = random
        self._mutex = threading.Lock()
        self._fd: int | None = None
        self._path = ""
        self._open: dict[int, bytes] = {}
        self._size = 0
        self._most = _LARGE

    def begin(self, number: int, path: bytes) -> None:
        """A file is about to change; again when it has another path now."""
        with self._mutex:
            self._open[number] = path
            self._write(_begun(number, path))

    def end(self, number: int) -> None:
        """It was told of."""
        with self._mutex:
            if self._open.pop(number, None) is None:
                return
            if not self._open or self._size > self._most:
                self._write_anew()
            else:
                self._write(b"- %d\n" % number)

    def close(self) -> None:
        """At the end of the process: what was told of is over."""
        with self._mutex:
            if self._fd is not None:
                if not self._open:
                    with suppress(OSError):
                        os.unlink(self._path)
                os.close(self._fd)
                self._fd = None

    def _write(self, line: bytes) -> None:
        try:
            if self._fd is None:
                self._make()
            assert self._fd is not None
            self._size += os.write(self._fd, line)
        except OSError as error:
            _log.warning("which files are being written is not kept: %s", error)

    def _write_anew(self) -> None:
        """Cut to nothing where nothing is open; else a second file takes the place of the first."""
        try:
            if not self._open and self._fd is not None:
                os.ftruncate(self._fd, 0)
                self._size = 0
                return
            former, path = self._fd, self._path
            self._make()
            for number, name in self._open.items():
                assert self._fd is not None
                self._size += os.write(self._fd, _begun(number, name))
            self._most = max(_LARGE, 4 * self._size)
            if former is not None:
                os.unlink(path)
                os.close(former)
        except OSError as error:
            _log.warning("which files are being written is not kept: %s", error)

    def _make(self) -> None:
        """A new file, whose lock is held before it has its name. Raises OSError."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        name = f"{self._clock.now_ns():020d}-{self._random.token(4)}"
        staged, path = (os.path.join(self._directory, prefix + name) for prefix in (_STAGED, ""))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_APPEND
        fd = os.open(staged, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(staged, path)
        except BaseException:
            os.close(fd)
            raise
        self._fd, self._path, self._size = fd, path, 0


def abandoned(directory: str, now_ns: int) -> Iterator[tuple[str, list[bytes]]]:
    """Of each process that died: the file that it left, and the paths that it was writing. Whoever told of
    them removes the file. Raises OSError.
    """
    try:
        names = sorted(os.listdir(directory))
    except FileNotFoundError:
        return
    for name in names:
        path = os.path.join(directory, name)
        if name.startswith(_STAGED) and _is_new(path, now_ns):
            continue  # it is about to be locked by who made it, and names nothing yet
        with suppress(FileNotFoundError):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield path, _read(fd)
            except BlockingIOError:
                continue
            finally:
                os.close(fd)


def _is_new(path: str, now_ns: int) -> bool:
    """Whether who made a file may still be about to give it its name."""
    try:
        return now_ns - os.stat(path).st_mtime_ns < _STAGED_NS
    except FileNotFoundError:
        return True


def _begun(number: int, path: bytes) -> bytes:
    return b"+ %d %s\n" % (number, path.hex().encode())


def _read(fd: int) -> list[bytes]:
    data = os.pread(fd, os.fstat(fd).st_size, 0)
    found: dict[int, bytes] = {}
    for line in data.split(b"\n")[:-1]:  # the last one may be half a line
        words = line.split(b" ")
        try:
            if words[0] == b"+":
                found[int(words[1])] = bytes.fromhex(words[2].decode("ascii"))
            else:
                found.pop(int(words[1]), None)
        except (ValueError, IndexError):
            continue
    return list(found.values())
