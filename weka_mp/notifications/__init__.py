"""Buckets that tell others what becomes of their objects (docs/NOTIFICATIONS.md).

`targets` are the webhooks that an administrator has defined, `event` gives a happening AWS's shape, a
`Journal` in each process keeps what is to be told on this node's disk before the request is answered, and
`delivery` brings it to the webhooks, in the background process.
"""

from weka_mp.notifications.delivery import Deliveries
from weka_mp.notifications.journal import Journal
from weka_mp.notifications.targets import NotificationTarget, NotificationTargets

__all__ = ["Deliveries", "Journal", "NotificationTarget", "NotificationTargets"]
