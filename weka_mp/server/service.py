"""What all connections of a worker share, and the fields every response carries."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Final

from weka_mp.clock import Clock, RandomSource
from weka_mp.gateway.authorize import ANONYMOUS, Principal
from weka_mp.gateway.context import Site
from weka_mp.gateway.reply import Fields
from weka_mp.s3.credentials import SecretKey
from weka_mp.s3.dates import format_http_date
from weka_mp.server.invalidator import Invalidator
from weka_mp.server.metrics import ServerMetrics
from weka_mp.server.settings import ServerSettings

__all__ = ["ALSO_ACCEPTED", "Service"]

ALSO_ACCEPTED: Final = frozenset({"us-east-1"})
"""Clients that were told no region sign for this one."""

_SERVER: Final = ("Server", "weka_mp")
_SECOND: Final = 1_000_000_000


@dataclass(slots=True)
class Service:
    """One worker's S3 endpoint. Used by its event loop alone."""

    site: Site
    settings: ServerSettings
    invalidator: Invalidator
    metrics: ServerMetrics
    clock: Clock
    random: RandomSource
    stopping: bool = False
    host_id: str = field(init=False)
    _date: tuple[int, Fields] = field(init=False, default=(-1, ()))

    def __post_init__(self) -> None:
        self.host_id = base64.b64encode(bytes.fromhex(self.random.token(48))).decode("ascii")

    def lookup(self, access_key: str) -> SecretKey | None:
        """The secret of an access key; None when there is no such key."""
        root = self.settings.root
        return SecretKey(access_key, root.secret_key) if access_key == root.access_key else None

    def principal(self, access_key: str | None) -> Principal:
        """Who an authenticated access key is; nobody for none and for one that is unknown."""
        if access_key is None or access_key != self.settings.root.access_key:
            return ANONYMOUS
        return Principal(self.settings.account, access_key, is_root=True, owner="root")

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
