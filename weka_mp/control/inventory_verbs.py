"""What is in a bucket, row by row, as AWS's inventory reports have it; the same that listings over S3 show.

Source: "Amazon S3 Inventory" of the S3 user guide, the list of fields.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from weka_mp.control.bucket_verbs import seen
from weka_mp.control.desk import Desk
from weka_mp.control.fields import Fields
from weka_mp.errors import NamespaceError
from weka_mp.gateway.bucket_grants import stored_grants
from weka_mp.identity import Caller
from weka_mp.identity.errors import InvalidInput
from weka_mp.identity.naming import ROOT, canonical_id
from weka_mp.namespace import Namespace
from weka_mp.namespace.values import ObjectSummary, VersionRow
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.values import BucketName

__all__ = ["INVENTORY_FIELDS", "list_inventory"]

INVENTORY_FIELDS: Final = ("prefix", "after", "after_version", "versions", "locks", "limit")
_MOST: Final = 1000  # rows of a page
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TRUTH: Final = {None: False, "false": False, "true": True}


def list_inventory(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """A page: `rows`, and `next`, the fields that the next page is asked for with; None after the last.

    prefix, after: percent-encoded. versions, locks: ``true``: all versions; with their retentions and holds,
    for which each is looked at on its own. Raises InvalidInput, NoSuchEntity.
    """
    name, limit = seen(desk, caller, bucket), fields.count("limit", _MOST)
    if not 1 <= limit <= _MOST:
        raise InvalidInput(f"limit must be a whole number from 1 to {_MOST}")
    prefix, after = (unquote_to_bytes(fields.text_or_none(field) or "") for field in ("prefix", "after"))
    rows = _Rows(desk.namespace, name, with_locks=_truth(fields, "locks"))
    if not _truth(fields, "versions"):
        page = desk.namespace.list_objects(name, prefix=prefix, after=after, limit=limit)
        shown = [rows.of_object(item) for item in page.items if isinstance(item, ObjectSummary)]
        resume = page.next_after
        return {"rows": shown, "next": None if resume is None else {"after": _encoded(resume)}}
    listing = desk.namespace.list_versions(
        name, prefix=prefix, after=after, after_version=fields.text_or_none("after_version"), limit=limit
    )
    versions = [rows.of_version(item) for item in listing.items if isinstance(item, VersionRow)]
    return {"rows": versions, "next": _behind(listing.next_after)}


def _truth(fields: Fields, name: str) -> bool:
    found = _TRUTH.get(fields.text_or_none(name))
    if found is None:
        raise InvalidInput(f"the field {name} must be true or false")
    return found


def _behind(resume: tuple[bytes, str | None] | None) -> dict[str, str] | None:
    if resume is None:
        return None
    key, version = resume
    return {"after": _encoded(key)} | ({} if version is None else {"after_version": version})


class _Rows:
    """Makes the rows of one bucket."""

    def __init__(self, namespace: Namespace, bucket: BucketName, *, with_locks: bool) -> None:
        self._namespace = namespace
        self._bucket = bucket
        self._with_locks = with_locks
        self._owner = self._owners()

    def _owners(self) -> Callable[[ObjectSummary], str]:
        """The canonical user id of who owns an object: the bucket's owner, unless ACLs count there."""
        namespace, bucket = self._namespace, self._bucket
        holder = canonical_id(namespace.store_id, namespace.head_bucket(bucket).owner or ROOT)
        try:
            has_acls = stored_grants(namespace, bucket).has_acls
        except MalformedPolicy:
            has_acls = False
        if not has_acls:
            return lambda _: holder
        acls = namespace.acls
        return lambda item: (acls.counting(bucket, item.acl).owner if item.acl else None) or holder

    def of_object(self, item: ObjectSummary) -> dict[str, object]:
        """Of a current version."""
        return self._row(item, None, marker=False)

    def of_version(self, item: VersionRow) -> dict[str, object]:
        """Of any, or of a delete marker."""
        about = {"VersionId": item.version, "IsLatest": item.latest, "IsDeleteMarker": item.marker}
        return self._row(item.summary, item.version, marker=item.marker) | about

    def _row(self, item: ObjectSummary, version: str | None, *, marker: bool) -> dict[str, object]:
        row: dict[str, object] = {
            "Bucket": self._bucket, "Key": _encoded(item.key), "LastModifiedDate": _moment(item.mtime_ns),
            "ObjectOwner": self._owner(item),
        }
        if marker:
            return row
        of_parts = "-" in item.etag and not item.etag.endswith("-0")
        row |= {
            "Size": item.size, "ETag": item.etag, "StorageClass": "STANDARD", "EncryptionStatus": "NOT-SSE",
            "IsMultipartUploaded": of_parts, "ChecksumAlgorithm": ",".join(item.checksums),
        }
        return row | self._locks(item.key, version) if self._with_locks else row

    def _locks(self, key: bytes, version: str | None) -> dict[str, object]:
        """None of a version that is gone meanwhile."""
        try:
            info = self._namespace.head_object(self._bucket, key, version)
        except NamespaceError:
            return {}
        found: dict[str, object] = {"ObjectLockLegalHoldStatus": "On" if info.legal_hold else "Off"}
        if info.retention is not None:
            found["ObjectLockMode"] = info.retention.mode
            found["ObjectLockRetainUntilDate"] = _moment(info.retention.until_ns)
        return found


def _encoded(key: bytes) -> str:
    """As listings with the encoding type ``url`` have it."""
    return quote_from_bytes(key, safe="/*-._")


def _moment(at_ns: int) -> str:
    """ISO 8601 with milliseconds. What no date can name is the first or the last one."""
    millis = at_ns // 1_000_000
    try:
        found = _EPOCH + timedelta(milliseconds=millis)
    except OverflowError:
        found = datetime.max if millis > 0 else datetime.min
    return found.strftime("%Y-%m-%dT%H:%M:%S.") + f"{found.microsecond // 1000:03d}Z"
