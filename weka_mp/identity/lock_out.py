"""Counting failed logins of administration, by user and source address.

Kept in memory by the one process that takes logins. An attempt counts as failed from its start until it is
known to be good, so that many at once are no more guesses than one after another.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from weka_mp.clock import Clock
from weka_mp.identity.errors import LockedOut
from weka_mp.identity.model import LockOutRule

__all__ = ["LockOut", "source_of"]

_CAPACITY: Final = 65_536
_NAME: Final = 128  # characters of what is given as a name; no user's is as long
_SECOND: Final = 1_000_000_000
_OWN_NETWORK: Final = 64  # bits: whoever has one IPv6 address has all of its /64


def source_of(address: str) -> str:
    """What counts as one source: an IPv4 address, the /64 of an IPv6 one, else (a Unix socket) the text."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _OWN_NETWORK), strict=False))


@dataclass(slots=True)
class _Failures:
    count: int
    last_ns: int


class LockOut:
    """Bounded: the failures that are longest ago are forgotten first. Thread-safe."""

    def __init__(self, clock: Clock, *, capacity: int = _CAPACITY) -> None:
        self._clock = clock
        self._capacity = capacity
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._mutex = threading.Lock()

    def attempt(self, user: str, source: str, rule: LockOutRule) -> None:
        """Before the password is looked at: counts as a failure until `succeeded`. Raises LockedOut; attempts
        while locked out do not prolong it.
        """
        who, now = _who(user, source), self._clock.now_ns()
        with self._mutex:
            found = self._failures.get(who)
            left_ns = 0 if found is None else found.last_ns + rule.seconds * _SECOND - now
            # A clock that was set back must not lock anybody out for longer than the rule says.
            if found is None or not 0 < left_ns <= rule.seconds * _SECOND:
                found = self._failures[who] = _Failures(0, now)
            elif found.count >= rule.attempts:
                raise LockedOut(-(-left_ns // _SECOND))
            found.count, found.last_ns = found.count + 1, now
            self._failures.move_to_end(who)
            if len(self._failures) > self._capacity:
                self._failures.popitem(last=False)

    def succeeded(self, user: str, source: str) -> None:
        """The attempt was good: the count begins anew."""
        with self._mutex:
            self._failures.pop(_who(user, source), None)


def _who(user: str, source: str) -> tuple[str, str]:
    return user[:_NAME], source_of(source)
