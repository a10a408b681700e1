"""What operations are called in logs: ``REST.<method>.<resource>``.

Source: the examples of "Amazon S3 server access log format"; AWS has no list of them. What it shows nowhere
is the operation's name without its verb.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["COPIED_FROM", "logged_name"]

_KNOWN: Final = {
    "ListBuckets": "SERVICE",
    **dict.fromkeys(
        ("ListObjects", "ListObjectsV2", "CreateBucket", "HeadBucket", "DeleteBucket", "PostObject"), "BUCKET"
    ),
    **dict.fromkeys(("GetObject", "HeadObject", "PutObject", "DeleteObject"), "OBJECT"),
    **dict.fromkeys(("GetBucketAcl", "PutBucketAcl", "GetObjectAcl", "PutObjectAcl"), "ACL"),
    **dict.fromkeys(("CreateMultipartUpload", "ListMultipartUploads"), "UPLOADS"),
    **dict.fromkeys(("CompleteMultipartUpload", "AbortMultipartUpload", "ListParts"), "UPLOAD"),
    "UploadPart": "PART",
    "DeleteObjects": "MULTI_OBJECT_DELETE",
    "ListObjectVersions": "BUCKETVERSIONS",
    **{f"{verb}ObjectTagging": "OBJECT_TAGGING" for verb in ("Get", "Put", "Delete")},
    **{f"{verb}BucketPolicy": "BUCKETPOLICY" for verb in ("Get", "Put", "Delete")},
    **{f"{verb}BucketLogging": "LOGGING_STATUS" for verb in ("Get", "Put")},
    "CORSPreflight": "PREFLIGHT",
}
COPIED_FROM: Final = {"CopyObject": "REST.COPY.OBJECT_GET", "UploadPartCopy": "REST.COPY.PART_GET"}
"""Operation → what its source's bucket logs."""

_SPECIAL: Final = {
    "CopyObject": "REST.COPY.OBJECT",
    "UploadPartCopy": "REST.COPY.PART",
    "VisitWebsite": "WEBSITE.{method}.OBJECT",
}
_VERB: Final = re.compile(r"\A(Get|Put|Delete|List|Create|Update|Head)")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@lru_cache(maxsize=512)
def logged_name(operation: str, method: str) -> str:
    """operation: ``-`` where it is not known what was asked for."""
    special = _SPECIAL.get(operation)
    if special is not None:
        return special.format(method=_method(method))
    return f"REST.{_method(method)}.{_KNOWN.get(operation) or _derived(operation)}"


def _method(method: str) -> str:
    return method if method.isascii() and method.isalpha() else "UNKNOWN"


def _derived(operation: str) -> str:
    if not operation.isalnum():
        return "UNKNOWN"
    name = _VERB.sub("", operation).removeprefix("Bucket").removesuffix("Configuration")
    return _HUMP.sub("_", name).upper() or "UNKNOWN"
