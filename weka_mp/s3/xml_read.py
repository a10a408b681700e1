"""XML bodies of requests: a bounded tree without entities, and strict walks over it.

Rules: the S3 API reference's request syntaxes. Namespaces are ignored, since clients send S3's, none, or
others. Document types, entities and external references are refused by defusedxml before they are looked at;
what no request of S3 has (towers, millions of elements, attributes or namespaces, odd encodings) is refused
where it begins, so that no tree is built of it.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from weka_mp.s3.errors import S3Error

__all__ = ["children", "document", "local_name", "number", "text"]

_MAX_DEPTH: Final = 16  # levels; S3's deepest request has fewer
_MAX_ELEMENTS: Final = 100_000  # ten thousand parts with every checksum are 80,001
_MAX_ATTRIBUTES: Final = 16  # of one element, and namespaces of the whole: S3's requests, but ACLs, have one
_PIECE: Final = 64 * 1024  # bytes that the parser is given at a time
_MAX_TOKEN: Final = _PIECE + 1024  # bytes of one tag or comment; of text it is told piece by piece
# What expat reads by itself (XML 1.0, 4.3.3, asks for the first two). Others would be read by whichever codec
# of Python has that name.
_ENCODINGS: Final = frozenset({"utf-8", "utf-16", "iso-8859-1", "us-ascii"})


def _malformed() -> S3Error:
    return S3Error("MalformedXML")


def local_name(element: Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2]


class _BoundedBuilder(TreeBuilder):
    """A tree that stops growing where no request of S3 would."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > _MAX_DEPTH or self._elements > _MAX_ELEMENTS or len(attrs) > _MAX_ATTRIBUTES:
            raise _malformed()
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def _parser(most_namespaces: int) -> DefusedXMLParser:
    parser = DefusedXMLParser(target=_BoundedBuilder(), forbid_dtd=True)
    namespaces: list[str] = []

    def check_declaration(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise _malformed()

    def check_namespace(_prefix: str | None, uri: str | None) -> None:
        namespaces.append(uri or "")
        if len(namespaces) > most_namespaces:
            raise _malformed()

    parser.parser.XmlDeclHandler = check_declaration
    parser.parser.StartNamespaceDeclHandler = check_namespace
    return parser


def _feed(parser: DefusedXMLParser, body: bytes) -> None:
    """In pieces: of a tag, however many attributes it has, expat tells only once it ends. Raises S3Error."""
    for begin in range(0, len(body), _PIECE):
        piece = body[begin:begin + _PIECE]
        parser.feed(piece)
        if begin + len(piece) - parser.parser.CurrentByteIndex > _MAX_TOKEN:
            raise _malformed()


def document(
    body: bytes, root_name: str, limit: int, *, most_namespaces: int = _MAX_ATTRIBUTES
) -> Element:
    """The root element of a body of at most `limit` bytes that declares as many namespaces at most. Raises
    S3Error MalformedXML.
    """
    if len(body) > limit:
        raise _malformed()
    parser = _parser(most_namespaces)
    try:
        _feed(parser, body)
        root: Element = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        # ValueError and LookupError: encodings that expat or Python do not know.
        raise _malformed() from error
    if local_name(root) != root_name:
        raise _malformed()
    return root


def children(element: Element, known: frozenset[str]) -> list[tuple[str, Element]]:
    """The child elements with their names. Raises MalformedXML for a name that is not `known`, and for text
    beside them."""
    found = [(local_name(child), child) for child in element]
    if any(name not in known for name, _ in found):
        raise _malformed()
    beside = [element.text, *(child.tail for child in element)]
    if any(words is not None and not words.isspace() for words in beside):
        raise _malformed()
    return found


def text(element: Element) -> str:
    """The text of an element without children. Raises MalformedXML."""
    if len(element):
        raise _malformed()
    return element.text or ""


def number(element: Element, *, signed: bool = False) -> int:
    """The decimal number that an element holds, 0 to 2^63-1, or signed below that too. Raises MalformedXML.
    """
    written = text(element).strip()
    digits = written.removeprefix("-") if signed else written
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        raise _malformed()
    return int(written)
