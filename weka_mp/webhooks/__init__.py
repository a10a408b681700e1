"""Requests that the service makes of others: to addresses that administrators name, and to nothing else.

A target is an HTTP or HTTPS URL. Its host is resolved for each connection, every address that it has is
judged (`addresses`), and the connection goes to the very address that was judged. Redirections are not
followed, no proxy is asked, TLS is verified, and one deadline bounds all that the receiver may take its time
with.
"""

from weka_mp.webhooks.client import DeliveryFailed, WebhookClient, WebhookReply, WebhookTls
from weka_mp.webhooks.target import Target, TargetRefused, check_token, parse_target

__all__ = [
    "DeliveryFailed", "Target", "TargetRefused", "WebhookClient", "WebhookReply", "WebhookTls",
    "check_token", "parse_target",
]
