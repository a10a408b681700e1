"""Accepting connections within limits, and the watchdog over them."""

from __future__ import annotations

import errno
import logging
import math
import socket
from collections import Counter
from contextlib import suppress
from typing import Final

import trio

from weka_mp.server.arrival import arrive, must_arrive
from weka_mp.server.connection_task import serve_connection
from weka_mp.server.origin import plain_address
from weka_mp.server.pacing import source
from weka_mp.server.refusal import turn_away
from weka_mp.server.service import Service
from weka_mp.server.wire import PeerGone, Wire

__all__ = ["Connections", "accept_connections"]

_log = logging.getLogger("weka_mp.server")
_TICK_SECONDS: Final = 1.0  # how late a time-out may be
_PAUSE_SECONDS: Final = 0.1  # when descriptors have run out: time for some to come back
_TELL_SECONDS: Final = 10.0  # between two records about that
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_BATCH: Final = 4  # accepted in one go: more would leave the other workers of the socket without any


class Connections:
    """All that are open. Only the event loop uses it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._open: set[Wire] = set()
        self._by_address: Counter[str] = Counter()
        self._parting = 0
        self.all_closed = trio.Event()

    def admit(self, connected: socket.socket, remote: str) -> Wire | None:
        """A wire for a new connection, or None when a limit turns it away."""
        limits, metrics = self._service.settings.limits, self._service.metrics
        proxy = self._service.proxies.trusts(remote)  # it speaks for many
        crowded = len(self._open) >= limits.connections
        if crowded or not (proxy or self._has_room(remote)):
            metrics.refused += 1
            return None
        wire = self._service.wire(connected, remote)
        self._open.add(wire)
        if not proxy:
            self._count(wire)
        metrics.accepted += 1
        metrics.connections = len(self._open)
        return wire

    def _has_room(self, remote: str) -> bool:
        return self._by_address[source(remote)] < self._service.settings.limits.connections_per_address

    def _count(self, wire: Wire) -> None:
        wire.counted_for = source(wire.remote)
        self._by_address[wire.counted_for] += 1

    async def refuse(self, connected: socket.socket, remote: str) -> None:
        """Tell a client that it is turned away; beyond a few at once it is closed without a word."""
        if self._parting >= self._service.settings.limits.partings:
            connected.close()
            return
        self._parting += 1
        try:
            wire = self._service.wire(connected, remote)
            with trio.move_on_after(self._service.settings.limits.linger_seconds), suppress(PeerGone):
                if not must_arrive(self._service, wire) or await arrive(self._service, wire):
                    await turn_away(self._service, wire)
            wire.close()
        finally:
            self._parting -= 1

    async def serve(self, wire: Wire) -> None:
        """Serve one to its end."""
        try:
            beginning = self._arrive if must_arrive(self._service, wire) else None
            await serve_connection(self._service, wire, beginning)
        finally:
            self._release(wire)

    async def _arrive(self, wire: Wire) -> bool:
        """Whether its requests may come; whom a proxy speaks for counts as if it had come itself."""
        connected = wire.remote
        if not await arrive(self._service, wire):
            return False
        if wire.remote == connected:
            return True
        if not self._has_room(wire.remote):
            self._service.metrics.refused += 1
            await turn_away(self._service, wire)
            return False
        self._count(wire)
        return True

    def _release(self, wire: Wire) -> None:
        self._open.discard(wire)
        counted_for = wire.counted_for
        if counted_for is not None:
            self._by_address[counted_for] -= 1
            if not self._by_address[counted_for]:
                del self._by_address[counted_for]
        self._service.metrics.connections = len(self._open)
        if self._service.stopping and not self._open:
            self.all_closed.set()

    async def watch(self) -> None:
        """End the connections whose client took too long; runs until cancelled."""
        while True:
            await trio.sleep(_TICK_SECONDS)
            now = trio.current_time()
            for wire in self._open:
                if now > wire.deadline:
                    wire.expire()

    def stop(self) -> None:
        """From now on no connection starts another request; idle ones end at once."""
        self._service.stopping = True
        for wire in self._open:
            if wire.idle:
                wire.scope.cancel()
        if not self._open:
            self.all_closed.set()


async def accept_connections(
    listening: socket.socket, connections: Connections, nursery: trio.Nursery
) -> None:
    """Accept from an inherited listening socket until cancelled."""
    listening.setblocking(False)
    told = -math.inf
    while True:
        await trio.lowlevel.wait_readable(listening)
        for _ in range(_BATCH):
            try:
                connected, peer = listening.accept()
            except BlockingIOError:
                break  # another worker was quicker, or that was the last one
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    told = _tell_exhaustion(error, told)
                    await trio.sleep(_PAUSE_SECONDS)
                break  # anything else concerns the one connection that was refused or aborted
            remote = _address_of(peer)
            wire = connections.admit(connected, remote)
            if wire is None:
                nursery.start_soon(connections.refuse, connected, remote)
            else:
                nursery.start_soon(connections.serve, wire)


def _tell_exhaustion(error: OSError, told: float) -> float:
    """Log it, but not each time: it is tried ten times a second. Answers when it was logged last."""
    now = trio.current_time()
    if now - told < _TELL_SECONDS:
        return told
    _log.warning("cannot accept connections: %s", error)
    return now


def _address_of(peer: object) -> str:
    """The client's address without its port; all clients of a unix socket are one."""
    return plain_address(str(peer[0])) if isinstance(peer, tuple) else "local"
