"""The audit in the processes of a service: what workers write, what the background process ships."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any, Final

import trio

from weka_mp.audit import (
    AuditFile,
    AuditWebhookRecord,
    Deployment,
    Shipper,
    Trail,
    sync_and_close,
)
from weka_mp.config import Config
from weka_mp.errors import NamespaceError
from weka_mp.identity import KeyFile
from weka_mp.identity.errors import IdentityError
from weka_mp.namespace import Namespace
from weka_mp.offload import run_blocking
from weka_mp.spool import SpoolReader, SpoolWriter
from weka_mp.supervise.child import ChildLink
from weka_mp.supervise.identities import key_file_of
from weka_mp.supervise.keeper import StartFailed
from weka_mp.tls import TlsSettings
from weka_mp.webhooks import WebhookTls

__all__ = [
    "VERB", "check_audit_file", "deployment_of", "follow", "open_trail", "plan_of_tls", "ship", "spool_in",
    "sync_often", "tls_of_plan", "webhook_tls",
]

log = logging.getLogger(__name__)

VERB: Final = "audit"
"""What the supervisor asks when the webhook was changed; the answer means: it is in force."""

_LOOK_SECONDS: Final = 1.0  # between two looks whether another node has changed it


def spool_in(state: str) -> str:
    """The spool's directory, below the state directory of the store on this node."""
    return os.path.join(state, "audit")


def deployment_of(namespace: Namespace, store: str) -> Deployment:
    """store: its path."""
    return Deployment.here(namespace.store_id, os.path.basename(store))


def check_audit_file(config: Config, store: str) -> None:
    """What is wrong with it is found out before a worker starts. Raises StartFailed."""
    if config.audit_file is None:
        return
    path = os.path.realpath(config.audit_file)
    for view in (store, *config.mount):  # there it would be an object, and workers would wait for the mount
        if os.path.commonpath([path, os.path.realpath(view)]) == os.path.realpath(view):
            raise StartFailed(f"{config.audit_file}: the audit file must not lie in the store or on a mount")
    file = AuditFile(os.path.abspath(config.audit_file), max_size=0, keep=1)
    try:
        file.open()
    except OSError as error:
        raise StartFailed(f"{config.audit_file}: {error.strerror}") from error
    file.close()


def webhook_tls(config: Config, tls: TlsSettings | None) -> WebhookTls:
    """Our own certificate is shown to receivers where TLS is mutual."""
    mutual = tls is not None and tls.client_ca is not None
    authorities = None if config.webhook_ca is None else os.path.abspath(config.webhook_ca)
    return WebhookTls(authorities, tls if mutual else None)


def plan_of_tls(tls: WebhookTls) -> dict[str, object]:
    """As JSON carries it to the background process."""
    return {"authorities": tls.authorities, "own": None if tls.own is None else tls.own.plan()}


def tls_of_plan(plan: Mapping[str, Any]) -> WebhookTls:
    own = plan["own"]
    return WebhookTls(plan["authorities"], None if own is None else TlsSettings.of_plan(own))


def open_trail(namespace: Namespace, store: str, plan: Mapping[str, Any]) -> Trail:
    """A worker's. plan: its part about the audit."""
    random = namespace.context.random
    file, synced = None, plan["sync"] > 0
    if plan["file"] is not None:
        file = AuditFile(plan["file"], max_size=plan["file_size"], keep=plan["file_keep"], synced=synced)
    spool = SpoolWriter(plan["spool"], plan["limit"], namespace.clock, random, synced=synced)
    record = AuditWebhookRecord(namespace, None, random)
    return Trail(deployment_of(namespace, store), spool, record.is_enabled, file)


async def follow(
    trail: Trail, link: ChildLink, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Keep a worker's trail as the record says, until cancelled: at once when told, else within a second.
    A record that cannot be read changes nothing.
    """

    async def look(args: object) -> None:
        await run_blocking(trail.look)

    link.answer(VERB, look)
    told = False
    while True:
        try:
            await run_blocking(trail.look)
            told = False
        except (NamespaceError, IdentityError) as error:
            if not told:
                log.error("whether there is an audit webhook cannot be read: %s", error)
            told = True
        task_status.started()
        task_status = trio.TASK_STATUS_IGNORED
        await trio.sleep(_LOOK_SECONDS)


async def sync_often(trail: Trail, seconds: int) -> None:
    """See that a power cut takes the events of this long at most, until cancelled; 0: leave it to chance."""
    while seconds:
        await trio.sleep(seconds)
        try:
            written = trail.unsynced()
        except OSError as error:
            log.error("audit events may not outlive a power cut: %s", error)
            continue
        if written:
            await run_blocking(sync_and_close, written)


async def ship(namespace: Namespace, plan: Mapping[str, Any], link: ChildLink) -> None:
    """Deliver what is in the spool, until cancelled; a request under way is left to itself then."""
    random, clock = namespace.context.random, namespace.clock
    reader = SpoolReader(plan["spool"])
    record = AuditWebhookRecord(namespace, KeyFile(key_file_of(namespace), random), random)
    shipper = Shipper(
        reader, record.opened, deployment_of(namespace, plan["store"]), clock,
        tls_of_plan(plan["webhook_tls"]),
    )
    shipper.register()
    changed = trio.Event()

    async def hurry(args: object) -> None:
        nonlocal changed
        shipper.hurry()
        changed.set()
        changed = trio.Event()

    link.answer(VERB, hurry)
    await trio.to_thread.run_sync(reader.tidy, clock.now_ns())
    while True:
        pause = await trio.to_thread.run_sync(shipper.step, abandon_on_cancel=True)
        with trio.move_on_after(pause):
            await changed.wait()
