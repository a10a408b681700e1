"""One S3 worker: listening sockets in, requests served until told to stop."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import trio

from weka_mp.audit import Trail
from weka_mp.bucket_logs import LogBook
from weka_mp.clock import Clock, RandomSource, SystemClock, SystemRandom
from weka_mp.gateway.context import Site
from weka_mp.gateway.identities import open_identities
from weka_mp.gateway.posix_users import PosixUsers
from weka_mp.identity import IdentityStore, KeyFile, RootKeys
from weka_mp.notifications import Journal
from weka_mp.policy.documents import Policy
from weka_mp.server.invalidator import Invalidator
from weka_mp.server.listener import Connections, accept_connections
from weka_mp.server.metrics import ServerMetrics
from weka_mp.server.service import Service
from weka_mp.server.settings import ServerSettings
from weka_mp.tls import Certificates

if TYPE_CHECKING:
    from weka_mp.namespace import Namespace

__all__ = ["run_worker"]

_log = logging.getLogger("weka_mp.server")


async def run_worker(
    listen_sockets: Sequence[socket.socket],
    namespace: Namespace,
    settings: ServerSettings,
    *,
    stop: trio.Event,
    clock: Clock | None = None,
    random: RandomSource | None = None,
    metrics: ServerMetrics | None = None,
    trail: Trail | None = None,
    journal: Journal | None = None,
    log_book: LogBook | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve S3 on sockets that listen already, until `stop` is set and the requests under way are answered.

    Requests that are not done after settings.limits.stop_seconds are cut off. The sockets stay the caller's.
    """
    counts = metrics or ServerMetrics()
    invalidator = Invalidator(settings.mount_sockets, on_late=counts.count_late_invalidation)
    clock, random = clock or SystemClock(), random or SystemRandom()
    async with _identities(namespace, settings, random) as identities, trio.open_nursery() as nursery:
        users = PosixUsers(namespace, by_default=settings.posix_permissions, stranger=settings.anonymous)
        site = Site(
            namespace, settings.region, settings.account, identities, users, settings.day_ns,
            has_websites=bool(settings.website_domains),
            ownership=settings.ownership,
        )
        certificates = None
        if settings.tls is not None:
            certificates = Certificates(settings.tls, clock, ask_clients=True)
        service = Service(
            site, settings, invalidator, counts, clock, random, identities, certificates, trail, journal,
            log_book,
        )
        connections = Connections(service)
        await nursery.start(invalidator.run)
        nursery.start_soon(connections.watch)
        async with trio.open_nursery() as serving:
            with trio.CancelScope() as accepting:
                async with trio.open_nursery() as acceptors:
                    for listening in listen_sockets:
                        acceptors.start_soon(accept_connections, listening, connections, serving)
                    task_status.started()
                    await stop.wait()
                    accepting.cancel()
            await _finish(connections, settings.limits.stop_seconds)
            serving.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _identities(
    namespace: Namespace, settings: ServerSettings, random: RandomSource
) -> AsyncIterator[IdentityStore[Policy] | None]:
    """Who exists besides root, while the block lasts."""
    if settings.identity_keys is None:
        yield None
        return
    root = RootKeys(settings.root.access_key, settings.root.secret_key)
    keys = KeyFile(settings.identity_keys, random)
    identities = await trio.to_thread.run_sync(
        partial(open_identities, namespace, keys, root, make_keys=False)
    )
    try:
        yield identities
    finally:
        identities.close()


async def _finish(connections: Connections, seconds: float) -> None:
    connections.stop()
    with trio.move_on_after(seconds) as scope:
        await connections.all_closed.wait()
    if scope.cancelled_caught:
        _log.warning("requests still under way after %s s are cut off", seconds)
