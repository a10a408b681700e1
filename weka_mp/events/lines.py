"""One event as one line of a file: eight hexadecimal digits of CRC-32, a space, JSON in ASCII, a newline.

docs/STORAGE_FORMAT.md, "Events". What was torn by a power cut, or damaged, is no line and is left out.
"""

from __future__ import annotations

import json
import zlib
from typing import Any, Final

from weka_mp.events.types import TYPES, Event, EventType, Severity

__all__ = ["decode_line", "encode_line"]

_DIGITS: Final = 8
_FIELDS: Final = ("t", "type", "category", "severity", "user", "account", "source", "via", "about")


def encode_line(event: Event) -> bytes:
    """With its newline."""
    kind = event.type
    values = (
        event.time_ns, kind.name, kind.category, kind.severity.name, event.user, event.account, event.source,
        event.via, dict(event.parameters),
    )  # fmt: skip
    said = dict(zip(_FIELDS, values, strict=True))
    if event.owner:
        said["owner"] = event.owner
    text = json.dumps(said, separators=(",", ":")).encode("ascii")
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode_line(line: bytes) -> Event | None:
    """Of a line without its newline. None: it is none, or one that cannot be understood."""
    digest, _, text = line.partition(b" ")
    if len(digest) != _DIGITS or digest != b"%08x" % zlib.crc32(text):
        return None
    try:
        found: dict[str, Any] = json.loads(text)
        time_ns, name, category, severity, user, account, source, via, about = (found[key] for key in _FIELDS)
        # One of a later version is shown as well as can be.
        kind = TYPES.get(name) or EventType(name, category, "", Severity[severity])
        return Event(time_ns, kind, user, account, source, via, tuple(about.items()), found.get("owner", ""))
    except (ValueError, KeyError, AttributeError):
        return None
