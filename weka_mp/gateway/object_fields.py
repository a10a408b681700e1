"""Header fields that describe an object: of GET, HEAD and what shares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from weka_mp.gateway.reply import Fields
from weka_mp.s3.dates import format_http_date
from weka_mp.s3.headers_out import DEFAULT_CONTENT_TYPE, encode_text, override
from weka_mp.s3.request import is_field_name

if TYPE_CHECKING:
    from weka_mp.namespace import ObjectInfo

__all__ = ["checksum_fields", "last_modified", "object_fields", "quoted", "validator_fields"]

_NANOSECONDS: Final = 1_000_000_000
_CONTENT: Final = (
    ("Cache-Control", "cache_control"),
    ("Content-Disposition", "content_disposition"),
    ("Content-Encoding", "content_encoding"),
    ("Content-Language", "content_language"),
    ("Expires", "expires"),
    ("x-amz-website-redirect-location", "website_redirect"),
)


def last_modified(info: ObjectInfo) -> int:
    """Whole seconds since the epoch, as Last-Modified and conditions see it."""
    return info.mtime_ns // _NANOSECONDS


def quoted(etag: str) -> str:
    """An entity tag as headers carry it."""
    return f'"{etag}"'


def validator_fields(info: ObjectInfo) -> Fields:
    """ETag and Last-Modified: all that a 304 carries of an object."""
    return (("Last-Modified", format_http_date(last_modified(info))), ("ETag", quoted(info.etag)))


def object_fields(info: ObjectInfo, overrides: Fields) -> list[tuple[str, str]]:
    """All that describes the object but its length. overrides: response-* parameters of the request."""
    headers = info.headers
    fields = [
        *validator_fields(info), ("Accept-Ranges", "bytes"),
        ("Content-Type", encode_text(headers.content_type or DEFAULT_CONTENT_TYPE)),
    ]
    for name, attribute in _CONTENT:
        value = getattr(headers, attribute)
        if value is not None:
            fields.append((name, encode_text(value)))
    if overrides:
        fields = override(fields, overrides)
    if info.user:
        fields += _user_fields(info.user)
    return fields


def _user_fields(user: Mapping[str, str]) -> list[tuple[str, str]]:
    """x-amz-meta-* for every name that can be a header's; S3 tells only how many others there are."""
    fields = [
        (f"x-amz-meta-{name}", encode_text(value)) for name, value in user.items() if is_field_name(name)
    ]
    if len(fields) < len(user):
        fields.append(("x-amz-missing-meta", str(len(user) - len(fields))))
    return fields


def checksum_fields(checksums: Mapping[str, str], checksum_type: str | None) -> Fields:
    """x-amz-checksum-ALGORITHM for each, and their type; nothing when there is none."""
    if not checksums:
        return ()
    fields = tuple((f"x-amz-checksum-{name.lower()}", value) for name, value in checksums.items())
    return fields if checksum_type is None else (*fields, ("x-amz-checksum-type", checksum_type))
