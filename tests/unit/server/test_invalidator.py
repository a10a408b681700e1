"""A response waits for living mounts, for a dead one until nobody meets its caches, and never for ever."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
import trio
import trio.testing

from weka_mp.clock import SystemClock
from weka_mp.ipc.frames import OK, Frame, FrameReader, encode
from weka_mp.server.invalidator import ACKNOWLEDGE_SECONDS, Invalidator, MountSockets
from weka_mp.values import Change, InodeNo

CHANGE = Change(InodeNo(1), b"name", None)


class FakeMount:
    """A mount's end of the socket; answers when told to."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.asked: list[Frame] = []
        self.arrived = trio.Event()
        self.answer = trio.Event()
        self.drop_first = False

    async def serve(self, task_status=trio.TASK_STATUS_IGNORED):
        listening = trio.socket.socket(socket.AF_UNIX)
        await listening.bind(self.path)
        listening.listen(8)
        listener = trio.SocketListener(listening)
        await trio.serve_listeners(self._talk, [listener], task_status=task_status)

    async def _talk(self, stream):
        reader = FrameReader()
        async with stream:
            async for data in stream:
                for message in reader.feed(data):
                    self.asked.append(message)
                    self.arrived.set()
                    if self.drop_first:
                        self.drop_first = False
                        return
                    await self.answer.wait()
                    await stream.send_all(encode(Frame(message.id, OK, None)))


async def test_publish_waits_for_the_acknowledgement(nursery, tmp_path):
    mount = FakeMount(str(tmp_path / "mount-1.sock"))
    await nursery.start(mount.serve)
    invalidator = Invalidator(str(tmp_path / "mount-*.sock"))
    await nursery.start(invalidator.run)
    done = trio.Event()

    async def publish():
        await invalidator.publish((CHANGE,))
        done.set()

    nursery.start_soon(publish)
    await mount.arrived.wait()
    await trio.testing.wait_all_tasks_blocked()
    assert not done.is_set()
    mount.answer.set()
    await done.wait()
    assert mount.asked == [Frame(1, "invalidate", [[1, b"name", None]])]
    nursery.cancel_scope.cancel()


async def test_many_publications_share_one_connection(nursery, tmp_path):
    mounts = [FakeMount(str(tmp_path / f"mount-{n}.sock")) for n in range(2)]
    for mount in mounts:
        mount.answer.set()
        await nursery.start(mount.serve)
    invalidator = Invalidator(str(tmp_path / "mount-*.sock"))
    await nursery.start(invalidator.run)
    async with trio.open_nursery() as asking:
        for _ in range(20):
            asking.start_soon(invalidator.publish, (CHANGE,))
    assert [sorted(m.id for m in mount.asked) for mount in mounts] == [list(range(1, 21))] * 2
    nursery.cancel_scope.cancel()


def left_by_a_dead_mount(path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()


async def test_regression_the_caches_of_a_dead_mount_are_waited_for(
    nursery, tmp_path, autojump_clock
):
    """It counted as having acknowledged, and the kernel answered from them until the successor came."""
    path = tmp_path / "mount-1.sock"
    left_by_a_dead_mount(path)
    late = []
    invalidator = Invalidator(str(tmp_path / "mount-*.sock"), on_late=lambda: late.append(1))
    await nursery.start(invalidator.run)
    done = trio.Event()

    async def publish():
        await invalidator.publish((CHANGE,))
        done.set()

    nursery.start_soon(publish)
    await trio.sleep(1)
    assert not done.is_set()
    path.unlink()
    await done.wait()
    assert not late
    nursery.cancel_scope.cancel()


async def test_the_successor_of_a_dead_mount_is_asked(nursery, tmp_path, autojump_clock):
    path = tmp_path / "mount-1.sock"
    left_by_a_dead_mount(path)
    invalidator = Invalidator(str(tmp_path / "mount-*.sock"))
    await nursery.start(invalidator.run)
    mount = FakeMount(str(tmp_path / "new.sock"))
    mount.answer.set()

    async def succeed():
        await trio.sleep(1)
        await nursery.start(mount.serve)
        os.rename(mount.path, path)  # no moment without a socket

    nursery.start_soon(succeed)
    await invalidator.publish((CHANGE,))
    assert len(mount.asked) == 1
    nursery.cancel_scope.cancel()


async def test_a_dead_mount_that_stays_delays_by_the_bound_only(nursery, tmp_path, autojump_clock):
    left_by_a_dead_mount(tmp_path / "mount-1.sock")
    late = []
    invalidator = Invalidator(str(tmp_path / "mount-*.sock"), on_late=lambda: late.append(1))
    await nursery.start(invalidator.run)
    begun = trio.current_time()
    await invalidator.publish((CHANGE,))
    assert late == [1]
    assert trio.current_time() - begun == pytest.approx(ACKNOWLEDGE_SECONDS, abs=0.1)
    nursery.cancel_scope.cancel()


async def test_a_mount_that_was_started_again_is_asked_again(nursery, tmp_path):
    mount = FakeMount(str(tmp_path / "mount-1.sock"))
    mount.answer.set()
    mount.drop_first = True
    await nursery.start(mount.serve)
    invalidator = Invalidator(str(tmp_path / "mount-*.sock"))
    await nursery.start(invalidator.run)
    await invalidator.publish((CHANGE,))
    assert len(mount.asked) == 2
    nursery.cancel_scope.cancel()


async def test_a_stuck_mount_delays_by_the_bound_only(nursery, tmp_path):
    mount = FakeMount(str(tmp_path / "mount-1.sock"))
    await nursery.start(mount.serve)
    late = []
    invalidator = Invalidator(
        str(tmp_path / "mount-*.sock"), seconds=0.05, on_late=lambda: late.append(1))
    await nursery.start(invalidator.run)
    await invalidator.publish((CHANGE,))
    assert late == [1]
    nursery.cancel_scope.cancel()


async def test_without_mounts_nothing_is_asked(tmp_path):
    late = []
    invalidator = Invalidator(
        str(tmp_path / "nowhere" / "mount-*.sock"), on_late=lambda: late.append(1))
    await invalidator.publish((CHANGE,))
    await invalidator.publish(())
    assert not late


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    return listener


def test_a_mount_is_found_as_soon_as_it_listens(tmp_path: Path) -> None:
    """Whatever was remembered of the directory, and however long it had been quiet."""
    sockets = MountSockets(str(tmp_path / "mount-*.sock"), SystemClock())
    assert sockets.paths() == []
    os.utime(tmp_path, (1, 1))
    assert sockets.paths() == sockets.paths() == []
    with _listen(tmp_path / "mount-0.sock"):
        assert sockets.paths() == [str(tmp_path / "mount-0.sock")]
        os.utime(tmp_path, (2, 2))
        assert sockets.paths() == [str(tmp_path / "mount-0.sock")]
        with _listen(tmp_path / "mount-1.sock"):
            assert len(sockets.paths()) == 2
    (tmp_path / "mount-0.sock").unlink()
    assert sockets.paths() == [str(tmp_path / "mount-1.sock")]


def test_a_directory_that_just_changed_is_read_again(tmp_path: Path) -> None:
    """A socket that appears in the same tick leaves the directory's time as it was."""
    sockets = MountSockets(str(tmp_path / "mount-*.sock"), SystemClock())
    assert sockets.paths() == []
    times = os.stat(tmp_path)
    with _listen(tmp_path / "mount-0.sock"):
        os.utime(tmp_path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert sockets.paths() == [str(tmp_path / "mount-0.sock")]


def test_without_a_directory_there_are_no_mounts(tmp_path: Path) -> None:
    assert MountSockets(str(tmp_path / "none" / "mount-*.sock"), SystemClock()).paths() == []
