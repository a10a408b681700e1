"""Giving buckets quotas and taking them away, and keeping the accounts what they should be.

The setting is the bucket's (`weka_mp.namespace.buckets.settings`); the ledger, which everybody reads who
writes, says the same and what is used. Who dies between the two leaves a ledger without a setting, which
`BucketQuotas.maintain` takes away again.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace

from weka_mp.errors import (
    BucketMissing,
    BucketNotEmpty,
    NamespaceError,
    NotDirectory,
    NotFound,
    StoreUnusable,
)
from weka_mp.namespace.bucket_identity import bucket_identity
from weka_mp.namespace.buckets.settings import BucketSettings, SettingsRecords
from weka_mp.namespace.context import Context
from weka_mp.namespace.names.keys import CONTROL_NAME
from weka_mp.namespace.objects.listing import Lister
from weka_mp.namespace.quotas.ledger import Ledger
from weka_mp.namespace.upkeep.recounting import PartsOf, recount
from weka_mp.values import BucketName, Fd

__all__ = ["BucketQuotas", "QuotaState"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QuotaState:
    """Bytes: what may be used, and what is, with what requests under way hold."""

    limit: int
    used: int


def _never() -> bool:
    """Nobody stops a recount that somebody waits for."""
    return False


class BucketQuotas:
    """Of one store. Thread-safe."""

    def __init__(
        self, context: Context, settings: SettingsRecords, lister: Lister, parts_of: PartsOf
    ) -> None:
        self._context = context
        self._settings = settings
        self._lister = lister
        self._parts_of = parts_of

    def find(self, bucket: BucketName) -> QuotaState | None:
        """None: it has none. Raises BucketMissing, StoreUnusable (damaged), NamespaceError."""
        with self._context.bucket(bucket) as fd:
            ledger = self._context.quotas.of(fd)
        if ledger is None:
            return None
        account = ledger.look()
        return QuotaState(account.limit, account.used + account.held)

    def set(self, bucket: BucketName, limit: int) -> None:
        """In force everywhere when this returns; of a bucket that has one it may be below what is used.

        Raises BucketMissing, BucketNotEmpty (it had none and holds objects), NotSupported (see
        `SettingsRecords.change`), StoreUnusable (damaged), NamespaceError.
        """

        def step(before: BucketSettings) -> BucketSettings:
            with self._context.bucket(bucket) as fd:
                if before.quota is None:
                    self._begin(bucket, fd, limit)
                else:
                    self._account(bucket_identity(self._context.store, fd), limit)
            return replace(before, quota=limit)

        self._settings.change(bucket, step)

    def _begin(self, bucket: BucketName, fd: Fd, limit: int) -> None:
        identity = bucket_identity(self._context.store, fd)
        ledger = self._context.quotas.add(identity, limit)
        try:
            with self._context.locks.hold_trees([self._context.store.attr(fd).ino]):
                pass  # who was giving a name and knew of no quota has given it
            # Looked at when it is accounted for: what comes now is counted, or was there.
            if self._lister.has_keys(fd):
                raise BucketNotEmpty(subject=bucket)
            recount(self._context, ledger, bucket.encode(), self._parts_of, _never)
        except BaseException:
            self._context.quotas.remove(identity)
            raise

    def _account(self, identity: int, limit: int) -> None:
        """Have the ledger say what the setting says."""
        quotas = self._context.quotas
        ledger = quotas.of_identity(identity)
        if ledger is None:
            quotas.add(identity, limit)
            return
        try:
            if ledger.look().limit != limit:
                ledger.relimit(limit)
        except StoreUnusable as error:
            _log.error("%s: it is made anew, and all is counted", error)
            quotas.remove(identity)
            quotas.add(identity, limit)

    def unset(self, bucket: BucketName) -> bool:
        """False: it had none. Raises BucketMissing, NotSupported, StoreUnusable, NamespaceError."""
        had = False

        def step(before: BucketSettings) -> BucketSettings:
            nonlocal had
            had = before.quota is not None
            return replace(before, quota=None)

        with self._context.bucket(bucket) as fd:
            self._settings.change(bucket, step)
            self._context.quotas.remove(bucket_identity(self._context.store, fd))
        return had

    def forget_bucket(self, identity: int) -> None:
        """The directory of this identity is gone, or is no bucket any more: nothing is set of it."""
        self._settings.forget(identity)
        self._context.quotas.remove(identity)

    # ---- housekeeping
    def maintain(self, *, all_of_them: bool = True, stop: Callable[[], bool] = _never) -> int:
        """Set right what a process left that died, and recount: what was found wanting, or all. How many.

        What fails is logged, and is tried again with the next call.
        """
        count = 0
        wanted = self._wanted()
        for identity in [*self._context.quotas.ledgers()]:
            if identity not in wanted:
                self._context.quotas.remove(identity)
        for identity, (path, limit) in wanted.items():
            if stop():
                break
            try:
                self._account(identity, limit)
                ledger = self._context.quotas.of_identity(identity)
                if ledger is not None and (all_of_them or ledger.look().wanted):
                    count += self._recounted(ledger, path, stop)
            except (NotFound, BucketMissing):
                continue  # removed meanwhile
            except NamespaceError as error:
                _log.error("the quota of %r cannot be kept: %s", path, error)
        return count

    def _wanted(self) -> dict[int, tuple[bytes, int]]:
        """The directories at the root that have a quota: by identity, with name and limit."""
        store, found = self._context.store, dict[int, tuple[bytes, int]]()
        for entry in store.entries(store.root()):
            if entry.name == CONTROL_NAME or entry.type not in (0, stat.S_IFDIR):
                continue
            try:
                fd = store.open_dir(store.root(), entry.name)
            except (NotFound, NotDirectory):
                continue
            try:
                limit = self._settings.of_directory(fd).quota
                if limit is not None:
                    found[bucket_identity(store, fd)] = entry.name, limit
            finally:
                store.close(fd)
        return found

    def _recounted(self, ledger: Ledger, path: bytes, stop: Callable[[], bool]) -> bool:
        done = recount(self._context, ledger, path, self._parts_of, stop)
        if done.used is None:
            return False
        if done.used != done.stood:
            fields = {"bucket": path.decode("ascii", "replace"), "counted": done.used, "booked": done.stood}
            _log.info("what a bucket uses was set right", extra={"fields": fields})
        return True
