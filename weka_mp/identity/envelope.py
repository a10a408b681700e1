"""The form of every record of identities: a line with a digest, then one line of JSON.

``WKI1 <SHA-256 of the JSON line, 64 hex digits>`` LF JSON in ASCII with sorted keys LF.
docs/STORAGE_FORMAT.md describes the records.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from weka_mp.identity.errors import IdentityUnusable, InvalidInput

__all__ = ["Damaged", "open_envelope", "plain", "typed", "wrap"]

_MAGIC: Final = b"WKI1 "
_HEAD: Final = len(_MAGIC) + 64 + 1

Value = TypeVar("Value")
Reader = Callable[[Any], Any]


class Damaged(IdentityUnusable):
    """The record is not what was written."""


def wrap(content: Mapping[str, object]) -> bytes:
    """The record's bytes."""
    line = json.dumps(content, sort_keys=True).encode("ascii") + b"\n"
    return _MAGIC + hashlib.sha256(line).hexdigest().encode() + b"\n" + line


def open_envelope(data: bytes, what: str) -> dict[str, Any]:
    """The JSON object of a record. Raises Damaged naming `what`, and never its content."""
    head, line = data[:_HEAD], data[_HEAD:]
    if head != _MAGIC + hashlib.sha256(line).hexdigest().encode() + b"\n":
        raise Damaged(f"{what} is damaged: restore it from a backup")
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        raise Damaged(f"{what} is damaged: it is no JSON") from None
    if not isinstance(content, dict):
        raise Damaged(f"{what} is damaged: it is no JSON object")
    return content


def plain(value: object) -> object:
    """A frozen value as JSON carries it: objects of their fields, lists, the values of enumerations."""
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return [plain(entry) for entry in value]
    return value


def typed(kind: type[Value], content: object, readers: Mapping[str, Reader], what: str) -> Value:
    """The frozen value back: exactly its fields, each of its type. Raises Damaged.

    readers: a field's annotation as it is written → what makes its value of JSON's.
    """
    fields = {field.name: str(field.type) for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if not isinstance(content, dict) or content.keys() != fields.keys():
        raise Damaged(f"{what} is damaged: these are not its fields")
    try:
        return kind(**{name: readers[annotation](content[name]) for name, annotation in fields.items()})
    except (TypeError, ValueError, InvalidInput):
        raise Damaged(f"{what} is damaged: a field has no legal value") from None
