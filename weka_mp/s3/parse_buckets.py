"""Requests to the service and to a bucket into values. Source: the S3 API reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weka_mp.s3 import operations as op
from weka_mp.s3.acl_requests import acl_in_headers, ownership_in_headers
from weka_mp.s3.bodies import bucket_policy, delete_entries, new_bucket, public_access_block
from weka_mp.s3.headers_in import CONDITIONS, refuse_conditions
from weka_mp.s3.object_lock import bypasses, enabled_for_bucket
from weka_mp.s3.parameters import bucket_of, encoding_type, invalid, page_size, text_bytes
from weka_mp.s3.request import Address, S3Request

__all__ = ["BUCKET_PARSERS"]

MAX_LIST_KEYS: Final = 1000
MAX_LIST_BUCKETS: Final = 10_000


def _list_buckets(request: S3Request, address: Address, body: bytes | None) -> op.ListBuckets:
    return op.ListBuckets(
        request.query_value("prefix") or "",
        page_size(request, "max-buckets", 1, MAX_LIST_BUCKETS),
        request.query_value("continuation-token"),
        request.query_value("bucket-region"),
    )


def _create_bucket(request: S3Request, address: Address, body: bytes | None) -> op.CreateBucket:
    headers = request.headers
    location, tags = new_bucket(body)
    return op.CreateBucket(
        bucket_of(address), location, acl_in_headers(headers, of_bucket=True),
        ownership_in_headers(headers), enabled_for_bucket(headers), tags,
    )


def _head_bucket(request: S3Request, address: Address, body: bytes | None) -> op.HeadBucket:
    return op.HeadBucket(bucket_of(address))


def _delete_bucket(request: S3Request, address: Address, body: bytes | None) -> op.DeleteBucket:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.DeleteBucket(bucket_of(address))


def _get_bucket_location(request: S3Request, address: Address, body: bytes | None) -> op.GetBucketLocation:
    return op.GetBucketLocation(bucket_of(address))


def _get_bucket_policy(request: S3Request, address: Address, body: bytes | None) -> op.GetBucketPolicy:
    return op.GetBucketPolicy(bucket_of(address))


def _put_bucket_policy(request: S3Request, address: Address, body: bytes | None) -> op.PutBucketPolicy:
    refuse_conditions(request.headers, *CONDITIONS)
    confirmed = (request.headers.get("x-amz-confirm-remove-self-bucket-access") or "").lower()
    if confirmed not in ("", "true", "false"):
        raise invalid(None, "x-amz-confirm-remove-self-bucket-access", confirmed)
    return op.PutBucketPolicy(bucket_of(address), bucket_policy(body), confirmed == "true")


def _delete_bucket_policy(request: S3Request, address: Address, body: bytes | None) -> op.DeleteBucketPolicy:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.DeleteBucketPolicy(bucket_of(address))


def _get_bucket_policy_status(
    request: S3Request, address: Address, body: bytes | None
) -> op.GetBucketPolicyStatus:
    return op.GetBucketPolicyStatus(bucket_of(address))


def _get_public_access_block(
    request: S3Request, address: Address, body: bytes | None
) -> op.GetPublicAccessBlock:
    return op.GetPublicAccessBlock(bucket_of(address))


def _put_public_access_block(
    request: S3Request, address: Address, body: bytes | None
) -> op.PutPublicAccessBlock:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.PutPublicAccessBlock(bucket_of(address), *public_access_block(body))


def _delete_public_access_block(
    request: S3Request, address: Address, body: bytes | None
) -> op.DeletePublicAccessBlock:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.DeletePublicAccessBlock(bucket_of(address))


def _list_objects(request: S3Request, address: Address, body: bytes | None) -> op.ListObjects:
    return op.ListObjects(
        bucket_of(address),
        text_bytes(request, "prefix"),
        text_bytes(request, "delimiter"),
        text_bytes(request, "marker"),
        page_size(request, "max-keys", 0, MAX_LIST_KEYS),
        encoding_type(request),
    )


def _list_objects_v2(request: S3Request, address: Address, body: bytes | None) -> op.ListObjectsV2:
    token = request.query_value("continuation-token")
    if token == "":
        raise invalid("The continuation token provided is incorrect", "continuation-token", token)
    return op.ListObjectsV2(
        bucket_of(address),
        text_bytes(request, "prefix"),
        text_bytes(request, "delimiter"),
        page_size(request, "max-keys", 0, MAX_LIST_KEYS),
        encoding_type(request),
        token,
        text_bytes(request, "start-after"),
        (request.query_value("fetch-owner") or "").lower() == "true",
    )


def _post_object(request: S3Request, address: Address, body: bytes | None) -> op.PostObject:
    refuse_conditions(request.headers, *CONDITIONS)
    return op.PostObject(bucket_of(address))


def _delete_objects(request: S3Request, address: Address, body: bytes | None) -> op.DeleteObjects:
    refuse_conditions(request.headers, *CONDITIONS)  # its entries have conditions, the whole has none
    entries, quiet = delete_entries(body)
    return op.DeleteObjects(bucket_of(address), entries, quiet, bypasses(request.headers))


BUCKET_PARSERS: Final[dict[str, Callable[[S3Request, Address, bytes | None], op.Operation]]] = {
    "ListBuckets": _list_buckets,
    "CreateBucket": _create_bucket,
    "HeadBucket": _head_bucket,
    "DeleteBucket": _delete_bucket,
    "GetBucketLocation": _get_bucket_location,
    "GetBucketPolicy": _get_bucket_policy,
    "PutBucketPolicy": _put_bucket_policy,
    "DeleteBucketPolicy": _delete_bucket_policy,
    "GetBucketPolicyStatus": _get_bucket_policy_status,
    "GetPublicAccessBlock": _get_public_access_block,
    "PutPublicAccessBlock": _put_public_access_block,
    "DeletePublicAccessBlock": _delete_public_access_block,
    "ListObjects": _list_objects,
    "ListObjectsV2": _list_objects_v2,
    "PostObject": _post_object,
    "DeleteObjects": _delete_objects,
}
