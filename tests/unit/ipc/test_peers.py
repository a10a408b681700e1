"""Peers over memory streams and unix sockets."""

import os
import socket
import stat
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from weka_mp.ipc.frames import Frame, encode
from weka_mp.ipc.peers import CallTimeout, Peer, PeerGone, RemoteFailure, connect_unix, serve_unix


async def _echo(args: object) -> object:
    return args


async def _refuse(args: object) -> object:
    raise ValueError(f"no {args}")


async def test_both_sides_ask_and_answer() -> None:
    left_stream, right_stream = trio.testing.memory_stream_pair()
    left, right = Peer(left_stream, {"echo": _echo}), Peer(right_stream, {"refuse": _refuse})
    async with trio.open_nursery() as nursery:
        await nursery.start(left.run)
        await nursery.start(right.run)
        assert await right.call("echo", {"a": [1, b"x"]}) == {"a": [1, b"x"]}
        with pytest.raises(RemoteFailure, match="no way") as failure:
            await left.call("refuse", "way")
        assert failure.value.kind == "ValueError"
        with pytest.raises(RemoteFailure, match="dance"):
            await left.call("dance")
        nursery.cancel_scope.cancel()


async def test_a_slow_verb_does_not_hold_up_the_others() -> None:
    release = trio.Event()

    async def slow(args: object) -> object:
        await release.wait()
        return "slow"

    left_stream, right_stream = trio.testing.memory_stream_pair()
    left, right = Peer(left_stream, {"slow": slow, "echo": _echo}), Peer(right_stream)
    answers: list[object] = []

    async def ask_slow() -> None:
        answers.append(await right.call("slow"))

    async with trio.open_nursery() as nursery:
        await nursery.start(left.run)
        await nursery.start(right.run)
        async with trio.open_nursery() as asking:
            asking.start_soon(ask_slow)
            await trio.testing.wait_all_tasks_blocked()
            answers.append(await right.call("echo", "quick"))
            release.set()
        nursery.cancel_scope.cancel()
    assert answers == ["quick", "slow"]


async def test_a_call_ends_when_the_peer_goes_or_stays_silent(autojump_clock: trio.testing.MockClock) -> None:
    left_stream, right_stream = trio.testing.memory_stream_pair()
    peer = Peer(left_stream)
    async with trio.open_nursery() as nursery:
        await nursery.start(peer.run)
        with pytest.raises(CallTimeout):
            await peer.call("anything", timeout=3)
        await right_stream.aclose()
        await peer.gone.wait()
        with pytest.raises(PeerGone):
            await peer.call("anything")


async def test_malformed_input_closes_the_connection() -> None:
    left_stream, right_stream = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(Peer(left_stream, {"echo": _echo}).run)
        await right_stream.send_all(b"\xff" * 64)
        assert await right_stream.receive_some() == b""


async def test_notifications_get_no_answer() -> None:
    seen: list[object] = []
    heard = trio.Event()

    async def hear(args: object) -> object:
        seen.append(args)
        heard.set()
        return None

    left_stream, right_stream = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        await nursery.start(Peer(left_stream, {"hear": hear}).run)
        await right_stream.send_all(encode(Frame(0, "hear", 7)))
        await heard.wait()
        await trio.testing.wait_all_tasks_blocked()
        right_stream.receive_stream.close_hook = None  # type: ignore[union-attr]
        with trio.move_on_after(0.01) as scope:
            await right_stream.receive_some()
        assert scope.cancelled_caught
        nursery.cancel_scope.cancel()
    assert seen == [7]


async def test_unix_sockets_are_private_and_replace_stale_ones(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sock")
    with pytest.raises(PeerGone):
        await connect_unix(path)
    for _ in range(2):  # the second time over what a killed process would leave
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve_unix, path, {"echo": _echo}))
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            peer = await connect_unix(path)
            await nursery.start(peer.run)
            assert await peer.call("echo", b"x") == b"x"
            nursery.cancel_scope.cancel()
        assert not os.path.exists(path)
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)
        stale.close()
