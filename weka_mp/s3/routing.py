"""The one table from a request's shape to the name of an S3 operation.

Source: the S3 API reference; tools/check_s3_model.py holds the table against the service model of botocore,
so that every operation of the current API has its row whether it is built or not.

A row is (operation, method, scope, sub-resource, further marks). The sub-resource is a query parameter; a
mark is ``header:NAME``, ``query:NAME`` or ``query:NAME=VALUE``, and every mark of a row must be there. Of
the rows that fit, the first one wins, so that rows with more marks stand before those with fewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NewType

from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Address, S3Request

__all__ = ["CORS_PREFLIGHT", "ROUTES", "SUBRESOURCES", "SYNONYMS", "OperationName", "Route", "Scope", "route"]

OperationName = NewType("OperationName", str)

CORS_PREFLIGHT: Final = OperationName("CORSPreflight")
"""OPTIONS on a bucket or an object: no operation of the S3 API, but browsers ask."""


class Scope(Enum):
    """What a request is addressed to."""

    SERVICE = "SERVICE"
    BUCKET = "BUCKET"
    OBJECT = "OBJECT"


@dataclass(frozen=True, slots=True)
class Route:
    """One row. subresource is None for the operation on the thing itself."""

    name: OperationName
    method: str
    scope: Scope
    subresource: str | None
    marks: tuple[str, ...]


_SERVICE_ROWS: Final = """
    ListDirectoryBuckets    GET  -  query:max-directory-buckets
    ListBuckets             GET  -
"""

_BUCKET_ROWS: Final = """
    WriteGetObjectResponse  POST  -  header:x-amz-request-route
    CreateBucket            PUT   -
    HeadBucket              HEAD  -
    DeleteBucket            DELETE  -
    ListObjectsV2           GET   -  query:list-type=2
    ListObjects             GET   -
    PostObject              POST  -
    DeleteObjects           POST  delete
    CreateSession           GET   session
    GetBucketLocation       GET   location
    ListMultipartUploads    GET   uploads
    ListObjectVersions      GET   versions
    GetBucketAbac           GET   abac
    PutBucketAbac           PUT   abac
    GetBucketAccelerateConfiguration     GET  accelerate
    PutBucketAccelerateConfiguration     PUT  accelerate
    GetBucketAcl                         GET  acl
    PutBucketAcl                         PUT  acl
    GetBucketAnalyticsConfiguration      GET  analytics  query:id
    ListBucketAnalyticsConfigurations    GET  analytics
    PutBucketAnalyticsConfiguration      PUT  analytics
    DeleteBucketAnalyticsConfiguration   DELETE  analytics
    GetBucketCors                        GET  cors
    PutBucketCors                        PUT  cors
    DeleteBucketCors                     DELETE  cors
    GetBucketEncryption                  GET  encryption
    PutBucketEncryption                  PUT  encryption
    DeleteBucketEncryption               DELETE  encryption
    GetBucketIntelligentTieringConfiguration     GET  intelligent-tiering  query:id
    ListBucketIntelligentTieringConfigurations   GET  intelligent-tiering
    PutBucketIntelligentTieringConfiguration     PUT  intelligent-tiering
    DeleteBucketIntelligentTieringConfiguration  DELETE  intelligent-tiering
    GetBucketInventoryConfiguration      GET  inventory  query:id
    ListBucketInventoryConfigurations    GET  inventory
    PutBucketInventoryConfiguration      PUT  inventory
    DeleteBucketInventoryConfiguration   DELETE  inventory
    GetBucketLifecycleConfiguration      GET  lifecycle
    PutBucketLifecycleConfiguration      PUT  lifecycle
    DeleteBucketLifecycle                DELETE  lifecycle
    GetBucketLogging                     GET  logging
    PutBucketLogging                     PUT  logging
    CreateBucketMetadataConfiguration    POST  metadataConfiguration
    GetBucketMetadataConfiguration       GET  metadataConfiguration
    DeleteBucketMetadataConfiguration    DELETE  metadataConfiguration
    CreateBucketMetadataTableConfiguration   POST  metadataTable
    GetBucketMetadataTableConfiguration      GET  metadataTable
    DeleteBucketMetadataTableConfiguration   DELETE  metadataTable
    UpdateBucketMetadataAnnotationTableConfiguration  PUT  metadataAnnotationTable
    UpdateBucketMetadataInventoryTableConfiguration   PUT  metadataInventoryTable
    UpdateBucketMetadataJournalTableConfiguration     PUT  metadataJournalTable
    GetBucketMetricsConfiguration        GET  metrics  query:id
    ListBucketMetricsConfigurations      GET  metrics
    PutBucketMetricsConfiguration        PUT  metrics
    DeleteBucketMetricsConfiguration     DELETE  metrics
    GetBucketNotificationConfiguration   GET  notification
    PutBucketNotificationConfiguration   PUT  notification
    GetObjectLockConfiguration           GET  object-lock
    PutObjectLockConfiguration           PUT  object-lock
    GetBucketOwnershipControls           GET  ownershipControls
    PutBucketOwnershipControls           PUT  ownershipControls
    DeleteBucketOwnershipControls        DELETE  ownershipControls
    GetBucketPolicy                      GET  policy
    PutBucketPolicy                      PUT  policy
    DeleteBucketPolicy                   DELETE  policy
    GetBucketPolicyStatus                GET  policyStatus
    GetPublicAccessBlock                 GET  publicAccessBlock
    PutPublicAccessBlock                 PUT  publicAccessBlock
    DeletePublicAccessBlock              DELETE  publicAccessBlock
    GetBucketReplication                 GET  replication
    PutBucketReplication                 PUT  replication
    DeleteBucketReplication              DELETE  replication
    GetBucketRequestPayment              GET  requestPayment
    PutBucketRequestPayment              PUT  requestPayment
    GetBucketTagging                     GET  tagging
    PutBucketTagging                     PUT  tagging
    DeleteBucketTagging                  DELETE  tagging
    GetBucketVersioning                  GET  versioning
    PutBucketVersioning                  PUT  versioning
    GetBucketWebsite                     GET  website
    PutBucketWebsite                     PUT  website
    DeleteBucketWebsite                  DELETE  website
    CORSPreflight                        OPTIONS  -
"""

_OBJECT_ROWS: Final = """
    CopyObject               PUT   -  header:x-amz-copy-source
    PutObject                PUT   -
    GetObject                GET   -
    HeadObject               HEAD  -
    DeleteObject             DELETE  -
    CreateMultipartUpload    POST  uploads
    UploadPartCopy           PUT   uploadId  query:partNumber  header:x-amz-copy-source
    UploadPart               PUT   uploadId  query:partNumber
    ListParts                GET   uploadId
    CompleteMultipartUpload  POST  uploadId
    AbortMultipartUpload     DELETE  uploadId
    GetObjectAcl             GET   acl
    PutObjectAcl             PUT   acl
    GetObjectAnnotation      GET   annotation  query:annotationName
    ListObjectAnnotations    GET   annotation
    PutObjectAnnotation      PUT   annotation
    DeleteObjectAnnotation   DELETE  annotation
    GetObjectAttributes      GET   attributes
    UpdateObjectEncryption   PUT   encryption
    GetObjectLegalHold       GET   legal-hold
    PutObjectLegalHold       PUT   legal-hold
    RenameObject             PUT   renameObject
    RestoreObject            POST  restore
    GetObjectRetention       GET   retention
    PutObjectRetention       PUT   retention
    SelectObjectContent      POST  select  query:select-type=2
    GetObjectTagging         GET   tagging
    PutObjectTagging         PUT   tagging
    DeleteObjectTagging      DELETE  tagging
    GetObjectTorrent         GET   torrent
    CORSPreflight            OPTIONS  -
"""

SYNONYMS: Final = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
}
"""Old names of the API for operations that the wire does not tell apart from their successors."""


def _rows(scope: Scope, text: str) -> list[Route]:
    rows = []
    for line in text.strip().splitlines():
        name, method, subresource, *marks = line.split()
        rows.append(Route(
            OperationName(name), method, scope, None if subresource == "-" else subresource, tuple(marks)))
    return rows


ROUTES: Final[tuple[Route, ...]] = (
    *_rows(Scope.SERVICE, _SERVICE_ROWS),
    *_rows(Scope.BUCKET, _BUCKET_ROWS),
    *_rows(Scope.OBJECT, _OBJECT_ROWS),
)

_BY_SHAPE: Final[dict[tuple[str, Scope, str | None], list[Route]]] = {}
for _row in ROUTES:
    _BY_SHAPE.setdefault((_row.method, _row.scope, _row.subresource), []).append(_row)

SUBRESOURCES: Final = frozenset(row.subresource for row in ROUTES if row.subresource is not None)
"""Query parameters that make another operation of a request."""


def _mark_holds(request: S3Request, mark: str) -> bool:
    kind, _, rest = mark.partition(":")
    if kind == "header":
        return rest in request.headers
    name, equals, value = rest.partition("=")
    return request.query_value(name) == value if equals else request.has_query(name)


def _not_allowed(request: S3Request, scope: Scope, subresource: str | None) -> S3Error:
    allowed = sorted({row.method for row in ROUTES if row.scope is scope and row.subresource == subresource})
    return S3Error(
        "MethodNotAllowed",
        details={"Method": request.method, "ResourceType": (subresource or scope.value).upper()},
        headers={"Allow": ", ".join(allowed)} if allowed else {},
    )


def _subresource(request: S3Request) -> str | None:
    named = {name for name, _ in request.query if name in SUBRESOURCES}
    if len(named) > 1:
        listing = ", ".join(sorted(named))
        raise S3Error(
            "InvalidArgument", f"Conflicting query string parameters: {listing}",
            details={"ArgumentName": "ResourceType", "ArgumentValue": sorted(named)[0]},
        )
    return named.pop() if named else None


def route(request: S3Request, address: Address) -> OperationName:
    """The name of the operation a request asks for, built or not.

    Query parameters that name no sub-resource (x-id of the SDKs, signatures, whatever else) are not looked
    at. Raises S3Error MethodNotAllowed (405) where the thing or sub-resource knows no such method, and
    InvalidArgument where two sub-resources are named at once.
    """
    if address.bucket is None:
        scope = Scope.SERVICE
    else:
        scope = Scope.BUCKET if address.key is None else Scope.OBJECT
    subresource = _subresource(request) if request.query else None
    for row in _BY_SHAPE.get((request.method, scope, subresource), ()):
        if all(_mark_holds(request, mark) for mark in row.marks):
            return row.name
    if request.method == "OPTIONS" and scope is not Scope.SERVICE:
        return CORS_PREFLIGHT
    raise _not_allowed(request, scope, subresource)
