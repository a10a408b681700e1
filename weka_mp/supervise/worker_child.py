"""The child kind ``worker``: serves S3 on inherited sockets."""

from __future__ import annotations

import logging
import os
import resource
import socket
from dataclasses import replace
from typing import Any

import trio

from weka_mp.server.limits import Limits
from weka_mp.server.metrics import ServerMetrics
from weka_mp.server.settings import NOBODY, RootCredentials, ServerSettings
from weka_mp.server.worker import run_worker
from weka_mp.supervise.auditing import follow, open_trail, sync_often
from weka_mp.supervise.child import ChildLink
from weka_mp.supervise.identities import key_file_of
from weka_mp.supervise.logging_buckets import leave_idle_logs, open_log_book
from weka_mp.supervise.notifying import open_journal
from weka_mp.supervise.opening import open_namespace
from weka_mp.tls import TlsSettings

__all__ = ["main"]

_log = logging.getLogger(__name__)


async def main(plan: dict[str, Any], link: ChildLink) -> None:
    """Serve until told to stop and the requests under way are answered."""
    settings = _settings(plan)
    metrics = ServerMetrics()
    metrics.register()
    sockets = [socket.socket(fileno=fd) for fd in plan["listen_fds"]]
    with open_namespace(plan["store"], plan["durability"]) as namespace:
        settings = replace(settings, identity_keys=key_file_of(namespace))
        trail = open_trail(namespace, plan["store"], plan["audit"])
        trail.register()
        journal = open_journal(namespace, plan)
        journal.register()
        log_book = open_log_book(namespace, plan)
        log_book.register()
        async with trio.open_nursery() as nursery:

            async def serve(*, task_status: trio.TaskStatus[None]) -> None:
                await run_worker(
                    sockets, namespace, settings, stop=link.stop, metrics=metrics, trail=trail,
                    journal=journal, log_book=log_book, task_status=task_status,
                )
                nursery.cancel_scope.cancel()

            await nursery.start(follow, trail, link)
            nursery.start_soon(sync_often, trail, plan["audit"]["sync"])
            nursery.start_soon(leave_idle_logs, log_book)
            await nursery.start(serve)
            await link.ready()
        trail.close()
        journal.close()
        log_book.close()
    for sock in sockets:
        sock.close()


def _limits(wanted: dict[str, int]) -> Limits:
    """As configured, as far as this process may have descriptors for them."""
    limits = Limits(**wanted)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return limits
    possible = limits.within(soft)
    if possible.connections < limits.connections:
        _log.warning(
            "%d descriptors (RLIMIT_NOFILE) are enough for %d connections, not for %d",
            soft, possible.connections, limits.connections,
        )
    return possible


def _settings(plan: dict[str, Any]) -> ServerSettings:
    return ServerSettings(
        region=plan["region"],
        root=RootCredentials(plan["access_key"], plan["secret_key"]),
        domains=tuple(plan["domains"]),
        website_domains=tuple(plan["website_domains"]),
        allow_sigv2=plan["sigv2"],
        durable=plan["durability"] == "commit",
        mount_sockets=plan["mount_sockets"],
        tls=None if plan["tls"] is None else TlsSettings.of_plan(plan["tls"]),
        trusted_proxies=tuple(plan["trusted_proxies"]),
        limits=_limits(plan["limits"]),
        posix_permissions=plan["posix_permissions"],
        day_ns=plan["lifecycle_day_seconds"] * 1_000_000_000,
        ownership=plan["object_ownership"],
        # Who is not root can give nothing to others.
        anonymous=NOBODY if os.geteuid() == 0 else (0, 0),
    )
