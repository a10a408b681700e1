"""CopyObject."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from weka_mp.errors import DeleteMarkerMet, NamespaceError
from weka_mp.gateway.acl_requests import object_acl_of_upload
from weka_mp.gateway.bucket_lifecycle import expiration_fields
from weka_mp.gateway.context import Context
from weka_mp.gateway.copy_digest import CopyDigest
from weka_mp.gateway.error_map import to_s3_error
from weka_mp.gateway.happening import created
from weka_mp.gateway.object_fields import last_modified
from weka_mp.gateway.object_locks import checked_locks
from weka_mp.gateway.object_versions import source_fields, version_fields
from weka_mp.gateway.objects_put import content_headers, namespace_conditions
from weka_mp.gateway.question_context import Said
from weka_mp.gateway.reply import Reply, xml_reply
from weka_mp.gateway.requirements import source_actions, source_tag_actions
from weka_mp.namespace import CopyRequest
from weka_mp.namespace.happenings import COPIED
from weka_mp.namespace.values import NewMetadata
from weka_mp.s3 import operations as op
from weka_mp.s3 import xml_write
from weka_mp.s3.conditions import check_source
from weka_mp.s3.errors import S3Error

if TYPE_CHECKING:
    from weka_mp.namespace.values import ObjectInfo, Published

__all__ = ["copy_object", "source_fault"]

_MARKER: Final = "The source of a copy request may not specifically refer to a delete marker by version id."


def copy_object(context: Context, operation: op.CopyObject) -> Reply:
    """Copy by reflink or within the kernel, then publish. Raises S3Error and NamespaceError.

    What is wrong before the source was opened is the source's fault and names the source.
    """
    sources: list[ObjectInfo] = []  # one more each time that it changed meanwhile

    def check(info: ObjectInfo) -> None:
        sources.append(info)
        needed = source_actions(operation)
        where = operation.source_bucket, operation.source_key
        context.access.found(needed, *where, info, operation.source_version)
        check_source(operation.source_conditions, info.accepted_etags, last_modified(info), context.now)
        if info.tags and not operation.replace_tags:
            _authorize_tags(context, operation, info)

    try:
        done = _copy(context, operation, check)
    except NamespaceError as error:
        fault = source_fault(error, operation)
        if sources or fault is None:
            raise
        raise fault from error
    info = done.info
    result = xml_write.CopyResult(
        info.etag, last_modified(info), tuple(info.checksums.items()), info.checksum_type or ""
    )
    fields = (
        *version_fields(context, operation.bucket, info.version),
        *source_fields(context, operation.source_bucket, sources[-1].version),
        *expiration_fields(context, operation.bucket, info),
    )
    return xml_reply(
        xml_write.copy_object_result(result), fields=fields, changes=done.changes,
        happenings=created(COPIED, operation.bucket, done),
    )


def source_fault(error: NamespaceError, operation: op.CopyObject | op.UploadPartCopy) -> S3Error | None:
    """What is wrong with a source that could not be opened, naming it; None: a defect, no fault of it."""
    if isinstance(error, DeleteMarkerMet) and error.named:
        return S3Error("InvalidRequest", _MARKER)
    spelt, is_defect = to_s3_error(error, operation.source_bucket, operation.source_key)
    if is_defect:
        return None
    spelt.headers.clear()  # those of a delete marker would speak of what is to be made
    return spelt


def _authorize_tags(context: Context, operation: op.CopyObject, info: ObjectInfo) -> None:
    """A copy takes the source's tags along: to see them and to set them are rights of their own (S3 user
    guide, "Copying objects"). Raises S3Error AccessDenied.
    """
    access = context.access
    access.require(
        source_tag_actions(operation), operation.source_bucket, operation.source_key,
        version=operation.source_version,
    )
    access.with_body(Said(tags=info.tags))
    access.require((op.PutObjectTagging.permission,), operation.bucket, operation.key)


def _copy(
    context: Context, operation: op.CopyObject, check: Callable[[ObjectInfo], None]
) -> Published:
    principal, locks = context.principal, checked_locks(context, operation.bucket, operation.locks)
    return context.namespace.copy_object(CopyRequest(
        operation.source_bucket, operation.source_key, operation.bucket, operation.key,
        replace=_metadata(operation), website_redirect=operation.metadata.website_redirect,
        source_check=check, conditions=namespace_conditions(operation.conditions),
        owner=principal.owner, uid=principal.uid, gid=principal.gid,
        digest=CopyDigest.wanted(operation.checksum_algorithm),
        tags=dict(operation.metadata.tags) if operation.replace_tags else None,
        source_version=operation.source_version,
        acl=object_acl_of_upload(context, operation.bucket, operation.acl),
        retention=locks.retention, legal_hold=locks.legal_hold,
    ))


def _metadata(operation: op.CopyObject) -> NewMetadata | None:
    if not operation.replace_metadata:
        return None
    return NewMetadata(content_headers(operation.metadata), dict(operation.metadata.user))
