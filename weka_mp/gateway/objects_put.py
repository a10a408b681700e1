"""PutObject, and what other uploads share with it: metadata and conditions in the namespace's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from weka_mp.gateway.acl_requests import object_acl_of_upload
from weka_mp.gateway.bucket_lifecycle import expiration_fields
from weka_mp.gateway.context import Context
from weka_mp.gateway.happening import created
from weka_mp.gateway.object_fields import checksum_fields, quoted
from weka_mp.gateway.object_locks import checked_locks
from weka_mp.gateway.object_versions import written_fields
from weka_mp.gateway.reply import Fields, Reply
from weka_mp.namespace.happenings import PUT
from weka_mp.namespace.records.attribute import ContentHeaders
from weka_mp.namespace.values import NewObject, WriteConditions
from weka_mp.s3 import operations as op
from weka_mp.s3.checksums import encode_digest
from weka_mp.s3.conditions import parse_etags
from weka_mp.s3.errors import S3Error
from weka_mp.s3.payload import PayloadDigest

if TYPE_CHECKING:
    from weka_mp.namespace.values import ObjectInfo, Published

__all__ = [
    "FULL_OBJECT", "ObjectUpload", "content_headers", "namespace_conditions", "stored_checksums",
    "upload_fields", "wanted_tag",
]

FULL_OBJECT: Final = "FULL_OBJECT"
_ANY: Final = "*"
_WORTH_RESERVING: Final = 8 * 1024 * 1024  # bytes
_NEVER: Final = ""  # no object has an empty tag: a condition that cannot hold


def content_headers(metadata: op.ObjectMetadata) -> ContentHeaders:
    """The stored headers of an upload."""
    return ContentHeaders(
        metadata.content_type, metadata.cache_control, metadata.content_disposition,
        metadata.content_encoding, metadata.content_language, metadata.expires,
        metadata.website_redirect,
    )


def wanted_tag(header: str | None) -> str | None:
    """The one tag that an If-Match of a write names, or ``*``.

    A weak tag matches nothing (RFC 9110, 13.1.1). Raises S3Error NotImplemented for several tags.
    """
    if header is None or header.strip() == _ANY:
        return None if header is None else _ANY
    tags = parse_etags(header)
    if len(tags) > 1:
        raise S3Error("NotImplemented", "If-Match with several entity tags", details={"Header": "If-Match"})
    return tags[0][0] if tags and not tags[0][1] else _NEVER


def namespace_conditions(conditions: op.WriteConditions) -> WriteConditions:
    """The conditions of a write in the namespace's words."""
    return WriteConditions(wanted_tag(conditions.if_match), conditions.if_none_match is not None)


def stored_checksums(digest: PayloadDigest) -> dict[str, str]:
    """The additional checksums as they are stored: name -> base64."""
    return {algorithm.value: encode_digest(value) for algorithm, value in digest.checksums.items()}


def upload_fields(info: ObjectInfo) -> tuple[tuple[str, str], ...]:
    """What every upload answers: the tag and the checksums that were stored."""
    return (("ETag", quoted(info.etag)), *checksum_fields(info.checksums, info.checksum_type))


def _reserved(size: int | None) -> int | None:
    """What is worth reserving: so much that running out of space should come before the data."""
    return size if size is not None and size >= _WORTH_RESERVING else None


class ObjectUpload:
    """A PutObject between its head and the end of its body (see uploads.Upload)."""

    def __init__(self, context: Context, operation: op.PutObject, size: int | None) -> None:
        principal = context.principal
        # Refused before the bytes come:
        object_acl_of_upload(context, operation.bucket, operation.acl)
        checked_locks(context, operation.bucket, operation.locks)
        self._context = context
        self._operation = operation
        self._session = context.namespace.begin_put(
            operation.bucket, operation.key, size_hint=_reserved(size), size=size, uid=principal.uid,
            gid=principal.gid,
        )
        self.unfinished = True
        self.write = self._session.write
        self.abort = self._session.abort

    def finish(self, digest: PayloadDigest) -> Reply:
        """Make what was written the object. Raises S3Error and NamespaceError."""
        done = self.publish(digest)
        fields = (*upload_fields(done.info), *self.fields(done.info))
        happenings = created(PUT, self._operation.bucket, done)
        return Reply(200, fields, changes=done.changes, happenings=happenings)

    def fields(self, info: ObjectInfo) -> Fields:
        """Which version it is, and what the bucket's rules will do to it."""
        bucket = self._operation.bucket
        return (*written_fields(info.version), *expiration_fields(self._context, bucket, info))

    def publish(self, digest: PayloadDigest) -> Published:
        """The same for whoever words the reply otherwise (POST forms)."""
        metadata = self._operation.metadata
        checksums = stored_checksums(digest)
        record = NewObject(
            md5=digest.md5, headers=content_headers(metadata), user=dict(metadata.user), checksums=checksums,
            checksum_type=FULL_OBJECT if checksums else None, owner=self._context.principal.owner,
            tags=dict(metadata.tags),
            acl=object_acl_of_upload(self._context, self._operation.bucket, self._operation.acl),
            retention=self._operation.locks.retention, legal_hold=self._operation.locks.legal_hold,
        )
        published = self._session.publish(record, namespace_conditions(self._operation.conditions))
        self.unfinished = False
        return published
