"""One file under every kind of access at once, compared byte for byte with a bytearray after each step.

The idea is that of fsx: writes, reads, truncations and mappings of random places through several
descriptors, so that whatever forgets a page, a size or a hole is caught at the step that did it. Here the
other door takes part: the object is fetched, whole and in ranges, and its ETag must be that of the bytes.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.service import Bucket

__all__ = ["Exerciser", "run_seed"]

LARGEST = 300_000
_PAGE = mmap.PAGESIZE


@dataclass(frozen=True, slots=True)
class Step:
    """What is done: a verb's name, and the place and fresh bytes it may use."""

    verb: str
    offset: int
    length: int
    content: int

    def bytes(self) -> bytes:
        return random.Random(self.content).randbytes(self.length)


class Exerciser:
    """The file, its two descriptors, and what must be in it."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket, self._name = bucket, name
        self._path: Path = bucket.path / name
        self._expected = bytearray()
        self._fds = [os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644), os.open(self._path, os.O_RDWR)]
        self.verbs: dict[str, Callable[[Step], None]] = {
            "write": self._write, "append": self._append, "read": self._read, "truncate": self._truncate,
            "map_write": self._map_write, "map_read": self._map_read, "reopen": self._reopen,
            "sync": self._sync, "direct_read": self._direct_read, "direct_write": self._direct_write,
            "stat": self._stat, "get": self._get, "get_range": self._get_range, "etag": self._etag,
        }

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)

    def do(self, step: Step) -> None:
        """Raises AssertionError where the file is not what it must be."""
        self.verbs[step.verb](step)

    def _fd(self, step: Step) -> int:
        return self._fds[step.content % 2]

    def _put(self, offset: int, content: bytes) -> None:
        if not content:
            return
        if offset > len(self._expected):
            self._expected.extend(bytes(offset - len(self._expected)))
        self._expected[offset : offset + len(content)] = content

    def _write(self, step: Step) -> None:
        assert os.pwrite(self._fd(step), step.bytes(), step.offset) == step.length
        self._put(step.offset, step.bytes())

    def _append(self, step: Step) -> None:
        if len(self._expected) + step.length > LARGEST:
            return
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            assert os.write(fd, step.bytes()) == step.length
        finally:
            os.close(fd)
        self._put(len(self._expected), step.bytes())

    def _read(self, step: Step) -> None:
        found = os.pread(self._fd(step), step.length, step.offset)
        assert found == self._expected[step.offset : step.offset + step.length]

    def _truncate(self, step: Step) -> None:
        if step.content % 2:
            os.truncate(self._path, step.offset)
        else:
            os.ftruncate(self._fd(step), step.offset)
        del self._expected[step.offset :]
        self._expected.extend(bytes(step.offset - len(self._expected)))

    def _map_write(self, step: Step) -> None:
        end = min(step.offset + step.length, len(self._expected))
        if end <= step.offset:
            return
        content = step.bytes()[: end - step.offset]
        with mmap.mmap(self._fd(step), len(self._expected), mmap.MAP_SHARED) as mapping:
            mapping[step.offset : end] = content
            mapping.flush()
        self._put(step.offset, content)

    def _map_read(self, step: Step) -> None:
        if not self._expected:
            return
        kind = mmap.MAP_PRIVATE if step.content % 2 else mmap.MAP_SHARED
        with mmap.mmap(self._fd(step), len(self._expected), kind, mmap.PROT_READ) as mapping:
            assert mapping[step.offset : step.offset + step.length] == (
                self._expected[step.offset : step.offset + step.length]
            )

    def _reopen(self, step: Step) -> None:
        which = step.content % 2
        os.close(self._fds[which])
        self._fds[which] = os.open(self._path, os.O_RDWR | (os.O_SYNC if step.length % 5 == 0 else 0))

    def _sync(self, step: Step) -> None:
        os.fsync(self._fd(step))

    def _direct_read(self, step: Step) -> None:
        offset, length = step.offset // _PAGE * _PAGE, max(step.length // _PAGE, 1) * _PAGE
        fd = os.open(self._path, os.O_RDONLY | os.O_DIRECT)
        try:
            with mmap.mmap(-1, length) as aligned:
                count = os.preadv(fd, [aligned], offset)
                assert aligned[:count] == self._expected[offset : offset + length]
        finally:
            os.close(fd)

    def _direct_write(self, step: Step) -> None:
        offset, length = step.offset // _PAGE * _PAGE, max(step.length // _PAGE, 1) * _PAGE
        content = random.Random(step.content).randbytes(length)
        fd = os.open(self._path, os.O_WRONLY | os.O_DIRECT)
        try:
            with mmap.mmap(-1, length) as aligned:
                aligned[:] = content
                assert os.pwritev(fd, [aligned], offset) == length
        finally:
            os.close(fd)
        self._put(offset, content)

    def _stat(self, _: Step) -> None:
        assert os.stat(self._path).st_size == len(self._expected)

    def _get(self, _: Step) -> None:
        assert self._bucket.get(self._name) == self._expected

    def _get_range(self, step: Step) -> None:
        if step.offset >= len(self._expected):
            return
        asked = f"bytes={step.offset}-{step.offset + step.length - 1}"
        found = self._bucket.get(self._name, Range=asked)
        assert found == self._expected[step.offset : step.offset + step.length]

    def _etag(self, _: Step) -> None:
        head: Any = self._bucket.head(self._name)
        tag = head["ETag"].strip('"')
        assert head["ContentLength"] == len(self._expected)
        assert "-" in tag or tag == hashlib.md5(self._expected).hexdigest()


def steps(seed: int, count: int, verbs: list[str]) -> list[Step]:
    """A sequence that depends on the seed alone. Small lengths are as likely as large ones."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        length = min(1 + int(chance.random() ** 3 * 65536), LARGEST)
        offset = chance.randrange(LARGEST - length)
        if chance.random() < 0.3:
            offset = offset // _PAGE * _PAGE
        found.append(Step(chance.choice(verbs), offset, length, chance.randrange(1 << 30)))
    return found


def run_seed(bucket: Bucket, seed: int, count: int) -> None:
    """Exercise one file; a failure names the seed, the number of the step and the last steps."""
    exerciser = Exerciser(bucket, f"file-{seed}")
    sequence = steps(seed, count, list(exerciser.verbs))
    try:
        for number, step in enumerate(sequence):
            try:
                exerciser.do(step)
            except (AssertionError, OSError) as error:
                last = "\n".join(map(str, sequence[max(0, number - 12) : number + 1]))
                # The bytes themselves say nothing to a reader.
                raise AssertionError(f"seed {seed}, step {number}: {str(error)[:200]}\n{last}") from None
    finally:
        exerciser.close()
