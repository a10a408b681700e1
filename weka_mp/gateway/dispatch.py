"""From an operation's type to the function that answers it, for all but those with a body of bytes.

INLINE operations touch one or two inodes in the page cache and are run in the event loop's own thread: a hop
to another costs more than they do. All others may wait for the disk or walk a directory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from weka_mp.gateway import (
    acls,
    bucket_cors,
    bucket_lifecycle,
    bucket_logging,
    bucket_notification,
    bucket_policy,
    bucket_tagging,
    bucket_versioning,
    bucket_website,
    buckets,
    listing,
    multipart,
    multipart_copy,
    multipart_listing,
    object_locks,
    objects_attributes,
    objects_copy,
    objects_delete,
    objects_get,
    objects_rename,
    objects_tagging,
    standing,
)
from weka_mp.gateway.context import Context
from weka_mp.gateway.events import tell
from weka_mp.gateway.reply import Reply
from weka_mp.s3 import bucket_operations
from weka_mp.s3 import operations as op

__all__ = ["INLINE", "PATIENT", "dispatch"]

_Answer = Callable[[Context, Any], Reply]

_ANSWERS: Final[Mapping[type[op.Operation], _Answer]] = {
    op.ListBuckets: buckets.list_buckets,
    op.CreateBucket: buckets.create_bucket,
    op.HeadBucket: buckets.head_bucket,
    op.DeleteBucket: buckets.delete_bucket,
    op.GetBucketLocation: buckets.get_bucket_location,
    op.GetBucketPolicy: bucket_policy.get_bucket_policy,
    op.PutBucketPolicy: bucket_policy.put_bucket_policy,
    op.DeleteBucketPolicy: bucket_policy.delete_bucket_policy,
    op.GetBucketPolicyStatus: bucket_policy.get_bucket_policy_status,
    op.GetPublicAccessBlock: bucket_policy.get_public_access_block,
    op.PutPublicAccessBlock: bucket_policy.put_public_access_block,
    op.DeletePublicAccessBlock: bucket_policy.delete_public_access_block,
    bucket_operations.GetBucketLifecycleConfiguration: bucket_lifecycle.get_bucket_lifecycle,
    bucket_operations.PutBucketLifecycleConfiguration: bucket_lifecycle.put_bucket_lifecycle,
    bucket_operations.DeleteBucketLifecycle: bucket_lifecycle.delete_bucket_lifecycle,
    bucket_operations.GetBucketTagging: bucket_tagging.get_bucket_tagging,
    bucket_operations.PutBucketTagging: bucket_tagging.put_bucket_tagging,
    bucket_operations.DeleteBucketTagging: bucket_tagging.delete_bucket_tagging,
    op.ListObjects: listing.list_objects,
    op.ListObjectsV2: listing.list_objects_v2,
    op.HeadObject: objects_get.head_object,
    op.GetObjectAttributes: objects_attributes.get_object_attributes,
    op.DeleteObject: objects_delete.delete_object,
    op.DeleteObjects: objects_delete.delete_objects,
    op.CopyObject: objects_copy.copy_object,
    op.RenameObject: objects_rename.rename_object,
    op.GetObjectTagging: objects_tagging.get_object_tagging,
    op.PutObjectTagging: objects_tagging.put_object_tagging,
    op.DeleteObjectTagging: objects_tagging.delete_object_tagging,
    op.CreateMultipartUpload: multipart.create_upload,
    op.UploadPartCopy: multipart_copy.upload_part_copy,
    op.ListParts: multipart_listing.list_parts,
    op.ListMultipartUploads: multipart_listing.list_multipart_uploads,
    op.CompleteMultipartUpload: multipart.complete_upload,
    op.AbortMultipartUpload: multipart.abort_upload,
    **standing.STANDING,
    bucket_operations.GetBucketAcl: acls.get_bucket_acl,
    bucket_operations.PutBucketAcl: acls.put_bucket_acl,
    bucket_operations.GetObjectAcl: acls.get_object_acl,
    bucket_operations.PutObjectAcl: acls.put_object_acl,
    bucket_operations.GetBucketOwnershipControls: acls.get_ownership_controls,
    bucket_operations.PutBucketOwnershipControls: acls.put_ownership_controls,
    bucket_operations.DeleteBucketOwnershipControls: acls.delete_ownership_controls,
    bucket_operations.GetBucketCors: bucket_cors.get_bucket_cors,
    bucket_operations.PutBucketCors: bucket_cors.put_bucket_cors,
    bucket_operations.DeleteBucketCors: bucket_cors.delete_bucket_cors,
    bucket_operations.GetBucketWebsite: bucket_website.get_bucket_website,
    bucket_operations.PutBucketWebsite: bucket_website.put_bucket_website,
    bucket_operations.DeleteBucketWebsite: bucket_website.delete_bucket_website,
    bucket_operations.GetBucketLogging: bucket_logging.get_bucket_logging,
    bucket_operations.PutBucketLogging: bucket_logging.put_bucket_logging,
    bucket_operations.GetBucketVersioning: bucket_versioning.get_bucket_versioning,
    bucket_operations.PutBucketVersioning: bucket_versioning.put_bucket_versioning,
    bucket_operations.ListObjectVersions: bucket_versioning.list_object_versions,
    bucket_operations.GetObjectLockConfiguration: object_locks.get_object_lock,
    bucket_operations.PutObjectLockConfiguration: object_locks.put_object_lock,
    bucket_operations.GetObjectRetention: object_locks.get_retention,
    bucket_operations.PutObjectRetention: object_locks.put_retention,
    bucket_operations.GetObjectLegalHold: object_locks.get_legal_hold,
    bucket_operations.PutObjectLegalHold: object_locks.put_legal_hold,
    bucket_operations.GetBucketNotificationConfiguration: bucket_notification.get_bucket_notification,
    bucket_operations.PutBucketNotificationConfiguration: bucket_notification.put_bucket_notification,
}

INLINE: Final = frozenset({op.HeadObject, op.HeadBucket, op.GetBucketLocation})

PATIENT: Final = frozenset({op.CompleteMultipartUpload, op.UploadPartCopy})
"""Operations that call `Context.begun`, and then may take so long that the client must be kept waiting."""


def dispatch(context: Context, operation: op.Operation) -> Reply:
    """Do it, and keep it as an event where it is one. Raises S3Error and NamespaceError."""
    reply = _ANSWERS[type(operation)](context, operation)
    tell(context, operation, reply)
    return reply
