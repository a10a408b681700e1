"""What one request under way holds of a bucket's quota, before its bytes are anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weka_mp.namespace.quotas.ledger import NO_NOTES, Ledger

__all__ = ["Funds", "no_funds"]

_NOTHING: Final = 0


class Funds:
    """Of one object or part on its way in. Used by one thread at a time.

    `ledger`: None where the bucket had no quota when the request came; what it finds at the end counts.
    `credit`: bytes that will be replaced, as it looked then. `freed`: bytes of parts, by key, that end with
    the object that is made of them. `amount` is held of the quota, `granted` of the credit.
    """

    __slots__ = ("amount", "credit", "freed", "granted", "ledger")

    def __init__(
        self, ledger: Ledger | None, credit: int = _NOTHING, freed: Mapping[int, int] = NO_NOTES
    ) -> None:
        self.ledger = ledger
        self.credit = credit
        self.freed = freed
        self.amount = 0
        self.granted = 0

    def cover(self, size: int) -> None:
        """Hold enough for so many bytes in all. Raises QuotaExceeded, OutOfResources (see `Ledger.reserve`),
        NamespaceError.
        """
        if self.ledger is None:
            return
        missing = size - self.amount - self.granted
        if missing > 0:
            granted = self.ledger.reserve(missing, self.credit - self.granted)
            self.granted += granted
            self.amount += missing - granted

    def release(self) -> None:
        """Hold nothing any more."""
        if self.ledger is not None and (self.amount or self.granted):
            amount, granted = self.amount, self.granted
            self.amount = self.granted = 0
            self.ledger.book(held=-amount, credited=-granted)


def no_funds() -> Funds:
    """Of what comes in whole: its size is asked for when it gets its name."""
    return Funds(None)
