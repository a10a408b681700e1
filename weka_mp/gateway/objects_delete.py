"""DeleteObject and DeleteObjects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weka_mp.errors import NamespaceError
from weka_mp.gateway.authorize import hide_missing
from weka_mp.gateway.context import Context
from weka_mp.gateway.error_map import to_s3_error
from weka_mp.gateway.happening import removed
from weka_mp.gateway.object_versions import NULL_VERSION, marker_fields
from weka_mp.gateway.objects_put import wanted_tag
from weka_mp.gateway.reply import XML, BatchEntry, Fields, Reply
from weka_mp.gateway.requirements import BYPASSING, of_version
from weka_mp.namespace.values import Deleted, Deletion, WriteConditions
from weka_mp.s3 import operations as op
from weka_mp.s3 import xml_write
from weka_mp.s3.errors import S3Error
from weka_mp.s3.parameters import well_formed_version

__all__ = ["delete_object", "delete_objects"]

_DELETED: Final = 204


def delete_object(context: Context, operation: op.DeleteObject) -> Reply:
    """204, whether there was such an object or not. Raises S3Error and NamespaceError."""
    conditions = _conditions(operation.if_match, operation.if_match_size, operation.if_match_last_modified)
    done = context.namespace.delete_object(
        operation.bucket, operation.key, conditions, version=operation.version,
        owner=context.principal.owner, bypass=operation.bypass,
    )
    fields: Fields = ()
    if done.marker or operation.version is not None:
        fields = marker_fields(context, operation.bucket, done.version, marker=done.marker)
    happenings = removed(operation.bucket, operation.key, done, operation.version)
    return Reply(204, fields, changes=done.changes, happenings=happenings)


def delete_objects(context: Context, operation: op.DeleteObjects) -> Reply:
    """Each entry on its own: 200 with a row for each, only those that failed when the client wants quiet."""
    refused: dict[int, S3Error] = {}
    entries = []
    access = context.access
    for at, entry in enumerate(operation.entries):
        try:
            needed = _needed(entry, operation.bypass)
            access.require(needed, operation.bucket, entry.key, version=entry.version)
            entries.append(_examined(entry, operation.bypass))
        except S3Error as error:  # what may not be deleted or cannot be read is its entry's fault alone
            refused[at] = error
    done, changes = context.namespace.delete_objects(
        operation.bucket, entries, owner=context.principal.owner
    )
    outcomes: list[Deleted | NamespaceError | S3Error] = list(done)
    for at, refusal in refused.items():
        outcomes.insert(at, refusal)
    happenings = tuple(
        happening
        for asked, outcome in zip(entries, done, strict=True)
        if isinstance(outcome, Deleted)
        for happening in removed(operation.bucket, asked.key, outcome, asked.version)
    )
    document, rows = _document(context, operation, outcomes)
    return Reply(200, XML, document, changes, happenings=happenings, entries=rows)


def _needed(entry: op.DeleteEntry, bypass: bool) -> tuple[str, ...]:
    """Whoever learns whether a condition holds learns something of the object."""
    needed = [of_version(op.DeleteObjects.permission, entry.version)]
    if not (entry.etag is None and entry.size is None and entry.last_modified is None):
        needed.append("s3:GetObject")
    if bypass:
        needed.append(BYPASSING)
    return tuple(needed)


def _examined(entry: op.DeleteEntry, bypass: bool) -> Deletion:
    if entry.version is not None and not well_formed_version(entry.version):
        raise S3Error("NoSuchVersion")
    conditions = _conditions(entry.etag, entry.size, entry.last_modified)
    return Deletion(entry.key, conditions, entry.version, bypass)


def _conditions(tag: str | None, size: int | None, mtime: int | None) -> WriteConditions | None:
    if tag is None and size is None and mtime is None:
        return None
    return WriteConditions(wanted_tag(tag), False, size, mtime)


def _document(
    context: Context, operation: op.DeleteObjects, outcomes: Sequence[Deleted | NamespaceError | S3Error]
) -> tuple[bytes, list[BatchEntry]]:
    """The answer's body, and what it says, or would if the client had not wanted it quiet."""
    entries: list[BatchEntry] = []
    deleted: list[xml_write.DeletedRow] = []
    failed: list[xml_write.DeleteFailure] = []
    for entry, outcome in zip(operation.entries, outcomes, strict=True):
        if isinstance(outcome, NamespaceError):
            outcome, _ = to_s3_error(outcome, operation.bucket, entry.key)
        if isinstance(outcome, S3Error):
            outcome = hide_missing(context.access, outcome, operation.bucket, entry.key)
            entries.append(_logged(entry, outcome.status, outcome.code))
            failed.append(xml_write.DeleteFailure(entry.key, outcome.code, outcome.message, entry.version))
            continue
        entries.append(_logged(entry, _DELETED))
        if not operation.quiet:
            marker = (outcome.version or NULL_VERSION) if outcome.marker else None
            deleted.append(xml_write.DeletedRow(entry.key, entry.version, marker))
    return xml_write.delete_result(deleted, failed), entries


def _logged(entry: op.DeleteEntry, status: int, code: str | None = None) -> BatchEntry:
    return BatchEntry("BATCH.DELETE.OBJECT", entry.key, entry.version, status, code)
