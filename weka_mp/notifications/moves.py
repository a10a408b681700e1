"""Directories that were renamed, told object by object: one gone from its old key, one there under the new.

The objects are looked for when the background process comes by, page by page, where the directory is then:
later moves of it, or of one above, are followed. Whoever dies begins the directory again: at least once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from weka_mp.errors import BucketMissing, NamespaceError
from weka_mp.namespace import Namespace
from weka_mp.namespace.happenings import COPIED, PUT, REMOVED, Asker, Happening, MovedTree
from weka_mp.namespace.values import ObjectSummary
from weka_mp.notifications.event import move_in, order_of
from weka_mp.notifications.journal import Journal
from weka_mp.spool import SpoolReader
from weka_mp.values import BucketName

__all__ = ["Moves"]

_log = logging.getLogger(__name__)

_PAGE: Final = 1000  # objects
_BYTES, _MOVES = 1024 * 1024, 1000  # of the spool, looked at together
_WAIT_SECONDS: Final = 0.5  # between two looks for room in the spool of a target
_PATIENCE_SECONDS: Final = 60.0  # as long as a target may hold up the others' moves


class Moves:
    """Of one node. `step` blocks: for a thread; one at a time."""

    def __init__(
        self, namespace: Namespace, journal: Journal, directory: str, stopping: Callable[[], bool],
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """directory: of the spool of moves."""
        self._namespace = namespace
        self._journal = journal
        self._reader = SpoolReader(directory, order_of)
        self._stopping = stopping
        self._wait = wait
        self._full: set[str] = set()  # targets for which there was no room after all patience

    def step(self) -> int:
        """Tell of all directories that were moved; how many. Raises OSError."""
        done = 0
        while not self._stopping() and (batch := self._reader.batch(_BYTES, _MOVES)):
            moves = [move_in(line) for line in batch.events]
            for at, (moved, asker) in enumerate(moves):
                self._tell(moved, asker, [later for later, _ in moves[at + 1 :]])
            if self._stopping():
                break
            self._reader.done(batch)
            done += len(moves)
        self._reader.tidy(self._namespace.clock.now_ns())
        return done

    def _tell(self, moved: MovedTree, asker: Asker, later: Sequence[MovedTree]) -> None:
        if not any(self._journal.notifies(one) for one in (moved.bucket, moved.to_bucket)):
            return
        bucket, prefix = _now_at(moved, later)
        after = b""
        while not self._stopping() and bucket:
            try:
                page = self._namespace.list_objects(bucket, prefix=prefix, after=after, limit=_PAGE)
            except BucketMissing:
                return
            except NamespaceError as error:
                _log.error("what was moved to %s/%r cannot be told: %s", bucket, prefix, error)
                return
            for row in page.items:
                if isinstance(row, ObjectSummary):
                    self._tell_one(moved, asker, row, row.key[len(prefix) :])
            if page.next_after is None:
                return
            after = page.next_after

    def _tell_one(self, moved: MovedTree, asker: Asker, row: ObjectSummary, rest: bytes) -> None:
        made = PUT if asker.source == "posix" else COPIED
        come = Happening(made, moved.to_bucket, moved.to_prefix + rest, moved.sequence, row.size, row.etag)
        gone = Happening(REMOVED, moved.bucket, moved.prefix + rest, moved.sequence)
        for happening in (gone, come):
            if happening.key and self._journal.notifies(happening.bucket):
                self._keep(happening, asker)

    def _keep(self, happening: Happening, asker: Asker) -> None:
        """Nobody waits for us: where there is no room, there may be soon. A target that takes nothing gets
        what it would get of everything else then: what finds no room is dropped.
        """
        try:
            found = self._journal.wanted(happening, asker)
        except NamespaceError as error:
            _log.error("of %s nobody can be notified: %s", happening.bucket, error)
            return
        if found is None:
            return
        target, waited = found[0], 0.0
        while not self._journal.keep(*found):
            if self._stopping():
                return
            if target in self._full or waited >= _PATIENCE_SECONDS:
                self._full.add(target)
                self._journal.give_up(target)
                return
            self._wait(_WAIT_SECONDS)
            waited += _WAIT_SECONDS
        self._full.discard(target)


def _now_at(moved: MovedTree, later: Sequence[MovedTree]) -> tuple[BucketName, bytes]:
    """Where what was moved is by now; no bucket: where no bucket is."""
    bucket, prefix = moved.to_bucket, moved.to_prefix
    for move in later:
        if move.bucket == bucket and prefix.startswith(move.prefix):
            bucket, prefix = move.to_bucket, move.to_prefix + prefix[len(move.prefix) :]
    return bucket, prefix
