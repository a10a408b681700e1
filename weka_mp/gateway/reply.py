"""What the gateway answers with: values that the server turns into bytes on a connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from weka_mp.namespace.happenings import Happenings
from weka_mp.values import Change

if TYPE_CHECKING:
    from weka_mp.namespace import OpenObject

__all__ = ["XML", "BatchEntry", "Fields", "ObjectReply", "Reply", "xml_reply"]

Fields = tuple[tuple[str, str], ...]
"""Header fields of a reply in order; values are latin-1 text."""

XML: Fields = (("Content-Type", "application/xml"),)


class BatchEntry(NamedTuple):
    """What became of one key of a request about several, for the log of its bucket. operation: as logs call
    it; code: of the error, None: there was none.
    """

    operation: str
    key: bytes
    version: str | None
    status: int
    code: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response. changes: what the mounts must forget before it is sent.

    length: what Content-Length says where it is not the length of `body` (HEAD); None: the body's own.
    nothing_new: all was as it was asked to be, so that there is no event to keep. happenings: what became of
    objects, for those who are notified of it: kept before it is sent. entries: of a request
    about several keys.
    """

    status: int
    fields: Fields = ()
    body: bytes = b""
    changes: Sequence[Change] = ()
    length: int | None = None
    nothing_new: bool = False
    happenings: Happenings = ()
    entries: Sequence[BatchEntry] = ()


@dataclass(frozen=True, slots=True)
class ObjectReply:
    """A response whose body is `length` bytes of an open object from `start`; the receiver closes it."""

    status: int
    fields: Fields
    opened: OpenObject
    start: int
    length: int


def xml_reply(
    document: bytes, *, fields: Fields = (), changes: Sequence[Change] = (), happenings: Happenings = ()
) -> Reply:
    """200 with an XML document."""
    return Reply(200, XML + fields, document, changes, happenings=happenings)
