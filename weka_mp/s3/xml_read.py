"""XML bodies of requests: a bounded tree without entities, and strict walks over it.

Rules: the S3 API reference's request syntaxes. Namespaces are ignored, since clients send S3's, none, or
others. Document types, entities and external references are refused by defusedxml before they are looked at.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from weka_mp.s3.errors import S3Error

__all__ = ["children", "document", "local_name", "number", "text"]

_MAX_DEPTH: Final = 16  # levels; S3's deepest request has fewer, a tower of thousands would exhaust the stack


def _malformed() -> S3Error:
    return S3Error("MalformedXML")


def local_name(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def _require_shallow(root: Element) -> None:
    level = [root]
    for _ in range(_MAX_DEPTH):
        level = [child for element in level for child in element]
        if not level:
            return
    raise _malformed()


def document(body: bytes, root_name: str, limit: int) -> Element:
    """The root element of a body of at most `limit` bytes. Raises S3Error MalformedXML."""
    if len(body) > limit:
        raise _malformed()
    try:
        root: Element = fromstring(body)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        # ValueError and LookupError: encodings that expat or Python do not know.
        raise _malformed() from error
    if local_name(root) != root_name:
        raise _malformed()
    _require_shallow(root)
    return root


def children(element: Element, known: frozenset[str]) -> list[tuple[str, Element]]:
    """The child elements with their names. Raises MalformedXML for a name that is not `known`."""
    found = [(local_name(child), child) for child in element]
    if any(name not in known for name, _ in found):
        raise _malformed()
    return found


def text(element: Element) -> str:
    """The text of an element without children. Raises MalformedXML."""
    if len(element):
        raise _malformed()
    return element.text or ""


def number(element: Element) -> int:
    """The decimal number that an element holds, 0 to 2^63-1. Raises MalformedXML."""
    digits = text(element).strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        raise _malformed()
    return int(digits)
