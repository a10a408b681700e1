"""How fast somebody may ask: requests of one user and of one address, and guesses of one address.

Requests beyond the rate are answered 503 SlowDown, which SDKs obey by themselves. Wrong signatures only make
that address wait for its refusals: an access key stands in every pre-signed URL, so that locking its user out
would be anybody's to do.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from functools import lru_cache
from typing import Final

from weka_mp.gateway.principals import Principal
from weka_mp.identity.lock_out import source_of
from weka_mp.s3.errors import S3Error
from weka_mp.server.limits import Limits

__all__ = ["BAD_PROOFS", "Pace", "Pacing", "source"]

BAD_PROOFS: Final = frozenset(
    {"SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "InvalidClientTokenId"}
)
"""Refusals of a request that does not prove who sent it; the last is STS's and IAM's."""

_CAPACITY: Final = 65_536  # of whom each takes about 200 bytes
_BURST_SECONDS: Final = 1.0  # of the rate may come at once

source = lru_cache(maxsize=4096)(source_of)
"""What counts as one address: an IPv4 address, or the /64 of an IPv6 one, which is one customer's."""


class Pace:
    """Steps of many at one rate each (the generic cell rate algorithm, ITU-T I.371): for each the moment by
    which what it did would have been due. Bounded: who was idle longest is forgotten, and begins anew.
    Thread-safe.
    """

    def __init__(self, per_second: float, burst: float, capacity: int = _CAPACITY) -> None:
        """burst: so many steps may come at once."""
        self._step = 1.0 / per_second
        self._allowance = (burst - 1) * self._step
        self._capacity = capacity
        self._due: OrderedDict[object, float] = OrderedDict()
        self._mutex = threading.Lock()

    def __len__(self) -> int:
        return len(self._due)

    def take(self, who: object, now: float, most: float = 0.0) -> float:
        """Seconds until this step is due, 0 when it is now. It counts unless that is more than `most`."""
        with self._mutex:
            due = max(self._due.get(who, now), now)
            wait = due - now - self._allowance
            if wait > most:
                return wait
            self._due[who] = due + self._step
            self._due.move_to_end(who)
            if len(self._due) > self._capacity:
                self._due.popitem(last=False)
        return max(wait, 0.0)


class Pacing:
    """One worker's. Thread-safe. `now` is in seconds of a clock that is never set."""

    def __init__(self, limits: Limits) -> None:
        self._users = _pace(limits.requests_per_user)
        self._addresses = _pace(limits.requests_per_address)
        self._guesses = Pace(limits.guesses_per_second, limits.guesses_at_once)
        self._longest_wait = limits.guess_wait_seconds

    def check_address(self, remote: str, now: float) -> None:
        """A request of this address begins. Raises S3Error SlowDown."""
        if self._addresses is not None:
            _refuse_beyond(self._addresses.take(source(remote), now))

    def check_user(self, principal: Principal, now: float) -> None:
        """One of this user, whichever credentials it has of it. Raises S3Error SlowDown."""
        if self._users is not None and principal.account is not None:
            _refuse_beyond(self._users.take((principal.account, principal.user), now))

    def wait_of_guess(self, remote: str, now: float) -> float:
        """Seconds that this address waits for the answer to a request that did not prove who sent it.

        Raises S3Error SlowDown when so many wait already that it would be too long.
        """
        wait = self._guesses.take(source(remote), now, self._longest_wait)
        if wait > self._longest_wait:
            _refuse_beyond(wait)
        return wait


def _pace(per_second: int) -> Pace | None:
    return Pace(per_second, per_second * _BURST_SECONDS) if per_second else None


def _refuse_beyond(wait: float) -> None:
    if wait > 0:
        raise S3Error("SlowDown", headers={"Retry-After": str(math.ceil(wait))})
