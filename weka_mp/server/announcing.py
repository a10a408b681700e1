"""What a request did is told before it is answered: to the mounts, and to those whom buckets notify."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from weka_mp.gateway.access import Access
from weka_mp.gateway.principals import ANONYMOUS
from weka_mp.namespace.happenings import Asker, Happenings
from weka_mp.offload import run_blocking
from weka_mp.server.access_log import RequestRecord
from weka_mp.server.service import Service
from weka_mp.values import Change

__all__ = ["announce", "note"]


async def announce(service: Service, changes: Sequence[Change]) -> None:
    """Have the mounts forget what changed."""
    if changes:
        # Bounded by the invalidator; a change that was made must be told even while we are stopping.
        with trio.CancelScope(shield=True):
            await service.invalidator.publish(changes)


async def note(
    service: Service, happenings: Happenings, access: Access | None, record: RequestRecord
) -> None:
    """Keep what buckets notify of: whoever has the answer can rely on it. Where none does, that is found out
    at once.
    """
    journal = service.journal
    if not happenings or journal is None or not journal.any():
        return
    principal = ANONYMOUS if access is None else access.principal
    asker = Asker(
        "s3", principal.user_id or principal.shown, record.remote, record.request_id, service.host_id
    )
    with trio.CancelScope(shield=True):
        await run_blocking(journal.tell, happenings, asker)
