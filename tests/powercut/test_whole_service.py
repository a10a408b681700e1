"""Power cuts below a whole service: what its clients were answered, over HTTP and on its mount, is there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.powercut.alone import with_own_mounts
from tests.powercut.clients import Clients, observed_by_clients, run_lanes, run_once
from tests.powercut.device import Record
from tests.powercut.disk import FILE_SYSTEMS, Cut, LoggedDisk, Replay, cuts, missing, replayed
from tests.powercut.history import ANYTHING, History, Step, allowed_at
from tests.powercut.judging import Broken, judge
from tests.powercut.workload import SLOT
from tests.system.service import Service, running
from weka_mp.namespace.uploads import multipart
from weka_mp.store.posix import PosixStore

pytestmark = pytest.mark.mount
CHECK_EVERY = 16  # recoveries after one of which the whole file system is looked at


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the judge, which completes the uploads that it finds."""
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", SLOT)


class Recorded:
    """One run of a service on a logged disk, until it was stopped."""

    def __init__(self, disk: LoggedDisk, work: Callable[[Clients], None]) -> None:
        self.disk = disk
        self.serial = count()
        history = History(disk.position)
        with self.serving(disk.store) as service:
            work(Clients(service, history))
        self.steps: Sequence[Step] = history.steps
        self.log: Sequence[Record] = disk.unplug()

    def serving(self, store: Path):  # type: ignore[no-untyped-def]
        folder = self.disk.folder / f"service-{next(self.serial)}"
        folder.mkdir()
        return running(folder, "--workers", "2", store=store, quiet=False)

    def judge_some(self, rng: random.Random, much: int, subsets: int, serve_every: int) -> int:
        """Cut the power in `much` of all ways (all, where there are fewer). How often. Raises Broken.

        What is left is looked at by the library, and after every `serve_every` by a service and its clients.
        """
        ways = list(cuts(self.log, rng, subsets))
        chosen = sorted(rng.sample(range(len(ways)), min(much, len(ways))))
        replay = Replay(self.disk, self.log)
        for number, cut in enumerate((ways[at] for at in chosen), 1):
            with replayed(replay, cut, check=number % CHECK_EVERY == 0) as mounted:
                try:
                    if number % serve_every == 0:
                        with self.serving(mounted) as service:
                            judge_service(service, self.steps, cut)
                    self._judge(mounted, cut)
                except Broken as broken:
                    raise Broken(f"{cut}: {broken}") from broken
        return len(chosen)

    def _judge(self, mounted: Path, cut: Cut) -> None:
        store = PosixStore(str(mounted))
        try:
            judge(store, self.steps, cut.until)
        finally:
            store.shutdown()


def judge_service(service: Service, steps: Sequence[Step], cut: Cut) -> None:
    """Ask a service that was started after the cut for all that was promised. Raises Broken."""
    allowed, last = allowed_at(steps, cut.until)
    for fact, wanted in allowed.items():
        seen = observed_by_clients(service, fact)
        if seen not in wanted and not any(value is ANYTHING for value in wanted):
            raise Broken(f"{last}: clients are told that {fact} is {seen!r:.200}, not {wanted!r:.200}")


@pytest.fixture
def room(powercut_folder: Path, name: str) -> Iterator[Path]:
    reason = missing(FILE_SYSTEMS[name])
    if reason:
        pytest.skip(reason)
    yield powercut_folder / name


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FILE_SYSTEMS)
@with_own_mounts
def test_every_answer_outlives_a_power_cut(name: str, room: Path, model_seed: int) -> None:
    def work(clients: Clients) -> None:
        run_once(clients)
        run_lanes(clients, 2, 10, model_seed)

    with LoggedDisk(FILE_SYSTEMS[name], room) as disk:
        recorded = Recorded(disk, work)
        assert recorded.judge_some(random.Random(model_seed), 24, 1, 20) == 24


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", FILE_SYSTEMS)
@with_own_mounts
def test_every_answer_to_many_clients_outlives_many_power_cuts(
    name: str, room: Path, model_seed: int
) -> None:
    def work(clients: Clients) -> None:
        run_once(clients)
        run_lanes(clients, 6, 40, model_seed)

    with LoggedDisk(FILE_SYSTEMS[name], room) as disk:
        recorded = Recorded(disk, work)
        assert recorded.judge_some(random.Random(model_seed), 1500, 4, 60) > 400
