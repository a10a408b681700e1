"""Runs the verbs of a mode on all targets in turn and collects what each cost."""

from __future__ import annotations

import gc
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count

from weka_mp.bench.processes import cpu_seconds, memory_bytes
from weka_mp.bench.targets import Operation, Target
from weka_mp.bench.work import Mode, Parameters, Verb

__all__ = ["Cell", "Window", "run"]


@dataclass(frozen=True, slots=True)
class Window:
    """One verb of one round on one target.

    seconds: wall time from the first operation to the end of the last; server_cpu: seconds of CPU time of
    the target's processes in it, None where they are not known; client_cpu: this process's own; latencies:
    nanoseconds of each operation; moved: bytes of payload.
    """

    seconds: float
    server_cpu: float | None
    client_cpu: float
    latencies: array[int]
    moved: int


@dataclass(slots=True)
class Cell:
    """All rounds of a verb on a target; memory: bytes (PSS) of its processes after the last, if known."""

    target: str
    kind: str
    verb: Verb
    windows: list[Window] = field(default_factory=list)
    memory: int | None = None


def run(
    mode: Mode, targets: Sequence[Target], parameters: Parameters, progress: Callable[[], None]
) -> list[Cell]:
    """Measure; `progress` is called after each window.

    In each round every verb is asked of all targets before the next verb, and each round begins with another
    target, so that what the machine's neighbours do falls on all alike. Raises TargetFailed; the targets are
    cleaned in any case.
    """
    cells = {
        (target.name, verb): Cell(target.name, target.kind, verb)
        for verb in mode.verbs
        for target in targets
        if verb in target.verbs()
    }
    with ExitStack() as leaving:
        for target in targets:
            leaving.callback(target.clean)
            target.prepare()
        for turn in range(parameters.rounds):
            first = turn % len(targets)
            for verb in mode.verbs:
                for target in [*targets[first:], *targets[:first]]:
                    cell = cells.get((target.name, verb))
                    if cell is not None:
                        cell.windows.append(_window(target, verb, parameters))
                        cell.memory = memory_bytes(target.pids()) or None
                        progress()
    return list(cells.values())


def _window(target: Target, verb: Verb, parameters: Parameters) -> Window:
    work = [target.operations(verb, parameters, lane) for lane in range(parameters.lanes)]
    lanes = [_Lane(operations) for operations in work]
    gc.collect()  # not in the middle of the measurement
    pids = target.pids()
    before, own, start = cpu_seconds(pids), time.process_time(), time.perf_counter()
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    seconds, own = time.perf_counter() - start, time.process_time() - own
    server = cpu_seconds(pids) - before if pids else None
    for lane in lanes:
        if lane.failure is not None:
            raise lane.failure
    latencies = array("q")
    for lane in lanes:
        latencies.extend(lane.latencies)
    return Window(seconds, server, own, latencies, sum(lane.moved for lane in lanes))


class _Lane(threading.Thread):
    """One of the clients that work at the same time."""

    _numbers = count()

    def __init__(self, operations: Iterable[Operation]) -> None:
        super().__init__(name=f"bench-{next(self._numbers)}", daemon=True)
        self._operations = operations
        self.latencies = array("q")
        self.moved = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        clock, latencies = time.perf_counter_ns, self.latencies
        try:
            for operation in self._operations:
                begin = clock()
                self.moved += operation()
                latencies.append(clock() - begin)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits for this one
            self.failure = error
