"""What all connections of a worker share, and the fields every response carries."""

from __future__ import annotations

import base64
import socket
from dataclasses import dataclass, field
from typing import Final

from weka_mp.audit import Trail
from weka_mp.bucket_logs import LogBook
from weka_mp.clock import Clock, RandomSource
from weka_mp.control.desk import Desk
from weka_mp.gateway.context import Site
from weka_mp.gateway.identities import Asking, Identities
from weka_mp.gateway.reply import Fields
from weka_mp.identity import IdentityStore, RootKeys
from weka_mp.notifications import Journal
from weka_mp.policy.documents import Policy
from weka_mp.s3.dates import format_http_date
from weka_mp.server.invalidator import Invalidator
from weka_mp.server.metrics import ServerMetrics
from weka_mp.server.origin import TrustedProxies
from weka_mp.server.pacing import Pacing
from weka_mp.server.secure_wire import SecureWire
from weka_mp.server.settings import ServerSettings
from weka_mp.server.wire import Wire
from weka_mp.tls import Certificates

__all__ = ["ALSO_ACCEPTED", "Service"]

ALSO_ACCEPTED: Final = frozenset({"us-east-1"})
"""Clients that were told no region sign for this one."""

_SERVER: Final = ("Server", "weka_mp")
_SECOND: Final = 1_000_000_000


@dataclass(slots=True)
class Service:
    """One worker's S3 endpoint. Used by its event loop alone.

    identities: who exists besides root; None: nobody. desk: where STS and IAM put their calls, the same.
    certificates: of TLS; None: plain HTTP. trail: where the audit's events go; journal: what buckets
    notify of; log_book: the logs that they keep; None: there is none.
    selecting: queries under way.
    """

    site: Site
    settings: ServerSettings
    invalidator: Invalidator
    metrics: ServerMetrics
    clock: Clock
    random: RandomSource
    identities: IdentityStore[Policy] | None = None
    certificates: Certificates | None = None
    trail: Trail | None = None
    journal: Journal | None = None
    log_book: LogBook | None = None
    stopping: bool = False
    selecting: int = 0
    desk: Desk | None = field(init=False)
    host_id: str = field(init=False)
    proxies: TrustedProxies = field(init=False)
    pacing: Pacing = field(init=False)
    _identities: Identities = field(init=False)
    _date: tuple[int, Fields] = field(init=False, default=(-1, ()))

    def __post_init__(self) -> None:
        root = RootKeys(self.settings.root.access_key, self.settings.root.secret_key)
        self.desk = None if self.identities is None else Desk(self.identities, self.site.namespace)
        self._identities = Identities(
            root, self.settings.account, self.identities, self.settings.anonymous
        )
        self.proxies = TrustedProxies(self.settings.trusted_proxies)
        self.pacing = Pacing(self.settings.limits)
        self.host_id = base64.b64encode(bytes.fromhex(self.random.token(48))).decode("ascii")

    def wire(self, connected: socket.socket, remote: str) -> Wire:
        """A new connection's."""
        kind = Wire if self.certificates is None else SecureWire
        return kind(connected, remote, self.settings.limits)

    def asking(self) -> Asking:
        """Who asks, for one request."""
        return Asking(self._identities)

    def request_id(self) -> str:
        """16 upper-case hex digits."""
        return self.random.token(8).upper()

    def common_fields(self, request_id: str) -> list[tuple[str, str]]:
        """Date, Server and the two ids."""
        second = self.clock.now_ns() // _SECOND
        if self._date[0] != second:
            fixed = (("x-amz-id-2", self.host_id), ("Date", format_http_date(second)), _SERVER)
            self._date = (second, fixed)
        return [("x-amz-request-id", request_id), *self._date[1]]
