"""What the desk has of the audit."""

from __future__ import annotations

from dataclasses import dataclass

from weka_mp.audit import AuditWebhookRecord, Deployment
from weka_mp.webhooks import WebhookTls

__all__ = ["AuditState"]


@dataclass(frozen=True, slots=True)
class AuditState:
    """tls: how receivers are spoken to."""

    record: AuditWebhookRecord
    deployment: Deployment
    tls: WebhookTls
