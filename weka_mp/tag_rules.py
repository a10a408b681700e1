"""What a tag may be: the one rule, for both views and for S3's parsers. A leaf.

Source: "Tagging objects" and "Tag restrictions" of the Amazon S3 user guide: keys of 1 to 128 and values of
0 to 256 characters in UTF-16 (one beyond the basic plane counts twice), letters, numbers and white space of
any script and ``+ - = . _ : / @``; keys that begin with ``aws:`` are AWS's own.
"""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["MAX_BUCKET_TAGS", "MAX_OBJECT_TAGS", "is_reserved_key", "is_tag_key", "is_tag_value"]

MAX_OBJECT_TAGS: Final = 10
MAX_BUCKET_TAGS: Final = 50
_MAX_KEY: Final = 128
_MAX_VALUE: Final = 256
_MARKS: Final = frozenset("+-=._:/@")
_BASIC_PLANE: Final = 0xFFFF
_RESERVED: Final = "aws:"


def is_tag_key(key: str) -> bool:
    """Whether a tag may have this key, if it is not a reserved one."""
    return 0 < _utf16_length(key) <= _MAX_KEY and _allowed(key)


def is_tag_value(value: str) -> bool:
    """Whether a tag may have this value."""
    return _utf16_length(value) <= _MAX_VALUE and _allowed(value)


def is_reserved_key(key: str) -> bool:
    """Whether only AWS itself could set it; in any case, as IAM and S3 compare it."""
    return key[: len(_RESERVED)].lower() == _RESERVED


def _utf16_length(text: str) -> int:
    return sum(2 if ord(character) > _BASIC_PLANE else 1 for character in text)


def _allowed(text: str) -> bool:
    return all(character in _MARKS or unicodedata.category(character)[0] in "LNZ" for character in text)
