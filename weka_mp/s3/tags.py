"""Tags of objects and buckets as requests write them: the header x-amz-tagging and the document Tagging.

Source: PutObject, PutObjectTagging and PutBucketTagging of the S3 API reference and "Tagging objects" of the
user guide; texts of errors as AWS words them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes, urlencode
from xml.etree.ElementTree import Element

from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers
from weka_mp.s3.xml_read import children, document, text
from weka_mp.tag_rules import (
    MAX_BUCKET_TAGS,
    MAX_OBJECT_TAGS,
    is_reserved_key,
    is_tag_key,
    is_tag_value,
)

__all__ = [
    "MAX_TAGGING_BYTES", "TAGGING", "Tags", "bucket_tags", "header_tags", "header_text", "object_tags",
    "requested_tags", "tags_of_bucket",
]  # fmt: skip

Tags = tuple[tuple[str, str], ...]
"""(key, value) in the order sent; no key twice."""

TAGGING: Final = "x-amz-tagging"
MAX_TAGGING_BYTES: Final = 256 * 1024
"""Fifty tags, each of whose UTF-16 units may need a reference of nine characters, are 173 KB."""

_TOO_MANY_OF_BUCKET: Final = "Bucket tag count cannot be greater than"
_BAD_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ENCODING: Final = (
    f"The header '{TAGGING}' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name "
    "duplicates."
)


def requested_tags(headers: Headers) -> Tags:
    """The tags that a write is to give its object; none without the header. Raises as `header_tags`."""
    value = headers.get(TAGGING)
    return header_tags(value) if value else ()


def header_tags(value: str) -> Tags:
    """The tags of ``a=1&b=2``, percent-encoded UTF-8; a plus is a space.

    Raises S3Error InvalidArgument (not so encoded, a key twice), InvalidTag, BadRequest (too many).
    """
    try:
        raw = value.encode("latin-1")  # what headers are read as
    except UnicodeEncodeError:  # from a pre-signed query, where it was text already
        raw = value.encode("utf-8")
    pieces = [piece for piece in raw.split(b"&") if piece]
    found = tuple((_decoded(value, key), _decoded(value, text)) for key, _, text in (
        piece.partition(b"=") for piece in pieces
    ))
    if "" in dict(found) or len(dict(found)) != len(found):
        raise _misencoded(value)
    return _checked(found, MAX_OBJECT_TAGS, "Object tags cannot be greater than")


def header_text(tags: Iterable[tuple[str, str]]) -> str:
    """Tags as the header writes them."""
    return urlencode(list(tags))


def _decoded(value: str, raw: bytes) -> str:
    if _BAD_PERCENT.search(raw):
        raise _misencoded(value)
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _misencoded(value) from error


def _misencoded(value: str) -> S3Error:
    details = {"ArgumentName": TAGGING, "ArgumentValue": value}
    return S3Error("InvalidArgument", _ENCODING, details=details)


def object_tags(body: bytes | None) -> Tags:
    """The tags of PutObjectTagging and of a form's field. Raises S3Error MissingRequestBodyError,
    MalformedXML, InvalidTag, BadRequest (too many).
    """
    return _checked(_tag_set(body), MAX_OBJECT_TAGS, "Object tags cannot be greater than")


def bucket_tags(body: bytes | None) -> Tags:
    """The tags of PutBucketTagging. Raises as `object_tags`."""
    return _checked(_tag_set(body), MAX_BUCKET_TAGS, _TOO_MANY_OF_BUCKET)


def tags_of_bucket(element: Element) -> Tags:
    """Those in an element of other documents. Raises as `object_tags`."""
    return _checked(_tags(element), MAX_BUCKET_TAGS, _TOO_MANY_OF_BUCKET)


def _tag_set(body: bytes | None) -> Tags:
    if not body:
        raise S3Error("MissingRequestBodyError")
    sets = children(document(body, "Tagging", MAX_TAGGING_BYTES), frozenset({"TagSet"}))
    if len(sets) != 1:
        raise S3Error("MalformedXML")
    return _tags(sets[0][1])


def _tags(element: Element) -> Tags:
    return tuple(map(tag_of, (tag for _, tag in children(element, frozenset({"Tag"})))))


def tag_of(element: Element) -> tuple[str, str]:
    """The key and value of a Tag element, each exactly once. Raises S3Error MalformedXML."""
    found = children(element, frozenset({"Key", "Value"}))
    fields = dict(found)
    if len(found) != 2 or len(fields) != 2:
        raise S3Error("MalformedXML")
    return text(fields["Key"]), text(fields["Value"])


def _checked(tags: Tags, most: int, too_many: str) -> Tags:
    if len(tags) > most:
        raise S3Error("BadRequest", f"{too_many} {most}")
    seen: set[str] = set()
    for key, value in tags:
        check_tag(key, value)
        if key in seen:
            raise _invalid_tag("Cannot provide multiple Tags with the same key", key, value)
        seen.add(key)
    return tags


def check_tag(key: str, value: str) -> None:
    """Raises S3Error InvalidTag for what no client can tag anything with."""
    if not is_tag_key(key):
        raise _invalid_tag("The TagKey you have provided is invalid", key, value)
    if is_reserved_key(key):
        raise _invalid_tag("System tags cannot be added/updated by requester", key, value)
    if not is_tag_value(value):
        raise _invalid_tag("The TagValue you have provided is invalid", key, value)


def _invalid_tag(message: str, key: str, value: str) -> S3Error:
    return S3Error("InvalidTag", message, details={"TagKey": key, "TagValue": value})
