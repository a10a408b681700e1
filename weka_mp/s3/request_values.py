"""What the values of several operations hold: an object's metadata and conditions, as clients send them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "NO_READ_CONDITIONS", "NO_WRITE_CONDITIONS", "ObjectMetadata", "ReadConditions", "WriteConditions",
]


@dataclass(frozen=True, slots=True)
class ObjectMetadata:
    """What a client wants kept with an object.

    Header values are text as sent. user: (lower-case name without the prefix x-amz-meta-, text) in the
    order sent. tags: (key, value) in the order sent.
    """

    content_type: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    expires: str | None = None
    website_redirect: str | None = None
    user: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ReadConditions:
    """Conditions of a GET, a HEAD or a copy source. Tags as sent; times in seconds since the epoch."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: int | None = None
    if_unmodified_since: int | None = None


@dataclass(frozen=True, slots=True)
class WriteConditions:
    """Conditions of a PUT, a copy or a completion. if_none_match is ``*`` or None."""

    if_match: str | None = None
    if_none_match: str | None = None


NO_READ_CONDITIONS: Final = ReadConditions()
NO_WRITE_CONDITIONS: Final = WriteConditions()
