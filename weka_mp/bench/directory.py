"""A directory as a target: the same objects as files, by plain system calls."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Final

from weka_mp.bench.processes import mount_servers
from weka_mp.bench.targets import Operation, TargetFailed, body_of
from weka_mp.bench.work import LISTINGS, Parameters, Verb, mixed_steps
from weka_mp.clock import RandomSource

__all__ = ["Directory"]

_PIECE: Final = 1 << 20


class Directory:
    """Works in a new directory below `path` and removes it. Raises TargetFailed when it cannot be made."""

    kind = "directory"

    def __init__(self, name: str, path: str, ids: RandomSource, kind: str = "directory") -> None:
        self.name, self.kind = name, kind
        self._top = Path(path, f"weka-mp-bench-{ids.token(4)}")

    def verbs(self) -> frozenset[Verb]:
        return frozenset(Verb)

    def pids(self) -> frozenset[int]:
        return mount_servers(str(self._top.parent))

    def prepare(self) -> None:
        try:
            (self._top / "objects").mkdir(parents=True)
            (self._top / "big").mkdir()
        except OSError as error:
            raise TargetFailed(f"{self.name}: {error}") from error

    def clean(self) -> None:
        if self._top.exists():
            shutil.rmtree(self._top)

    def operations(self, verb: Verb, parameters: Parameters, lane: int) -> Iterable[Operation]:
        if verb is Verb.LIST:
            return [self._scan] * LISTINGS if lane == 0 else ()
        if verb in (Verb.PUT_BIG, Verb.GET_BIG):
            path = str(self._top / "big" / str(lane))
            if verb is Verb.GET_BIG:
                return [partial(_read, path)]
            return [partial(_write, path, body_of(parameters.big, lane))]
        if verb is Verb.MIXED:
            return [self._one(step.verb, step.number, parameters) for step in mixed_steps(parameters, lane)]
        return [self._one(verb, number, parameters) for number in parameters.share(lane)]

    def _one(self, verb: Verb, number: int, parameters: Parameters) -> Operation:
        path = str(self._top / "objects" / f"{number:08d}")
        if verb is Verb.PUT:
            return partial(_write, path, body_of(parameters.size, number))
        if verb is Verb.RENAME:
            # There and back again: the next verb finds the names as they were. One operation is both.
            return partial(_rename_and_back, path)
        return partial({Verb.GET: _read, Verb.HEAD: _stat, Verb.DELETE: _unlink}[verb], path)

    def _scan(self) -> int:
        with os.scandir(self._top / "objects") as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
        return 0


def _write(path: str, body: bytes) -> int:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        done = 0
        while done < len(body):
            done += os.write(fd, body[done : done + _PIECE] if len(body) > _PIECE else body)
    finally:
        os.close(fd)
    return done


def _read(path: str) -> int:
    fd = os.open(path, os.O_RDONLY)
    try:
        total = 0
        while piece := os.read(fd, _PIECE):
            total += len(piece)
    finally:
        os.close(fd)
    return total


def _stat(path: str) -> int:
    os.stat(path)
    return 0


def _unlink(path: str) -> int:
    os.unlink(path)
    return 0


def _rename_and_back(path: str) -> int:
    os.rename(path, f"{path}.moved")
    os.rename(f"{path}.moved", path)
    return 0
