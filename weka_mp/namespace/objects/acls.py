"""The ACLs of objects: which one counts, and how it is changed.

An ACL stands in the object's record, beside the bytes; it counts for the file that it was made for, in the
bucket that it was made in (`records.values.KeptAcl`). What POSIX made, copied or moved here from another
bucket has none: it is the bucket's owner's alone. Whether ACLs count at all, the bucket's record says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from weka_mp.acl import OWNED_PRIVATELY, Acl
from weka_mp.namespace.bucket_identity import bucket_identity
from weka_mp.namespace.context import Context
from weka_mp.namespace.objects.amending import change_record
from weka_mp.namespace.objects.versions import parsed
from weka_mp.namespace.records.attribute import KeptAcl, Record
from weka_mp.namespace.values import Done
from weka_mp.values import BucketName, Fd

__all__ = ["Acls"]


class Acls:
    """Of one namespace. contexts: by whom a bucket's data is asked."""

    __slots__ = ("_contexts",)

    def __init__(self, contexts: Callable[[BucketName], Context]) -> None:
        self._contexts = contexts

    def counting(self, bucket: BucketName, kept: KeptAcl | None) -> Acl:
        """The ACL of an object of the bucket whose record keeps this. Raises BucketMissing."""
        if kept is None or kept.bucket != self._identity(bucket):
            return OWNED_PRIVATELY
        return kept.acl

    def _identity(self, bucket: BucketName) -> int:
        context = self._contexts(bucket)
        with context.bucket(bucket) as fd:
            return bucket_identity(context.store, fd)

    def change(
        self, bucket: BucketName, key: bytes, step: Callable[[Acl], Acl], version: str | None = None
    ) -> Done:
        """Give the object the ACL that `step` makes of the one that it has; on the disk when this returns.
        version: None: the current one. Nothing else of it changes. `step` raises what
        the caller wants raised: it sees whose object it is.

        Raises BucketMissing, NotFound, NoSpace, VersionMissing, DeleteMarkerMet.
        """
        context, identity = self._contexts(bucket), self._identity(bucket)

        wanted = None if version is None else parsed(version, key)

        def changed(record: Record, fd: Fd) -> Record:
            ino = context.store.attr(fd).ino
            kept = record.own_acl(ino)
            new = step(OWNED_PRIVATELY if kept is None or kept.bucket != identity else kept.acl)
            return replace(record, acl=None if new == OWNED_PRIVATELY else KeptAcl(identity, ino, new))

        return change_record(context, bucket, key, changed, wanted)
