"""How a service speaks TLS: a frozen value that its processes hand on."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PlainHttp", "TlsSettings"]


class PlainHttp(enum.Enum):
    """What plain HTTP on a port that speaks TLS gets."""

    EXPLAIN = "explain"  # 400, saying so
    REDIRECT = "redirect"  # 307 to the same address with https
    REFUSE = "refuse"  # nothing: the connection is closed


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Paths are absolute.

    pairs:     certificate chains and their keys (PEM, maybe one file); the first is for clients that name no
               host, or none that a certificate has. Empty: the one that is kept in `directory`.
    directory: where the certificate of the service is kept (tls.kept).
    client_ca: authorities whose certificates S3 clients must show; None: they need none.
    """

    directory: str
    pairs: tuple[tuple[str, str], ...] = ()
    client_ca: str | None = None
    plain: PlainHttp = PlainHttp.EXPLAIN

    def plan(self) -> dict[str, object]:
        """As JSON carries it to another process."""
        return {
            "directory": self.directory,
            "pairs": [list(pair) for pair in self.pairs],
            "client_ca": self.client_ca,
            "plain": self.plain.value,
        }

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any]) -> TlsSettings:
        """What `plan` wrote."""
        pairs = tuple((str(certificate), str(key)) for certificate, key in plan["pairs"])
        return cls(plan["directory"], pairs, plan["client_ca"], PlainHttp(plan["plain"]))
