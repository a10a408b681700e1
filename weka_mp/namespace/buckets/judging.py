"""One user of S3 whom modes and ACLs bind, as the kernel would bind a process of that user on the mount.

A user is bound in the buckets whose settings say so, and by default where the service says so. What is not
about the user's own data (locks, marks, records, uploads in parts, buckets themselves) stays the service's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from weka_mp.errors import BucketMissing
from weka_mp.namespace.buckets.settings import SettingsRecords
from weka_mp.namespace.context import Context
from weka_mp.namespace.objects.listing import Lister
from weka_mp.store.interface import FsIdentity
from weka_mp.store.judged import judged
from weka_mp.values import BucketName, Fd

__all__ = ["Judging"]


@dataclass(frozen=True, slots=True)
class Judging:
    """context, lister: as the user sees the store. by_default: whether it is bound where nothing was set."""

    context: Context
    lister: Lister
    settings: SettingsRecords
    own: frozenset[Fd]
    by_default: bool

    @classmethod
    def of(
        cls, context: Context, lister: Lister, settings: SettingsRecords, own: frozenset[Fd],
        who: FsIdentity, *, by_default: bool,
    ) -> Judging:
        """Raises NotSupported: in this store nobody can be. ValueError: root is never bound."""
        if who.uid == 0:
            raise ValueError("modes do not bind root")
        service = context.store
        seen = replace(context, store=judged(service, who, own), judged=who, service=service)
        return cls(seen, lister.seen_from(seen), settings, own, by_default)

    def binds(self, bucket: BucketName) -> bool:
        """Raises StoreUnusable: what is set of the bucket cannot be read."""
        try:
            chosen = self.settings.find(bucket).posix
        except BucketMissing:
            return self.by_default
        return self.by_default if chosen is None else chosen

    def with_own(self, directory: Fd) -> Context:
        """The context while one more directory of the control area is worked in."""
        who = self.context.judged
        assert who is not None
        return replace(self.context, store=judged(self.context.store, who, self.own | {directory}))
