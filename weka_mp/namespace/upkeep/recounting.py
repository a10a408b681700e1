"""Counting anew what buckets with a quota use, while they are used.

A recount reads the sizes of all files of a bucket and of the parts of its uploads. What changes meanwhile is
noted by whoever changes it (`weka_mp.namespace.quotas.ledger`), with the size that it has then, and a note
outweighs what was read: so it does not matter on which side of the walk a change falls. Each inode is read
under its lock, since a write is booked before it is made. A directory that moves could be missed: the recount
ends without a result, and is begun again.

It heals what the accounts cannot know: writes beside the doors, a power cut, a process killed between a
change and its booking.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from weka_mp.namespace.context import Context
from weka_mp.namespace.quotas.keys import key_of_file
from weka_mp.namespace.quotas.ledger import Ledger
from weka_mp.namespace.versions.histories import VERSIONS_PATH
from weka_mp.namespace.walking import Unreachable, walk
from weka_mp.values import BucketName

__all__ = ["Recounted", "recount"]

_log = logging.getLogger(__name__)
_ATTEMPTS: Final = 3  # a directory that moves ends one
_NUMBERS: Final = 1 << 62
PartsOf = Callable[[BucketName, int], Mapping[int, int]]
"""The sizes of the parts of uploads into the bucket of this name and identity, by key."""


@dataclass(frozen=True, slots=True)
class Recounted:
    """used: bytes; None: it came to no result. stood: what the account said of the same moment, about."""

    used: int | None
    stood: int


def recount(
    context: Context, ledger: Ledger, path: bytes, parts_of: PartsOf, stop: Callable[[], bool]
) -> Recounted:
    """Count the bucket whose directory is at `path` below the store's root. Raises NamespaceError."""
    stood = ledger.look().used
    for _ in range(_ATTEMPTS):
        number = 1 + context.random.below(_NUMBERS)
        ledger.begin_recount(number)
        # Whoever changed something before it was known that notes are wanted is done before the walk begins.
        context.quotas.let_windows_end(ledger)
        try:
            found = _counted(context, ledger, number, path, stop)
            if found is not None:
                found.update(parts_of(BucketName(path.decode("ascii", "replace")), ledger.identity))
                stood = ledger.look().used
                with context.quotas.no_windows(ledger):
                    if ledger.finish_recount(number, found):
                        return Recounted(sum(found.values()), stood)
        finally:
            ledger.give_up_recount(number)
        if stop():
            break
    return Recounted(None, stood)


def _counted(
    context: Context, ledger: Ledger, number: int, path: bytes, stop: Callable[[], bool]
) -> dict[int, int] | None:
    """The size of each file by its key. None: stopped, disturbed, or something could not be read."""
    store, found = context.store, dict[int, int]()
    # What becomes a noncurrent version goes from the first to the second; what comes back leaves a note.
    both = chain(walk(store, path), walk(store, VERSIONS_PATH + b"/%d" % ledger.identity))
    for index, met in enumerate(both):
        if isinstance(met, Unreachable):
            _log.warning("a bucket is not recounted: %r: %s", met.path, met.error)
            return None
        if stat.S_ISDIR(met.attr.mode):
            if stop() or not ledger.is_recounting(number):
                return None
            continue
        with context.quotas.still(met.attr.ino):
            attr = store.attr(met.fd)
        if attr.nlink:
            found[key_of_file(attr)] = attr.size
        if index % 1024 == 0 and stop():
            return None
    return found
