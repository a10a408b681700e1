"""What a bucket grants beyond its account (policy, block, ACL, whose its objects are), and whether it is one:
``.weka/buckets/<name>.access``.

The record counts for the directory alone whose file handle it holds. A bucket that was removed and made
again, a copied or another directory under the name has none of it, and one that was renamed leaves it behind:
the statements of a policy name the bucket. Nothing of it lies with the directory, where whoever may write
there could change it.

A change is in force in every process for what comes in after it was acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any, Final

import msgpack

from weka_mp.acl import NOT_SET, OWNED_PRIVATELY, OWNERSHIPS, Acl, from_plain, to_plain
from weka_mp.bucket_names import is_bucket_name
from weka_mp.errors import BucketMissing, NotSupported, StoreUnusable
from weka_mp.namespace.bucket_identity import bucket_handle
from weka_mp.namespace.buckets.kept_records import KeptRecords, seal, unseal
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import ControlFiles
from weka_mp.values import BucketName

__all__ = ["NO_ACCESS", "NO_BLOCK", "AccessRecords", "BucketAccess", "PublicAccessBlock", "decode", "encode"]

_MAGIC: Final = b"WKA1"
_HANDLE, _POLICY, _NAMED, _BLOCK, _UNLINKED, _OWNERSHIP, _ACL = 1, 2, 3, 4, 5, 6, 7
_KNOWN: Final = frozenset({_HANDLE, _POLICY, _NAMED, _BLOCK, _UNLINKED, _OWNERSHIP, _ACL})
_SUFFIX: Final = b".access"
_NO_HANDLES: Final = (
    "The file system of the bucket gives no file handles, without which the next bucket of this name could "
    "not be told from this one."
)


@dataclass(frozen=True, slots=True)
class PublicAccessBlock:
    """The four settings of S3's PublicAccessBlockConfiguration."""

    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False


NO_BLOCK: Final = PublicAccessBlock()


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """policy: its document. named: (who, as the policy writes it; the unique id that it meant when it was
    put). block: None: there is none. unlinked: the directory is no bucket until somebody makes it one again.
    ownership: of its objects, one of `acl.OWNERSHIPS` or NOT_SET (it was deleted); None: never said. acl:
    counts unless that is ENFORCED or None.
    """

    policy: str | None = None
    named: tuple[tuple[str, str], ...] = ()
    block: PublicAccessBlock | None = None
    unlinked: bool = False
    ownership: str | None = None
    acl: Acl = OWNED_PRIVATELY


NO_ACCESS: Final = BucketAccess()


def encode(handle: bytes, access: BucketAccess) -> bytes:
    """The record. What is absent has no field."""
    fields: dict[int, Any] = {_HANDLE: handle}
    if access.policy is not None:
        fields[_POLICY] = access.policy
    if access.named:
        fields[_NAMED] = [list(pair) for pair in access.named]
    if access.block is not None:
        fields[_BLOCK] = list(astuple(access.block))
    if access.unlinked:
        fields[_UNLINKED] = True
    if access.ownership is not None:
        fields[_OWNERSHIP] = access.ownership
    if access.acl != OWNED_PRIVATELY:
        fields[_ACL] = to_plain(access.acl)
    return seal(_MAGIC, bytes(msgpack.packb(fields)))


def decode(data: bytes) -> tuple[bytes, BucketAccess]:
    """Whose it is, and what it says. Raises StoreUnusable: damaged, or of a later version; a denial that is
    not understood must not be passed over.
    """
    fields = msgpack.unpackb(unseal(_MAGIC, data, "policy"), strict_map_key=False)
    if not set(fields) <= _KNOWN:
        raise StoreUnusable("the record of a bucket's policy was written by a later version")
    block, ownership = fields.get(_BLOCK), fields.get(_OWNERSHIP)
    if ownership not in (None, NOT_SET, *OWNERSHIPS):
        raise StoreUnusable("the record of a bucket's policy was written by a later version")
    access = BucketAccess(
        fields.get(_POLICY),
        tuple((who, unique) for who, unique in fields.get(_NAMED, ())),
        None if block is None else PublicAccessBlock(*block),
        fields.get(_UNLINKED, False),
        ownership,
        _acl_in(fields.get(_ACL)),
    )
    return fields[_HANDLE], access


def _acl_in(found: Any) -> Acl:
    """Raises StoreUnusable."""
    try:
        return OWNED_PRIVATELY if found is None else from_plain(found)
    except (TypeError, ValueError) as error:
        raise StoreUnusable("a bucket's ACL cannot be read") from error


class AccessRecords:
    """The records of one store. Thread-safe; several processes may have them open."""

    def __init__(self, context: Context, registry: ControlFiles) -> None:
        self._context = context
        self._store = context.store
        self._records = KeptRecords(context, registry, NO_ACCESS, encode, decode)

    def close(self) -> None:
        """Give back the descriptors."""
        self._records.close()

    def find(self, bucket: BucketName) -> BucketAccess:
        """What is said of the bucket now; nothing of one that is not there. The same value as long as the
        record is the same. Raises StoreUnusable (damaged), NamespaceError.
        """
        if not is_bucket_name(bucket):
            return NO_ACCESS
        read = self._records.read(bucket.encode() + _SUFFIX)
        if read is None:
            return NO_ACCESS
        handle, access = read
        try:
            with self._context.bucket(bucket) as fd:
                return access if bucket_handle(self._store, fd) == handle else NO_ACCESS
        except BucketMissing:
            return NO_ACCESS

    def change(self, bucket: BucketName, step: Callable[[BucketAccess], BucketAccess]) -> BucketAccess:
        """Replace what is said by what `step` makes of it; that. In force everywhere, and durable, when this
        returns.

        Raises what `step` raises, BucketMissing, NotSupported (on this file system the bucket could not be
        told from a later one), StoreUnusable (damaged: nothing is written), NamespaceError.
        """
        name = bucket.encode() + _SUFFIX
        # The directory is looked at under the lock: who makes another one of this name speaks of it later.
        with self._records.exclusive(name), self._context.bucket(bucket) as fd:
            handle = bucket_handle(self._store, fd)
            if not handle:
                raise NotSupported(_NO_HANDLES)
            return self._records.change(name, handle, step)

    def forget(self, bucket: BucketName, handle: bytes) -> None:
        """The directory of this handle is gone: nothing is said of it any more."""
        name = bucket.encode() + _SUFFIX
        if not self._records.is_there(name):
            return
        with self._records.exclusive(name):
            read = self._records.read(name)
            if read is not None and read[0] == handle:
                self._records.remove(name)
