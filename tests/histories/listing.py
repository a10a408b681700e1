"""Listings while keys come and go: what was acknowledged before a page was asked for is on it.

Each key has one client that puts and deletes it, so what is known of it is simple: acknowledged states with a
time, and changes that are under way.
"""

from __future__ import annotations

import http.client
import math
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.histories.groups import GONE
from tests.model.doors import S3Door, rows_of

__all__ = ["Catalogue"]

KEYS = 24
PAGE = 5


@dataclass(frozen=True, slots=True)
class Change:
    """A key was put or deleted; `end` inf: never answered."""

    start: float
    end: float
    present: bool


@dataclass(frozen=True, slots=True)
class Look:
    """One page or one readdir: it speaks of the names after `after` up to `last`."""

    door: str
    start: float
    end: float
    after: bytes
    last: bytes
    names: tuple[bytes, ...]


@dataclass
class Catalogue:
    """One directory of keys, its changes and the looks at it."""

    bucket: str
    folder: str
    mount: bytes
    changes: dict[bytes, list[Change]] = field(default_factory=dict)
    found: list[Look] = field(default_factory=list)

    @property
    def looks(self) -> int:
        return len(self.found)

    def threads(
        self, port: int, seed: int, problems: list[str], stop: threading.Event
    ) -> list[threading.Thread]:
        """Two that change, by S3 and by the mount, and two that look."""
        os.mkdir(self._path())
        names = [b"n%02d" % number for number in range(KEYS)]
        self.changes = {name: [] for name in names}
        door = [S3Door(port, timeout=20, connections=2) for _ in range(2)]
        works: list[Callable[[random.Random], None]] = [
            lambda draw: self._change(
                draw.choice(names[::2]), lambda name, there: self._by_s3(door[0], name, there)
            ),
            lambda draw: self._change(draw.choice(names[1::2]), self._by_mount),
            lambda draw: self._pages(door[1]),
            lambda draw: self._readdir(),
        ]

        def run(work: Callable[[random.Random], None], number: int) -> None:
            draw = random.Random(seed + number)
            while not stop.is_set():
                try:
                    work(draw)
                except (http.client.HTTPException, ConnectionError, TimeoutError):
                    time.sleep(0.02)
                except OSError as error:
                    if error.errno not in GONE:
                        problems.append(f"catalogue {number}: {error!r}")
                        stop.set()
                    time.sleep(0.02)
                except Exception as error:  # noqa: BLE001 - whatever it is, the round says so at its end
                    problems.append(f"catalogue {number}: {error!r}")
                    stop.set()
            if number in (0, 2):
                door[number // 2].close()

        return [
            threading.Thread(target=run, args=(work, number), name=f"catalogue-{number}", daemon=True)
            for number, work in enumerate(works)
        ]

    def _path(self, *names: bytes) -> bytes:
        return b"/".join((self.mount, self.bucket.encode(), self.folder.encode(), *names))

    # ---- changing
    def _change(self, name: bytes, do: Callable[[bytes, bool], bool]) -> None:
        known = self.changes[name]
        there = not (known and known[-1].present)
        start = time.monotonic()
        known.append(Change(start, math.inf, there))
        if do(name, there):
            known[-1] = Change(start, time.monotonic(), there)

    def _by_s3(self, door: S3Door, name: bytes, there: bool) -> bool:
        answer = door.ask(
            "PUT" if there else "DELETE", self.bucket, self.folder.encode() + b"/" + name, body=b""
        )
        return answer.status in (200, 204)

    def _by_mount(self, name: bytes, there: bool) -> bool:
        try:
            if there:
                os.close(os.open(self._path(name), os.O_CREAT | os.O_WRONLY, 0o644))
            else:
                os.unlink(self._path(name))
        except FileNotFoundError:
            # Right only when the creation before was never answered.
            assert any(change.end == math.inf for change in self.changes[name][:-1]), f"{name!r} is gone"
        return True

    # ---- looking
    def _pages(self, door: S3Door) -> None:
        prefix = self.folder.encode() + b"/"
        after, token, told = b"", None, []
        while True:
            query: dict[str, str | int | bytes] = {"list-type": 2, "prefix": prefix, "max-keys": PAGE}
            query |= {"continuation-token": token} if token else {}
            start = time.monotonic()
            answer = door.ask("GET", self.bucket, query=query)
            end = time.monotonic()
            if answer.status != 200:
                return
            rows, token = rows_of(answer, version=2)
            names = tuple(row.key.removeprefix(prefix) for row in rows)
            assert token is None or names, "an empty page that is not the last"
            told += names
            assert len(told) == len(set(told)), f"told twice: {told}"
            self.found.append(Look("s3", start, end, after, names[-1] if token else b"\xff", names))
            if token is None:
                return
            after = names[-1]

    def _readdir(self) -> None:
        start = time.monotonic()
        names = tuple(sorted(os.listdir(self._path())))
        self.found.append(Look("mount", start, time.monotonic(), b"", b"\xff", names))
        assert len(names) == len(set(names)), f"told twice: {names}"

    # ---- judging
    def judge(self, problems: list[str]) -> None:
        """Append what no acknowledgement allows."""
        for look in self.found:
            for name, changes in self.changes.items():
                if look.after < name <= look.last:
                    known = _known(changes, look)
                    if known is not None and known != (name in look.names):
                        wrong = "is missing in" if known else "is still in"
                        problems.append(f"{name!r} {wrong} a look by {look.door}: {look}")


def _known(changes: list[Change], look: Look) -> bool | None:
    """Whether the name was there all the time the look took; None: it changed meanwhile, or nobody knows."""
    if any(change.start <= look.end and change.end >= look.start for change in changes):
        return None
    before = [change for change in changes if change.end < look.start]
    return before[-1].present if before else False
