"""Who did what over S3: one event for each call, kept until its receiver has it.

`event` gives an event its documented shape, `redaction` decides what of a request may stand in it. A worker's
`Trail` writes events to a file of the administrator's (`audit_file`) and into a spool on this node
(`weka_mp.spool`), from which the background process ships them (`shipping`) to the webhook that
`webhook_record` remembers.
"""

from weka_mp.audit.audit_file import AuditFile
from weka_mp.audit.event import Call, Deployment
from weka_mp.audit.shipping import Shipper
from weka_mp.audit.trail import Trail
from weka_mp.audit.webhook_record import AuditWebhook, AuditWebhookRecord
from weka_mp.spool.unsynced import sync_and_close

__all__ = [
    "AuditFile", "AuditWebhook", "AuditWebhookRecord", "Call", "Deployment", "Shipper", "Trail",
    "sync_and_close",
]
