"""A routed request into the value of its operation: typed, checked, nothing left to guess.

Source: the request syntaxes and error texts of the S3 API reference.
"""

from __future__ import annotations

from typing import Final

from weka_mp.s3.encryption import REMEDIES
from weka_mp.s3.errors import S3Error
from weka_mp.s3.headers_in import refuse_misplaced, refuse_unbuilt
from weka_mp.s3.operations import Operation
from weka_mp.s3.parameters import bucket_of, invalid
from weka_mp.s3.parse_buckets import BUCKET_PARSERS
from weka_mp.s3.parse_configuration import CONFIGURATION_PARSERS
from weka_mp.s3.parse_objects import OBJECT_PARSERS
from weka_mp.s3.parse_uploads import UPLOAD_PARSERS
from weka_mp.s3.request import Address, S3Request, check_bucket_name, require_bucket_name
from weka_mp.s3.routing import OperationName

__all__ = ["PARSERS", "parse"]

PARSERS: Final = {**BUCKET_PARSERS, **CONFIGURATION_PARSERS, **OBJECT_PARSERS, **UPLOAD_PARSERS}
_OF_ONE_VERSION: Final = frozenset({
    "GetObject", "HeadObject", "GetObjectAcl", "GetObjectAttributes", "DeleteObject", "PutObjectAcl",
    "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging",
    "GetObjectRetention", "PutObjectRetention", "GetObjectLegalHold", "PutObjectLegalHold",
})


def _refuse_version(request: S3Request) -> None:
    """No version is written or listed by its id (S3 says so of UploadPart, also for one that exists)."""
    version = request.query_value("versionId")
    if version is not None:
        raise invalid("This operation does not accept a version-id.", "versionId", version)


def parse(request: S3Request, address: Address, name: OperationName, body: bytes | None) -> Operation:
    """The operation that a request asks for.

    name: what `route` answered. body: the whole body of an operation in BODY_LIMITS, None for all others.
    Raises S3Error: NotImplemented naming the operation or the header that is not built, InvalidBucketName or
    NoSuchBucket for names that no bucket has, and whatever the parameters deserve.
    """
    parser = PARSERS.get(name)
    if parser is None:
        message = f"The operation {name} is not implemented. {REMEDIES.get(name, '')}".rstrip()
        raise S3Error("NotImplemented", message, details={"Operation": name})
    if name == "CreateBucket":
        check_bucket_name(bucket_of(address))
    elif address.bucket is not None:
        require_bucket_name(address.bucket)
    refuse_unbuilt(request.headers)
    refuse_misplaced(request.headers, name)
    if request.query and name not in _OF_ONE_VERSION:
        _refuse_version(request)
    return parser(request, address, body)
