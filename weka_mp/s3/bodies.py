"""The documents in requests into values: CreateBucketConfiguration, Delete, CompleteMultipartUpload, a
bucket's policy, PublicAccessBlockConfiguration.

Source: the request syntaxes of the S3 API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final
from xml.etree.ElementTree import Element

from weka_mp.s3 import configuration_bodies, notification_xml, object_lock
from weka_mp.s3.checksums import Algorithm, decode_digest
from weka_mp.s3.dates import parse_http_date, parse_iso
from weka_mp.s3.errors import S3Error
from weka_mp.s3.lifecycle_xml import MAX_LIFECYCLE_BYTES
from weka_mp.s3.operations import CompletedPart, DeleteEntry
from weka_mp.s3.request import MAX_KEY_BYTES
from weka_mp.s3.select_request import MAX_SELECT_BYTES
from weka_mp.s3.tags import MAX_TAGGING_BYTES, Tags, tags_of_bucket
from weka_mp.s3.xml_read import children, document, number, text
from weka_mp.values import ObjectKey

__all__ = [
    "BODY_LIMITS", "bucket_policy", "completed_parts", "delete_entries", "new_bucket",
    "public_access_block",
]

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB

# A thousand keys of 1 KiB, each byte of which may need a reference of six characters, would be 6 MiB; S3
# itself stops at 2 MiB for Delete. Ten thousand parts with one checksum each are about 2 MiB.
BODY_LIMITS: Final[Mapping[str, int]] = MappingProxyType({
    "CreateBucket": 64 * _KIB,
    "DeleteObjects": 2 * _MIB,
    "CompleteMultipartUpload": 4 * _MIB,
    "PutBucketPolicy": 64 * _KIB,  # a policy that is too long, but not absurd, is told what is wrong with it
    "PutPublicAccessBlock": 64 * _KIB,
    "PutBucketLifecycleConfiguration": MAX_LIFECYCLE_BYTES,
    **dict.fromkeys(("PutObjectTagging", "PutBucketTagging"), MAX_TAGGING_BYTES),
    "SelectObjectContent": MAX_SELECT_BYTES,
    **configuration_bodies.LIMITS,
    **notification_xml.LIMITS,
    **object_lock.LIMITS,
})
"""Operations whose whole body is read before they are parsed, with the most bytes it may have."""

MAX_DELETE_ENTRIES: Final = 1000
MAX_PARTS: Final = 10_000
_CHECKSUM_ELEMENTS: Final = {f"Checksum{algorithm.value}": algorithm for algorithm in Algorithm}
_PART_ELEMENTS: Final = frozenset({"PartNumber", "ETag", *_CHECKSUM_ELEMENTS})
_ENTRY_ELEMENTS: Final = frozenset({"Key", "VersionId", "ETag", "Size", "LastModifiedTime"})
_BLOCK_ELEMENTS: Final = (
    "BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets",
)
_BUCKET_ELEMENTS: Final = frozenset({"LocationConstraint", "Location", "Bucket", "Tags"})


def _fields(element: Element, known: frozenset[str]) -> dict[str, Element]:
    """The children by name, each at most once. Raises MalformedXML."""
    found = children(element, known)
    fields = dict(found)
    if len(fields) != len(found):
        raise S3Error("MalformedXML")
    return fields


def _not_implemented(element: str) -> S3Error:
    return S3Error(
        "NotImplemented", f"An element you provided implies functionality that is not implemented: {element}",
        details={"Element": element},
    )


def new_bucket(body: bytes | None) -> tuple[str | None, Tags]:
    """The region named in a CreateBucketConfiguration, None without a body or without one in it; its tags.

    Raises S3Error MalformedXML, NotImplemented for directory buckets, and what `bucket_tags` raises.
    """
    if not body:
        return None, ()
    fields = _fields(
        document(body, "CreateBucketConfiguration", BODY_LIMITS["CreateBucket"]), _BUCKET_ELEMENTS)
    for name in ("Location", "Bucket"):
        if name in fields and (len(fields[name]) or (fields[name].text or "").strip()):
            raise _not_implemented(name)
    location = text(fields["LocationConstraint"]).strip() if "LocationConstraint" in fields else ""
    return location or None, tags_of_bucket(fields["Tags"]) if "Tags" in fields else ()


def bucket_policy(body: bytes | None) -> str:
    """The text of a policy; what it says is judged elsewhere. Raises S3Error MalformedPolicy."""
    try:
        written = (body or b"").decode("utf-8")
    except UnicodeDecodeError:
        written = ""
    if not written.lstrip(" \t\r\n").startswith("{"):
        raise S3Error("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
    return written


def public_access_block(body: bytes | None) -> tuple[bool, bool, bool, bool]:
    """The settings of a PublicAccessBlockConfiguration in its own order.

    Raises S3Error MissingRequestBodyError or MalformedXML.
    """
    if not body:
        raise S3Error("MissingRequestBodyError")
    root = document(body, "PublicAccessBlockConfiguration", BODY_LIMITS["PutPublicAccessBlock"])
    fields = _fields(root, frozenset(_BLOCK_ELEMENTS))
    acls, ignored, policy, restricted = (
        name in fields and _truth(fields[name]) for name in _BLOCK_ELEMENTS
    )
    return acls, ignored, policy, restricted


def _truth(element: Element) -> bool:
    word = text(element).strip().lower()
    if word not in ("true", "false"):
        raise S3Error("MalformedXML")
    return word == "true"


def _instant(element: Element) -> int:
    written = text(element)
    seconds = parse_http_date(written)
    if seconds is None:
        seconds = parse_iso(written)
    if seconds is None:
        raise S3Error("MalformedXML")
    return seconds


def _delete_entry(element: Element) -> DeleteEntry:
    fields = _fields(element, _ENTRY_ELEMENTS)
    if "Key" not in fields:
        raise S3Error("MalformedXML")
    key = text(fields["Key"]).encode("utf-8")
    if not key:
        raise S3Error("UserKeyMustBeSpecified")
    if len(key) > MAX_KEY_BYTES:
        sizes = {"Size": str(len(key)), "MaxSizeAllowed": str(MAX_KEY_BYTES)}
        raise S3Error("KeyTooLongError", details=sizes)
    return DeleteEntry(
        ObjectKey(key),
        text(fields["ETag"]) if "ETag" in fields else None,
        number(fields["Size"]) if "Size" in fields else None,
        _instant(fields["LastModifiedTime"]) if "LastModifiedTime" in fields else None,
        (text(fields["VersionId"]) or None) if "VersionId" in fields else None,
    )


def delete_entries(body: bytes | None) -> tuple[tuple[DeleteEntry, ...], bool]:
    """The entries of a Delete document and whether it asks for quiet.

    Raises S3Error MissingRequestBodyError, MalformedXML (also for no entry and for more than 1000),
    UserKeyMustBeSpecified or KeyTooLongError.
    """
    if not body:
        raise S3Error("MissingRequestBodyError")
    found = children(document(body, "Delete", BODY_LIMITS["DeleteObjects"]), frozenset({"Object", "Quiet"}))
    objects = [element for name, element in found if name == "Object"]
    if not 1 <= len(objects) <= MAX_DELETE_ENTRIES:
        raise S3Error("MalformedXML")
    quiet = [text(element).strip().lower() for name, element in found if name == "Quiet"]
    if len(quiet) > 1 or any(word not in ("true", "false", "1", "0", "") for word in quiet):
        raise S3Error("MalformedXML")
    return tuple(map(_delete_entry, objects)), quiet in (["true"], ["1"])


def _completed_part(element: Element) -> CompletedPart:
    fields = _fields(element, _PART_ELEMENTS)
    if "PartNumber" not in fields or "ETag" not in fields:
        raise S3Error("MalformedXML")
    part = _part_number(fields["PartNumber"])
    etag = text(fields["ETag"]).strip().strip('"')
    sums = tuple(
        (algorithm, text(fields[name]).strip())
        for name, algorithm in _CHECKSUM_ELEMENTS.items()
        if name in fields
    )
    if len(sums) > 1 or any(decode_digest(*sum_of_part) is None for sum_of_part in sums):
        shown = "".join(f"{algorithm.value}:{value};" for algorithm, value in sums)
        raise S3Error(
            "InvalidArgument", "Invalid Base64 or multiple checksums present in request",
            details={"ArgumentName": "Checksum", "ArgumentValue": shown},
        )
    return CompletedPart(part, etag, tuple((algorithm.value, value) for algorithm, value in sums))


def _part_number(element: Element) -> int:
    """Raises S3Error MalformedXML, InvalidArgument."""
    part = number(element, signed=True)
    if 1 <= part <= MAX_PARTS:
        return part
    message = "PartNumber must be >= 1"
    if part > MAX_PARTS:
        message = f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive"
    raise S3Error(
        "InvalidArgument", message, details={"ArgumentName": "PartNumber", "ArgumentValue": str(part)}
    )


def completed_parts(body: bytes | None) -> tuple[CompletedPart, ...]:
    """The parts of a CompleteMultipartUpload document, strictly ascending.

    Raises S3Error InvalidRequest (no body), MalformedXML, InvalidArgument or InvalidPartOrder.
    """
    if not body:
        raise S3Error("InvalidRequest", "You must specify at least one part")
    root = document(body, "CompleteMultipartUpload", BODY_LIMITS["CompleteMultipartUpload"])
    found = children(root, frozenset({"Part"}))
    if not 1 <= len(found) <= MAX_PARTS:
        raise S3Error("MalformedXML")
    parts = tuple(_completed_part(element) for _, element in found)
    if any(later.number <= earlier.number for earlier, later in pairwise(parts)):
        raise S3Error("InvalidPartOrder")
    return parts
