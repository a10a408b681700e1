"""RenameObject."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from weka_mp.errors import NotFound
from weka_mp.gateway.context import Context
from weka_mp.gateway.happening import renamed
from weka_mp.gateway.object_fields import last_modified
from weka_mp.gateway.objects_put import namespace_conditions
from weka_mp.gateway.reply import Reply
from weka_mp.namespace import RenameRequest
from weka_mp.s3 import operations as op
from weka_mp.s3.conditions import check_source
from weka_mp.s3.errors import S3Error

if TYPE_CHECKING:
    from weka_mp.namespace import ObjectInfo

__all__ = ["rename_object"]

_PREFIX: Final = "x-amz-rename-source-"


def rename_object(context: Context, operation: op.RenameObject) -> Reply:
    """200 without a body. Raises S3Error and NamespaceError."""
    wanted, principal = operation.source_conditions, context.principal

    def check(info: ObjectInfo | None) -> None:
        if wanted == op.NO_READ_CONDITIONS:
            return
        if info is None:  # a prefix that is no object has no tag and no time to compare
            raise S3Error("PreconditionFailed", details={"Condition": f"{_PREFIX}If-Match"})
        # What cannot be taken back is not done because of a date that makes no sense.
        check_source(wanted, info.accepted_etags, last_modified(info), None, prefix=_PREFIX)

    conditions = replace(
        namespace_conditions(operation.conditions),
        if_modified_since=operation.modified_since, if_unmodified_since=operation.unmodified_since,
    )
    try:
        done = context.namespace.rename_object(RenameRequest(
            operation.bucket, operation.source_key, operation.key,
            source_check=check, source_pinned=wanted.if_match is not None or wanted.if_none_match is not None,
            conditions=conditions, uid=principal.uid, gid=principal.gid, token=operation.client_token,
            parameters=repr(replace(operation, client_token=None)).encode(),
        ))
    except NotFound as error:
        missing = operation.key if error.subject == operation.key else operation.source_key
        raise S3Error("NoSuchKey", details={"Key": missing.decode("utf-8", "replace")}) from error
    happenings = renamed(context.namespace, operation.bucket, operation.source_key, operation.key, done)
    return Reply(200, changes=done.changes, happenings=happenings)
