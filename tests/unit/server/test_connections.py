"""What a worker owes to many connections at once: turns, partings, and an end (docs/LIMITS.md)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.unit.namespace.kit import memory_store
from weka_mp.clock import SystemClock, SystemRandom
from weka_mp.gateway.context import Site
from weka_mp.namespace import Namespace
from weka_mp.server.connection_task import serve_connection
from weka_mp.server.invalidator import Invalidator
from weka_mp.server.limits import Limits
from weka_mp.server.listener import Connections
from weka_mp.server.metrics import ServerMetrics
from weka_mp.server.service import Service
from weka_mp.server.settings import RootCredentials, ServerSettings
from weka_mp.server.wire import Wire
from weka_mp.server.worker import run_worker

SETTINGS = ServerSettings("us-east-1", RootCredentials("key", "secret"))
REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace.open(memory_store()) as opened:
        yield opened


@pytest.fixture
def service(namespace: Namespace) -> Service:
    site = Site(namespace, SETTINGS.region, SETTINGS.account)
    return Service(site, SETTINGS, Invalidator(None), ServerMetrics(), SystemClock(), SystemRandom())


async def test_many_requests_in_one_packet_leave_other_tasks_their_turn(service: Service) -> None:
    """L25: none of them has to be waited for, so nothing but the limit lets another task run in between."""
    ours, theirs = socket.socketpair()
    turns = 0

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    with closing(theirs):
        theirs.sendall(REQUEST * 160)
        theirs.shutdown(socket.SHUT_WR)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(somebody_else)
            await serve_connection(service, Wire(ours, "here", SETTINGS.limits))
            nursery.cancel_scope.cancel()
    assert service.metrics.requests["-", 403] + service.metrics.requests["ListBuckets", 403] == 160
    assert turns >= 160 // 16


async def test_beyond_64_partings_a_connection_is_closed_without_a_word(
    service: Service, autojump_clock: object
) -> None:
    """L22: telling somebody that there is no room must not itself take all the room."""
    connections, pairs = Connections(service), [socket.socketpair() for _ in range(65)]
    try:
        async with trio.open_nursery() as nursery:
            for ours, _ in pairs[:64]:
                nursery.start_soon(connections.refuse, ours, "here")
            await wait_all_tasks_blocked()
            await connections.refuse(pairs[64][0], "here")
        said = [theirs.recv(1000) for _, theirs in pairs]
    finally:
        for pair in pairs:
            for sock in pair:
                sock.close()
    assert [b" 503 " in words for words in said] == [True] * 64 + [False]
    assert said[64] == b""


@pytest.mark.parametrize(("sent", "seconds"), [(0, 2.0), (100_000, 0.0)])
async def test_reading_on_after_the_last_answer_ends(
    sent: int, seconds: float, autojump_clock: object
) -> None:
    """L10: a client that does not close is left after two seconds, or as many bytes as are allowed."""
    ours, theirs = socket.socketpair()
    with closing(theirs):
        wire = Wire(ours, "here", Limits())
        theirs.sendall(bytes(sent))
        began = trio.current_time()
        await wire.linger(100_000)
        assert trio.current_time() - began == pytest.approx(seconds, abs=0.5)
        wire.close()


async def test_a_request_that_never_ends_is_cut_off_when_the_worker_stops(
    namespace: Namespace, autojump_clock: object
) -> None:
    """L28: a stopping worker waits 20 s."""
    stop, metrics = trio.Event(), ServerMetrics()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        closing(socket.create_connection(listening.getsockname())) as client,
    ):
        client.sendall(REQUEST[:10])
        worker = partial(run_worker, [listening], namespace, SETTINGS, stop=stop, metrics=metrics)
        async with trio.open_nursery() as nursery:
            await nursery.start(worker)
            while not metrics.connections:
                await trio.lowlevel.checkpoint()
            await wait_all_tasks_blocked()
            began = trio.current_time()
            stop.set()
        assert trio.current_time() - began == pytest.approx(SETTINGS.limits.stop_seconds, abs=1.0)
        assert client.recv(1000) == b""


async def test_connections_are_counted_in_all_and_by_address(service: Service) -> None:
    """L20, L21; room comes back when one ends."""
    service.settings = replace(SETTINGS, limits=Limits(connections=3, connections_per_address=2))
    connections, pairs = Connections(service), [socket.socketpair() for _ in range(6)]
    try:
        admitted = [
            connections.admit(ours, address) for (ours, _), address in zip(pairs, "aaabbc", strict=True)
        ]
        assert [wire is not None for wire in admitted] == [True, True, False, True, False, False]
        assert service.metrics.refused == 3
        pairs[0][1].close()
        assert admitted[0] is not None
        await connections.serve(admitted[0])
        assert connections.admit(pairs[2][0], "a") is not None
    finally:
        for pair in pairs:
            for sock in pair:
                sock.close()


@pytest.mark.parametrize(("descriptors", "connections", "partings"), [
    (65_536, 4096, 64), (1024, 448, 64), (256, 80, 32), (100, 12, 12), (10, 1, 1),
])
def test_few_descriptors_allow_few_connections(descriptors: int, connections: int, partings: int) -> None:
    found = Limits().within(descriptors)
    assert (found.connections, found.partings) == (connections, partings)
    assert replace(found, connections=4096, partings=64) == Limits()
