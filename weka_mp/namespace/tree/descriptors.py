"""A bounded cache of O_PATH descriptors by number: least recently used ones are closed first, borrowed ones
when they are given back.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["Descriptor", "Descriptors"]


class Descriptor:
    """It is closed when it was given up and nobody uses it any more."""

    __slots__ = ("fd", "given_up", "users")

    def __init__(self, fd: Fd) -> None:
        self.fd = fd
        self.users = 0
        self.given_up = False


class Descriptors:
    """Thread-safe; nothing that could wait happens under its lock, which may be taken under any other."""

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, Descriptor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._cache)

    def numbers(self) -> list[int]:
        """Whose descriptors are kept, the least recently used first."""
        with self._lock:
            return list(self._cache)

    def take(self, number: int) -> Descriptor | None:
        """The cached one, if there is; `put` gives it back."""
        with self._lock:
            held = self._cache.get(number)
            if held is not None:
                held.users += 1
                self._cache.move_to_end(number)
            return held

    def use(self, held: Descriptor) -> Descriptor:
        """One more user of a descriptor that is not in the cache."""
        with self._lock:
            held.users += 1
            return held

    def put(self, held: Descriptor) -> None:
        """The end of `take`, `use` or `add`."""
        with self._lock:
            held.users -= 1
            if held.given_up and held.users == 0:
                self._store.close(held.fd)

    def add(self, number: int, fd: Fd) -> Descriptor:
        """Keep `fd`, in the place of a former one, and take it."""
        held = Descriptor(fd)
        held.users = 1
        with self._lock:
            former = self._cache.pop(number, None)
            if former is not None:
                self._retire(former)
            self._keep(number, held)
        return held

    def offer(self, number: int, fd: Fd) -> None:
        """Keep `fd` unless there is one already; it is ours either way."""
        with self._lock:
            if number in self._cache:
                self._cache.move_to_end(number)
                self._store.close(fd)
            else:
                self._keep(number, Descriptor(fd))

    def _keep(self, number: int, held: Descriptor) -> None:
        self._cache[number] = held
        while len(self._cache) > self._limit:
            self._retire(self._cache.popitem(last=False)[1])

    def detach(self, number: int, held: Descriptor) -> bool:
        """Take it out of the cache and leave it open, whoever uses it; False when it is not there."""
        with self._lock:
            if self._cache.get(number) is not held:
                return False
            del self._cache[number]
            return True

    def drop(self, number: int) -> None:
        """Close the cached one, now or when its users are done."""
        with self._lock:
            held = self._cache.pop(number, None)
            if held is not None:
                self._retire(held)

    def retire(self, held: Descriptor) -> None:
        """The same for one that is not in the cache."""
        with self._lock:
            self._retire(held)

    def _retire(self, held: Descriptor) -> None:
        held.given_up = True
        if held.users == 0:
            self._store.close(held.fd)
