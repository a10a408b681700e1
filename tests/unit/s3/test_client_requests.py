"""What botocore itself puts on the wire for each built operation is read as that operation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from weka_mp.s3.operations import BUILT, Operation
from weka_mp.s3.parse import parse
from weka_mp.s3.request import Headers, S3Request, address
from weka_mp.s3.routing import route
from weka_mp.s3.xml_write import location_constraint

KEY = "a b/ä+%/~x"
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "ListBuckets": ("list_buckets", {"MaxBuckets": 3}),
    "CreateBucket": ("create_bucket", {"CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}),
    "HeadBucket": ("head_bucket", {}),
    "DeleteBucket": ("delete_bucket", {}),
    "GetBucketLocation": ("get_bucket_location", {}),
    "GetBucketPolicy": ("get_bucket_policy", {}),
    "PutBucketPolicy": ("put_bucket_policy", {
        "Policy": '{"Statement": []}', "ConfirmRemoveSelfBucketAccess": True}),
    "DeleteBucketPolicy": ("delete_bucket_policy", {}),
    "GetBucketPolicyStatus": ("get_bucket_policy_status", {}),
    "GetPublicAccessBlock": ("get_public_access_block", {}),
    "PutPublicAccessBlock": ("put_public_access_block", {
        "PublicAccessBlockConfiguration": {"BlockPublicPolicy": True}}),
    "DeletePublicAccessBlock": ("delete_public_access_block", {}),
    "GetBucketAccelerateConfiguration": ("get_bucket_accelerate_configuration", {}),
    "PutBucketAccelerateConfiguration": (
        "put_bucket_accelerate_configuration", {"AccelerateConfiguration": {"Status": "Suspended"}}),
    "GetBucketEncryption": ("get_bucket_encryption", {}),
    "DeleteBucketEncryption": ("delete_bucket_encryption", {}),
    "GetBucketLogging": ("get_bucket_logging", {}),
    "PutBucketLogging": ("put_bucket_logging", {"BucketLoggingStatus": {"LoggingEnabled": {
        "TargetBucket": "logs", "TargetPrefix": "of/",
        "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}},
    }}}),
    "GetBucketNotificationConfiguration": ("get_bucket_notification_configuration", {}),
    "PutBucketNotificationConfiguration": ("put_bucket_notification_configuration", {
        "NotificationConfiguration": {}, "SkipDestinationValidation": True}),
    "GetBucketOwnershipControls": ("get_bucket_ownership_controls", {}),
    "PutBucketOwnershipControls": ("put_bucket_ownership_controls", {
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}),
    "GetBucketReplication": ("get_bucket_replication", {}),
    "DeleteBucketReplication": ("delete_bucket_replication", {}),
    "GetBucketRequestPayment": ("get_bucket_request_payment", {}),
    "PutBucketRequestPayment": (
        "put_bucket_request_payment", {"RequestPaymentConfiguration": {"Payer": "BucketOwner"}}),
    "GetBucketVersioning": ("get_bucket_versioning", {}),
    "PutBucketVersioning": ("put_bucket_versioning", {
        "VersioningConfiguration": {"Status": "Enabled", "MFADelete": "Disabled"}}),
    "GetBucketWebsite": ("get_bucket_website", {}),
    "DeleteBucketWebsite": ("delete_bucket_website", {}),
    "PutBucketWebsite": (
        "put_bucket_website", {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "i.html"}}}),
    "GetObjectLockConfiguration": ("get_object_lock_configuration", {}),
    "PutObjectLockConfiguration": ("put_object_lock_configuration", {"ObjectLockConfiguration": {
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}}),
    "GetObjectRetention": ("get_object_retention", {"Key": KEY}),
    "PutObjectRetention": ("put_object_retention", {
        "Key": KEY, "BypassGovernanceRetention": True,
        "Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": datetime(2030, 1, 1, tzinfo=UTC)}}),
    "GetObjectLegalHold": ("get_object_legal_hold", {"Key": KEY}),
    "PutObjectLegalHold": ("put_object_legal_hold", {"Key": KEY, "LegalHold": {"Status": "ON"}}),
    "ListBucketAnalyticsConfigurations": ("list_bucket_analytics_configurations", {}),
    "ListBucketIntelligentTieringConfigurations": ("list_bucket_intelligent_tiering_configurations", {}),
    "ListBucketInventoryConfigurations": ("list_bucket_inventory_configurations", {}),
    "ListBucketMetricsConfigurations": ("list_bucket_metrics_configurations", {}),
    "GetBucketAnalyticsConfiguration": ("get_bucket_analytics_configuration", {"Id": "x"}),
    "GetBucketIntelligentTieringConfiguration": ("get_bucket_intelligent_tiering_configuration", {"Id": "x"}),
    "GetBucketInventoryConfiguration": ("get_bucket_inventory_configuration", {"Id": "x"}),
    "GetBucketMetricsConfiguration": ("get_bucket_metrics_configuration", {"Id": "x"}),
    "GetBucketAcl": ("get_bucket_acl", {}),
    "SelectObjectContent": ("select_object_content", {
        "Key": KEY,
        "Expression": "SELECT 1 FROM S3Object", "ExpressionType": "SQL",
        "InputSerialization": {"CSV": {}}, "OutputSerialization": {"JSON": {}}}),
    "GetBucketCors": ("get_bucket_cors", {}),
    "DeleteBucketCors": ("delete_bucket_cors", {}),
    "PutBucketCors": (
        "put_bucket_cors",
        {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}}),
    "DeleteBucketOwnershipControls": ("delete_bucket_ownership_controls", {}),
    "PutBucketAcl": ("put_bucket_acl", {"ACL": "private"}),
    "GetObjectAcl": ("get_object_acl", {"Key": KEY}),
    "PutObjectAcl": ("put_object_acl", {"Key": KEY, "ACL": "bucket-owner-full-control"}),
    "ListObjectVersions": (
        "list_object_versions", {"Prefix": KEY, "KeyMarker": KEY, "VersionIdMarker": "null"}),
    "GetBucketLifecycleConfiguration": ("get_bucket_lifecycle_configuration", {}),
    "PutBucketLifecycleConfiguration": ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {
        "Rules": [{"ID": "r", "Status": "Enabled", "Filter": {"Prefix": "p"}, "Expiration": {"Days": 1}}]}}),
    "DeleteBucketLifecycle": ("delete_bucket_lifecycle", {}),
    "GetBucketTagging": ("get_bucket_tagging", {}),
    "PutBucketTagging": ("put_bucket_tagging", {"Tagging": {"TagSet": [{"Key": "k /ä", "Value": "v"}]}}),
    "DeleteBucketTagging": ("delete_bucket_tagging", {}),
    "ListObjects": ("list_objects", {"Prefix": KEY, "Delimiter": "/"}),
    "ListObjectsV2": ("list_objects_v2", {"Prefix": KEY, "StartAfter": KEY}),
    "PutObject": ("put_object", {"Key": KEY, "Body": b"x", "Metadata": {"Color": "red"}, "IfNoneMatch": "*"}),
    "GetObject": ("get_object", {"Key": KEY, "Range": "bytes=0-1", "ChecksumMode": "ENABLED"}),
    "HeadObject": ("head_object", {"Key": KEY, "PartNumber": 1}),
    "DeleteObject": ("delete_object", {"Key": KEY, "IfMatch": '"e"'}),
    "DeleteObjects": ("delete_objects", {"Delete": {"Objects": [{"Key": KEY}], "Quiet": True}}),
    "CopyObject": ("copy_object", {"Key": "new", "CopySource": {"Bucket": "source", "Key": KEY}}),
    "GetObjectTagging": ("get_object_tagging", {"Key": KEY}),
    "PutObjectTagging": ("put_object_tagging", {
        "Key": KEY, "Tagging": {"TagSet": [{"Key": "k /ä", "Value": "v"}]}}),
    "DeleteObjectTagging": ("delete_object_tagging", {"Key": KEY}),
    "GetObjectAttributes": ("get_object_attributes", {"Key": KEY, "ObjectAttributes": ["ETag"]}),
    "RenameObject": ("rename_object", {"Key": KEY, "RenameSource": "/bucket/old"}),
    "CreateMultipartUpload": ("create_multipart_upload", {"Key": KEY, "ChecksumAlgorithm": "SHA256"}),
    "UploadPart": ("upload_part", {"Key": KEY, "UploadId": "u", "PartNumber": 1, "Body": b"x"}),
    "UploadPartCopy": ("upload_part_copy", {
        "Key": KEY, "UploadId": "u", "PartNumber": 1, "CopySource": {"Bucket": "source", "Key": KEY},
        "CopySourceRange": "bytes=0-1"}),
    "ListParts": ("list_parts", {"Key": KEY, "UploadId": "u", "MaxParts": 2, "PartNumberMarker": 1}),
    "ListMultipartUploads": ("list_multipart_uploads", {"Prefix": KEY, "KeyMarker": KEY}),
    "CompleteMultipartUpload": ("complete_multipart_upload", {
        "Key": KEY, "UploadId": "u", "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": '"e"'}]}}),
    "AbortMultipartUpload": ("abort_multipart_upload", {"Key": KEY, "UploadId": "u"}),
}


class Recorder:
    """Stands before the network: keeps the prepared request and answers 200."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.seen: AWSPreparedRequest | None = None

    def __call__(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.seen = request
        return AWSResponse(request.url, 200, {}, _Raw(self.body))


class _Raw:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, **_: object) -> list[bytes]:
        return [self.body]


def sent_by(name: str, style: str) -> AWSPreparedRequest:
    client = boto3.client(
        "s3", region_name="us-east-1", endpoint_url="http://s3.example.com:9000", aws_access_key_id="a",
        aws_secret_access_key="s", config=Config(s3={"addressing_style": style}))
    # GetBucketLocation is the one reply that botocore cannot read when it is empty.
    recorder = Recorder(location_constraint("") if name == "GetBucketLocation" else b"")
    client.meta.events.register("before-send.s3", recorder)
    method, arguments = CALLS[name]
    if name != "ListBuckets":
        arguments = {"Bucket": "bucket", **arguments}
    call: Callable[..., object] = getattr(client, method)
    call(**arguments)
    assert recorder.seen is not None
    return recorder.seen


def read(sent: AWSPreparedRequest) -> tuple[str, Operation]:
    scheme, _, rest = sent.url.partition("://")
    host, slash, path = rest.partition("/")
    fields = [("Host", host), *((name, value) for name, value in sent.headers.items())]
    request = S3Request.from_target(sent.method, (slash + path).encode(), Headers(fields))
    where = address(request, ("s3.example.com",))
    name = route(request, where)
    body = sent.body if isinstance(sent.body, bytes) else None
    assert scheme == "http"
    return name, parse(request, where, name, body)


def test_every_built_operation_of_the_model_is_called() -> None:
    assert set(CALLS) == BUILT - {"PostObject"}


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("name", sorted(CALLS))
def test_what_botocore_sends_is_read_as_what_was_called(name: str, style: str) -> None:
    routed, operation = read(sent_by(name, style))
    assert routed == name == type(operation).__name__
    if name != "ListBuckets":
        assert getattr(operation, "bucket") == "bucket"  # noqa: B009
    if CALLS[name][1].get("Key") == KEY:
        assert getattr(operation, "key") == KEY.encode()  # noqa: B009
    if name in ("CopyObject", "UploadPartCopy"):
        assert (operation.source_bucket, operation.source_key) == ("source", KEY.encode())  # type: ignore[union-attr]
    if name.startswith("ListObjects"):
        assert operation.prefix == KEY.encode()  # type: ignore[union-attr]
        assert operation.encoding_type == "url"  # type: ignore[union-attr]
