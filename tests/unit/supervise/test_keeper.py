"""Children are started, watched, restarted and stopped; nothing outlives its supervisor."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio

from weka_mp.ipc.peers import CallTimeout, Peer, RemoteFailure
from weka_mp.observe.logs import LOG_LEVEL
from weka_mp.supervise.keeper import ChildSpec, Keeper, StartFailed, ask_link

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _tests_are_importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("WEKA_MP_ROOT_SECRET_KEY", "not for children")
    yield


class Bench:
    """A keeper of one fake child, and what it wrote."""

    def __init__(self, tmp_path: Path, mode: str, **more: object) -> None:
        self.lines: list[bytes] = []
        self.last_words: list[object] = []
        self.pid_file = tmp_path / "fake-0.pid"

        async def bye(args: object) -> None:
            self.last_words.append(args)

        spec = ChildSpec(
            "fake-0",
            "fake",
            {"name": "fake-0", "log_level": "info", "log_format": "text", "mode": mode},
            handlers={"bye": bye},
            **{"module": "tests.unit.supervise.fake_child", **more},  # type: ignore[arg-type]
        )
        self.keeper = Keeper(spec, lambda line, name, pid: self.lines.append(line), str(tmp_path))


async def test_a_child_starts_answers_and_stops_on_request(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "good")
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.keeper.run)
        assert bench.keeper.child is not None
        assert bench.pid_file.read_text() == f"{bench.keeper.child.pid}\n"
        peer = await bench.keeper.wait_ready()
        assert await peer.call("repeat", 1) == ["good", 1, os.getpid(), None, "/"]
        assert isinstance(await peer.call("metrics"), list)
        await bench.keeper.stop()
    assert bench.last_words == ["clean"]
    assert bench.lines == [b"plain words"]
    assert bench.keeper.restarts == 0 and not bench.keeper.ready
    assert not bench.pid_file.exists()


async def test_a_killed_child_is_started_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "good")
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.keeper.run)
        for expected in (1, 2):
            assert bench.keeper.child is not None
            former = bench.keeper.child
            former.signal(signal.SIGKILL)
            await former.peer.gone.wait()
            while bench.keeper.child is former:
                await trio.sleep(0.01)
            peer = await bench.keeper.wait_ready()
            assert (await peer.call("repeat", 2))[1] == 2  # type: ignore[index]
            assert bench.keeper.restarts == expected
        await bench.keeper.stop()


async def test_the_level_of_the_log_changes_in_the_child_and_in_its_successor(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "good")
    keeper = bench.keeper
    async with trio.open_nursery() as nursery:
        await nursery.start(keeper.run)
        former, peer = keeper.child, await keeper.wait_ready()
        assert former is not None
        assert await peer.call("level") == "info"
        await peer.call(LOG_LEVEL, "debug")
        assert await peer.call("level") == "debug"
        keeper.changed["log_level"] = "error"
        former.signal(signal.SIGKILL)
        while keeper.child is former:
            await trio.sleep(0.01)
        assert await (await keeper.wait_ready()).call("level") == "error"
        await keeper.stop()


async def test_what_an_ended_child_left_is_cleared_before_its_successor_starts(tmp_path: Path) -> None:
    bench: list[Bench] = []
    seen: list[tuple[bool, int]] = []

    def clear() -> None:
        keeper = bench[0].keeper
        child = keeper.child
        seen.append((child is None or child.popen.poll() is not None, keeper.restarts))

    bench.append(Bench(tmp_path, "good", ended=clear))
    keeper = bench[0].keeper
    async with trio.open_nursery() as nursery:
        await nursery.start(keeper.run)
        former = keeper.child
        assert former is not None
        former.signal(signal.SIGKILL)
        while keeper.child is former:
            await trio.sleep(0.01)
        await keeper.wait_ready()
        await keeper.stop()
    assert seen == [(True, 0)], "once, when it was dead; not when it was stopped"


async def test_a_child_that_does_not_answer_is_killed_and_started_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "good", silence=0.3)
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.keeper.run)
        former = bench.keeper.child
        assert former is not None
        former.signal(signal.SIGSTOP)
        with trio.fail_after(20):
            await former.peer.gone.wait()
            while bench.keeper.child is former:
                await trio.sleep(0.01)
            peer = await bench.keeper.wait_ready()
        assert bench.keeper.restarts == 1
        assert (await peer.call("repeat", 3))[1] == 3  # type: ignore[index]
        await bench.keeper.stop()


async def test_a_child_whose_loop_stands_still_is_killed_and_started_again(tmp_path: Path) -> None:
    """Another thread of it goes on answering."""
    ask = partial(ask_link, stall=0.5)
    bench = Bench(tmp_path, "blocks", module="tests.unit.supervise.looping_child", silence=0.1, ask=ask)
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.keeper.run)
        former = bench.keeper.child
        assert former is not None
        assert await former.peer.call("metrics") is not None
        with trio.fail_after(30):
            await former.peer.gone.wait()
            while bench.keeper.child is former:
                await trio.sleep(0.01)
            await bench.keeper.wait_ready()
        assert bench.keeper.restarts == 1
        await bench.keeper.stop()


async def test_a_child_whose_loop_goes_round_is_left_alone(tmp_path: Path) -> None:
    ages: list[object] = []
    enough = trio.Event()

    async def ask(peer: Peer, seconds: float) -> None:
        await ask_link(peer, 5, stall=5)
        ages.append(await peer.call("alive"))
        if len(ages) == 20:
            enough.set()

    bench = Bench(tmp_path, "beats", module="tests.unit.supervise.looping_child", silence=0.02, ask=ask)
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.keeper.run)
        with trio.fail_after(30):
            await enough.wait()
        assert bench.keeper.restarts == 0
        await bench.keeper.stop()
    assert all(isinstance(age, float) and 0 <= age < 5 for age in ages)


async def test_a_child_that_answers_is_left_alone(tmp_path: Path) -> None:
    """It was asked several times, and once not answered."""
    asked: list[float] = []
    enough = trio.Event()

    async def ask(peer: Peer, seconds: float) -> None:
        asked.append(seconds)
        if len(asked) == 2:
            raise CallTimeout("once")
        if len(asked) == 5:
            enough.set()
        if len(asked) % 2:
            raise RemoteFailure("Error", "an answer is an answer")

    bench = Bench(tmp_path, "good", silence=0.02, ask=ask)
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.keeper.run)
        with trio.fail_after(20):
            await enough.wait()
        assert bench.keeper.restarts == 0
        await bench.keeper.stop()
    assert set(asked) == {0.01}


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("refuse", "^/some/where: No such file or directory$"), ("vanish", "fake-0 ended .*killed by SIGKILL")],
)
async def test_a_first_child_that_fails_says_why(mode: str, reason: str, tmp_path: Path) -> None:
    bench = Bench(tmp_path, mode)
    async with trio.open_nursery() as nursery:
        with pytest.raises(StartFailed, match=reason):
            await nursery.start(bench.keeper.run)
    assert bench.keeper.child is None


async def test_a_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "stubborn", grace=0.2)
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.keeper.run)
        with trio.fail_after(10):
            await bench.keeper.stop()
    assert bench.keeper.child is None


async def test_a_cancelled_service_leaves_no_child(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "good")
    async with trio.open_nursery() as nursery:
        await nursery.start(bench.keeper.run)
        assert bench.keeper.child is not None
        pid = bench.keeper.child.pid
        nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert bench.last_words == [] or bench.last_words == ["clean"]


SUPERVISOR = """
import sys, trio
from weka_mp.ipc.peers import CallTimeout, Peer, RemoteFailure
from weka_mp.supervise.keeper import ChildSpec, Keeper
PLAN = {"name": "fake-0", "log_level": "info", "log_format": "text", "mode": "good"}
async def main():
    spec = ChildSpec("fake-0", "fake", PLAN, module="tests.unit.supervise.fake_child")
    keeper = Keeper(spec, lambda *_: None, sys.argv[1])
    async with trio.open_nursery() as nursery:
        await nursery.start(keeper.run)
        print(keeper.child.pid, flush=True)
trio.run(main)
"""


def test_children_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE)
    assert supervisor.stdout is not None
    pidfd = os.pidfd_open(int(supervisor.stdout.readline()))
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()

    async def ended() -> None:
        with trio.fail_after(10):
            await trio.lowlevel.wait_readable(pidfd)

    trio.run(ended)
    os.close(pidfd)
