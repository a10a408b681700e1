"""Text of XML documents as S3 writes it: escaping and nothing else.

Rule: XML 1.0 section 2.2 (characters) and 2.4 (markup). An object key may hold characters that XML 1.0 cannot
carry even as references (U+0001, U+FFFE). S3 writes those as numeric references all the same, and tells
clients to ask for ``encoding-type=url`` when their parser refuses them; so do we.
"""

from __future__ import annotations

import re

__all__ = ["escape"]

_SPECIAL = re.compile("[&<>\"\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def _reference(found: re.Match[str]) -> str:
    character = found.group()
    return _NAMED.get(character) or f"&#x{ord(character):x};"


def escape(text: str) -> str:
    """``text`` as XML character data.

    A carriage return becomes a reference too: a parser would read a bare one as a line feed (XML 1.0, 2.11).
    """
    return _SPECIAL.sub(_reference, text)
