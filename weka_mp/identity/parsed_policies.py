"""Policies as their parser made them, each document once: a change of one user costs the others nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, Generic, TypeVar

from weka_mp.identity.principal import AttachedPolicy, PolicyParser, PolicyUse

__all__ = ["ParsedPolicies"]

P = TypeVar("P")

_CAPACITY: Final = 4_096  # every policy there may be, and as many sessions and service accounts in use


class ParsedPolicies(Generic[P]):
    """Those that were used lately. Thread-safe; two threads may parse one document at once."""

    def __init__(self, parse: PolicyParser[P], *, capacity: int = _CAPACITY) -> None:
        self._parse = parse
        self._capacity = capacity
        self._known: OrderedDict[tuple[str, PolicyUse, str], P] = OrderedDict()
        self._mutex = threading.Lock()

    def attached(self, name: str, document: str, use: PolicyUse) -> AttachedPolicy[P]:
        """Raises what the parser raises."""
        key = (document, use, name)
        with self._mutex:
            if key in self._known:
                self._known.move_to_end(key)
                return AttachedPolicy(name, document, self._known[key])
        parsed = self._parse(document, use, name)
        with self._mutex:
            self._known[key] = parsed
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        return AttachedPolicy(name, document, parsed)
