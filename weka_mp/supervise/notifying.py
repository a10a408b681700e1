"""Notifications of buckets in the processes of a service: what workers and mounts keep, what the background
process delivers.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any, Final

import trio

from weka_mp.errors import NamespaceError
from weka_mp.identity import KeyFile
from weka_mp.identity.errors import IdentityError
from weka_mp.namespace import Durability, Namespace
from weka_mp.notifications import Deliveries, Journal, NotificationTargets
from weka_mp.notifications.delivery import TargetShipper
from weka_mp.notifications.journal import moves_in, open_in
from weka_mp.notifications.mount_watch import Recovery
from weka_mp.notifications.moves import Moves
from weka_mp.supervise.auditing import tls_of_plan
from weka_mp.supervise.child import ChildLink
from weka_mp.supervise.identities import key_file_of

__all__ = ["VERB", "notifications_in", "notify", "open_journal"]

log = logging.getLogger(__name__)

VERB: Final = "notifications"
"""What the supervisor asks when a target was changed; the answer means: it is in force."""

_LOOK_SECONDS: Final = 1.0  # between two looks whether another node has changed it


def notifications_in(state: str) -> str:
    """The directory of what is on its way, below the state directory of the store on this node."""
    return os.path.join(state, "notifications")


def open_journal(namespace: Namespace, plan: Mapping[str, Any], *, synced: bool = True) -> Journal:
    """A process's. plan: the whole. synced: as far as changes of the store are."""
    told = plan["notifications"]
    synced = synced and namespace.context.durability is Durability.COMMIT
    return Journal(namespace, told["directory"], told["limit"], told["region"], synced=synced)


async def notify(namespace: Namespace, plan: Mapping[str, Any], link: ChildLink, journal: Journal) -> None:
    """Deliver what is kept, to each target at its own pace, until cancelled; requests under way are left to
    themselves then.
    """
    random = namespace.context.random
    targets = NotificationTargets(namespace, KeyFile(key_file_of(namespace), random), random)
    directory = plan["notifications"]["directory"]
    deliveries = Deliveries(directory, targets, namespace.clock, tls_of_plan(plan["webhook_tls"]))
    deliveries.register()
    recovery = Recovery(namespace, journal, open_in(directory))
    moves = Moves(namespace, journal, moves_in(directory), link.stop.is_set)
    changed = trio.Event()

    async def hurry(args: object) -> None:
        nonlocal changed
        changed.set()
        changed = trio.Event()

    link.answer(VERB, hurry)
    failing = False
    running: dict[str, tuple[TargetShipper, trio.CancelScope]] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_follow_mounts, recovery, moves)
        while True:
            try:
                now = await trio.to_thread.run_sync(deliveries.look)
            except (NamespaceError, IdentityError, OSError) as error:
                log.log(
                    logging.DEBUG if failing else logging.ERROR,
                    "the targets of notifications cannot be read: %s", error,
                )
                failing = True
            else:
                failing = False
                for name, (shipper, scope) in list(running.items()):
                    if now.get(name) is not shipper:
                        scope.cancel()
                        del running[name]
                for name, shipper in now.items():
                    if name not in running:
                        scope = trio.CancelScope()
                        running[name] = shipper, scope
                        nursery.start_soon(_ship, shipper, scope)
            with trio.move_on_after(_LOOK_SECONDS):
                await changed.wait()


async def _follow_mounts(recovery: Recovery, moves: Moves) -> None:
    """Tell of what mounts could not tell themselves."""
    while True:
        try:
            if told := await trio.to_thread.run_sync(recovery.step):
                log.info("told of %d files that a mount was writing when it died", told)
            await trio.to_thread.run_sync(moves.step, abandon_on_cancel=True)
        except (NamespaceError, OSError) as error:
            log.error("what mounts did cannot be told now: %s", error)
        await trio.sleep(_LOOK_SECONDS)


async def _ship(shipper: TargetShipper, scope: trio.CancelScope) -> None:
    # Of its own: receivers that let everybody wait would take all threads that others share.
    thread = trio.CapacityLimiter(1)
    with scope:
        while True:
            pause = await trio.to_thread.run_sync(shipper.step, abandon_on_cancel=True, limiter=thread)
            await trio.sleep(pause)
