"""One service a store; the last children of a killed one are waited for."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import trio

from weka_mp.supervise import instance
from weka_mp.supervise.instance import Instance, Presence
from weka_mp.supervise.keeper import StartFailed


async def test_a_second_service_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    first, second = Instance(str(tmp_path)), Instance(str(tmp_path))
    await first.acquire("/store")
    with pytest.raises(StartFailed, match=rf"^/store is served already \(pid {os.getpid()}\)$"):
        await second.acquire("/store")
    first.release()
    await second.acquire("/store")
    second.release()


async def test_children_of_a_killed_service_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, successor = Instance(str(tmp_path)), Instance(str(tmp_path))
    await killed.acquire("/store")
    child = os.dup(killed.children_fd)  # a child's: the same open file
    killed.release()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(successor.acquire, "/store")
        await trio.sleep(0.1)
        assert nursery.child_tasks
        os.close(child)
    successor.release()


async def test_children_that_do_not_end_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_WAIT_FOR_STOPPED", "_WAIT_FOR_CHILDREN", "_WAIT_FOR_KILLED"):
        monkeypatch.setattr(instance, name, 0.1)
    killed, successor = Instance(str(tmp_path)), Instance(str(tmp_path))
    await killed.acquire("/store")
    child = os.dup(killed.children_fd)
    killed.release()
    with pytest.raises(StartFailed, match="still running"):
        await successor.acquire("/store")
    os.close(child)
    successor.release()


@pytest.mark.parametrize("how", ["stopped", "deaf"])
async def test_children_that_cannot_end_are_killed(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is stopped at once, any other when it had its time; nobody else's process."""
    monkeypatch.setattr(instance, "_WAIT_FOR_STOPPED", 0.1)
    if how == "deaf":
        monkeypatch.setattr(instance, "_WAIT_FOR_CHILDREN", 0.1)
    killed, successor = Instance(str(tmp_path)), Instance(str(tmp_path))
    await killed.acquire("/store")
    child = subprocess.Popen(["sleep", "3600"], pass_fds=[killed.children_fd])
    bystander = subprocess.Popen(["sleep", "3600"])
    freed: list[str] = []
    try:
        if how == "stopped":
            child.send_signal(signal.SIGSTOP)
        killed.release()
        with trio.fail_after(10):
            await successor.acquire("/store", lambda: freed.append(how))
        assert child.wait(10) == -signal.SIGKILL
        assert bystander.poll() is None
        assert freed == (["deaf"] if how == "deaf" else [])
    finally:
        for each in (child, bystander):
            each.kill()
            each.wait(10)
    successor.release()


def test_presence_tells_whether_one_is_alone(tmp_path: Path) -> None:
    (tmp_path / ".weka" / "locks").mkdir(parents=True)
    first, second, third = (Presence(str(tmp_path)) for _ in range(3))
    assert first.enter()
    assert not second.enter()
    first.leave()
    assert not third.enter()
    second.leave()
    third.leave()
    fourth = Presence(str(tmp_path))
    assert fourth.enter()
    fourth.leave()
