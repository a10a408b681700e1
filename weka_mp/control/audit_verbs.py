"""The audit webhook, as the administration API has it. The token is only ever taken, never given out."""

from __future__ import annotations

from typing import Any, Final

from weka_mp.audit import AuditWebhook
from weka_mp.audit.event import probe_event
from weka_mp.audit.shipping import deliver
from weka_mp.control.audit_state import AuditState
from weka_mp.control.desk import Changed, Desk
from weka_mp.control.fields import Fields
from weka_mp.identity import Caller
from weka_mp.identity.errors import InvalidInput
from weka_mp.webhooks import DeliveryFailed, WebhookClient

__all__ = ["disable_webhook", "enable_webhook", "show_webhook"]

_RETOLD: Final = "audit"  # what processes of a service answer to, see supervise.auditing
_MASK: Final = "****"
_VERIFY_SECONDS: Final = 10.0


def show_webhook(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Whether there is one, and where."""
    return _shown(desk.audit.record.shown())


def enable_webhook(desk: Desk, caller: Caller, fields: Fields) -> Changed:
    """Send events there from now on; in place of another one, what waits for that goes there, too."""
    state = desk.audit
    endpoint, token = fields.text("endpoint"), fields.text("auth_token")
    if fields.flag("verify"):
        _verify(state, state.record.checked(endpoint, token), desk.namespace.clock.now_ns(), caller.user)
    return Changed(_shown(state.record.enable(endpoint, token)), retold=_RETOLD)


def disable_webhook(desk: Desk, caller: Caller, fields: Fields) -> Changed:
    """No more events; the token is forgotten. What waits stays for the next webhook."""
    desk.audit.record.disable()
    return Changed(_shown(desk.audit.record.shown()), retold=_RETOLD)


def _verify(state: AuditState, webhook: AuditWebhook, now_ns: int, user: str) -> None:
    """Send one event. Raises InvalidInput: the receiver does not take it."""
    client = WebhookClient(webhook.target, state.tls, seconds=_VERIFY_SECONDS)
    try:
        reply = deliver(client, webhook, [probe_event(state.deployment, now_ns, user).rstrip(b"\n")])
    except DeliveryFailed as error:
        raise InvalidInput(f"the webhook cannot be reached: {error}") from None
    finally:
        client.close()
    if not reply.accepted:
        raise InvalidInput(f"the webhook does not take an event: it answered {reply.status} {reply.text}")


def _shown(webhook: AuditWebhook | None) -> Any:
    if webhook is None or not webhook.enabled:
        return {"enabled": False, "endpoint": "", "auth_token": ""}
    return {"enabled": True, "endpoint": webhook.endpoint, "auth_token": _MASK}
