"""S3 metadata as extended attributes ``user.s3.*``: names, values, and what a record becomes. Pure.

======================================================  ======================================================
``content-type``, ``cache-control``,                    the content headers; the last one is S3's
``content-disposition``, ``content-encoding``,          x-amz-website-redirect-location
``content-language``, ``expires``,
``website-redirect-location``
``meta.NAME``                                           user metadata, x-amz-meta-NAME; lower case
``tag.NAME``                                            one object tag
======================================================  ======================================================

Values are UTF-8. What S3 would not take is refused here too (AWS, "Working with object metadata", "Object
tagging restrictions"). ``etag``, ``checksum.ALGO`` and ``version-id`` are answers and no metadata: see
`weka_mp.namespace.tree.node_xattrs`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace

from weka_mp.errors import InvalidArgument, NoAttribute, NoSpace, NotSupported
from weka_mp.namespace.records.values import ContentHeaders, Record
from weka_mp.tag_rules import MAX_OBJECT_TAGS, is_reserved_key, is_tag_key, is_tag_value

__all__ = ["PREFIX", "changed", "listed", "value_of"]

PREFIX = b"user.s3."
_MAX_NAME_BYTES = 255  # XATTR_NAME_MAX (limits.h of Linux): a longer one could be listed and not read
MAX_USER_BYTES = 2048  # names and values together, S3's limit
MAX_HEADER_BYTES = 8192  # content headers together: S3's limit of all headers of a request

_HEADERS = {
    item.name.replace("_", "-").replace("website-redirect", "website-redirect-location"): item.name
    for item in fields(ContentHeaders)
}
_META, _TAG = "meta.", "tag."
_LOWER_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # RFC 9110, 5.6.2; S3 keeps names in lower case
_NO_HEADER = re.compile(r"[\r\n\0]|^[ \t]|[ \t]\Z")  # RFC 9110, 5.5: a field value has none of these
_REDIRECTS = ("/", "http://", "https://")


def listed(record: Record) -> list[bytes]:
    """The attributes that a record has, with their prefix."""
    names = [name for name, field in _HEADERS.items() if getattr(record.headers, field) is not None]
    names += [_META + name for name in record.user]
    names += [_TAG + name for name in record.tags]
    found = [PREFIX + name.encode() for name in names]
    return [name for name in found if len(name) <= _MAX_NAME_BYTES]


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidArgument("not UTF-8", subject=data) from error


def value_of(record: Record, name: bytes) -> bytes:
    """The value of ``user.s3.<name>``. Raises NoAttribute."""
    try:
        text = name.decode()
    except UnicodeDecodeError as error:
        raise NoAttribute(subject=name) from error
    found: str | None = None
    if text in _HEADERS:
        found = getattr(record.headers, _HEADERS[text])
    elif text.startswith(_META):
        found = record.user.get(text[len(_META) :])
    elif text.startswith(_TAG):
        found = record.tags.get(text[len(_TAG) :])
    if found is None:
        raise NoAttribute(subject=name)
    return found.encode("utf-8", "surrogateescape")


def changed(record: Record, name: bytes, value: bytes | None) -> Record:
    """The record with this attribute set, or taken away (None).

    Raises NotSupported (no such name), InvalidArgument (S3 would not take it), NoSpace (a limit of S3's) and
    NoAttribute (nothing there to take away).
    """
    if value is None:
        value_of(record, name)
    text, new = _text(name), None if value is None else _text(value)
    if text in _HEADERS:
        return replace(record, headers=_with_header(record.headers, text, new))
    if text.startswith(_META):
        return replace(record, user=_with_user(record.user, text[len(_META) :], new))
    if text.startswith(_TAG):
        return replace(record, tags=_with_tag(record.tags, text[len(_TAG) :], new))
    raise NotSupported("no such S3 metadata", subject=name)


def _with_header(headers: ContentHeaders, name: str, value: str | None) -> ContentHeaders:
    if value is not None:
        if not value or _NO_HEADER.search(value):
            raise InvalidArgument("a header cannot have this value", subject=name)
        if name == "website-redirect-location" and not value.startswith(_REDIRECTS):
            raise InvalidArgument("a redirect begins with /, http:// or https://", subject=name)
    found = replace(headers, **{_HEADERS[name]: value})
    if value is not None and _size(found) > MAX_HEADER_BYTES:
        raise NoSpace("more headers than S3 takes", subject=name)
    return found


def _size(headers: ContentHeaders) -> int:
    values = (getattr(headers, field) for field in _HEADERS.values())
    return sum(len(value.encode("utf-8", "surrogateescape")) for value in values if value is not None)


def _with(pairs: Mapping[str, str], name: str, value: str | None) -> dict[str, str]:
    found = dict(pairs)
    found.pop(name, None)
    if value is not None:
        found[name] = value
    return found


def _with_user(user: Mapping[str, str], name: str, value: str | None) -> dict[str, str]:
    if value is not None and (not _LOWER_TOKEN.fullmatch(name) or _NO_HEADER.search(value)):
        raise InvalidArgument("no user metadata of S3", subject=name)
    found = _with(user, name, value)
    size = sum(len(key) + len(text.encode("utf-8", "surrogateescape")) for key, text in found.items())
    if value is not None and size > MAX_USER_BYTES:
        raise NoSpace("more user metadata than S3 takes", subject=name)
    return found


def _with_tag(tags: Mapping[str, str], name: str, value: str | None) -> dict[str, str]:
    if value is not None and (not is_tag_key(name) or is_reserved_key(name) or not is_tag_value(value)):
        raise InvalidArgument("no tag of S3", subject=name)
    found = _with(tags, name, value)
    if value is not None and len(found) > MAX_OBJECT_TAGS:
        raise NoSpace("more tags than S3 takes", subject=name)
    return found
