"""The link of a child whose main thread is taken."""

from __future__ import annotations

import os
import socket
import threading

import trio

from weka_mp.ipc.peers import Peer
from weka_mp.supervise.thread_link import LinkThread


async def _answer(args: object) -> object:
    return ["metrics", args]


async def test_tells_in_order_answers_and_notices_the_end() -> None:
    ours, theirs = socket.socketpair()
    told: list[object] = []
    hinted = trio.Event()

    async def ready(args: object) -> None:
        told.append(args)

    async def dirty(args: object) -> None:
        told.append(args)
        hinted.set()

    link = LinkThread(os.dup(theirs.fileno()), {"metrics": _answer})
    theirs.close()
    gone = threading.Event()
    link.on_gone(gone.set)
    link.start()
    peer = Peer(trio.SocketStream(trio.socket.from_stdlib_socket(ours)), {"ready": ready, "dirty": dirty})
    async with trio.open_nursery() as nursery:
        await nursery.start(peer.run)
        for number in range(3):
            link.tell("ready", number)
        for path in (b"b/x", b"b/y", b"b/x"):
            link.hint_dirty(path)
        assert await peer.call("metrics", 1) == ["metrics", 1]
        with trio.fail_after(5):
            await hinted.wait()
        nursery.cancel_scope.cancel()
    assert told == [0, 1, 2, [b"b/x", b"b/y"]]
    await peer.aclose()
    assert await trio.to_thread.run_sync(gone.wait, 5)
    link.tell("ready", 3)  # to nobody: no error
    link.flush()


async def test_flush_sends_the_last_words() -> None:
    ours, theirs = socket.socketpair()
    heard: list[object] = []

    async def failed(args: object) -> None:
        heard.append(args)

    link = LinkThread(theirs.fileno(), {})
    link.start()
    link.tell("failed", "why")
    await trio.to_thread.run_sync(link.flush)
    theirs.close()
    peer = Peer(trio.SocketStream(trio.socket.from_stdlib_socket(ours)), {"failed": failed})
    with trio.fail_after(5):
        await peer.run()
    assert heard == ["why"]
